//! The gateway of a shop that is split: one address, behind which every service answers, streams and bodies pass, and a
//! peer that is away, slow or broken is told apart.

mod broken;
mod command;
mod operations;
mod peer;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tradewind::{gateway::Running, peers::Peers, services};

use crate::{
    client::{Client, Reply},
    tls::fixture,
    town::{THREE_STORES, TWO_STORES, Town, order_of},
    world::{Directory, World, config},
};

use peer::FakePeer;

/// A gateway in front of one peer that a test plays.
struct Alone {
    running: Running,
    _directory: Directory,
}

impl Alone {
    fn before(url: &str, settings: &[(&'static str, &str)]) -> Self {
        Self::trusting(url, "", settings)
    }

    /// The same with one more line for the peer.
    fn trusting(url: &str, line: &str, settings: &[(&'static str, &str)]) -> Self {
        let directory = Directory::new();
        let path = directory.0.join("peers.toml");
        let services = services::NAMES;
        let entry = format!("[[peer]]\nname = \"all\"\nurl = \"{url}\"\n{line}\nservices = {services:?}\n");
        std::fs::write(&path, entry).unwrap();
        let running = Running::start(config(&directory, settings), &Peers::read(path).unwrap()).unwrap();
        Self { running, _directory: directory }
    }

    fn client(&self) -> Client {
        Client::new(self.running.address())
    }
}

/// An order placed through the gateway, and paid from a balance.
async fn bought(town: &Town) -> (Client, String) {
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 50_000).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    order.is("confirmed").await;
    (ada.client.clone(), order.order_id.clone())
}

#[tokio::test]
async fn one_address_answers_for_every_service() {
    let town = Town::behind_a_gateway(THREE_STORES, &[]).await;
    let (ada, order) = bought(&town).await;
    for path in ["/v1/products/p-tea", "/v1/variants/tea", "/v1/products", "/v1/categories", "/v1/me", "/v1/orders"] {
        ada.get(path).await.expect(200);
    }
    for path in ["", "/payment", "/refunds", "/events"] {
        ada.get(&format!("/v1/orders/{order}{path}")).await.expect(200);
    }
    for path in ["/v1/stock/tea", "/v1/shipments", "/v1/sales?from=2026-01-01&to=2026-01-02", "/v1/users"] {
        town.staff.get(path).await.expect(200);
    }
    let jwks = town.anonymous().get("/.well-known/jwks.json").await.expect(200).json();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    town.is_clean().await;
}

#[tokio::test]
async fn what_is_unknown_is_answered_as_a_shop_answers() {
    let town = Town::behind_a_gateway(TWO_STORES, &[]).await;
    let (front, door) = (town.anonymous(), town.at_door(0, &town.anonymous()));
    for (method, path) in
        [("GET", "/v1/nothing"), ("GET", "/v1/orders/"), ("PUT", "/v1/orders"), ("PATCH", "/v1/me"), ("GET", "//")]
    {
        let (own, real) = (front.request(method, path).send().await, door.request(method, path).send().await);
        assert_eq!((own.status, own.code()), (real.status, real.code()), "{method} {path}");
        let mut allowed = [&own, &real].map(|reply| {
            let mut allowed: Vec<_> = reply.header("allow").unwrap_or_default().split(',').map(str::to_owned).collect();
            allowed.sort();
            allowed
        });
        assert_eq!(std::mem::take(&mut allowed[0]), allowed[1], "{method} {path}");
    }
    front.get("/v1/peer").await.refused(404, "route_unknown");
    let named = front.request("GET", "/v1/nothing").header("X-Request-Id", "mine-17").send().await;
    assert_eq!((named.header("x-request-id"), named.field("request_id")), (Some("mine-17"), "mine-17".into()));
    let passed = front.request("GET", "/v1/products/none").header("X-Request-Id", "mine-18").send().await;
    assert_eq!(passed.refused(404, "product_not_found").field("request_id"), "mine-18");
    let minted = front.get("/v1/products/none").await;
    assert_eq!(minted.header("x-request-id").unwrap(), minted.field("request_id"));
    let head = front.request("HEAD", "/v1/products").send().await.expect(200);
    assert!(head.bytes.is_empty() && head.header("content-length").unwrap().parse::<u32>().unwrap() > 0);
}

#[tokio::test]
async fn the_gateway_has_the_pages_of_a_shop_and_a_state_of_its_own() {
    let mut town = Town::behind_a_gateway(TWO_STORES, &[]).await;
    let (front, door) = (town.anonymous(), town.at_door(0, &town.anonymous()));
    let (own, real) = (front.get("/openapi.json").await.expect(200).json(), door.get("/openapi.json").await.json());
    assert_eq!(own["components"], real["components"]);
    assert_ne!(own["paths"]["/v1/operations/parked"], real["paths"]["/v1/operations/parked"], "it names stores");
    assert_eq!(own["paths"]["/v1/orders"], real["paths"]["/v1/orders"]);
    let answer =
        |path: &str| own["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"].clone();
    for (path, of_one) in [
        ("/v1/operations/parked", "PageOfParkedView"),
        ("/v1/operations/sagas", "PageOfSagaView"),
        ("/v1/operations/owed/holds", "PageOfOwedView"),
        ("/v1/operations/consumers", "ConsumersView"),
    ] {
        let parts = &answer(path)["allOf"];
        assert_eq!(parts[0]["$ref"], format!("#/components/schemas/{of_one}"), "{path}");
        assert_eq!(parts[1]["properties"]["items"]["items"]["required"], json!(["store"]), "{path}");
    }
    // The states of all stores are a list here.
    let states = &answer("/v1/operations")["anyOf"];
    assert_eq!(states[0]["properties"]["items"]["items"]["allOf"][0], states[1]);
    assert_eq!(states[1]["$ref"], "#/components/schemas/StatusView");
    for path in ["/docs", "/docs/problems/peer_unreachable", "/docs/problems/nonsense", "/"] {
        let (own, real) = (front.get(path).await, door.get(path).await);
        assert_eq!(own.status, real.status, "{path}");
        let telling =
            ["content-type", "content-security-policy", "location", "cache-control", "x-content-type-options"];
        for header in telling {
            assert_eq!(own.header(header), real.header(header), "{path} {header}");
        }
        assert!(own.status == 404 || own.bytes == real.bytes, "{path}");
    }
    front.get("/healthz").await.expect(200);
    let ready = front.get("/readyz").await.expect(200).json();
    let peers = ready["peers"].as_array().unwrap();
    assert!(peers.iter().all(|peer| peer["ready"] == true) && peers.len() == 2, "{ready}");
    assert_eq!(peers[1], json!({"name": "part-1", "services": TWO_STORES[1], "ready": true}));
    front.get("/v1/products").await.expect(200);
    let figures = front.get("/metrics").await.expect(200).text().to_owned();
    for line in [
        r#"tradewind_http_requests_total{method="GET",route="/v1/products",status="2xx"} 1"#,
        r#"tradewind_gateway_peer_requests_total{peer="part-1",outcome="answered"} "#,
        r#"tradewind_gateway_peer_connections_opened_total{peer="part-0"} "#,
        "tradewind_http_connections ",
    ] {
        assert!(figures.contains(line), "{line} in {figures}");
    }
    let second = town.doors.remove(1);
    assert_eq!(second.app.stop().await, None);
    let ready = front.get("/readyz").await.expect(200).json();
    assert_eq!((&ready["peers"][0]["ready"], &ready["peers"][1]["ready"]), (&json!(true), &json!(false)));
    let first = town.doors.remove(0);
    assert_eq!(first.app.stop().await, None);
    let none = front.get("/readyz").await.refused(503, "not_ready");
    assert_eq!(none.field("detail"), "None of these is ready: part-0, part-1");
}

#[tokio::test]
async fn a_stream_of_events_passes_as_it_happens_and_resumes() {
    let town = Town::behind_a_gateway(TWO_STORES, &[]).await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 0).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    let path = format!("{}/events", order.path());
    let mut stream = ada.client.request("GET", &path).stream().await;
    let first = stream.take(6).await;
    assert_eq!(first[0].name, "order.placed");
    order.authorizes("bank-1", 1_000).await.expect(200);
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "shipment.ready") {
        names.push(stream.next().await.expect("it goes on").name);
    }
    let mut resumed = ada.client.request("GET", &path).header("Last-Event-ID", &first[5].id).stream().await;
    assert_eq!(resumed.take(names.len()).await.into_iter().map(|told| told.name).collect::<Vec<_>>(), names);
}

#[tokio::test]
async fn a_stream_ends_when_the_gateway_stops_and_counts_among_the_streams() {
    let mut town = Town::behind_a_gateway_with(TWO_STORES, &[("streams_max", "1"), ("caller_share", "1")]).await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 0).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    let path = format!("{}/events", order.path());
    let mut stream = ada.client.request("GET", &path).stream().await;
    stream.take(6).await;
    let second = ada.client.request("GET", &path).header("Accept", "text/event-stream").send().await;
    assert!(matches!(second.status, 429 | 503), "{}", second.status);
    let gateway = town.gateway.take().unwrap();
    // The order is not settled: by itself the stream would go on.
    let (rest, ()) = tokio::join!(stream.rest(), gateway.stop());
    assert!(rest.iter().all(|told| told.name != "order.confirmed"), "{rest:?}");
}

