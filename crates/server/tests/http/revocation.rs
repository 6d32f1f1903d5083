//! What a token stands for may end before the token does: from the answer on that ends it, the token opens nothing.

use serde_json::{Value, json};
use tradewind::identity;

use crate::{
    client::Client,
    town::{TWO_STORES, Town},
    world::{PASSWORD, Person, World},
};

const UNLIMITED: [(&str, &str); 2] = [("rate_per_second", "0"), ("secret_rate_per_second", "0")];

async fn is_shut_out(client: &Client) {
    for path in ["/v1/me", "/v1/orders", "/v1/products"] {
        client.get(path).await.refused(401, "access_token_invalid");
    }
}

async fn role(admin: &Person, person: &Person, role: &str) {
    let path = format!("/v1/users/{}/role", person.user_id);
    admin.client.put(&path, json!({"role": role})).await.expect(200);
}

#[tokio::test]
async fn an_admin_who_is_demoted_is_one_no_more_at_once() {
    let world = World::with(&UNLIMITED).await;
    let root = world.admin().await;
    let mallory = world.person_as(&root, "mallory", "admin").await;
    mallory.client.get("/v1/clients").await.expect(200);
    role(&root, &mallory, "customer").await;
    mallory.client.post("/v1/clients", json!({"name": "back door"})).await.refused(401, "access_token_invalid");
    let promote = mallory.client.put(&format!("/v1/users/{}/role", mallory.user_id), json!({"role": "admin"})).await;
    promote.refused(401, "access_token_invalid");
    is_shut_out(&mallory.client).await;
    let refresh = json!({"refresh_token": mallory.refresh_token});
    world.anonymous().post("/v1/sessions/refresh", refresh).await.refused(401, "session_ended");
    // The clock has not moved since: a session of the same second stands for the new role.
    let again = world.signed_in(&mallory.email).await;
    again.client.get("/v1/me").await.expect(200);
    again.client.get("/v1/clients").await.refused(403, "not_allowed");
    role(&root, &again, "admin").await;
    is_shut_out(&again.client).await;
    world.signed_in(&mallory.email).await.client.get("/v1/clients").await.expect(200);
}

#[tokio::test]
async fn a_user_who_is_deleted_opens_nothing_more() {
    let world = World::with(&UNLIMITED).await;
    let root = world.admin().await;
    let mallory = world.person_as(&root, "mallory", "admin").await;
    mallory.client.get("/v1/clients").await.expect(200);
    root.client.post(&format!("/v1/users/{}/deletion", mallory.user_id), json!({})).await.expect(204);
    is_shut_out(&mallory.client).await;
    let ada = world.person("ada").await;
    let leave = json!({"password": PASSWORD});
    ada.client.post(&format!("/v1/users/{}/deletion", ada.user_id), leave).await.expect(204);
    is_shut_out(&ada.client).await;
}

#[tokio::test]
async fn a_client_that_is_revoked_opens_nothing_more() {
    let world = World::with(&UNLIMITED).await;
    let root = world.admin().await;
    let service = world.service(&root).await;
    service.get("/v1/orders").await.expect(200);
    let clients = root.client.get("/v1/clients").await.expect(200).json();
    let client_id = clients["items"][0]["client_id"].as_str().unwrap();
    root.client.delete(&format!("/v1/clients/{client_id}")).await.expect(200);
    service.get("/v1/orders").await.refused(401, "access_token_invalid");
}

#[tokio::test]
async fn whoever_signs_out_is_out_and_whoever_stays_is_in() {
    let world = World::with(&UNLIMITED).await;
    let ada = world.person("ada").await;
    let sessions = format!("/v1/users/{}/sessions", ada.user_id);
    let (other, third) = (world.signed_in(&ada.email).await, world.signed_in(&ada.email).await);
    let open = ada.client.get(&sessions).await.expect(200).json();
    let second = open["items"][1]["session_id"].as_str().unwrap().to_owned();
    ada.client.delete(&format!("{sessions}/{second}")).await.expect(204);
    is_shut_out(&other.client).await;
    third.client.get("/v1/me").await.expect(200);
    ada.client.delete(&format!("{sessions}?keep_current=true")).await.expect(204);
    is_shut_out(&third.client).await;
    ada.client.get("/v1/me").await.expect(200);
    ada.client.delete(&sessions).await.expect(204);
    is_shut_out(&ada.client).await;
}

