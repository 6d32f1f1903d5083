"""A shop under test: the real binary on a store of its own, its clients, and the neighbours who must not notice an attack.

Only Python's standard library is used. Every address is a loopback address; a client's address is the one that it binds.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid

PASSWORD = "correct horse battery"
ADDRESS = {"street": "Main Street 1", "city": "Springfield", "zip": "12345", "country": "US"}

# Passwords are hashed cheaply: what is attacked is not the hash.
CHEAP = ("--password-memory", "64KiB", "--password-passes", "1")
# Attacks on other bounds than the rate limits run without them.
UNLIMITED = ("--rate-per-second", "0", "--secret-rate-per-second", "0")

CLOCK_SHIM = r"""
#define _GNU_SOURCE
#include <time.h>
#include <sys/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
static long offset(void) {
    const char *name = getenv("ATTACK_CLOCK_FILE");
    long seconds = 0;
    FILE *file = name ? fopen(name, "r") : NULL;
    if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
    return seconds;
}
int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += offset();
    return result;
}
int gettimeofday(struct timeval *value, void *zone) {
    (void)zone;
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    if (value) { value->tv_sec = time.tv_sec; value->tv_usec = time.tv_nsec / 1000; }
    return 0;
}
time_t time(time_t *seconds) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    if (seconds) *seconds = time.tv_sec;
    return time.tv_sec;
}
"""


class Answer:
    """An HTTP answer, read whole."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def code(self):
        """The problem code, or None."""
        return self.json.get("code") if isinstance(self.json, dict) else None

    def expect(self, *statuses):
        """This answer, if its status is one of these."""
        if self.status not in statuses:
            raise AssertionError(f"expected {statuses}, got {self}")
        return self

    def __repr__(self):
        return f"{self.status} {self.body[:300].decode('utf-8', 'replace')}"


