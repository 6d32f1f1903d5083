//! The exploration can see: a service that does not hear one event is found, by the shortest way.

use tradewind_events::{PaymentMethod, TextEnum};
use tradewind_explore::{Bounds, Case, Found, Scenario, explore};

/// Explores an order in a shop where a service does not hear an event.
fn without(service: &str, event: &str, case: Case) -> Option<Found> {
    let scenario = Scenario { method: PaymentMethod::Balance, case, recall: true };
    let bounds = Bounds { states: 100_000, duplicates: 0, faults: 0 };
    let deaf = [(service.to_owned(), event.to_owned())];
    let (_, found) = explore(scenario, bounds, &deaf, &mut crate::on).expect("the shop is set up");
    found
}

#[test]
fn a_cancel_that_does_not_reach_shipping_leaves_the_order_cancelling_for_ever() {
    let found = without("shipping", "order.cancel_requested", Case::Plain).unwrap();
    assert_eq!(found.reason, "the order is cancelling for ever");
    let wishes = found.steps.iter().filter(|step| step.text.contains("cancels the order")).count();
    assert_eq!(wishes, 1);
    // The way to a confirmed order, the wish, and what is still on its way: no step can be left out.
    assert_eq!(found.steps.len(), 19);
    assert_eq!(found.steps[0].text, "the customer places the order");
    assert_eq!(found.steps[0].changed, ["order: placed"]);
    let last = found.steps.last().unwrap();
    assert!(last.changed.contains(&"order: confirmed → cancelling".to_owned()), "{last:?}");
}

#[test]
fn an_end_that_payments_forgets_keeps_the_money() {
    let found = without("payments", "order.cancelled", Case::Plain).unwrap();
    assert_eq!(found.reason, "invariant 4: order order-1 (cancelled): its payment is authorized");
}

#[test]
fn an_end_that_inventory_forgets_keeps_what_was_sold() {
    let found = without("inventory", "order.cancelled", Case::Plain).unwrap();
    assert_eq!(found.reason, "invariant 4: order order-1 (cancelled): its reservation is committed");
}

#[test]
fn an_end_that_shipping_forgets_keeps_the_goods() {
    let found = without("shipping", "order.cancelled", Case::Plain).unwrap();
    assert_eq!(found.reason, "invariant 4: order order-1 (cancelled): its shipment is allocated");
}

#[test]
fn a_release_that_orders_does_not_hear_is_found() {
    let found = without("orders", "shipment.released", Case::Plain).unwrap();
    assert_eq!(found.reason, "the order is cancelled, and shipping still owes the release");
}

#[test]
fn a_capture_that_shipping_does_not_hear_leaves_a_confirmed_order_that_nobody_can_send() {
    let found = without("shipping", "payment.captured", Case::Plain).unwrap();
    assert_eq!(found.reason, "the order is confirmed for ever");
}

#[test]
fn who_hears_what_twice_by_other_ways_can_do_without_one_of_them() {
    // The deadline and the time of the claim catch what a failed payment would have ended.
    assert_eq!(without("orders", "payment.failed", Case::NoMoney), None);
}

#[test]
fn only_what_is_heard_can_be_left_out() {
    let scenario = Scenario { method: PaymentMethod::Balance, case: Case::Plain, recall: true };
    let bounds = Bounds { states: 1, duplicates: 0, faults: 0 };
    for (service, event, says) in [
        (
            "shiping",
            "order.cancelled",
            "there is no service shiping here; there are orders, catalog, inventory, shipping, payments",
        ),
        ("catalog", "order.cancelled", "catalog does not hear order.cancelled"),
    ] {
        let deaf = [(service.to_owned(), event.to_owned())];
        assert_eq!(explore(scenario, bounds, &deaf, &mut crate::on).unwrap_err(), says);
    }
    assert_eq!(PaymentMethod::ALL.len(), 3);
}
