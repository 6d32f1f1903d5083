//! A shop as two processes of the binary on a real broker: an order that is placed at one is confirmed by both.

mod backlog;
mod broker;
mod faults;
#[cfg(feature = "kafka")]
mod gaps;
mod kills;
mod load;
mod outage;
mod peers;
mod poison;
mod python;
mod refusals;
mod rolling;

use std::{fs, path::PathBuf, process::Child, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior};

use self::broker::RealBroker;
use super::{run, terminated, tradewind};
use crate::{
    client::Client,
    comparison::free_port,
    town::order_of,
    world::{Directory, PASSWORD},
};

/// A test that looks more often has failed: after two minutes, or later on a machine that is busy.
const LOOKS_MAX: usize = 6_000;

/// How often a test looks again. Meanwhile the processes have the cores.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A process of a shop: its name and its services.
type Part = (&'static str, &'static str);

const FRONT: Part = ("front", "identity,catalog,carts,query");
const BACK: Part = ("back", "inventory,orders,payments,shipping,notifications");

/// The folder, the peers file and the processes of a shop.
struct Shop {
    /// Its broker, if it runs. It stops before its folder is removed.
    broker: Option<RealBroker>,
    directory: Directory,
    broker_url: String,
    parts: Vec<(Part, u16)>,
    /// Further flags of its processes.
    flags: Vec<&'static str>,
}

impl Shop {
    /// Starts a broker, which ends with this process.
    fn new(script: &str, parts: &[Part]) -> Self {
        let directory = Directory::new();
        let broker = RealBroker::start(script, directory.0.join("broker"));
        Self { broker_url: broker.url(), broker: Some(broker), ..Self::without_broker(directory, parts) }
    }

    fn without_broker(directory: Directory, parts: &[Part]) -> Self {
        let parts: Vec<(Part, u16)> = parts.iter().map(|part| (*part, free_port())).collect();
        let entry = |((name, services), port): &(Part, u16)| {
            let services: Vec<&str> = services.split(',').collect();
            format!("[[peer]]\nname = {name:?}\nurl = \"http://127.0.0.1:{port}\"\nservices = {services:?}\n")
        };
        let peers: Vec<String> = parts.iter().map(entry).collect();
        fs::write(directory.0.join("peers.toml"), peers.concat()).unwrap();
        let secrets = ["master_key", "cart_secret", "provider_secret"];
        let secrets = secrets.map(|name| format!("{name} = \"the {name} of the test\"\n"));
        fs::write(directory.0.join("secrets.toml"), secrets.concat()).unwrap();
        Self { broker: None, directory, broker_url: String::new(), parts, flags: Vec::new() }
    }

    /// Starts a process. Its log goes on where it was.
    fn serve(&self, number: usize) -> Child {
        let file = |end: &str| format!("{number}.{end}");
        let ((_, services), port) = self.parts[number];
        let log = fs::File::options().create(true).append(true).open(self.log(number)).unwrap();
        let output = fs::File::create(self.directory.0.join(file("out"))).unwrap();
        let mut command = tradewind(&self.directory);
        command.args(["serve", "--services", services, "--peers", "peers.toml", "--broker", &self.broker_url]);
        command.args(["--secrets-file", "secrets.toml", "--store", &file("db"), "--password-memory", "8KiB"]);
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--rate-per-second", "0"]);
        command.args(["--access-token-ttl", "1day"]);
        command.args(["--kafka-replicas", "1", "--kafka-replicas-in-sync", "1"]).args(&self.flags);
        command.stdout(output).stderr(log).spawn().unwrap()
    }

    fn log(&self, number: usize) -> PathBuf {
        self.directory.0.join(format!("{number}.log"))
    }

    fn port(&self, number: usize) -> u16 {
        self.parts[number].1
    }

    fn client(&self, number: usize) -> Client {
        Client::new(([127, 0, 0, 1], self.port(number)).into())
    }

    /// The token for the first admin, once it is printed.
    async fn first_admin_token(&self) -> String {
        let printed = || fs::read_to_string(self.directory.0.join("0.out")).unwrap_or_default();
        until(async || printed().lines().nth(2).map(|line| line.trim().to_owned()).filter(|token| !token.is_empty()))
            .await
    }
}

/// Asks again until there is something.
async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let mut looks = looks(LOOK_EVERY);
    for _ in 0..LOOKS_MAX {
        looks.tick().await;
        if let Some(found) = ask().await {
            return found;
        }
    }
    panic!("it does not happen");
}

