//! What an operator of RabbitMQ may get wrong, and what its server does by itself: orders are accepted meanwhile, the log
//! names the object and what to do, and nothing is lost.
#![cfg(feature = "rabbitmq")]

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{BACK, FRONT, Shop, first_admin, listens, sells_tea, until};
use crate::{
    client::Client,
    process::{run, terminated, tradewind},
    town::order_of,
};

/// Lines about the broker that a process may log beside one a second: at first it tries again sooner.
const LINES_AT_ONCE_MAX: u64 = 40;

/// Both processes of a shop with tea for sale, and a member of staff at each.
struct Staffed {
    shop: Shop,
    front: Client,
    back: Client,
    processes: [std::process::Child; 2],
    begun: Instant,
}

impl Staffed {
    async fn new(shop: Shop) -> Self {
        let begun = Instant::now();
        let processes = [shop.serve(0), shop.serve(1)];
        for port in [shop.port(0), shop.port(1)] {
            until(async || listens(port)).await;
        }
        let front = first_admin(&shop.client(0), shop.first_admin_token().await).await;
        let back = Client { address: shop.client(1).address, ..front.clone() };
        // It reads the keys of identity from its peer.
        until(async || (back.get("/v1/operations").await.status == 200).then_some(())).await;
        sells_tea(&front).await;
        Self { shop, front, back, processes, begun }
    }

    /// Runs `rabbitmqctl`.
    fn ctl(&self, arguments: &[&str]) -> String {
        ctl(&self.shop, arguments)
    }

    async fn stock(&self) {
        let restock = json!({"delta": 1_000, "adjustment_type": "restock"});
        until(async || {
            let reply = self.back.post("/v1/stock/TEA/adjustments", restock.clone()).await;
            (reply.status == 200).then_some(())
        })
        .await;
    }

    /// Places an order, which is accepted whatever the broker does.
    async fn place(&self) -> String {
        self.back.post("/v1/orders", order_of("TEA", 1, "card")).await.expect(201).field("order_id")
    }

    /// Waits until the other process knows that the order has ended like this.
    async fn ends_as(&self, order: &str, status: &str) {
        until(async || {
            let reply = self.front.get(&format!("/v1/orders/{order}")).await;
            (reply.status == 200 && reply.json()["status"] == status).then_some(())
        })
        .await;
    }

    /// Waits until the process that takes the orders says in its readiness that the broker fails, or that it does not.
    async fn is_ready(&self, broker_fails: bool) {
        until(async || {
            let ready = self.back.get("/readyz").await;
            (ready.status == 200 && ready.text().contains("the broker broker") == broker_fails).then_some(())
        })
        .await;
    }

    /// Waits until a process logs a line about its broker with these words.
    async fn logs(&self, number: usize, words: &[&str]) {
        until(async || {
            let fits = |line: &String| words.iter().all(|word| line.contains(word));
            self.about_the_broker(number).iter().any(fits).then_some(())
        })
        .await;
    }

    fn about_the_broker(&self, number: usize) -> Vec<String> {
        let log = fs::read_to_string(self.shop.log(number)).unwrap();
        let kinds = ["publishing failed", "the subscription failed", "cannot be acknowledged", "refuses an event"];
        log.lines().filter(|line| kinds.iter().any(|kind| line.contains(kind))).map(str::to_owned).collect()
    }

    /// Nothing is left of what happened, and no process has logged more than a line a second.
    async fn settles(self) {
        self.is_ready(false).await;
        let report = until(async || Some(audit(&self.shop)).filter(|report| report["in_flight"] == 0)).await;
        assert_eq!((&report["clean"], &report["set_aside"]), (&json!(true), &json!(0)), "{report:#}");
        let most = LINES_AT_ONCE_MAX + self.begun.elapsed().as_secs();
        for number in 0..2 {
            let lines = self.about_the_broker(number);
            assert!(lines.len() as u64 <= most, "{} lines, and {most} are enough: {lines:#?}", lines.len());
        }
        for process in self.processes {
            assert_eq!(terminated(process), Some(0));
        }
    }
}

