//! What binds: rates, requests at once, time; and a panic that harms nobody.

use std::{
    future::pending,
    sync::{Condvar, Mutex},
    time::Duration,
};

use axum::response::sse::Event;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tradewind::{
    http::{self, Call, Done, Events, Failure, Json, Okay, Section, Server, ShopDoor, Wait, Who},
    tasks::Tasks,
};
use tradewind_identity::model::USER_UNKNOWN;

use crate::{
    client::Client,
    world::{Person, World},
};

async fn panics(_call: Call) -> Done {
    panic!("on purpose")
}

async fn hangs(_call: Call) -> Done {
    pending().await
}

async fn outlasts_the_stop(call: Call) -> Done {
    call.stopping.stopped().await;
    Done
}

async fn forgets_its_owner(_call: Call) -> Done {
    Done
}

async fn forgets_its_trail(call: Call) -> Result<Done, Failure> {
    let who = call.user_id()?;
    call.owned_by(who, USER_UNKNOWN)?;
    Ok(Done)
}

async fn takes(_call: Call, Json(_body): Json<serde_json::Value>) -> Result<Done, Failure> {
    Ok(Done)
}

/// The shop of a test with routes of its own, on another port.
pub async fn with_routes(world: &World, tasks: &Tasks) -> Client {
    let routes = vec![
        http::get("/ticks", Who::Public, ticks, "Ticks."),
        http::get("/own-ticks", Who::User, ticks, "Ticks for a user."),
        http::get("/waits", Who::Public, waits, "Waits."),
        http::get("/panics", Who::Public, panics, "Panics."),
        http::get("/hangs", Who::Public, hangs, "Hangs."),
        http::get("/reads", Who::Public, reads_slowly, "Reads the store until it is let go."),
        http::get("/long", Who::Public, outlasts_the_stop, "Is answered after the stop has begun."),
        http::get("/things/{thing_id}", Who::Owner, forgets_its_owner, "Forgets its owner."),
        http::post("/unaudited", Who::Owner, forgets_its_trail, "Forgets the audit trail."),
        http::post("/small", Who::Public, takes, "Takes little.").keyless().body_max(10),
    ];
    let shop = world.app.shop();
    let built = http::router(shop, vec![Section::new("Test", "For a test.", routes)]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(listener.local_addr().unwrap());
    let server = Server::new(listener, None, ShopDoor { shop: shop.clone(), router: built });
    tasks.spawn_to_end("test", server.run(tasks.stopping()));
    client
}

async fn ticks(call: Call) -> Result<Events, Failure> {
    call.stream(stream::once(async { Event::default().id("1").data("tick") }).chain(stream::pending()))
}

/// Reads that take as long as the test of them wants.
pub struct SlowReads {
    /// How many have begun, and whether they may end.
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

pub static SLOW_READS: SlowReads = SlowReads { state: Mutex::new((0, false)), changed: Condvar::new() };

impl SlowReads {
    pub fn begun(&self) -> usize {
        self.state.lock().unwrap().0
    }

    pub fn let_go(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

async fn reads_slowly(call: Call) -> Result<Done, Failure> {
    call.read(|_| {
        let mut state = SLOW_READS.state.lock().unwrap();
        state.0 += 1;
        drop(SLOW_READS.changed.wait_while(state, |(_, may_end)| !*may_end).unwrap());
        Ok(())
    })
    .await?;
    Ok(Done)
}

async fn waits(_call: Call, Wait(wait): Wait) -> Okay<Option<u64>> {
    Okay(wait.map(|wait| wait.as_secs()))
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_next_request_is_answered() {
    let (world, tasks) = (World::new().await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    client.get("/panics").await.refused(500, "internal");
    client.get("/panics").await.refused(500, "internal");
}

#[tokio::test]
async fn a_write_of_staff_that_leaves_no_row_in_the_trail_is_a_defect() {
    let (world, tasks) = (World::new().await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    let (root, ada) = (world.admin().await, world.person("ada").await);
    let asks = async |person: &Person| {
        client.with_token(person.client.token.as_deref().unwrap()).post("/unaudited", json!({})).await
    };
    asks(&root).await.refused(500, "internal");
    asks(&ada).await.expect(204);
}

#[tokio::test]
async fn a_route_that_does_not_say_whose_it_is_answers_nobody() {
    let (world, tasks) = (World::new().await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    let ada = world.person("ada").await;
    client.with_token(ada.client.token.as_deref().unwrap()).get("/things/1").await.refused(500, "internal");
}

#[tokio::test]
async fn a_route_may_take_less_than_all() {
    let (world, tasks) = (World::new().await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    client.post("/small", json!([1])).await.expect(204);
    client.post("/small", json!("longer than that")).await.refused(413, "body_too_large");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let (world, tasks) = (World::with(&[("request_timeout", "200ms"), ("wait_max", "100ms")]).await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    let reply = client.get("/hangs").await.refused(503, "timed_out");
    assert_eq!(reply.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn no_more_requests_than_allowed_are_answered_at_once() {
    let (world, tasks) = (World::with(&[("requests_max", "2"), ("caller_share", "1")]).await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    let places = world.app.shop().requests.clone();
    let hanging = [client.clone(), client.clone()].map(|client| async move { client.get("/hangs").await });
    let full = async {
        while places.held() < 2 {
            tokio::task::yield_now().await;
        }
        client.from(9).get("/panics").await.refused(503, "overloaded");
        world.anonymous().get("/healthz").await.expect(200);
    };
    tokio::select! {
        () = full => {}
        _ = futures_util::future::join_all(hanging) => panic!("they hang"),
    }
}

#[tokio::test]
async fn a_stream_has_a_place_and_ends_when_the_shop_stops() {
    let (world, tasks) = (World::with(&[("streams_max", "1"), ("caller_share", "1")]).await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    let stream = client.request("GET", "/ticks").header("Accept", "text/event-stream").send();
    let places = world.app.shop().streams.clone();
    let stop = async {
        while places.held() == 0 {
            tokio::task::yield_now().await;
        }
        client.from(9).get("/ticks").await.refused(503, "overloaded");
        assert_eq!(world.app.stop().await, None);
    };
    let (streamed, ()) = tokio::join!(stream, stop);
    let streamed = streamed.expect(200);
    assert_eq!(streamed.header("content-type"), Some("text/event-stream"));
    assert!(streamed.text().contains("id: 1"), "{}", streamed.text());
    assert_eq!(places.held(), 0);
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let (world, tasks) = (World::new().await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    let root = world.admin().await;
    let places = world.app.shop().streams.clone();
    let streamed = async |person: &Person| {
        let own = client.with_token(person.client.token.as_deref().unwrap());
        own.request("GET", "/own-ticks").header("Accept", "text/event-stream").send().await.expect(200)
    };
    let is_open = async || {
        while places.held() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let retires = async {
        is_open().await;
        let keys = root.client.get("/v1/signing-keys").await.expect(200).json();
        let kid = keys["items"][0]["kid"].as_str().unwrap().to_owned();
        root.client.delete(&format!("/v1/signing-keys/{kid}")).await.expect(204);
        world.clock.advance(Duration::from_secs(15));
    };
    let (told, ()) = tokio::join!(streamed(&root), retires);
    assert!(told.text().contains("id: 1"), "{}", told.text());
    let ada = world.person("ada").await;
    let expires = async {
        is_open().await;
        world.clock.advance(Duration::from_secs(10 * 60 + 30));
    };
    tokio::join!(streamed(&ada), expires);
    assert_eq!(places.held(), 0);
}

#[tokio::test]
async fn a_stop_answers_what_was_asked_before() {
    let (world, tasks) = (World::with(&[("requests_max", "1")]).await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    let places = world.app.shop().requests.clone();
    let stop = async {
        while places.held() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.app.stop().await, None);
    };
    let (reply, ()) = tokio::join!(client.get("/long"), stop);
    reply.expect(204);
}

#[tokio::test]
async fn waiting_for_an_outcome_is_bounded() {
    let (world, tasks) = (World::with(&[("wait_max", "5s")]).await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    for (prefer, waited) in [("wait=3", "3"), ("respond-async, wait=100", "5"), ("wait=soon", "null"), ("x", "null")] {
        let reply = client.request("GET", "/waits").header("Prefer", prefer).send().await;
        assert_eq!(reply.expect(200).text(), waited, "{prefer}");
    }
}

#[tokio::test]
async fn whoever_guesses_tokens_is_slowed_down() {
    let world = World::with(&[("rate_per_second", "1"), ("rate_burst", "2")]).await;
    let guess = world.anonymous().with_token("guess");
    for _ in 0..2 {
        guess.get("/v1/me").await.refused(401, "access_token_invalid");
    }
    guess.get("/v1/me").await.refused(429, "rate_limited");
}

#[tokio::test]
async fn whoever_asks_too_often_waits() {
    let world = World::with(&[("rate_per_second", "1"), ("rate_burst", "3"), ("secret_rate_burst", "2")]).await;
    for _ in 0..3 {
        world.anonymous().get("/v1/categories").await.expect(200);
    }
    let limited = world.anonymous().get("/v1/categories").await.refused(429, "rate_limited");
    assert_eq!(limited.header("retry-after"), Some("1"));
    for path in ["/healthz", "/readyz", "/metrics"] {
        world.anonymous().get(path).await.expect(200);
    }
    world.clock.advance(Duration::from_secs(3));
    for _ in 0..2 {
        world.sign_in("ada@example.org", "not the password").await.refused(401, "sign_in_refused");
    }
    world.sign_in("ada@example.org", "not the password").await.refused(429, "rate_limited");
}
