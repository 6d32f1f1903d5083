//! The simulation can see: known bugs, put in one at a time, are found, and docs/simulate.md says within how many seeds.

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroUsize,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{available_parallelism, scope},
};

use tradewind_sim::{Bug, Options, reduce, simulate};

/// Seeds within which every bug is found.
const SEEDS_MAX: u64 = 200;

/// Where the searches begin.
const STARTS: [u64; 3] = [1, 1_001, 2_001];

/// The first seed from `from` on that fails with this bug, counted from 1.
fn found(bug: Bug, from: u64) -> Option<u64> {
    let options = Options { bug: Some(bug), ..Options::default() };
    (1..=SEEDS_MAX).find(|nth| !simulate(from + nth - 1, &options).violations.is_empty())
}

/// How many seeds it takes to find each bug, from several seeds on: the most of them.
fn all_found() -> BTreeMap<&'static str, Option<u64>> {
    let (next, most) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(|| {
                while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let seeds = STARTS.map(|from| found(*bug, from));
                    let seeds = seeds.into_iter().collect::<Option<Vec<_>>>().and_then(|seeds| seeds.into_iter().max());
                    most.lock().unwrap_or_else(PoisonError::into_inner).insert(bug.name(), seeds);
                }
            });
        }
    });
    most.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The rows of the table in docs/simulate.md: within how many seeds each bug is seen.
fn promised() -> BTreeMap<String, u64> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/simulate.md");
    let page = fs::read_to_string(page).expect("docs/simulate.md is there");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.strip_suffix('|')?.split('|').map(str::trim);
        let name = cells.next()?.strip_suffix('`')?.to_owned();
        Some((name, cells.next_back()?.parse().ok()?))
    });
    rows.collect()
}

#[test]
fn every_known_bug_is_seen_within_the_seeds_that_the_page_promises() {
    let (found, promised) = (all_found(), promised());
    let kept = Bug::ALL.iter().all(|bug| {
        let (seeds, within) = (found[bug.name()], promised.get(bug.name()));
        seeds.zip(within).is_some_and(|(seeds, within)| seeds <= *within)
    });
    let rows = Bug::ALL.iter().map(|bug| {
        let seeds = found[bug.name()].map_or_else(|| "not seen".to_owned(), |seeds| seeds.to_string());
        format!("| `{}` | {} | {} | {seeds} |\n", bug.name(), bug.number(), bug.says())
    });
    let rows: String = rows.collect();
    println!("{rows}");
    assert!(kept, "docs/simulate.md promises {promised:?}; it took\n{rows}");
    assert_eq!(promised.len(), Bug::ALL.len(), "docs/simulate.md has a row for each bug and for nothing else");
}

#[test]
fn most_failing_seeds_are_made_small_and_all_tell_the_stories_of_their_orders() {
    let options = Options { orders: 10, bug: Some(Bug::StatusGoesBack), ..Options::default() };
    let fails = |seed: &u64| !simulate(*seed, &options).violations.is_empty();
    let seeds: Vec<u64> = (1..=SEEDS_MAX).filter(fails).take(3).collect();
    let mut small = 0;
    for seed in seeds {
        let reduced = reduce(seed, &options, &|| true).unwrap();
        assert!(!reduced.outcome.violations.is_empty());
        let orders = options.orders as usize - reduced.options.without_orders.len();
        let faults: u64 = reduced.outcome.figures.faults.values().sum();
        // Now and then one needs several things to come together.
        assert!(orders <= 4 && faults <= 20, "{seed}: {orders} orders and {faults} faults are left");
        small += u32::from(orders <= 2 && faults <= 5);
        let story = &reduced.outcome.stories[0];
        assert!(story.lines[0].contains("order.placed"), "{seed}: {story:?}");
        assert!(story.lines.iter().any(|line| line.contains("order.cancelled")), "{seed}: {story:?}");
    }
    assert!(small >= 2, "{small} of three were made small");
}

#[test]
fn a_reduction_that_is_broken_off_keeps_what_it_has() {
    let options = Options { bug: Some(Bug::StatusGoesBack), ..Options::default() };
    let seed = (1..=SEEDS_MAX).find(|seed| !simulate(*seed, &options).violations.is_empty()).unwrap();
    let reduced = reduce(seed, &options, &|| false).unwrap();
    assert_eq!(reduced.options.without_orders.len(), 0);
    assert!(!reduced.outcome.violations.is_empty() && !reduced.outcome.stories.is_empty());
    assert!(reduce(seed, &Options::default(), &|| true).is_none(), "it fails of the bug alone");
}

#[test]
fn what_is_wrong_is_said_once_however_often_it_is_seen() {
    let options = Options { bug: Some(Bug::BalanceSpentTwice), ..Options::default() };
    let failing = (1..=SEEDS_MAX).find_map(|seed| {
        let violations = simulate(seed, &options).violations;
        (!violations.is_empty()).then_some(violations)
    });
    let violations = failing.unwrap();
    let overdrawn = |violation: &tradewind_sim::Violation| violation.detail.contains("is overdrawn");
    assert!(violations.iter().any(overdrawn), "{violations:?}");
    for (nth, violation) in violations.iter().enumerate() {
        assert!(!violations[..nth].contains(violation), "{violation} is said twice");
    }
}
