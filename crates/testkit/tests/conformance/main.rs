//! What is played here passes the suites of the real ones.

mod brokers;
mod repeating;
mod stores;
