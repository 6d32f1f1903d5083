//! The same request under the same key has its effect once, and gets the same bytes again.

use std::time::Duration;

use serde_json::json;
use tradewind_engine::{Entity, ports::List, tables::IdempotencyRow};

use crate::world::{PASSWORD, World};

#[tokio::test]
async fn a_repeated_write_gets_the_same_bytes_and_has_no_second_effect() {
    let world = World::new().await;
    let new = json!({"email": "ada@example.org", "password": PASSWORD});
    let register = || world.anonymous().request("POST", "/v1/users").header("Idempotency-Key", "once").json(&new);
    let first = register().send().await.expect(201);
    let again = register().send().await.expect(201);
    assert_eq!(first.bytes, again.bytes);
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
    world.mails.token_to("ada@example.org", 1).await;
    assert_eq!(world.mails.to("ada@example.org").len(), 1);
    let other = json!({"email": "eve@example.org", "password": PASSWORD});
    let reused =
        world.anonymous().request("POST", "/v1/users").header("Idempotency-Key", "once").json(&other).send().await;
    reused.refused(422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_key_counts_for_one_principal_and_one_route() {
    let world = World::new().await;
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    for person in [&ada, &bob] {
        let path = format!("/v1/users/{}", person.user_id);
        let change = json!({"last_name": person.email});
        let changed =
            person.client.request("PATCH", &path).header("Idempotency-Key", "mine").json(&change).send().await;
        assert_eq!(changed.expect(200).field("last_name"), person.email);
    }
    let path = format!("/v1/users/{}/sessions", ada.user_id);
    ada.client.request("DELETE", &path).header("Idempotency-Key", "mine").send().await.expect(204);
}

/// A key may be easy to guess; what was answered under it is for whoever asked.
#[tokio::test]
async fn without_a_token_a_key_counts_for_one_address_which_is_not_kept() {
    let world = World::with(&[("trusted_proxies", "127.0.0.1")]).await;
    let opens = async |address: &str| {
        let request = world.anonymous().request("POST", "/v1/carts").header("Idempotency-Key", "1");
        request.header("X-Forwarded-For", address).json(&json!({})).send().await.expect(201)
    };
    let (first, again, stranger) =
        (opens("203.0.113.7").await, opens("203.0.113.7").await, opens("198.51.100.9").await);
    assert_eq!(first.bytes, again.bytes);
    assert_ne!(first.field("cart_id"), stranger.field("cart_id"));
    let rows = world.app.shop().engine.reader().list(&List::of(IdempotencyRow::TABLE, 10)).unwrap();
    let scopes: Vec<_> = rows.iter().map(|row| IdempotencyRow::from_row(&row.values).unwrap().scope).collect();
    assert!(scopes.len() == 2 && !scopes.concat().contains("203.0"), "{scopes:?}");
}

#[tokio::test]
async fn a_refusal_is_not_kept_and_a_key_is_forgotten_in_the_end() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let path = format!("/v1/users/{}/verification", ada.user_id);
    let ask = || ada.client.request("POST", &path).header("Idempotency-Key", "again").json(&json!({}));
    ask().send().await.refused(429, "mail_too_soon");
    world.clock.advance(Duration::from_mins(1));
    ask().send().await.expect(202);
}

#[tokio::test]
async fn a_write_without_a_key_or_with_a_bad_one_is_refused() {
    let world = World::new().await;
    let new = json!({"email": "ada@example.org", "password": PASSWORD});
    let request = || world.anonymous().request("POST", "/v1/users").json(&new);
    request().without("Idempotency-Key").send().await.refused(400, "idempotency_key_missing");
    let bad = request().header("Idempotency-Key", "with a space").send().await.refused(400, "header_invalid");
    assert_eq!(bad.field("field"), "Idempotency-Key");
}

/// What showed who asks is gone by then: that is what the request has done.
#[tokio::test]
async fn a_repeated_change_of_the_password_is_no_wrong_password() {
    let world = World::with(&[("sign_in_failures_max", "2")]).await;
    let ada = world.person("ada").await;
    let path = format!("/v1/users/{}/password", ada.user_id);
    let change = json!({"password": PASSWORD, "new_password": "another horse battery"});
    let send = || ada.client.request("PUT", &path).header("Idempotency-Key", "once").json(&change).send();
    send().await.expect(204);
    for _ in 0..3 {
        assert_eq!(send().await.expect(204).header("idempotency-replayed"), Some("true"));
    }
    world.sign_in(&ada.email, "another horse battery").await.expect(201);
    ada.client.put(&path, change).await.refused(403, "password_wrong");
}