#[tokio::test]
async fn what_a_client_sends_reaches_the_peer_and_what_is_of_one_connection_does_not() {
    let peer = FakePeer::answering(|_| Reply::ok("{}")).await;
    let alone = Alone::before(&peer.url(), &[]);
    let client = alone.client().with_token("a.b.c");
    let sent = [
        ("X-Request-Id", "mine-1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("Prefer", "wait=3"),
        ("Idempotency-Key", "key-17"),
        ("X-Audit-Reason", "because"),
        ("Accept-Language", "de"),
    ];
    let stays = [("Connection", "close, X-Mine"), ("X-Mine", "1"), ("Keep-Alive", "timeout=1"), ("TE", "trailers")];
    let mut request = client.request("POST", "/v1/orders?a=b%20c").json(&json!({"lines": [1.50]}));
    for (name, value) in
        sent.iter().chain(&stays).chain(&[("X-Forwarded-For", "1.1.1.1"), ("Forwarded", "for=1.1.1.1")])
    {
        request = request.header(name, value);
    }
    request.send().await.expect(200);
    let seen = peer.seen().remove(0);
    assert_eq!(seen.line, "POST /v1/orders?a=b%20c HTTP/1.1");
    for (name, value) in sent {
        assert_eq!(seen.header(name), [value], "{name}");
    }
    assert_eq!(seen.header("authorization"), ["Bearer a.b.c"]);
    assert_eq!(seen.header("x-forwarded-for"), ["127.0.0.1"], "this client is no trusted proxy");
    assert_eq!(seen.header("host"), [peer.url().strip_prefix("http://").unwrap()]);
    assert!(seen.header("via")[0].starts_with("1.1 tradewind-gateway-"));
    for name in ["connection", "x-mine", "keep-alive", "te", "forwarded", "transfer-encoding"] {
        assert!(seen.header(name).is_empty(), "{name}: {seen:?}");
    }
    assert_eq!(seen.body, br#"{"lines":[1.5]}"#);
}

#[tokio::test]
async fn the_address_of_a_client_is_what_the_gateway_has_found_out() {
    let peer = FakePeer::answering(|_| Reply::ok("{}")).await;
    let alone = Alone::before(&peer.url(), &[("trusted_proxies", "127.0.0.1,10.0.0.9")]);
    let through = async |client: Client, chain: &str| {
        client.request("GET", "/v1/products").header("X-Forwarded-For", chain).send().await.expect(200);
        peer.seen().pop().unwrap().header("x-forwarded-for").join("|")
    };
    assert_eq!(through(alone.client(), "1.1.1.1, 203.0.113.7, 10.0.0.9").await, "203.0.113.7");
    assert_eq!(through(alone.client(), "1.1.1.1, 2001:db8::7").await, "2001:db8::7");
    assert_eq!(through(alone.client().from(3), "1.1.1.1").await, "127.0.0.3", "it is no proxy of ours");
}

#[tokio::test]
async fn a_connection_to_a_peer_is_used_again() {
    let peer = FakePeer::answering(|seen| Reply::ok(&"x".repeat(seen.number * 1_000))).await;
    let alone = Alone::before(&peer.url(), &[]);
    for number in 0..50_usize {
        let reply = alone.client().get("/v1/products").await.expect(200);
        assert_eq!(reply.bytes.len(), number * 1_000);
        alone.client().post("/v1/orders", json!({"n": number})).await.expect(200);
        peer.forget(1);
    }
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn bodies_pass_piece_by_piece_in_both_directions() {
    // The peer answers each piece of the body as it comes: if the gateway kept the bodies, both sides would wait for ever.
    let peer = FakePeer::echoing().await;
    let alone = Alone::before(&peer.url(), &[]);
    let mut stream = alone.client().connect().await;
    let head = "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    for number in 0..20 {
        let piece = format!("piece-{number:02}");
        stream.write_all(format!("8\r\n{piece}\r\n").as_bytes()).await.unwrap();
        while !String::from_utf8_lossy(&read).contains(&piece) {
            let mut more = [0; 4_096];
            let count = stream.read(&mut more).await.unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&more[..count]);
        }
    }
}

#[tokio::test]
async fn a_peer_is_reached_by_tls_with_the_certificates_that_the_file_names() {
    let (certificate, key) = (fixture("certificate.pem"), fixture("key.pem"));
    let world = World::with(&[("tls_certificate", &certificate), ("tls_key", &key)]).await;
    let url = format!("https://localhost:{}", world.app.address().port());
    let trusting = Alone::trusting(&url, &format!("trusted = \"{certificate}\""), &[]);
    trusting.client().get("/v1/products").await.expect(200);
    let strange = Alone::before(&url, &[]);
    strange.client().get("/v1/products").await.refused(503, "peer_unreachable");
}

#[tokio::test]
async fn a_gateway_has_tls_limits_and_other_origins_like_a_shop() {
    let peer = FakePeer::answering(|_| Reply::ok("{}")).await;
    let alone = Alone::before(&peer.url(), &[("cors_origins", "https://shop.example")]);
    let preflight = alone.client().request("OPTIONS", "/v1/orders").header("Origin", "https://shop.example");
    let preflight = preflight.header("Access-Control-Request-Method", "POST").send().await.expect(204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://shop.example"));
    let read = alone.client().request("GET", "/v1/products").header("Origin", "https://shop.example").send().await;
    assert_eq!(read.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(peer.seen().len(), 1, "a preflight is answered by the gateway");
}

fn items(reply: &Reply) -> Vec<Value> {
    reply.json()["items"].as_array().unwrap().clone()
}
