//! The server stops, is killed, and is suspended.

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage, Subscription};
use tradewind_rabbitmq::Timing;
use tradewind_testkit::broker_suite::{self, BrokerUnderTest, Differences, tries};

use crate::bench::{Bench, WAIT, bodies, broker, fails, messages, publish, receive, subscribe, texts};

/// Calls of the publisher while the server is suspended. Each waits for 3 seconds: 45 seconds together.
const CALLS_MEANWHILE: usize = 15;

/// A server that really restarts.
struct Restarting(Bench);

impl BrokerUnderTest for Restarting {
    fn connect(&self) -> Box<dyn Broker> {
        self.0.rabbit.connect()
    }

    fn name(&self, name: &str) -> String {
        self.0.name(name)
    }

    fn cut(&self) {
        self.0.rabbit.cut();
    }

    fn set_reachable(&self, reachable: bool) {
        self.0.rabbit.set_reachable(reachable);
    }

    fn restart(&self) {
        self.0.server.run(&["restart"], &[]);
    }

    fn refused(&self) -> BrokerMessage {
        self.0.rabbit.refused()
    }

    fn differences(&self) -> Differences {
        self.0.rabbit.differences()
    }
}

#[test]
fn a_server_that_restarts_loses_nothing() {
    broker_suite::a_broker_that_restarts_loses_nothing(&Restarting(Bench::new()));
}

/// A queue that has just been declared does not survive this: `Timing::settle_wait` says why. So the publisher waits.
#[test]
fn a_server_that_is_killed_has_all_that_it_has_confirmed() {
    let bench = Bench::new();
    let (topic, group) = (bench.name("topic"), bench.name("group"));
    let mut config = bench.config();
    config.timing.settle_wait = Timing::default().settle_wait;
    let mut publisher = broker(&config);
    let mut subscription = subscribe(&publisher, &group, &topic);
    publish(&mut publisher, &messages(&topic, 1..=3));
    bench.server.run(&["kill"], &[]);
    bench.server.run(&["restart"], &[]);
    publish(&mut publisher, &messages(&topic, [4]));
    assert_eq!(first_bodies(&mut *subscription, "4"), texts(1..=4));
}

#[test]
fn a_server_that_is_suspended_is_an_error_in_time_and_goes_on() {
    let bench = Bench::new();
    let (topic, group, mut publisher) = (bench.name("topic"), bench.name("group"), bench.broker());
    let mut subscription = subscribe(&publisher, &group, &topic);
    publish(&mut publisher, &messages(&topic, [1]));
    assert_eq!(bodies(&receive(&mut *subscription, 1)), ["1"]);
    let suspended = Suspended::new(&bench);
    for _ in 0..CALLS_MEANWHILE {
        let failed = publisher.publish(&messages(&topic, [2]));
        assert!(matches!(failed, Err((0, BrokerError::Unavailable(_)))), "{failed:?}");
    }
    assert!(matches!(fails(&mut *subscription, 1), BrokerError::Unavailable(_)));
    drop(suspended);
    publish(&mut publisher, &messages(&topic, [2]));
    publish(&mut publisher, &messages(&topic, [3]));
    assert_eq!(first_bodies(&mut *subscription, "3"), texts(1..=3));
}

/// Receives until this body comes: each body once, where it came first.
fn first_bodies(subscription: &mut dyn Subscription, last: &str) -> Vec<String> {
    let mut firsts: Vec<String> = Vec::new();
    for _ in tries() {
        if firsts.last().is_some_and(|body| body == last) {
            return firsts;
        }
        for body in bodies(&subscription.poll(1, WAIT).unwrap_or_default()) {
            if !firsts.contains(&body) {
                firsts.push(body);
            }
        }
    }
    panic!("{last} does not come: {firsts:?}")
}

/// It goes on when this is dropped, also when the test fails.
struct Suspended<'a>(&'a Bench);

impl<'a> Suspended<'a> {
    fn new(bench: &'a Bench) -> Self {
        bench.server.run(&["signal"], &["STOP"]);
        Self(bench)
    }
}

impl Drop for Suspended<'_> {
    fn drop(&mut self) {
        self.0.server.run(&["signal"], &["CONT"]);
    }
}
