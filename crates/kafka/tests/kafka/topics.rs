//! Topics: created as they are configured, checked, and never changed.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    producer::{BaseProducer, Producer},
};
use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage};
use tradewind_kafka::{KafkaBroker, KafkaConfig, TopicSettings};
use tradewind_testkit::broker_suite::BrokerUnderTest;

use crate::server::{Door, door, wait};

/// An administrator, who goes around the proxies.
pub struct Administrator {
    client: AdminClient<DefaultClientContext>,
    address: String,
}

impl Administrator {
    pub fn of(door: &Door) -> Self {
        let address = door.server().address.clone();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &address);
        Self { client: config.create().expect("an administrator's client"), address }
    }

    pub fn create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        let created = wait(self.client.create_topics([&new], &AdminOptions::new())).expect("an answer");
        assert!(created.iter().all(Result::is_ok), "{created:?}");
    }

    pub fn delete(&self, topic: &str) {
        let deleted = wait(self.client.delete_topics(&[topic], &AdminOptions::new())).expect("an answer");
        assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    }

    pub fn add_partitions(&self, topic: &str, partitions: usize) {
        let new = [NewPartitions::new(topic, partitions)];
        let added = wait(self.client.create_partitions(&new, &AdminOptions::new())).expect("an answer");
        assert!(added.iter().all(Result::is_ok), "{added:?}");
    }

    /// What is not said here gets its default.
    pub fn set(&self, topic: &str, name: &str, value: &str) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(name, value);
        let change = change.set("retention.ms", "518400000").set("segment.ms", "86400000");
        let changed = wait(self.client.alter_configs([&change], &AdminOptions::new())).expect("an answer");
        assert!(changed.iter().all(Result::is_ok), "{changed:?}");
    }

    pub fn setting(&self, topic: &str, name: &str) -> String {
        let asked = [ResourceSpecifier::Topic(topic)];
        let mut found = wait(self.client.describe_configs(&asked, &AdminOptions::new())).expect("an answer");
        let found = found.pop().expect("a topic").expect("its settings");
        found.get(name).and_then(|entry| entry.value.clone()).expect("a setting")
    }

    pub fn partitions(&self, topic: &str) -> usize {
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &self.address).create().expect("one");
        let metadata = producer.client().fetch_metadata(Some(topic), Duration::from_secs(20)).expect("an answer");
        metadata.topics()[0].partitions().len()
    }
}

fn with(door: &Door, change: impl FnOnce(&mut KafkaConfig)) -> KafkaBroker {
    let mut config = door.config();
    change(&mut config);
    KafkaBroker::new(config).expect("a configuration without TLS")
}

fn publish(broker: &mut KafkaBroker, topic: &str) -> Result<(), (usize, BrokerError)> {
    broker.publish(&[BrokerMessage::new(topic, "{}").with_key("key")])
}

#[track_caller]
fn assert_refused(answer: Result<(), (usize, BrokerError)>, topic: &str, says: &str) {
    let Err((0, BrokerError::Refused(reason))) = answer else { panic!("a refusal was expected, not {answer:?}") };
    assert!(reason.contains(topic) && reason.contains(says), "{reason}");
}

#[test]
fn a_topic_that_is_missing_is_created_as_it_is_configured() {
    let door = door();
    let topic = door.name("new");
    let settings = TopicSettings {
        partitions: 5,
        retention: Duration::from_secs(7_000),
        segment: Duration::from_mins(15),
        message_bytes_max: 100_000,
        ..door.config().topics
    };
    publish(&mut with(&door, |config| config.topics = settings), &topic).expect("published");
    let administrator = Administrator::of(&door);
    assert_eq!(administrator.partitions(&topic), 5);
    for (name, value) in [
        ("retention.ms", "7000000"),
        ("segment.ms", "900000"),
        ("max.message.bytes", "100000"),
        ("min.insync.replicas", "1"),
        ("cleanup.policy", "delete"),
    ] {
        assert_eq!(administrator.setting(&topic, name), value, "{name}");
    }
}

#[test]
fn a_topic_may_have_to_be_there() {
    let door = door();
    let topic = door.name("missing");
    let answer = publish(&mut with(&door, |config| config.topics.create = false), &topic);
    assert_refused(answer, &topic, "`create_topics=true`");
}

#[test]
fn too_few_brokers_are_named_with_what_to_configure() {
    let door = door();
    let topic = door.name("new");
    let answer = publish(&mut with(&door, |config| config.topics.replication = 3), &topic);
    assert_refused(answer, &topic, "`replication` and `min_insync_replicas`");
}

#[test]
fn a_topic_that_would_lose_messages_is_refused_and_not_changed() {
    let door = door();
    let administrator = Administrator::of(&door);
    let large = ("max.message.bytes", "2097152");
    for (name, setting, says) in [
        ("compacted", ("cleanup.policy", "compact"), "cleanup.policy=delete"),
        ("small", ("max.message.bytes", "1000"), "`message_bytes_max` demands 2097152"),
    ] {
        let topic = door.name(name);
        administrator.create(&topic, 1, &[large, setting]);
        let mut broker = door.broker();
        assert_refused(publish(&mut broker, &topic), &topic, says);
        assert_eq!(administrator.setting(&topic, setting.0), setting.1);
        // It is looked at again, once somebody has mended it.
        administrator.set(&topic, "max.message.bytes", "2097152");
        publish(&mut broker, &topic).expect("published");
    }
    let topic = door.name("one-copy");
    administrator.create(&topic, 1, &[large]);
    let answer = publish(&mut with(&door, |config| config.topics.replication = 2), &topic);
    assert_refused(answer, &topic, "`replication` demands 2");
}

#[test]
fn a_topic_that_outlives_the_inbox_is_not_consumed() {
    let door = door();
    let administrator = Administrator::of(&door);
    let day = ("segment.ms", "86400000");
    for (name, setting, says) in [
        ("for-ever", ("retention.ms", "-1"), "retention.ms=-1"),
        ("compacted", ("cleanup.policy", "compact"), "is compacted"),
        ("long", ("retention.ms", "604800000"), "the inbox remembers"),
    ] {
        let topic = door.name(name);
        administrator.create(&topic, 1, &[day, setting]);
        let broker = door.broker();
        let topics = std::slice::from_ref(&topic);
        if name != "long" {
            let answer = broker.retention(topics);
            assert!(matches!(&answer, Err(BrokerError::Refused(reason)) if reason.contains(says)), "{answer:?}");
        }
        let mut subscription = broker.subscribe(&door.name("group"), topics).expect("it connects later");
        for _ in 0..2 {
            let answer = subscription.poll(1, Duration::ZERO);
            assert!(matches!(&answer, Err(BrokerError::Refused(reason)) if reason.contains(says)), "{answer:?}");
        }
    }
    let topic = door.name("week");
    administrator.create(&topic, 1, &[day, ("retention.ms", "518400000")]);
    let week = Duration::from_hours(7 * 24);
    assert_eq!(door.broker().retention(&[topic, door.name("missing")]), Ok(Some(week)));
}
