//! A peer that shares no code with the shop is a part of it: it reads what a process publishes, and acts as `inventory`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Shop, front_alone, python::Topic, until};
use crate::process::terminated;

/// The modes of CloudEvents.
#[derive(Clone, Copy)]
pub enum Mode {
    Structured,
    Binary,
}

/// What inventory says of tea, as a message of its topic.
pub fn stock_of_tea(shop: &Shop, mode: Mode, version: u64, name: &str) -> Value {
    let available = i64::from(name == "stock.replenished");
    let data = json!({"stock": {
        "sku": "TEA", "product_id": "p-TEA", "location_id": "main", "version": version, "on_hand": available,
        "reserved": 0, "available": available, "available_everywhere": available,
    }});
    let attributes = json!({
        "specversion": "1.0", "id": format!("peer-{version}"), "type": name, "source": "inventory",
        "subject": "stock/TEA/main", "partitionkey": "TEA", "time": "2026-01-15T10:30:00Z",
        "sequence": version.to_string(), "correlationid": format!("peers-request-{version}"),
    });
    let mut attributes: BTreeMap<String, Value> = serde_json::from_value(attributes).unwrap();
    attributes.insert("dataversion".to_owned(), json!(1));
    let amqp = shop.broker_url.starts_with("amqp");
    let (content_type, headers, body) = match mode {
        Mode::Structured => {
            attributes.insert("data".to_owned(), data);
            ("application/cloudevents+json", json!({}), json!(attributes))
        }
        Mode::Binary => {
            let prefix = if amqp { "cloudEvents:" } else { "ce_" };
            if amqp {
                // AMQP has numbers and times of its own.
                attributes.insert("sequence".to_owned(), json!(version));
                attributes.insert("time".to_owned(), json!({"time": 1_768_473_000}));
            } else {
                attributes.insert("dataversion".to_owned(), json!("1"));
            }
            let headers: BTreeMap<String, Value> =
                attributes.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect();
            ("application/json", json!(headers), data)
        }
    };
    let mut message = json!({"key": "TEA", "headers": headers, "body": body.to_string()});
    if amqp {
        message["routing_key"] = json!(name);
        message["properties"] = json!({"content_type": content_type});
    } else {
        message["headers"]["content-type"] = json!(content_type);
    }
    message
}

/// Checks a message of catalog, and gives its envelope.
fn envelope_of(shop: &Shop, message: &Value) -> Value {
    let envelope: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
    assert_eq!((&envelope["specversion"], &envelope["source"]), (&json!("1.0"), &json!("catalog")), "{message:#}");
    assert_eq!(message["key"], envelope["partitionkey"], "{message:#}");
    let content_type = "application/cloudevents+json; charset=utf-8";
    if shop.broker_url.starts_with("amqp") {
        assert_eq!(message["routing_key"], envelope["type"], "{message:#}");
        let properties = json!({"content_type": content_type, "message_id": envelope["id"], "delivery_mode": 2});
        assert_eq!(message["properties"], properties, "{message:#}");
        assert_eq!(message["headers"], json!({}), "{message:#}");
    } else {
        assert_eq!(message["headers"], json!({"content-type": content_type}), "{message:#}");
    }
    envelope
}

async fn a_python_peer_is_a_part_of_the_shop(script: &str) {
    let (shop, process, staff) = front_alone(script).await;
    let (catalog, inventory) = (Topic::of(&shop, "catalog"), Topic::of(&shop, "inventory"));
    let of_type = |name: &'static str, count: usize| {
        let (shop, catalog) = (&shop, &catalog);
        until(async move || {
            let envelopes: Vec<Value> = catalog.read().iter().map(|message| envelope_of(shop, message)).collect();
            let ids: BTreeSet<&str> = envelopes.iter().filter_map(|envelope| envelope["id"].as_str()).collect();
            assert_eq!(ids.len(), envelopes.len(), "each is published once");
            let found: Vec<Value> = envelopes.iter().filter(|envelope| envelope["type"] == name).cloned().collect();
            assert!(found.len() <= count, "{found:#?}");
            (found.len() == count).then_some(found)
        })
    };
    let created = of_type("product.created", 1).await.remove(0);
    let told = (&created["subject"], &created["partitionkey"], &created["sequence"], &created["dataversion"]);
    assert_eq!(told, (&json!("product/p-TEA"), &json!("p-TEA"), &json!("1"), &json!(1)));
    assert_eq!(created["data"]["product"]["name"], "tea");

    // Each of the first two comes a second time, in the other mode.
    let (structured, binary) = (Mode::Structured, Mode::Binary);
    let sent = [
        (structured, 1, "stock.depleted"),
        (binary, 2, "stock.replenished"),
        (binary, 1, "stock.depleted"),
        (structured, 2, "stock.replenished"),
        (binary, 3, "stock.depleted"),
    ];
    inventory.publish(&sent.map(|(mode, version, name)| stock_of_tea(&shop, mode, version, name)));
    let out_of_stock = of_type("product.out_of_stock", 2).await;
    let back_in_stock = of_type("product.back_in_stock", 1).await;
    for (event, version) in [(&out_of_stock[0], 1), (&back_in_stock[0], 2), (&out_of_stock[1], 3)] {
        assert_eq!(event["causationid"], format!("peer-{version}"));
        assert_eq!(event["correlationid"], format!("peers-request-{version}"));
        assert_eq!(event["data"]["sku"], "TEA");
    }
    let figures = staff.get("/metrics").await;
    assert!(figures.text().contains("tradewind_duplicate_events_total{broker=\"broker\"} 2\n"), "{}", figures.text());
    let letters = staff.get("/v1/operations/dead-letters").await.expect(200).json();
    assert_eq!(letters["items"], json!([]), "{letters:#}");
    assert_eq!(terminated(process), Some(0));
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn a_python_peer_is_a_part_of_the_shop_over_rabbitmq() {
    a_python_peer_is_a_part_of_the_shop("rabbitmq").await;
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn a_python_peer_is_a_part_of_the_shop_over_kafka() {
    a_python_peer_is_a_part_of_the_shop("kafka").await;
}
