//! What people write and what proves who they are never comes into the log or a trace, however much is told.

use std::fs;

use serde_json::{Value, json};

use super::{serve_with, terminated};
use crate::{
    client::{Client, Reply},
    traces::Collector,
    world::Directory,
};

const PASSWORD: &str = "planted horse battery";
const CARD: &str = "4111 1111 1111 1111";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn address() -> Value {
    json!({"street": "Planted Street 7", "city": "Plantedham", "zip": "planted-zip", "country": "DE"})
}

fn order(payment_method: &str, quantity: i64) -> Value {
    json!({
        "lines": [{"product_id": "tea", "sku": "TEA-1", "quantity": quantity}],
        "payment_method": payment_method,
        "shipping_address": address(),
    })
}

/// Signs in; the tokens go to the secrets.
async fn signed_in(client: &Client, email: &str, secrets: &mut Vec<String>) -> (Client, String) {
    let session = client.post("/v1/sessions", json!({"email": email, "password": PASSWORD})).await.expect(201);
    let (access, refresh) = (session.field("access_token"), session.field("refresh_token"));
    // What stands before the signature is the same in every token of a key.
    secrets.extend([access.rsplit('.').next().unwrap().to_owned(), refresh.clone()]);
    let renewed = client.post("/v1/sessions/refresh", json!({"refresh_token": refresh})).await.expect(200);
    secrets.push(renewed.field("refresh_token"));
    let user_id = session.json()["user"]["user_id"].as_str().unwrap().to_owned();
    (client.with_token(&access), user_id)
}

async fn places(client: &Client, order: &Value) -> Reply {
    client.request("POST", "/v1/orders").json(order).header("Prefer", "wait=10").send().await
}

/// An account with all that is personal, and tries that fail.
async fn people(client: &Client, secrets: &mut Vec<String>) -> (Client, String) {
    let new = json!({"email": "planted@example.org", "password": PASSWORD, "username": "planted-user",
        "first_name": "Planted", "last_name": "O'Planted"});
    client.post("/v1/users", new.clone()).await.expect(201);
    client.post("/v1/users", new).await;
    let (buyer, user_id) = signed_in(client, "planted@example.org", secrets).await;
    let me = format!("/v1/users/{user_id}");
    let change = json!({"avatar_url": "https://example.org/planted.png", "first_name": "Planted-Two"});
    buyer.request("PATCH", &me).json(&change).send().await.expect(200);
    let moved = json!({"email": "planted-too@example.org", "password": PASSWORD});
    buyer.put(&format!("{me}/email"), moved).await;
    let wrong = json!({"old_password": "planted-wrong", "new_password": "planted-new-password"});
    buyer.put(&format!("{me}/password"), wrong).await;
    client.post("/v1/sessions", json!({"email": "planted@example.org", "password": "planted-wrong"})).await;
    client.post("/v1/password-resets", json!({"email": "planted@example.org"})).await;
    client.post("/v1/email-verifications", json!({"token": "planted.token"})).await;
    client.post("/v1/password-resets/confirmation", json!({"token": "planted.token", "password": PASSWORD})).await;
    (buyer, user_id)
}

/// Orders of all kinds of payment, with an address and words about them.
async fn orders(buyer: &Client, staff: &Client, service: &Client) {
    for (method, quantity) in [("balance", 1), ("card", 1), ("balance", 100)] {
        let placed = places(buyer, &order(method, quantity)).await;
        assert!(matches!(placed.status, 200..=202), "{}", placed.text());
    }
    let external = buyer.post("/v1/orders", order("external", 1)).await.expect(201).field("order_id");
    let hold = json!({"reference": CARD, "amount_minor": 1_000});
    service.post(&format!("/v1/orders/{external}/payment/authorization"), hold).await;
    service.post(&format!("/v1/orders/{external}/payment/failure"), json!({"reason": CARD})).await;
    buyer.post(&format!("/v1/orders/{external}/cancellation"), json!({"reason": "planted reason"})).await;
    staff.post(&format!("/v1/orders/{external}/shipment/dispatch"), json!({"tracking": "planted-tracking"})).await;
}

