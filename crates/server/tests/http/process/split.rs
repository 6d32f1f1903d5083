//! A shop as two processes of the binary on a real broker: an order that is placed at one is confirmed by both.

mod kills;
mod peers;
mod python;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use super::{run, terminated, tradewind};
use crate::{
    client::Client,
    comparison::free_port,
    town::order_of,
    world::{Directory, PASSWORD},
};

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often a test looks again. Meanwhile the processes have the cores.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const FRONT: &str = "identity,catalog,carts,query";
const BACK: &str = "inventory,orders,payments,shipping,notifications";

/// The folder, the peers file and the processes of a shop.
struct Shop {
    /// Its broker, if it runs: the script that stops it.
    server: Option<PathBuf>,
    directory: Directory,
    broker: String,
    ports: [u16; 2],
}

impl Shop {
    /// Starts a broker, which ends with this process.
    fn new(script: &str) -> Self {
        let (directory, ports) = (Directory::new(), [free_port(), free_port()]);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../servers").join(script);
        let folder = directory.0.join("broker");
        let mut start = Command::new(&script);
        // It ends with this process.
        start.arg("start").arg(&folder).args(["--for", &std::process::id().to_string()]);
        let started = run(start.stderr(Stdio::inherit()));
        assert!(started.status.success(), "the broker does not start");
        let printed = String::from_utf8(started.stdout).unwrap();
        let address = printed.lines().last().expect("it prints its address").trim();
        let broker = if address.contains("://") { address.to_owned() } else { format!("kafka://{address}") };
        let entry = |name: &str, port: u16, services: &str| {
            let services: Vec<&str> = services.split(',').collect();
            format!("[[peer]]\nname = {name:?}\nurl = \"http://127.0.0.1:{port}\"\nservices = {services:?}\n")
        };
        let peers = entry("front", ports[0], FRONT) + &entry("back", ports[1], BACK);
        fs::write(directory.0.join("peers.toml"), peers).unwrap();
        let secrets = ["master_key", "cart_secret", "provider_secret"];
        let secrets = secrets.map(|name| format!("{name} = \"the {name} of the test\"\n"));
        fs::write(directory.0.join("secrets.toml"), secrets.concat()).unwrap();
        Self { server: Some(script), directory, broker, ports }
    }

    fn serve(&self, number: usize, services: &str) -> Child {
        let file = |end: &str| format!("{number}.{end}");
        let log = fs::File::create(self.directory.0.join(file("log"))).unwrap();
        let output = fs::File::create(self.directory.0.join(file("out"))).unwrap();
        let mut command = tradewind(&self.directory);
        command.args(["serve", "--services", services, "--peers", "peers.toml", "--broker", &self.broker]);
        command.args(["--secrets-file", "secrets.toml", "--store", &file("db"), "--password-memory", "8KiB"]);
        command.args(["--listen", &format!("127.0.0.1:{}", self.ports[number]), "--rate-per-second", "0"]);
        command.args(["--kafka-replicas", "1", "--kafka-replicas-in-sync", "1"]);
        command.stdout(output).stderr(log).spawn().unwrap()
    }

    fn client(&self, number: usize) -> Client {
        Client::new(([127, 0, 0, 1], self.ports[number]).into())
    }

    /// The token for the first admin, once it is printed.
    async fn first_admin_token(&self) -> String {
        let printed = || fs::read_to_string(self.directory.0.join("0.out")).unwrap_or_default();
        until(async || printed().lines().nth(2).map(|line| line.trim().to_owned()).filter(|token| !token.is_empty()))
            .await
    }
}

impl Drop for Shop {
    /// Stops the broker before its folder is removed.
    fn drop(&mut self) {
        if let Some(script) = &self.server {
            drop(Command::new(script).arg("stop").arg(self.directory.0.join("broker")).status());
        }
    }
}

/// Asks again until there is something.
async fn until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            if let Some(found) = ask().await {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it does not happen")
}

/// Whether something answers there: a request before that fails.
fn listens(port: u16) -> Option<()> {
    std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
}

/// The first admin of a shop, signed in.
async fn first_admin(client: &Client, token: String) -> Client {
    let new = json!({"token": token, "email": "admin@example.org", "password": PASSWORD});
    client.post("/v1/first-admin", new).await.expect(201);
    client.signed_in("admin@example.org").await.client
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
    let shop = Shop::new(script);
    let front_process = shop.serve(0, FRONT);
    until(async || listens(shop.ports[0])).await;
    let (front, token) = (shop.client(0), shop.first_admin_token().await);
    let front = first_admin(&front, token).await;
    sells_tea(&front).await;
    until(async || {
        let ready = front.get("/readyz").await;
        (ready.status == 200 && ready.text().contains("the peer back cannot be reached")).then_some(())
    })
    .await;

    // What was published before the other process has ever run is not lost to it.
    let back_process = shop.serve(1, BACK);
    until(async || listens(shop.ports[1])).await;
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
    let (directory, ports) = (Directory::new(), [free_port(), free_port()]);
    let shop = Shop { server: None, broker: format!("{broker}://127.0.0.1:{}", free_port()), directory, ports };
    let all: Vec<&str> = [FRONT, BACK].into_iter().flat_map(|services| services.split(',')).collect();
    let peers = format!("[[peer]]\nname = \"all\"\nurl = \"http://127.0.0.1:{}\"\nservices = {all:?}\n", shop.ports[0]);
    fs::write(shop.directory.0.join("peers.toml"), peers).unwrap();
    let process = shop.serve(0, &all.join(","));
    until(async || listens(shop.ports[0])).await;
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