fn ctl(shop: &Shop, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../servers/rabbitmq");
    let done = run(Command::new(script).arg("ctl").arg(shop.directory.0.join("broker")).args(arguments));
    let (output, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{arguments:?}: {output}{errors}");
    output.into_owned()
}

fn audit(shop: &Shop) -> Value {
    let mut command = tradewind(&shop.directory);
    let output = run(command.args(["verify", "--json", "--store", "0.db", "--store", "1.db"]));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// An exchange or a queue of the shop's virtual host, in Erlang.
fn resource(kind: &str, name: &str) -> String {
    format!("rabbit_misc:r(<<\"shop\">>, {kind}, <<\"{name}\">>)")
}

#[tokio::test]
async fn what_rabbitmq_does_not_allow_is_named_and_holds_up_no_order() {
    let mut shop = Shop::new("rabbitmq", &[FRONT, BACK]);
    shop.broker_url = format!("{}/shop", shop.broker_url.replace("://", "://shopper@"));
    let secrets = shop.directory.0.join("secrets.toml");
    let with_password = fs::read_to_string(&secrets).unwrap() + "broker_password = \"the password of the shopper\"\n";
    fs::write(&secrets, with_password).unwrap();
    let shop = Staffed::new(shop).await;
    let order = shop.place().await;
    let allow = |configure: &str, write: &str, read: &str| {
        shop.ctl(&["set_permissions", "-p", "shop", "shopper", configure, write, read]);
    };

    shop.logs(1, &["shopper", "check the name and the password"]).await;
    shop.is_ready(true).await;
    shop.ctl(&["add_user", "shopper", "the password of the shopper"]);
    shop.logs(1, &["is there a virtual host shop", "shopper"]).await;
    shop.ctl(&["add_vhost", "shop"]);
    // A user without any permission may not use the virtual host.
    shop.logs(1, &["refused for user 'shopper'", "set_permissions"]).await;
    let (exchange, queue) = (resource("exchange", "tradewind.orders"), resource("queue", "tradewind.back"));
    shop.ctl(&["eval", &format!("rabbit_exchange:declare({exchange}, fanout, true, false, false, [], <<>>).")]);
    shop.ctl(&["eval", &format!("rabbit_amqqueue:declare({queue}, true, false, [], none, <<>>).")]);
    allow("^$", ".*", ".*");
    shop.logs(1, &["exchange tradewind.", "let the user configure", "set_permissions"]).await;
    allow(".*", "^$", ".*");
    shop.logs(1, &["exchange tradewind.orders", "exists with other settings"]).await;
    shop.ctl(&["eval", &format!("rabbit_exchange:delete({exchange}, false, <<>>).")]);
    shop.logs(1, &["queue tradewind.front at tradewind.", "ACCESS_REFUSED", "set_permissions"]).await;
    // The queues may be written to, and the exchanges may not.
    allow(".*", "^tradewind\\.(front|back)$", ".*");
    shop.logs(1, &["queue tradewind.back", "exists with other settings"]).await;
    shop.ctl(&["delete_queue", "-p", "shop", "tradewind.back"]);
    shop.logs(1, &["to exchange 'tradewind.", "let the user write to it"]).await;
    // The exchanges may be read from, and the queues may not.
    allow(".*", ".*", "^tradewind\\.(?!front|back)");
    // A consumer that is there already is not asked again.
    shop.shop.broker.as_ref().expect("it runs").proxy.cut();
    shop.logs(1, &["the subscription failed", "queue tradewind.back: ACCESS_REFUSED", "set_permissions"]).await;
    shop.is_ready(true).await;
    allow(".*", ".*", ".*");

    // There was no stock when it was placed.
    shop.ends_as(&order, "rejected").await;
    shop.stock().await;
    let order = shop.place().await;
    shop.ends_as(&order, "confirmed").await;
    shop.settles().await;
}

#[tokio::test]
async fn alarms_and_a_deleted_queue_of_rabbitmq_hold_up_no_order() {
    let shop = Staffed::new(Shop::new("rabbitmq", &[FRONT, BACK])).await;
    shop.stock().await;
    let alarms = [
        (["set_vm_memory_high_watermark", "absolute", "1"], ["set_vm_memory_high_watermark", "0.6"]),
        (["set_disk_free_limit", "mem_relative", "1000"], ["set_disk_free_limit", "50MB"]),
    ];
    for (raise, clear) in alarms {
        shop.ctl(&raise);
        let order = shop.place().await;
        shop.logs(1, &["publishing failed", "the server blocks this connection by an alarm"]).await;
        shop.is_ready(true).await;
        assert_eq!(shop.front.get(&format!("/v1/orders/{order}")).await.status, 404, "the relay waits");
        shop.ctl(&clear);
        shop.ends_as(&order, "confirmed").await;
        shop.is_ready(false).await;
    }

    // What a queue has is deleted with it, so it is empty.
    until(async || {
        let status = shop.back.get("/v1/operations").await.expect(200).json();
        let has_nothing = shop
            .ctl(&["list_queues", "name", "messages"])
            .lines()
            .any(|line| line.split_whitespace().collect::<Vec<_>>() == ["tradewind.front", "0"]);
        (status["brokers"][0]["unpublished_segments"] == 0 && has_nothing).then_some(())
    })
    .await;
    shop.ctl(&["delete_queue", "tradewind.front"]);
    let order = shop.place().await;
    shop.logs(0, &["was the queue tradewind.front deleted"]).await;
    shop.ends_as(&order, "confirmed").await;
    shop.settles().await;
}
