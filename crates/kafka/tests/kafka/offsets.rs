//! Offsets: what an operator sets back comes again, and what is gone stops the subscription until it is skipped.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer},
};
use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage, Incoming, Subscription};
use tradewind_kafka::{Gap, GapReason, KafkaBroker};
use tradewind_testkit::broker_suite::BrokerUnderTest;

use crate::{
    server::{Door, QUIET, TRIES, door, wait},
    topics::Administrator,
};

/// A topic with one partition, and a group that consumes it.
struct World {
    door: Door,
    administrator: Administrator,
    broker: KafkaBroker,
    topic: String,
    group: String,
}

impl World {
    fn new() -> Self {
        let door = door();
        let (topic, group) = (door.name("topic"), door.name("group"));
        let world = Self { administrator: Administrator::of(&door), broker: door.broker(), topic, group, door };
        world.create();
        world
    }

    fn create(&self) {
        let settings = [("max.message.bytes", "2097152"), ("retention.ms", "518400000"), ("segment.ms", "86400000")];
        self.administrator.create(&self.topic, 1, &settings);
    }

    fn publish(&mut self, bodies: std::ops::Range<u32>) {
        let messages: Vec<_> =
            bodies.map(|body| BrokerMessage::new(&*self.topic, body.to_string()).with_key("key")).collect();
        self.broker.publish(&messages).expect("published");
    }

    fn subscribe(&self) -> Box<dyn Subscription> {
        self.broker.subscribe(&self.group, std::slice::from_ref(&self.topic)).expect("it connects later")
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.door.server().address).set("group.id", &self.group);
        config
    }

    /// As `kafka-consumer-groups --reset-offsets` does.
    fn set_back(&self, offset: i64) {
        let consumer: BaseConsumer = self.config().create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, 0, Offset::Offset(offset)).expect("an offset");
        consumer.commit(&list, CommitMode::Sync).expect("committed");
    }

    /// What the group's offset is at the broker.
    fn committed(&self) -> Offset {
        let consumer: BaseConsumer = self.config().create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, 0);
        let answer = consumer.committed_offsets(list, Duration::from_secs(20)).expect("an answer");
        answer.elements()[0].offset()
    }

    /// As when retention has passed.
    fn delete_records_before(&self, offset: i64) {
        let client: AdminClient<DefaultClientContext> = self.config().create().expect("a client");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, 0, Offset::Offset(offset)).expect("an offset");
        wait(client.delete_records(&list, &AdminOptions::new())).expect("deleted");
    }

    fn gap(&self, read_to: i64, continues_at: i64, reason: GapReason) -> Gap {
        Gap { topic: self.topic.clone(), partition: 0, read_to, continues_at, reason }
    }
}

fn bodies(messages: &[Incoming]) -> Vec<u32> {
    let body = |incoming: &Incoming| str::from_utf8(incoming.message.body()).expect("text").parse().expect("a number");
    messages.iter().map(body).collect()
}

fn takes(subscription: &mut dyn Subscription, count: usize) -> Vec<u32> {
    let mut taken = Vec::new();
    for _ in 0..TRIES {
        if taken.len() >= count {
            break;
        }
        let some = subscription.poll(count, QUIET).expect("the broker answers");
        let positions: Vec<_> = some.iter().map(|incoming| incoming.position.clone()).collect();
        subscription.acknowledge(&positions).expect("acknowledged");
        taken.extend(bodies(&some));
    }
    taken
}

/// Polls until the subscription stops.
fn stops(subscription: &mut dyn Subscription) -> String {
    for _ in 0..TRIES {
        match subscription.poll(1, QUIET) {
            Err(BrokerError::Refused(reason)) => return reason,
            Err(BrokerError::Unavailable(_)) => {}
            Ok(messages) => assert_eq!(bodies(&messages), [0; 0], "nothing comes that has to wait"),
        }
    }
    panic!("it does not stop")
}

