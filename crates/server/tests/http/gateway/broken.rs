//! Peers that are away, slow, broken or not what they should be; clients that send nonsense.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tradewind::gateway::{REPEATED_BYTES_MAX, VIA_MAX};

use super::{
    Alone,
    peer::{Act, FakePeer},
};
use crate::{
    client::{Client, Reply},
    town::{TWO_STORES, Town},
};

/// It hangs up on the first request, and answers all others.
async fn hangs_up_once() -> FakePeer {
    FakePeer::doing(|seen| if seen.number == 0 { Act::HangUp } else { Act::Answer(Reply::ok("{}")) }).await
}

#[tokio::test]
async fn a_peer_that_is_away_is_named_and_the_others_answer() {
    let mut town = Town::behind_a_gateway(TWO_STORES, &[]).await;
    town.stocks("tea", 1).await;
    let staff = town.staff.clone();
    let second = town.doors.remove(1);
    assert_eq!(second.app.stop().await, None);
    let refused = staff.get("/v1/shipments").await.refused(503, "peer_unreachable");
    assert_eq!(refused.header("retry-after"), Some("2"));
    assert_eq!(refused.field("detail"), "shipping cannot be reached. Nothing was sent to it.");
    staff.get("/v1/products/p-tea").await.expect(200);
    let placed = staff.post("/v1/stock/tea/adjustments", json!({"delta": 1, "adjustment_type": "restock"})).await;
    placed.refused(503, "peer_unreachable");
}

#[tokio::test]
async fn a_peer_that_was_restarted_is_found_again() {
    let mut town = Town::behind_a_gateway(TWO_STORES, &[]).await;
    town.stocks("tea", 1).await;
    let staff = town.staff.clone();
    staff.get("/v1/shipments").await.expect(200);
    town.restarts(1).await;
    staff.get("/v1/shipments").await.expect(200);
    staff.post("/v1/stock/tea/adjustments", json!({"delta": 1, "adjustment_type": "restock"})).await.expect(200);
}

