//! A split shop under load behind its gateway: buyers repeat what was not accepted, and at the end every order that was
//! accepted stands once.

use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{LOOK_EVERY, LOOKS_MAX, Shop, first_admin, listens, looks, sells_tea, until};
use crate::{
    client::Client,
    comparison::free_port,
    process::{run, terminate, tradewind},
    town::order_of,
};

const BUYERS: usize = 4;

/// Pause of a buyer after each order, where a fault lasts so long that more orders would only take time.
pub const SLOWLY: Duration = Duration::from_millis(500);

/// Buyers without a pause.
pub const AT_ONCE: Duration = Duration::from_millis(1);

/// The processes of a shop, and its buyers.
pub struct Load {
    pub shop: Shop,
    /// Those of the shop's parts that have started, and the gateway at the end.
    pub processes: Vec<Child>,
    pub gateway: Child,
    gateway_port: u16,
    pub staff: Client,
    pub counts: Arc<Counts>,
    buyers: JoinSet<Vec<String>>,
    /// What former buyers were told of.
    pub orders: Vec<String>,
}

/// What the buyers were answered so far.
#[derive(Default)]
pub struct Counts {
    accepted: AtomicU64,
    /// Answers 503.
    pub refused: AtomicU64,
    /// Requests whose connection ended before the answer.
    pub unanswered: AtomicU64,
    last: Mutex<String>,
    ends: AtomicBool,
}

impl Load {
    /// Starts the first parts of a shop and the gateway, and fills the shelves.
    pub async fn open(shop: Shop, parts: usize) -> Self {
        let processes = (0..parts).map(|number| shop.serve(number)).collect();
        let gateway_port = free_port();
        let gateway = serve_gateway(&shop, gateway_port);
        for port in (0..parts).map(|number| shop.port(number)).chain([gateway_port]) {
            until(async || listens(port)).await;
        }
        let staff = stocked(&shop, Client::new(([127, 0, 0, 1], gateway_port).into())).await;
        let (counts, buyers, orders) = (Arc::default(), JoinSet::new(), Vec::new());
        Self { shop, processes, gateway, gateway_port, staff, counts, buyers, orders }
    }

    /// Buyers come, who pause after each order.
    pub fn buy(&mut self, pause: Duration) {
        self.counts.ends.store(false, Ordering::Release);
        let round = self.orders.len();
        for number in 0..BUYERS {
            let key = format!("buyer-{round}-{number}");
            self.buyers.spawn(buy(self.staff.clone(), key, pause, Arc::clone(&self.counts)));
        }
    }

    /// Waits until so many more orders are accepted.
    pub async fn accept(&self, count: u64) {
        for _ in 0..count {
            let before = self.accepted();
            until(async || (self.accepted() > before).then_some(())).await;
        }
    }

    pub fn accepted(&self) -> u64 {
        self.counts.accepted.load(Ordering::Acquire)
    }

    /// Waits until an order that comes now is confirmed.
    pub async fn confirm(&self) {
        self.accept(1).await;
        let last = self.counts.last.lock().unwrap().clone();
        self.confirmed(&last).await;
    }

    pub async fn confirmed(&self, order: &str) {
        confirmed(&self.staff, order).await;
    }

    /// Starts a process again that has ended.
    pub async fn restart(&mut self, number: usize) {
        self.processes[number] = self.shop.serve(number);
        until(async || listens(self.shop.port(number))).await;
    }

    /// Starts the gateway again, which has ended.
    pub async fn restart_gateway(&mut self) {
        self.gateway = serve_gateway(&self.shop, self.gateway_port);
        until(async || listens(self.gateway_port)).await;
    }

    /// The buyers leave, each with what it has.
    pub async fn leave(&mut self) {
        self.counts.ends.store(true, Ordering::Release);
        self.orders.extend(std::mem::take(&mut self.buyers).join_all().await.concat());
    }

    /// The audit of all stores as they are now, which must find nothing.
    pub fn audit(&self) -> Value {
        let mut command = tradewind(&self.shop.directory);
        command.args(["verify", "--json"]);
        for number in 0..self.processes.len() {
            command.args(["--store", &format!("{number}.db")]);
        }
        let output = run(&mut command);
        let errors = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"));
        assert_eq!(report["clean"], true, "{report:#}");
        report
    }

