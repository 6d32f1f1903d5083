//! What payments does, seen through its doors: commands, events and the provider's answers, on the real engine.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail like a test")]

mod accounts;
mod balance;
mod card;
mod external;
mod matrix;
mod model;
mod operators;
mod provider;
mod world;
