//! Signing up, profiles, addresses, passwords, leaving.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{PASSWORD, World};

#[tokio::test]
async fn somebody_signs_up_signs_in_and_sees_themselves() {
    let world = World::new().await;
    let new = json!({"email": "ada@example.org", "password": PASSWORD, "first_name": "Ada"});
    let made = world.anonymous().post("/v1/users", new).await.expect(201);
    let user_id = made.field("user_id");
    assert_eq!(made.header("location"), Some(&*format!("/v1/users/{user_id}")));
    let ada = world.signed_in("ada@example.org").await;
    let me = ada.client.get("/v1/me").await.expect(200);
    assert_eq!(me.json(), made.json());
    assert_eq!(me.field("role"), "customer");
    assert!(!me.text().contains("password"));
    assert_eq!(world.app.stop().await, None);
}

#[tokio::test]
async fn an_address_belongs_to_one_user_whatever_its_case() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    // What is answered tells nothing; `discretion.rs` compares it.
    let again = json!({"email": "ADA@example.org", "password": "some other password"});
    world.anonymous().post("/v1/users", again).await.expect(201);
    world.sign_in(&ada.email, PASSWORD).await.expect(201);
    world.sign_in(&ada.email, "some other password").await.refused(401, "sign_in_refused");
}

#[tokio::test]
async fn a_profile_is_changed_field_by_field() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let path = format!("/v1/users/{}", ada.user_id);
    let change = json!({"first_name": null, "last_name": "Lovelace"});
    let changed = ada.client.request("PATCH", &path).json(&change).send().await.expect(200);
    assert_eq!(changed.field("last_name"), "Lovelace");
    assert_eq!(changed.json().get("first_name"), None);
    let bad = ada.client.request("PATCH", &path).json(&json!({"avatar_url": "javascript:x"})).send().await;
    assert_eq!(bad.refused(422, "profile_invalid").field("field"), "avatar_url");
    let unknown = ada.client.request("PATCH", &path).json(&json!({"role": "admin"})).send().await;
    unknown.refused(400, "body_invalid");
}

#[tokio::test]
async fn an_address_is_verified_by_its_mail_once() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let token = world.mails.token_to(&ada.email, 1).await;
    let shown = json!({"token": token});
    world.anonymous().post("/v1/email-verifications", shown.clone()).await.expect(204);
    assert_eq!(ada.client.get("/v1/me").await.json()["email_verified"], true);
    world.anonymous().post("/v1/email-verifications", shown).await.refused(422, "token_invalid");
    let again = ada.client.post(&format!("/v1/users/{}/verification", ada.user_id), json!({})).await;
    again.refused(409, "email_already_verified");
}

#[tokio::test]
async fn a_new_address_asks_for_the_password_and_is_verified_again() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let path = format!("/v1/users/{}/email", ada.user_id);
    let to = |password: Value| json!({"email": "countess@example.org", "password": password});
    ada.client.put(&path, to(Value::Null)).await.refused(403, "password_wrong");
    ada.client.put(&path, to("not the password".into())).await.refused(403, "password_wrong");
    let asked = ada.client.put(&path, to(PASSWORD.into())).await.expect(200);
    assert_eq!(asked.field("email"), "ada@example.org", "until the mail is answered");
    world.sign_in("ada@example.org", PASSWORD).await.expect(201);
    world.sign_in("countess@example.org", PASSWORD).await.refused(401, "sign_in_refused");
    let token = world.mails.token_to("countess@example.org", 1).await;
    world.anonymous().post("/v1/email-verifications", json!({"token": token})).await.expect(204);
    let me = ada.client.get("/v1/me").await.expect(200).json();
    assert_eq!((&me["email"], &me["email_verified"]), (&json!("countess@example.org"), &json!(true)));
    world.sign_in("ada@example.org", PASSWORD).await.refused(401, "sign_in_refused");
    world.sign_in("countess@example.org", PASSWORD).await.expect(201);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let elsewhere = world.signed_in(&ada.email).await;
    let path = format!("/v1/users/{}/password", ada.user_id);
    let weak = json!({"password": PASSWORD, "new_password": "short"});
    assert_eq!(ada.client.put(&path, weak).await.refused(422, "password_invalid").field("field"), "new_password");
    let new = json!({"password": PASSWORD, "new_password": "another good one"});
    ada.client.put(&path, new).await.expect(204);
    let refresh = |token: &str| json!({"refresh_token": token});
    let other = world.anonymous().post("/v1/sessions/refresh", refresh(&elsewhere.refresh_token)).await;
    other.refused(401, "session_ended");
    world.anonymous().post("/v1/sessions/refresh", refresh(&ada.refresh_token)).await.expect(200);
    world.sign_in(&ada.email, PASSWORD).await.refused(401, "sign_in_refused");
    world.sign_in(&ada.email, "another good one").await.expect(201);
}

