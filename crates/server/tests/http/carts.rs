//! Carts: whose they are, what lies in them, and how they become orders.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    client::Client,
    shelf::Shelf,
    world::{PASSWORD, Person},
};

async fn open(client: &Client) -> String {
    let made = client.request("POST", "/v1/carts").send().await.expect(201);
    let path = format!("/v1/carts/{}", made.field("cart_id"));
    assert_eq!(made.header("location"), Some(&*path));
    path
}

fn line(sku: &str, quantity: u32) -> Value {
    json!({"sku": sku, "quantity": quantity})
}

async fn add(client: &Client, cart: &str, sku: &str, quantity: u32) {
    client.post(&format!("{cart}/lines"), line(sku, quantity)).await.expect(200);
}

async fn with_tea() -> (Shelf, Person) {
    let shelf = Shelf::new().await;
    shelf.sells("tea", &["TEA-1", "TEA-2"], json!({})).await;
    let ada = shelf.world.person("ada").await;
    (shelf, ada)
}

#[tokio::test]
async fn an_anonymous_cart_is_used_by_whoever_knows_it() {
    let (shelf, ada) = with_tea().await;
    let anonymous = shelf.world.anonymous();
    let cart = open(&anonymous).await;
    let added = anonymous.post(&format!("{cart}/lines"), line("TEA-1", 2)).await.expect(200).json();
    assert_eq!((added.get("customer_id"), &added["revision"], &added["state"]), (None, &json!(2), &json!("open")));
    let expected = json!([{"product_id": "tea", "sku": "TEA-1", "quantity": 2, "unit_price_minor": 1_000}]);
    assert_eq!((&added["lines"], &added["items_total_minor"]), (&expected, &json!(2_000)));
    add(&ada.client, &cart, "TEA-2", 1).await;
    let set = anonymous.put(&format!("{cart}/lines/TEA-1"), json!({"quantity": 5})).await.expect(200);
    assert_eq!(set.json()["items_total_minor"], 6_000);
    let removed = anonymous.delete(&format!("{cart}/lines/TEA-2")).await.expect(200);
    assert_eq!(removed.json(), anonymous.get(&cart).await.expect(200).json());
    assert_eq!(shelf.staff.get(&cart).await.expect(200).json()["lines"].as_array().unwrap().len(), 1);
    anonymous.post(&format!("{cart}/checkout"), json!({})).await.refused(401, "not_signed_in");
    ada.client.post(&format!("{cart}/checkout"), json!({})).await.refused(409, "cart_anonymous");
}

#[tokio::test]
async fn the_cart_of_a_customer_is_not_there_for_others() {
    let (shelf, ada) = with_tea().await;
    let (bob, anonymous) = (shelf.world.person("bob").await.client, shelf.world.anonymous());
    let cart = open(&ada.client).await;
    add(&ada.client, &cart, "TEA-1", 1).await;
    let nowhere = String::from("/v1/carts/nothing");
    for (client, path) in [(&bob, &cart), (&anonymous, &cart), (&bob, &nowhere)] {
        client.get(path).await.refused(404, "cart_not_found");
        client.post(&format!("{path}/lines"), line("TEA-1", 1)).await.refused(404, "cart_not_found");
        client.put(&format!("{path}/lines/TEA-1"), json!({"quantity": 1})).await.refused(404, "cart_not_found");
        client.delete(&format!("{path}/lines/TEA-1")).await.refused(404, "cart_not_found");
    }
    bob.post(&format!("{cart}/checkout"), json!({})).await.refused(404, "cart_not_found");
    let own = open(&bob).await;
    let into = json!({"into_cart_id": cart.rsplit('/').next().unwrap()});
    bob.post(&format!("{own}/merging"), into).await.refused(404, "cart_not_found");
    let open_carts = ada.client.get(&format!("/v1/users/{}/carts", ada.user_id)).await.expect(200).json();
    assert_eq!(open_carts["items"], json!([ada.client.get(&cart).await.expect(200).json()]));
    bob.get(&format!("/v1/users/{}/carts", ada.user_id)).await.refused(403, "not_allowed");
    let service = shelf.world.service(&shelf.admin).await;
    for helper in [&shelf.staff, &service] {
        add(helper, &cart, "TEA-1", 1).await;
        let signed = helper.post(&format!("{cart}/checkout"), json!({})).await.expect(200);
        assert_eq!(signed.field("customer_id"), ada.user_id);
    }
    assert_eq!(service.request("POST", "/v1/carts").send().await.expect(201).json().get("customer_id"), None);
}

