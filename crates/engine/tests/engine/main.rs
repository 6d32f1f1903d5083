//! The engine through its doors: commands, events, timers and jobs go in, rows and events come out.

mod audits;
mod bounds;
mod catching_up;
mod causes;
mod clocks;
mod cold;
mod commands;
mod failures;
mod handlers;
mod inbox;
mod intake;
mod jobs;
mod look_ups;
mod open_batch;
mod operators;
mod overdue;
mod refused;
mod rejections;
mod relay;
mod retention;
mod running;
mod segments;
mod subscriber;
mod timers;
mod toy;
mod workers;
