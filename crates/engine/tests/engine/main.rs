//! The engine through its doors: commands, events, timers and jobs go in, rows and events come out.

mod bounds;
mod clocks;
mod commands;
mod failures;
mod handlers;
mod jobs;
mod look_ups;
mod open_batch;
mod operators;
mod running;
mod segments;
mod timers;
mod toy;
mod workers;
