"""Faults of the shop itself that somebody has seen: time, bounds, round trips, decisions that leave someone alone."""

import gzip
import json
import re
import shutil
import tempfile
import time
import unittest
import urllib.parse
from datetime import datetime

from shop import ADDRESS, UNLIMITED, Clock, Shop, eventually


class OfTheShop(unittest.TestCase):
    def shop(self, *args, **options):
        return self.enterContext(Shop(*UNLIMITED, *args, **options)).with_admin()

    def clock(self):
        folder = tempfile.mkdtemp(prefix="tradewind-clock-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return Clock(folder)

    def test_calls_of_the_provider_do_not_wait_for_a_clock_that_went_back(self):
        clock = self.clock()
        shop = self.shop(env=clock.env)
        shop.product(stock=1_000)
        shop.user()
        clock.set(-900)
        order = shop.order(shop.sign_in("ada@example.org"), method="card", wait=0).expect(201).json["order_id"]
        shop.becomes(order, "confirmed")

    def test_tokens_and_deadlines_outlive_a_clock_that_went_back(self):
        clock = self.clock()
        shop = self.shop(env=clock.env)
        _, token = shop.user()
        for seconds in (-60, -3600):
            clock.set(seconds)
            shop.get("/v1/me", token=token).expect(200)
        shop.user("bob@example.org")
        clock.set(0)
        shop.user("eve@example.org")
        eventually(lambda: shop.get("/readyz", token=None).status == 200, 30, "a ready shop")

    def test_a_clock_that_jumps_and_comes_back_leaves_no_deadline_waiting(self):
        clock = self.clock()
        shop = self.shop("--order-deadline", "5s", "--reservation-ttl", "4s", env=clock.env)
        shop.product(stock=10)
        shop.user()
        clock.set(1_800)
        # Half an hour has passed for the shop: what was signed before has expired.
        shop.staff = shop.sign_in("admin@example.org")
        order = shop.order(shop.sign_in("ada@example.org"), method="external", wait=0).expect(201).json["order_id"]
        clock.set(0)
        shop.becomes(order, "cancelled", "rejected")

    def test_the_first_order_after_a_restart_finds_deep_categories(self):
        shop = self.shop("--category-tax-bp", "books=700")
        leaves = []
        for tree in range(10):
            parent = None
            for depth in range(8):
                category = f"cat-{tree}-{depth}"
                more = {"parent_id": parent} if parent else {}
                shop.post("/v1/categories", {"category_id": category, "name": category, **more}).expect(201)
                parent = category
            leaves.append(parent)
        shop.product("deep", skus=(("DEEP", 100),), category_ids=leaves)
        shop.user(money=100_000)
        shop.restart()
        order = shop.order(shop.sign_in("ada@example.org"), "deep", "DEEP", wait=0).expect(201).json["order_id"]
        shop.becomes(order, "confirmed")
        self.assertEqual(shop.get("/v1/operations/dead-letters").json["items"], [])

    def test_a_word_is_found_in_every_script(self):
        shop = self.shop()
        names = {
            "jp": "有機緑茶ティーバッグ", "zh": "高山烏龍茶葉禮盒", "th": "ชาเขียวญี่ปุ่น", "ko": "유기농녹차 티백",
            "de": "Straßenschuh", "dk": "Smørrebrød", "pl": "Łódź", "hr": "Đakovo",
        }
        for key, name in names.items():
            shop.product(key, skus=((key.upper(), 100),), stock=0, name=name)
        searches = {
            "有機": "jp", "緑茶": "jp", "烏龍茶": "zh", "禮盒": "zh", "เขียว": "th", "녹차": "ko", "티백": "ko",
            "straßen": "de", "strassen": "de", "smorrebrod": "dk", "lodz": "pl", "dakovo": "hr",
        }
        for words, wanted in searches.items():
            page = shop.get("/v1/products?" + urllib.parse.urlencode({"q": words}), token=None).expect(200)
            self.assertIn(wanted, [item["product_id"] for item in page.json["items"]], words)

    def test_a_price_filter_takes_no_gap_for_a_price(self):
        shop = self.shop()
        shop.product("pen", skus=(("PEN-A", 1_000), ("PEN-B", 10_000)), stock=5)
        shop.product("ink", skus=(("INK", 2_500),), stock=5)
        for low, high, wanted in ((2_000, 3_000, ["ink"]), (9_000, 11_000, ["pen"]), (500, 3_000, ["ink", "pen"])):
            page = shop.get(f"/v1/products?price_from_minor={low}&price_to_minor={high}", token=None).expect(200)
            self.assertEqual(sorted(item["product_id"] for item in page.json["items"]), wanted)

    def test_a_sale_whose_money_never_came_is_no_sale(self):
        shop = self.shop("--provider-rules", "71=capture_refused")
        shop.product(skus=(("B", 1_071),), stock=100)
        _, token = shop.user()
        order = shop.order(token, sku="B", method="card").expect(201).json["order_id"]
        shop.becomes(order, "cancelled")
        day = time.strftime("%Y-%m-%d", time.gmtime())

        def kept():
            items = shop.get(f"/v1/sales?from={day}&to={day}").expect(200).json["items"]
            return sum(item["gross_minor"] - item["refunded_minor"] for item in items)

        eventually(lambda: kept() == 0, 30, "sales without what was never paid")

    def test_the_same_order_id_is_the_same_request(self):
        shop = self.shop()
        shop.product(stock=100)
        user_id, _ = shop.user(money=1_000_000)
        line = {"product_id": "tea", "sku": "TEA-100", "quantity": 1}
        body = {"order_id": "my-order-1", "customer_id": user_id, "payment_method": "balance", "lines": [line]}
        body["shipping_address"] = ADDRESS
        shop.post("/v1/orders", body).expect(201)
        shop.post("/v1/orders", body).expect(200, 201)
        others = (
            {"shipping_address": dict(ADDRESS, street="Side Street 9")},
            {"payment_method": "external"},
            {"billing_address": ADDRESS},
            {"reservation_ttl_seconds": 60},
            {"shipping_address": None},
        )
        for other in others:
            changed = {name: value for name, value in {**body, **other}.items() if value is not None}
            self.assertEqual(shop.post("/v1/orders", changed).status, 409, other)

    def test_a_customer_does_not_hold_stock_for_a_day(self):
        shop = self.shop("--order-deadline", "30m")
        shop.product(stock=50)
        _, token = shop.user()
        answer = shop.order(token, quantity=50, method="external", reservation_ttl_seconds=86_400, wait=0)
        if answer.status == 201:
            at = lambda name: datetime.fromisoformat(answer.json[name].replace("Z", "+00:00"))
            self.assertLessEqual((at("deadline_at") - at("placed_at")).total_seconds(), 1_900)
        else:
            self.assertIn(answer.status, (400, 403, 422))

    def test_what_is_available_can_be_sold(self):
        shop = self.shop()
        shop.product(stock=0)
        for nth in range(14):
            shop.post("/v1/locations", {"location_id": f"shelf-{nth:02}", "name": f"Shelf {nth}"}).expect(201)
            shop.restock("TEA-100", 1 if nth < 12 else 20, location_id=f"shelf-{nth:02}")
        _, token = shop.user(money=1_000_000)
        outcome = shop.order(token, quantity=40).expect(201).json["outcome"]
        self.assertEqual(outcome["status"], "confirmed", outcome)

    def test_numbers_of_attributes_are_kept_or_refused(self):
        shop = self.shop()
        numbers = ("123456789012345678901", "18446744073709551616", "-9223372036854775809", "1e-400", "9007199254740993")
        numbers += ("0.1000000000000000055511151231257827", "1E5", "1e2", "-0", "12345678901234567890.5")
        for nth, number in enumerate(numbers):
            raw = f'{{"product_id":"n{nth}","name":"N","attributes":{{"x":{number}}}}}'.encode()
            answer = shop.request("POST", "/v1/products", raw=raw)
            if answer.status in (400, 422):
                continue
            answer.expect(201)
            read = re.search(rb'"x":([^},]*)', shop.get(f"/v1/products/n{nth}").body).group(1).decode()
            self.assertEqual(read.lower(), number.lower())
        shop.audit()

    def test_a_field_given_twice_is_refused(self):
        shop = self.shop()
        bodies = (
            b'{"product_id":"d1","name":"A","name":"B"}',
            b'{"product_id":"d2","name":"A","attributes":{"size":1,"size":2}}',
            b'{"product_id":"d3","name":"A","attributes":{"deep":{"size":1,"size":2}}}',
        )
        for body in bodies:
            self.assertIn(shop.request("POST", "/v1/products", raw=body).status, (400, 422), body)

    def test_an_encoded_body_is_refused_as_such(self):
        shop = self.shop()
        body = json.dumps({"product_id": "gz", "name": "G"}).encode()
        send = lambda raw, coding: shop.request("POST", "/v1/products", raw=raw, headers={"Content-Encoding": coding})
        self.assertEqual(send(gzip.compress(body), "gzip").status, 415)
        self.assertEqual(send(body, "br").status, 415)
        self.assertIn(send(body, "identity").status, (201, 415))

    def test_every_refund_of_an_order_can_be_seen(self):
        shop = self.shop()
        shop.product(skus=(("TEA-100", 1_000),))
        _, token = shop.user(money=1_000_000)
        order = shop.order(token).expect(201).json["order_id"]
        eventually(lambda: shop.post(f"/v1/orders/{order}/shipment/dispatch", {}).status == 200)
        shop.post(f"/v1/orders/{order}/shipment/delivery").expect(200)
        shop.becomes(order, "completed")
        for _ in range(130):
            shop.post(f"/v1/orders/{order}/payment/refunds", {"amount_minor": 1, "reason": "x"}).expect(200, 202)
        for path in (f"/v1/orders/{order}", f"/v1/orders/{order}/payment"):
            view = shop.get(path).expect(200).json
            shown = view.get("refunds") or []
            more = any(name in view for name in ("refunds_cursor", "next_cursor", "refunds_total", "more"))
            self.assertTrue(not shown or len(shown) == 130 or more, (path, len(shown)))

    def test_a_cart_of_another_currency_says_so_and_is_of_use_again(self):
        shop = self.shop()
        shop.product(stock=50)
        _, token = shop.user(money=1_000_000)
        cart = shop.post("/v1/carts", token=token).expect(201).json["cart_id"]
        shop.post(f"/v1/carts/{cart}/lines", {"sku": "TEA-100", "quantity": 1}, token=token).expect(200)
        shop.args += ["--currency", "USD"]
        shop.restart()
        token = shop.sign_in("ada@example.org")
        checkout = shop.post(f"/v1/carts/{cart}/checkout", {}, token=token)
        if checkout.status == 200:
            body = {"payment_method": "balance", "cart": checkout.json}
            shop.post("/v1/orders", body, token=token).expect(201)
        shop.post("/v1/variants/TEA-100/prices", {"amount_minor": 550, "currency": "USD"}).expect(200)
        shop.delete(f"/v1/carts/{cart}/lines/TEA-100", token=token)
        shop.post(f"/v1/carts/{cart}/lines", {"sku": "TEA-100", "quantity": 1}, token=token).expect(200)
