//! Customers who leave with orders that are not done, customers who never were, and what a customer may hold.

use serde_json::{Value, json};

use crate::{
    town::{Layout, ONE_STORE, THREE_STORES, Town, named, order_of},
    world::{PASSWORD, Person},
};

fn address() -> Value {
    json!({"street": "Main Street 1", "city": "Springfield", "zip": "12345", "country": "US"})
}

fn addressed(sku: &str, quantity: u32, method: &str) -> Value {
    let mut order = order_of(sku, quantity, method);
    order["shipping_address"] = address();
    order
}

async fn leaves(town: &Town, person: &Person) {
    let path = format!("/v1/users/{}/deletion", person.user_id);
    person.client.post(&path, json!({"password": PASSWORD})).await.expect(204);
    town.settles().await;
}

async fn payables(town: &Town) -> Vec<Value> {
    let page = town.staff.get("/v1/operations/owed/payables").await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

async fn a_customer_leaves_with_a_paid_order(layout: Layout) {
    let town = Town::laid_out(layout, &[]).await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    let stays = town.settles_order(&ada, addressed("tea", 1, "balance")).await;
    stays.is("confirmed").await;
    let gone = town.settles_order(&ada, addressed("tea", 1, "balance")).await;
    gone.dispatches().await.expect(200);
    town.settles().await;
    leaves(&town, &ada).await;

    let path = stays.path();
    let seen = town.staff.get(&path).await.expect(200).json();
    let why = (&seen["status"], &seen["cancelled_by"], &seen["reason"], &seen["shipment"]["state"]);
    assert_eq!(why, (&json!("cancelled"), &json!("system"), &json!("customer_deleted"), &json!("released")));
    assert_eq!(town.staff.get(&gone.path()).await.expect(200).field("status"), "dispatched");
    let sent = town.staff.get(&format!("{}/shipment", gone.path())).await.expect(200);
    assert!(!sent.text().contains("Springfield"), "{}", sent.text());

    // What was left, and what came back, is owed; it is paid out once.
    let owed = payables(&town).await;
    assert_eq!(
        (owed.len(), &owed[0]["customer_id"], &owed[0]["amount_minor"]),
        (1, &json!(ada.user_id), &json!(4_000))
    );
    let settlement = format!("/v1/operations/owed/payables/{}/settlement", ada.user_id);
    let pay = |amount_minor: i64| json!({"currency": "EUR", "amount_minor": amount_minor});
    town.service.post(&settlement, pay(1)).await.refused(403, "not_allowed");
    town.staff.post(&settlement, pay(4_001)).await.refused(422, "settlement_too_large");
    town.staff.post(&settlement, pay(1_000)).await.expect(200);
    let left = town.staff.post(&settlement, pay(3_000)).await.expect(200).json();
    assert_eq!(left["amount_minor"], 0);
    town.staff.post(&settlement, pay(1)).await.refused(409, "nothing_owed");
    assert!(payables(&town).await.is_empty());

    // The goods that have left arrive, and a refund of them is owed again.
    gone.delivers().await.expect(200);
    town.settles().await;
    gone.refunds(json!({"reason": "broken"})).await.expect(200);
    assert_eq!(payables(&town).await[0]["amount_minor"], 1_000);
    town.is_clean().await;
}

#[tokio::test]
async fn a_customer_who_leaves_has_what_has_not_left_cancelled_and_is_owed_the_money() {
    a_customer_leaves_with_a_paid_order(ONE_STORE).await;
}

#[tokio::test]
async fn the_same_holds_over_three_stores() {
    a_customer_leaves_with_a_paid_order(THREE_STORES).await;
}

#[tokio::test]
async fn goods_of_a_customer_who_has_left_are_not_sent_nowhere_while_orders_has_not_heard_of_it() {
    let town = Town::laid_out(THREE_STORES, &[]).await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    let order = town.settles_order(&ada, addressed("tea", 1, "balance")).await;
    town.pauses("orders").await;
    leaves(&town, &ada).await;
    let shipment = town.staff.get(&format!("{}/shipment", order.path())).await.expect(200);
    assert_eq!(shipment.field("state"), "ready");
    assert!(shipment.text().contains("12345"), "{}", shipment.text());
    town.resumes("orders").await;
    assert_eq!(town.staff.get(&order.path()).await.expect(200).field("status"), "cancelled");
    let shipment = town.staff.get(&format!("{}/shipment", order.path())).await.expect(200);
    assert!(!shipment.text().contains("12345"), "{}", shipment.text());
    town.is_clean().await;
}

#[tokio::test]
async fn money_and_orders_are_for_customers_who_exist() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let money = json!({"amount_minor": 100, "cause": "top_up"});
    let credits = "/v1/users/no-such-customer/accounts/EUR/credits";
    town.staff.post(credits, money.clone()).await.refused(404, "customer_not_found");
    let mut order = order_of("tea", 1, "external");
    order["customer_id"] = json!("typo");
    for client in [&town.staff, &town.service] {
        let refused = client.post("/v1/orders", order.clone()).await.refused(404, "customer_not_found");
        assert_eq!(refused.field("field"), "customer_id");
    }
    let ada = town.buyer("ada", 0).await;
    leaves(&town, &ada).await;
    let credits = format!("/v1/users/{}/accounts/EUR/credits", ada.user_id);
    town.staff.post(&credits, money).await.refused(409, "account_closed");
    order["customer_id"] = json!(ada.user_id);
    town.staff.post("/v1/orders", order).await.refused(409, "customer_deleted");
    town.is_clean().await;
}