#[tokio::test]
async fn another_password_shuts_out_whoever_came_in_by_the_old_one() {
    let world = World::with(&UNLIMITED).await;
    let ada = world.person("ada").await;
    let thief = world.signed_in(&ada.email).await;
    let new = json!({"password": PASSWORD, "new_password": "another good one"});
    ada.client.put(&format!("/v1/users/{}/password", ada.user_id), new).await.expect(204);
    is_shut_out(&thief.client).await;
    ada.client.get("/v1/me").await.expect(200);
    world.anonymous().post("/v1/password-resets", json!({"email": ada.email})).await.expect(202);
    let token = world.mails.token_to(&ada.email, 2).await;
    let reset = json!({"token": token, "password": "a brand new one"});
    world.anonymous().post("/v1/password-resets/confirmation", reset).await.expect(204);
    is_shut_out(&ada.client).await;
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_shuts_out_both_who_have_it() {
    let world = World::with(&UNLIMITED).await;
    let ada = world.person("ada").await;
    let refresh = async || {
        let shown = json!({"refresh_token": ada.refresh_token});
        world.anonymous().post("/v1/sessions/refresh", shown).await
    };
    let next = world.anonymous().with_token(&refresh().await.expect(200).field("access_token"));
    next.get("/v1/me").await.expect(200);
    world.clock.advance(std::time::Duration::from_secs(11));
    refresh().await.refused(401, "session_ended");
    is_shut_out(&ada.client).await;
    is_shut_out(&next).await;
}

#[tokio::test]
async fn a_restart_forgets_no_end_even_if_the_clock_goes_back() {
    let world = World::with(&UNLIMITED).await;
    let root = world.admin().await;
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let service = world.service(&root).await;
    ada.client.delete(&format!("/v1/users/{}/sessions", ada.user_id)).await.expect(204);
    let world = world.restarted(&UNLIMITED).await;
    let here = |client: &Client| world.anonymous().with_token(client.token.as_deref().unwrap());
    is_shut_out(&here(&ada.client)).await;
    for _ in 0..2 {
        here(&bob.client).get("/v1/me").await.expect(200);
        here(&service).get("/v1/orders").await.expect(200);
    }
}

#[tokio::test]
async fn whoever_waits_for_the_end_of_a_session_is_told() {
    let world = World::with(&UNLIMITED).await;
    let shop = world.app.shop();
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let (hers, his) = (ada.client.token.as_deref().unwrap(), bob.client.token.as_deref().unwrap());
    let sign_out = async {
        ada.client.delete(&format!("/v1/users/{}/sessions", ada.user_id)).await.expect(204);
    };
    tokio::join!(sign_out, identity::ended(shop, hers));
    // What has ended before is told at once, and what goes on is not told.
    identity::ended(shop, hers).await;
    tokio::select! {
        biased;
        () = identity::ended(shop, his) => panic!("the session goes on"),
        () = std::future::ready(()) => {}
    }
}

/// Asks at another door until what has ended is known there.
async fn until_shut_out(client: &Client, path: &str) {
    while client.get(path).await.status != 401 {
        tokio::task::yield_now().await;
    }
    client.get(path).await.refused(401, "access_token_invalid");
}

#[tokio::test]
async fn what_ends_at_the_door_of_identity_ends_at_every_other_door() {
    let town = Town::laid_out(TWO_STORES, &[]).await;
    let there = |client: &Client| Client { address: town.doors[1].app.address(), doors: None, ..client.clone() };
    let admin = town.anonymous().signed_in("root@example.org").await;
    let (staff, service) = (there(&town.staff), there(&town.service));
    staff.get("/v1/shipments").await.expect(200);
    service.get("/v1/users/nobody/accounts").await.expect(200);

    let clients = admin.client.get("/v1/clients").await.expect(200).json();
    let client_id = clients["items"][0]["client_id"].as_str().unwrap();
    admin.client.delete(&format!("/v1/clients/{client_id}")).await.expect(200);
    until_shut_out(&service, "/v1/users/nobody/accounts").await;

    let found = admin.client.get("/v1/users?email=STAFF@example.org").await.expect(200).json();
    let user_id = found["items"][0]["user_id"].as_str().unwrap();
    admin.client.put(&format!("/v1/users/{user_id}/role"), json!({"role": "customer"})).await.expect(200);
    until_shut_out(&staff, "/v1/shipments").await;

    let jwks = town.anonymous().get("/.well-known/jwks.json").await.expect(200).json();
    let Value::String(kid) = &jwks["keys"][0]["kid"] else { panic!("a key has a name") };
    let here = there(&admin.client);
    here.get("/v1/shipments").await.expect(200);
    admin.client.delete(&format!("/v1/signing-keys/{kid}")).await.expect(204);
    admin.client.get("/v1/me").await.refused(401, "access_token_invalid");
    until_shut_out(&here, "/v1/shipments").await;
}