#[tokio::test]
async fn a_forgotten_password_is_reset_by_mail_and_nobody_learns_who_is_registered() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let ask =
        async |email: &str| world.anonymous().post("/v1/password-resets", json!({"email": email})).await.expect(202);
    let (known, unknown) = (ask(&ada.email).await, ask("nobody@example.org").await);
    assert_eq!(known.bytes, unknown.bytes);
    let token = world.mails.token_to(&ada.email, 2).await;
    let reset = json!({"token": token, "password": "a brand new one"});
    world.anonymous().post("/v1/password-resets/confirmation", reset.clone()).await.expect(204);
    world.anonymous().post("/v1/password-resets/confirmation", reset).await.refused(422, "token_invalid");
    world.sign_in(&ada.email, "a brand new one").await.expect(201);
    assert!(world.mails.to("nobody@example.org").is_empty());
}

#[tokio::test]
async fn a_token_from_a_mail_is_too_old_some_day() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    let token = world.mails.token_to(&ada.email, 1).await;
    world.clock.advance(Duration::from_hours(24));
    let late = world.anonymous().post("/v1/email-verifications", json!({"token": token})).await;
    late.refused(422, "token_invalid");
}

#[tokio::test]
async fn whoever_leaves_leaves_nothing_personal() {
    let world = World::new().await;
    let root = world.admin().await;
    let ada = world.person("ada").await;
    let path = format!("/v1/users/{}/deletion", ada.user_id);
    ada.client.post(&path, json!({})).await.refused(403, "password_wrong");
    ada.client.post(&path, json!({"password": PASSWORD})).await.expect(204);
    let left = root.client.get(&format!("/v1/users/{}", ada.user_id)).await.expect(200);
    assert!(!left.text().contains("ada@"), "{}", left.text());
    world.sign_in(&ada.email, PASSWORD).await.refused(401, "sign_in_refused");
    let bob = world.person("bob").await;
    root.client.post(&format!("/v1/users/{}/deletion", bob.user_id), json!({})).await.expect(204);
}

#[tokio::test]
async fn staff_acts_for_customers_and_not_for_those_above() {
    let world = World::new().await;
    let root = world.admin().await;
    let staff = world.person_as(&root, "staff", "staff").await;
    let ada = world.person("ada").await;
    let address = |user_id: &str| format!("/v1/users/{user_id}/email");
    let new = |email: &str| json!({"email": email});
    staff.client.put(&address(&ada.user_id), new("countess@example.org")).await.expect(200);
    let over = staff.client.put(&address(&root.user_id), new("staff-too@example.org")).await;
    over.refused(403, "not_allowed");
    let gone = staff.client.post(&format!("/v1/users/{}/deletion", root.user_id), json!({})).await;
    gone.refused(403, "not_allowed");
    root.client.put(&address(&staff.user_id), new("helper@example.org")).await.expect(200);
}

#[tokio::test]
async fn the_first_admin_comes_by_a_token_that_works_once() {
    let world = World::new().await;
    let token = world.app.first_admin_token().unwrap().to_owned();
    let root = world.admin().await;
    assert_eq!(root.client.get("/v1/me").await.field("role"), "admin");
    let again = json!({"token": token, "email": "eve@example.org", "password": PASSWORD});
    world.anonymous().post("/v1/first-admin", again).await.refused(422, "token_invalid");
    let demote = root.client.put(&format!("/v1/users/{}/role", root.user_id), json!({"role": "customer"})).await;
    demote.refused(409, "last_admin");
    let world = world.restarted(&[]).await;
    assert_eq!(world.app.first_admin_token(), None);
}

#[tokio::test]
async fn users_are_listed_in_pages() {
    let world = World::new().await;
    let root = world.admin().await;
    for nth in 0..4 {
        world.person(&format!("person-{nth}")).await;
    }
    let (mut seen, mut path) = (Vec::new(), String::from("/v1/users?limit=2"));
    loop {
        let page = root.client.get(&path).await.expect(200).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|user| user["user_id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/users?limit=2&cursor={cursor}");
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((seen.len(), &seen), (5, &sorted));
    let cursor = path.rsplit('=').next().unwrap();
    let foreign = root.client.get(&format!("/v1/clients?cursor={cursor}")).await;
    foreign.refused(400, "cursor_invalid");
    let flipped = if cursor.ends_with('A') { "B" } else { "A" };
    let changed = format!("/v1/users?cursor={}{flipped}", &cursor[..cursor.len() - 1]);
    assert_eq!(root.client.get(&changed).await.refused(400, "cursor_invalid").field("field"), "cursor");
    root.client.get("/v1/users?limit=101").await.refused(400, "query_invalid");
}