/// A pause before each look, however long the last one took.
fn looks(every: Duration) -> Interval {
    let mut looks = tokio::time::interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// Whether something answers there: a request before that fails.
fn listens(port: u16) -> Option<()> {
    std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
}

/// A number of the environment: how long a test is. `./test --full` has more.
#[expect(clippy::disallowed_methods, reason = "a test asks how long it may take")]
fn number_of(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable)
        .map_or(otherwise, |number| number.parse().unwrap_or_else(|_| panic!("{variable}: {number}")))
}

/// The first admin of a shop, signed in.
async fn first_admin(client: &Client, token: String) -> Client {
    let new = json!({"token": token, "email": "admin@example.org", "password": PASSWORD});
    client.post("/v1/first-admin", new).await.expect(201);
    client.signed_in("admin@example.org").await.client
}

/// A shop whose front alone runs, beside a peer of the test; its process, and its staff. Tea is up for sale.
async fn front_alone(script: &str) -> (Shop, Child, Client) {
    let shop = Shop::new(script, &[FRONT, BACK]);
    let process = shop.serve(0);
    until(async || listens(shop.port(0))).await;
    let staff = first_admin(&shop.client(0), shop.first_admin_token().await).await;
    sells_tea(&staff).await;
    (shop, process, staff)
}

/// Puts tea up for sale.
async fn sells_tea(staff: &Client) {
    let product = json!({
        "product_id": "p-TEA", "name": "tea", "variants": [{"sku": "TEA", "amount_minor": 1_000, "currency": "EUR"}],
    });
    staff.post("/v1/products", product).await.expect(201);
    staff.post("/v1/products/p-TEA/publication", json!({})).await.expect(200);
}

async fn an_order_is_confirmed_by_both_processes(script: &str) {
    let shop = Shop::new(script, &[FRONT, BACK]);
    let front_process = shop.serve(0);
    until(async || listens(shop.port(0))).await;
    let (front, token) = (shop.client(0), shop.first_admin_token().await);
    let front = first_admin(&front, token).await;
    sells_tea(&front).await;
    until(async || {
        let ready = front.get("/readyz").await;
        (ready.status == 200 && ready.text().contains("the peer back cannot be reached")).then_some(())
    })
    .await;

    // What was published before the other process has ever run is not lost to it.
    let back_process = shop.serve(1);
    until(async || listens(shop.port(1))).await;
    let back = Client { address: shop.client(1).address, ..front.clone() };
    for client in [&front, &back] {
        until(async || {
            let ready = client.get("/readyz").await;
            (ready.status == 200 && !ready.text().contains("warnings")).then_some(())
        })
        .await;
    }
    let restock = json!({"delta": 5, "adjustment_type": "restock"});
    until(async || {
        let reply = back.post("/v1/stock/TEA/adjustments", restock.clone()).await;
        (reply.status == 200).then_some(())
    })
    .await;

    let order_id = back.post("/v1/orders", order_of("TEA", 2, "card")).await.expect(201).field("order_id");
    let seen: Value = until(async || {
        let reply = front.get(&format!("/v1/orders/{order_id}")).await;
        (reply.status == 200).then(|| reply.json()).filter(|order| order["status"] == "confirmed")
    })
    .await;
    assert_eq!(seen["order_id"], order_id);
    for process in [front_process, back_process] {
        assert_eq!(terminated(process), Some(0));
    }
    // Neither store can be started as another part of the shop.
    let mut other = tradewind(&shop.directory);
    other.args(["serve", "--store", "0.db", "--listen", "127.0.0.1:0"]);
    let refused = run(&mut other);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("was created for the services"));
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn an_order_is_confirmed_by_two_processes_over_rabbitmq() {
    an_order_is_confirmed_by_both_processes("rabbitmq").await;
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn an_order_is_confirmed_by_two_processes_over_kafka() {
    an_order_is_confirmed_by_both_processes("kafka").await;
}

#[tokio::test]
async fn a_broker_that_is_down_at_the_start_stops_nobody_and_readiness_says_so() {
    let broker = if cfg!(feature = "rabbitmq") { "amqp" } else { "kafka" };
    let all: Part = ("all", "identity,catalog,carts,query,inventory,orders,payments,shipping,notifications");
    let broker_url = format!("{broker}://127.0.0.1:{}", free_port());
    let shop = Shop { broker_url, ..Shop::without_broker(Directory::new(), &[all]) };
    let process = shop.serve(0);
    until(async || listens(shop.port(0))).await;
    let (client, token) = (shop.client(0), shop.first_admin_token().await);
    let new = json!({"token": token, "email": "admin@example.org", "password": PASSWORD});
    client.post("/v1/first-admin", new).await.expect(201);
    let ready = until(async || {
        let ready = client.get("/readyz").await;
        ready.text().contains("the broker broker").then_some(ready)
    })
    .await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert_eq!(terminated(process), Some(0));
}