#[test]
fn what_an_operator_has_set_back_comes_again() {
    let mut world = World::new();
    world.publish(0..5);
    assert_eq!(takes(&mut *world.subscribe(), 5), [0, 1, 2, 3, 4]);
    assert_eq!(world.committed(), Offset::Offset(5));
    world.set_back(0);
    let mut subscription = world.subscribe();
    assert_ne!(subscription.caught_up(), Ok(true));
    assert_eq!(takes(&mut *subscription, 5), [0, 1, 2, 3, 4]);
    assert_eq!(subscription.caught_up(), Ok(true));
}

#[test]
fn messages_that_are_gone_stop_the_subscription_until_they_are_skipped() {
    let mut world = World::new();
    world.publish(0..10);
    assert_eq!(takes(&mut *world.subscribe(), 2), [0, 1]);
    world.set_back(2);
    world.delete_records_before(6);
    let mut subscription = world.subscribe();
    for _ in 0..2 {
        let reason = stops(&mut *subscription);
        let says = format!("4 messages of {}/0 are gone, from offset 2 to 5", world.topic);
        assert!(reason.contains(&says), "{reason}");
    }
    let gaps = world.broker.gaps();
    let found = gaps.of(&world.group);
    assert_eq!(found, [world.gap(2, 6, GapReason::Removed)]);
    let other = [Gap { continues_at: 9, ..found[0].clone() }];
    assert!(matches!(gaps.skip(&world.group, &other), Err(BrokerError::Refused(_))), "another gap than there is");
    assert_eq!(world.committed(), Offset::Offset(2), "nothing was moved");
    gaps.skip(&world.group, &found).expect("skipped");
    assert_eq!(takes(&mut *subscription, 4), [6, 7, 8, 9]);
    assert_eq!(gaps.of(&world.group), []);
}

#[test]
fn messages_that_go_while_the_subscription_is_away_from_the_broker_stop_it() {
    let mut world = World::new();
    world.publish(0..2);
    let mut subscription = world.subscribe();
    assert_eq!(takes(&mut *subscription, 2), [0, 1]);
    world.door.set_reachable(false);
    let mut producer = KafkaBroker::new({
        let mut config = world.door.config();
        config.bootstrap = vec![world.door.server().address.clone()];
        config
    })
    .expect("a configuration without TLS");
    let messages: Vec<_> =
        (2..8).map(|body: u32| BrokerMessage::new(&*world.topic, body.to_string()).with_key("key")).collect();
    producer.publish(&messages).expect("published");
    world.delete_records_before(5);
    world.door.set_reachable(true);
    let reason = stops(&mut *subscription);
    assert!(reason.contains("3 messages of"), "{reason}");
    world.broker.gaps().skip(&world.group, &[world.gap(2, 5, GapReason::Removed)]).expect("skipped");
    assert_eq!(takes(&mut *subscription, 3), [5, 6, 7]);
}

#[test]
fn a_topic_that_is_deleted_stops_the_subscription_until_that_is_skipped() {
    let mut world = World::new();
    world.publish(0..3);
    let mut subscription = world.subscribe();
    assert_eq!(takes(&mut *subscription, 3), [0, 1, 2]);
    world.administrator.delete(&world.topic);
    let reason = stops(&mut *subscription);
    assert!(reason.contains("deleted and created again"), "{reason}");
    // Whoever publishes goes on with a topic that is created again.
    let messages = [BrokerMessage::new(&*world.topic, "3").with_key("key")];
    assert!((0..TRIES).any(|_| world.broker.publish(&messages).is_ok()), "it can be published to again");
    stops(&mut *subscription);
    let gaps = world.broker.gaps();
    let found = gaps.of(&world.group);
    assert!(found.contains(&world.gap(3, 0, GapReason::CreatedAgain)), "{found:?}");
    gaps.skip(&world.group, &found).expect("skipped");
    assert_eq!(takes(&mut *subscription, 1), [3]);
}

#[test]
fn a_group_that_has_read_nothing_knows_where_it_began() {
    let mut world = World::new();
    let mut subscription = world.subscribe();
    assert_eq!(subscription.poll(0, QUIET), Ok(Vec::new()));
    assert_eq!(world.committed(), Offset::Offset(0));
    drop(subscription);
    world.publish(0..3);
    world.delete_records_before(2);
    let reason = stops(&mut *world.subscribe());
    assert!(reason.contains("2 messages of"), "{reason}");
}
