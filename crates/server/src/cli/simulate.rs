//! `tradewind simulate`

mod report;

use std::{collections::BTreeSet, num::NonZeroUsize, thread, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tradewind_sim::{Fault, Options, reduce, simulate, simulate_many};

use super::{
    CliError, say,
    screen::{BAD, styled},
};
use crate::words::clean;
use report::Report;

/// Simulate whole shops, each from a seed, with everything that can go wrong.
///
/// A seed is a shop: the nine services on the engine, split over one to four stores in memory, with a network that loses,
/// repeats, delays and reorders, processes that die at every point, a payment provider that does not answer, and people who
/// change their minds. When its faults stop, the shop comes to rest, and is judged: the ten invariants of `tradewind verify`,
/// that every order has ended, and that what people were told is so. No disk, no network and no clock is used, so a seed
/// goes the same way each time.
///
/// The exit status is 1 when a seed fails. The first that does is made small, by leaving out orders and faults, and tells
/// the stories of its orders, with a command that replays it. docs/simulate.md says how to read that.
#[derive(clap::Args)]
pub struct Simulate {
    /// How many seeds
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    seeds: u64,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..1 << 63))]
    from: u64,
    /// Seeds at the same time; by default one a core
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Show every step of the first seed, and no other
    #[arg(long)]
    trace: bool,
    /// Leave the first seed that fails as it is
    #[arg(long)]
    as_is: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    shop: Shop,
}

/// What every simulated shop is like.
#[derive(clap::Args)]
#[command(next_help_heading = "The shop")]
struct Shop {
    /// How many orders people plan
    #[arg(long, default_value_t = Options::default().orders, value_parser = clap::value_parser!(u32).range(..=10_000))]
    orders: u32,
    /// Only these of them, by number from 0
    #[arg(long, value_name = "NUMBER,…", value_delimiter = ',')]
    only_orders: Vec<u32>,
    /// Split the services over at most so many stores
    #[arg(long, default_value_t = Options::default().stores_max, value_parser = clap::value_parser!(u32).range(1..=4))]
    stores: u32,
    /// Nothing goes wrong after so many faults
    #[arg(long, value_name = "NUMBER")]
    faults: Option<u64>,
    /// Only faults of these kinds, such as `kill`
    #[arg(long, value_name = "FAULT,…", value_delimiter = ',', value_parser = fault)]
    only_faults: Vec<Fault>,
    /// The same seed with its happenings in another order
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    shuffle: u64,
    /// Put a known bug in, such as `sold-twice`
    #[cfg(feature = "injected-bugs")]
    #[arg(long, value_parser = bug)]
    bug: Option<tradewind_sim::Bug>,
}

impl Simulate {
    pub fn run(self) -> Result<(), CliError> {
        let options = self.shop.options();
        if self.trace {
            return self.show(&Options { trace: true, ..options });
        }
        let threads = self.threads.unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
        let bar = ProgressBar::new(self.seeds).with_style(style());
        let began = now();
        let sums = simulate_many(self.from..self.from + self.seeds, &options, threads, &|seed, outcome| {
            bar.inc(1);
            if let Some(first) = outcome.violations.first() {
                bar.println(styled(BAD, &format!("seed {seed} fails: {}", clean(&first.to_string()))));
            }
        });
        let took = began.elapsed();
        let first = sums.failed.first_key_value().map(|(seed, _)| *seed).filter(|_| !self.as_is);
        if let Some(seed) = first {
            bar.println(format!("Making seed {seed} small …"));
        }
        let reduced = first.and_then(|seed| Some((seed, reduce(seed, &options)?)));
        bar.finish_and_clear();
        let failed = !sums.failed.is_empty();
        let report = Report { from: self.from, threads, took, sums, reduced };
        say(if self.json { format!("{}\n", report.as_json()) } else { report.to_string() })?;
        if failed { Err(CliError::NotAsTold) } else { Ok(()) }
    }

    /// One seed, step by step.
    fn show(&self, options: &Options) -> Result<(), CliError> {
        let outcome = simulate(self.from, options);
        let failed = !outcome.violations.is_empty();
        say(if self.json { format!("{}\n", report::seed_as_json(&outcome)) } else { report::steps(&outcome) })?;
        if failed { Err(CliError::NotAsTold) } else { Ok(()) }
    }
}

impl Shop {
    fn options(&self) -> Options {
        let orders = (0..self.orders).filter(|order| !self.only_orders.contains(order));
        let faults = Fault::ALL.iter().copied().filter(|fault| !self.only_faults.contains(fault));
        Options {
            orders: self.orders,
            without_orders: if self.only_orders.is_empty() { BTreeSet::new() } else { orders.collect() },
            stores_max: self.stores,
            without_faults: if self.only_faults.is_empty() { BTreeSet::new() } else { faults.collect() },
            faults_max: self.faults.unwrap_or(u64::MAX),
            shuffle: self.shuffle,
            trace: false,
            #[cfg(feature = "injected-bugs")]
            bug: self.bug,
        }
    }
}

fn fault(name: &str) -> Result<Fault, String> {
    let names = || Fault::ALL.iter().map(|fault| fault.name()).collect::<Vec<_>>().join(", ");
    let fault = Fault::ALL.iter().find(|fault| fault.name() == name);
    fault.copied().ok_or_else(|| format!("the faults are {}", names()))
}

#[cfg(feature = "injected-bugs")]
fn bug(name: &str) -> Result<tradewind_sim::Bug, String> {
    let names = || tradewind_sim::Bug::ALL.iter().map(|bug| bug.name()).collect::<Vec<_>>().join(", ");
    let bug = tradewind_sim::Bug::ALL.iter().find(|bug| bug.name() == name);
    bug.copied().ok_or_else(|| format!("the bugs are {}", names()))
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[expect(clippy::disallowed_methods, reason = "the rate is told, and nothing depends on it")]
fn now() -> Instant {
    Instant::now()
}
