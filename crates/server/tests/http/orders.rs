//! Orders through the door: what may be placed and by whom, what is answered and answered again, who sees what.

use std::time::Duration;

use serde_json::{Value, json};
use tradewind_engine::tables::IdempotencyRow;

use crate::{
    shelf::{column, pages},
    town::{Placed, Town, checked_out, named, order_of},
};

#[tokio::test]
async fn an_order_goes_from_its_placing_to_its_delivery() {
    let town = Town::new().await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 5_000).await;
    let order = town.settles_order(&ada, order_of("tea", 2, "balance")).await;
    order.is("confirmed").await;
    order.dispatches().await.expect(200);
    order.is("dispatched").await;
    order.delivers().await.expect(200);
    let seen = order.seen().await;
    assert_eq!((&seen["status"], &seen["settled"]), (&json!("completed"), &json!(true)));
    assert_eq!((&seen["total_minor"], &seen["currency"]), (&json!(2_000), &json!("EUR")));
    assert_eq!((&seen["payment"]["state"], &seen["payment"]["captured_minor"]), (&json!("captured"), &json!(2_000)));
    assert_eq!((&seen["reservation"]["state"], &seen["shipment"]["state"]), (&json!("committed"), &json!("delivered")));
    assert_eq!((&seen["shipment"]["carrier"], &seen["shipment"]["tracking"]), (&json!("Post"), &json!("T-1")));
    assert_eq!(seen["lines"][0]["unit_price_minor"], 1_000);
    town.is_clean().await;
}

#[tokio::test]
async fn an_order_that_cannot_be_is_refused_with_the_field_at_fault() {
    let town = Town::new().await;
    let ada = town.buyer("ada", 0).await;
    let line = |change: Value| {
        let mut line = json!({"product_id": "p-tea", "sku": "tea", "quantity": 1});
        line.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        line
    };
    let order = |change: Value| {
        let mut order = json!({"lines": [line(json!({}))], "payment_method": "balance"});
        order.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        order
    };
    let address = json!({"street": " ", "city": "Hamburg", "zip": "20457", "country": "DE"});
    for (body, status, code, field) in [
        (json!({"payment_method": "balance"}), 400, "body_invalid", "lines"),
        (order(json!({"payment_method": "barter"})), 400, "body_invalid", "payment_method"),
        (order(json!({"haste": true})), 400, "body_invalid", "haste"),
        (order(json!({"lines": [line(json!({"quantity": -1}))]})), 400, "body_invalid", "lines[0].quantity"),
        (order(json!({"lines": []})), 422, "empty_order", "lines"),
        (order(json!({"lines": [line(json!({"quantity": 0}))]})), 422, "invalid_order_lines", "lines[0].quantity"),
        (
            order(json!({"lines": [line(json!({})), line(json!({"product_id": "p-coffee"}))]})),
            422,
            "invalid_order_lines",
            "lines[1].product_id",
        ),
        (
            order(json!({"lines": [line(json!({"unit_price_minor": -1}))]})),
            422,
            "invalid_order_lines",
            "lines[0].unit_price_minor",
        ),
        (order(json!({"currency": "USD"})), 422, "currency_not_sold", "currency"),
        (order(json!({"shipping_address": address})), 422, "invalid_address", "shipping_address.street"),
        (order(json!({"reservation_ttl_seconds": 0})), 422, "invalid_reservation_ttl", "reservation_ttl_seconds"),
        (order(json!({"order_id": "mine"})), 403, "not_allowed", "order_id"),
    ] {
        let refused = ada.client.post("/v1/orders", body.clone()).await.refused(status, code);
        assert_eq!(refused.json()["field"].as_str(), Some(field), "{body}");
    }
    let bobs = order(json!({"customer_id": "bob"}));
    ada.client.post("/v1/orders", bobs.clone()).await.refused(403, "not_allowed");
    town.anonymous().post("/v1/orders", bobs).await.refused(401, "not_signed_in");
    let nobodys = town.service.post("/v1/orders", order(json!({}))).await.refused(400, "body_invalid");
    assert_eq!(nobodys.field("field"), "customer_id");
    let many: Vec<Value> = (0..501).map(|nth| line(json!({"sku": format!("tea-{nth}")}))).collect();
    ada.client.post("/v1/orders", order(json!({"lines": many}))).await.refused(422, "invalid_order_lines");
    assert_eq!(ada.client.get("/v1/orders").await.expect(200).json()["items"], json!([]));
}

