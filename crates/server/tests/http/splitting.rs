//! A process that cannot be a part of a split shop says why before it touches its store.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
};

use tradewind::{
    app::{App, AppError, Options},
    config::{Config, Flags, Layers},
    services,
    split::consumed,
};
use tradewind_testkit::manual_clock;

use crate::world::{Directory, config};

/// What is wrong with these settings, a line each.
fn refusal(settings: &[(&'static str, &str)]) -> String {
    let flags = settings.iter().map(|(name, text)| (*name, (*text).to_owned()));
    let loaded = Config::load(&Layers::new(Flags::of(flags), BTreeMap::new()).unwrap());
    let errors = loaded.expect_err("it cannot be used");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn settings_that_do_not_fit_a_split_shop_name_themselves() {
    let partial = ("services", "orders,notifications");
    for (settings, expected) in [
        (&[partial][..], "broker is  (the default); expected the URL of the broker"),
        (&[partial], "peers is  (the default); expected the peers file"),
        (
            &[("services", "orders,billing")],
            "services is \"orders,billing\" (the flag --services); expected names of services",
        ),
        (&[("services", ",")], "expected names of services"),
        (
            &[("broker", "nats://localhost")],
            "broker is \"nats://localhost\" (the flag --broker); expected kafka://HOST:PORT",
        ),
        (&[("broker", "amqp://me:secret@mq")], "broker is \"amqp://me:***@mq\""),
        (&[("broker", "amqp://me@mq")], "broker_password is  (the default); expected set if and only if the URL"),
        (&[("broker", "amqp://mq"), ("broker_password", "secret")], "broker_password is *** (the flag"),
        (&[("broker_trusted", "ca.pem")], "broker_trusted is ca.pem (the flag --broker-trusted)"),
        (
            &[("broker_prefix", "my shop")],
            "broker_prefix is my shop (the flag --broker-prefix); expected 1 to 64 letters",
        ),
        (&[("kafka_partitions", "0")], "kafka_partitions is 0 (the flag --kafka-partitions); expected a number from 1"),
        (&[("kafka_partitions", "1001")], "expected a number from 1 to 1000"),
        (&[("kafka_replicas", "101")], "expected a number from 1 to 100"),
        (
            &[("kafka_replicas", "1")],
            "kafka_replicas_in_sync is 2 (the default); expected a number from 1 to kafka_rep",
        ),
        (&[("kafka_retention", "0s")], "kafka_retention is 0s (the flag --kafka-retention); expected at least 1s"),
        (&[("kafka_sasl", "gssapi")], "expected plain, scram-sha-256 or scram-sha-512"),
    ] {
        let refused = refusal(settings);
        assert!(refused.contains(expected), "{expected}: {refused}");
        assert!(!refused.contains("secret@") && !refused.contains("\"secret"), "{refused}");
    }
}

#[test]
#[cfg(not(any(feature = "kafka", feature = "rabbitmq")))]
fn a_build_without_a_broker_says_which_feature_to_enable() {
    for (broker, feature) in [("kafka://kafka", "kafka"), ("kafkas://kafka", "kafka-tls"), ("amqps://mq", "rabbitmq")] {
        let refused = refusal(&[("broker", broker)]);
        assert!(refused.contains(&format!("for this one build with `--features {feature}`")), "{refused}");
    }
}

/// Why a process with this peers file does not start, and that it has left no store.
async fn start(peers: &str, settings: &[(&'static str, &str)]) -> String {
    let directory = Directory::new();
    let file = directory.0.join("peers.toml");
    fs::write(&file, peers).unwrap();
    let file = file.display().to_string();
    let config = config(&directory, &[&[("peers", &*file)], settings].concat());
    let options = Options { clock: Arc::new(manual_clock()), ..Options::default() };
    let started = App::start_with(config, options).await.map(|_| ());
    let error = started.expect_err("it cannot start");
    assert!(matches!(error, AppError::Split(_)), "{error}");
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1, "the peers file is all there is");
    error.to_string()
}

#[tokio::test]
async fn a_process_that_is_not_among_the_peers_starts_nothing() {
    let half = |name: &str, services: &[&str]| {
        format!("[[peer]]\nname = {name:?}\nurl = \"http://{name}\"\nservices = {services:?}\n")
    };
    let (first, second) = services::NAMES.split_at(4);
    let two = half("front", first) + &half("back", second);
    let refused = start(&two, &[]).await;
    assert!(refused.contains("has no peer with exactly the services of this process (identity, catalog,"), "{refused}");
    assert!(refused.contains("it has front with identity, catalog, inventory, carts; back with orders,"), "{refused}");
    let refused = start("[[peer]]\n", &[]).await;
    assert!(refused.contains("peers.toml, line 1: missing field `name`"), "{refused}");
}

#[test]
fn a_process_consumes_what_its_services_and_its_access_tokens_need_and_nothing_else() {
    let config = config(&Directory::new(), &[]);
    let of = |names: &[&'static str]| consumed(&config, names);
    let carts = of(&["carts"]);
    assert!(carts["identity"].contains("signing_key.published") && carts["identity"].contains("user.deleted"));
    assert!(!carts.contains_key("shipping") && !carts.contains_key("carts"));
    let identity = of(&["identity"]);
    assert_eq!(identity.values().map(BTreeSet::len).sum::<usize>(), 0, "{identity:?}");
    let query = of(&["query"]);
    let all = tradewind_events::registry().kinds().count();
    assert_eq!(query.values().map(BTreeSet::len).sum::<usize>(), all);
    assert!(of(&services::NAMES).is_empty());
}