def eventually(check, seconds=30.0, what="the condition"):
    """Waits until `check()` returns something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about within {seconds} s")
        time.sleep(0.05)


class Shop:
    """A running server. Use it as a context manager: it is stopped and its files are removed at the end."""

    binary = None

    def __init__(self, *args, env=None, before=None, start=True):
        self.folder = tempfile.mkdtemp(prefix="tradewind-attack-")
        self.store = os.path.join(self.folder, "shop.db")
        self.log_path = os.path.join(self.folder, "log")
        cheap = () if "--password-memory" in args else CHEAP
        self.args, self.env, self.before = [*cheap, *args], dict(os.environ, **(env or {})), before
        self.process, self.staff = None, None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, stderr=None):
        with open(self.log_path, "ab") as log:
            command = [self.binary, "serve", "--store", self.store, "--listen", f"127.0.0.1:{self.port}"]
            command += ["--log-format", "human", *self.args]
            self.process = subprocess.Popen(
                command, stdout=log, stderr=stderr or log, env=self.env, cwd=self.folder, preexec_fn=self.before
            )
        eventually(self.answers, 30, "an answer of the new server")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}: {self.log()[-2000:]}")
        try:
            return self.get("/healthz", token=None, timeout=5).status == 200
        except OSError:
            return False

    def stop(self, with_signal=signal.SIGTERM):
        self.process.send_signal(with_signal)
        return self.process.wait(60)

    def restart(self):
        self.stop()
        self.start()
        if self.staff:
            self.staff = self.sign_in("admin@example.org")

    def log(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode("utf-8", "replace")

    def run(self, *command, **options):
        """Runs a subcommand of the binary; returns its exit status and all that it printed."""
        done = subprocess.run([self.binary, *command], capture_output=True, timeout=120, **options)
        return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")

    def audit(self):
        """Stops the shop and audits its store: no invariant may be broken."""
        self.stop()
        status, text = self.run("verify", "--store", self.store)
        if status != 0:
            raise AssertionError(f"verify ended with {status}:\n{text}")

    def request(self, method, path, body=None, token="staff", headers=None, raw=None, timeout=40, source=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout, source_address=source)
        sent = {}
        token = self.staff if token == "staff" else token
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if method not in ("GET", "HEAD", "OPTIONS"):
            sent["Idempotency-Key"] = str(uuid.uuid4())
        data = raw if body is None else json.dumps(body, ensure_ascii=False).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        try:
            connection.request(method, path, body=data, headers=sent)
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        except http.client.HTTPException as error:
            raise OSError(repr(error)) from error
        finally:
            connection.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def put(self, path, body=None, **options):
        return self.request("PUT", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def with_admin(self):
        """Redeems the token of the first start; from then on the admin is who asks by default."""
        pattern = re.compile(r"no admin.*?\n\s*(\S+)\s", re.S)
        token = eventually(lambda: pattern.search(self.log()), 30, "the first admin's token").group(1)
        body = {"token": token, "email": "admin@example.org", "password": PASSWORD}
        self.post("/v1/first-admin", body, token=None).expect(201)
        self.staff = self.sign_in("admin@example.org")
        return self

    def sign_in(self, email, password=PASSWORD, **options):
        body = {"email": email, "password": password}
        return self.post("/v1/sessions", body, token=None, **options).expect(201).json["access_token"]

    def user(self, email="ada@example.org", money=0, role=None):
        """Signs a user up and in; returns their id and access token."""
        user_id = self.post("/v1/users", {"email": email, "password": PASSWORD}, token=None).expect(201).json["user_id"]
        if role:
            self.put(f"/v1/users/{user_id}/role", {"role": role}).expect(200)
        if money:
            self.post(f"/v1/users/{user_id}/accounts/EUR/credits", {"amount_minor": money, "cause": "top_up"}).expect(200)
        return user_id, self.sign_in(email)

    def client(self, name="warehouse"):
        """Creates a service client; returns its id and access token."""
        made = self.post("/v1/clients", {"name": name}).expect(201).json
        secret = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
        token = self.post("/v1/tokens", secret, token=None).expect(200, 201).json["access_token"]
        return made["client_id"], token

    def product(self, product_id="tea", skus=(("TEA-100", 499),), stock=10, **more):
        """Publishes a product with these (SKU, price in cents), each with this much stock."""
        variants = [{"sku": sku, "amount_minor": price, "currency": "EUR"} for sku, price in skus]
        self.post("/v1/products", {"product_id": product_id, "name": "Green tea", "variants": variants, **more}).expect(201)
        self.post(f"/v1/products/{product_id}/publication").expect(200)
        for sku, _ in skus if stock else ():
            self.restock(sku, stock)

    def restock(self, sku, units, **more):
        body = {"delta": units, "adjustment_type": "restock", **more}
        self.post(f"/v1/stock/{sku}/adjustments", body).expect(200)

    def order(self, token, product="tea", sku="TEA-100", quantity=1, method="balance", wait=10, source=None, **more):
        lines = [{"product_id": product, "sku": sku, "quantity": quantity}]
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        body = {"payment_method": method, "lines": lines, **more}
        return self.post("/v1/orders", body, token=token, headers=headers, source=source)

    def status_of(self, order_id):
        return self.get(f"/v1/orders/{order_id}").expect(200).json["status"]

    def becomes(self, order_id, *statuses):
        eventually(lambda: self.status_of(order_id) in statuses, 30, f"{statuses} of order {order_id}")

    def socket(self, sent=b"", source=None, receive_buffer=None):
        """A connection of a client that speaks HTTP by hand."""
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            connection.bind((source, 0))
        connection.settimeout(5)
        connection.connect(("127.0.0.1", self.port))
        if sent:
            connection.sendall(sent)
        return connection


class Clock:
    """A wall clock that a test moves, under the server alone; its monotonic clock is left alone."""

    def __init__(self, folder):
        source, self.library = os.path.join(folder, "clock.c"), os.path.join(folder, "clock.so")
        self.path = os.path.join(folder, "offset")
        with open(source, "w", encoding="ascii") as file:
            file.write(CLOCK_SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.library, source], check=True)
        self.set(0)

    @property
    def env(self):
        return {"LD_PRELOAD": self.library, "ATTACK_CLOCK_FILE": self.path}

    def set(self, seconds):
        """Puts the clock this many seconds ahead of the right time; negative: behind."""
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(str(seconds))
        os.replace(self.path + ".new", self.path)


class Neighbours:
    """Other customers at other addresses, while somebody attacks. Every request of theirs must succeed.

    One reads the catalog, one places orders and waits for their outcome, one probes. Each runs until the end of the
    `with` block, and makes at least `rounds_min` requests.
    """

    rounds_min = 10

    def __init__(self, shop, tokens=()):
        self.shop, self.failures, self.done = shop, [], {}
        self.stopping = threading.Event()
        asks = {"reads": self.reads, "probes": self.probes}
        if tokens:
            asks["orders"] = self.orders
        self.tokens = tokens
        self.threads = [threading.Thread(target=self.loop, args=item, daemon=True) for item in asks.items()]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(120)
        if kind is None and self.failures:
            raise AssertionError(f"{len(self.failures)} requests of others failed, of {self.done}: {self.failures[:5]}")

    def settle(self, rounds=None):
        """Waits until each of them has made so many more requests."""
        rounds = rounds or self.rounds_min
        before = dict(self.done)
        more = lambda: all(self.done.get(name, 0) >= before.get(name, 0) + rounds for name in self.names())
        eventually(lambda: self.failures or more(), 120, f"{rounds} more requests of every neighbour")

    def names(self):
        return ("reads", "probes", "orders") if self.tokens else ("reads", "probes")

    def loop(self, name, ask):
        while not self.stopping.is_set():
            self.done[name] = self.done.get(name, 0) + 1
            try:
                problem = ask(self.done[name])
            except OSError as error:
                problem = repr(error)
            if problem:
                self.failures.append((name, problem))
            self.stopping.wait(0.05)

    def reads(self, nth):
        answer = self.shop.get("/v1/products", token=None, source=(f"127.0.0.{20 + nth % 3}", 0), timeout=20)
        return None if answer.status == 200 else repr(answer)

    def probes(self, nth):
        path = ("/healthz", "/readyz", "/metrics")[nth % 3]
        answer = self.shop.get(path, token=None, source=("127.0.0.30", 0), timeout=20)
        return None if answer.status == 200 else repr((path, answer))

    def orders(self, nth):
        token = self.tokens[nth % len(self.tokens)]
        answer = self.shop.order(token, source=("127.0.0.40", 0))
        settled = answer.status == 201 and answer.json.get("outcome", {}).get("status") == "confirmed"
        return None if settled else repr(answer)
