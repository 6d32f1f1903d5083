//! Workers: do jobs outside, each tried until its outcome is known, under a key that does not change.
//! Not here: what a job is for (the services), when it is tried again (the engine).

pub mod mail;
pub mod provider;
