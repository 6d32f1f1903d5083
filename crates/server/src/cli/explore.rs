//! `tradewind explore`

mod report;

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tradewind_events::{PaymentMethod, TextEnum};
use tradewind_explore::{Bounds, Case, Scenario, explore};

use super::{CliError, say};
use report::{Explored, Report};

/// Explore one order through every order in which things can happen.
///
/// One order is placed in a small shop whose five services of the saga each have a store of their own, so that every event
/// is a message on its way. From there every situation that can come next is looked at, breadth first and each once: any
/// message may arrive, before or after any other and once more under another id; any timer may fire; the customer, staff and
/// whoever pays may do what they can; the payment provider may come to whatever it may come to, and call back at any time.
/// The handlers are those that serve a shop.
///
/// At every moment stock and books must add up. Whenever nothing happens by itself any more, the ten invariants of `tradewind
/// verify` must hold, and the order must have ended or wait for staff. The exit status is 1 when that is not so; then the
/// shortest way there is told as a story. docs/explore.md says how to read it.
#[derive(clap::Args)]
pub struct Explore {
    /// Only these ways of paying: balance, card, external
    #[arg(long, value_name = "METHOD,…", value_delimiter = ',', value_parser = named::<PaymentMethod>)]
    method: Vec<PaymentMethod>,
    /// Only these cases, such as `plain` or `out-of-stock`
    #[arg(long, value_name = "CASE,…", value_delimiter = ',', value_parser = named::<Case>)]
    case: Vec<Case>,
    /// At most so many situations of each way of paying and case; 25 million take about a gigabyte
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
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Explore {
    pub fn run(self) -> Result<(), CliError> {
        let bar = ProgressBar::new_spinner().with_style(style());
        bar.enable_steady_tick(Duration::from_millis(100));
        let states = if self.exhaust { u32::MAX } else { self.states };
        let states = usize::try_from(states).unwrap_or(usize::MAX);
        let bounds = Bounds { states, duplicates: self.duplicates, faults: self.faults };
        let (mut explored, mut failed) = (Vec::new(), false);
        for scenario in self.scenarios() {
            let began = now();
            let watch = &mut |figures: &tradewind_explore::Figures| {
                bar.set_message(format!("{scenario}: {} situations", figures.states));
            };
            let (figures, found) = explore(scenario, bounds, &self.without, watch).map_err(CliError::Usage)?;
            failed |= found.is_some();
            explored.push(Explored { scenario, took: began.elapsed(), figures, found });
        }
        bar.finish_and_clear();
        let report = Report { bounds, explored };
        say(if self.json { format!("{}\n", report.as_json()) } else { report.to_string() })?;
        if failed { Err(CliError::NotAsTold) } else { Ok(()) }
    }

    /// Whatever was asked for; all where nothing was said.
    fn scenarios(&self) -> Vec<Scenario> {
        let methods = if self.method.is_empty() { PaymentMethod::ALL } else { &self.method };
        let cases = if self.case.is_empty() { Case::ALL } else { &self.case };
        let recall = !self.no_recall;
        let all = methods.iter().flat_map(|method| cases.iter().map(move |case| (*method, *case)));
        all.map(|(method, case)| Scenario { method, case, recall }).filter(|scenario| scenario.is_there()).collect()
    }
}

fn named<T: TextEnum + std::str::FromStr<Err: std::fmt::Display>>(name: &str) -> Result<T, String> {
    name.parse().map_err(|error: T::Err| error.to_string())
}

fn handler(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once(':').map(|(service, event)| (service.to_owned(), event.to_owned()));
    parts.ok_or_else(|| "a handler is SERVICE:EVENT, such as shipping:order.cancel_requested".to_owned())
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[expect(clippy::disallowed_methods, reason = "the rate is told, and nothing depends on it")]
fn now() -> Instant {
    Instant::now()
}
