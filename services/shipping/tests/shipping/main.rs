//! What shipping does, seen through its doors: commands, events and the clock, on the real engine.

mod addresses;
mod shipments;
mod world;
