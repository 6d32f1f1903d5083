//! What a simulation is to be like. Options are data: a failing seed is reduced by taking orders and faults away.

use std::collections::BTreeSet;

#[cfg(feature = "injected-bugs")]
use crate::Bug;
use crate::Fault;

/// How one seed is simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many orders people plan.
    pub orders: u32,
    /// Orders that are left out of the plan, by number; all others stay as they are.
    pub without_orders: BTreeSet<u32>,
    /// The services are split over one to so many stores.
    pub stores_max: u32,
    /// Faults that do not happen.
    pub without_faults: BTreeSet<Fault>,
    /// After so many faults nothing goes wrong any more.
    pub faults_max: u64,
    /// So often it is audited while it runs.
    pub audits: u32,
    /// Another order of the same happenings.
    pub shuffle: u64,
    /// Keep a line for each step.
    pub trace: bool,
    /// A bug that is put in, to prove that it is seen.
    #[cfg(feature = "injected-bugs")]
    pub bug: Option<Bug>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            orders: 26,
            without_orders: BTreeSet::new(),
            stores_max: 4,
            without_faults: BTreeSet::new(),
            faults_max: u64::MAX,
            audits: 0,
            shuffle: 0,
            trace: false,
            #[cfg(feature = "injected-bugs")]
            bug: None,
        }
    }
}
