//! Messages that no shop would publish: each is a dead letter or has no effect, and what comes after it goes on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    Shop, front_alone, number_of,
    peers::{Mode, stock_of_tea},
    python::Topic,
    until,
};
use crate::{client::Client, process::terminated};

/// Undecodable messages in a row. `./test --full` has 100,000.
const UNDECODABLE: u64 = 5_000;

/// Memory that a process has at most, whatever it receives.
const RESIDENT_BYTES_MAX: u64 = 250_000_000;

/// Bytes of a large message, which is more than some brokers take.
const LARGE_BYTES: usize = 10 * 1_024 * 1_024;

/// How deep JSON is nested that no parser takes.
const DEEP: usize = 10_000;

/// Looks at the subscription before the peer reads once.
const LOOKS_A_READ: u32 = 50;

/// The id of the event behind all others.
const LAST: &str = "peer-9";

/// Whether the last event has had its effect.
fn has_ended(catalog: &Topic) -> bool {
    let is_effect = |message: &Value| {
        let envelope: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
        envelope["type"] == "product.back_in_stock" && envelope["causationid"] == LAST
    };
    catalog.read().iter().any(is_effect)
}

/// Resumes the subscription each time that it is paused, until the last event has had its effect; why it was paused.
async fn resume_until_the_end(staff: &Client, catalog: &Topic) -> Vec<String> {
    let mut reasons = Vec::new();
    loop {
        let mut looks = 0;
        let paused = until(async || {
            let consumers = staff.get("/v1/operations/consumers").await.expect(200).json();
            let subscription = consumers["items"].as_array()?.iter().find(|item| item["name"] == "broker")?.clone();
            if subscription["paused"] == true {
                return Some(Some(subscription["reason"].as_str()?.to_owned()));
            }
            // The peer takes longer to read than the shop to pause again.
            looks += 1;
            (looks % LOOKS_A_READ == 0 && has_ended(catalog)).then_some(None)
        });
        let Some(reason) = paused.await else { return reasons };
        reasons.push(reason);
        staff.post("/v1/operations/consumers/broker/resume", json!({})).await.expect(200);
    }
}

/// All dead letters.
async fn dead_letters(staff: &Client) -> Vec<Value> {
    let (mut letters, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = staff.get(&format!("/v1/operations/dead-letters?limit=100{cursor}")).await.expect(200).json();
        letters.append(page["items"].as_array_mut().unwrap());
        let Some(next) = page["next_cursor"].as_str() else { return letters };
        cursor = format!("&cursor={next}");
    }
}

