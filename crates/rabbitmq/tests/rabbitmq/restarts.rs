//! The server stops, is killed, and is suspended.

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage};
use tradewind_testkit::broker_suite::{self, BrokerUnderTest, Differences};

use crate::bench::{Bench, bodies, fails, messages, publish, receive, subscribe, takes, texts};

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

#[test]
fn a_server_that_is_killed_has_all_that_it_confirmed() {
    let bench = Bench::new();
    let (topic, group, mut publisher) = (bench.name("topic"), bench.name("group"), bench.broker());
    drop(subscribe(&publisher, &group, &topic));
    // Messages are safe once they are confirmed. That there is a queue the server writes some seconds later.
    bench.ctl(&["eval", "mnesia:sync_log()."]);
    publish(&mut publisher, &messages(&topic, 1..=3_000));
    bench.server.run(&["kill"], &[]);
    let failed = publisher.publish(&messages(&topic, [3_001]));
    assert!(matches!(failed, Err((0, BrokerError::Unavailable(_)))), "{failed:?}");
    bench.server.run(&["restart"], &[]);
    publish(&mut publisher, &messages(&topic, [3_001]));
    let mut subscription = subscribe(&publisher, &group, &topic);
    assert_eq!(takes(&mut *subscription, 3_001), texts(1..=3_001));
}

#[test]
fn a_server_that_is_suspended_is_an_error_in_time_and_goes_on() {
    let bench = Bench::new();
    let (topic, group, mut publisher) = (bench.name("topic"), bench.name("group"), bench.broker());
    let mut subscription = subscribe(&publisher, &group, &topic);
    publish(&mut publisher, &messages(&topic, [1]));
    assert_eq!(bodies(&receive(&mut *subscription, 1)), ["1"]);
    let suspended = Suspended::new(&bench);
    let failed = publisher.publish(&messages(&topic, [2]));
    assert!(matches!(failed, Err((0, BrokerError::Unavailable(_)))), "{failed:?}");
    assert!(matches!(fails(&mut *subscription, 1), BrokerError::Unavailable(_)));
    drop(suspended);
    publish(&mut publisher, &messages(&topic, [2]));
    assert_eq!(bodies(&receive(&mut *subscription, 2))[..2], texts(1..=2));
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