    /// Every order that was accepted is confirmed, there are no others, and nothing is in flight. All processes end
    /// well.
    pub async fn settle(mut self) {
        self.leave().await;
        let orders = &self.orders;
        assert_eq!(orders.iter().collect::<BTreeSet<_>>().len(), orders.len(), "a key is one order");
        let half = orders.split_at(orders.len() / 2);
        tokio::join!(all_confirmed(&self.staff, half.0), all_confirmed(&self.staff, half.1));
        let report = until(async || Some(self.audit()).filter(|report| report["in_flight"] == 0)).await;
        assert_eq!(report["set_aside"], 0, "{report:#}");
        let examined = &report["checks"][4]["examined"];
        assert_eq!(*examined, orders.len(), "orders that no buyer was told of, or none of them: {report:#}");
        for process in self.processes.iter_mut().chain([&mut self.gateway]) {
            assert_eq!(terminate(process), Some(0));
        }
    }

    /// Lines that each process has logged so far, but for those of each request and of each mail.
    pub fn logged(&self) -> Vec<u64> {
        let lines = |number| {
            let log = fs::read_to_string(self.shop.log(number)).unwrap();
            let is_work =
                |line: &&str| ["tradewind::access", "tradewind_workers::mail"].iter().any(|of| line.contains(of));
            u64::try_from(log.lines().filter(|line| !is_work(line)).count()).unwrap()
        };
        (0..self.processes.len()).map(lines).collect()
    }
}

impl Drop for Load {
    /// A test that fails leaves no process behind. One that has ended already is not there to be killed.
    fn drop(&mut self) {
        for process in self.processes.iter_mut().chain([&mut self.gateway]) {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

fn serve_gateway(shop: &Shop, port: u16) -> Child {
    let mut command = tradewind(&shop.directory);
    command.args(["gateway", "--peers", "peers.toml", "--listen", &format!("127.0.0.1:{port}")]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A member of staff at a shop that has tea.
async fn stocked(shop: &Shop, client: Client) -> Client {
    let staff = first_admin(&client, shop.first_admin_token().await).await;
    sells_tea(&staff).await;
    let restock = json!({"delta": 1_000_000, "adjustment_type": "restock"});
    until(async || {
        let reply = staff.post("/v1/stock/TEA/adjustments", restock.clone()).await;
        (reply.status == 200).then_some(())
    })
    .await;
    staff
}

/// Waits until an order is confirmed, which the store of `query` knows.
async fn confirmed(staff: &Client, order: &str) {
    until(async || {
        let reply = staff.get(&format!("/v1/orders/{order}")).await;
        match reply.status {
            200 => (reply.json()["status"] == "confirmed").then_some(()),
            404 | 503 => None,
            other => panic!("{other}: {}", reply.text()),
        }
    })
    .await;
}

async fn all_confirmed(staff: &Client, orders: &[String]) {
    for order in orders {
        confirmed(staff, order).await;
    }
}

/// Places one order after the other, each until it is accepted.
async fn buy(client: Client, name: String, pause: Duration, counts: Arc<Counts>) -> Vec<String> {
    let (mut orders, mut pauses) = (Vec::new(), looks(pause));
    while !counts.ends.load(Ordering::Acquire) {
        pauses.tick().await;
        let key = format!("{name}-{}", orders.len());
        let placed = place(&client, &key, &counts).await;
        counts.last.lock().unwrap().clone_from(&placed);
        counts.accepted.fetch_add(1, Ordering::AcqRel);
        orders.push(placed);
    }
    orders
}

/// Places an order, and repeats the request while the answer is 503 or none.
pub async fn place(client: &Client, key: &str, counts: &Counts) -> String {
    let mut tries = looks(LOOK_EVERY);
    for _ in 0..LOOKS_MAX {
        tries.tick().await;
        let request = client.request("POST", "/v1/orders").header("Idempotency-Key", key);
        let Ok(reply) = request.json(&order_of("TEA", 1, "card")).try_send().await else {
            counts.unanswered.fetch_add(1, Ordering::AcqRel);
            continue;
        };
        match reply.status {
            201 => return reply.field("order_id"),
            503 => counts.refused.fetch_add(1, Ordering::AcqRel),
            other => panic!("{other}: {}", reply.text()),
        };
    }
    panic!("no answer but 503, or none");
}
