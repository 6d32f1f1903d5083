//! One order through every order of things: as far as a short run goes, or to the end when `TRADEWIND_EXPLORE` is `full`.

#[cfg(feature = "injected-bugs")]
mod bugs;
mod deaf;

use std::fmt::Write;

use tradewind_events::{PaymentMethod, TextEnum};
use tradewind_explore::{Bounds, Case, Figures, Found, Scenario, explore};

/// More than any exploration here has.
const ALL: usize = 50_000_000;

/// Explores every case of a method to exhaustion; the situations that were met.
fn explore_all(method: PaymentMethod, recall: bool, (duplicates, faults): (u8, u8)) -> u64 {
    let scenarios = Case::ALL.iter().map(|case| Scenario { method, case: *case, recall });
    let all = scenarios.filter(|scenario| scenario.is_there()).map(|scenario| {
        // A customer who leaves makes everything ten times as much.
        let (duplicates, faults) = if scenario.case == Case::CustomerLeaves { (0, 0) } else { (duplicates, faults) };
        let bounds = Bounds { states: ALL, duplicates, faults };
        let (figures, found) = explore(scenario, bounds, &[], &mut |_| {}).expect("the shop is set up");
        if let Some(found) = found {
            panic!("{scenario}: {}", told(&found));
        }
        assert!(figures.exhausted, "{scenario}: {figures:?}");
        figures.states
    });
    all.sum()
}

/// A story as one text.
fn told(found: &Found) -> String {
    let mut text = format!("{}\n", found.reason);
    for (nth, step) in (1..).zip(&found.steps) {
        let (said, changed) = (step.said.join(", "), step.changed.join("; "));
        writeln!(text, "{nth:3}. {} [{said}] {changed}", step.text).expect("a string takes everything");
    }
    text
}

#[test]
fn in_every_order_of_things_an_order_paid_from_a_balance_ends_as_it_must() {
    let situations = explore_all(PaymentMethod::Balance, true, (1, 0));
    assert!(situations >= 200_000, "only {situations} situations");
}

#[test]
fn in_every_order_of_things_an_order_paid_elsewhere_ends_as_it_must() {
    bounded(PaymentMethod::External);
}

#[test]
fn in_every_order_of_things_an_order_paid_by_card_ends_as_it_must() {
    bounded(PaymentMethod::Card);
}

/// The first 200,000 situations, with a duplicate and a fault among them.
fn bounded(method: PaymentMethod) {
    let scenario = Scenario { method, case: Case::Plain, recall: true };
    let bounds = Bounds { states: 200_000, duplicates: 1, faults: 1 };
    let (figures, found) = explore(scenario, bounds, &[], &mut |_| {}).expect("the shop is set up");
    if let Some(found) = found {
        panic!("{scenario}: {}", told(&found));
    }
    assert_eq!((figures.states, figures.cut), (200_000, true));
}

#[test]
fn where_shipping_takes_nothing_back_every_order_ends_as_it_must() {
    assert!(explore_all(PaymentMethod::Balance, false, (0, 0)) >= 20_000);
}

#[test]
fn every_outcome_there_is_comes_up() {
    let mut seen: Vec<String> = Vec::new();
    for method in PaymentMethod::ALL {
        for case in Case::ALL.iter().filter(|case| **case != Case::CustomerLeaves) {
            let scenario = Scenario { method: *method, case: *case, recall: true };
            let bounds = Bounds { states: 60_000, duplicates: 0, faults: 0 };
            let (figures, found) = explore(scenario, bounds, &[], &mut |_| {}).expect("the shop is set up");
            assert_eq!(found, None, "{scenario}");
            seen.extend(figures.rests.into_keys());
        }
    }
    for outcome in [
        "completed",
        "confirmed",
        "dispatched",
        "cancelled (customer)",
        "cancelled (operator)",
        "cancelled (deadline)",
        "rejected (quote_refused)",
        "rejected (reservation_refused)",
        "rejected (reservation_expired)",
        "rejected (shipment_refused)",
        "rejected (payment_failed)",
    ] {
        assert!(seen.iter().any(|known| known == outcome), "no order is {outcome}");
    }
}

#[test]
fn an_exploration_is_the_same_each_time_and_stops_at_its_bound() {
    let scenario = Scenario { method: PaymentMethod::Card, case: Case::Plain, recall: true };
    let run = |states: usize| {
        let mut watched = 0;
        let bounds = Bounds { states, duplicates: 1, faults: 1 };
        let (figures, found) = explore(scenario, bounds, &[], &mut |_| watched += 1).unwrap();
        assert_eq!(found, None);
        assert!(watched > 0);
        figures
    };
    let figures: Figures = run(5_000);
    assert_eq!(figures, run(5_000));
    assert_eq!((figures.states, figures.cut, figures.exhausted), (5_000, true, false));
}

#[test]
fn to_the_end_every_order_with_one_duplicate_ends_as_it_must() {
    for method in PaymentMethod::ALL.iter().filter(|_| is_full()) {
        explore_all(*method, true, (1, 0));
    }
}

#[test]
fn to_the_end_every_order_with_one_fault_ends_as_it_must() {
    for method in PaymentMethod::ALL.iter().filter(|_| is_full()) {
        explore_all(*method, true, (0, 1));
        explore_all(*method, false, (0, 0));
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is configured by its environment")]
fn is_full() -> bool {
    std::env::var("TRADEWIND_EXPLORE").is_ok_and(|how| how == "full")
}
