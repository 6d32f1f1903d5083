//! Somebody wants an order ended.

use tradewind_events::{
    CancelledBy, id,
    orders::{OrderCancelRequested, OrderCancelled},
};
use tradewind_orders::{CANCEL_REASON_CHARS_MAX, CancelOrder, OrderState};

use crate::world::*;

#[test]
fn before_it_is_confirmed_an_order_is_cancelled_at_once() {
    for state in [OrderState::Placed, OrderState::Priced, OrderState::Validated, OrderState::Paid] {
        for (customer, by, reason) in [
            (Some("user-1"), CancelledBy::Customer, "customer_request"),
            (None, CancelledBy::Operator, "operator_request"),
        ] {
            let mut world = World::at(state);
            let answer = world.cancel(customer).unwrap();
            assert_eq!((answer.status, answer.is_done), (OrderState::Cancelled, true));
            let cancelled: OrderCancelled = world.only();
            assert_eq!((cancelled.cancelled_by, &*cancelled.reason, cancelled.step), (by, reason, None));
            let is_paid = state == OrderState::Paid;
            assert_eq!(cancelled.refund_required, is_paid);
            assert_eq!(cancelled.refund_amount_minor, if is_paid { TOTAL_MINOR } else { 0 });
        }
    }
}

#[test]
fn from_confirmed_on_shipping_is_asked_and_its_release_ends_the_order() {
    let mut world = World::at(OrderState::Confirmed);
    captured(&mut world);
    let answer = world.cancel_as_customer().unwrap();
    assert_eq!((answer.status, answer.is_done), (OrderState::Cancelling, false));
    let asked: OrderCancelRequested = world.only();
    assert_eq!((asked.requested_by, &*asked.reason), (CancelledBy::Customer, "customer_request"));
    shipment_released(&mut world);
    let cancelled: OrderCancelled = world.only();
    assert_eq!((cancelled.cancelled_by, &*cancelled.reason), (CancelledBy::Customer, "customer_request"));
    assert_eq!((cancelled.refund_required, cancelled.refund_amount_minor), (true, TOTAL_MINOR));
    world.clear();
    shipment_released(&mut world);
    assert!(world.said_names().is_empty());
}

#[test]
fn a_cancellation_that_came_too_late_is_shown_as_refused_and_the_order_goes_on() {
    let mut world = World::at(OrderState::Cancelling);
    assert!(!world.order().cancel_was_refused());
    release_refused(&mut world);
    assert_eq!(world.state(), OrderState::Confirmed);
    assert!(world.order().cancel_was_refused());
    // Shipping has said that the goods are gone, before it said so itself.
    assert_eq!(world.cancel_as_customer().unwrap_err().code(), "already_dispatched");
    release_refused(&mut world);
    dispatched(&mut world);
    assert_eq!(world.state(), OrderState::Dispatched);
    assert!(world.said_names().is_empty());
}

#[test]
fn what_came_while_shipping_was_asked_counts_when_it_has_answered() {
    let mut world = World::at(OrderState::Cancelling);
    captured(&mut world);
    dispatched(&mut world);
    delivered(&mut world);
    assert_eq!(world.state(), OrderState::Cancelling);
    assert!(world.said_names().is_empty());
    release_refused(&mut world);
    assert_eq!(world.state(), OrderState::Completed);
    assert_eq!(world.said_names(), ["order.completed"]);
    assert!(world.order().cancel_was_refused());
}

#[test]
fn asked_again_a_customer_waits_and_an_operator_asks_shipping_again() {
    let mut world = World::at(OrderState::Cancelling);
    let answer = world.cancel_as_customer().unwrap();
    assert_eq!((answer.status, answer.is_done), (OrderState::Cancelling, false));
    assert!(world.said_names().is_empty());
    // Also when the goods are known to be gone: the answer that would let it go on may be lost.
    dispatched(&mut world);
    assert_eq!(world.cancel_as_customer().unwrap_err().code(), "already_dispatched");
    world.cancel_as_operator().unwrap();
    let asked: OrderCancelRequested = world.only();
    assert_eq!((asked.requested_by, &*asked.reason), (CancelledBy::Customer, "customer_request"));
}

#[test]
fn an_order_that_is_dispatched_or_final_is_not_cancelled() {
    for (state, code) in [(OrderState::Dispatched, "already_dispatched"), (OrderState::Completed, "order_final")] {
        let mut world = World::at(state);
        assert_eq!(world.cancel_as_customer().unwrap_err().code(), code);
        assert_eq!(world.cancel_as_operator().unwrap_err().code(), code);
        assert!(world.said_names().is_empty());
    }
    let mut world = World::at(OrderState::Paid);
    world.cancel_as_customer().unwrap();
    assert_eq!(world.cancel_as_customer().unwrap_err().code(), "order_final");
    let mut world = World::at(OrderState::Placed);
    quote_refused(&mut world);
    assert_eq!(world.cancel_as_operator().unwrap_err().code(), "order_final");
}

#[test]
fn where_shipping_takes_nothing_back_a_confirmed_order_is_not_cancelled() {
    let mut world = World::without_recall();
    world.bring_to(OrderState::Confirmed);
    assert_eq!(world.cancel_as_customer().unwrap_err().code(), "cannot_recall");
    assert_eq!(world.cancel_as_operator().unwrap_err().code(), "cannot_recall");
    assert!(world.said_names().is_empty());
    shipment_released(&mut world);
    assert_eq!(world.state(), OrderState::Cancelled);
}

#[test]
fn an_order_that_is_not_theirs_or_not_placed_is_unknown() {
    let mut world = World::at(OrderState::Placed);
    assert_eq!(world.cancel(Some("user-2")).unwrap_err().code(), "order_not_found");
    let other = CancelOrder { order_id: id("order-2"), customer: None, reason: None };
    assert_eq!(world.ask(other).unwrap_err().code(), "order_not_found");
    assert_eq!(world.state(), OrderState::Placed);

    let mut world = World::new();
    quoted(&mut world);
    assert_eq!(world.cancel_as_operator().unwrap_err().code(), "order_not_found");
}

#[test]
fn a_reason_is_told_and_has_a_limit() {
    let cancel = |reason: &str| CancelOrder {
        order_id: id("order-1"),
        customer: Some(id("user-1")),
        reason: Some(reason.into()),
    };
    let mut world = World::at(OrderState::Placed);
    for reason in ["", "  ", &"x".repeat(CANCEL_REASON_CHARS_MAX + 1)] {
        let problem = world.ask(cancel(reason)).unwrap_err();
        assert_eq!((problem.code(), problem.field.as_deref()), ("invalid_cancel_reason", Some("reason")));
    }
    world.ask(cancel("too slow")).unwrap();
    assert_eq!(&*world.only::<OrderCancelled>().reason, "too slow");
}
