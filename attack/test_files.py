"""The store's files under attack: rights, deletion, replacement, hard links, damage, a full disk."""

import os
import shutil
import signal
import stat
import subprocess
import unittest

from shop import UNLIMITED, Shop, eventually


class Files(unittest.TestCase):
    def shop(self, *args, **options):
        return self.enterContext(Shop(*UNLIMITED, *args, **options))

    def sells(self, shop):
        shop.with_admin()
        shop.product(stock=100_000)
        return shop.user(money=100_000_000)

    def test_every_file_belongs_to_its_owner_alone(self):
        shop = self.shop(before=lambda: os.umask(0))
        self.sells(shop)
        status, text = shop.run("backup", os.path.join(shop.folder, "copy.db"), "--store", shop.store)
        self.assertEqual(status, 0, text)
        for name in os.listdir(shop.folder):
            mode = stat.S_IMODE(os.stat(os.path.join(shop.folder, name)).st_mode)
            if name != "log":
                self.assertEqual(mode & 0o077, 0, f"{name} has mode {mode:o}")

    def loses(self, lose):
        """Orders that were acknowledged after the loss would be lost: there must be none."""
        shop = self.shop()
        _, token = self.sells(shop)
        shop.order(token).expect(201)
        lose(shop)
        acknowledged = 0
        for _ in range(20):
            try:
                acknowledged += shop.order(token, wait=0).status == 201
            except OSError:
                break
        self.assertEqual(acknowledged, 0, "orders acknowledged on a store that is gone")
        self.assertEqual(shop.process.wait(60), 3, shop.log()[-2000:])

    def test_nothing_is_acknowledged_on_a_deleted_store(self):
        def delete(shop):
            for name in (shop.store, shop.store + "-wal", shop.store + "-shm"):
                if os.path.exists(name):
                    os.remove(name)

        self.loses(delete)

    def test_nothing_is_acknowledged_on_a_replaced_store(self):
        def replace(shop):
            shutil.copy(shop.store, shop.store + ".copy")
            os.replace(shop.store + ".copy", shop.store)

        self.loses(replace)

    def test_a_truncated_index_ends_the_shop_and_loses_no_acknowledged_order(self):
        # SQLite shares the index of its log between processes by mapping the file. No process can survive that the file
        # becomes shorter than what it has mapped.
        shop = self.shop()
        _, token = self.sells(shop)
        orders = [shop.order(token).expect(201).json["order_id"] for _ in range(20)]
        os.truncate(shop.store + "-shm", 0)
        for _ in range(100):
            try:
                answer = shop.order(token, wait=0)
            except OSError:
                break
            if answer.status == 201:
                orders.append(answer.json["order_id"])
        self.assertEqual(shop.process.wait(60), -signal.SIGBUS, shop.log()[-2000:])
        shop.start()
        shop.staff = shop.sign_in("admin@example.org")
        for order_id in orders:
            shop.becomes(order_id, "confirmed")
        shop.audit()

    def test_a_hard_link_does_not_open_a_store_twice(self):
        shop = self.shop()
        self.sells(shop)
        link = os.path.join(shop.folder, "link.db")
        os.link(shop.store, link)
        status, text = shop.run("serve", "--store", link, "--listen", "127.0.0.1:0")
        self.assertEqual(status, 3, text)
        self.assertTrue(shop.answers())

    def test_a_damaged_page_is_reported(self):
        shop = self.shop()
        self.sells(shop)
        for nth in range(200):
            shop.post("/v1/categories", {"category_id": f"cat-{nth:04}", "name": f"Category {nth:04} of many"}).expect(201)
        shop.stop()
        with open(shop.store, "r+b") as file:
            content = file.read()
            # The names, wherever they stand: in rows, indexes and the log.
            place = content.find(b"Category 0100 of many")
            self.assertGreater(place, 0)
            while place > 0:
                file.seek(place)
                file.write(b"Kategory")
                place = content.find(b"Category 0100 of many", place + 1)
        with open(shop.log_path, "ab") as log:
            command = [shop.binary, "serve", "--store", shop.store, "--listen", f"127.0.0.1:{shop.port}", *shop.args]
            shop.process = subprocess.Popen(command, stdout=log, stderr=log, env=shop.env, cwd=shop.folder)

        def reported():
            if shop.process.poll() is not None:
                return True
            try:
                return shop.get("/readyz", token=None, timeout=5).status == 503
            except OSError:
                return False

        eventually(reported, 90, "a report of the damaged page")

    def test_damage_in_the_log_is_no_answer_is_not_copied_and_not_dropped_at_a_start(self):
        shop = self.shop()
        _, token = self.sells(shop)
        order_id = shop.order(token).expect(201).json["order_id"]
        shop.becomes(order_id, "confirmed")
        right = shop.get(f"/v1/orders/{order_id}").expect(200).json
        log = shop.store + "-wal"
        with open(log, "r+b") as file:
            # One byte in the page of each frame.
            for place in range(32 + 24 + 2_000, os.path.getsize(log), 24 + 4_096):
                file.seek(place)
                byte = file.read(1)[0]
                file.seek(place)
                file.write(bytes([byte ^ 1]))
        # Without the checksum, which is only in the store.
        content = lambda file, start: {bytes(page[start : start + 4_088]) for page in iter(lambda: file.read(start + 4_096), b"")}
        with open(log, "rb") as file:
            file.seek(32)
            wrong = content(file, 24)
        for _ in range(5):
            try:
                answer = shop.get(f"/v1/orders/{order_id}").expect(200, 500)
            except OSError:
                # Something was to be committed after the damage had been read.
                self.assertEqual(shop.process.wait(60), 3, shop.log()[-2000:])
                break
            self.assertTrue(answer.status == 500 or answer.json == right, answer)
        copy = os.path.join(shop.folder, "copy.db")
        for command in (["story", order_id], ["events"], ["verify"], ["backup", copy]):
            status, text = shop.run(*command, "--store", shop.store)
            self.assertNotEqual(status, 0, (command, text))
            self.assertIn("its -wal file is not what was written", text, command)
        self.assertFalse(os.path.exists(copy))
        # A stop puts the log into the store, and must not.
        shop.stop()
        serve = ["serve", "--store", shop.store, "--listen", "127.0.0.1:0"]
        for command in (serve, ["story", order_id, "--store", shop.store], serve):
            status, text = shop.run(*command)
            self.assertEqual(status, 3, text)
            self.assertIn("its -wal file is not what was written", text)
        with open(shop.store, "rb") as file:
            self.assertFalse(wrong & content(file, 0), "the damage was copied")

    def test_a_store_in_a_folder_without_rights_is_read(self):
        if os.getuid() != 0:
            self.skipTest("only root can become another user")
        shop = self.shop()
        _, token = self.sells(shop)
        order_id = shop.order(token).expect(201).json["order_id"]
        shop.stop()
        os.chmod(shop.folder, 0o555)
        os.chmod(shop.store, 0o444)
        nobody = lambda: (os.setgid(65534), os.setuid(65534))
        for command in (["verify"], ["story", order_id], ["events"]):
            status, text = shop.run(*command, "--store", shop.store, preexec_fn=nobody)
            self.assertEqual(status, 0, (command, text))
        os.chmod(shop.folder, 0o755)

    def test_a_full_store_ends_with_status_3_even_if_nothing_can_be_printed(self):
        shop = self.shop("--store-size-max", "3MiB", start=False)
        with open("/dev/full", "w", encoding="ascii") as full:
            shop.start(stderr=full)
            _, token = self.sells(shop)
            while shop.process.poll() is None:
                try:
                    shop.order(token, wait=0)
                except OSError:
                    break
            self.assertEqual(shop.process.wait(60), 3)

    def test_bad_tls_files_end_with_status_2(self):
        shop = self.shop(start=False)
        for name in ("cert.pem", "key.pem"):
            with open(os.path.join(shop.folder, name), "w", encoding="ascii") as file:
                file.write("no certificate\n")
        options = ["--tls-certificate", f"{shop.folder}/cert.pem", "--tls-key", f"{shop.folder}/key.pem"]
        status, text = shop.run("serve", "--store", shop.store, "--listen", "127.0.0.1:0", *options)
        self.assertEqual(status, 2, text)
