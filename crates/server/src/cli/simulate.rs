//! `tradewind simulate`

mod report;

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
};

use tradewind_sim::{Fault, Options, reduce, simulate, simulate_many};

use super::{
    CliError,
    interrupt::{Interrupt, noticing},
    named, say,
    screen::{self, BAD, styled},
    threads,
};
use crate::{
    metrics::Stopwatch,
    words::{clean, count},
};
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
    /// Audit each shop this many times while it runs, on copies of its stores that are made one after the other
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=10_000))]
    audits: u32,
    /// Nothing goes wrong after so many faults
    #[arg(long, value_name = "NUMBER")]
    faults: Option<u64>,
    /// Only faults of these kinds, such as `kill`
    #[arg(long, value_name = "FAULT,…", value_delimiter = ',', value_parser = named(Fault::ALL, Fault::name))]
    only_faults: Vec<Fault>,
    /// The same seed with its happenings in another order
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    shuffle: u64,
    /// Put a known bug in, such as `sold-twice`
    #[cfg(feature = "injected-bugs")]
    #[arg(long, value_parser = named(tradewind_sim::Bug::ALL, tradewind_sim::Bug::name))]
    bug: Option<tradewind_sim::Bug>,
}

impl Simulate {
    pub fn run(self) -> Result<(), CliError> {
        if self.trace {
            return self.show();
        }
        noticing(move |interrupt| self.simulate(interrupt))
    }

    fn simulate(&self, interrupt: &Interrupt) -> Result<(), CliError> {
        let options = self.shop.options()?;
        let threads = threads(self.threads);
        let bar = screen::bar(self.seeds, "{bar:30} {pos}/{len} seeds, {eta} left{msg}");
        let (watch, failed) = (Stopwatch::start(), AtomicUsize::new(0));
        let sums = simulate_many(self.from..self.from + self.seeds, &options, threads, &|seed, outcome| {
            bar.inc(1);
            if let Some(first) = outcome.violations.first() {
                let failed = failed.fetch_add(1, Ordering::Relaxed) + 1;
                bar.set_message(format!(", {failed} failed"));
                if failed <= report::FAILED_SHOWN {
                    bar.println(styled(BAD, &format!("seed {seed} fails: {}", clean(&first.to_string()))));
                }
            }
            interrupt.flow()
        });
        let took = watch.read();
        bar.finish_and_clear();
        let first = sums.failed.first_key_value().map(|(seed, _)| *seed).filter(|_| !self.as_is && interrupt.goes_on());
        let reduced = first.and_then(|seed| {
            let bar = screen::spinner("{spinner} Seed {msg} is made small: {pos} simulations");
            bar.set_message(seed.to_string());
            let reduced = reduce(seed, &options, &|| {
                bar.inc(1);
                interrupt.goes_on()
            });
            bar.finish_and_clear();
            reduced.map(|reduced| (seed, reduced))
        });
        let as_told = sums.failed.is_empty();
        let report = Report { from: self.from, threads, took, sums, reduced };
        say(if self.json { format!("{}\n", report.as_json()) } else { report.to_string() })?;
        interrupt.ended(as_told)
    }

    /// One seed, step by step.
    fn show(&self) -> Result<(), CliError> {
        let outcome = simulate(self.from, &Options { trace: true, ..self.shop.options()? });
        let failed = !outcome.violations.is_empty();
        say(if self.json { format!("{}\n", report::seed_as_json(&outcome)) } else { report::steps(&outcome) })?;
        if failed { Err(CliError::NotAsTold) } else { Ok(()) }
    }
}

impl Shop {
    fn options(&self) -> Result<Options, CliError> {
        if let Some(order) = self.only_orders.iter().find(|order| **order >= self.orders) {
            let orders = count(self.orders.into(), "order", "orders");
            return Err(CliError::Usage(format!("there is no order {order}: there are {orders}, from 0 on")));
        }
        let orders = (0..self.orders).filter(|order| !self.only_orders.contains(order));
        let faults = Fault::ALL.iter().copied().filter(|fault| !self.only_faults.contains(fault));
        Ok(Options {
            audits: self.audits,
            orders: self.orders,
            without_orders: if self.only_orders.is_empty() { BTreeSet::new() } else { orders.collect() },
            stores_max: self.stores,
            without_faults: if self.only_faults.is_empty() { BTreeSet::new() } else { faults.collect() },
            faults_max: self.faults.unwrap_or(u64::MAX),
            shuffle: self.shuffle,
            trace: false,
            #[cfg(feature = "injected-bugs")]
            bug: self.bug,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    #[derive(clap::Subcommand)]
    enum Command {
        Simulate(Simulate),
    }

    /// What the command that shows a seed again simulates.
    fn shown(options: &Options) -> Options {
        let command = report::command(4711, options);
        let Command::Simulate(again) = Line::try_parse_from(command.split(' ')).unwrap().command;
        assert_eq!((again.from, again.trace), (4711, true), "{command}");
        again.shop.options().unwrap()
    }

    #[test]
    fn a_seed_made_small_has_a_command_that_shows_it_again() {
        let small = Options {
            orders: 30,
            without_orders: (0..30).filter(|order| ![7, 12].contains(order)).collect(),
            stores_max: 2,
            without_faults: Fault::ALL.iter().copied().filter(|fault| *fault != Fault::Kill).collect(),
            faults_max: 3,
            shuffle: 2,
            ..Options::default()
        };
        for options in [Options::default(), small.clone(), Options { faults_max: 0, ..Options::default() }] {
            assert_eq!(shown(&options), options);
        }
        let without_faults = shown(&Options { without_faults: Fault::ALL.iter().copied().collect(), ..small.clone() });
        assert_eq!(without_faults.faults_max, 0);
        let without_orders = shown(&Options { without_orders: (0..30).collect(), ..small });
        assert_eq!(without_orders.orders, 0);
    }
}
