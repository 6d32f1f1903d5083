//! `tradewind explore`

mod report;

use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tradewind_events::{PaymentMethod, TextEnum};
use tradewind_explore::{Bounds, Case, Scenario, explore_many};

use super::{
    CliError,
    interrupt::{Interrupt, noticing},
    named, say, screen, threads,
};
use crate::{metrics::Stopwatch, words::count};
use report::Report;

/// Explore one order through every order in which things can happen.
///
/// One order is placed in a small shop whose five services of the saga each have a store of their own, so that every event
/// is a message on its way. From there every situation that can come next is looked at, breadth first and each once: any
/// message may arrive, before or after any other and once more under another id; any timer may fire; the customer, staff and
/// whoever pays may do what they can; the payment provider may come to whatever it may come to, and call back at any time.
/// The handlers are those that serve a shop.
///
/// At every moment stock and books must add up. Every situation must come to rest, and at rest the invariants of `tradewind
/// verify` about stock, orders and money must hold, and the order must have ended or wait for staff. The exit status is 1
/// when that is not so; then the shortest way there is told as a story. docs/explore.md says how to read it.
#[derive(clap::Args)]
pub struct Explore {
    /// Only these ways of paying, such as `card`
    #[arg(long, value_name = "METHOD,…", value_delimiter = ',')]
    #[arg(value_parser = named(PaymentMethod::ALL, PaymentMethod::as_str))]
    method: Vec<PaymentMethod>,
    /// Only these cases, such as `plain` or `out-of-stock`
    #[arg(long, value_name = "CASE,…", value_delimiter = ',', value_parser = named(Case::ALL, Case::as_str))]
    case: Vec<Case>,
    /// At most so many situations of each way of paying and case; 20 million take about a gigabyte
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=4_000_000_000))]
    states: u32,
    /// Look at every situation, however many there are
    #[arg(long, conflicts_with = "states")]
    exhaust: bool,
    /// How many facts are told once more under another id, so that no inbox helps
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(..=8))]
    duplicates: u8,
    /// How often whoever pays outside fails: answers that are lost, refusals for good, second charges, wrong amounts
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(..=8))]
    faults: u8,
    /// Shipping takes nothing back: a confirmed order cannot be cancelled
    #[arg(long)]
    no_recall: bool,
    /// Leave a handler out, to see what it is for, such as `shipping:order.cancel_requested`
    #[arg(long, value_name = "SERVICE:EVENT", value_parser = handler)]
    without: Vec<(String, String)>,
    /// Explorations at the same time; by default one a core
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Explore {
    pub fn run(self) -> Result<(), CliError> {
        noticing(move |interrupt| self.explore(interrupt))
    }

    fn explore(&self, interrupt: &Interrupt) -> Result<(), CliError> {
        let scenarios = self.scenarios()?;
        let threads = threads(self.threads).min(NonZeroUsize::new(scenarios.len()).unwrap_or(NonZeroUsize::MIN));
        let states = if self.exhaust { u32::MAX } else { self.states };
        let states = usize::try_from(states).unwrap_or(usize::MAX);
        let bounds = Bounds { states, duplicates: self.duplicates, faults: self.faults };
        let bar = screen::spinner("{spinner} {msg}");
        bar.enable_steady_tick(Duration::from_millis(100));
        let (watch, met) = (Stopwatch::start(), scenarios.iter().map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
        let explored = explore_many(&scenarios, bounds, &self.without, threads, &|nth, figures| {
            met[nth].store(figures.states, Ordering::Relaxed);
            let all: u64 = met.iter().map(|met| met.load(Ordering::Relaxed)).sum();
            let all = count(all, "situation", "situations");
            bar.set_message(format!("{} of {}: {}; {all}", nth + 1, scenarios.len(), scenarios[nth]));
            interrupt.flow()
        });
        bar.finish_and_clear();
        let report = Report { bounds, threads, took: watch.read(), explored: explored.map_err(CliError::Usage)? };
        say(if self.json { format!("{}\n", report.as_json()) } else { report.to_string() })?;
        interrupt.ended(report.failed() == 0)
    }

    /// Whatever was asked for; all where nothing was said.
    fn scenarios(&self) -> Result<Vec<Scenario>, CliError> {
        let methods = if self.method.is_empty() { PaymentMethod::ALL } else { &self.method };
        let cases = if self.case.is_empty() { Case::ALL } else { &self.case };
        let recall = !self.no_recall;
        let all = methods.iter().flat_map(|method| cases.iter().map(move |case| (*method, *case)));
        let scenarios = all.map(|(method, case)| Scenario { method, case, recall });
        let scenarios: Vec<_> = scenarios.filter(|scenario| scenario.is_there()).collect();
        if scenarios.is_empty() {
            return Err(CliError::Usage("there is no such case with this way of paying".to_owned()));
        }
        Ok(scenarios)
    }
}

fn handler(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once(':').map(|(service, event)| (service.to_owned(), event.to_owned()));
    parts.ok_or_else(|| "a handler is SERVICE:EVENT, such as shipping:order.cancel_requested".to_owned())
}