#[tokio::test]
async fn a_signed_cart_is_one_order_however_often_it_is_placed() {
    let town = Town::new().await;
    town.stocks("tea", 10).await;
    let (ada, bob) = (town.buyer("ada", 5_000).await, town.buyer("bob", 5_000).await);
    let (_, signed) = checked_out(&ada, "tea", 2).await;
    let order = |cart: &Value| json!({"cart": cart, "payment_method": "balance"});

    let mut forged = signed.clone();
    forged["lines"][0]["unit_price_minor"] = json!(1);
    let refused = ada.client.post("/v1/orders", order(&forged)).await.refused(422, "invalid_signed_cart");
    assert_eq!(refused.field("field"), "cart.signature");
    bob.client.post("/v1/orders", order(&signed)).await.refused(422, "invalid_signed_cart");
    let mut both = order(&signed);
    both["lines"] = json!([]);
    ada.client.post("/v1/orders", both).await.refused(400, "body_invalid");

    let first = ada.client.post("/v1/orders", order(&signed)).await.expect(201);
    assert_eq!(first.json()["order_id"], signed["order_id"]);
    assert_eq!(first.header("location").unwrap(), format!("/v1/orders/{}", first.field("order_id")));
    let again = ada.client.post("/v1/orders", order(&signed)).await.expect(200);
    assert_eq!((again.field("order_id"), again.field("status")), (first.field("order_id"), "confirmed".to_owned()));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(ada.client.get("/v1/orders").await.json()["items"].as_array().unwrap().len(), 1);
    town.is_clean().await;
}

#[tokio::test]
async fn a_signed_cart_is_not_good_for_ever() {
    let town = Town::new().await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 5_000).await;
    let (_, signed) = checked_out(&ada, "tea", 2).await;
    town.advance(std::time::Duration::from_mins(15)).await;
    let order = json!({"cart": signed, "payment_method": "balance"});
    let refused = ada.client.post("/v1/orders", order).await.refused(409, "signed_cart_expired");
    assert_eq!(refused.field("field"), "cart");
}

#[tokio::test]
async fn staff_and_services_order_for_others_under_ids_of_their_own() {
    let town = Town::new().await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 5_000).await;
    let order = named("erp/4711 ".trim(), &ada, order_of("tea", 1, "balance"));
    let placed = town.service.post("/v1/orders", order.clone()).await.expect(201);
    assert_eq!(placed.header("location"), Some("/v1/orders/erp%2F4711"));
    assert_eq!(town.staff.post("/v1/orders", order.clone()).await.expect(200).field("status"), "confirmed");
    let other = named("erp/4711", &ada, order_of("tea", 2, "balance"));
    town.staff.post("/v1/orders", other).await.refused(409, "order_exists");
    assert_eq!(ada.client.get("/v1/orders/erp%2F4711").await.expect(200).field("order_id"), "erp/4711");
    town.is_clean().await;
}

#[tokio::test]
async fn an_order_is_seen_by_its_buyer_and_by_staff_and_by_nobody_else() {
    let town = Town::new().await;
    town.stocks("tea", 10).await;
    let (ada, bob) = (town.buyer("ada", 5_000).await, town.buyer("bob", 0).await);
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    for path in ["", "/events", "/payment"] {
        let path = format!("{}{path}", order.path());
        town.staff.get(&path).await.expect(200);
        ada.client.get(&path).await.expect(200);
        town.anonymous().get(&path).await.refused(401, "not_signed_in");
        let unknown = if path.ends_with("payment") { "payment_not_found" } else { "order_not_found" };
        bob.client.get(&path).await.refused(404, unknown);
    }
    let shipment = format!("{}/shipment", order.path());
    for client in [&ada.client, &bob.client, &town.service] {
        client.get(&shipment).await.refused(403, "not_allowed");
        client.post(&format!("{shipment}/dispatch"), json!({})).await.refused(403, "not_allowed");
    }
    bob.client.post(&format!("{}/cancellation", order.path()), json!({})).await.refused(404, "order_not_found");
    assert_eq!(town.staff.get(&shipment).await.expect(200).json()["address"]["street"], "Dock 1");
    assert_eq!(ada.client.get(&order.path()).await.json()["shipping_address"]["street"], "Dock 1");
    let seen_by_service = town.service.get(&order.path()).await.expect(200).json();
    assert_eq!((&seen_by_service["status"], &seen_by_service["shipping_address"]), (&json!("confirmed"), &json!(null)));
    town.staff.get("/v1/orders/nobody").await.refused(404, "order_not_found");
    town.staff.get("/v1/orders/nobody/payment").await.refused(404, "payment_not_found");
    town.staff.get("/v1/orders/nobody/shipment").await.refused(404, "shipment_not_found");
}

