//! Makes a failing seed small: fewer orders, fewer faults, fewer stores, as long as it still fails.

use std::collections::BTreeSet;

use crate::{Fault, Options, Outcome, simulate};

/// The smallest that still fails.
pub struct Reduced {
    pub options: Options,
    pub outcome: Outcome,
    /// Simulations that it took.
    pub tries: u32,
}

/// Simulations that a reduction may take.
const TRIES_MAX: u32 = 1_500;

/// Taking something away moves the happenings; so many other orders of them are tried before it is given up, at first
/// and when nothing else helps any more.
const SHUFFLES_MIN: u64 = 4;
const SHUFFLES_MAX: u64 = 64;

/// Takes away what a failing seed does not need, for as long as `goes_on` says so. `None`: it does not fail.
pub fn reduce(seed: u64, options: &Options, goes_on: &dyn Fn() -> bool) -> Option<Reduced> {
    let outcome = simulate(seed, options);
    if outcome.violations.is_empty() {
        return None;
    }
    let mut search = Search { seed, best: options.clone(), outcome, shuffles: SHUFFLES_MIN, tries: 1, goes_on };
    loop {
        let before = search.best.clone();
        search.fewer_orders();
        search.fewer_kinds();
        search.fewer_faults();
        search.fewer_stores();
        if search.is_over() || (search.best == before && search.shuffles >= SHUFFLES_MAX) {
            break;
        }
        if search.best == before {
            search.shuffles *= 4;
        }
    }
    let options = Options { trace: true, ..search.best };
    let outcome = simulate(seed, &options);
    Some(Reduced { options, outcome, tries: search.tries + 1 })
}

struct Search<'a> {
    seed: u64,
    best: Options,
    outcome: Outcome,
    shuffles: u64,
    tries: u32,
    goes_on: &'a dyn Fn() -> bool,
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        self.tries >= TRIES_MAX || !(self.goes_on)()
    }

    /// Takes a smaller one if it fails too.
    fn accept(&mut self, smaller: &Options) -> bool {
        for shuffle in 0..self.shuffles {
            if self.is_over() {
                return false;
            }
            self.tries += 1;
            let options = Options { shuffle: self.best.shuffle + shuffle, ..smaller.clone() };
            let outcome = simulate(self.seed, &options);
            if outcome.has_failed_like(&self.outcome) {
                (self.best, self.outcome) = (options, outcome);
                return true;
            }
        }
        false
    }

    /// Half of the orders, a quarter of them, and so on, down to single ones.
    fn fewer_orders(&mut self) {
        let left: Vec<u32> =
            (0..self.best.orders).filter(|number| !self.best.without_orders.contains(number)).collect();
        let mut size = left.len().div_ceil(2);
        while size > 0 {
            for chunk in left.chunks(size) {
                let mut smaller = self.best.clone();
                smaller.without_orders.extend(chunk);
                if smaller.without_orders != self.best.without_orders {
                    self.accept(&smaller);
                }
            }
            size /= 2;
        }
    }

    fn fewer_kinds(&mut self) {
        for fault in Fault::ALL {
            if self.best.without_faults.contains(fault) {
                continue;
            }
            let without_faults: BTreeSet<Fault> = self.best.without_faults.iter().chain([fault]).copied().collect();
            let without = Options { without_faults, ..self.best.clone() };
            if self.outcome.figures.faults.contains_key(fault) {
                self.accept(&without);
            } else {
                // It has not happened: without it all is as it was.
                self.best = without;
            }
        }
    }

    fn fewer_faults(&mut self) {
        let happened: u64 = self.outcome.figures.faults.values().sum();
        let (mut low, mut high) = (1, happened.min(self.best.faults_max));
        if high == 0 {
            // None has happened: where none may, all is as it was.
            self.best.faults_max = 0;
            return;
        }
        if self.accept(&Options { faults_max: 0, ..self.best.clone() }) {
            return;
        }
        while low < high {
            let middle = u64::midpoint(low, high);
            if self.accept(&Options { faults_max: middle, ..self.best.clone() }) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
    }

    fn fewer_stores(&mut self) {
        for stores_max in 1..self.best.stores_max {
            if self.accept(&Options { stores_max, ..self.best.clone() }) {
                return;
            }
        }
    }
}
