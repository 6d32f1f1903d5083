//! `cargo run -p tradewind-sim --release --example simulate -- --seeds 1000 --from 1`: simulates seeds, says how fast
//! and which fail, and makes the first that fails small.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tradewind_sim::{Bug, Fault, Figures, Options, Outcome, reduce, simulate};

struct Arguments {
    seeds: u64,
    from: u64,
    threads: u64,
    options: Options,
    reduces: bool,
    traces: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed =
        Arguments { seeds: 100, from: 1, threads: 1, options: Options::default(), reduces: true, traces: false };
    let mut given = std::env::args().skip(1);
    while let Some(flag) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{flag} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
        match flag.as_str() {
            "--seeds" => parsed.seeds = number(value()?)?,
            "--from" => parsed.from = number(value()?)?,
            "--threads" => parsed.threads = number(value()?)?,
            "--orders" => {
                parsed.options.orders = u32::try_from(number(value()?)?).map_err(|error| error.to_string())?;
            }
            "--stores" => {
                parsed.options.stores_max = u32::try_from(number(value()?)?).map_err(|error| error.to_string())?;
            }
            "--faults-max" => parsed.options.faults_max = number(value()?)?,
            "--shuffle" => parsed.options.shuffle = number(value()?)?,
            "--without" => {
                let name = value()?;
                let fault = Fault::ALL.iter().find(|fault| fault.name() == name);
                parsed.options.without_faults.insert(*fault.ok_or_else(|| format!("there is no fault {name}"))?);
            }
            "--without-order" => {
                let order = u32::try_from(number(value()?)?).map_err(|error| error.to_string())?;
                parsed.options.without_orders.insert(order);
            }
            "--bug" => {
                let name = value()?;
                let bug = Bug::ALL.iter().find(|bug| bug.name() == name);
                parsed.options.bug = Some(*bug.ok_or_else(|| format!("there is no bug {name}"))?);
            }
            "--as-is" => parsed.reduces = false,
            "--trace" => parsed.traces = true,
            other => return Err(format!("{other} is unknown")),
        }
    }
    Ok(parsed)
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if arguments.traces {
        let options = Options { trace: true, ..arguments.options };
        tell(arguments.from, &simulate(arguments.from, &options));
        return ExitCode::SUCCESS;
    }
    run(&arguments)
}

#[expect(clippy::disallowed_methods, reason = "the rate is measured, nothing depends on it")]
fn run(arguments: &Arguments) -> ExitCode {
    let began = std::time::Instant::now();
    let next = AtomicU64::new(arguments.from);
    let (sums, failing) = (Mutex::new(Sums::default()), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= arguments.from + arguments.seeds {
                        return;
                    }
                    let outcome = simulate(seed, &arguments.options);
                    sums.lock().unwrap_or_else(PoisonError::into_inner).add(&outcome.figures);
                    if let Some(first) = outcome.violations.first() {
                        eprintln!("seed {seed} fails: {first} (and {} more)", outcome.violations.len() - 1);
                        failing.lock().unwrap_or_else(PoisonError::into_inner).insert(seed);
                    }
                }
            });
        }
    });
    let millis = began.elapsed().as_millis().max(1);
    let failing = failing.into_inner().unwrap_or_else(PoisonError::into_inner);
    sums.into_inner().unwrap_or_else(PoisonError::into_inner).tell(arguments.seeds);
    let tenths = u128::from(arguments.seeds) * 10_000 / millis;
    let (seeds, fail) = (arguments.seeds, failing.len());
    eprintln!("{seeds} seeds in {millis} ms: {}.{} seeds/s, {fail} fail", tenths / 10, tenths % 10);
    let Some(seed) = failing.first() else { return ExitCode::SUCCESS };
    if arguments.reduces
        && let Some(reduced) = reduce(*seed, &arguments.options)
    {
        tell(*seed, &reduced.outcome);
        eprintln!("seed {seed}, reduced by {} simulations: {:?}", reduced.tries, reduced.options);
    }
    ExitCode::FAILURE
}

#[derive(Default)]
struct Sums {
    all: Vec<Figures>,
    faults: BTreeMap<Fault, u64>,
    outcomes: BTreeMap<String, u64>,
}

impl Sums {
    fn add(&mut self, figures: &Figures) {
        for (fault, happened) in &figures.faults {
            *self.faults.entry(*fault).or_default() += happened;
        }
        for (state, orders) in &figures.outcomes {
            *self.outcomes.entry(state.clone()).or_default() += orders;
        }
        self.all.push(figures.clone());
    }

    fn tell(&self, seeds: u64) {
        let mean = |of: fn(&Figures) -> u64| self.all.iter().map(of).sum::<u64>() / seeds.max(1);
        let least = |of: fn(&Figures) -> u64| self.all.iter().map(of).min().unwrap_or(0);
        let (faults, orders) =
            (least(|figures| figures.faults.values().sum()), least(|figures| figures.outcomes.values().sum()));
        eprintln!(
            "a seed, on average: {} steps, {} commits, {} events, {} messages taken, {} requests, {} jobs, {} crashes, \
             {} mended, {} rows and events audited, {} minutes in the shop; at least {orders} orders and {faults} faults",
            mean(|figures| figures.steps),
            mean(|figures| figures.commits),
            mean(|figures| figures.events),
            mean(|figures| figures.delivered),
            mean(|figures| figures.requests),
            mean(|figures| figures.jobs),
            mean(|figures| figures.crashes),
            mean(|figures| figures.mended),
            mean(|figures| figures.examined),
            mean(|figures| figures.shop_ms) / 60_000,
        );
        eprintln!("orders: {:?}", self.outcomes);
        let faults: Vec<String> = self.faults.iter().map(|(fault, happened)| format!("{fault} {happened}")).collect();
        eprintln!("faults: {}", faults.join(", "));
    }
}

fn tell(seed: u64, outcome: &Outcome) {
    for line in &outcome.trace {
        eprintln!("{line}");
    }
    for story in &outcome.stories {
        eprintln!("\norder {}", story.order_id);
        for line in &story.lines {
            eprintln!("  {line}");
        }
    }
    eprintln!("\nseed {seed}: {} violations", outcome.violations.len());
    for violation in &outcome.violations {
        eprintln!("  {violation}");
    }
}