#[tokio::test]
async fn lists_hold_what_one_may_see_the_newest_first() {
    let town = Town::new().await;
    town.stocks("tea", 10).await;
    let (ada, bob) = (town.buyer("ada", 50_000).await, town.buyer("bob", 0).await);
    let mut placed = Vec::new();
    for nth in 0..5 {
        let buyer = if nth == 2 { &bob } else { &ada };
        let order = town.settles_order(buyer, order_of("tea", 1, "balance")).await;
        placed.push(order.order_id);
        town.clock.advance(std::time::Duration::from_secs(1));
    }
    let list = async |client: &crate::client::Client, path: &str| {
        crate::shelf::column(&crate::shelf::pages(client, path, 2).await, "order_id")
    };
    let newest_first = |wanted: &[usize]| wanted.iter().rev().map(|nth| placed[*nth].clone()).collect::<Vec<_>>();
    assert_eq!(list(&ada.client, "/v1/orders").await, newest_first(&[0, 1, 3, 4]));
    assert_eq!(list(&bob.client, "/v1/orders").await, newest_first(&[2]));
    assert_eq!(list(&town.staff, "/v1/orders").await, newest_first(&[0, 1, 2, 3, 4]));
    assert_eq!(list(&town.staff, "/v1/orders?status=rejected").await, newest_first(&[2]));
    assert_eq!(list(&town.staff, "/v1/orders?status=confirmed").await, newest_first(&[0, 1, 3, 4]));
    let of_bob = format!("/v1/orders?customer_id={}", bob.user_id);
    assert_eq!(list(&town.staff, &of_bob).await, newest_first(&[2]));
    assert_eq!(list(&town.staff, &format!("{of_bob}&status=confirmed")).await, newest_first(&[]));
    assert_eq!(list(&bob.client, &of_bob).await, newest_first(&[2]));
    ada.client.get(&of_bob).await.refused(403, "not_allowed");
    ada.client.get("/v1/orders?status=lost").await.refused(400, "query_invalid");
    ada.client.get("/v1/orders?limit=101").await.refused(400, "query_invalid");
}

/// A cart that was checked out names an order that may never be placed.
#[tokio::test]
async fn what_was_never_placed_is_in_no_list() {
    let town = Town::new().await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 5_000).await;
    let (_, signed) = checked_out(&ada, "tea", 2).await;
    town.settles().await;
    let path = format!("/v1/orders/{}", signed["order_id"].as_str().unwrap());
    ada.client.get(&path).await.refused(404, "order_not_found");
    assert_eq!(ada.client.get("/v1/orders").await.json()["items"], json!([]));
    assert_eq!(town.staff.get("/v1/orders").await.json()["items"], json!([]));
}