/// Messages that are handled, those that are kept as dead letters, with what is said of each, and the end.
fn bad_messages(shop: &Shop) -> (Vec<Value>, Vec<(Value, &'static str)>) {
    let message = |mode: Mode, version: u64| stock_of_tea(shop, mode, version, "stock.depleted");
    let with_body = |body: Value| {
        let mut message = message(Mode::Structured, 100);
        message["body"] = body;
        message
    };
    let edited = |version: u64, edit: &dyn Fn(&mut Value)| {
        let mut message = message(Mode::Structured, version);
        let mut envelope: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
        edit(&mut envelope);
        message["body"] = json!(envelope.to_string());
        message
    };
    let no_text = json!({"base64": "/wD+"});
    let mut without_key = message(Mode::Structured, 1);
    without_key["key"] = Value::Null;
    let mut key_of_bytes = message(Mode::Structured, 2);
    key_of_bytes["key"] = no_text.clone();
    let mut foreign_header = message(Mode::Structured, 3);
    foreign_header["headers"]["x-note"] = no_text.clone();
    // An id that was seen, with other content.
    let changed = edited(3, &|envelope| envelope["data"]["stock"]["version"] = json!(8));
    let mut attribute_of_bytes = message(Mode::Binary, 4);
    let subject = if shop.broker_url.starts_with("amqp") { "cloudEvents:subject" } else { "ce_subject" };
    attribute_of_bytes["headers"][subject] = no_text;
    let deep = ["[".repeat(DEEP), "]".repeat(DEEP)].concat();
    let no_attribute =
        if shop.broker_url.starts_with("amqp") { "is neither a text nor a number" } else { "is not UTF-8" };
    let mut kept = vec![
        (attribute_of_bytes, no_attribute),
        (with_body(json!("")), "the envelope is no CloudEvents 1.0 JSON"),
        (with_body(Value::Null), "the envelope is no CloudEvents 1.0 JSON"),
        (with_body(json!(deep)), "the envelope is no CloudEvents 1.0 JSON"),
        (with_body(json!({"base64": "AJ+Slg=="})), "the envelope is no CloudEvents 1.0 JSON"),
        (edited(5, &|envelope| envelope["type"] = json!("stock.vanished")), "no event is named \"stock.vanished\""),
        (edited(6, &|envelope| envelope["dataversion"] = json!(7)), "version 7 of stock.depleted is unknown"),
        (edited(7, &|envelope| envelope["source"] = json!("catalog")), "catalog is emitted by this store itself"),
    ];
    if shop.broker_url.starts_with("amqp") {
        kept.push((with_body(json!(" ".repeat(LARGE_BYTES))), "the envelope is no CloudEvents 1.0 JSON"));
    }
    (vec![without_key, key_of_bytes, foreign_header, changed], kept)
}

async fn bad_messages_are_kept_and_the_stream_goes_on(script: &str) {
    let (shop, process, staff) = front_alone(script).await;
    let (catalog, inventory) = (Topic::of(&shop, "catalog"), Topic::of(&shop, "inventory"));
    let (handled, kept) = bad_messages(&shop);
    inventory.publish(&handled);
    let messages: Vec<Value> = kept.iter().map(|(message, _)| message.clone()).collect();
    inventory.publish(&messages);
    if script == "kafka" {
        let large = json!({"key": "TEA", "body": " ".repeat(LARGE_BYTES)});
        assert!(inventory.refuses(&[large]).contains("MSG_SIZE_TOO_LARGE"));
    }
    inventory.publish(&[stock_of_tea(&shop, Mode::Structured, 9, "stock.replenished")]);

    let reasons = resume_until_the_end(&staff, &catalog).await;
    assert_eq!(
        reasons,
        [
            "unknown event: no event is named \"stock.vanished\"",
            "unknown event: version 7 of stock.depleted is unknown"
        ]
    );
    let letters = dead_letters(&staff).await;
    for (_, expected) in &kept {
        let fits = |letter: &&Value| letter["reason"].as_str().is_some_and(|reason| reason.contains(expected));
        assert!(letters.iter().any(|letter| fits(&letter)), "{expected}: {letters:#?}");
    }
    let mut consumers: BTreeMap<&str, usize> = BTreeMap::new();
    for letter in &letters {
        *consumers.entry(letter["consumer"].as_str().unwrap()).or_default() += 1;
    }
    // The event of our own service is one for each of its consumers, and all others are none for any service.
    assert_eq!(consumers, [("broker", kept.len() - 1), ("catalog", 1), ("query", 1)].into(), "{letters:#?}");
    if script == "rabbitmq" {
        let mut sizes = BTreeSet::new();
        for letter in &letters {
            let path = format!("/v1/operations/dead-letters/{}", letter["id"].as_str().unwrap());
            sizes.insert(staff.get(&path).await.expect(200).json()["message_bytes"].as_u64());
        }
        assert_eq!(sizes.last(), Some(&Some(LARGE_BYTES as u64)), "the large message is kept whole");
    }
    let figures = staff.get("/metrics").await;
    assert!(figures.text().contains("tradewind_duplicate_events_total{broker=\"broker\"} 1\n"), "{}", figures.text());
    assert_eq!(terminated(process), Some(0));
}

/// Each pause is for a hundred of them: an operator decides how often it goes on.
async fn a_flood_of_undecodable_messages_is_bounded(script: &str) {
    let (shop, process, staff) = front_alone(script).await;
    let (catalog, inventory) = (Topic::of(&shop, "catalog"), Topic::of(&shop, "inventory"));
    let count = number_of("TRADEWIND_UNDECODABLE", UNDECODABLE);
    let flood = json!({"key": "TEA", "routing_key": "stock.depleted", "body": "no event", "count": count});
    let depleted = stock_of_tea(&shop, Mode::Structured, 1, "stock.depleted");
    inventory.publish(&[depleted, flood, stock_of_tea(&shop, Mode::Structured, 9, "stock.replenished")]);
    let reasons = resume_until_the_end(&staff, &catalog).await;
    let pauses = usize::try_from(count.div_ceil(101)).unwrap();
    assert!((1..=pauses).contains(&reasons.len()), "{} pauses", reasons.len());
    assert!(reasons.iter().all(|reason| reason.starts_with("more than 100 messages within a minute")), "{reasons:#?}");
    assert_eq!(dead_letters(&staff).await.len() as u64, count);
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(most * 1_024 <= RESIDENT_BYTES_MAX, "{most} kB");
    assert_eq!(terminated(process), Some(0));
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn bad_messages_are_kept_and_the_stream_goes_on_over_rabbitmq() {
    bad_messages_are_kept_and_the_stream_goes_on("rabbitmq").await;
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn bad_messages_are_kept_and_the_stream_goes_on_over_kafka() {
    bad_messages_are_kept_and_the_stream_goes_on("kafka").await;
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn a_flood_of_undecodable_messages_is_bounded_over_rabbitmq() {
    a_flood_of_undecodable_messages_is_bounded("rabbitmq").await;
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn a_flood_of_undecodable_messages_is_bounded_over_kafka() {
    a_flood_of_undecodable_messages_is_bounded("kafka").await;
}
