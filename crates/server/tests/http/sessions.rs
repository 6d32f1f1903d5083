//! Signing in and out, refreshing, locking; service clients.

use std::time::Duration;

use serde_json::json;

use crate::{
    client::Reply,
    world::{PASSWORD, World},
};

async fn refresh(world: &World, token: &str) -> Reply {
    world.anonymous().post("/v1/sessions/refresh", json!({"refresh_token": token})).await
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_look_alike() {
    let world = World::new().await;
    world.person("ada").await;
    let mut replies = Vec::new();
    for email in ["ada@example.org", "nobody@example.org"] {
        let reply = world.anonymous().request("POST", "/v1/sessions").header("X-Request-Id", "same");
        let body = json!({"email": email, "password": "not the password"});
        replies.push(reply.json(&body).send().await.refused(401, "sign_in_refused"));
    }
    assert_eq!(replies[0].bytes, replies[1].bytes);
    let names = |reply: &Reply| reply.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&replies[0]), names(&replies[1]));
}

#[tokio::test]
async fn five_wrong_passwords_lock_an_account_for_a_while() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    for _ in 0..5 {
        world.sign_in(&ada.email, "not the password").await.refused(401, "sign_in_refused");
    }
    world.sign_in(&ada.email, PASSWORD).await.refused(401, "sign_in_refused");
    world.clock.advance(Duration::from_mins(15));
    world.sign_in(&ada.email, PASSWORD).await.expect(201);
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_a_used_one_ends_the_session() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let next = refresh(&world, &ada.refresh_token).await.expect(200).field("refresh_token");
    world.clock.advance(Duration::from_secs(11));
    refresh(&world, &ada.refresh_token).await.refused(401, "session_ended");
    refresh(&world, &next).await.refused(401, "session_ended");
    refresh(&world, "nonsense").await.refused(401, "session_ended");
}

#[tokio::test]
async fn an_access_token_expires_and_a_refresh_gives_another() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    world.clock.advance(Duration::from_secs(600 + 29));
    ada.client.get("/v1/me").await.expect(200);
    world.clock.advance(Duration::from_secs(1));
    let expired = ada.client.get("/v1/me").await.refused(401, "access_token_expired");
    assert!(expired.header("www-authenticate").unwrap().starts_with("Bearer"));
    let token = refresh(&world, &ada.refresh_token).await.expect(200).field("access_token");
    world.anonymous().with_token(&token).get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn an_access_token_does_not_outlive_its_session() {
    let world = World::with(&[("session_ttl", "15m")]).await;
    let ada = world.person("ada").await;
    world.clock.advance(Duration::from_mins(14));
    let last = refresh(&world, &ada.refresh_token).await.expect(200);
    // What is left of the session in whole seconds, less what has passed while these requests were handled.
    let left = last.json()["expires_in"].as_i64().unwrap();
    assert!((59..=60).contains(&left), "{left}");
    let client = world.anonymous().with_token(&last.field("access_token"));
    client.get("/v1/me").await.expect(200);
    // The clocks of others may differ by 30 s.
    world.clock.advance(Duration::from_secs(60 + 30));
    client.get("/v1/me").await.refused(401, "access_token_expired");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let other = world.signed_in(&ada.email).await;
    world.signed_in(&ada.email).await;
    let path = format!("/v1/users/{}/sessions", ada.user_id);
    let open = ada.client.get(&path).await.expect(200).json();
    let open = open["items"].as_array().unwrap();
    assert_eq!(
        open.iter().map(|session| session["current"].as_bool().unwrap()).collect::<Vec<_>>(),
        [true, false, false]
    );
    let second = open[1]["session_id"].as_str().unwrap();
    ada.client.delete(&format!("{path}/{second}")).await.expect(204);
    refresh(&world, &other.refresh_token).await.refused(401, "session_ended");
    ada.client.delete(&format!("{path}?keep_current=true")).await.expect(204);
    assert_eq!(ada.client.get(&path).await.json()["items"].as_array().unwrap().len(), 1);
    ada.client.delete(&path).await.expect(204);
    refresh(&world, &ada.refresh_token).await.refused(401, "session_ended");
}

#[tokio::test]
async fn a_service_client_gets_tokens_until_it_is_revoked() {
    let world = World::new().await;
    let root = world.admin().await;
    let create =
        || root.client.request("POST", "/v1/clients").header("Idempotency-Key", "make").json(&json!({"name": "erp"}));
    let made = create().send().await.expect(201);
    let again = create().send().await.expect(201);
    assert_eq!(made.json(), again.json(), "whoever lost the answer is shown the secret again");
    let listed = root.client.get("/v1/clients").await.expect(200);
    assert!(!listed.text().contains("client_secret"));
    let shown = json!({"client_id": made.field("client_id"), "client_secret": made.field("client_secret")});
    world.anonymous().post("/v1/tokens", shown.clone()).await.expect(200);
    let wrong = json!({"client_id": made.field("client_id"), "client_secret": "guess"});
    world.anonymous().post("/v1/tokens", wrong).await.refused(401, "client_refused");
    root.client.delete(&format!("/v1/clients/{}", made.field("client_id"))).await.expect(200);
    world.anonymous().post("/v1/tokens", shown).await.refused(401, "client_refused");
}
