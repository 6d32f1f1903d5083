//! TLS and SASL: those who may get in do, and for the others the reason is named without the password.

use std::time::Duration;

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage};
use tradewind_kafka::{KafkaBroker, KafkaConfig, Sasl, SaslMechanism, Secret, Security, Tls};
use tradewind_testkit::broker_suite::BrokerUnderTest;

use crate::server::{Door, PASSWORD, QUIET, TRIES, USER, door};

fn tls(door: &Door) -> Tls {
    Tls { ca_file: Some(door.server().folder.join("ca.pem")) }
}

fn sasl(mechanism: SaslMechanism, secret: &str) -> Sasl {
    Sasl { mechanism, user: USER.to_owned(), secret: Secret::new(secret) }
}

fn broker(door: &Door, security: Security, config: KafkaConfig) -> KafkaBroker {
    let server = door.server();
    let address = match (&security.tls, &security.sasl) {
        (_, None) => &server.tls_address,
        (Some(_), Some(_)) => &server.sasl_address,
        (None, Some(_)) => &server.sasl_plain_address,
    };
    let config = KafkaConfig { security, bootstrap: vec![address.clone()], ..config };
    KafkaBroker::new(config).expect("a build with TLS")
}

fn publish_and_hear(door: &Door, security: Security) {
    let (topic, group) = (door.name("topic"), door.name("group"));
    let mut broker = broker(door, security, door.config());
    broker.publish(&[BrokerMessage::new(&*topic, "{}").with_key("key")]).expect("published");
    let mut subscription = broker.subscribe(&group, &[topic]).expect("it connects later");
    let heard = (0..TRIES).any(|_| {
        let messages = subscription.poll(10, QUIET).expect("the broker answers");
        let positions: Vec<_> = messages.into_iter().map(|incoming| incoming.position).collect();
        subscription.acknowledge(&positions).expect("acknowledged");
        !positions.is_empty()
    });
    assert!(heard);
}

fn reason(door: &Door, security: Security) -> String {
    let topic = door.name("topic");
    // It does not come in: it tries until then.
    let waits = Duration::from_secs(15);
    let config = KafkaConfig { answer_within: waits, publish_within: waits, ..door.config() };
    let answer = broker(door, security, config).publish(&[BrokerMessage::new(topic, "{}")]);
    let Err((0, BrokerError::Unavailable(reason))) = answer else { panic!("an error was expected, not {answer:?}") };
    reason
}

#[test]
fn connections_are_encrypted_and_the_broker_is_verified() {
    let door = door();
    publish_and_hear(&door, Security { tls: Some(tls(&door)), sasl: None });
    let reason = reason(&door, Security { tls: Some(Tls::default()), sasl: None });
    assert!(reason.contains("certificate"), "{reason}");
}

#[test]
fn a_user_logs_in_with_each_mechanism() {
    for mechanism in [SaslMechanism::Plain, SaslMechanism::ScramSha256, SaslMechanism::ScramSha512] {
        let door = door();
        publish_and_hear(&door, Security { tls: Some(tls(&door)), sasl: Some(sasl(mechanism, PASSWORD)) });
        publish_and_hear(&door, Security { tls: None, sasl: Some(sasl(mechanism, PASSWORD)) });
    }
}

#[test]
fn a_wrong_password_is_named_and_not_told() {
    for mechanism in [SaslMechanism::Plain, SaslMechanism::ScramSha512] {
        let door = door();
        let reason = reason(&door, Security { tls: Some(tls(&door)), sasl: Some(sasl(mechanism, "wr0ng")) });
        assert!(reason.contains("uthentication failed") && !reason.contains("wr0ng"), "{reason}");
        let without_tls = Security { tls: None, sasl: Some(sasl(mechanism, "wr0ng")) };
        let reason = self::reason(&door, without_tls);
        assert!(reason.contains("uthentication failed") && !reason.contains("wr0ng"), "{reason}");
    }
}