#[tokio::test]
async fn the_same_request_is_one_order_and_gets_the_same_bytes() {
    let town = Town::new().await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 50_000).await;
    let place = |key: &'static str, wait: bool, quantity: u32| {
        let request = ada.client.request("POST", "/v1/orders").json(&order_of("tea", quantity, "balance"));
        let request = request.header("Idempotency-Key", key);
        if wait { request.header("Prefer", "wait=5").send() } else { request.send() }
    };
    let first = place("k", false, 1).await.expect(201);
    let second = place("k", false, 1).await.expect(201);
    assert_eq!((&first.bytes, first.header("location")), (&second.bytes, second.header("location")));
    assert_eq!((first.header("idempotency-replayed"), second.header("idempotency-replayed")), (None, Some("true")));
    // Waiting adds how it stands now, and keeps it nowhere.
    let waited = place("k", true, 1).await.expect(201);
    let outcome = |text: &str| text.strip_prefix(first.text().strip_suffix('}').unwrap()).map(str::to_owned);
    assert_eq!(outcome(waited.text()).as_deref(), Some(r#","outcome":{"status":"confirmed","decided":true}}"#));
    assert_eq!(place("k", false, 1).await.expect(201).bytes, first.bytes);
    place("k", false, 2).await.refused(422, "idempotency_key_reused");
    let order = Placed { order_id: first.field("order_id"), buyer: ada.client.clone(), town: &town };
    order.dispatches().await.expect(200);
    assert!(place("k", true, 1).await.text().ends_with(r#""outcome":{"status":"dispatched","decided":true}}"#));

    let waited = place("w", true, 1).await.expect(201);
    assert!(waited.text().ends_with(r#","outcome":{"status":"confirmed","decided":true}}"#), "{}", waited.text());
    assert_eq!(place("w", true, 1).await.expect(201).bytes, waited.bytes);
    let kept = place("w", false, 1).await.expect(201);
    assert!(!kept.text().contains("outcome"), "{}", kept.text());
    assert_eq!(ada.client.get("/v1/orders").await.json()["items"].as_array().unwrap().len(), 2);
    assert!(
        town.rows::<IdempotencyRow>("orders").iter().all(|row| !row
            .answer
            .body
            .windows(7)
            .any(|text| text == b"outcome"))
    );
}

#[tokio::test]
async fn who_has_left_orders_nothing_more() {
    let town = Town::new().await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 5_000).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    town.staff.post(&format!("/v1/users/{}/deletion", ada.user_id), json!({})).await.expect(204);
    town.settles().await;
    let more = named("more", &ada, order_of("tea", 1, "balance"));
    town.staff.post("/v1/orders", more).await.refused(409, "customer_deleted");
    assert_eq!(town.staff.get(&order.path()).await.json()["shipping_address"], json!(null));
}

#[tokio::test]
async fn orders_of_every_sort_of_id_come_newest_first_on_every_page() {
    let town = Town::new().await;
    town.stocks("tea", 100).await;
    let ada = town.buyer("ada", 50_000).await;
    let mut placed = Vec::new();
    for foreign in
        [Some("zz-1"), None, Some("00-2"), None, Some("550e8400-e29b-41d4-a716-446655440000"), None, Some("~")]
    {
        let mut order = order_of("tea", 1, "balance");
        order["customer_id"] = json!(ada.user_id);
        if let Some(order_id) = foreign {
            order["order_id"] = json!(order_id);
        }
        placed.push(town.staff.post("/v1/orders", order).await.expect(201).field("order_id"));
        town.clock.advance(Duration::from_secs(1));
    }
    placed.reverse();
    for limit in [1, 2, 100] {
        assert_eq!(column(&pages(&town.staff, "/v1/orders", limit).await, "order_id"), placed);
        assert_eq!(column(&pages(&ada.client, "/v1/orders", limit).await, "order_id"), placed);
    }
}

#[tokio::test]
async fn orders_are_listed_by_the_time_at_which_they_began() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 9_000).await;
    let mut placed = Vec::new();
    for day in 0..3 {
        // Two at the same moment, unless the tests run with a clock that moves.
        for _ in 0..2 {
            let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
            placed.push((order.seen().await["placed_at"].as_str().unwrap().to_owned(), order.order_id));
        }
        if day < 2 {
            town.advance(Duration::from_hours(24)).await;
        }
    }
    let ids = |rows: Vec<serde_json::Value>| column(&rows, "order_id");
    let newest_first = |from: usize, to: usize| {
        let mut ids: Vec<String> = placed[from..to].iter().map(|(_, id)| id.clone()).collect();
        ids.reverse();
        ids
    };
    let (first, second, last_but_one) = (&placed[0].0, &placed[1].0, &placed[4].0);
    let day = |at: &str| at[..10].to_owned();
    for (query, expected) in [
        (format!("from={first}"), newest_first(0, 6)),
        (format!("to={second}"), newest_first(0, 2)),
        (format!("from={last_but_one}"), newest_first(4, 6)),
        (format!("from={}&to={}", day(&placed[2].0), day(&placed[3].0)), newest_first(2, 4)),
        (format!("to={}&status=confirmed", day(&placed[3].0)), newest_first(0, 4)),
        (format!("from={last_but_one}&customer_id={}", ada.user_id), newest_first(4, 6)),
        ("to=2001-01-01".to_owned(), Vec::new()),
    ] {
        assert_eq!(ids(pages(&town.staff, &format!("/v1/orders?{query}"), 1).await), expected, "{query}");
        assert_eq!(ids(pages(&ada.client, &format!("/v1/orders?{query}"), 3).await), expected, "{query}");
    }
    for (query, field) in [("from=yesterday", "from"), ("to=2026-02-30", "to")] {
        let refused = town.staff.get(&format!("/v1/orders?{query}")).await.refused(400, "query_invalid");
        assert_eq!(refused.field("field"), field);
    }
}

#[tokio::test]
async fn all_refunds_of_an_order_can_be_read() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    order.dispatches().await.expect(200);
    order.delivers().await.expect(200);
    town.settles().await;
    for _ in 0..105 {
        order.refunds(json!({"amount_minor": 1, "reason": "bit by bit"})).await.expect(200);
    }
    town.settles().await;
    let (seen, payment) = (order.seen().await, order.payment().await);
    for (what, view, path) in [
        ("order", seen, format!("{}/refunds", order.path())),
        ("payment", payment, format!("{}/payment/refunds", order.path())),
    ] {
        assert_eq!(view["refunds"].as_array().unwrap().len(), 100, "{what}");
        let cursor = view["refunds_cursor"].as_str().unwrap();
        let rest = ada.client.get(&format!("{path}?cursor={cursor}")).await.expect(200).json();
        assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (5, &json!(null)), "{what}");
        assert_eq!(pages(&ada.client, &path, 40).await.len(), 105, "{what}");
        let bob = town.buyer(&format!("bob-{what}"), 0).await;
        assert_eq!(bob.client.get(&path).await.status, 404, "{what}");
    }
    // Each is an event of several services, and the timeline has them all.
    let events = pages(&ada.client, &format!("{}/events", order.path()), 100).await;
    let refunded = events.iter().filter(|event| event["name"] == "payment.refunded").count();
    assert_eq!(refunded, 105);
    town.is_clean().await;
}
