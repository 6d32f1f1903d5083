"""Accounts under attack: what a token stands for ends at once, and nothing tells strangers about others."""

import concurrent.futures
import threading
import unicodedata
import unittest

from shop import ADDRESS, PASSWORD, UNLIMITED, Shop, eventually


class Accounts(unittest.TestCase):
    def setUp(self):
        self.shop = self.enterContext(Shop(*UNLIMITED)).with_admin()

    def test_a_control_character_in_an_address_ends_nothing(self):
        for text in ("a\u001fb", "a\u001fb@example.org", "a\u0000@example.org", "a@b\u001f.example", "\u001f"):
            for path in ("/v1/password-resets", "/v1/users", "/v1/sessions"):
                answer = self.shop.post(path, {"email": text, "password": PASSWORD}, token=None)
                self.assertLess(answer.status, 500, (path, text, answer))
                self.assertGreaterEqual(answer.status, 200)
        self.assertTrue(self.shop.answers())

    def test_a_demoted_admin_has_no_role_left(self):
        user_id, old = self.shop.user("mallory@example.org", role="admin")
        self.shop.put(f"/v1/users/{user_id}/role", {"role": "customer"}).expect(200)
        self.assertIn(self.shop.post("/v1/clients", {"name": "door"}, token=old).status, (401, 403))
        self.assertIn(self.shop.put(f"/v1/users/{user_id}/role", {"role": "admin"}, token=old).status, (401, 403))
        again = self.shop.sign_in("mallory@example.org")
        self.assertEqual(self.shop.get("/v1/me", token=again).expect(200).json["role"], "customer")

    def test_a_deleted_admin_has_no_role_left(self):
        user_id, old = self.shop.user("mallory@example.org", role="admin")
        other, _ = self.shop.user("accomplice@example.org")
        self.shop.post(f"/v1/users/{user_id}/deletion", {}).expect(204)
        self.assertIn(self.shop.post("/v1/clients", {"name": "door"}, token=old).status, (401, 403))
        self.assertIn(self.shop.put(f"/v1/users/{other}/role", {"role": "admin"}, token=old).status, (401, 403))

    def test_a_revoked_client_and_a_closed_session_are_refused_at_once(self):
        client_id, client = self.shop.client()
        self.shop.get("/v1/orders", token=client).expect(200)
        self.shop.delete(f"/v1/clients/{client_id}").expect(200, 204)
        self.assertEqual(self.shop.get("/v1/orders", token=client).status, 401)
        user_id, token = self.shop.user()
        self.shop.delete(f"/v1/users/{user_id}/sessions", token=token).expect(200, 204)
        self.assertEqual(self.shop.get("/v1/me", token=token).status, 401)

    def test_a_body_on_its_way_does_not_keep_a_role(self):
        self.shop.product(stock=5)
        user_id, token = self.shop.user("mallory@example.org", role="staff")
        client_id, client = self.shop.client()
        restock, cart = b'{"delta":100,"adjustment_type":"restock"}', b'{"currency":"EUR"}'
        held = []
        for token, path, body in ((token, "/v1/stock/TEA-100/adjustments", restock), (client, "/v1/carts", cart)):
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: late\r\n"
            more = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
            connection = self.shop.socket((head + more).encode())
            # It is asked to go on once its token was checked.
            self.assertIn(b" 100 ", connection.recv(64))
            connection.sendall(body[:-1])
            held.append((connection, body))
        self.shop.put(f"/v1/users/{user_id}/role", {"role": "customer"}).expect(200)
        self.shop.delete(f"/v1/clients/{client_id}").expect(200)
        for connection, body in held:
            connection.sendall(body[-1:])
            self.assertIn(b" 401 ", connection.recv(65_536)[:16])
            connection.close()
        stock = self.shop.get("/v1/stock/TEA-100").expect(200).body.decode()
        self.assertIn('"on_hand":5,', stock)

    def test_a_refusal_outlives_a_restart(self):
        user_id, token = self.shop.user(role="staff")
        self.shop.put(f"/v1/users/{user_id}/role", {"role": "customer"}).expect(200)
        self.shop.restart()
        self.assertEqual(self.shop.get("/v1/users", token=token).status, 401)

    def test_a_locked_account_answers_right_and_wrong_passwords_alike(self):
        user_id, token = self.shop.user()
        routes = {
            "password": lambda password: {"current_password": password, "new_password": "another good one"},
            "email": lambda password: {"email": "new@example.org", "password": password},
        }
        for route, body in routes.items():
            tries = [self.shop.put(f"/v1/users/{user_id}/{route}", body("wrong" * 4), token=token) for _ in range(30)]
            self.assertGreaterEqual(tries[0].status, 400)
            right = self.shop.put(f"/v1/users/{user_id}/{route}", body(PASSWORD), token=token)
            self.assertEqual((right.status, right.code), (tries[-1].status, tries[-1].code), route)

    def test_the_right_password_among_parallel_wrong_ones_looks_like_them(self):
        for nth in range(8):
            user_id, token = self.shop.user(f"user{nth}@example.org")
            change = lambda password: self.shop.put(
                f"/v1/users/{user_id}/password", {"password": password, "new_password": "another good one"}, token=token
            )
            with concurrent.futures.ThreadPoolExecutor(12) as pool:
                guesses = [f"wrong guess {guess}" for guess in range(8)] + [PASSWORD] + ["wrong guess"] * 3
                answers = list(pool.map(change, guesses))
            self.assertIn(answers[8].status, (204, 403), answers[8])
            if answers[8].status == 403:
                self.assertEqual((answers[8].code, answers[8].json["field"]), ("password_wrong", "password"))

    def test_password_checks_of_others_leave_room(self):
        slow = ("--password-memory", "19MiB", "--password-passes", "4", "--password-queue-max", "16")
        shop = self.enterContext(Shop(*UNLIMITED, *slow)).with_admin()
        shop.user("neighbour@example.org")
        stopping = threading.Event()

        def guess(nth):
            body = {"email": "neighbour@example.com", "password": "x" * 12}
            while not stopping.is_set():
                try:
                    shop.post("/v1/sessions", body, token=None, source=(f"127.0.1.{1 + nth % 8}", 0))
                except OSError:
                    pass

        threads = [threading.Thread(target=guess, args=(nth,), daemon=True) for nth in range(64)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                shop.sign_in("neighbour@example.org", source=("127.0.0.40", 0))
        finally:
            stopping.set()
            for thread in threads:
                thread.join(60)

    def test_signing_up_does_not_tell_that_an_address_is_taken(self):
        first = self.shop.post("/v1/users", {"email": "ada@example.org", "password": PASSWORD}, token=None).expect(201)
        again = self.shop.post("/v1/users", {"email": "ada@example.org", "password": "other " + PASSWORD}, token=None)
        self.assertEqual(again.status, first.status)
        self.assertEqual(sorted(again.json), sorted(first.json))
        self.assertNotEqual(again.json["user_id"], first.json["user_id"])
        self.shop.sign_in("ada@example.org")

    def test_staff_and_clients_do_not_change_an_admin(self):
        admin_id, _ = self.shop.user("second@example.org", role="admin")
        _, staff = self.shop.user("staff@example.org", role="staff")
        _, client = self.shop.client()
        for token in (staff, client):
            changes = (
                self.shop.request("PATCH", f"/v1/users/{admin_id}", {"first_name": "x"}, token=token),
                self.shop.delete(f"/v1/users/{admin_id}/sessions", token=token),
                self.shop.post(f"/v1/users/{admin_id}/deletion", {}, token=token),
                self.shop.put(f"/v1/users/{admin_id}/email", {"email": "x@example.org"}, token=token),
            )
            for answer in changes:
                self.assertEqual(answer.status, 403, answer)

    def test_a_foreign_order_looks_like_one_that_is_not_there(self):
        self.shop.product()
        _, ada = self.shop.user(money=10_000)
        _, bob = self.shop.user("bob@example.org")
        theirs = self.shop.order(ada, shipping_address=ADDRESS).expect(201).json["order_id"]
        absent = "0190aaaa-0000-7000-8000-000000000000"
        cart = self.shop.post("/v1/carts", {}, token=ada).expect(201).json["cart_id"]
        bodies = {"lines": {"sku": "TEA-100", "quantity": 1}, "{sku}": {"quantity": 1}, "merging": {"into_cart_id": cart}}
        tried = 0
        for template, operations in self.shop.get("/openapi.json").expect(200).json["paths"].items():
            for method in operations:
                body = None if method in ("get", "delete") else bodies.get(template.rsplit("/", 1)[1], {})
                path = template.replace("{order_id}", "ID").replace("{cart_id}", "ID").replace("{sku}", "TEA-100")
                if "ID" not in path or "{" in path:
                    continue
                told = []
                for one in (cart if "{cart_id}" in template else theirs, absent):
                    answer = self.shop.request(method.upper(), path.replace("ID", one), body, token=bob)
                    text = answer.body.decode().replace(answer.headers["x-request-id"], "REQUEST").replace(one, "ID")
                    told.append((answer.status, text))
                self.assertIn(told[0][0], (403, 404), (method, path, told))
                self.assertEqual(told[0], told[1], (method, path))
                tried += told[0][0] == 404
        self.assertGreater(tried, 12, "routes on which it is decided whose it is")

    def test_a_password_is_the_same_however_it_was_composed(self):
        composed = unicodedata.normalize("NFC", "Größe schön 12")
        decomposed = unicodedata.normalize("NFD", composed)
        for nth, (registered, typed) in enumerate(((composed, decomposed), (decomposed, composed))):
            body = {"email": f"u{nth}@example.org", "password": registered}
            self.shop.post("/v1/users", body, token=None).expect(201)
            self.shop.sign_in(f"u{nth}@example.org", typed)

    def test_a_customer_with_a_paid_order_does_not_vanish_in_silence(self):
        self.shop.product()
        user_id, token = self.shop.user(money=10_000)
        order_id = self.shop.order(token, shipping_address=ADDRESS).expect(201).json["order_id"]
        self.shop.becomes(order_id, "confirmed")
        eventually(lambda: self.shop.get(f"/v1/orders/{order_id}/shipment").status == 200)
        answer = self.shop.post(f"/v1/users/{user_id}/deletion", {"password": PASSWORD}, token=token)
        if answer.status != 204:
            self.assertIn(answer.status, (409, 422))
            return
        self.shop.becomes(order_id, "cancelled")
        self.shop.audit()

    def test_money_is_credited_only_to_a_customer_who_exists(self):
        self.shop.product()
        credit = {"amount_minor": 100, "cause": "top_up"}
        self.assertIn(self.shop.post("/v1/users/nobody/accounts/EUR/credits", credit).status, (404, 409, 422))
        line = {"product_id": "tea", "sku": "TEA-100", "quantity": 1}
        order = {"customer_id": "typo", "payment_method": "external", "lines": [line]}
        self.assertIn(self.shop.post("/v1/orders", order).status, (404, 409, 422))
