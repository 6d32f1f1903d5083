//! Free-form JSON: what is accepted comes back as the same text, from everywhere, and the rest is refused.

use serde_json::{Value, json};
use tradewind_engine::ports::BrokerMessage;

use crate::{
    client::{Client, Reply},
    town::{TWO_STORES, Town},
};

/// The text of every number that comes back as it is.
const KEPT: [&str; 14] = [
    "0",
    "-0",
    "1.50",
    "1e3",
    "1E+2",
    "-12.25",
    "0.1",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551615",
    "-9223372036854775808",
    "1e21",
    "5e-324",
    "123456789.123456",
];

/// Numbers that a reader of JSON would change.
const REFUSED: [&str; 9] = [
    "123456789012345678901",
    "18446744073709551616",
    "-9223372036854775809",
    "1e-400",
    "1e400",
    "0.1000000000000000055",
    "3.14159265358979323846",
    "9007199254740993.0",
    "1e99999999999",
];

async fn sends(client: &Client, method: &str, path: &str, body: &str) -> Reply {
    let request = client.request(method, path).header("Content-Type", "application/json");
    request.body(body.as_bytes().to_vec()).send().await
}

fn product(product_id: &str, attributes: &str, of_variant: &str) -> String {
    format!(
        r#"{{"product_id": "{product_id}", "name": "A", "attributes": {attributes}, "variants": [
            {{"sku": "SKU-{product_id}", "amount_minor": 1, "currency": "EUR", "attributes": {of_variant}}}]}}"#
    )
}

#[tokio::test]
async fn a_number_in_an_attribute_keeps_its_text_or_is_refused() {
    let town = Town::new().await;
    for (nth, number) in KEPT.iter().enumerate() {
        let (id, attributes) = (format!("kept-{nth}"), format!(r#"{{"b": true, "a" : {number} }}"#));
        let canonical = format!(r#""attributes":{{"a":{number},"b":true}}"#);
        let path = format!("/v1/products/{id}");
        let made =
            sends(&town.staff, "POST", "/v1/products", &product(&id, &attributes, &attributes)).await.expect(201);
        town.staff.post(&format!("{path}/publication"), json!({})).await.expect(200);
        // As catalog keeps it, and as the read model shows it.
        let seen = [town.staff.get(&path).await, town.anonymous().get(&path).await];
        for reply in [&made].into_iter().chain(&seen) {
            assert_eq!(reply.text().matches(&canonical).count(), 2, "{number}: {}", reply.text());
        }
        let renamed = sends(&town.staff, "PATCH", &path, r#"{"attributes": {"c": "x"}}"#).await.expect(200);
        assert!(renamed.text().contains(r#""attributes":{"c":"x"}"#), "{}", renamed.text());
    }
    for number in REFUSED {
        let one = format!(r#"{{"a": {number}}}"#);
        for (attributes, of_variant, field) in [(&*one, "{}", "attributes.a"), ("{}", &one, "variants[0].attributes.a")]
        {
            let body = product("refused", attributes, of_variant);
            let refused = sends(&town.staff, "POST", "/v1/products", &body).await.refused(400, "body_invalid");
            assert_eq!(refused.field("field"), field, "{number}");
        }
        let change = format!(r#"{{"attributes": {one}}}"#);
        for path in ["/v1/products/kept-1", "/v1/variants/SKU-kept-1"] {
            sends(&town.staff, "PATCH", path, &change).await.refused(400, "body_invalid");
        }
    }
    let long = format!("0.{}1", "0".repeat(100));
    let body = product("long", &format!(r#"{{"a": {long}}}"#), "{}");
    sends(&town.staff, "POST", "/v1/products", &body).await.refused(422, "invalid_product");
    // The read models of the log are those that were made meanwhile.
    town.is_clean().await;
}

#[tokio::test]
async fn a_field_that_stands_twice_is_refused_wherever_it_stands() {
    let town = Town::new().await;
    for (body, field) in [
        (r#"{"product_id": "a", "name": "A", "name": "B"}"#.to_owned(), "name"),
        (product("a", r#"{"size": 1, "size": 2}"#, "{}"), "attributes.size"),
        (product("a", r#"{"size": 1, "\u0073ize": 1}"#, "{}"), "attributes.size"),
        (product("a", r#"{"x": {"size": 1, "size": 2}}"#, "{}"), "attributes.x.size"),
        (product("a", r#"{"x": [{"y": {"size": 1, "size": 2}}]}"#, "{}"), "attributes.x.size"),
        (product("a", "{}", r#"{"size": 1, "size": 2}"#), "variants[0].attributes.size"),
    ] {
        let refused = sends(&town.staff, "POST", "/v1/products", &body).await.refused(400, "body_invalid");
        assert_eq!(refused.field("field"), field, "{body}");
    }
    let letter = "/v1/operations/dead-letters/none/edit";
    let refused = sends(&town.staff, "POST", letter, r#"{"message": {"data": {"a": 1, "a": 2}}}"#).await;
    assert_eq!(refused.refused(400, "body_invalid").field("field"), "message.a");
    let job = "/v1/operations/jobs/none/settlement";
    let refused = sends(&town.staff, "POST", job, r#"{"reason": "r", "reply": {"a": 1e400}}"#).await;
    assert_eq!(refused.refused(400, "body_invalid").field("field"), "reply");
}

/// An event of a product with this attribute, as another store would send it.
fn created(attribute: &str) -> String {
    let product = format!(
        r#"{{"product_id":"far","name":"Far","description":"","category_ids":[],"status":"published",
            "attributes":{{"a":{attribute}}},"media":[],"variants":[],"created_at":"2026-01-31T12:00:00Z"}}"#
    );
    format!(
        r#"{{"specversion":"1.0","id":"far-1-0","type":"product.created","dataversion":1,"source":"inventory",
            "subject":"product/far","partitionkey":"far","time":"2026-01-31T12:00:00Z","sequence":"1",
            "correlationid":"far","data":{{"product":{product}}}}}"#
    )
}

#[tokio::test]
async fn an_event_that_would_change_is_a_dead_letter_and_its_edit_is_kept_as_it_is() {
    let town = Town::laid_out(TWO_STORES, &[]).await;
    town.broker().inject(BrokerMessage::new("town.inventory", created("1e-400")).with_key("far"));
    town.settles().await;
    let list = town.staff.get("/v1/operations/dead-letters").await.expect(200).json();
    let letter = &list["items"][0];
    assert_eq!((&letter["consumer"], list["items"].as_array().unwrap().len()), (&json!("broker"), 1));
    let edit = format!("/v1/operations/dead-letters/{}/edit", letter["id"].as_str().unwrap());
    for bad in ["1e-400", r#"{"b":1,"b":2}"#] {
        let body = format!(r#"{{"message": {}}}"#, created(bad));
        sends(&town.staff, "POST", &edit, &body).await.refused(400, "body_invalid");
    }
    let body = format!(r#"{{"message": {}}}"#, created("12.50"));
    sends(&town.staff, "POST", &edit, &body).await.expect(200);
    town.settles().await;
    let seen = town.anonymous().get("/v1/products/far").await.expect(200);
    assert!(seen.text().contains(r#""attributes":{"a":12.50}"#), "{}", seen.text());
    let list: Value = town.staff.get("/v1/operations/dead-letters").await.expect(200).json();
    assert_eq!(list["items"], json!([]));
    // Nobody has published it, as the audit knows; all else is as the log says.
    let checks = town.audited().checks;
    let mut violations = checks.iter().flat_map(|check| &check.violations);
    assert!(violations.all(|violation| violation.detail.contains("accounted for")), "{checks:?}");
}
