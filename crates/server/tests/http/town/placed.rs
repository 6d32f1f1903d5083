//! Orders of a town: what can be ordered, and what its people do with an order that was placed.

use serde_json::{Value, json};

use super::Town;
use crate::{
    client::{Client, Reply},
    world::Person,
};

/// An order that was placed.
pub struct Placed<'a> {
    pub town: &'a Town,
    pub order_id: String,
    pub buyer: Client,
}

impl Placed<'_> {
    pub fn path(&self) -> String {
        format!("/v1/orders/{}", self.order_id)
    }

    /// As its buyer sees it.
    pub async fn seen(&self) -> Value {
        self.buyer.get(&self.path()).await.expect(200).json()
    }

    pub async fn status(&self) -> String {
        self.seen().await["status"].as_str().unwrap().to_owned()
    }

    /// How it stands and why, as `rejected: insufficient`.
    pub async fn is(&self, status: &str) {
        let seen = self.seen().await;
        let reason = seen["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        assert_eq!(format!("{}{reason}", seen["status"].as_str().unwrap()), status, "{seen}");
    }

    pub async fn payment(&self) -> Value {
        self.buyer.get(&format!("{}/payment", self.path())).await.expect(200).json()
    }

    /// The names of its events, in the order of the log.
    pub async fn story(&self) -> Vec<String> {
        let page = self.buyer.get(&format!("{}/events?limit=100", self.path())).await.expect(200).json();
        page["items"].as_array().unwrap().iter().map(|event| event["name"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn cancels(&self) -> Reply {
        self.buyer.post(&format!("{}/cancellation", self.path()), json!({})).await
    }

    /// Somebody outside holds the money.
    pub async fn authorizes(&self, reference: &str, amount_minor: i64) -> Reply {
        let held = json!({"reference": reference, "amount_minor": amount_minor, "currency": "EUR"});
        self.town.service.post(&format!("{}/payment/authorization", self.path()), held).await
    }

    pub async fn dispatches(&self) -> Reply {
        let parcel = json!({"carrier": "Post", "tracking": "T-1"});
        self.town.staff.post(&format!("{}/shipment/dispatch", self.path()), parcel).await
    }

    pub async fn delivers(&self) -> Reply {
        self.town.staff.post(&format!("{}/shipment/delivery", self.path()), json!({})).await
    }

    pub async fn refunds(&self, refund: Value) -> Reply {
        self.town.staff.post(&format!("{}/payment/refunds", self.path()), refund).await
    }
}

/// An order of so many of a SKU.
pub fn order_of(sku: &str, quantity: u32, payment_method: &str) -> Value {
    json!({
        "lines": [{"product_id": format!("p-{sku}"), "sku": sku, "quantity": quantity}],
        "payment_method": payment_method,
        "shipping_address": {"street": "Dock 1", "city": "Hamburg", "zip": "20457", "country": "DE"},
    })
}

/// The same, by staff for somebody, with an id that is known before.
pub fn named(order_id: &str, buyer: &Person, order: Value) -> Value {
    let mut order = order;
    order["order_id"] = json!(order_id);
    order["customer_id"] = json!(buyer.user_id);
    order
}

/// A cart of theirs with one line that was checked out: its id, and what was signed.
pub async fn checked_out(buyer: &Person, sku: &str, quantity: u32) -> (String, Value) {
    let cart = buyer.client.post("/v1/carts", json!({})).await.expect(201).field("cart_id");
    let line = json!({"sku": sku, "quantity": quantity});
    buyer.client.post(&format!("/v1/carts/{cart}/lines"), line).await.expect(200);
    let signed = buyer.client.post(&format!("/v1/carts/{cart}/checkout"), json!({})).await.expect(200).json();
    (cart, signed)
}
