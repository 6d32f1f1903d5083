//! What simulated seeds have come to, for people and for scripts.

use std::{
    fmt::{self, Write},
    num::NonZeroUsize,
    time::Duration,
};

use serde_json::{Value, json};
use tradewind_sim::{Fault, Options, Outcome, Reduced, Story, Sums, Violation};

use crate::{
    cli::{
        screen::{self, BAD, GOOD, HEAD, styled},
        table::{Cell, Table},
    },
    words::{clean, count, span},
};

/// What a run over many seeds has come to.
pub struct Report {
    pub from: u64,
    pub threads: NonZeroUsize,
    pub took: Duration,
    pub sums: Sums,
    /// The first seed that fails, made small.
    pub reduced: Option<(u64, Reduced)>,
}

/// One seed with its steps.
pub fn steps(outcome: &Outcome) -> String {
    let mut text = outcome.trace.iter().fold(String::new(), |text, step| text + &clean(step) + "\n");
    // Writing to a string does not fail.
    let _written = tell(outcome, &mut text);
    text
}

/// The same as one JSON object.
pub fn seed_as_json(outcome: &Outcome) -> Value {
    json!({
        "violations": outcome.violations.iter().map(violation_as_json).collect::<Vec<_>>(),
        "steps": outcome.trace,
        "stories": outcome.stories.iter().map(story_as_json).collect::<Vec<_>>(),
    })
}

impl Report {
    /// Seeds a second.
    fn rate(&self) -> f64 {
        // Far below 2^52: exact.
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let seeds = self.sums.seeds as f64;
        seeds / self.took.as_secs_f64().max(0.001)
    }

