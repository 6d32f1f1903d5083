//! Faults of a broker and of its messages: nothing is lost, nothing comes out of order, and publishing goes on.

use std::{collections::BTreeMap, time::Duration};

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage, Incoming, Subscription};
use tradewind_kafka::{KafkaBroker, KafkaConfig};
use tradewind_testkit::broker_suite::{self, BrokerUnderTest};

use crate::{
    server::{Door, QUIET, TRIES, door, own_door},
    topics::Administrator,
};

fn messages(topic: &str, bodies: std::ops::Range<u32>) -> Vec<BrokerMessage> {
    bodies.map(|body| BrokerMessage::new(topic, format!("{body:05}")).with_key(format!("key-{}", body % 5))).collect()
}

/// Publishes, and again what was not acknowledged, as the relay does. Gives how often that failed.
fn publishes(broker: &mut dyn Broker, messages: &[BrokerMessage]) -> usize {
    let mut done = 0;
    for failures in 0..TRIES {
        match broker.publish(&messages[done..]) {
            Ok(()) => return failures,
            Err((more, _)) => done += more,
        }
    }
    panic!("{done} of {} messages could be published", messages.len())
}

fn hears(subscription: &mut dyn Subscription, done: impl Fn(&[Incoming]) -> bool) -> Vec<Incoming> {
    let (mut heard, mut trouble) = (Vec::new(), None);
    for _ in 0..TRIES {
        if done(&heard) {
            return heard;
        }
        let some = subscription.poll(1_000, QUIET).unwrap_or_else(|error| {
            trouble = Some(error);
            Vec::new()
        });
        let positions: Vec<_> = some.iter().map(|incoming| incoming.position.clone()).collect();
        // What cannot be acknowledged comes again or not: neither is wrong.
        drop(subscription.acknowledge(&positions));
        heard.extend(some);
    }
    let positions: Vec<_> = heard.iter().map(|incoming| &*incoming.position.0).collect();
    panic!("what is expected does not come, but these: {positions:?}; the last error: {trouble:?}")
}

/// Each body once, where it came first, by its key.
fn streams(heard: &[Incoming]) -> BTreeMap<Vec<u8>, Vec<String>> {
    let mut streams: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    for Incoming { message, .. } in heard {
        let key = message.key.clone().map(|key| key.0).unwrap_or_default();
        let stream = streams.entry(key).or_default();
        let body = String::from_utf8_lossy(message.body()).into_owned();
        if !stream.contains(&body) {
            stream.push(body);
        }
    }
    streams
}

fn expected(bodies: std::ops::Range<u32>) -> BTreeMap<Vec<u8>, Vec<String>> {
    let mut streams: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    for body in bodies {
        streams.entry(format!("key-{}", body % 5).into_bytes()).or_default().push(format!("{body:05}"));
    }
    streams
}

fn impatient(door: &Door) -> KafkaBroker {
    let waits = Duration::from_secs(1);
    let config = KafkaConfig { publish_within: waits, answer_within: Duration::from_secs(2), ..door.config() };
    KafkaBroker::new(config).expect("a configuration without TLS")
}

/// O26: a finite message timeout would leave gaps.
#[test]
fn a_frozen_broker_that_thaws_has_no_gap_and_keeps_the_order() {
    let door = door();
    let (topic, group) = (door.name("topic"), door.name("group"));
    let mut broker = impatient(&door);
    let topics = std::slice::from_ref(&topic);
    let mut subscription = broker.subscribe(&group, topics).expect("it connects later");
    publishes(&mut broker, &messages(&topic, 0..100));
    for round in 1..4 {
        let next = messages(&topic, round * 100..round * 100 + 100);
        door.proxy().freeze(true);
        // The proxy and the sockets take it; nobody answers.
        let failed = broker.publish(&next);
        assert!(matches!(failed, Err((0, BrokerError::Unavailable(_)))), "{failed:?}");
        let again = broker.publish(&next[..50]);
        assert!(matches!(again, Err((0, BrokerError::Unavailable(_)))), "{again:?}");
        door.proxy().freeze(false);
        publishes(&mut broker, &next);
    }
    let end = BrokerMessage::new(&*topic, "00400").with_key("key-0");
    publishes(&mut broker, std::slice::from_ref(&end));
    let all = expected(0..401);
    let heard = hears(&mut *subscription, |heard| streams(heard) == all || heard.len() > 4_000);
    assert_eq!(streams(&heard), all, "in the order of each key, without a gap");
}

