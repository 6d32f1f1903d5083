//! What an audit has found.

use std::fmt;

/// Violations of one invariant that are kept; the rest is counted.
const VIOLATIONS_KEPT: usize = 100;

/// What each invariant says, from 1.
pub const INVARIANTS: [&str; 10] = [
    "stock: 0 ≤ reserved ≤ on hand, and active reservations add up to reserved",
    "stock: on hand = received − committed + restocked + adjusted; no more sold than there was",
    "an order has one outcome, and stands only with stock, money and a shipment",
    "an order that ended holds nothing",
    "every order is confirmed or ended within its deadline",
    "debits = credits; captured ≤ authorized ≤ total; refunded ≤ captured; the provider agrees",
    "events are numbered 1..n for each subject, each once, in commit order",
    "between stores: published = handled + in flight + parked + dead + discarded",
    "the read models are what the log makes them",
    "everything is told once",
];

/// What an audit has found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// By invariant, from 1.
    pub checks: [Check; 10],
    /// Orders, and whatever else messages are about, with something in flight, parked, dead or owed: what hangs on
    /// them is not judged.
    pub set_aside: u64,
    /// Events that one store has published and another has not taken yet.
    pub in_flight: u64,
    /// What an operator has to settle.
    pub owed: Vec<Owed>,
    /// Read-model rows whose events are no longer in the log.
    pub frozen: u64,
}

/// One invariant.
#[derive(Debug, Clone, Default)]
pub struct Check {
    /// How many things it was held against.
    pub examined: u64,
    /// The first of them.
    pub violations: Vec<Violation>,
    /// All of them.
    pub violated: u64,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which row or event.
    pub subject: String,
    /// What is wrong with it.
    pub detail: String,
}

/// Something that only an operator can settle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owed {
    /// `dead_letter`, `job`, `payment`, `refund` or `surplus`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    pub detail: String,
}

impl Report {
    /// Every invariant holds, and nothing is owed.
    pub fn is_clean(&self) -> bool {
        self.violated() == 0 && self.owed.is_empty()
    }

    pub fn violated(&self) -> u64 {
        self.checks.iter().map(|check| check.violated).sum()
    }

    /// Notes that an invariant was held against something, and whether it holds.
    pub(crate) fn hold(&mut self, invariant: usize, holds: bool, say: impl FnOnce() -> (String, String)) {
        let check = &mut self.checks[invariant - 1];
        check.examined += 1;
        if !holds {
            check.violated += 1;
            if check.violations.len() < VIOLATIONS_KEPT {
                let (subject, detail) = say();
                check.violations.push(Violation { subject, detail });
            }
        }
    }

    pub(crate) fn owe(&mut self, kind: &'static str, id: impl fmt::Display, detail: impl Into<String>) {
        self.owed.push(Owed { kind, id: id.to_string(), detail: detail.into() });
    }
}