/// What is refused is not told either.
async fn refusals(client: &Client, buyer: &Client) {
    let mut odd = order("balance", 1);
    odd["card_number"] = json!(CARD);
    places(buyer, &odd).await.refused(400, "body_invalid");
    places(buyer, &json!({"lines": CARD})).await.refused(400, "body_invalid");
    let broken = buyer.request("POST", "/v1/orders").header("Content-Type", "application/json");
    broken.body(b"{\"planted\": 4111111111111111".to_vec()).send().await.refused(400, "body_invalid");
    buyer.get("/v1/orders/planted-order").await;
    client.get("/v1/products?search=planted&cursor=planted").await;
    client.get("/planted/4111111111111111?token=planted").await.refused(404, "route_unknown");
    client.with_token("planted.access.token").get("/v1/me").await.refused(401, "access_token_invalid");
    let headers = ["Authorization", "Cookie", "User-Agent", "Idempotency-Key", "X-Forwarded-For", "traceparent"];
    for name in headers {
        client.request("POST", "/v1/carts").json(&json!({})).header(name, "planted-header-planted").send().await;
    }
    let callback = client.request("POST", "/v1/provider-callbacks").json(&json!({"card": CARD}));
    callback.header("Provider-Signature", "t=1,v1=planted").send().await;
}

#[tokio::test]
async fn nothing_that_people_write_and_nothing_secret_is_in_the_log_or_a_trace() {
    let (directory, collector) = (Directory::new(), Collector::new());
    let (child, at, admin_token) = serve_with(&directory, &["--traces-endpoint", &collector.url()]);
    let (client, mut secrets) = (Client::new(at), vec![admin_token.clone()]);
    let new = json!({"token": admin_token, "email": "planted-root@example.org", "password": PASSWORD});
    client.post("/v1/first-admin", new).await.expect(201);
    let (admin, _) = signed_in(&client, "planted-root@example.org", &mut secrets).await;
    let made = admin.post("/v1/clients", json!({"name": "planted-client"})).await.expect(201);
    let shown = json!({"client_id": made.field("client_id"), "client_secret": made.field("client_secret")});
    let token = client.post("/v1/tokens", shown).await.expect(200).field("access_token");
    let service = client.with_token(&token);
    secrets.extend([made.field("client_secret"), token.rsplit('.').next().unwrap().to_owned()]);
    let variant = json!({"sku": "TEA-1", "amount_minor": 1_000, "currency": "EUR"});
    admin.post("/v1/products", json!({"product_id": "tea", "name": "Tea", "variants": [variant]})).await.expect(201);
    admin.post("/v1/products/tea/publication", json!({})).await.expect(200);
    let received = json!({"delta": 10, "adjustment_type": "restock", "reason": "planted reason"});
    admin.post("/v1/stock/TEA-1/adjustments", received).await.expect(200);
    let (buyer, user_id) = people(&client, &mut secrets).await;
    let credit = json!({"amount_minor": 100_000, "cause": "planted cause"});
    admin.post(&format!("/v1/users/{user_id}/accounts/EUR/credits"), credit).await;
    orders(&buyer, &admin, &service).await;
    refusals(&client, &buyer).await;
    let traced = format!("00-{TRACE}-00f067aa0ba902b7-01");
    buyer.request("GET", "/v1/me").header("traceparent", &traced).send().await.expect(200);
    assert_eq!(terminated(child), Some(0));

    let log = fs::read_to_string(directory.0.join("log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let traced = lines.iter().any(|line| line["level"] == "TRACE" || line["level"] == "DEBUG");
    assert!(lines.len() > 50 && traced, "everything is logged: {} lines", lines.len());
    assert!(lines.iter().any(|line| line["route"] == "/v1/orders"), "requests are logged by their template");
    assert!(lines.iter().any(|line| line["route"] == "/v1/me" && line["trace_id"] == TRACE), "a trace is named");
    secrets.extend(["planted".to_owned(), CARD.to_owned(), CARD.replace(' ', "")]);
    let told = told(&collector);
    for secret in secrets.iter().map(|secret| secret.to_lowercase()) {
        let found = log.lines().chain(told.lines()).find(|line| line.to_lowercase().contains(&secret));
        assert_eq!(found, None, "{secret} is in the log or a trace");
    }
}

/// All that traces say, a line each.
fn told(collector: &Collector) -> String {
    let spans = collector.spans();
    for name in ["POST /v1/orders", "orders place_order", "identity register", "notifications user.registered"] {
        assert!(spans.iter().any(|span| span.name == name), "{name} is traced");
    }
    let lines = spans.iter().map(|span| format!("{} {:?} {:?}\n", span.name, span.attributes, span.resource));
    lines.collect()
}
