//! One caller against everyone: an address, or a user, takes all that it can get, and another is served all the time.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tradewind::{http::ReadsFor, tasks::Tasks};

use crate::{
    client::{Client, Reply},
    limits::{SLOW_READS, with_routes},
    town::{Town, order_of},
    world::World,
};

/// Whoever waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The start of a request whose body does not come to its end.
const SLOW_BODY: &str = "POST /v1/sessions HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n\
                         Content-Length: 1000\r\n\r\n{";

async fn sends(client: &Client, text: &str) -> TcpStream {
    let mut stream = client.connect().await;
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Waits until the server has hung up.
async fn ends(mut stream: TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    // What is hung up on may be reset.
    let ended = timeout(PATIENCE, stream.read_to_end(&mut read)).await.map(drop);
    assert!(ended.is_ok(), "the connection is still open");
    read
}

/// Every kind of door is open to somebody else.
async fn serves_others(world: &World) {
    let other = world.anonymous().from(9);
    for path in ["/healthz", "/readyz", "/metrics", "/v1/products", "/v1/categories"] {
        other.get(path).await.expect(200);
    }
}

/// Waits until a figure is as it is expected.
async fn figure(client: &Client, name: &str, is_expected: impl Fn(u64) -> bool) {
    let value = |reply: &Reply| {
        let line = reply.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        line.unwrap_or(0_u64)
    };
    let reached = async { while !is_expected(value(&client.get("/metrics").await.expect(200))) {} };
    assert!(timeout(PATIENCE, reached).await.is_ok(), "{name} is not as expected");
}

#[tokio::test]
async fn slow_heads_of_one_address_are_displaced_by_its_own_and_by_nobody_elses() {
    let world = World::with(&[("connections_max", "8"), ("head_timeout", "1h")]).await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        slow.push(sends(&world.anonymous(), "GET /healthz HTTP/1.1\r\nHo").await);
        serves_others(&world).await;
    }
    // A quarter of the connections is its share: its newest.
    let kept = slow.split_off(18);
    for stream in slow {
        ends(stream).await;
    }
    for mut stream in kept {
        stream.write_all(b"st: shop\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(ends(stream).await.starts_with(b"HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn a_connection_that_is_not_used_makes_room_for_another_address() {
    let settings = [("connections_max", "4"), ("caller_share", "1"), ("head_timeout", "1h")];
    let world = World::with(&settings).await;
    let mut idle = Vec::new();
    for _ in 0..12 {
        idle.push(world.anonymous().connect().await);
        serves_others(&world).await;
    }
    for stream in idle.into_iter().take(6) {
        ends(stream).await;
    }
}

#[tokio::test]
async fn connections_that_are_all_in_use_make_room_for_another_address_but_not_for_their_own() {
    let (world, tasks) = (
        World::with(&[("connections_max", "3"), ("caller_share", "1"), ("rate_per_second", "0")]).await,
        Tasks::default(),
    );
    let client = with_routes(&world, &tasks).await;
    let hanging = "GET /hangs HTTP/1.1\r\nHost: shop\r\n\r\n";
    let busy = [sends(&client, hanging).await, sends(&client, hanging).await, sends(&client, hanging).await];
    let places = world.app.shop().requests.clone();
    while places.held() < 3 {
        tokio::task::yield_now().await;
    }
    ends(sends(&client, hanging).await).await;
    client.from(9).get("/waits").await.expect(200);
    let [first, ..] = busy;
    ends(first).await;
}

#[tokio::test]
async fn slow_bodies_of_one_address_leave_places_for_others() {
    let settings = [("requests_max", "4"), ("body_pause_max", "1h"), ("caller_share", "0.5")];
    let world = World::with(&settings).await;
    let slow = [sends(&world.anonymous(), SLOW_BODY).await, sends(&world.anonymous(), SLOW_BODY).await];
    let places = world.app.shop().requests.clone();
    while places.held() < 2 {
        tokio::task::yield_now().await;
    }
    let third = sends(&world.anonymous(), SLOW_BODY).await;
    serves_others(&world).await;
    Reply::parse(&ends(third).await).refused(429, "concurrency_limited");
    drop(slow);
    while places.held() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_body_that_pauses_for_too_long_ends_the_request() {
    let world = World::with(&[("body_pause_max", "200ms")]).await;
    let reply = Reply::parse(&ends(sends(&world.anonymous(), SLOW_BODY).await).await);
    assert!(reply.refused(408, "body_too_slow").field("detail").contains("No byte of the body came for 200ms"));
}

#[tokio::test]
async fn slow_bodies_of_many_addresses_give_way_to_one_that_has_no_place() {
    let settings = [("requests_max", "4"), ("body_pause_max", "1h"), ("body_timeout", "1h"), ("request_timeout", "2h")];
    let world = World::with(&settings).await;
    let mut slow = Vec::new();
    for last in [2, 3, 4, 5] {
        slow.push(sends(&world.anonymous().from(last), SLOW_BODY).await);
    }
    let places = world.app.shop().requests.clone();
    while places.waiting() < 4 {
        tokio::task::yield_now().await;
    }
    serves_others(&world).await;
    let first = Reply::parse(&ends(slow.remove(0)).await).refused(408, "body_too_slow");
    assert!(first.field("detail").contains("went to another caller"));
}

#[tokio::test]
async fn whoever_changes_passwords_too_often_is_slowed_down() {
    let world = World::with(&[("secret_rate_per_second", "1"), ("secret_rate_burst", "4")]).await;
    let ada = world.person("ada").await;
    let path = format!("/v1/users/{}/password", ada.user_id);
    let new = json!({"password": "wrong password", "new_password": "a new password"});
    for _ in 0..2 {
        ada.client.put(&path, new.clone()).await.refused(403, "password_wrong");
    }
    ada.client.put(&path, new).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn a_body_has_a_time_to_its_end_whatever_its_pauses() {
    let world = World::with(&[("body_timeout", "200ms"), ("body_pause_max", "1h")]).await;
    let reply = Reply::parse(&ends(sends(&world.anonymous(), SLOW_BODY).await).await);
    assert!(reply.refused(408, "body_too_slow").field("detail").contains("did not end within 200ms"));
}

#[tokio::test]
async fn what_is_refused_anyway_holds_no_place_while_its_body_comes() {
    let settings = [("requests_max", "1"), ("caller_share", "1"), ("rate_per_second", "1"), ("rate_burst", "30")];
    let world = World::with(&settings).await;
    for _ in 0..30 {
        world.anonymous().get("/v1/categories").await.expect(200);
    }
    let unsigned = SLOW_BODY.replace("/v1/sessions", "/v1/products");
    let large = SLOW_BODY.replace("1000", "100000000");
    let refused = [
        (sends(&world.anonymous(), SLOW_BODY).await, "rate_limited"),
        (sends(&world.anonymous().from(2), &unsigned).await, "not_signed_in"),
        (sends(&world.anonymous().from(3), &large).await, "body_too_large"),
        (
            sends(&world.anonymous().from(4), &SLOW_BODY.replace("Host", "Content-Encoding: gzip\r\nHost")).await,
            "content_encoding_unsupported",
        ),
    ];
    serves_others(&world).await;
    for (stream, code) in refused {
        let reply = Reply::parse(&ends(stream).await);
        assert_eq!(reply.code(), code);
    }
}

#[tokio::test]
async fn whoever_waits_to_be_told_to_send_a_body_is_told_at_once_that_it_is_refused() {
    let world = World::new().await;
    let head = SLOW_BODY.replace("/v1/sessions", "/v1/products").replace("Host", "Expect: 100-continue\r\nHost");
    let answer = ends(sends(&world.anonymous(), head.strip_suffix('{').unwrap()).await).await;
    Reply::parse(&answer).refused(401, "not_signed_in");
}

/// Asks for much and reads nothing, through as small a window as the system has.
async fn reads_nothing(client: &Client) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1_024).unwrap();
    let mut stream = socket.connect(client.address).await.unwrap();
    stream.write_all("GET /openapi.json HTTP/1.1\r\nHost: shop\r\n\r\n".repeat(40).as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn answers_that_nobody_reads_are_given_up_and_others_are_served_meanwhile() {
    let settings =
        [("connections_max", "4"), ("caller_share", "1"), ("answer_timeout", "400ms"), ("probe_listen", "127.0.0.1:0")];
    let world = World::with(&settings).await;
    let probes = Client::new(world.app.probe_address().unwrap());
    let mut unread = Vec::new();
    for _ in 0..8 {
        unread.push(reads_nothing(&world.anonymous()).await);
        serves_others(&world).await;
    }
    // All of them are gone, displaced or given up.
    let ended = |reason: &str| format!("tradewind_http_connections_ended_total{{reason=\"{reason}\"}}");
    figure(&probes, &ended("answer_timeout"), |count| count > 0).await;
    // What is left is the connection that asks.
    figure(&probes, "tradewind_http_connections", |count| count == 1).await;
}

#[tokio::test]
async fn a_connection_may_stay_idle_only_for_so_long() {
    let world = World::with(&[("keep_alive_timeout", "200ms"), ("head_timeout", "1h")]).await;
    let stream = sends(&world.anonymous(), "GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n").await;
    assert!(ends(stream).await.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn the_head_of_a_second_request_has_its_time_too() {
    let world = World::with(&[("keep_alive_timeout", "1h"), ("head_timeout", "200ms")]).await;
    let mut stream = sends(&world.anonymous(), "GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n").await;
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    stream.write_all(b"GET /hea").await.unwrap();
    ends(stream).await;
}

#[tokio::test]
async fn a_trusted_proxy_has_all_connections_and_its_clients_are_told_apart() {
    let settings =
        [("trusted_proxies", "127.0.0.1"), ("connections_max", "8"), ("requests_max", "8"), ("rate_per_second", "0")];
    let (world, tasks) = (World::with(&settings).await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    let hanging = "GET /hangs HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n";
    let places = world.app.shop().requests.clone();
    let busy = [sends(&client, hanging).await, sends(&client, hanging).await];
    while places.held() < 2 {
        tokio::task::yield_now().await;
    }
    let from = |address: &'static str| client.request("GET", "/waits").header("X-Forwarded-For", address);
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(client.connect().await);
        from("198.51.100.1").send().await.refused(429, "concurrency_limited");
        from("198.51.100.2").send().await.expect(200);
    }
    for stream in open {
        let reply = from("198.51.100.3").send_over(stream).await;
        reply.expect(200);
    }
    drop(busy);
}

#[tokio::test]
async fn probes_have_places_of_their_own_and_each_address_its_share_of_them() {
    let (world, tasks) = (World::with(&[("requests_max", "1"), ("caller_share", "0.25")]).await, Tasks::default());
    let shop = world.app.shop().clone();
    let reading = shop.probe_reads.turn(&ReadsFor::default()).await;
    let taken = sends(&with_routes(&world, &tasks).await, "GET /hangs HTTP/1.1\r\nHost: shop\r\n\r\n").await;
    let ready = "GET /readyz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
    let mut waiting = Vec::new();
    for _ in 0..16 {
        waiting.push(sends(&world.anonymous(), ready).await);
    }
    while shop.probes.held() < 16 || shop.requests.held() < 1 {
        tokio::task::yield_now().await;
    }
    world.anonymous().get("/healthz").await.refused(429, "concurrency_limited");
    world.anonymous().from(9).get("/healthz").await.expect(200);
    world.anonymous().from(9).get("/v1/categories").await.refused(503, "overloaded");
    drop((reading, taken));
    for stream in waiting {
        Reply::parse(&ends(stream).await).expect(200);
    }
}

#[tokio::test]
async fn the_port_for_probes_serves_nothing_else() {
    let world = World::with(&[("probe_listen", "127.0.0.1:0")]).await;
    let probes = Client::new(world.app.probe_address().unwrap());
    for path in ["/healthz", "/readyz", "/metrics"] {
        probes.get(path).await.expect(200);
    }
    probes.get("/v1/products").await.refused(404, "route_unknown");
}

async fn places(client: &Client, seconds: u32) -> Value {
    let request = client.request("POST", "/v1/orders").json(&order_of("tea", 1, "external"));
    request.header("Prefer", &format!("wait={seconds}")).send().await.expect(201).json()
}

#[tokio::test]
async fn waiting_takes_no_place_of_a_request_and_beyond_the_bound_nobody_waits() {
    let settings = [
        ("waits_max", "2"),
        ("requests_max", "2"),
        ("caller_share", "0.5"),
        ("request_timeout", "1h"),
        ("wait_max", "59m"),
    ];
    let town = Town::with(Box::leak(Box::new(settings))).await;
    town.stocks("tea", 9).await;
    let (ada, bob) = (town.buyer("ada", 0).await, town.buyer("bob", 0).await);
    let (adas, bobs) = (ada.client.from(8), bob.client.from(9));
    let shop = town.doors[0].app.shop().clone();
    let held = async |count: usize| {
        while shop.waits.held() < count {
            tokio::task::yield_now().await;
        }
    };
    let others = async {
        held(1).await;
        // Ada waits already: her next order is taken, and answered as it stands.
        for _ in 0..3 {
            let outcome = places(&adas, 3_000).await["outcome"].clone();
            assert_eq!(outcome, json!({"status": "validated", "decided": false}));
        }
        let ending = async {
            held(2).await;
            for client in [&adas, &bobs] {
                let orders = client.get("/v1/orders").await.expect(200).json();
                for order in orders["items"].as_array().unwrap() {
                    let path = format!("/v1/orders/{}/cancellation", order["order_id"].as_str().unwrap());
                    town.staff.post(&path, json!({"reason": "no tea"})).await.expect(200);
                }
            }
        };
        let (placed, ()) = tokio::join!(places(&bobs, 3_000), ending);
        assert_eq!(placed["outcome"]["status"], "cancelled");
    };
    let (placed, ()) = tokio::join!(places(&adas, 3_000), others);
    assert_eq!(placed["outcome"]["status"], "cancelled");
    assert_eq!((shop.waits.held(), shop.requests.held()), (0, 0));
    town.is_clean().await;
}

#[tokio::test]
async fn a_user_has_a_share_of_the_streams_wherever_they_call_from() {
    let town = Town::with(&[("streams_max", "4"), ("caller_share", "0.5")]).await;
    town.stocks("tea", 9).await;
    let (ada, bob) = (town.buyer("ada", 0).await, town.buyer("bob", 0).await);
    let adas = town.settles_order(&ada, order_of("tea", 1, "external")).await.path() + "/events";
    let bobs = town.settles_order(&bob, order_of("tea", 1, "external")).await.path() + "/events";
    let mut open = Vec::new();
    for last in [2, 3] {
        let mut stream = ada.client.from(last).request("GET", &adas).stream().await;
        stream.take(1).await;
        open.push(stream);
    }
    let third = ada.client.from(4).request("GET", &adas).header("Accept", "text/event-stream");
    third.send().await.refused(429, "concurrency_limited");
    bob.client.from(4).request("GET", &bobs).stream().await.take(1).await;
}

/// The reads of one caller end when the test says so, however it ends.
struct LetGo;

impl Drop for LetGo {
    fn drop(&mut self) {
        SLOW_READS.let_go();
    }
}

#[tokio::test]
async fn slow_reads_of_one_caller_leave_a_reader_to_others() {
    let settings = [("readers_max", "2"), ("requests_max", "16"), ("caller_share", "0.25"), ("rate_per_second", "0")];
    let (world, tasks) = (World::with(&settings).await, Tasks::default());
    let client = with_routes(&world, &tasks).await;
    let places = world.app.shop().requests.clone();
    let slow = (0..4).map(|_| client.get("/reads"));
    let others = async {
        let let_go = LetGo;
        while places.held() < 4 || SLOW_READS.begun() < 1 {
            tokio::task::yield_now().await;
        }
        client.get("/waits").await.refused(429, "concurrency_limited");
        let served = timeout(PATIENCE, serves_others(&world)).await;
        assert!(served.is_ok(), "all readers are with one caller");
        assert_eq!(SLOW_READS.begun(), 1, "it has one of two readers");
        drop(let_go);
    };
    let (slow, ()) = tokio::join!(futures_util::future::join_all(slow), others);
    for reply in slow {
        reply.expect(204);
    }
    assert_eq!(SLOW_READS.begun(), 4);
}
