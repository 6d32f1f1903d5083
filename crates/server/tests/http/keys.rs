//! Signing keys: which there are, how the next takes over, and what is encrypted.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Person, World};

async fn kids(world: &World) -> Vec<String> {
    let jwks = world.anonymous().get("/.well-known/jwks.json").await.expect(200).json();
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    jwks["keys"].as_array().unwrap().iter().map(kid).collect()
}

/// Waits until the keys are as they should be: what the shop does by itself takes a moment.
async fn until(world: &World, right: impl Fn(&[String]) -> bool) -> Vec<String> {
    loop {
        let kids = kids(world).await;
        if right(&kids) {
            return kids;
        }
        tokio::task::yield_now().await;
    }
}

fn kid_of(person: &Person) -> String {
    let header = person.client.token.as_deref().unwrap().split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&tradewind::secret::decoded(header).unwrap()).unwrap();
    assert_eq!(header["alg"], "ES256");
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_admin_rotates_the_key_and_nobody_is_signed_out() {
    let world = World::with(&[("rate_per_second", "0")]).await;
    let root = world.admin().await;
    let first = kid_of(&root);
    assert_eq!(kids(&world).await, std::slice::from_ref(&first));
    let second = root.client.post("/v1/signing-keys", json!({})).await.expect(202).field("kid");
    until(&world, |kids| kids.len() == 2).await;
    root.client.get("/v1/me").await.expect(200);
    assert_eq!(kid_of(&world.signed_in(&root.email).await), second);
    world.clock.advance(Duration::from_mins(10));
    let left = until(&world, |kids| kids.len() == 1).await;
    assert_eq!(left, [second]);
    root.client.get("/v1/me").await.refused(401, "access_token_invalid");
}

#[tokio::test]
async fn a_key_that_is_not_trusted_any_more_is_replaced_at_once() {
    let world = World::with(&[("rate_per_second", "0")]).await;
    let root = world.admin().await;
    root.client.get("/v1/me").await.expect(200);
    let first = kid_of(&root);
    root.client.delete(&format!("/v1/signing-keys/{first}")).await.expect(204);
    until(&world, |kids| kids.len() == 1 && *kids[0] != *first).await;
    root.client.get("/v1/me").await.refused(401, "access_token_invalid");
    world.signed_in(&root.email).await.client.get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn an_old_key_is_replaced_by_the_calendar() {
    let world = World::with(&[("rate_per_second", "0"), ("signing_key_age_max", "30m")]).await;
    let first = kids(&world).await;
    world.clock.advance(Duration::from_mins(29));
    assert_eq!(kids(&world).await, first);
    world.clock.advance(Duration::from_mins(1));
    until(&world, |kids| kids.len() == 2).await;
}

#[tokio::test]
async fn a_key_outlives_a_restart_and_another_master_key_makes_a_new_one() {
    let world = World::new().await;
    let root = world.admin().await;
    let world = world.restarted(&[]).await;
    world.anonymous().with_token(root.client.token.as_deref().unwrap()).get("/v1/me").await.expect(200);
    let secrets = std::fs::read_to_string(world.file("shop.db.secrets")).unwrap();
    let changed: Vec<&str> = secrets.lines().filter(|line| !line.starts_with("master_key")).collect();
    std::fs::write(world.file("shop.db.secrets"), changed.join("\n") + "\n").unwrap();
    let world = world.restarted(&[]).await;
    assert_eq!(kids(&world).await.len(), 2, "the old one still checks what it signed");
    world.signed_in(&root.email).await.client.get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn the_file_of_secrets_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().await;
    let mode = std::fs::metadata(world.file("shop.db.secrets")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
