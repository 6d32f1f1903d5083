//! One order through every order of things: as far as a short run goes, or to the end when `TRADEWIND_EXPLORE` is `full`.

#[cfg(feature = "injected-bugs")]
mod bugs;
mod deaf;

use std::{fmt::Write, ops::ControlFlow};

use tradewind_events::{PaymentMethod, TextEnum};
use tradewind_explore::{Bounds, Case, Figures, Found, Scenario, explore, explore_many};

/// More than any exploration here has.
const ALL: usize = 400_000_000;

/// A build that is not optimized goes less far.
const SHORT: bool = cfg!(debug_assertions);

/// How much is told twice, and how much goes wrong outside.
type Faults = (u8, u8);

fn states(states: usize, (duplicates, faults): Faults) -> Bounds {
    Bounds { states, duplicates, faults }
}

/// Explores without looking on; nothing may be wrong.
fn sound(scenario: Scenario, bounds: Bounds) -> Figures {
    let (figures, found) = explore(scenario, bounds, &[], &mut on).expect("the shop is set up");
    if let Some(found) = found {
        panic!("{scenario}: {}", told(&found));
    }
    figures
}

/// For whoever looks on: it goes on.
fn on(_: &Figures) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Explores every case of a method to exhaustion, the one of a customer who leaves with other bounds; the situations that
/// were met.
fn explore_all(method: PaymentMethod, recall: bool, faults: Faults, leaves: Faults) -> u64 {
    let scenarios = Case::ALL.iter().map(|case| Scenario { method, case: *case, recall });
    let all = scenarios.filter(|scenario| scenario.is_there()).map(|scenario| {
        let faults = if scenario.case == Case::CustomerLeaves { leaves } else { faults };
        let figures = sound(scenario, states(ALL, faults));
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
    if SHORT {
        assert_eq!(sound(plain(PaymentMethod::Balance), states(ALL, (0, 0))).states, 24_085);
    } else {
        let situations = explore_all(PaymentMethod::Balance, true, (1, 0), (0, 0));
        assert!(situations >= 200_000, "only {situations} situations");
    }
}

#[test]
fn in_every_order_of_things_an_order_paid_elsewhere_ends_as_it_must() {
    bounded(PaymentMethod::External);
}

#[test]
fn in_every_order_of_things_an_order_paid_by_card_ends_as_it_must() {
    bounded(PaymentMethod::Card);
}

fn plain(method: PaymentMethod) -> Scenario {
    Scenario { method, case: Case::Plain, recall: true }
}

/// The first situations, with a duplicate and a fault among them.
fn bounded(method: PaymentMethod) {
    let most = if SHORT { 10_000 } else { 1_000_000 };
    let figures = sound(plain(method), states(most, (1, 1)));
    assert_eq!((figures.states, figures.cut), (most as u64, true));
}

#[test]
fn where_shipping_takes_nothing_back_every_order_ends_as_it_must() {
    if SHORT {
        let scenario = Scenario { recall: false, ..plain(PaymentMethod::Balance) };
        assert!(sound(scenario, states(ALL, (0, 0))).exhausted);
    } else {
        assert!(explore_all(PaymentMethod::Balance, false, (0, 0), (0, 0)) >= 20_000);
    }
}

#[test]
fn every_outcome_there_is_comes_up() {
    // Few ways of paying come to all of them, and that is enough.
    let methods = if SHORT { &[PaymentMethod::Balance] } else { PaymentMethod::ALL };
    let mut seen: Vec<String> = Vec::new();
    for method in methods {
        for case in Case::ALL.iter().filter(|case| **case != Case::CustomerLeaves) {
            let scenario = Scenario { case: *case, ..plain(*method) };
            if scenario.is_there() {
                seen.extend(sound(scenario, states(60_000, (0, 0))).rests.into_keys());
            }
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
    let run = || sound(plain(PaymentMethod::Card), states(5_000, (1, 1)));
    let figures = run();
    assert_eq!(figures, run());
    assert_eq!((figures.states, figures.cut, figures.exhausted), (5_000, true, false));
}

#[test]
fn on_several_threads_the_same_is_found_and_what_is_broken_off_says_so() {
    let scenarios = [Case::PriceChanged, Case::OutOfStock, Case::UnknownSku]
        .map(|case| Scenario { case, ..plain(PaymentMethod::Card) });
    let threads = 2.try_into().expect("two is something");
    let bounds = states(ALL, (1, 0));
    let explored =
        explore_many(&scenarios, bounds, &[], threads, &|_, figures| on(figures)).expect("the shop is set up");
    assert_eq!(explored.len(), 3);
    for (explored, scenario) in explored.iter().zip(scenarios) {
        assert_eq!((explored.scenario, &explored.found), (scenario, &None));
        assert_eq!(explored.figures, sound(scenario, bounds));
    }
    let mut times = 0;
    let watch = &mut |_: &Figures| {
        times += 1;
        ControlFlow::Break(())
    };
    let (figures, found) =
        explore(plain(PaymentMethod::Card), states(ALL, (1, 1)), &[], watch).expect("the shop is set up");
    assert_eq!((found, figures.cut, figures.exhausted), (None, true, false));
    assert_eq!(times, 2);
}

#[test]
fn to_the_end_every_order_with_one_duplicate_ends_as_it_must() {
    for method in PaymentMethod::ALL.iter().filter(|_| is_full()) {
        explore_all(*method, true, (1, 0), (1, 0));
    }
}

#[test]
fn to_the_end_every_order_with_one_fault_ends_as_it_must() {
    for method in PaymentMethod::ALL.iter().filter(|_| is_full()) {
        explore_all(*method, true, (0, 1), (0, 0));
        explore_all(*method, false, (0, 0), (0, 0));
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is configured by its environment")]
fn is_full() -> bool {
    std::env::var("TRADEWIND_EXPLORE").is_ok_and(|how| how == "full")
}
