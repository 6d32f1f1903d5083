//! The processes of a split shop compare what must be the same, over HTTP and with their secrets unseen. A process is not
//! ready while something differs.

use std::{
    fs,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use tradewind::{
    app::{App, Options},
    peers::{Peers, Question},
    secret::Keys,
    services,
    split::{OpenBrokers, Part, Split},
};
use tradewind_engine::{BrokerParts, Routing};
use tradewind_testkit::{BrokerFaults, ManualClock, MemoryBroker, manual_clock};

use crate::{
    client::{Client, Reply},
    tls::fixture,
    world::{Directory, Mails, config, hiring},
};

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// How soon a process looks again at a peer that did not answer, and at its connection to the broker.
const AGAIN: Duration = Duration::from_secs(5);

const FRONT: [&str; 4] = ["identity", "catalog", "carts", "query"];
const BACK: [&str; 5] = ["inventory", "orders", "payments", "shipping", "notifications"];

const SECRETS: [(&str, &str); 3] = [
    ("master_key", "the master key of the shop"),
    ("cart_secret", "the cart secret of the shop"),
    ("provider_secret", "the provider secret of the shop"),
];

/// A shop in two processes, with a peers file.
struct Pair {
    directory: Directory,
    clock: ManualClock,
    broker: MemoryBroker,
    ports: [u16; 2],
}

impl Pair {
    fn new(front_url: &str, more: &str) -> Self {
        let (directory, ports) = (Directory::new(), [free_port(), free_port()]);
        let entry = |name: &str, url: &str, port: u16, services: &[&str], more: &str| {
            format!("[[peer]]\nname = {name:?}\nurl = \"{url}:{port}\"\nservices = {services:?}\n{more}\n")
        };
        let file =
            entry("front", front_url, ports[0], &FRONT, more) + &entry("back", "http://127.0.0.1", ports[1], &BACK, "");
        fs::write(directory.0.join("peers.toml"), file).unwrap();
        Self { directory, clock: manual_clock(), broker: MemoryBroker::new(), ports }
    }

    async fn front(&self, settings: &[(&'static str, &str)]) -> App {
        self.start(0, &FRONT, settings).await
    }

    async fn back(&self, settings: &[(&'static str, &str)]) -> App {
        self.start(1, &BACK, settings).await
    }

    async fn start(&self, number: usize, services: &[&'static str], settings: &[(&'static str, &str)]) -> App {
        let store = self.directory.0.join(format!("{number}.db")).display().to_string();
        let listen = format!("127.0.0.1:{}", self.ports[number]);
        let ours = [("store", &*store), ("listen", &listen), ("secret_rate_per_second", "0")];
        let config = config(&self.directory, &[&ours, &SECRETS[..], settings].concat());
        let peers = Arc::new(Peers::read(self.directory.0.join("peers.toml")).unwrap());
        let split = Split::new(&peers, services).expect("it is listed");
        let identity = split.peer_of("identity").map(tradewind::peers::Peer::client);
        let elsewhere = services::NAMES.into_iter().filter(|name| !services.contains(name));
        let routing = Routing::by_source("pair").consume(elsewhere);
        let broker = BrokerParts::only(self.broker.clone(), routing, format!("group-{number}"));
        let brokers: Option<OpenBrokers> = Some(Box::new(|_| Ok(vec![broker])));
        let part = Some(Part { services: services.to_vec(), split: Some(split), brokers, identity });
        let (_, hire) = hiring(Mails::default());
        let options = Options { clock: Arc::new(self.clock.clone()), hire, part, ..Options::default() };
        let app = App::start_with(config, options).await.unwrap();
        app.announced();
        app
    }
}

/// A port below those that the system gives out by itself, so nothing takes it before the process.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(std::process::id() % 200).unwrap() * 100;
    loop {
        let port = 10_000 + process + NEXT.fetch_add(1, Ordering::Relaxed) % 100;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

async fn readiness(app: &App) -> Reply {
    Client::new(app.address()).get("/readyz").await
}

/// Waits until `/readyz` answers with this status and has this text.
async fn becomes(app: &App, status: u16, text: &str) -> String {
    let wait = async {
        loop {
            let reply = readiness(app).await;
            if reply.status == status && reply.text().contains(text) {
                return reply.text().to_owned();
            }
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    if let Ok(text) = waited {
        return text;
    }
    panic!("it is {}, not {status} {text}", readiness(app).await.text())
}

#[tokio::test]
async fn a_peer_that_cannot_be_reached_is_a_warning_and_one_that_agrees_is_none() {
    let pair = Pair::new("http://127.0.0.1", "");
    let front = pair.front(&[]).await;
    becomes(&front, 200, "the peer back cannot be reached").await;
    let back = pair.back(&[]).await;
    assert!(!becomes(&back, 200, "ready").await.contains("warnings"));
    pair.clock.advance(AGAIN);
    let wait = async {
        while readiness(&front).await.text().contains("warnings") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the peer is reached");
}

#[tokio::test]
async fn each_setting_and_secret_that_differs_is_named_and_no_value_is_shown() {
    let pair = Pair::new("http://127.0.0.1", "");
    let front = pair.front(&[]).await;
    let settings = [
        ("currency", "USD"),
        ("reservation_ttl", "16m"),
        ("order_deadline", "31m"),
        ("foreign_customers", "true"),
        ("token_issuer", "another"),
        ("access_token_ttl", "11m"),
        ("clock_skew", "31s"),
        ("broker_prefix", "another"),
        ("cart_secret", "another cart secret than theirs"),
        ("provider_secret", "another provider secret than theirs"),
    ];
    let back = pair.back(&settings).await;
    let detail = becomes(&back, 503, "the peer front has another").await;
    for (setting, value) in settings {
        assert!(detail.contains(&format!("the peer front has another {setting}")), "{setting}: {detail}");
        assert!(value == "true" || value == "another" || !detail.contains(value), "{value}: {detail}");
    }
    pair.clock.advance(AGAIN);
    let mine = becomes(&front, 503, "the peer back has another currency").await;
    assert!(!mine.contains("USD") && !mine.contains("EUR"), "{mine}");

    // It is mended by a restart with the settings of the others.
    assert_eq!(back.stop().await, None);
    let back = pair.back(&[]).await;
    becomes(&back, 200, "ready").await;
    pair.clock.advance(AGAIN);
    becomes(&front, 200, "ready").await;
}

#[tokio::test]
async fn another_master_key_is_named_and_learns_nothing() {
    let pair = Pair::new("http://127.0.0.1", "");
    let (front, back) = (pair.front(&[]).await, pair.back(&[("master_key", "another master key than theirs")]).await);
    becomes(&back, 503, "the peer front has another master_key").await;
    pair.clock.advance(AGAIN);
    becomes(&front, 503, "the peer back has another master_key").await;
}

#[tokio::test]
async fn a_stranger_learns_nothing_from_a_peer() {
    let pair = Pair::new("http://127.0.0.1", "");
    let front = pair.front(&[]).await;
    let stranger = Client::new(front.address());
    let ask = async |keys: &str| {
        let Question { nonce, proof } = Question::new(&Keys::new(&tradewind::config::Secret::new(keys.as_bytes())));
        stranger.get(&format!("/v1/peer?nonce={nonce}&proof={proof}")).await
    };
    let refused = ask("a guess of the master key").await.refused(403, "peer_refused");
    assert!(!refused.text().contains("front"), "{}", refused.text());
    stranger.get("/v1/peer").await.refused(400, "query_invalid");
    stranger.get("/v1/peer?nonce=AAAA&proof=AAAA").await.refused(403, "peer_refused");
    let sealed = ask(SECRETS[0].1).await.expect(200);
    assert!(!sealed.text().contains("EUR") && !sealed.text().contains("front"), "{}", sealed.text());
}

#[tokio::test]
async fn the_settings_are_compared_again_after_each_connection_to_the_broker() {
    let pair = Pair::new("http://127.0.0.1", "");
    let (front, back) = (pair.front(&[]).await, pair.back(&[]).await);
    pair.clock.advance(AGAIN);
    becomes(&front, 200, "ready").await;
    let broker = || front.shop().engine.status().brokers.remove(0);
    let before = broker().connections;
    assert_eq!(back.stop().await, None);
    let _back = pair.back(&[("currency", "USD")]).await;
    pair.broker.set_faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    becomes(&front, 200, "the broker broker does not do what it is asked").await;
    pair.broker.set_faults(BrokerFaults::default());
    while broker().connections == before {
        tokio::task::yield_now().await;
    }
    // Without the new connection it would ask a minute after the last answer.
    pair.clock.advance(AGAIN);
    becomes(&front, 503, "the peer back has another currency").await;
}

#[tokio::test]
async fn access_tokens_are_verified_with_the_keys_of_identity_over_tls() {
    let (certificate, key) = (fixture("certificate.pem"), fixture("key.pem"));
    let pair = Pair::new("https://localhost", &format!("trusted = {certificate:?}"));
    let front =
        pair.front(&[("tls_certificate", &certificate), ("tls_key", &key), ("probe_listen", "127.0.0.1:0")]).await;
    let back = pair.back(&[]).await;
    let ready = becomes(&back, 200, "ready").await;
    assert!(!ready.contains("warnings"), "{ready}");
    let kids = Client::new(back.address()).get("/.well-known/jwks.json").await.expect(200).json();
    let own: Vec<_> = front.shop().key_ring.jwks().into_iter().map(|jwk| serde_json::to_value(jwk).unwrap()).collect();
    assert_eq!(kids["keys"].as_array(), Some(&own));
    assert_eq!(own.len(), 1);

    // A process that does not trust the certificate has no keys, and says which peer it does not reach.
    let untrusting = Pair { ports: [pair.ports[0], free_port()], ..Pair::new("https://localhost", "") };
    let file = fs::read_to_string(pair.directory.0.join("peers.toml")).unwrap();
    let file = file.replace(&format!("trusted = {certificate:?}"), "");
    fs::write(untrusting.directory.0.join("peers.toml"), file).unwrap();
    let other = untrusting.back(&[]).await;
    becomes(&other, 200, "the peer front cannot be reached").await;
    let kids = Client::new(other.address()).get("/.well-known/jwks.json").await.expect(200).json();
    assert_eq!(kids["keys"].as_array().map(Vec::len), Some(0));
}
