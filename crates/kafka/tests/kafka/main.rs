//! The adapter against a real Kafka, which `servers/kafka` starts for this run.

mod conformance;
mod faults;
mod offsets;
mod peers;
mod server;
mod topics;
