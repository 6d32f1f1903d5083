//! What is done with one input, for every decoder of what comes from outside: the fuzzer (`fuzz/`) calls it with what it
//! makes up, a test with what the fuzzer has found before. A check is more than "no panic": what was read is written and
//! read again as the same, what was refused says why, what is signed cannot be changed.
//!
//! Checks panic, as tests do. Nothing of the product depends on this crate.

mod callback;
mod config;
mod cursor;
mod envelope;
mod request;
mod segment;
mod snapshot;
mod token;

use std::{cell::RefCell, collections::BTreeMap, mem::ManuallyDrop};

/// Does with an input what outsiders can have done with it, and panics when that goes wrong.
pub type Check = Box<dyn FnMut(&[u8])>;

/// A decoder that is tried.
pub struct Target {
    /// Of its corpus `fuzz/corpus/NAME` and of its program `fuzz/fuzz_targets/NAME.rs`.
    pub name: &'static str,
    /// Makes what the check needs, such as a shop.
    pub start: fn() -> Check,
    /// Where fuzzing begins: real inputs, made of samples.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target { name: "callback", start: || Box::new(callback::check), seeds: callback::seeds },
    Target { name: "config", start: || Box::new(config::check), seeds: config::seeds },
    Target { name: "cursor", start: cursor::start, seeds: cursor::seeds },
    Target { name: "envelope", start: envelope::start, seeds: envelope::seeds },
    Target { name: "request", start: request::start, seeds: request::seeds },
    Target { name: "segment", start: segment::start, seeds: segment::seeds },
    Target { name: "snapshot", start: || Box::new(snapshot::check), seeds: snapshot::seeds },
    Target { name: "token", start: token::start, seeds: token::seeds },
];

thread_local! {
    /// Never dropped: where a fuzzer ends, it is too late to stop a shop.
    static STARTED: RefCell<ManuallyDrop<BTreeMap<&'static str, Check>>> =
        const { RefCell::new(ManuallyDrop::new(BTreeMap::new())) };
}

/// Checks one input; what the check needs is made at the first one of a thread. For the fuzzer, which has no other place
/// to keep it.
///
/// # Panics
/// When there is no such target, and when the check finds something wrong.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("the target is one of the list");
    STARTED.with_borrow_mut(|started| started.entry(target.name).or_insert_with(target.start)(input));
}

/// The input up to the next line break, and what comes after it.
fn line(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    (&input[..end], input.get(end + 1..).unwrap_or_default())
}
