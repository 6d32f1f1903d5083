//! Delivery: in order, again until it is acknowledged, and then no more.

use std::collections::BTreeMap;

use super::{BrokerUnderTest, Ear, Manner, bodies, first_bodies, message, messages, publishes, topic};

const FIVE: [&str; 5] = ["1", "2", "3", "4", "5"];

pub fn messages_of_a_key_come_in_their_order(broker: &dyn BrokerUnderTest) {
    let (topics, group) = ([topic(broker, "left"), topic(broker, "right")], broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topics[0], &topics[1]]);
    let all: Vec<_> =
        (0..400).map(|nth| message(&topics[nth % 2], &format!("key-{}", nth % 14 / 2), &format!("{nth:03}"))).collect();
    let mut publisher = broker.connect();
    for chunk in all.chunks(37) {
        publishes(&mut *publisher, chunk);
    }
    let mut streams: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for heard in ear.takes(all.len()) {
        let body = bodies(std::slice::from_ref(&heard)).concat();
        streams.entry((heard.message.topic, heard.message.key)).or_default().push(body);
    }
    assert_eq!(streams.len(), 14);
    for (stream, heard) in streams {
        assert!(heard.is_sorted(), "{stream:?} came as {heard:?}");
    }
    ear.hears_nothing();
}

pub fn what_is_not_acknowledged_comes_again_to_a_consumer_that_starts_anew(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    publishes(&mut *broker.connect(), &messages(&topic, &FIVE));
    let heard = ear.hears(5);
    ear.acknowledges(&heard[..2]);
    for _ in 0..2 {
        drop(ear);
        ear = Ear::new(broker, &group, &[&topic]);
        let again = ear.hears(3);
        assert_eq!(bodies(&again), ["3", "4", "5"]);
        assert_eq!(again[0].position == heard[2].position, broker.differences().include(Manner::KeepsPositions));
    }
}

/// Whoever holds it still may get it again or not: nobody else has got it.
pub fn what_is_not_acknowledged_is_not_lost_with_the_connection(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let mut publisher = broker.connect();
    publishes(&mut *publisher, &messages(&topic, &FIVE));
    let heard = ear.hears(5);
    ear.acknowledges(&heard[..2]);
    broker.cut();
    publishes(&mut *publisher, &messages(&topic, &["6"]));
    let firsts = first_bodies(&ear.hears_until("6"));
    assert!(firsts == ["6"] || firsts == ["3", "4", "5", "6"], "{firsts:?}");
    broker.cut();
    drop(ear);
    let mut ear = Ear::new(broker, &group, &[&topic]);
    assert_eq!(first_bodies(&ear.hears_until("6")), ["3", "4", "5", "6"]);
}

pub fn what_is_acknowledged_does_not_come_again(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let mut publisher = broker.connect();
    publishes(&mut *publisher, &messages(&topic, &FIVE));
    assert_eq!(bodies(&ear.takes(5)), FIVE);
    ear.hears_nothing();
    drop(ear);
    let mut ear = Ear::new(broker, &group, &[&topic]);
    ear.hears_nothing();
    broker.cut();
    publishes(&mut *publisher, &messages(&topic, &["6"]));
    assert_eq!(bodies(&ear.hears_until("6")), ["6"]);
}

pub fn acknowledgements_come_in_any_order(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    publishes(&mut *broker.connect(), &messages(&topic, &FIVE));
    let heard = ear.hears(5);
    ear.acknowledges(&[heard[3].clone(), heard[1].clone()]);
    drop(ear);
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let expected: &[&str] =
        if broker.differences().include(Manner::AcknowledgesSingly) { &["1", "3", "5"] } else { &FIVE };
    let mut again = ear.hears(expected.len());
    assert_eq!(bodies(&again), expected);
    again.reverse();
    for one in again.chunks(1) {
        ear.acknowledges(one);
    }
    drop(ear);
    Ear::new(broker, &group, &[&topic]).hears_nothing();
}

pub fn an_acknowledgement_may_come_late_or_twice(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let mut publisher = broker.connect();
    publishes(&mut *publisher, &messages(&topic, &["1", "2", "3"]));
    let heard = ear.takes(3);
    ear.acknowledges(&heard);
    publishes(&mut *publisher, &messages(&topic, &["4", "5"]));
    let late = ear.hears(2);
    broker.cut();
    ear.acknowledges(&late);
    ear.acknowledges(&late);
    publishes(&mut *publisher, &messages(&topic, &["6"]));
    let heard = ear.hears_until("6");
    let firsts = first_bodies(&heard);
    assert!(firsts == ["4", "5", "6"] || firsts == ["6"], "late ones count or they do not: {firsts:?}");
    ear.acknowledges(&heard);
    drop(ear);
    Ear::new(broker, &group, &[&topic]).hears_nothing();
}
