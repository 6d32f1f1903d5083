//! Orders through its doors: commands, events and time, on the real engine.

mod cancelling;
mod customers;
mod deadlines;
mod losses;
mod money;
mod placing;
mod requests;
mod world;
