//! What inventory does, seen through its doors: commands, events and the clock, on the real engine.

mod claims;
mod goods;
mod model;
mod picking;
mod stock;
mod world;
