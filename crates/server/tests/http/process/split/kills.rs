//! A split shop under load, of which one process after the other is killed.

use std::{
    collections::BTreeSet,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{BACK, FRONT, LOOK_EVERY, PATIENCE, Shop, first_admin, listens, sells_tea, until};
use crate::{
    client::Client,
    comparison::free_port,
    process::{run, signals::kills, terminated, tradewind},
    town::order_of,
};

const BUYERS: usize = 4;

/// Segments that a process commits under load before it is killed.
const SEGMENTS: u64 = 5;

/// Every order that was accepted is confirmed at the end, every other answer was a 503, and the audit of both stores is
/// clean.
async fn kills_lose_nothing(script: &str) {
    let shop = Shop::new(script);
    let mut processes = [shop.serve(0, FRONT), shop.serve(1, BACK)];
    let (gateway, address) = serve_gateway(&shop);
    for port in [shop.ports[0], shop.ports[1], address.1] {
        until(async || listens(port)).await;
    }
    let staff = stocked(&shop, Client::new((address.0, address.1).into())).await;

    let ends = Arc::new(AtomicBool::new(false));
    let mut buyers = JoinSet::new();
    for number in 0..BUYERS {
        buyers.spawn(buy(staff.clone(), number, Arc::clone(&ends)));
    }
    for nth in 0..kills() {
        let number = usize::try_from(nth % 2).unwrap();
        let before = segment(&shop, number).await;
        until(async || (segment(&shop, number).await >= before + SEGMENTS).then_some(())).await;
        processes[number].kill().unwrap();
        processes[number].wait().unwrap();
        processes[number] = shop.serve(number, [FRONT, BACK][number]);
        until(async || listens(shop.ports[number])).await;
    }
    ends.store(true, Ordering::Release);
    let orders: Vec<String> = buyers.join_all().await.concat();

    assert_eq!(orders.iter().collect::<BTreeSet<_>>().len(), orders.len(), "a key is one order");
    for order in &orders {
        until(async || {
            let reply = staff.get(&format!("/v1/orders/{order}")).await;
            (reply.status == 200 && reply.json()["status"] == "confirmed").then_some(())
        })
        .await;
    }
    let report = until(async || Some(audit(&shop)).filter(|report| report["in_flight"] == 0)).await;
    assert_eq!(report["clean"], true, "{report:#}");
    assert_eq!(
        report["checks"][4]["examined"],
        orders.len(),
        "orders that nobody was told of, or none of them: {report:#}"
    );
    for process in processes.into_iter().chain([gateway]) {
        assert_eq!(terminated(process), Some(0));
    }
}

fn serve_gateway(shop: &Shop) -> (Child, ([u8; 4], u16)) {
    let address = ([127, 0, 0, 1], free_port());
    let mut command = tradewind(&shop.directory);
    command.args(["gateway", "--peers", "peers.toml", "--listen", &format!("127.0.0.1:{}", address.1)]);
    (command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(), address)
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

/// Places one order after the other, each until it is accepted.
async fn buy(client: Client, number: usize, ends: Arc<AtomicBool>) -> Vec<String> {
    let mut orders = Vec::new();
    while !ends.load(Ordering::Acquire) {
        let key = format!("buyer-{number}-{}", orders.len());
        let placed = tokio::time::timeout(PATIENCE, place(&client, &key)).await;
        orders.push(placed.expect("it is accepted at last"));
    }
    orders
}

/// Places an order, and repeats the request while the answer is 503.
async fn place(client: &Client, key: &str) -> String {
    let mut tries = tokio::time::interval(LOOK_EVERY);
    loop {
        tries.tick().await;
        let request = client.request("POST", "/v1/orders").header("Idempotency-Key", key);
        let reply = request.json(&order_of("TEA", 1, "card")).send().await;
        match reply.status {
            201 => return reply.field("order_id"),
            503 => {}
            other => panic!("{other}: {}", reply.text()),
        }
    }
}

/// The last segment of the log of a process; zero while it does not answer.
async fn segment(shop: &Shop, number: usize) -> u64 {
    if listens(shop.ports[number]).is_none() {
        return 0;
    }
    let figures = shop.client(number).get("/metrics").await;
    let figures = figures.text();
    let line = figures.lines().find_map(|line| line.strip_prefix("tradewind_log_segment "));
    line.map_or(0, |number| number.trim().parse().unwrap())
}

fn audit(shop: &Shop) -> Value {
    let mut command = tradewind(&shop.directory);
    let output = run(command.args(["verify", "--json", "--store", "0.db", "--store", "1.db"]));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn kills_of_a_process_lose_nothing_over_rabbitmq() {
    kills_lose_nothing("rabbitmq").await;
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn kills_of_a_process_lose_nothing_over_kafka() {
    kills_lose_nothing("kafka").await;
}
