"""HTTP/1.1 by hand: requests that two servers could read in two ways, floods of headers, and the bounds of the door."""

import re
import socket
import unittest

from shop import UNLIMITED, Shop

BODY = b'{"email":"a@b.example","password":"xxxxxxxxxxxx"}'
LENGTH = str(len(BODY)).encode()
CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
POST = b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

# A request, and the statuses of all answers on its connection. A refusal that leaves doubt about where the request ends
# must be the last answer: what follows on the connection is never taken for a request.
CASES = {
    "a length": (POST + b"Content-Length: " + LENGTH + b"\r\n\r\n" + BODY + NEXT, [401, 200]),
    "one length twice": (POST + (b"Content-Length: " + LENGTH + b"\r\n") * 2 + b"\r\n" + BODY + NEXT, [401, 200]),
    "two lengths": (POST + b"Content-Length: " + LENGTH + b"\r\nContent-Length: 0\r\n\r\n" + BODY + NEXT, [400]),
    "a list of lengths": (POST + b"Content-Length: 5, 5\r\n\r\nhello" + NEXT, [400]),
    "a signed length": (POST + b"Content-Length: +5\r\n\r\nhello" + NEXT, [400]),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK + NEXT, [401, 200]),
    "a length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT, [400]),
    "chunks and a length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + NEXT, [400]),
    "chunks twice": (POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n" + CHUNK + NEXT, [400]),
    "chunks of chunks": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNK + NEXT, [400]),
    "compressed chunks": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNK + NEXT, [400]),
    "chunks that are not last": (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNK + NEXT, [400]),
    "another coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNK + NEXT, [400]),
    "compressed chunks of a read": (
        b"GET /v1/products HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + CHUNK + NEXT, [400]
    ),
    "a space before the colon": (POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNK + NEXT, [400]),
    "chunks in HTTP/1.0": (POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK, [400]),
    "a huge chunk extension": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n31;" + b"a" * 100_000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n" + NEXT, [400]
    ),
    "a chunk beyond 64 bits": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n" + BODY, [400]),
    "thousands of trailers": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNK[:-2] + b"X: y\r\n" * 5_000 + b"\r\n" + NEXT, [400]
    ),
    "a folded header": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n" + NEXT, [400]),
    "a NUL in a header": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n" + NEXT, [400]),
    "a body of a read": (b"GET /v1/products HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" + NEXT, [200, 200]),
    "many headers": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-A: 1\r\n" * 5_000 + b"\r\n" + NEXT, [431]),
    "an endless header": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 500_000, [431]),
    "HEAD": (b"HEAD /v1/products HTTP/1.1\r\nHost: x\r\n\r\n" + NEXT, [200, 200]),
    "an absolute URI": (b"GET http://evil.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n" + NEXT, [200, 200]),
    "a pipeline": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + NEXT, [200] * 51),
    "two hosts": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + NEXT, [400]),
    "one host twice": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n" + NEXT, [400]),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n" + NEXT, [400]),
    "no host in HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", [200]),
    "two hosts in HTTP/1.0": (b"GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", [400]),
    "no host beside an absolute URI": (b"GET http://x/healthz HTTP/1.1\r\n\r\n" + NEXT, [400]),
    "no host before a body": (
        POST.replace(b"Host: x\r\n", b"") + b"Content-Length: " + LENGTH + b"\r\n\r\n" + BODY + NEXT, [400]
    ),
    "a list of hosts": (b"GET /healthz HTTP/1.1\r\nHost: x, y\r\n\r\n" + NEXT, [400]),
    "a path in the host": (b"GET /healthz HTTP/1.1\r\nHost: x/y\r\n\r\n" + NEXT, [400]),
    "a user in the host": (b"GET /healthz HTTP/1.1\r\nHost: me@x\r\n\r\n" + NEXT, [400]),
    "a word for a port": (b"GET /healthz HTTP/1.1\r\nHost: x:http\r\n\r\n" + NEXT, [400]),
    "no text in the host": (b"GET /healthz HTTP/1.1\r\nHost: \xff\r\n\r\n" + NEXT, [400]),
    "an address of IPv6 as host": (b"GET /healthz HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n" + NEXT, [200, 200]),
    "an empty host": (b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n" + NEXT, [200, 200]),
    "a host for a preflight twice": (
        b"OPTIONS /v1/products HTTP/1.1\r\nHost: x\r\nHost: y\r\nOrigin: https://a.example\r\n"
        b"Access-Control-Request-Method: GET\r\n\r\n" + NEXT, [400]
    ),
    "HTTP/2 without TLS": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []),
    "CONNECT": (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", [404]),
}


