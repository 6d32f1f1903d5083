//! Exhaustive exploration of one order: breadth first through every interleaving of its messages, with the real handlers
//! of the services that take part, each over a store of its own. Messages have no order and come twice, timers fire at
//! any moment, people change their minds at any moment, and the payment provider comes to whatever it may come to.
//!
//! Handlers are pure, so nothing is modelled twice: what a service does with a message is found by running its handler
//! over its rows ([`tradewind_engine::handlers`]), once, and remembered. Only the provider is a model.
//!
//! What is judged: the rules of `tradewind-audit` that one service can break by itself at every moment, all that rows can
//! break whenever nothing happens by itself any more; then the order has ended, or people can bring it further. And
//! everything comes to rest: following what happens by itself and goes well never leads round and round.

mod canonical;
mod judge;
mod many;
mod next;
mod people;
mod provider;
mod scenario;
mod search;
mod seen;
mod stimulus;
mod stores;
mod story;
mod world;

use std::{collections::BTreeMap, ops::ControlFlow};

pub use many::{Explored, explore_many};
pub use scenario::{Case, Scenario};
use search::Search;
pub use story::Step;

/// How far an exploration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// So many situations at most.
    pub states: usize,
    /// So often a fact is told once more under another id, so that no inbox helps.
    pub duplicates: u8,
    /// So much goes wrong outside: an answer that is lost, a decision that takes its time, a capture, void or refund
    /// that is refused for good, a second charge, money of another amount.
    pub faults: u8,
}

/// What was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Situations that were met, each once.
    pub states: u64,
    /// Ways from one to another.
    pub steps: u64,
    /// Situations in which nothing happens by itself any more, by how the order stands in them.
    pub rests: BTreeMap<String, u64>,
    /// The longest way that was needed to get somewhere, in actions.
    pub depth: u32,
    /// Different looks of single services.
    pub services: usize,
    /// Runs of handlers: all else was remembered.
    pub handlers: usize,
    /// Situations were left out because the bound was reached, or whoever watches broke it off.
    pub cut: bool,
    /// Every situation was looked at.
    pub exhausted: bool,
}

/// Something that must not be, and the shortest way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What is wrong, as a sentence without its full stop.
    pub reason: String,
    pub steps: Vec<Step>,
}

/// Explores one scenario. `deaf` leaves handlers out, by service and event, to see what they are for. `watch` is called now
/// and then, and breaks off.
///
/// # Errors
/// When the shop cannot be set up, or `deaf` names what is not there.
pub fn explore(
    scenario: Scenario,
    bounds: Bounds,
    deaf: &[(String, String)],
    watch: &mut dyn FnMut(&Figures) -> ControlFlow<()>,
) -> Result<(Figures, Option<Found>), String> {
    scenario.knows(deaf)?;
    Ok(Search::new(scenario, bounds, deaf)?.run(watch))
}
