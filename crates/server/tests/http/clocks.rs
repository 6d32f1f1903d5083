//! What the shop does when somebody sets the wall clock: deadlines, tokens and limits go on by engine time.

use std::time::Duration;

use serde_json::json;

use crate::{client::Reply, world::World};

const HOUR_MS: i64 = 3_600_000;

/// Asks until the answer has this status: the engine may not have looked at the clock yet.
async fn until_ready_is(world: &World, status: u16) -> Reply {
    loop {
        let reply = world.anonymous().get("/readyz").await;
        if reply.status == status {
            return reply;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_from_before_the_clock_went_back_works_and_lives_no_longer_than_it_was_given() {
    let world = World::new().await;
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    ada.client.get("/v1/me").await.expect(200);
    for _ in 0..2 {
        world.clock.jump(-HOUR_MS);
        ada.client.get("/v1/me").await.expect(200);
        bob.client.get("/v1/me").await.expect(200);
    }
    // 10 minutes, 30 s of leeway, and 5 percent because engine time is slower.
    world.clock.advance(Duration::from_secs(664));
    ada.client.get("/v1/me").await.refused(401, "access_token_expired");
    bob.client.get("/v1/me").await.refused(401, "access_token_expired");
    let shown = json!({"refresh_token": ada.refresh_token});
    let token = world.anonymous().post("/v1/sessions/refresh", shown).await.expect(200).field("access_token");
    world.anonymous().with_token(&token).get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn a_token_from_while_the_clock_was_behind_works_then_and_when_it_is_right_again() {
    let world = World::new().await;
    world.clock.jump(-HOUR_MS);
    let ada = world.person("ada").await;
    ada.client.get("/v1/me").await.expect(200);
    world.clock.advance(Duration::from_mins(5));
    ada.client.get("/v1/me").await.expect(200);
    world.clock.jump(HOUR_MS);
    ada.client.get("/v1/me").await.expect(200);
    world.clock.advance(Duration::from_mins(6));
    ada.client.get("/v1/me").await.refused(401, "access_token_expired");
}

#[tokio::test]
async fn a_token_works_before_during_and_after_a_jump_that_nobody_confirms() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    world.clock.jump(2 * HOUR_MS);
    ada.client.get("/v1/me").await.expect(200);
    let bob = world.person("bob").await;
    bob.client.get("/v1/me").await.expect(200);
    world.clock.jump(-2 * HOUR_MS);
    ada.client.get("/v1/me").await.expect(200);
    bob.client.get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn nobody_is_limited_for_as_long_as_the_clock_went_back() {
    let world = World::with(&[("rate_per_second", "1"), ("rate_burst", "3")]).await;
    for _ in 0..3 {
        world.anonymous().get("/v1/categories").await.expect(200);
    }
    world.clock.jump(-HOUR_MS);
    let limited = world.anonymous().get("/v1/categories").await.refused(429, "rate_limited");
    assert_eq!(limited.header("retry-after"), Some("1"));
    world.clock.advance(Duration::from_secs(2));
    world.anonymous().get("/v1/categories").await.expect(200);
}

#[tokio::test]
async fn a_shop_is_ready_by_itself_when_a_clock_that_has_jumped_comes_back() {
    let world = World::new().await;
    world.clock.jump(2 * HOUR_MS);
    assert!(until_ready_is(&world, 503).await.field("detail").contains("deadlines are held"));
    world.clock.jump(-2 * HOUR_MS);
    until_ready_is(&world, 200).await;
    // A clock that is behind and comes back has not jumped.
    world.clock.jump(-2 * HOUR_MS);
    until_ready_is(&world, 200).await;
    world.person("ada").await;
    world.clock.jump(2 * HOUR_MS);
    assert_eq!(world.anonymous().get("/readyz").await.expect(200).field("status"), "ready");
}

#[tokio::test]
async fn a_jump_that_an_operator_confirms_is_adopted() {
    let world = World::new().await;
    let admin = world.admin().await;
    let status = |reply: Reply| reply.expect(200).field("now");
    let before = status(admin.client.get("/v1/operations").await);
    world.clock.jump(2 * HOUR_MS);
    until_ready_is(&world, 503).await;
    assert_eq!(status(admin.client.get("/v1/operations").await), before);
    admin.client.post("/v1/operations/clock/confirmation", json!({})).await.expect(200);
    until_ready_is(&world, 200).await;
    admin.client.get("/v1/me").await.refused(401, "access_token_expired");
}