#[tokio::test]
async fn lines_that_cannot_be_are_refused() {
    let (shelf, ada) = with_tea().await;
    shelf.draft("secret", &["SECRET"], json!({})).await;
    let cart = open(&ada.client).await;
    let post = async |body: Value| ada.client.post(&format!("{cart}/lines"), body).await;
    for sku in ["NONE", "SECRET"] {
        assert_eq!(post(line(sku, 1)).await.refused(409, "not_for_sale").field("field"), "sku");
    }
    for quantity in [0, 1_000_001] {
        assert_eq!(post(line("TEA-1", quantity)).await.refused(422, "cart_quantity").field("field"), "quantity");
    }
    post(json!({"sku": "TEA-1", "quantity": -1})).await.refused(400, "body_invalid");
    let set = ada.client.put(&format!("{cart}/lines/TEA-1"), json!({"quantity": 1})).await;
    set.refused(404, "cart_line_not_found");
    ada.client.delete(&format!("{cart}/lines/TEA-1")).await.refused(404, "cart_line_not_found");
    ada.client.post(&format!("{cart}/checkout"), json!({})).await.refused(409, "cart_empty");
}

#[tokio::test]
async fn a_cart_has_as_many_lines_as_an_order() {
    let (shelf, _) = with_tea().await;
    for product in 0..5 {
        let skus: Vec<String> = (0..100).map(|nth| format!("S-{product}-{nth}")).collect();
        let skus: Vec<&str> = skus.iter().map(String::as_str).collect();
        shelf.sells(&format!("product-{product}"), &skus, json!({})).await;
    }
    let anonymous = shelf.world.anonymous();
    let cart = open(&anonymous).await;
    for product in 0..5 {
        join_all((0..100).map(async |nth| add(&anonymous, &cart, &format!("S-{product}-{nth}"), 1).await)).await;
    }
    anonymous.post(&format!("{cart}/lines"), line("TEA-1", 1)).await.refused(409, "cart_full");
    add(&anonymous, &cart, "S-0-0", 1).await;
}

#[tokio::test]
async fn an_anonymous_cart_is_merged_into_that_of_whoever_signs_in() {
    let (shelf, ada) = with_tea().await;
    let anonymous = shelf.world.anonymous();
    let (before, own) = (open(&anonymous).await, open(&ada.client).await);
    add(&anonymous, &before, "TEA-1", 2).await;
    add(&ada.client, &own, "TEA-1", 1).await;
    let into = |cart: &str| json!({"into_cart_id": cart.rsplit('/').next().unwrap()});
    anonymous.post(&format!("{before}/merging"), into(&own)).await.refused(401, "not_signed_in");
    let wrong_way = ada.client.post(&format!("{own}/merging"), into(&before)).await;
    wrong_way.refused(409, "carts_not_mergeable");
    ada.client.post(&format!("{own}/merging"), into(&own)).await.refused(409, "carts_not_mergeable");
    let merged = ada.client.post(&format!("{before}/merging"), into(&own)).await.expect(200).json();
    assert_eq!((&merged["lines"][0]["quantity"], &merged["customer_id"]), (&json!(3), &json!(ada.user_id)));
    let again = ada.client.post(&format!("{before}/merging"), into(&own)).await.expect(200).json();
    assert_eq!(again["lines"], merged["lines"], "once");
    assert_eq!(anonymous.get(&before).await.expect(200).field("state"), "merged");
    anonymous.post(&format!("{before}/lines"), line("TEA-1", 1)).await.refused(409, "cart_closed");
}