class Http(unittest.TestCase):
    def exchange(self, shop, sent, port=None, source="127.0.0.1"):
        """Everything that a connection answers until it ends."""
        received = b""
        with socket.create_connection(("127.0.0.1", port or shop.port), 20, (source, 0)) as connection:
            try:
                connection.sendall(sent)
                while chunk := connection.recv(65_536):
                    received += chunk
            except (ConnectionResetError, BrokenPipeError):
                # It was closed while there was more to send.
                pass
        return received

    def test_no_request_is_read_in_two_ways(self):
        with Shop(*UNLIMITED) as shop:
            for name, (sent, expected) in CASES.items():
                with self.subTest(name):
                    received = self.exchange(shop, sent)
                    self.assertEqual([int(status) for status in re.findall(rb"HTTP/1\.[01] (\d+)", received)], expected)

    def test_two_tokens_are_none(self):
        with Shop(*UNLIMITED) as shop:
            shop.with_admin()
            token = f"Authorization: Bearer {shop.staff}\r\n".encode()
            head = b"GET /v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            self.assertIn(b" 200 ", self.exchange(shop, head + token + b"\r\n")[:16])
            for second in (token, b"Authorization: Bearer x\r\n", b"Authorization: Basic x\r\n"):
                self.assertIn(b" 401 ", self.exchange(shop, head + token + second + b"\r\n")[:16])

    def test_a_client_without_leave_to_send_its_body_is_told_no_at_once(self):
        with Shop(*UNLIMITED) as shop:
            head = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
            received = self.exchange(shop, head)
            self.assertIn(b" 401 ", received[:16])
            self.assertNotIn(b" 100 ", received)

    def test_the_body_of_a_refused_request_is_not_waited_for(self):
        with Shop(*UNLIMITED) as shop:
            head = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
            # The connection ends too: what comes later is no request.
            for sent in (head % 1_000 + b"{", head % 50_000_000 + b"x" * 10_000_000):
                received = self.exchange(shop, sent)
                self.assertIn(received[:16], (b"HTTP/1.1 401 Una", b""))
            self.assertIn(b" 401 ", self.exchange(shop, head % 1_000 + b"{")[:16])

    def test_an_origin_that_no_browser_sends_stops_the_start(self):
        good = ("*", "https://shop.example", "http://localhost:3000,https://shop.example:8443", "http://shop.example:443")
        bad = ("null", "shop.example", "https://shop.example/", "https://Shop.example", "https://*.example")
        bad += ("https://me@shop.example", "*,https://shop.example", "https://shop.example:443", "http://shop.example:80")
        shop = Shop(start=False)
        with shop:
            for origins, status in [(origins, 0) for origins in good] + [(origins, 2) for origins in bad]:
                self.assertEqual(shop.run("config", "--cors-origins", origins)[0], status, origins)

    def test_the_port_for_probes_has_room_for_others(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        probe = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with Shop("--probe-listen", f"127.0.0.1:{port}") as shop:
            held = [socket.create_connection(("127.0.0.1", port), 20, (f"127.0.3.{1 + nth % 6}", 0)) for nth in range(100)]
            for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/v1/products", 404)):
                received = self.exchange(shop, probe.replace(b"/healthz", path.encode()), port, "127.0.0.30")
                self.assertIn(b" %d " % status, received[:16], path)
            for connection in held:
                connection.close()

    def test_a_spoofed_forwarding_address_has_no_rate_of_its_own(self):
        spoofs = ("1.1.1.{}", "1.1.1.{}, 9.9.9.9", "1.1.1.{}, 9.9.9.9:80", "1.1.1.{}, [2001:db8::{}]:80", "1.1.1.{}, unknown")
        for trusted in ((), ("--trusted-proxies", "127.0.0.1")):
            for spoof in spoofs if trusted else spoofs[:1]:
                with self.subTest((trusted, spoof)), Shop("--rate-per-second", "1", "--rate-burst", "5", *trusted) as shop:
                    ask = lambda nth: shop.get("/v1/categories", token=None, headers={"X-Forwarded-For": spoof.format(nth, nth)})
                    statuses = [ask(nth).status for nth in range(40)]
                    # Alone, the entry is what the proxy has written, and it is believed.
                    is_believed = bool(trusted) and spoof == spoofs[0]
                    self.assertEqual(429 in statuses, not is_believed, statuses)
