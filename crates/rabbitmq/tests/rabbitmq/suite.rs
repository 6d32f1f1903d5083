//! RabbitMQ passes the suite of all brokers, with a proxy of its own between the server and each test.

use std::time::Duration;

use crate::server::{Rabbit, Server};

fn fresh() -> Rabbit {
    Rabbit::new(&Server::shared().address(), Duration::from_millis(300))
}

tradewind_testkit::broker_suite!(fresh);