#[tokio::test]
async fn a_checkout_signs_what_was_seen_and_names_one_order() {
    let (shelf, _) = with_tea().await;
    shelf.receive("TEA-1", 10).await;
    let ada = shelf.rich("grace").await;
    let cart = open(&ada.client).await;
    add(&ada.client, &cart, "TEA-1", 2).await;
    let checkout = async |body: Value| ada.client.post(&format!("{cart}/checkout"), body).await;
    assert_eq!(checkout(json!({"revision": 1})).await.refused(409, "cart_changed").field("field"), "revision");
    let signed = checkout(json!({"revision": 2})).await.expect(200).json();
    assert_eq!((&signed["version"], &signed["customer_id"]), (&json!(2), &json!(ada.user_id)));
    assert_eq!(signed["signature"].as_str().unwrap().len(), 64);
    assert_eq!(checkout(json!({})).await.expect(200).json(), signed, "the same again");
    shelf.staff.delete("/v1/products/tea/publication").await.expect(200);
    assert_eq!(checkout(json!({})).await.refused(409, "not_for_sale").field("field"), "lines[0]");
    shelf.publish("tea").await;
    let address = json!({"street": "Dock 1", "city": "Hamburg", "zip": "20457", "country": "DE"});
    let order = json!({"cart": signed, "payment_method": "balance", "shipping_address": address});
    let placed = ada.client.post("/v1/orders", order).await;
    assert_eq!(placed.expect(201).field("order_id"), signed["order_id"].as_str().unwrap());
    let closed = ada.client.get(&cart).await.expect(200).json();
    assert_eq!((&closed["state"], &closed["order_id"]), (&json!("checked_out"), &signed["order_id"]));
    ada.client.post(&format!("{cart}/lines"), line("TEA-1", 1)).await.refused(409, "cart_closed");
}

#[tokio::test]
async fn a_cart_that_nobody_touches_expires() {
    let shelf = Shelf::with(&[("cart_ttl", "5m"), ("snapshot_ttl", "1m")]).await;
    let anonymous = shelf.world.anonymous();
    let cart = open(&anonymous).await;
    shelf.world.clock.advance(Duration::from_mins(5));
    while anonymous.get(&cart).await.expect(200).field("state") != "expired" {
        tokio::task::yield_now().await;
    }
    anonymous.post(&format!("{cart}/lines"), line("TEA-1", 1)).await.refused(409, "cart_closed");
}

#[tokio::test]
async fn a_customer_has_few_open_carts_and_none_after_leaving() {
    let (_shelf, ada) = with_tea().await;
    for _ in 0..20 {
        open(&ada.client).await;
    }
    ada.client.request("POST", "/v1/carts").send().await.refused(409, "too_many_carts");
    let leave = format!("/v1/users/{}/deletion", ada.user_id);
    ada.client.post(&leave, json!({"password": PASSWORD})).await.expect(204);
    ada.client.request("POST", "/v1/carts").send().await.refused(409, "cart_customer_deleted");
}

#[tokio::test]
async fn a_customer_deletes_a_cart_and_whoever_knows_it_an_anonymous_one() {
    let (shelf, ada) = with_tea().await;
    let (bob, anonymous) = (shelf.world.person("bob").await.client, shelf.world.anonymous());
    let carts: Vec<String> = vec![open(&ada.client).await, open(&anonymous).await, open(&anonymous).await];
    for cart in &carts {
        add(&ada.client, cart, "TEA-1", 2).await;
    }
    for stranger in [&bob, &anonymous] {
        stranger.delete(&carts[0]).await.refused(404, "cart_not_found");
    }
    for (client, cart) in [(&ada.client, &carts[0]), (&anonymous, &carts[1]), (&bob, &carts[2])] {
        client.delete(cart).await.expect(204);
        client.get(cart).await.refused(404, "cart_not_found");
        client.post(&format!("{cart}/lines"), line("TEA-1", 1)).await.refused(404, "cart_not_found");
        client.delete(cart).await.refused(404, "cart_not_found");
    }
    let path = format!("/v1/users/{}/carts", ada.user_id);
    assert_eq!(ada.client.get(&path).await.expect(200).json()["items"], json!([]));
    assert_eq!(shelf.staff.get("/v1/operations/timers").await.expect(200).json()["items"], json!([]), "none expires");
    ada.client.delete("/v1/carts/none").await.refused(404, "cart_not_found");
    // What was ordered stays.
    let ordered = open(&ada.client).await;
    shelf.receive("TEA-1", 10).await;
    add(&ada.client, &ordered, "TEA-1", 1).await;
    let signed = ada.client.post(&format!("{ordered}/checkout"), json!({})).await.expect(200).json();
    let address = json!({"street": "Dock 1", "city": "Hamburg", "zip": "20457", "country": "DE"});
    let order = json!({"cart": signed, "payment_method": "external", "shipping_address": address});
    ada.client.post("/v1/orders", order).await.expect(201);
    ada.client.delete(&ordered).await.refused(409, "cart_closed");
}

