//! What Kafka no longer has, or gives once more: the shop says what is missing, stands, and goes on when an operator has
//! decided. What comes again has no effect.

mod admin;

use serde_json::{Value, json};

use super::{BACK, FRONT, Shop, first_admin, listens, sells_tea, until};
use crate::{
    client::Client,
    process::{run, terminated, tradewind},
    town::order_of,
};
use admin::Admin;

const CATALOG: &str = "tradewind.catalog";

/// The subscription of a process, as operators see it.
async fn subscription(client: &Client) -> Value {
    let consumers = client.get("/v1/operations/consumers").await.expect(200).json();
    let items = consumers["items"].as_array().unwrap().clone();
    items.into_iter().find(|consumer| consumer["kind"] == "subscription").unwrap()
}

/// Waits until it stands, and says so everywhere; then skips what is missing. Gives what was missing.
async fn stands_and_is_skipped(client: &Client) -> Vec<Value> {
    let gaps = until(async || subscription(client).await.get("gaps").cloned()).await;
    let gaps = gaps.as_array().unwrap().clone();
    // Deadlines are held meanwhile: what is missing may be what they wait for.
    let ready = client.get("/readyz").await;
    assert!(ready.text().contains("stands before") && ready.text().contains("tradewind."), "{}", ready.text());
    let skip = json!({"reason": "what is missing is known"});
    until(async || {
        let reply = client.post("/v1/operations/consumers/broker/skip-gaps", skip.clone()).await;
        // Another partition may have been found meanwhile.
        assert!([200, 503].contains(&reply.status), "{}", reply.text());
        (reply.status == 200).then_some(())
    })
    .await;
    let trail = client.get("/v1/operations/audit").await.expect(200).json();
    let row =
        trail["items"].as_array().unwrap().iter().find(|row| row["action"] == "consumer.skip_gaps").unwrap().clone();
    assert!(row["detail"]["gaps"].as_str().unwrap().contains("tradewind."), "{row}");
    gaps
}

/// All that there is was received.
async fn has_caught_up(client: &Client) {
    until(async || {
        let subscription = subscription(client).await;
        let nothing = subscription["waiting"] == 0 && subscription.get("behind_since").is_none();
        (nothing && subscription.get("gaps").is_none()).then_some(())
    })
    .await;
}

async fn is_confirmed(front: &Client, back: &Client) {
    let order = back.post("/v1/orders", order_of("TEA", 1, "card")).await.expect(201).field("order_id");
    until(async || {
        let reply = front.get(&format!("/v1/orders/{order}")).await;
        (reply.status == 200 && reply.json()["status"] == "confirmed").then_some(())
    })
    .await;
}

async fn renames_tea(front: &Client, name: &str) {
    front.request("PATCH", "/v1/products/p-TEA").json(&json!({"name": name})).send().await.expect(200);
    until(async || {
        let status = front.get("/v1/operations").await.expect(200).json();
        (status["unpublished_segments"] == 0).then_some(())
    })
    .await;
}

/// Whether something wrong is found, without what is under way.
fn audit(shop: &Shop) -> Option<Value> {
    let mut command = tradewind(&shop.directory);
    let output = run(command.args(["verify", "--json", "--store", "0.db", "--store", "1.db"]));
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (report["in_flight"] == 0).then_some(report)
}

#[tokio::test]
async fn what_kafka_no_longer_has_is_named_and_skipped_by_an_operator() {
    let shop = Shop::new("kafka", &[FRONT, BACK]);
    let mut admin = Admin::of(&shop.broker_url);
    let front_process = shop.serve(0);
    until(async || listens(shop.port(0))).await;
    let front = first_admin(&shop.client(0), shop.first_admin_token().await).await;
    sells_tea(&front).await;
    let back = Client { address: shop.client(1).address, ..front.clone() };
    let begins = async || {
        let process = shop.serve(1);
        until(async || listens(shop.port(1))).await;
        until(async || (back.get("/v1/operations").await.status == 200).then_some(())).await;
        process
    };
    let mut back_process = begins().await;
    let restock = json!({"delta": 50, "adjustment_type": "restock"});
    until(async || (back.post("/v1/stock/TEA/adjustments", restock.clone()).await.status == 200).then_some(())).await;
    is_confirmed(&front, &back).await;

    // Offsets that are set back: everything comes again, and nothing happens twice.
    assert_eq!(terminated(back_process), Some(0));
    let group = admin.group_of(CATALOG);
    admin.commit(&group, CATALOG, 0);
    back_process = begins().await;
    until(async || {
        let figures = back.get("/metrics").await.text().to_owned();
        let line =
            figures.lines().find_map(|line| line.strip_prefix("tradewind_duplicate_events_total{broker=\"broker\"} "));
        line.is_some_and(|count| count.trim() != "0").then_some(())
    })
    .await;
    has_caught_up(&back).await;
    is_confirmed(&front, &back).await;

    // Retention passes while the process is down.
    assert_eq!(terminated(back_process), Some(0));
    renames_tea(&front, "green tea").await;
    admin.delete_records(CATALOG);
    back_process = begins().await;
    let gaps = stands_and_is_skipped(&back).await;
    assert!(gaps.iter().all(|gap| gap["messages"].as_u64().unwrap() > 0), "{gaps:?}");
    has_caught_up(&back).await;
    is_confirmed(&front, &back).await;

    // Offsets beyond what there is.
    assert_eq!(terminated(back_process), Some(0));
    admin.commit(&group, CATALOG, 1_000_000);
    back_process = begins().await;
    stands_and_is_skipped(&back).await;
    has_caught_up(&back).await;
    is_confirmed(&front, &back).await;

    // The topic is deleted, and the process that publishes creates it again.
    admin.delete_topic(CATALOG);
    until(async || {
        let renamed = front.request("PATCH", "/v1/products/p-TEA").json(&json!({"name": "black tea"})).send().await;
        assert_eq!(renamed.status, 200, "{}", renamed.text());
        subscription(&back).await.get("gaps").cloned()
    })
    .await;
    until(async || admin.has(CATALOG).then_some(())).await;
    until(async || {
        if subscription(&back).await.get("gaps").is_some() {
            stands_and_is_skipped(&back).await;
        }
        let subscription = subscription(&back).await;
        (subscription["waiting"] == 0 && subscription.get("gaps").is_none()).then_some(())
    })
    .await;
    is_confirmed(&front, &back).await;

    let report = until(async || audit(&shop)).await;
    assert_eq!(report["clean"], true, "what was lost concerns no order: {report:#}");
    for process in [front_process, back_process] {
        assert_eq!(terminated(process), Some(0));
    }
}
