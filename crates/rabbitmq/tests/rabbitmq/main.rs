//! The adapter with real servers: the suite of all brokers, and what operators and broken peers do to RabbitMQ.
//!
//! `servers/rabbitmq install` installs what they need.

mod alarms;
mod alternate;
mod bench;
mod bounds;
mod poison;
mod refusals;
mod restarts;
mod returns;
mod server;
mod suite;
mod tls;
