//! The server stops, and is suspended. A kill is not tested: after it a quorum queue of RabbitMQ 3.10 may elect no leader
//! until the server restarts once more.

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage};
use tradewind_testkit::broker_suite::{self, BrokerUnderTest, Differences};

use crate::bench::{Bench, bodies, fails, messages, publish, receive, subscribe, texts};

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
