//! A broker that repeats everything: each message comes twice, and what is not acknowledged is known.

use std::{collections::BTreeSet, time::Duration};

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage, Incoming, Subscription};
use tradewind_testkit::{Bindings, BrokerFaults, Deliveries, MemoryBroker, RepeatingBroker};

const ALL: usize = 100;

fn bindings(topic: &str, keys: Option<&[&str]>) -> Bindings {
    let keys = keys.map(|keys| keys.iter().map(ToString::to_string).collect::<BTreeSet<_>>());
    Bindings::from([(topic.to_owned(), keys)])
}

/// A receiver of all messages of `topic`, and its subscription.
fn receiving(memory: &MemoryBroker, deliveries: &Deliveries) -> (RepeatingBroker, Box<dyn Subscription>) {
    let broker = RepeatingBroker::new(Box::new(memory.clone()), deliveries, "receiver", bindings("topic", None));
    let subscription = broker.subscribe("group", &["topic".to_owned()]).expect("a group and a topic");
    (broker, subscription)
}

fn bodies(received: &[Incoming]) -> Vec<String> {
    received.iter().map(|it| String::from_utf8_lossy(it.message.body()).into_owned()).collect()
}

fn acknowledge(subscription: &mut dyn Subscription, received: &[Incoming]) {
    let positions: Vec<_> = received.iter().map(|it| it.position.clone()).collect();
    subscription.acknowledge(&positions).expect("it takes acknowledgements");
}

#[test]
fn every_message_comes_twice_and_is_owed_until_both_copies_are_acknowledged() {
    let (memory, deliveries) = (MemoryBroker::new(), Deliveries::default());
    let (mut broker, mut subscription) = receiving(&memory, &deliveries);
    let messages = ["a", "b"].map(|body| BrokerMessage::new("topic", body));
    broker.publish(&messages).unwrap();
    broker.publish(&[BrokerMessage::new("other", "c")]).unwrap();
    assert_eq!(deliveries.owed("receiver"), 4);
    let received = subscription.poll(ALL, Duration::ZERO).unwrap();
    assert_eq!(bodies(&received), ["a", "b", "a", "b"]);
    acknowledge(&mut *subscription, &received[..3]);
    assert_eq!((deliveries.owed("receiver"), deliveries.acknowledged("receiver")), (1, 3));
    acknowledge(&mut *subscription, &received[3..]);
    assert_eq!((deliveries.owed("receiver"), deliveries.acknowledged("receiver")), (0, 4));
}

#[test]
fn a_receiver_owes_only_its_routing_keys_and_also_what_was_published_before_it_was_known() {
    let (memory, deliveries) = (MemoryBroker::new(), Deliveries::default());
    let of = |key: &str| BrokerMessage { routing_key: Some(key.to_owned()), ..BrokerMessage::new("topic", "") };
    let first =
        |key| RepeatingBroker::new(Box::new(memory.clone()), &deliveries, "first", bindings("topic", Some(key)));
    // The broker in memory that keeps a log takes no routing key, so nothing of this arrives.
    assert!(first(&["a"]).publish(&[of("a"), of("b")]).is_err());
    assert_eq!(deliveries.owed("first"), 0);
    first(&["a"]).publish(&[BrokerMessage::new("topic", "")]).unwrap();
    assert_eq!(deliveries.owed("first"), 0, "it is bound to a key that this message does not have");
    drop(RepeatingBroker::new(Box::new(memory), &deliveries, "late", bindings("topic", None)));
    assert_eq!(deliveries.owed("late"), 2);
}

#[test]
fn what_was_not_acknowledged_comes_again_after_a_cut() {
    let (memory, deliveries) = (MemoryBroker::new(), Deliveries::default());
    let (mut broker, mut subscription) = receiving(&memory, &deliveries);
    broker.publish(&[BrokerMessage::new("topic", "a")]).unwrap();
    assert_eq!(subscription.poll(ALL, Duration::ZERO).unwrap().len(), 2);
    deliveries.cut_all();
    let cut = subscription.poll(ALL, Duration::ZERO).unwrap_err();
    assert!(matches!(cut, BrokerError::Unavailable(_)), "{cut}");
    let again = subscription.poll(ALL, Duration::ZERO).unwrap();
    assert_eq!((again.len(), deliveries.owed("receiver")), (2, 2));
    acknowledge(&mut *subscription, &again);
    assert_eq!(deliveries.owed("receiver"), 0);
}

#[test]
fn a_lost_acknowledgement_leaves_everything_written_and_a_refusal_owes_nothing() {
    let (memory, deliveries) = (MemoryBroker::new(), Deliveries::default());
    let (mut broker, _subscription) = receiving(&memory, &deliveries);
    let message = [BrokerMessage::new("topic", "a")];
    deliveries.lose_acknowledgements(true);
    assert_eq!(broker.publish(&message).unwrap_err().0, 0);
    assert_eq!((memory.published("topic").len(), deliveries.owed("receiver")), (2, 2));
    deliveries.lose_acknowledgements(false);
    memory.set_faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    assert_eq!(broker.publish(&message).unwrap_err().0, 0);
    assert_eq!(deliveries.owed("receiver"), 2);
}