#[tokio::test]
async fn customers_of_another_system_are_taken_where_the_shop_says_so() {
    let town = Town::with(&[("foreign_customers", "true")]).await;
    town.stocks("tea", 9).await;
    let money = json!({"amount_minor": 1_000, "cause": "top_up"});
    town.staff.post("/v1/users/their-customer/accounts/EUR/credits", money).await.expect(200);
    let mut order = order_of("tea", 1, "balance");
    order["customer_id"] = json!("their-customer");
    let placed = town.service.post("/v1/orders", order).await.expect(201);
    town.settles().await;
    assert_eq!(town.status_of_order(&placed.field("order_id")), "confirmed");
    town.is_clean().await;
}

#[tokio::test]
async fn a_customer_holds_stock_unpaid_within_bounds_and_the_shop_beyond_them() {
    let town = Town::with(&[("unpaid_orders_max", "2"), ("reservation_ttl", "10m")]).await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    let mut day = order_of("tea", 1, "external");
    day["reservation_ttl_seconds"] = json!(86_400);
    let refused = ada.client.post("/v1/orders", day.clone()).await.refused(422, "invalid_reservation_ttl");
    assert_eq!(refused.field("field"), "reservation_ttl_seconds");
    day["customer_id"] = json!(ada.user_id);
    town.service.post("/v1/orders", day).await.expect(201);

    let first = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    town.settles_order(&ada, order_of("tea", 1, "external")).await;
    let third = order_of("tea", 1, "external");
    ada.client.post("/v1/orders", third.clone()).await.refused(409, "too_many_unpaid_orders");
    town.settles_order(&ada, order_of("tea", 1, "balance")).await.is("confirmed").await;
    first.authorizes("bank-1", 1_000).await.expect(200);
    town.settles().await;
    town.settles_order(&ada, third).await.is("validated").await;
    town.is_clean().await;
}

#[tokio::test]
async fn the_same_order_id_with_anything_else_is_refused() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    let order = named("their-1", &ada, addressed("tea", 1, "balance"));
    town.service.post("/v1/orders", order.clone()).await.expect(201);
    town.settles().await;
    town.service.post("/v1/orders", order.clone()).await.expect(200);
    let change = |field: &str, value: Value| {
        let mut other = order.clone();
        other[field] = value;
        other
    };
    let mut elsewhere = address();
    elsewhere["zip"] = json!("54321");
    for other in [
        change("shipping_address", elsewhere),
        change("shipping_address", Value::Null),
        change("billing_address", address()),
        change("payment_method", json!("external")),
        change("reservation_ttl_seconds", json!(60)),
    ] {
        town.service.post("/v1/orders", other.clone()).await.refused(409, "order_exists");
    }
    leaves(&town, &ada).await;
    town.service.post("/v1/orders", order).await.refused(409, "order_exists");
    town.is_clean().await;
}
