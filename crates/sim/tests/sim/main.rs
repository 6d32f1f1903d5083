//! The whole shop over split stores, with everything that can go wrong: some seeds, or as many as somebody wants
//! (`TRADEWIND_SIM_SEEDS`).

#[cfg(feature = "injected-bugs")]
mod bugs;

use std::{fmt::Write, num::NonZeroUsize, ops::ControlFlow, thread::available_parallelism};

use tradewind_sim::{Fault, Options, reduce, simulate, simulate_many};

/// Seeds of a short run.
const SEEDS: u64 = 60;

#[expect(clippy::disallowed_methods, reason = "a test is configured by its environment")]
fn seeds() -> u64 {
    std::env::var("TRADEWIND_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

/// What a failing seed has to tell, made small.
fn told(seed: u64, options: &Options) -> String {
    let Some(reduced) = reduce(seed, options, &|| true) else { return format!("seed {seed} does not fail again") };
    let mut told = format!("seed {seed} fails, also with {:?}", reduced.options);
    for violation in &reduced.outcome.violations {
        write!(told, "\n  {violation}").expect("a string takes everything");
    }
    for story in &reduced.outcome.stories {
        write!(told, "\norder {}\n  {}", story.order_id, story.lines.join("\n  ")).expect("a string takes everything");
    }
    told
}

#[test]
fn whatever_goes_wrong_the_shop_comes_to_rest_as_it_must() {
    let options = Options::default();
    let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let sums = simulate_many(1..seeds() + 1, &options, threads, &|_, _| ControlFlow::Continue(()));
    if let Some(seed) = sums.failed.keys().next() {
        panic!(
            "{} of {} seeds fail: {:?}\n{}",
            sums.failed.len(),
            sums.seeds,
            sums.failed.keys(),
            told(*seed, &options)
        );
    }
    assert_eq!(sums.seeds, seeds());
    // Of 26 that are planned; some customers give up. Of 100,000 seeds the one with the fewest has 13.
    assert!(sums.orders() >= 22 * sums.seeds, "{} seeds have {} orders", sums.seeds, sums.orders());
    assert!(sums.orders_min >= 10, "a seed has {} orders", sums.orders_min);
    assert!(sums.faults_min >= 5, "a seed has {} faults", sums.faults_min);
    assert!(sums.forgotten > 0, "no row was old enough to be forgotten");
    let absent: Vec<_> = Fault::ALL.iter().filter(|fault| !sums.faults.contains_key(fault)).collect();
    assert!(absent.is_empty(), "never happened: {absent:?}");
    for state in ["completed", "confirmed", "dispatched", "cancelled", "rejected"] {
        assert!(sums.outcomes.keys().any(|is| is.starts_with(state)), "no order is {state}: {:?}", sums.outcomes);
    }
}

/// Audits of each seed while its shop runs.
const AUDITS: u32 = 12;

/// One of so many seeds is audited while it runs, which takes many times as long as the seed alone.
const AUDITED_ONE_OF: u64 = 50;

#[test]
fn whatever_is_under_way_an_audit_of_copies_of_different_moments_finds_no_violation() {
    let options = Options { audits: AUDITS, ..Options::default() };
    let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let (first, seeds) = (1_000_000, (seeds() / AUDITED_ONE_OF).max(SEEDS));
    let sums = simulate_many(first..first + seeds, &options, threads, &|_, _| ControlFlow::Continue(()));
    if let Some(seed) = sums.failed.keys().next() {
        panic!("{} of {} seeds fail\n{}", sums.failed.len(), sums.seeds, told(*seed, &options));
    }
    assert!(sums.audits >= sums.seeds * u64::from(AUDITS) / 2, "{} audits of {} seeds", sums.audits, sums.seeds);
    // Most of what is judged needs one store alone; what compares stores is orders with nothing under way.
    assert!(sums.audited_orders > sums.audits, "{} orders in {} audits", sums.audited_orders, sums.audits);
}

/// A price was asked for as a column, where a batch that had been open since before it took effect had put it among
/// those to come. In the others a consumer was resumed, paused and resumed within one batch, and what was parked in it was
/// left or overtaken.
const FOUND: [u64; 5] = [75_986, 455, 3_123, 3_796, 5_936];

#[test]
fn seeds_that_have_found_something_once_go_well() {
    for seed in FOUND {
        assert_eq!(simulate(seed, &Options::default()).violations, [], "{seed}");
    }
}

#[test]
fn a_seed_replays_exactly_also_while_it_is_traced() {
    for seed in [3, 17, 99] {
        let first = simulate(seed, &Options::default());
        let traced = simulate(seed, &Options { trace: true, ..Options::default() });
        assert_eq!(first.figures, traced.figures);
        assert!(first.trace.is_empty() && traced.trace.len() > 1_000);
        let again = simulate(seed, &Options { trace: true, ..Options::default() });
        assert_eq!((traced.trace, traced.stories), (again.trace, again.stories));
        assert_ne!(first.figures.digest, simulate(seed + 1, &Options::default()).figures.digest);
    }
}

#[test]
fn what_is_left_out_does_not_happen() {
    let calm = Options { faults_max: 0, ..Options::default() };
    let figures = simulate(5, &calm).figures;
    assert_eq!((figures.faults.len(), figures.crashes, figures.mended), (0, 0, 0));
    let audited = simulate(5, &Options { audits: 2, ..calm }).figures;
    assert_eq!((audited.audits, audited.digest), (2, figures.digest), "an audit changes nothing");
    let few = Options { faults_max: 7, ..Options::default() };
    assert_eq!(simulate(5, &few).figures.faults.values().sum::<u64>(), 7);
    let without_faults = [Fault::Kill, Fault::MessageDuplicated].into();
    let figures = simulate(5, &Options { without_faults, ..Options::default() }).figures;
    assert!(!figures.faults.contains_key(&Fault::Kill) && !figures.faults.contains_key(&Fault::MessageDuplicated));
    let alone = Options { orders: 3, without_orders: [0, 2].into(), stores_max: 1, ..Options::default() };
    let figures = simulate(5, &alone).figures;
    assert!(figures.outcomes.values().sum::<u64>() <= 1 && figures.stores == 1 && figures.messages == 0);
}
