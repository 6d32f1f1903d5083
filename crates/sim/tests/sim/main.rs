//! The whole shop over split stores, with everything that can go wrong: some hundred seeds, or as many as somebody
//! wants (`TRADEWIND_SIM_SEEDS`).

mod bugs;

use std::{collections::BTreeMap, fmt::Write};

use tradewind_sim::{Fault, Options, reduce, simulate};

/// Seeds of a short run.
const SEEDS: u64 = 60;

#[expect(clippy::disallowed_methods, reason = "a test is configured by its environment")]
fn seeds() -> u64 {
    std::env::var("TRADEWIND_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

/// What a failing seed has to tell, made small.
fn told(seed: u64, options: &Options) -> String {
    let Some(reduced) = reduce(seed, options) else { return format!("seed {seed} does not fail again") };
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
    let (mut faults, mut outcomes) = (BTreeMap::<Fault, u64>::new(), BTreeMap::<String, u64>::new());
    for seed in 1..=seeds() {
        let outcome = simulate(seed, &options);
        assert!(outcome.violations.is_empty(), "{}", told(seed, &options));
        for (fault, times) in outcome.figures.faults {
            *faults.entry(fault).or_default() += times;
        }
        for (state, orders) in outcome.figures.outcomes {
            *outcomes.entry(state).or_default() += orders;
        }
    }
    let absent: Vec<_> = Fault::ALL.iter().filter(|fault| !faults.contains_key(fault)).collect();
    assert!(absent.is_empty(), "never happened: {absent:?}");
    for state in ["completed", "confirmed", "dispatched", "cancelled", "rejected"] {
        assert!(outcomes.keys().any(|outcome| outcome.starts_with(state)), "no order is {state}: {outcomes:?}");
    }
}

#[test]
fn every_seed_has_twenty_orders_and_five_faults() {
    for seed in 1_000..1_020 {
        let figures = simulate(seed, &Options::default()).figures;
        let (orders, faults) = (figures.outcomes.values().sum::<u64>(), figures.faults.values().sum::<u64>());
        assert!(orders >= 20, "seed {seed} has {orders} orders");
        assert!(faults >= 5, "seed {seed} has {faults} faults");
        assert!(figures.stores >= 1 && figures.stores <= 4);
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
    let few = Options { faults_max: 7, ..Options::default() };
    assert_eq!(simulate(5, &few).figures.faults.values().sum::<u64>(), 7);
    let without_faults = [Fault::Kill, Fault::MessageDuplicated].into();
    let figures = simulate(5, &Options { without_faults, ..Options::default() }).figures;
    assert!(!figures.faults.contains_key(&Fault::Kill) && !figures.faults.contains_key(&Fault::MessageDuplicated));
    let alone = Options { orders: 3, without_orders: [0, 2].into(), stores_max: 1, ..Options::default() };
    let figures = simulate(5, &alone).figures;
    assert!(figures.outcomes.values().sum::<u64>() <= 1 && figures.stores == 1 && figures.messages == 0);
}
