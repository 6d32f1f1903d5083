//! Delivery between stores as an operator sees it: what waits, what was repeated, what is refused, what is paused.

use std::{process::Command, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tradewind_engine::ports::{BrokerMessage, Gap};
use tradewind_testkit::BrokerFaults;

use crate::{
    client::Client,
    town::{TWO_STORES, Town, order_of},
};

/// What a subscription is asked in this time, it is asked again.
const ASKED_AGAIN: Duration = Duration::from_secs(5);

/// One store of a shop in two: the first takes orders, the second has stock, money and parcels.
fn door(town: &Town, number: usize) -> Client {
    Client { address: town.doors[number].app.address(), doors: None, ..town.staff.clone() }
}

async fn scraped(door: &Client) -> Figures {
    Figures(door.get("/metrics").await.expect(200).text().to_owned())
}

struct Figures(String);

impl Figures {
    /// None when it is not shown.
    fn get(&self, name: &str) -> Option<f64> {
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.parse().unwrap());
        self.0.lines().find_map(value)
    }

    fn of(&self, name: &str) -> f64 {
        self.get(name).unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    fn has(&self, name: &str, value: u32) {
        assert!(is(value)(self.of(name)), "{name} is not {value}: {}", self.0);
    }
}

/// Whether a figure has this value.
fn is(value: u32) -> impl Fn(f64) -> bool {
    move |figure| (figure - f64::from(value)).abs() < 0.000_5
}

/// Scrapes until the figure is so.
async fn until(door: &Client, name: &str, is: impl Fn(f64) -> bool) -> Figures {
    let look = async {
        loop {
            let figures = scraped(door).await;
            if figures.get(name).is_some_and(&is) {
                return figures;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), look).await.unwrap_or_else(|_| panic!("{name} does not change"))
}

async fn consumer(door: &Client, name: &str) -> Value {
    let consumers = door.get("/v1/operations/consumers").await.expect(200).json();
    let found = consumers["items"].as_array().unwrap().iter().find(|consumer| consumer["name"] == name).cloned();
    found.unwrap_or_else(|| panic!("{name} is not in {consumers}"))
}

async fn pauses(door: &Client, consumer: &str) {
    let path = format!("/v1/operations/consumers/{consumer}/pause");
    door.post(&path, json!({"reason": "a test"})).await.expect(200);
}

async fn resumes(door: &Client, consumer: &str) {
    door.post(&format!("/v1/operations/consumers/{consumer}/resume"), json!({})).await.expect(200);
}

#[tokio::test]
async fn a_service_that_is_paused_shows_how_far_it_is_behind_and_catches_up() {
    const SECONDS: &str = r#"tradewind_consumer_lag_seconds{consumer="shipping",source="orders"}"#;
    const EVENTS: &str = r#"tradewind_consumer_lag_events{consumer="shipping",source="orders"}"#;
    let town = Town::laid_out(TWO_STORES, &[]).await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    town.settles().await;
    let door = door(&town, 1);
    let before = scraped(&door).await;
    for name in [SECONDS, EVENTS, r#"tradewind_consumer_paused{consumer="shipping"}"#] {
        before.has(name, 0);
    }

    pauses(&door, "shipping").await;
    town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    town.advance(Duration::from_secs(30)).await;
    let behind = scraped(&door).await;
    assert!(behind.of(SECONDS) >= 30.0 && behind.of(EVENTS) >= 1.0, "{}", behind.0);
    behind.has(r#"tradewind_consumer_paused{consumer="shipping"}"#, 1);
    // It has all that the broker had, and no other service is behind.
    behind.has(r#"tradewind_broker_uncommitted_messages{broker="broker"}"#, 0);
    behind.has(r#"tradewind_consumer_lag_events{consumer="payments",source="orders"}"#, 0);
    let shown = consumer(&door, "shipping").await;
    let orders = shown["sources"].as_array().unwrap().iter().find(|source| source["source"] == "orders").unwrap();
    assert!(orders["waiting"].as_u64().unwrap() >= 1, "{shown}");
    assert_eq!((&shown["kind"], &shown["paused"]), (&json!("service"), &json!(true)), "{shown}");
    assert!(shown["behind_since"].is_string() && shown["waiting"].as_u64().unwrap() >= 1, "{shown}");

    resumes(&door, "shipping").await;
    town.settles().await;
    let caught_up = until(&door, EVENTS, is(0)).await;
    assert!(caught_up.of(SECONDS) < 1.0, "{}", caught_up.0);
    let shown = consumer(&door, "shipping").await;
    assert_eq!((&shown["waiting"], &shown["paused"]), (&json!(0), &json!(false)), "{shown}");
    town.is_clean().await;
}

#[tokio::test]
async fn a_subscription_that_is_paused_leaves_messages_at_the_broker_and_drains_when_it_is_resumed() {
    const BACKLOG: &str = r#"tradewind_broker_backlog_messages{broker="broker"}"#;
    const SECONDS: &str = r#"tradewind_broker_lag_seconds{broker="broker"}"#;
    const DRAIN: &str = r#"tradewind_broker_drain_seconds{broker="broker"}"#;
    const OF_CATALOG: &str = r#"tradewind_consumer_lag_seconds{consumer="inventory",source="catalog"}"#;
    let mut town = Town::laid_out(TWO_STORES, &[]).await;
    town.settles().await;
    pauses(&door(&town, 1), "broker").await;
    // A poll that was under way may still take some.
    for nth in 0.. {
        let sku = format!("tea-{nth}");
        let product = json!({
            "product_id": sku, "name": sku, "variants": [{"sku": sku, "amount_minor": 100, "currency": "EUR"}],
        });
        town.staff.post("/v1/products", product).await.expect(201);
        town.staff.post(&format!("/v1/products/{sku}/publication"), json!({})).await.expect(200);
        town.clock.advance(ASKED_AGAIN);
        if scraped(&door(&town, 1)).await.get(BACKLOG).is_some_and(|messages| messages >= 1.0) {
            break;
        }
        tokio::task::yield_now().await;
    }
    let paused = until(&door(&town, 1), BACKLOG, |messages| messages >= 1.0).await;
    paused.has(r#"tradewind_consumer_paused{consumer="broker"}"#, 1);
    town.clock.advance(Duration::from_mins(2));
    let behind = until(&door(&town, 1), SECONDS, |seconds| seconds >= 120.0).await;
    assert!(behind.of(OF_CATALOG) >= 120.0, "{}", behind.0);
    // An estimate needs two answers of the broker within a minute.
    while !scraped(&door(&town, 1)).await.get(DRAIN).is_some_and(f64::is_infinite) {
        town.clock.advance(ASKED_AGAIN);
        tokio::task::yield_now().await;
    }
    let shown = consumer(&door(&town, 1), "broker").await;
    assert_eq!((&shown["kind"], &shown["paused"]), (&json!("subscription"), &json!(true)), "{shown}");
    assert!(shown["waiting"].as_u64().unwrap() >= 1 && shown["behind_since"].is_string(), "{shown}");
    let status = door(&town, 1).get("/v1/operations").await.expect(200).json()["brokers"][0].clone();
    assert!(status["paused"] == true && status["backlog_messages"].as_u64().unwrap() >= 1, "{status}");

    // A start forgets neither the pause nor since when the store is behind.
    town.restarts(1).await;
    let again = until(&door(&town, 1), BACKLOG, |messages| messages >= 1.0).await;
    assert!(again.of(SECONDS) >= 120.0, "{}", again.0);
    again.has(r#"tradewind_received_events_total{broker="broker"}"#, 0);

    resumes(&door(&town, 1), "broker").await;
    town.settles().await;
    town.clock.advance(ASKED_AGAIN);
    let drained = until(&door(&town, 1), BACKLOG, is(0)).await;
    assert!(drained.of(r#"tradewind_received_events_total{broker="broker"}"#) >= 1.0, "{}", drained.0);
    until(&door(&town, 1), DRAIN, is(0)).await;
    until(&door(&town, 1), SECONDS, is(0)).await;
    town.is_clean().await;
}

#[tokio::test]
async fn what_a_broker_repeats_and_how_often_it_comes_back_is_counted() {
    const DUPLICATES: &str = r#"tradewind_duplicate_events_total{broker="broker"}"#;
    const UNREACHABLE: &str = r#"tradewind_broker_failures_total{broker="broker",kind="unavailable"}"#;
    let reconnects =
        |direction: &str| format!("tradewind_broker_reconnects_total{{broker=\"broker\",direction=\"{direction}\"}}");
    let town = Town::laid_out(TWO_STORES, &[]).await;
    town.settles().await;
    let (first, second) = (door(&town, 0), door(&town, 1));
    let before = scraped(&second).await;
    before.has(DUPLICATES, 0);
    before.has(&reconnects("receive"), 0);

    town.broker().set_faults(BrokerFaults { duplicates: 1, ..BrokerFaults::default() });
    town.stocks("tea", 9).await;
    let repeated = until(&second, DUPLICATES, |messages| messages >= 1.0).await;
    assert!(repeated.of(r#"tradewind_received_events_total{broker="broker"}"#) >= 2.0 * repeated.of(DUPLICATES));
    let published = scraped(&first).await.of(r#"tradewind_published_events_total{broker="broker"}"#);
    assert!(published >= 1.0);

    town.broker().set_faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    until(&second, UNREACHABLE, |failures| failures >= 1.0).await;
    let mark = scraped(&first).await.of(r#"tradewind_relay_segment{broker="broker"}"#);
    let product = json!({"product_id": "cup", "name": "cup"});
    town.staff.post("/v1/products", product).await.expect(201);
    until(&first, UNREACHABLE, |failures| failures >= 1.0).await;
    town.clock.advance(Duration::from_secs(40));
    let waits = scraped(&first).await;
    assert!(waits.of(r#"tradewind_relay_lag_seconds{broker="broker"}"#) >= 40.0, "{}", waits.0);
    assert!(waits.of(r#"tradewind_relay_segment{broker="broker"}"#) <= mark);

    town.broker().set_faults(BrokerFaults::default());
    until(&first, &reconnects("publish"), is(1)).await;
    until(&second, &reconnects("receive"), is(1)).await;
    town.settles().await;
    let after = scraped(&first).await;
    after.has(r#"tradewind_relay_lag_seconds{broker="broker"}"#, 0);
    assert!(after.of(r#"tradewind_relay_segment{broker="broker"}"#) > mark);
    assert!(after.of(r#"tradewind_published_events_total{broker="broker"}"#) > published);
}

#[tokio::test]
async fn an_event_that_a_broker_refuses_is_counted_once_however_often_it_is_tried() {
    const REFUSED: &str = r#"tradewind_refused_events_total{broker="broker"}"#;
    let town = Town::laid_out(TWO_STORES, &[]).await;
    town.settles().await;
    let first = door(&town, 0);
    scraped(&first).await.has(REFUSED, 0);
    let of_eve = |message: &BrokerMessage| String::from_utf8_lossy(message.body()).contains("eve@example.org");
    town.broker().refuse(Some(Arc::new(of_eve)));
    town.buyer("eve", 0).await;
    until(&first, r#"tradewind_broker_failures_total{broker="broker",kind="refused"}"#, |tries| tries >= 3.0).await;
    let figures = scraped(&first).await;
    figures.has(REFUSED, 1);
    assert!(figures.of(r#"tradewind_broker_refused_event_bytes{broker="broker"}"#) > 100.0);
    town.broker().refuse(None);
    town.settles().await;
    let figures = scraped(&first).await;
    figures.has(r#"tradewind_broker_refused_event_bytes{broker="broker"}"#, 0);
    figures.has(r#"tradewind_relay_lag_seconds{broker="broker"}"#, 0);
}

#[tokio::test]
async fn a_source_that_no_build_knows_makes_no_label_of_its_own() {
    let town = Town::laid_out(TWO_STORES, &[]).await;
    town.buyer("ada", 0).await;
    town.settles().await;
    let second = door(&town, 1);
    pauses(&second, "payments").await;
    let published = town.broker().published("town.identity");
    let registered =
        published.iter().find(|message| String::from_utf8_lossy(message.body()).contains("user.registered"));
    let mut envelope: Value = serde_json::from_slice(registered.unwrap().body()).unwrap();
    envelope["source"] = json!("stranger");
    envelope["id"] = json!("forged");
    town.broker().inject(BrokerMessage::new("town.identity", envelope.to_string()).with_key("k"));
    let other = r#"tradewind_consumer_lag_events{consumer="payments",source="other"}"#;
    let figures = until(&second, other, is(1)).await;
    assert!(!figures.0.contains("stranger"), "{}", figures.0);
    resumes(&second, "payments").await;
    town.settles().await;
    assert_eq!(scraped(&second).await.get(other), None);
}

#[tokio::test]
async fn an_event_that_this_build_does_not_know_waits_where_an_operator_sees_it() {
    const PAUSED: &str = r#"tradewind_consumer_paused{consumer="broker"}"#;
    const BACKLOG: &str = r#"tradewind_broker_backlog_messages{broker="broker"}"#;
    const SECONDS: &str = r#"tradewind_broker_lag_seconds{broker="broker"}"#;
    let town = Town::laid_out(TWO_STORES, &[]).await;
    town.buyer("ada", 0).await;
    town.settles().await;
    let second = door(&town, 1);
    let published = town.broker().published("town.identity");
    let registered =
        published.iter().find(|message| String::from_utf8_lossy(message.body()).contains("user.registered"));
    let mut envelope: Value = serde_json::from_slice(registered.unwrap().body()).unwrap();
    envelope["type"] = json!("user.teleported");
    envelope["id"] = json!("from-a-later-build");
    town.broker().inject(BrokerMessage::new("town.identity", envelope.to_string()).with_key("k"));
    until(&second, PAUSED, is(1)).await;
    // The broker has handed it out, and nothing else waits there: it waits all the same.
    town.clock.advance(ASKED_AGAIN);
    until(&second, BACKLOG, is(1)).await;
    town.clock.advance(Duration::from_mins(1));
    until(&second, SECONDS, |seconds| seconds >= 60.0).await;
    // As an operator who decides that it is lost: a dead letter.
    resumes(&second, "broker").await;
    until(&second, "tradewind_dead_letters", is(1)).await;
    town.settles().await;
    town.clock.advance(ASKED_AGAIN);
    until(&second, SECONDS, is(0)).await;
}

#[tokio::test]
async fn a_consumer_that_is_not_here_is_refused_by_name_and_what_is_done_stands_in_the_trail() {
    let town = Town::laid_out(TWO_STORES, &[]).await;
    let second = door(&town, 1);
    let names = async |door: &Client| {
        let consumers = door.get("/v1/operations/consumers").await.expect(200).json();
        let items = consumers["items"].as_array().unwrap().clone();
        items.iter().map(|consumer| consumer["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&second).await, ["inventory", "payments", "shipping", "broker"]);
    for name in ["nonsense", "orders"] {
        for (path, body) in [("pause", json!({"reason": "a test"})), ("resume", json!({}))] {
            let path = format!("/v1/operations/consumers/{name}/{path}");
            let refused = second.post(&path, body).await.refused(404, "consumer_unknown");
            let detail = refused.field("detail");
            assert!(detail.contains(name) && detail.contains("inventory, payments, shipping, broker"), "{detail}");
        }
    }
    pauses(&second, "broker").await;
    resumes(&second, "broker").await;
    let trail = second.get("/v1/operations/audit?limit=2").await.expect(200).json();
    let done: Vec<(&Value, &Value)> =
        trail["items"].as_array().unwrap().iter().map(|row| (&row["action"], &row["target"])).collect();
    assert_eq!(done, [(&json!("consumer.resume"), &json!("broker")), (&json!("consumer.pause"), &json!("broker"))]);
    assert_eq!(trail["items"][1]["detail"]["reason"], "a test");
}

/// What the binary prints when a member of staff runs it against a door.
async fn tradewind(door: &Client, arguments: &'static [&'static str]) -> (Option<i32>, String) {
    let (url, token) = (format!("http://{}", door.address), door.token.clone().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_tradewind"));
    command.env_clear().env("TRADEWIND_URL", url).env("TRADEWIND_TOKEN", token).args(arguments);
    // The shop runs on this thread.
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.code(), printed)
}

#[tokio::test]
async fn the_command_line_pauses_and_resumes_a_subscription_and_shows_it() {
    const SKIP: &[&str] = &["consumers", "skip-gaps", "broker", "--reason", "two days were kept"];
    let town = Town::laid_out(TWO_STORES, &[]).await;
    let second = door(&town, 1);
    let (status, printed) =
        tradewind(&second, &["consumers", "pause", "broker", "--reason", "the producer sends garbage"]).await;
    assert!(status == Some(0) && printed.contains("tradewind consumers resume broker"), "{printed}");
    let (_, listed) = tradewind(&second, &["consumers", "list"]).await;
    let line = listed.lines().find(|line| line.starts_with("broker")).unwrap_or_else(|| panic!("{listed}"));
    assert!(line.contains("paused") && line.contains("the producer sends garbage"), "{listed}");
    let (_, listed) = tradewind(&second, &["consumers", "list", "--json"]).await;
    let rows: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().any(|row| row["name"] == "broker" && row["kind"] == "subscription"), "{listed}");
    let (status, printed) = tradewind(&second, &["consumers", "resume", "broker"]).await;
    assert_eq!(status, Some(0), "{printed}");
    assert_eq!(consumer(&second, "broker").await["paused"], false);
    let (status, printed) = tradewind(&second, &["consumers", "resume", "brokers"]).await;
    assert!(status == Some(1) && printed.contains("Its consumers are"), "{printed}");
    let (status, printed) = tradewind(&second, SKIP).await;
    assert!(status == Some(1) && printed.contains("no_gaps"), "{printed}");
    let reason = "4 messages of town.orders/0 are gone".to_owned();
    town.broker().lose("group-1", Gap { place: "town.orders/0".to_owned(), messages: Some(4), reason });
    let (_, listed) = tradewind(&second, &["consumers", "list"]).await;
    let line = listed.lines().find(|line| line.starts_with("broker")).unwrap_or_else(|| panic!("{listed}"));
    assert!(line.contains("gaps") && line.contains("4 messages of"), "{listed}");
    let (status, printed) = tradewind(&second, SKIP).await;
    assert!(status == Some(0) && printed.contains("behind its gaps"), "{printed}");
    assert_eq!(consumer(&second, "broker").await.get("gaps"), None);
}
