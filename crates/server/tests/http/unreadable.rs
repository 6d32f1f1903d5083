//! What cannot be read is a defect, and is answered as one: it is never taken for something that is not there, or wrong.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use rusqlite::Connection;
use serde_json::json;
use tradewind::{
    config::Secret,
    identity::{self, KeyRing},
    secret::Keys,
};
use tradewind_engine::{Entity, ports::StoreError};
use tradewind_events::{
    Envelope, Event, KeyText, Timestamp, id,
    identity::{Jwk, SigningKeyRetired},
};
use tradewind_identity::model::SigningKey;
use tradewind_testkit::{MemoryStore, WatchedReader};

use crate::{
    client::Client,
    shelf::Shelf,
    world::{Directory, PASSWORD, World, config},
};

const SETTINGS: [(&str, &str); 3] =
    [("rate_per_second", "0"), ("secret_rate_per_second", "0"), ("sign_in_failures_max", "2")];

/// The same shop on a store in which this was done to one row.
async fn tampered(world: World, sql: &'static str) -> World {
    let store = world.file("shop.db");
    let tampers = move || {
        let store = Connection::open(store).unwrap();
        assert_eq!(store.execute(sql, []).unwrap(), 1);
    };
    world.damaged(tampers, &SETTINGS).await
}

/// The same client, of the shop that has started again.
fn here(world: &World, client: &Client) -> Client {
    world.anonymous().with_token(client.token.as_deref().unwrap())
}

#[tokio::test]
async fn an_unreadable_answer_of_before_is_not_taken_for_a_new_request() {
    let world = World::with(&SETTINGS).await;
    let ada = world.person("ada").await;
    let path = format!("/v1/users/{}/password", ada.user_id);
    let change = json!({"password": PASSWORD, "new_password": "another horse battery"});
    ada.client.request("PUT", &path).header("Idempotency-Key", "once").json(&change).send().await.expect(204);
    let cart = ada.client.post("/v1/carts", json!({})).await.expect(201).field("cart_id");
    let cart = format!("/v1/carts/{cart}");
    ada.client.request("DELETE", &cart).header("Idempotency-Key", "gone").send().await.expect(204);

    let world = tampered(world, "UPDATE idempotency SET answer = X'FF' WHERE key = 'once'").await;
    let client = here(&world, &ada.client);
    // The gate asks for it, too, when something is refused that the first effect has changed.
    client.request("DELETE", &cart).header("Idempotency-Key", "gone").send().await.expect(204);
    for _ in 0..3 {
        let again = client.request("PUT", &path).header("Idempotency-Key", "once").json(&change).send().await;
        again.refused(500, "internal");
    }
    world.sign_in(&ada.email, "another horse battery").await.expect(201);

    let world = tampered(world, "UPDATE idempotency SET answer = X'FF' WHERE key = 'gone'").await;
    let client = here(&world, &ada.client);
    client.request("DELETE", &cart).header("Idempotency-Key", "gone").send().await.refused(500, "internal");
    client.request("DELETE", &cart).header("Idempotency-Key", "other").send().await.refused(404, "cart_not_found");
}

#[tokio::test]
async fn a_hash_that_cannot_be_read_makes_no_password_wrong() {
    let world = World::with(&SETTINGS).await;
    let ada = world.person("ada").await;
    let world =
        tampered(world, "UPDATE credential SET password_hash = '$argon2id$' || substr(password_hash, 11, 20)").await;
    for _ in 0..3 {
        world.sign_in(&ada.email, PASSWORD).await.refused(500, "internal");
    }
    let store = Connection::open(world.file("shop.db")).unwrap();
    let failures: u32 = store.query_row("SELECT failures FROM credential", [], |row| row.get(0)).unwrap();
    assert_eq!(failures, 0);
}

#[tokio::test]
async fn a_token_whose_session_cannot_be_read_opens_nothing_and_holds_no_stream_open() {
    let world = World::with(&SETTINGS).await;
    let ada = world.person("ada").await;
    let world = tampered(world, "UPDATE session SET user_id = X'FF'").await;
    here(&world, &ada.client).get("/v1/me").await.refused(500, "internal");
    identity::ended(world.app.shop(), ada.client.token.as_deref().unwrap()).await;
}

#[tokio::test]
async fn a_key_that_is_retired_is_good_for_nothing_even_if_the_others_cannot_be_read() {
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let reader = WatchedReader::new(MemoryStore::new(), move |table, _| {
        let fails = fails.load(Relaxed) && table.name == SigningKey::TABLE.name;
        if fails { Err(StoreError::Unusable("its disk is gone".to_owned())) } else { Ok(()) }
    });
    let point = "A".repeat(43);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": point, "y": point, "kid": "key-1"});
    let keys = Arc::new(Keys::new(&Secret::new(*b"one master key, one shop")));
    let given = vec![Jwk::of(&jwk).unwrap()];
    let ring = KeyRing::new(&config(&Directory::new(), &[]), keys, Arc::new(reader), given.clone()).unwrap();
    assert_eq!(ring.jwks().len(), 1);
    failing.store(true, Relaxed);
    let retired = SigningKeyRetired { kid: id("key-1"), public_jwk: given[0].clone() };
    ring.hear(&Envelope {
        id: id("event-1"),
        source: KeyText::literal("identity"),
        subject: Event::subject(&retired),
        key: id("key-1"),
        time: Timestamp::default(),
        sequence: 2,
        correlation_id: id("r"),
        causation_id: None,
        traceparent: None,
        event: Arc::new(retired),
    });
    assert_eq!(ring.jwks(), []);
}

#[tokio::test]
async fn a_last_event_that_is_no_text_does_not_begin_a_stream_again() {
    let shelf = Shelf::with(&[]).await;
    shelf.sells("tea", &["TEA-1"], json!({})).await;
    shelf.receive("TEA-1", 1).await;
    let ada = shelf.rich("ada").await;
    let order = crate::shelf::order_of("TEA-1", 1, "balance");
    let order = ada.client.post("/v1/orders", order).await.expect(201).field("order_id");
    let stream = ada.client.request("GET", &format!("/v1/orders/{order}/events"));
    let refused = stream.header("Accept", "text/event-stream").header("Last-Event-ID", "ä").send().await;
    assert_eq!(refused.refused(400, "header_invalid").field("field"), "Last-Event-ID");
}
