//! Many seeds, on several threads.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    ops::{ControlFlow, Range},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{Fault, Figures, Options, Outcome, Violation, simulate};

/// What many seeds have come to.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// What was wrong with each seed that has failed.
    pub failed: BTreeMap<u64, Vec<Violation>>,
    pub seeds: u64,
    pub steps: u64,
    pub commits: u64,
    pub events: u64,
    pub crashes: u64,
    /// Old rows that retention has found.
    pub forgotten: u64,
    /// Rows and events that the audits have looked at.
    pub examined: u64,
    /// Audits while the shops were running, and the orders that they have judged over several stores.
    pub audits: u64,
    pub audited_orders: u64,
    /// Of all seeds together, in the shops, in milliseconds.
    pub shop_ms: u64,
    /// Orders and faults of the seed that had the fewest.
    pub orders_min: u64,
    pub faults_min: u64,
    /// Orders by their state in the end, with the check that was lost, or who cancelled.
    pub outcomes: BTreeMap<String, u64>,
    pub faults: BTreeMap<Fault, u64>,
}

/// Simulates these seeds, and says of each how it went as soon as it is known: in any order, from any of the threads.
/// When it is told to break off, no further seed begins.
pub fn simulate_many(
    seeds: Range<u64>,
    options: &Options,
    threads: NonZeroUsize,
    each: &(dyn Fn(u64, &Outcome) -> ControlFlow<()> + Sync),
) -> Sums {
    let (next, sums) = (AtomicU64::new(seeds.start), Mutex::new(Sums::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads.get() {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    let outcome = simulate(seed, options);
                    let goes_on = each(seed, &outcome);
                    sums.lock().unwrap_or_else(PoisonError::into_inner).add(seed, outcome);
                    if goes_on.is_break() {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    sums.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Sums {
    /// Orders of all seeds.
    pub fn orders(&self) -> u64 {
        self.outcomes.values().sum()
    }

    fn add(&mut self, seed: u64, outcome: Outcome) {
        let Figures { steps, commits, events, crashes, forgotten, examined, shop_ms, outcomes, faults, .. } =
            outcome.figures;
        self.audits += outcome.figures.audits;
        self.audited_orders += outcome.figures.audited_orders;
        let (orders, struck) = (outcomes.values().sum(), faults.values().sum());
        if self.seeds == 0 {
            (self.orders_min, self.faults_min) = (orders, struck);
        }
        (self.orders_min, self.faults_min) = (self.orders_min.min(orders), self.faults_min.min(struck));
        self.seeds += 1;
        self.steps += steps;
        self.commits += commits;
        self.events += events;
        self.crashes += crashes;
        self.forgotten += forgotten;
        self.examined += examined;
        self.shop_ms += shop_ms;
        for (state, orders) in outcomes {
            *self.outcomes.entry(state).or_default() += orders;
        }
        for (fault, times) in faults {
            *self.faults.entry(fault).or_default() += times;
        }
        if !outcome.violations.is_empty() {
            self.failed.insert(seed, outcome.violations);
        }
    }
}
