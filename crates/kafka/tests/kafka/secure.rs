//! TLS and SASL: those who may get in do, and for the others the reason is named without the password.

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage};
use tradewind_kafka::{KafkaBroker, KafkaConfig, Sasl, SaslMechanism, Secret, Security, Tls};
use tradewind_testkit::broker_suite::BrokerUnderTest;

use crate::server::{Door, PASSWORD, QUIET, TRIES, USER, door};

fn tls(door: &Door) -> Option<Tls> {
    Some(Tls { ca_file: Some(door.server().folder.join("ca.pem")) })
}

fn sasl(mechanism: SaslMechanism, secret: &str) -> Option<Sasl> {
    Some(Sasl { mechanism, user: USER.to_owned(), secret: Secret::new(secret) })
}

fn broker(door: &Door, security: Security) -> KafkaBroker {
    let server = door.server();
    let address = if security.sasl.is_some() { &server.sasl_address } else { &server.tls_address };
    let config = KafkaConfig { security, bootstrap: vec![address.clone()], ..door.config() };
    KafkaBroker::new(config).expect("a build with TLS")
}

fn publish_and_hear(door: &Door, security: Security) {
    let (topic, group) = (door.name("topic"), door.name("group"));
    let mut broker = broker(door, security);
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
    let answer = broker(door, security).publish(&[BrokerMessage::new(topic, "{}")]);
    let Err((0, BrokerError::Unavailable(reason))) = answer else { panic!("an error was expected, not {answer:?}") };
    reason
}

#[test]
fn connections_are_encrypted_and_the_broker_is_verified() {
    let door = door();
    publish_and_hear(&door, Security { tls: tls(&door), sasl: None });
    let reason = reason(&door, Security { tls: Some(Tls::default()), sasl: None });
    assert!(reason.contains("certificate"), "{reason}");
}

#[test]
fn a_user_logs_in_with_each_mechanism() {
    for mechanism in [SaslMechanism::Plain, SaslMechanism::ScramSha256, SaslMechanism::ScramSha512] {
        let door = door();
        publish_and_hear(&door, Security { tls: tls(&door), sasl: sasl(mechanism, PASSWORD) });
    }
}

#[test]
fn a_wrong_password_is_named_and_not_told() {
    for mechanism in [SaslMechanism::Plain, SaslMechanism::ScramSha512] {
        let door = door();
        let reason = reason(&door, Security { tls: tls(&door), sasl: sasl(mechanism, "wr0ng") });
        assert!(reason.contains("uthentication failed") && !reason.contains("wr0ng"), "{reason}");
    }
}
