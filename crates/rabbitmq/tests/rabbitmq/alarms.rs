//! Alarms, and connections on which nothing comes any more.

use tradewind_engine::ports::{Broker, BrokerError};

use crate::bench::{Bench, acknowledge, bodies, broker, fails, messages, publish, receive, subscribe, texts};

/// The alarm ends with this, also when the test fails.
struct Alarm<'a>(&'a Bench);

impl<'a> Alarm<'a> {
    fn raise(bench: &'a Bench) -> Self {
        bench.ctl(&["set_vm_memory_high_watermark", "absolute", "1"]);
        Self(bench)
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.0.ctl(&["set_vm_memory_high_watermark", "0.6"]);
    }
}

#[test]
fn an_alarm_is_an_error_in_time_and_nothing_is_lost_behind_it() {
    let bench = Bench::new();
    let (topic, mut publisher) = (bench.name("topic"), bench.broker());
    let mut subscription = subscribe(&publisher, &bench.name("group"), &topic);
    publish(&mut publisher, &messages(&topic, [1]));
    let alarm = Alarm::raise(&bench);
    for _ in 0..3 {
        let (count, error) = publisher.publish(&messages(&topic, [2, 3])).expect_err("an alarm");
        assert!(matches!(&error, BrokerError::Unavailable(text) if text.contains("alarm")), "{count}: {error}");
    }
    // Consumers go on: they have a connection of their own.
    let first = receive(&mut *subscription, 1);
    acknowledge(&mut *subscription, &first);
    drop(alarm);
    publish(&mut publisher, &messages(&topic, [2, 3]));
    publish(&mut publisher, &messages(&topic, [4]));
    let mut received = bodies(&first);
    while received.last().is_none_or(|last| last != "4") {
        for body in bodies(&receive(&mut *subscription, 1)) {
            if !received.contains(&body) {
                received.push(body);
            }
        }
    }
    assert_eq!(received, texts(1..=4));
}

#[test]
fn a_silent_connection_is_an_error_in_time() {
    let bench = Bench::new();
    let (topic, group) = (bench.name("topic"), bench.name("group"));
    let mut publisher = bench.broker();
    let mut subscription = subscribe(&publisher, &group, &topic);
    publish(&mut publisher, &messages(&topic, [1]));
    assert_eq!(bodies(&receive(&mut *subscription, 1)), ["1"]);
    bench.rabbit.proxy.freeze(true);
    let failed = publisher.publish(&messages(&topic, [2]));
    assert!(matches!(failed, Err((0, BrokerError::Unavailable(_)))), "{failed:?}");
    assert!(matches!(fails(&mut *subscription, 1), BrokerError::Unavailable(_)));
    assert!(matches!(fails(&mut *subscription, 1), BrokerError::Unavailable(_)), "nobody accepts another connection");
    bench.rabbit.proxy.freeze(false);
    publish(&mut publisher, &messages(&topic, [2]));
    // The server notices by itself that the first connection is dead.
    assert_eq!(bodies(&receive(&mut *subscription, 2))[..2], texts(1..=2));
}

#[test]
fn a_message_that_is_out_for_too_long_goes_back_and_comes_again() {
    let bench = Bench::new();
    let (topic, group) = (bench.name("topic"), bench.name("group"));
    let mut config = bench.config();
    config.timing.give_back_after = std::time::Duration::from_millis(300);
    let mut adapter = broker(&config);
    let mut subscription = subscribe(&adapter, &group, &topic);
    publish(&mut adapter, &messages(&topic, 1..=5));
    let held = receive(&mut *subscription, 2);
    assert_eq!(bodies(&held), texts(1..=2));
    acknowledge(&mut *subscription, &held[..1]);
    // The engine takes nothing for a long time.
    let error = fails(&mut *subscription, 0);
    assert!(matches!(&error, BrokerError::Unavailable(text) if text.contains(&group)), "{error}");
    while subscription.caught_up() != Ok(false) {}
    assert!(subscription.poll(0, std::time::Duration::ZERO).is_ok(), "it is connected, and has nothing");
    // What another member of the group would get now.
    let mut other = subscribe(&adapter, &group, &topic);
    let again = receive(&mut *other, 4);
    assert_eq!(bodies(&again), texts(2..=5));
    acknowledge(&mut *subscription, &held);
    acknowledge(&mut *other, &again);
}
