//! The server: the only place where the parts meet. Configuration, HTTP by service, command line, telemetry.
//!
//! **Invariant:** a route exists only in `http/table.rs`, a setting only in `config.rs`; a service, a store and HTTP
//! know nothing of each other but through `app.rs`.

pub mod alarm;
pub mod app;
pub mod backroom;
pub mod brokers;
pub mod cli;
pub mod client;
pub mod config;
mod descriptors;
pub mod gateway;
pub mod http;
pub mod hub;
pub mod identity;
pub mod metrics;
pub mod peers;
pub mod problems;
pub mod routes;
mod scrub;
pub mod secret;
pub mod services;
pub mod shop;
pub mod split;
pub mod story;
pub mod tasks;
pub mod telemetry;
pub mod timeline;
pub mod traces;
pub mod words;
pub mod workers;