#[test]
fn a_silent_broker_is_an_error_for_whoever_polls_or_acknowledges_and_no_empty_poll() {
    let door = door();
    let (topic, group) = (door.name("topic"), door.name("group"));
    let mut broker = impatient(&door);
    let mut subscription = broker.subscribe(&group, std::slice::from_ref(&topic)).expect("it connects later");
    publishes(&mut broker, &messages(&topic, 0..10));
    let mut positions = Vec::new();
    for _ in 0..TRIES {
        let some = subscription.poll(10, QUIET).unwrap_or_default();
        positions.extend(some.into_iter().map(|incoming| incoming.position));
        if positions.len() == 10 {
            break;
        }
    }
    door.proxy().freeze(true);
    let noticed = (0..TRIES).any(|_| matches!(subscription.poll(10, QUIET), Err(BrokerError::Unavailable(_))));
    assert!(noticed, "a broker that does not answer is noticed");
    for _ in 0..2 {
        let answer = subscription.acknowledge(&positions);
        assert!(matches!(answer, Err(BrokerError::Unavailable(_))), "{answer:?}");
    }
    let answer = subscription.poll(0, Duration::ZERO);
    assert!(matches!(answer, Err(BrokerError::Unavailable(_))), "{answer:?}");
    assert_ne!(subscription.caught_up(), Ok(true));
    door.proxy().freeze(false);
    assert!((0..TRIES).any(|_| subscription.acknowledge(&positions).is_ok()), "it takes them, or passes them over");
    publishes(&mut broker, &messages(&topic, 10..20));
    drop(subscription);
    let mut subscription = broker.subscribe(&group, &[topic]).expect("it connects later");
    let heard = hears(&mut *subscription, |heard| streams(heard) == expected(10..20));
    assert!(
        heard.iter().all(|incoming| incoming.message.body() >= b"00010"),
        "what was acknowledged does not come again"
    );
}

#[test]
fn a_broker_that_is_out_of_reach_is_an_error_for_whoever_polls() {
    let door = door();
    let (topic, group) = (door.name("topic"), door.name("group"));
    let mut broker = impatient(&door);
    let mut subscription = broker.subscribe(&group, std::slice::from_ref(&topic)).expect("it connects later");
    publishes(&mut broker, &messages(&topic, 0..10));
    hears(&mut *subscription, |heard| heard.len() == 10);
    door.set_reachable(false);
    assert!((0..TRIES).any(|_| subscription.poll(10, QUIET).is_err()), "it is noticed");
    for _ in 0..2 {
        assert!(subscription.poll(10, QUIET).is_err(), "and stays an error");
        assert!(subscription.poll(0, Duration::ZERO).is_err());
    }
    door.set_reachable(true);
    publishes(&mut broker, &messages(&topic, 10..20));
    let heard = hears(&mut *subscription, |heard| heard.len() >= 10);
    assert_eq!(streams(&heard), expected(10..20));
}

