//! The HTTP door: the real server on a store of its own, with a clock that is moved by hand.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail like a test")]

mod audit;
mod authorization;
mod callbacks;
mod carts;
mod categories;
mod client;
mod clocks;
mod comparison;
mod cors;
mod crowds;
mod deletions;
mod delivery;
mod disclosure;
mod discretion;
mod documents;
mod doors;
mod endings;
mod faults;
mod free_json;
mod gateway;
mod hiring;
mod hostile;
mod idempotency;
mod inputs;
mod keys;
mod limits;
mod orders;
#[cfg(all(feature = "kafka", feature = "rabbitmq"))]
mod over_brokers;
mod pages;
mod pauses;
mod payments;
mod peers;
mod people;
mod problems;
mod process;
mod products;
mod revocation;
mod sagas;
mod sales;
mod searching;
mod sessions;
mod settings;
mod shelf;
mod splitting;
mod stock;
mod timelines;
mod tls;
mod town;
mod traces;
mod unreadable;
mod verification;
mod waiting;
mod world;
