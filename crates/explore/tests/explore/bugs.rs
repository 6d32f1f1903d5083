//! Bugs that somebody could make in a service, put in one at a time: each is found, and its story ends with what is wrong.

use tradewind_engine::inject;
use tradewind_events::PaymentMethod;
use tradewind_explore::{Bounds, Case, Found, Scenario, explore};

fn with(bug: &'static str, method: PaymentMethod) -> Option<Found> {
    let scenario = Scenario { method, case: Case::Plain, recall: true };
    let bounds = Bounds { states: 8_000_000, duplicates: 0, faults: 1 };
    inject(Some(bug));
    let explored = explore(scenario, bounds, &[], &mut crate::on);
    inject(None);
    explored.expect("the shop is set up").1
}

fn reason(bug: &'static str, method: PaymentMethod) -> String {
    with(bug, method).unwrap_or_else(|| panic!("{bug} is not seen")).reason
}

#[test]
fn a_forgotten_end_is_seen() {
    let reason = reason("end-forgotten", PaymentMethod::Balance);
    assert_eq!(reason, "invariant 4: order order-1 (cancelled): its shipment is allocated");
}

#[test]
fn a_cancel_that_does_not_ask_shipping_is_seen() {
    let reason = reason("cancel-unasked", PaymentMethod::Balance);
    assert_eq!(reason, "the order is cancelled, and shipping still owes the release");
}

#[test]
fn a_status_that_goes_back_is_seen() {
    let reason = reason("status-goes-back", PaymentMethod::Balance);
    assert_eq!(reason, "invariant 3: order order-1: completed 0 times, rejected 0, cancelled 2");
}

#[test]
fn stock_that_drifts_is_seen() {
    let reason = reason("stock-drifts", PaymentMethod::Balance);
    assert_eq!(reason, "invariant 1: stock OTHER at main: 1 reserved, but active reservations hold 0");
}

#[test]
fn stock_that_is_sold_after_its_reservation_has_expired_is_seen() {
    let reason = reason("sold-after-expiry", PaymentMethod::Balance);
    assert_eq!(reason, "invariant 1: stock OTHER at main: -1 reserved of 4 on hand");
}

#[test]
fn a_failure_that_is_recorded_as_paid_is_seen() {
    let reason = reason("failure-recorded-as-paid", PaymentMethod::Card);
    assert!(reason.ends_with("we keep 2250, the provider has taken 0 and given back 0"), "{reason}");
}
