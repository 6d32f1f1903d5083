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
    /// Orders, and whatever else messages are about, with something in flight, parked, dead or owed, or changed while the
    /// copies were made: what hangs on them is not judged.
    pub set_aside: u64,
    /// Events that one store has published and a consumer in another has not received, counted for each consumer.
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
    /// The name of the store that the row or event is in.
    pub store: String,
    /// Which row or event.
    pub subject: String,
    /// What is wrong with it.
    pub detail: String,
}

/// Something that only an operator can settle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owed {
    /// `dead_letter`, `job`, `payment`, `refund`, `surplus`; `delivery` where events do not arrive.
    pub kind: &'static str,
    /// Its id; of a delivery `SOURCE → CONSUMER`.
    pub id: String,
    pub detail: String,
    /// The name of the store that it is in.
    pub store: String,
}

/// Writes down what is found in one store.
pub(crate) struct Findings<'r> {
    report: &'r mut Report,
    store: &'r str,
}

impl Report {
    /// Every invariant holds, and nothing is owed.
    pub fn is_clean(&self) -> bool {
        self.violated() == 0 && self.owed.is_empty()
    }

    pub fn violated(&self) -> u64 {
        self.checks.iter().map(|check| check.violated).sum()
    }

    /// For what is found in this store.
    pub(crate) const fn of<'r>(&'r mut self, store: &'r str) -> Findings<'r> {
        Findings { report: self, store }
    }
}

impl Findings<'_> {
    /// Notes that an invariant was held against something, and whether it holds.
    pub fn hold(&mut self, invariant: usize, holds: bool, say: impl FnOnce() -> (String, String)) {
        let check = &mut self.report.checks[invariant - 1];
        check.examined += 1;
        if !holds {
            check.violated += 1;
            if check.violations.len() < VIOLATIONS_KEPT {
                let (subject, detail) = say();
                check.violations.push(Violation { store: self.store.to_owned(), subject, detail });
            }
        }
    }

    /// Notes read-model rows that cannot be compared.
    pub fn freeze(&mut self, rows: usize) {
        self.report.frozen += u64::try_from(rows).unwrap_or(u64::MAX);
    }

    pub fn owe(&mut self, kind: &'static str, id: impl fmt::Display, detail: impl Into<String>) {
        let (id, detail, store) = (id.to_string(), detail.into(), self.store.to_owned());
        self.report.owed.push(Owed { kind, id, detail, store });
    }
}
