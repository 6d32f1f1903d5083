//! Bounds: more than fits memory comes in its order, and nothing waits for a server that hangs.

use std::{sync::mpsc, thread, time::Duration};

use tradewind_engine::ports::BrokerMessage;
use tradewind_rabbitmq::RabbitConfig;

use crate::bench::{Bench, acknowledge, broker, messages, publish, receive, subscribe};

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than a subscription keeps: while it is full, it reads nothing, and the server waits.
#[test]
fn more_than_fits_memory_comes_in_its_order() {
    let bench = Bench::new();
    let (topic, group, mut publisher) = (bench.name("topic"), bench.name("group"), bench.broker());
    let mut subscription = subscribe(&publisher, &group, &topic);
    let mut all: Vec<BrokerMessage> = Vec::new();
    for nth in 0..40_u8 {
        all.push(BrokerMessage::new(&*topic, vec![nth; 1_024 * 1_024]).with_key("key"));
    }
    publish(&mut publisher, &all);
    for nth in 0..40 {
        let mut received = subscription.poll(1, PATIENCE).expect("the server answers");
        let message = received.pop().expect("a message");
        assert_eq!((message.message.body().len(), message.message.body()[0]), (1_024 * 1_024, nth));
        acknowledge(&mut *subscription, &[message]);
    }
}

/// No more than the prefetch count is out.
#[test]
fn no_more_is_out_than_may_be() {
    let bench = Bench::new();
    let (topic, group) = (bench.name("topic"), bench.name("group"));
    let mut adapter = broker(&RabbitConfig { prefetch: 3, ..bench.config() });
    let mut subscription = subscribe(&adapter, &group, &topic);
    publish(&mut adapter, &messages(&topic, 1..=5));
    let held = receive(&mut *subscription, 3);
    assert_eq!(subscription.poll(10, Duration::from_millis(300)).expect("the server answers"), []);
    acknowledge(&mut *subscription, &held[..1]);
    assert_eq!(receive(&mut *subscription, 1)[0].message.body(), b"4");
}

#[test]
fn dropping_waits_for_nothing() {
    let bench = Bench::new();
    let (topic, group, mut publisher) = (bench.name("topic"), bench.name("group"), bench.broker());
    let mut subscription = subscribe(&publisher, &group, &topic);
    publish(&mut publisher, &messages(&topic, [1, 2]));
    let held = receive(&mut *subscription, 2);
    bench.rabbit.proxy.freeze(true);
    let (tell, told) = mpsc::channel();
    let dropping = thread::spawn(move || {
        drop(subscription);
        drop(publisher);
        tell.send(()).expect("the test listens");
    });
    assert_eq!(told.recv_timeout(PATIENCE), Ok(()));
    dropping.join().expect("it dropped");
    bench.rabbit.proxy.freeze(false);
    let mut subscription = subscribe(&bench.broker(), &group, &topic);
    assert_eq!(receive(&mut *subscription, 2).len(), held.len());
}