    pub fn as_json(&self) -> Value {
        let Self { from, threads, took, sums, reduced } = self;
        let failed = sums.failed.iter().map(|(seed, violations)| {
            json!({ "seed": seed, "violations": violations.iter().map(violation_as_json).collect::<Vec<_>>() })
        });
        let faults: serde_json::Map<_, _> =
            sums.faults.iter().map(|(fault, times)| (fault.name().to_owned(), json!(times))).collect();
        json!({
            "from": from, "seeds": sums.seeds, "threads": threads, "seconds": took.as_secs_f64(),
            "seeds_per_second": self.rate(), "failed": failed.collect::<Vec<_>>(),
            "reduced": reduced.as_ref().map(|(seed, reduced)| reduced_as_json(*seed, reduced)),
            "orders_a_seed_min": sums.orders_min, "faults_a_seed_min": sums.faults_min,
            "steps": sums.steps, "commits": sums.commits, "events": sums.events, "crashes": sums.crashes,
            "examined": sums.examined, "shop_seconds": sums.shop_ms / 1_000,
            "orders": sums.outcomes, "faults": faults,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, took, sums, .. } = self;
        let mut table = Table::new(&["orders ended as", "", "faults", ""]).right(1).right(3);
        let (mut outcomes, mut faults) = (sums.outcomes.iter(), sums.faults.iter());
        loop {
            let (outcome, fault) = (outcomes.next(), faults.next());
            if outcome.is_none() && fault.is_none() {
                break;
            }
            let name = |name: Option<String>| Cell::from(name.unwrap_or_default());
            table.row([
                name(outcome.map(|(state, _)| state.clone())),
                name(outcome.map(|(_, orders)| orders.to_string())),
                name(fault.map(|(fault, _)| fault.to_string())),
                name(fault.map(|(_, times)| times.to_string())),
            ]);
        }
        f.write_str(&table.shown(screen::width()))?;
        let lived = span(Duration::from_millis(sums.shop_ms));
        writeln!(f, "\nThe shops lived {lived}, made {} commits and died {} times.", sums.commits, sums.crashes)?;
        writeln!(f, "Each had at least {} orders and {} faults.", sums.orders_min, sums.faults_min)?;
        let failed = sums.failed.len();
        let verdict = format!("{failed} failed");
        let (seeds, threads) = (count(sums.seeds, "seed", "seeds"), count(threads.get() as u64, "thread", "threads"));
        let verdict = styled(if failed == 0 { GOOD } else { BAD }, &verdict);
        writeln!(f, "{seeds} in {} on {threads}: {:.1} a second, {verdict}.", span(*took), self.rate())?;
        if failed > 0 {
            let seeds: Vec<String> = sums.failed.keys().take(FAILED_SHOWN).map(ToString::to_string).collect();
            let more = if failed > FAILED_SHOWN { " …" } else { "" };
            writeln!(f, "Seeds that failed: {}{more}", seeds.join(", "))?;
        }
        self.reduced.as_ref().map_or(Ok(()), |(seed, reduced)| tell_reduced(*seed, reduced, f))
    }
}

/// Seeds that are listed; `--json` has them all.
pub const FAILED_SHOWN: usize = 20;

fn tell_reduced(seed: u64, reduced: &Reduced, out: &mut impl Write) -> fmt::Result {
    let orders: u64 = reduced.outcome.figures.outcomes.values().sum();
    let faults: u64 = reduced.outcome.figures.faults.values().sum();
    let (orders, faults) = (count(orders, "order", "orders"), count(faults, "fault", "faults"));
    let stores = count(reduced.outcome.figures.stores as u64, "store", "stores");
    let what = format!("Seed {seed} fails also with {orders}, {faults}, {stores}");
    writeln!(out, "\n{} (found by {} simulations)", styled(HEAD, &what), reduced.tries)?;
    for (fault, times) in &reduced.outcome.figures.faults {
        writeln!(out, "  {fault}: {times}")?;
    }
    tell(&reduced.outcome, out)?;
    writeln!(out, "\nEvery step of it: {}", command(seed, &reduced.options))
}

/// Why a seed fails, and the stories of its orders.
fn tell(outcome: &Outcome, out: &mut impl Write) -> fmt::Result {
    for Story { order_id, lines } in &outcome.stories {
        writeln!(out, "\n{}", styled(HEAD, &format!("Order {order_id}")))?;
        lines.iter().try_for_each(|line| writeln!(out, "  {}", clean(line)))?;
    }
    if outcome.violations.is_empty() {
        return writeln!(out, "\n{}", styled(GOOD, "All is as it must be."));
    }
    writeln!(out)?;
    let mut said = outcome.violations.iter().map(|violation| styled(BAD, &clean(&violation.to_string())));
    said.try_for_each(|line| writeln!(out, "{line}"))
}

/// The command that shows a seed again.
pub fn command(seed: u64, options: &Options) -> String {
    let default = Options::default();
    let mut words = format!("tradewind simulate --from {seed} --trace");
    let mut add = |flag: &str, value: &dyn fmt::Display| words = format!("{words} --{flag} {value}");
    let left: Vec<_> = (0..options.orders).filter(|order| !options.without_orders.contains(order)).collect();
    // To leave out all orders is to plan none.
    let orders = if left.is_empty() { 0 } else { options.orders };
    if orders != default.orders {
        add("orders", &orders);
    }
    if orders > 0 && !options.without_orders.is_empty() {
        add("only-orders", &left.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
    }
    if options.stores_max != default.stores_max {
        add("stores", &options.stores_max);
    }
    let left: Vec<_> = Fault::ALL.iter().filter(|fault| !options.without_faults.contains(fault)).collect();
    if options.faults_max == 0 || left.is_empty() {
        add("faults", &0);
    } else {
        if options.faults_max != default.faults_max {
            add("faults", &options.faults_max);
        }
        if !options.without_faults.is_empty() {
            add("only-faults", &left.iter().map(|fault| fault.name()).collect::<Vec<_>>().join(","));
        }
    }
    if options.audits != default.audits {
        add("audits", &options.audits);
    }
    if options.shuffle != default.shuffle {
        add("shuffle", &options.shuffle);
    }
    #[cfg(feature = "injected-bugs")]
    if let Some(bug) = options.bug {
        add("bug", &bug.name());
    }
    words
}

fn violation_as_json(violation: &Violation) -> Value {
    json!({ "invariant": violation.invariant, "subject": violation.subject, "detail": violation.detail })
}

fn story_as_json(story: &Story) -> Value {
    json!({ "order_id": story.order_id, "lines": story.lines })
}

fn reduced_as_json(seed: u64, reduced: &Reduced) -> Value {
    let mut json = seed_as_json(&reduced.outcome);
    json["seed"] = json!(seed);
    json["simulations"] = json!(reduced.tries);
    json["command"] = json!(command(seed, &reduced.options));
    json
}
