//! Trouble: messages that no consumer can use, and brokers and connections that stop and come back.

use tradewind_engine::ports::{BrokerError, BrokerMessage, HeaderValue};

use super::{BrokerUnderTest, Ear, Manner, bodies, first_bodies, message, messages, publishes, topic, tries};

/// Bytes of a large message, which is more than some brokers take.
const LARGE_BYTES: usize = 10 * 1_024 * 1_024;

/// How deep JSON is nested that no parser takes.
const DEEP: usize = 10_000;

/// A broker carries bytes, and what they mean is the business of who receives them.
pub fn poison_is_carried_or_refused_and_what_comes_after_it_goes_on(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let poison = [
        message(&topic, "key", ""),
        BrokerMessage { body: None, ..message(&topic, "key", "") },
        BrokerMessage::new(&*topic, vec![b' '; LARGE_BYTES]).with_key("key"),
        BrokerMessage::new(&*topic, [vec![b'['; DEEP], vec![b']'; DEEP]].concat()).with_key("key"),
        BrokerMessage::new(&*topic, [0, 159, 146, 150]).with_key("key"),
        BrokerMessage::new(&*topic, "binary key").with_key([0, 255, 254]),
        message(&topic, "key", "binary header").with_header("h", [0, 255, 254]),
        BrokerMessage { headers: vec![(String::new(), HeaderValue::Void)], ..message(&topic, "key", "no name") },
        message(&topic, "", "empty key"),
        BrokerMessage::new(&*topic, "no key"),
    ];
    let mut publisher = broker.connect();
    let mut carried = Vec::new();
    for message in poison {
        // A broker that cannot be reached just now is asked again.
        let answers = tries().map(|_| publisher.publish(std::slice::from_ref(&message)));
        let mut answers = answers.skip_while(|answer| matches!(answer, Err((_, BrokerError::Unavailable(_)))));
        match answers.next() {
            Some(Ok(())) => carried.push(message),
            Some(Err((0, BrokerError::Refused(_)))) => {}
            other => panic!("{} bytes: {other:?}", message.bytes()),
        }
    }
    assert!(carried.len() >= 5, "{} of ten are carried", carried.len());
    publishes(&mut *publisher, &messages(&topic, &["end"]));
    let mut received = ear.takes(carried.len() + 1);
    let end = received.iter().position(|heard| heard.message.body() == b"end").map(|end| received.remove(end));
    assert!(end.is_some(), "what comes after them");
    for sent in &carried {
        let at = received.iter().position(|heard| {
            let time = sent.time.and(heard.message.time);
            BrokerMessage { time, ..heard.message.clone() } == *sent
        });
        drop(received.remove(at.unwrap_or_else(|| panic!("a message of {} bytes has changed", sent.bytes()))));
    }
}

pub fn a_frozen_connection_is_an_error_and_loses_nothing_when_it_thaws(broker: &dyn BrokerUnderTest) {
    if !broker.differences().include(Manner::HasConnections) {
        return;
    }
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let mut publisher = broker.connect();
    publishes(&mut *publisher, &messages(&topic, &["1", "2"]));
    let heard = ear.hears(2);
    ear.acknowledges(&heard[..1]);
    broker.freeze(true);
    let failed = publisher.publish(&messages(&topic, &["3", "4"]));
    assert!(matches!(failed, Err((0, BrokerError::Unavailable(_)))), "nothing is answered: {failed:?}");
    broker.freeze(false);
    publishes(&mut *publisher, &messages(&topic, &["3", "4"]));
    publishes(&mut *publisher, &messages(&topic, &["5"]));
    let firsts = first_bodies(&ear.hears_until("5"));
    assert!(firsts == ["3", "4", "5"] || firsts == ["2", "3", "4", "5"], "{firsts:?}");
    drop(ear);
    let firsts = first_bodies(&Ear::new(broker, &group, &[&topic]).hears_until("5"));
    assert_eq!(firsts, ["2", "3", "4", "5"]);
}

pub fn a_broker_that_restarts_loses_nothing(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let mut publisher = broker.connect();
    publishes(&mut *publisher, &messages(&topic, &["1", "2", "3"]));
    let heard = ear.hears(3);
    ear.acknowledges(&heard[..1]);
    broker.restart();
    publishes(&mut *publisher, &messages(&topic, &["4"]));
    let firsts = first_bodies(&ear.hears_until("4"));
    assert!(firsts == ["4"] || firsts == ["2", "3", "4"], "{firsts:?}");
    drop(ear);
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let heard = ear.hears_until("4");
    assert_eq!(first_bodies(&heard), ["2", "3", "4"]);
    ear.acknowledges(&heard);
    drop(ear);
    Ear::new(broker, &group, &[&topic]).hears_nothing();
}

pub fn an_acknowledgement_without_a_connection_loses_nothing(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let mut publisher = broker.connect();
    publishes(&mut *publisher, &messages(&topic, &["1", "2", "3"]));
    let heard = ear.hears(3);
    broker.set_reachable(false);
    let positions: Vec<_> = heard.iter().map(|heard| heard.position.clone()).collect();
    for _ in 0..2 {
        // It says that it cannot, or passes them over.
        drop(ear.subscription.acknowledge(&positions));
        assert!(tries().any(|_| ear.subscription.poll(0, ear.quiet).is_err()), "it is not reached");
    }
    broker.set_reachable(true);
    ear.acknowledges(&heard);
    publishes(&mut *publisher, &messages(&topic, &["4"]));
    let late = ear.hears_until("4");
    let firsts = first_bodies(&late);
    assert!(firsts == ["4"] || firsts == ["1", "2", "3", "4"], "they count or they do not: {firsts:?}");
    ear.acknowledges(&late);
    drop(ear);
    Ear::new(broker, &group, &[&topic]).hears_nothing();
}

pub fn ten_connections_lost_with_a_message_out_lose_nothing_and_keep_the_order(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let mut publisher = broker.connect();
    publishes(&mut *publisher, &messages(&topic, &["1", "2", "3"]));
    for nth in 0..10 {
        let firsts = first_bodies(&ear.hears_until("3"));
        assert_eq!(firsts, ["1", "2", "3"], "after {nth} lost connections");
        broker.cut();
        drop(ear);
        ear = Ear::new(broker, &group, &[&topic]);
    }
    publishes(&mut *publisher, &messages(&topic, &["4"]));
    let heard = ear.hears_until("4");
    assert_eq!(first_bodies(&heard), ["1", "2", "3", "4"]);
    assert_eq!(bodies(&heard).len(), 4, "nothing comes twice on a connection that holds");
}
