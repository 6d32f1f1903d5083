//! Kafka passes the suite of all brokers.

tradewind_testkit::broker_suite!(crate::server::door);
