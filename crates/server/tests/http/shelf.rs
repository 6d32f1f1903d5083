//! A shop with somebody of its staff, who puts goods on the shelves.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    client::{Client, Reply},
    world::{Person, World},
};

/// A shop without limits of rate, and its staff.
pub struct Shelf {
    pub world: World,
    pub admin: Person,
    pub staff: Client,
}

impl Shelf {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(settings: &[(&'static str, &str)]) -> Self {
        let unlimited = [("rate_per_second", "0"), ("secret_rate_per_second", "0")];
        let world = World::with(&[&unlimited, settings].concat()).await;
        let admin = world.admin().await;
        let staff = world.person_as(&admin, "staff", "staff").await.client;
        Self { world, admin, staff }
    }

    /// A draft; `fields` say what is special of it.
    pub async fn draft(&self, product_id: &str, skus: &[&str], fields: Value) -> Reply {
        self.staff.post("/v1/products", new_product(product_id, skus, fields)).await.expect(201)
    }

    /// A product that is for sale.
    pub async fn sells(&self, product_id: &str, skus: &[&str], fields: Value) {
        self.draft(product_id, skus, fields).await;
        self.publish(product_id).await;
    }

    pub async fn publish(&self, product_id: &str) {
        self.staff.post(&format!("/v1/products/{product_id}/publication"), json!({})).await.expect(200);
    }

    /// Puts so many units on the main shelf.
    pub async fn receive(&self, sku: &str, units: i64) -> Reply {
        self.adjust(sku, json!({"delta": units, "adjustment_type": "restock"})).await.expect(200)
    }

    pub async fn adjust(&self, sku: &str, adjustment: Value) -> Reply {
        self.staff.post(&format!("/v1/stock/{sku}/adjustments"), adjustment).await
    }

    /// A customer with money on their account.
    pub async fn rich(&self, name: &str) -> Person {
        let person = self.world.person(name).await;
        let credits = format!("/v1/users/{}/accounts/EUR/credits", person.user_id);
        let credit = json!({"amount_minor": 1_000_000, "cause": "for the test"});
        let reply = self.staff.post(&credits, credit).await;
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
        person
    }
}

/// The body of a new product: each SKU costs 10.00 EUR.
pub fn new_product(product_id: &str, skus: &[&str], fields: Value) -> Value {
    let variants: Vec<Value> = skus.iter().map(|sku| variant(sku, 1_000)).collect();
    let mut product = json!({"product_id": product_id, "name": product_id, "variants": variants});
    if let Value::Object(fields) = fields {
        product.as_object_mut().unwrap().extend(fields);
    }
    product
}

pub fn variant(sku: &str, amount_minor: i64) -> Value {
    json!({"sku": sku, "amount_minor": amount_minor, "currency": "EUR"})
}

/// An order of some of a SKU of the product `tea`.
pub fn order_of(sku: &str, quantity: u32, payment_method: &str) -> Value {
    json!({
        "lines": [{"product_id": "tea", "sku": sku, "quantity": quantity}],
        "payment_method": payment_method,
        "shipping_address": {"street": "Dock 1", "city": "Hamburg", "zip": "20457", "country": "DE"},
    })
}

pub async fn patch(client: &Client, path: &str, change: Value) -> Reply {
    client.request("PATCH", path).json(&change).send().await
}

/// All rows of a list, read in pages of `limit`, of which none comes twice. `path` may have a query.
pub async fn pages(client: &Client, path: &str, limit: usize) -> Vec<Value> {
    let first = format!("{path}{}limit={limit}", if path.contains('?') { '&' } else { '?' });
    let (mut rows, mut next) = (Vec::new(), first.clone());
    loop {
        let page = client.get(&next).await.expect(200).json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        rows.extend(items.iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        assert_eq!(items.len(), limit, "a page with another one after it is full");
        assert_tamper_proof(client, &first, cursor).await;
        next = format!("{first}&cursor={cursor}");
    }
    let different: BTreeSet<String> = rows.iter().map(Value::to_string).collect();
    assert_eq!(different.len(), rows.len());
    rows
}

/// A cursor that was changed, and one of another list, are refused.
async fn assert_tamper_proof(client: &Client, first: &str, cursor: &str) {
    let middle = cursor.len() / 2;
    let other = if cursor.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let changed = format!("{}{other}{}", &cursor[..middle], &cursor[middle + 1..]);
    for bad in [changed.as_str(), &cursor[..middle], "nonsense"] {
        let refused = client.get(&format!("{first}&cursor={bad}")).await.refused(400, "cursor_invalid");
        assert_eq!(refused.field("field"), "cursor");
    }
    let elsewhere = if first.starts_with("/v1/categories?") { "/v1/products" } else { "/v1/categories" };
    client.get(&format!("{elsewhere}?cursor={cursor}")).await.refused(400, "cursor_invalid");
}

/// A field of each row.
pub fn column(rows: &[Value], name: &str) -> Vec<String> {
    rows.iter().map(|row| row[name].as_str().unwrap_or_else(|| panic!("no {name} in {row}")).to_owned()).collect()
}