#[tokio::test]
async fn a_request_that_can_be_repeated_is_sent_once_more_when_the_connection_broke() {
    for (method, path) in [("GET", "/v1/products"), ("HEAD", "/v1/products"), ("POST", "/v1/orders")] {
        let peer = hangs_up_once().await;
        let alone = Alone::before(&peer.url(), &[]);
        let mut request = alone.client().request(method, path);
        if method == "POST" {
            request = request.json(&json!({"n": 1})).header("Idempotency-Key", "k-1");
        }
        request.send().await.expect(200);
        let seen = peer.seen();
        assert_eq!(seen.len(), 2, "{method}");
        let told = |number: usize| {
            (seen[number].line.clone(), seen[number].header("idempotency-key"), seen[number].body.clone())
        };
        assert_eq!(told(0), told(1));
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_repeated_is_not_sent_twice() {
    let sign_in = json!({"email": "ada@example.org", "password": "?"});
    // A route that takes no key, a key that is missing, and a body that is not kept.
    let large = vec![b' '; REPEATED_BYTES_MAX + 1];
    for (path, has_key, body) in [
        ("/v1/sessions", true, sign_in.to_string().into_bytes()),
        ("/v1/orders", false, b"{}".to_vec()),
        ("/v1/orders", true, large),
    ] {
        let peer = hangs_up_once().await;
        let alone = Alone::before(&peer.url(), &[]);
        let request = alone.client().request("POST", path).body(body);
        let request = if has_key { request } else { request.without("Idempotency-Key") };
        let refused = request.send().await.refused(503, "peer_unreachable");
        assert!(refused.field("detail").ends_with("A write may still have been carried out."), "{}", refused.text());
        assert_eq!(peer.seen().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn a_request_is_repeated_once_and_no_more() {
    let peer = FakePeer::doing(|_| Act::HangUp).await;
    let alone = Alone::before(&peer.url(), &[]);
    alone.client().get("/v1/products").await.refused(503, "peer_unreachable");
    assert_eq!(peer.seen().len(), 2);
}

#[tokio::test]
async fn a_connection_that_a_peer_has_closed_meanwhile_costs_no_request() {
    // It closes its connection after each answer, without a word about it.
    let peer = FakePeer::doing(|_| Act::Cut(Reply::ok("{}").written())).await;
    let alone = Alone::before(&peer.url(), &[]);
    for _ in 0..20 {
        let sent = alone.client().request("POST", "/v1/sessions").body(b"{}".to_vec()).send().await;
        assert!(matches!(sent.status, 200 | 503), "{}", sent.text());
    }
    assert!(peer.seen().len() <= 20, "nothing was sent twice");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nthe beginning".to_vec();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec();
    for bytes in [half, chunked] {
        let peer = FakePeer::doing(move |_| Act::Cut(bytes.clone())).await;
        let alone = Alone::before(&peer.url(), &[]);
        let mut stream = alone.client().connect().await;
        stream.write_all(b"GET /v1/products HTTP/1.1\r\nHost: shop\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let is_whole = text.ends_with("0\r\n\r\n") || answer.len() > 100_000;
        assert!(!is_whole, "{text}");
        assert_eq!(peer.seen().len(), 1, "an answer that has begun is not asked for again");
        alone.client().get("/healthz").await.expect(200);
        let figures = alone.client().get("/metrics").await.text().to_owned();
        assert!(figures.contains(r#"gateway_peer_requests_total{peer="all",outcome="cut"} 1"#), "{figures}");
    }
}

#[tokio::test]
async fn a_peer_that_stalls_does_not_hold_its_client_for_ever() {
    let settings = [("peer_pause_max", "200ms"), ("request_timeout", "100ms"), ("wait_max", "50ms")];
    let half = FakePeer::doing(|_| Act::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec())).await;
    let alone = Alone::before(&half.url(), &settings);
    let mut stream = alone.client().connect().await;
    stream.write_all(b"GET /v1/products HTTP/1.1\r\nHost: shop\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    assert!(answer.ends_with(b"half"));
    let silent = FakePeer::doing(|_| Act::Stall(Vec::new())).await;
    let alone = Alone::before(&silent.url(), &settings);
    let refused = alone.client().get("/v1/products").await.refused(503, "peer_unreachable");
    assert!(refused.field("detail").contains("did not answer in time"));
    assert_eq!(silent.seen().len(), 1, "who is slow is not asked twice");
}

#[tokio::test]
async fn a_peer_that_speaks_no_http_is_unreachable() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
        b"HTTP/1.1 999\r\n",
        b"\0\0\0",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ] {
        let peer = FakePeer::doing(move |_| Act::Cut(bytes.to_vec())).await;
        let alone = Alone::before(&peer.url(), &[]);
        alone.client().get("/v1/products").await.refused(503, "peer_unreachable");
        alone.client().get("/healthz").await.expect(200);
    }
    let endless = FakePeer::doing(|_| Act::Cut([&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'x'; 300_000]].concat())).await;
    let alone = Alone::before(&endless.url(), &[]);
    alone.client().get("/v1/products").await.refused(503, "peer_unreachable");
}

#[tokio::test]
async fn connections_to_a_peer_are_bounded() {
    let peer = FakePeer::doing(|seen| match seen.path() {
        "/v1/products" => Act::Stall(Vec::new()),
        _ => Act::Answer(Reply::ok("{}")),
    })
    .await;
    let alone = Alone::before(&peer.url(), &[("peer_connections_max", "1")]);
    let mut hanging = alone.client().connect().await;
    hanging.write_all(b"GET /v1/products HTTP/1.1\r\nHost: shop\r\n\r\n").await.unwrap();
    while peer.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    let full = alone.client().get("/v1/me").await.refused(503, "overloaded");
    assert_eq!(full.field("detail"), "All connections to identity are in use.");
    // A client that leaves gives its connection to others.
    drop(hanging);
    while alone.client().get("/v1/me").await.status != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_of_gateways_ends() {
    // Its peer sends every request back to where it came from.
    let (tell, told) = std::sync::mpsc::channel::<Client>();
    let told = std::sync::Mutex::new(told);
    let known = std::sync::OnceLock::new();
    let peer = FakePeer::doing(move |seen| {
        let gateway: &Client = known.get_or_init(|| told.lock().unwrap().recv().unwrap());
        let via = seen.header("via").join(", ");
        let request = format!("{}\r\nHost: shop\r\nConnection: close\r\nVia: {via}\r\n\r\n", seen.line);
        // The gateway runs on the same threads: one that waits must not keep what another could do.
        Act::Relay(tokio::task::block_in_place(|| exchanged(gateway, &request)))
    })
    .await;
    let alone = Alone::before(&peer.url(), &[]);
    tell.send(alone.client()).unwrap();
    let looped = alone.client().get("/v1/products").await.refused(508, "loop_detected");
    assert_eq!(looped.field("detail"), "The request came back to the gateway that has sent it.");
    assert_eq!(peer.seen().len(), 1);
    let far = vec!["1.1 proxy"; VIA_MAX].join(", ");
    let far = alone.client().request("GET", "/v1/products").header("Via", &far).send().await;
    far.refused(508, "loop_detected");
}

/// Sends bytes to a gateway on a thread of this peer, and returns all that comes back.
fn exchanged(gateway: &Client, request: &str) -> Vec<u8> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(gateway.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn nonsense_of_a_client_stays_at_the_gateway() {
    let peer = FakePeer::answering(|_| Reply::ok("{}")).await;
    let alone = Alone::before(&peer.url(), &[("head_timeout", "300ms"), ("body_pause_max", "300ms")]);
    let huge = format!("GET /v1/products HTTP/1.1\r\nHost: shop\r\nX: {}\r\n\r\n", "x".repeat(300_000));
    let many = format!("GET /v1/products HTTP/1.1\r\nHost: shop\r\n{}\r\n", "X: y\r\n".repeat(200));
    for (request, status) in [
        (huge.as_str(), 431),
        (many.as_str(), 431),
        ("GET /v1/products HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /v1/products HTTP/1.1\r\n\r\n", 400),
        ("POST /v1/orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        ("GET  HTTP/1.1\r\n\r\n", 400),
        ("GET http://elsewhere/v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        ("CONNECT shop:443 HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ] {
        let answer = sent(&alone, request.as_bytes()).await;
        let line = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
        assert!(line.contains(&format!(" {status} ")), "{}: {line}", &request[..request.len().min(80)]);
    }
    assert!(peer.seen().is_empty(), "{:?}", peer.seen());
}

#[tokio::test]
async fn a_body_that_is_cut_off_does_not_reach_a_peer_as_a_whole_one() {
    let peer = FakePeer::answering(|_| Reply::ok("{}")).await;
    let alone = Alone::before(&peer.url(), &[]);
    let head = "POST /v1/orders HTTP/1.1\r\nHost: shop\r\nIdempotency-Key: k\r\n";
    for rest in [
        "Content-Length: 100\r\n\r\nhalf",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let answer = sent_and_left(&alone, format!("{head}{rest}").as_bytes()).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(text.is_empty() || text.contains(" 400 "), "{text}");
    }
    assert!(peer.seen().is_empty(), "{:?}", peer.seen());
    alone.client().get("/v1/products").await.expect(200);
}

/// Sends bytes, and returns what comes back until the head of an answer is there.
async fn sent(alone: &Alone, bytes: &[u8]) -> Vec<u8> {
    let mut stream = alone.client().connect().await;
    // A server that has heard enough answers before everything is sent.
    drop(stream.write_all(bytes).await);
    let mut answer = Vec::new();
    let read = async {
        let mut more = vec![0; 65_536];
        while let Ok(count @ 1..) = stream.read(&mut more).await {
            answer.extend_from_slice(&more[..count]);
            if answer.windows(4).any(|four| four == b"\r\n\r\n") {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.unwrap();
    answer
}

/// Sends bytes and no more, and returns all that comes back.
async fn sent_and_left(alone: &Alone, bytes: &[u8]) -> Vec<u8> {
    let mut stream = alone.client().connect().await;
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    answer
}