/// Bytes that cannot be compressed.
fn noise(bytes: usize) -> Vec<u8> {
    let mut seed = 1_u32;
    let next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// O27: after a fatal error a producer never sends again. A broker that refuses a message is one, because what follows in
/// the same partition must not overtake it.
#[test]
fn a_message_that_the_broker_refuses_is_overtaken_by_none_and_publishing_goes_on() {
    let door = door();
    let (topic, group) = (door.name("topic"), door.name("group"));
    let mut broker = door.broker();
    let mut subscription = broker.subscribe(&group, std::slice::from_ref(&topic)).expect("it connects later");
    let message = |body: Vec<u8>| BrokerMessage::new(&*topic, body).with_key("key");
    broker.publish(&[message(b"first".to_vec())]).expect("published");
    // The adapter has looked at the topic before that.
    Administrator::of(&door).set(&topic, "max.message.bytes", "1200000");
    // Each is a batch of its own, and all are on their way at the same time.
    let sizes = [1_500_000, 900_001, 900_002, 900_003];
    let all = sizes.map(|size| message(noise(size)));
    let answer = broker.publish(&all);
    let Err((0, BrokerError::Refused(reason))) = answer else { panic!("a refusal was expected, not {answer:?}") };
    assert!(reason.contains(&topic) && reason.contains("15000"), "{reason}");
    let answer = broker.publish(&all);
    let Err((0, BrokerError::Refused(reason))) = answer else { panic!("a refusal was expected, not {answer:?}") };
    assert!(reason.contains("max.message.bytes=1200000"), "the topic is looked at again: {reason}");
    Administrator::of(&door).set(&topic, "max.message.bytes", "2097152");
    publishes(&mut broker, &all);
    let heard = hears(&mut *subscription, |heard| heard.len() >= 5);
    let heard: Vec<usize> = heard.iter().map(|incoming| incoming.message.body().len()).collect();
    assert_eq!(heard, [5, 1_500_000, 900_001, 900_002, 900_003], "nothing has overtaken the large one");
}

/// The process ends and another one goes on with its files.
#[test]
fn a_broker_that_stops_and_starts_again_loses_nothing() {
    broker_suite::a_broker_that_restarts_loses_nothing(&own_door());
}

#[test]
fn a_call_that_is_larger_than_the_producers_queue_is_published_whole() {
    let door = door();
    let (topic, group) = (door.name("topic"), door.name("group"));
    let mut broker = door.broker();
    let body = noise(1_000_000);
    let message =
        |nth: u32| BrokerMessage::new(&*topic, body.clone()).with_key("key").with_header("nth", nth.to_string());
    let all: Vec<_> = (0..20).map(message).collect();
    assert_eq!(broker.publish(&all), Ok(()));
    let mut subscription = broker.subscribe(&group, &[topic]).expect("it connects later");
    let heard = hears(&mut *subscription, |heard| heard.len() >= all.len());
    let nth = |incoming: &Incoming| incoming.message.header("nth").and_then(|nth| nth.parse().ok());
    assert_eq!(heard.iter().map(nth).collect::<Option<Vec<u32>>>(), Some((0..20).collect()), "each once, in order");
}

#[test]
fn a_subscription_that_takes_nothing_for_long_loses_nothing() {
    let door = door();
    let (topic, group) = (door.name("topic"), door.name("group"));
    let mut broker = door.broker();
    publishes(&mut broker, &messages(&topic, 0..3_000));
    let mut subscription = broker.subscribe(&group, &[topic]).expect("it connects later");
    for _ in 0..20 {
        assert_eq!(subscription.poll(0, Duration::ZERO).unwrap_or_default(), []);
    }
    assert_eq!(subscription.caught_up(), Ok(false));
    let heard = hears(&mut *subscription, |heard| heard.len() >= 3_000);
    assert_eq!(streams(&heard), expected(0..3_000));
    assert_eq!(subscription.caught_up(), Ok(true));
}

#[test]
fn partitions_that_are_added_are_found() {
    let door = door();
    let (topic, group) = (door.name("topic"), door.name("group"));
    let config = KafkaConfig { partitions_every: Duration::from_secs(1), ..door.config() };
    let mut broker = KafkaBroker::new(config).expect("a configuration without TLS");
    let mut subscription = broker.subscribe(&group, std::slice::from_ref(&topic)).expect("it connects later");
    publishes(&mut broker, &messages(&topic, 0..10));
    hears(&mut *subscription, |heard| heard.len() == 10);
    Administrator::of(&door).add_partitions(&topic, 7);
    // The producer finds them too: until then its keys are in the partitions that there were.
    let mut next = 10;
    let is_new = |incoming: &Incoming| {
        let (rest, _) = incoming.position.0.rsplit_once('/').expect("topic/partition/offset");
        rest.rsplit_once('/').is_some_and(|(_, partition)| partition.parse::<u32>().is_ok_and(|number| number >= 3))
    };
    let found = (0..TRIES).any(|_| {
        publishes(&mut broker, &messages(&topic, next..next + 10));
        next += 10;
        let heard = hears(&mut *subscription, |heard| heard.len() >= 10);
        heard.iter().any(is_new)
    });
    assert!(found, "something comes from a new partition");
}
