//! Deterministic simulation of the whole shop: the nine services on the engine, split over several stores, with a
//! network between them that loses, repeats, delays and reorders, processes that die at every point, a payment provider
//! that does not answer, and people who change their minds. A seed replays exactly.
//!
//! [`simulate`] runs one seed and judges how it ended; [`reduce`] makes a failing one small.

mod answering;
mod asking;
mod audits;
mod brokering;
#[cfg(feature = "injected-bugs")]
mod bug;
mod chance;
mod converge;
mod fault;
mod gate;
mod judge;
mod many;
mod network;
mod node;
mod options;
mod order;
mod people;
mod plan;
mod provider;
mod punctual;
mod reduce;
mod rejecting;
mod rest;
mod shop;
mod steps;
mod story;
mod trace;
mod watch;
mod wires;
mod world;
mod writing;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tradewind_engine::ports::Reader;
use tradewind_events::Id;

#[cfg(feature = "injected-bugs")]
pub use bug::Bug;
pub use fault::Fault;
pub use many::{Sums, simulate_many};
pub use options::Options;
pub use reduce::{Reduced, reduce};
pub use story::Story;

use world::World;

/// How one seed went.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Empty when all is as it must be.
    pub violations: Vec<Violation>,
    pub figures: Figures,
    /// A line for each step, if it was asked for.
    pub trace: Vec<String>,
    /// What was said of the orders that violations name, or of all when they name none; only with a trace.
    pub stories: Vec<Story>,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which of the ten invariants, from 1; none for what only a simulation can know.
    pub invariant: Option<u32>,
    pub subject: String,
    pub detail: String,
}

/// What a seed was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    pub stores: usize,
    pub steps: u64,
    pub batches: u64,
    pub commits: u64,
    pub events: u64,
    /// Sent from store to store, and taken there.
    pub messages: u64,
    pub delivered: u64,
    pub publish_failures: u64,
    pub requests: u64,
    pub jobs: u64,
    pub crashes: u64,
    /// What an operator had to mend in the end.
    pub mended: u64,
    /// Old rows that retention has found.
    pub forgotten: u64,
    /// What the audit has looked at.
    pub examined: u64,
    /// Audits while the shop was running, and the orders that they have judged over several stores.
    pub audits: u64,
    pub audited_orders: u64,
    /// Orders by their state in the end, with the check that was lost, or who cancelled.
    pub outcomes: BTreeMap<String, u64>,
    pub faults: BTreeMap<Fault, u64>,
    /// The time that has passed in the shop, in milliseconds.
    pub shop_ms: u64,
    /// Of everything in all logs: the same for the same seed.
    pub digest: u64,
}

/// Simulates one seed.
pub fn simulate(seed: u64, options: &Options) -> Outcome {
    #[cfg(feature = "injected-bugs")]
    tradewind_engine::inject(options.bug.map(Bug::name));
    let mut world = World::new(seed, options);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        world.run();
        world.judge();
    }));
    if let Err(panic) = ended {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        world.violate("the process", format!("has panicked: {text}"));
    }
    world.conclude()
}

impl World {
    fn conclude(mut self) -> Outcome {
        self.figures.stores = self.nodes.len();
        self.figures.faults = self.faults.happened();
        self.figures.delivered = self.network.delivered;
        self.figures.shop_ms = u64::try_from(self.now().since(self.began).as_millis()).unwrap_or(u64::MAX);
        self.figures.digest = self.digest();
        let stories = if self.options.trace { self.stories(&self.concerned()) } else { Vec::new() };
        Outcome { violations: self.violations, figures: self.figures, trace: self.trace.take(), stories }
    }

    /// The orders that violations speak of; all when they speak of none.
    fn concerned(&self) -> Vec<Id> {
        let all: BTreeSet<&Id> = self.people.placed.values().flatten().collect();
        let named = |order: &&&Id| {
            let speaks = |text: &str| text.split([' ', ':', ',', '(']).any(|word| word == order.as_str());
            self.violations.iter().any(|violation| speaks(&violation.subject) || speaks(&violation.detail))
        };
        let concerned: Vec<Id> = all.iter().filter(named).map(|id| (*id).clone()).collect();
        if concerned.is_empty() { all.into_iter().cloned().collect() } else { concerned }
    }

    fn digest(&self) -> u64 {
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        for node in &self.nodes {
            for segment in node.store.segments(1, u32::MAX).unwrap_or_default() {
                for byte in segment.number.to_le_bytes().iter().chain(&segment.blocks) {
                    digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
                }
            }
        }
        digest
    }
}

impl Outcome {
    /// Whether it fails, and in one of the ways in which another one did.
    fn has_failed_like(&self, other: &Self) -> bool {
        let kind = |violation: &Violation| {
            let first = violation.subject.split(' ').next().unwrap_or_default().to_owned();
            (violation.invariant, first)
        };
        let known: BTreeSet<_> = other.violations.iter().map(kind).collect();
        self.violations.iter().any(|violation| known.contains(&kind(violation)))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(invariant) = self.invariant {
            write!(f, "invariant {invariant}: ")?;
        }
        write!(f, "{}: {}", self.subject, self.detail)
    }
}
