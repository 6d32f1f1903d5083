//! The simulation can see: known defects, put in one at a time, are found within so many seeds.

use tradewind_sim::{Bug, Options, reduce, simulate};

/// Seeds within which every defect is found.
const SEEDS_MAX: u64 = 60;

#[test]
fn every_known_defect_is_seen() {
    let unseen: Vec<&str> = Bug::ALL
        .iter()
        .filter(|bug| {
            let options = Options { bug: Some(**bug), ..Options::default() };
            !(1..=SEEDS_MAX).any(|seed| !simulate(seed, &options).violations.is_empty())
        })
        .map(|bug| bug.name())
        .collect();
    assert!(unseen.is_empty(), "not seen within {SEEDS_MAX} seeds: {unseen:?}");
}

#[test]
fn a_failing_seed_is_made_small_and_tells_the_stories_of_its_orders() {
    let options = Options { orders: 10, bug: Some(Bug::EndUnheard), ..Options::default() };
    let seed = (1..=SEEDS_MAX).find(|seed| !simulate(*seed, &options).violations.is_empty()).unwrap();
    let reduced = reduce(seed, &options).unwrap();
    assert!(!reduced.outcome.violations.is_empty());
    let left = options.orders as usize - reduced.options.without_orders.len();
    assert!(left <= 2, "{left} orders are left");
    assert!(reduced.options.faults_max <= 5, "{} faults are left", reduced.options.faults_max);
    let story = &reduced.outcome.stories[0];
    assert!(story.lines[0].contains("order.placed") && story.lines.iter().any(|line| line.contains("order.cancelled")));
}
