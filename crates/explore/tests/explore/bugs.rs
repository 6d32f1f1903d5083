//! Bugs that somebody could make in a service, put in one at a time: each is found, and its story ends with what is wrong.

use tradewind_engine::inject;
use tradewind_events::PaymentMethod;
use tradewind_explore::{Bounds, Case, Found, Scenario, explore};

fn with(bug: &'static str, method: PaymentMethod) -> Option<Found> {
    let scenario = Scenario { method, case: Case::Plain, recall: true };
    let bounds = Bounds { states: 400_000, duplicates: 0, faults: 1 };
    inject(Some(bug));
    let explored = explore(scenario, bounds, &[], &mut |_| {});
    inject(None);
    explored.unwrap().1
}

fn reason(bug: &'static str, method: PaymentMethod) -> String {
    let found = with(bug, method).unwrap_or_else(|| panic!("{bug} is not seen"));
    assert!(!found.steps.is_empty());
    found.reason
}

#[test]
fn a_forgotten_end_is_seen() {
    let reason = reason("end-forgotten", PaymentMethod::Balance);
    assert_eq!(reason, "invariant 4: order order-1 (cancelled): its shipment is allocated");
}

#[test]
fn a_cancel_that_does_not_ask_shipping_is_seen() {
    let reason = reason("cancel-unasked", PaymentMethod::Balance);
    assert!(reason.contains("order-1 (cancelled)") || reason.contains("cancelled"), "{reason}");
}

#[test]
fn a_status_that_goes_back_is_seen() {
    assert!(!reason("status-goes-back", PaymentMethod::Balance).is_empty());
}

#[test]
fn stock_that_drifts_is_seen() {
    let reason = reason("stock-drifts", PaymentMethod::Balance);
    assert!(reason.starts_with("invariant 1: stock"), "{reason}");
}

#[test]
fn stock_that_is_sold_after_its_reservation_has_expired_is_seen() {
    assert!(!reason("sold-after-expiry", PaymentMethod::Balance).is_empty());
}

#[test]
fn a_failure_that_is_recorded_as_paid_is_seen() {
    assert!(!reason("failure-recorded-as-paid", PaymentMethod::Card).is_empty());
}