#[tokio::test]
async fn a_cart_follows_the_currency_of_the_shop_when_it_is_changed_and_signs_nothing_before() {
    let (shelf, ada) = with_tea().await;
    let anonymous = shelf.world.anonymous();
    let (cart, nobodys) = (open(&ada.client).await, open(&anonymous).await);
    for (client, cart) in [(&ada.client, &cart), (&anonymous, &nobodys)] {
        add(client, cart, "TEA-1", 2).await;
        add(client, cart, "TEA-2", 1).await;
    }
    // A price in the old currency waits for its moment.
    let later = json!({"amount_minor": 700, "currency": "EUR", "effective_at": "2026-02-01T12:00:00Z"});
    shelf.staff.post("/v1/variants/TEA-1/prices", later).await.expect(200);

    let world = shelf.world.restarted(&[("rate_per_second", "0"), ("currency", "USD")]).await;
    let (ada, staff) = (world.signed_in(&ada.email).await.client, world.signed_in("staff@example.org").await.client);
    let checkout = async || ada.post(&format!("{cart}/checkout"), json!({})).await;
    checkout().await.refused(409, "cart_currency_changed");
    let usd = |amount_minor: i64| json!({"amount_minor": amount_minor, "currency": "USD"});
    staff.post("/v1/variants/TEA-1/prices", usd(1_200)).await.expect(200);
    assert_eq!(ada.get(&cart).await.expect(200).field("currency"), "EUR", "it is moved when it is changed");

    let set = ada.put(&format!("{cart}/lines/TEA-1"), json!({"quantity": 2})).await.expect(200).json();
    assert_eq!((&set["currency"], &set["lines"][0]["unit_price_minor"]), (&json!("USD"), &json!(1_200)));
    assert_eq!((set["lines"][1].get("unit_price_minor"), set.get("items_total_minor")), (None, None));
    assert_eq!(checkout().await.refused(409, "not_for_sale").field("field"), "lines[1]");
    ada.delete(&format!("{cart}/lines/TEA-2")).await.expect(200);
    let signed = checkout().await.expect(200).json();
    assert_eq!((&signed["currency"], &signed["lines"][0]["unit_price_minor"]), (&json!("USD"), &json!(1_200)));

    let into = json!({"into_cart_id": cart.rsplit('/').next().unwrap()});
    let merged = ada.post(&format!("{nobodys}/merging"), into).await.expect(200).json();
    assert_eq!((&merged["lines"][0]["quantity"], &merged["lines"][0]["unit_price_minor"]), (&json!(4), &json!(1_200)));
    assert_eq!(merged["lines"][1].get("unit_price_minor"), None, "no price of the old currency comes in");

    world.clock.advance(Duration::from_hours(25));
    let staff = world.signed_in("staff@example.org").await.client;
    let prices = async || staff.get("/v1/variants/TEA-1/prices").await.expect(200).json();
    while prices().await["scheduled"] != json!([]) {
        tokio::task::yield_now().await;
    }
    assert_eq!(prices().await["price"]["amount_minor"], 1_200, "a price in a currency that was left never holds");
}
