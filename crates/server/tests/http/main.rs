//! The HTTP door: the real server on a store of its own, with a clock that is moved by hand.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail like a test")]

mod authorization;
mod callbacks;
mod carts;
mod categories;
mod client;
mod clocks;
mod deletions;
mod documents;
mod doors;
mod faults;
mod free_json;
mod hiring;
mod hostile;
mod idempotency;
mod inputs;
mod keys;
mod limits;
mod orders;
mod pages;
mod pauses;
mod payments;
mod people;
mod problems;
mod process;
mod products;
mod sagas;
mod sales;
mod searching;
mod sessions;
mod settings;
mod shelf;
mod stock;
mod timelines;
mod tls;
mod town;
mod traces;
mod waiting;
mod world;
