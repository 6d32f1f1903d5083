"""One caller against everyone: whatever one address or one customer holds, everybody else is served."""

import concurrent.futures
import resource
import socket
import subprocess
import time
import unittest

from shop import UNLIMITED, Neighbours, Shop, eventually

SLOW_BODY = b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
SLOW_HEAD = b"GET /v1/products HTTP/1.1\r\nHost: x\r\n"
UNREAD = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"

# Small enough that an attack takes seconds, with the proportions of the defaults.
SMALL = ("--connections-max", "200", "--requests-max", "64", "--head-timeout", "60s", "--wait-max", "30s", "--request-timeout", "60s")


def descriptors():
    """Room for the attackers' own sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Places(unittest.TestCase):
    def setUp(self):
        descriptors()
        self.held = []

    def tearDown(self):
        for connection in self.held:
            connection.close()

    def shop(self, *args):
        shop = self.enterContext(Shop(*SMALL, *args)).with_admin()
        shop.product(stock=100_000)
        tokens = [shop.user(f"neighbour{nth}@example.org", money=10_000_000)[1] for nth in range(2)]
        return shop, tokens

    def hold(self, shop, count, sent=b"", source="127.0.0.1", **options):
        """Opens connections and keeps them; those that are refused or closed at once are part of the attack."""
        for _ in range(count):
            try:
                self.held.append(shop.socket(sent, source=source, **options))
            except OSError:
                pass

    def attack(self, *args, attack):
        shop, tokens = self.shop(*args)
        with Neighbours(shop, tokens) as neighbours:
            for _ in range(3):
                attack(shop)
                neighbours.settle()
        for connection in self.held:
            connection.close()
        eventually(shop.answers, 30, "an answer to the attacking address once its connections are closed")
        shop.audit()

    def test_slow_bodies_take_no_places_of_others(self):
        self.attack(attack=lambda shop: self.hold(shop, 300, SLOW_BODY))

    def test_slow_bodies_with_a_token_take_no_places_of_others(self):
        def attack(shop):
            # From elsewhere: the attacking address has no connection left.
            token = shop.sign_in("admin@example.org", source=("127.0.0.50", 0))
            head = f"POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: 1\r\n"
            body = "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
            self.hold(shop, 300, (head + body).encode())

        self.attack(*UNLIMITED, attack=attack)

    def test_slow_heads_take_no_places_of_others(self):
        self.attack(attack=lambda shop: self.hold(shop, 300, SLOW_HEAD))

    def test_idle_connections_take_no_places_of_others(self):
        self.attack(attack=lambda shop: self.hold(shop, 300))

    def test_kept_connections_take_no_places_of_others(self):
        self.attack(attack=lambda shop: self.hold(shop, 300, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))

    def test_unread_answers_take_no_places_of_others(self):
        self.attack(*UNLIMITED, attack=lambda shop: self.hold(shop, 300, UNREAD * 30, receive_buffer=2048))

    def test_requests_over_the_rate_take_no_places_of_others(self):
        def attack(shop):
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                ask = lambda _: shop.post("/v1/sessions", {"email": "a@b.example", "password": "x" * 12}, token=None)
                statuses = [answer.status for answer in pool.map(ask, range(400))]
            self.assertIn(429, statuses)

        self.attack(attack=attack)

    def test_waiters_of_one_customer_take_no_places_of_others(self):
        def attack(shop):
            token = shop.sign_in("mallory@example.org", source=("127.0.0.50", 0))
            head = f"POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nPrefer: wait=30\r\n"
            body = '{"payment_method":"external","lines":[{"product_id":"tea","sku":"TEA-100","quantity":1}]}'
            for nth in range(150):
                more = f"Idempotency-Key: {time.monotonic_ns()}-{nth}\r\nContent-Type: application/json\r\n"
                length = f"Content-Length: {len(body)}\r\n\r\n"
                self.hold(shop, 1, (head + more + length + body).encode(), source=f"127.0.1.{1 + nth % 8}")

        def prepare(shop):
            if not hasattr(self, "mallory"):
                self.mallory = shop.user("mallory@example.org")
            attack(shop)

        self.attack(*UNLIMITED, attack=prepare)

    def test_streams_of_one_customer_take_no_places_of_others(self):
        shop, tokens = self.shop(*UNLIMITED, "--streams-max", "32")
        _, mallory = shop.user("mallory@example.org", money=1_000_000)
        mine = shop.order(mallory).expect(201).json["order_id"]
        theirs = shop.order(tokens[0]).expect(201).json["order_id"]

        def stream(token, order_id, source):
            head = f"GET /v1/orders/{order_id}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            return shop.socket(f"{head}Accept: text/event-stream\r\n\r\n".encode(), source=source)

        with Neighbours(shop, tokens) as neighbours:
            for nth in range(100):
                self.held.append(stream(mallory, mine, f"127.0.1.{1 + nth % 8}"))
            neighbours.settle()
            with stream(tokens[0], theirs, "127.0.0.40") as other:
                self.assertIn(b" 200 ", other.recv(64))
        shop.audit()

    def test_a_stream_ends_with_the_session_that_opened_it(self):
        shop, tokens = self.shop(*UNLIMITED)
        order_id = shop.order(tokens[0]).expect(201).json["order_id"]
        me = shop.get("/v1/me", token=tokens[0]).expect(200).json["user_id"]
        head = f"GET /v1/orders/{order_id}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens[0]}\r\n"
        with shop.socket(f"{head}Accept: text/event-stream\r\n\r\n".encode()) as stream:
            self.assertIn(b" 200 ", stream.recv(64))
            shop.delete(f"/v1/users/{me}/sessions", token=tokens[0]).expect(200, 204)
            stream.settimeout(30)
            # The connection is kept for further requests: the last chunk ends the answer.
            received = b""
            while not received.endswith(b"\r\n0\r\n\r\n"):
                chunk = stream.recv(65_536)
                self.assertTrue(chunk, received)
                received += chunk

    def test_a_server_without_free_descriptors_neither_spins_nor_floods_its_log(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, 1_024))
        shop = self.enterContext(Shop("--rate-per-second", "0", before=limit))
        spent = lambda: sum(map(int, open(f"/proc/{shop.process.pid}/stat").read().rsplit(")", 1)[1].split()[11:13]))
        for nth in range(12):
            self.hold(shop, 100, SLOW_HEAD, source=f"127.0.2.{1 + nth}")
        before, written = spent(), len(shop.log())
        # Nothing can be waited for here: what must not happen is watched for three seconds.
        time.sleep(3)
        self.assertLess(len(shop.log()) - written, 300_000, "bytes of log in three seconds")
        self.assertLess(spent() - before, 100, "hundredths of a second of CPU in three seconds")
        for connection in self.held:
            connection.close()
        eventually(shop.answers, 30, "an answer after the connections are closed")

    def test_readers_that_read_nothing_are_let_go(self):
        limits = ("--connections-max", "40", "--head-timeout", "3s", "--request-timeout", "5s", "--wait-max", "2s")
        shop = self.enterContext(Shop(*limits, "--rate-per-second", "0"))
        self.hold(shop, 40, UNREAD * 30, receive_buffer=1024)
        eventually(shop.answers, 45, "an answer while forty readers do not read")

    def test_a_slow_attack_of_one_address_is_not_noticed_by_another(self):
        shop = self.enterContext(Shop()).with_admin()
        shop.product(stock=1_000)
        with Neighbours(shop) as neighbours:
            end = time.monotonic() + 25
            while time.monotonic() < end:
                self.hold(shop, 40, SLOW_BODY)
                while len(self.held) > 1_500:
                    self.held.pop(0).close()
                neighbours.settle(2)
        self.assertEqual(shop.get("/healthz", token=None).status, 200)
