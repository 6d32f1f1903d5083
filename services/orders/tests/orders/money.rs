//! Money that goes back.

use std::sync::Arc;

use tradewind_events::{OrderSummary, catalog::QuoteIssued, id, orders::OrderRefunded, payments::PaymentAuthorized};
use tradewind_orders::{OrderState, Refund, Step, owed_step};

use crate::world::*;

#[test]
fn each_refund_is_told_once_whatever_became_of_the_order() {
    for state in [OrderState::Confirmed, OrderState::Completed] {
        let mut world = World::at(state);
        for (refund_id, amount_minor) in [("refund-1", 100), ("refund-2", 200), ("refund-1", 100)] {
            refunded(&mut world, refund_id, amount_minor);
        }
        let said: Vec<_> = world.said::<OrderRefunded>();
        let amounts: Vec<_> =
            said.iter().map(|refunded| (refunded.refund_id.as_str(), refunded.amount_minor)).collect();
        assert_eq!(amounts, [("refund-1", 100), ("refund-2", 200)]);
        assert_eq!((&*said[0].method, &*said[0].reason), ("card", "order_cancelled"));
        assert_eq!(world.order().refunded_minor(), 300);
        assert_eq!(world.rows::<Refund>().len(), 2);
        assert_eq!(world.state(), state);
    }
}

#[test]
fn a_cancelled_order_owes_money_until_it_went_back_whole() {
    let mut world = World::at(OrderState::Cancelling);
    captured(&mut world);
    shipment_released(&mut world);
    restocked(&mut world);
    world.clear();
    assert_eq!(owed_step(&world.order()), Some((Step::Refund, "payments")));
    refund_failed(&mut world, None);
    assert_eq!(owed_step(&world.order()), Some((Step::Refund, "operator")));
    refunded(&mut world, "refund-1", TOTAL_MINOR);
    assert_eq!(world.said_names(), ["order.refunded"]);
    let order = world.order();
    assert_eq!(order.refunded_at(), Some(world.committed_at()));
    assert_eq!((owed_step(&order), order.waits_since()), (None, None));
}

#[test]
fn an_order_that_cost_nothing_owes_nothing_when_it_ends() {
    let mut world = World::new();
    world.place(order_one()).unwrap();
    let nothing = Some(0);
    let free = OrderSummary {
        discount_minor: Some(2_250),
        shipping_minor: nothing,
        tax_minor: nothing,
        total_minor: nothing,
        ..(*summary()).clone()
    };
    let free = Arc::new(free);
    world.hear(QuoteIssued { order: Arc::clone(&free), lines: priced_lines() });
    reserved(&mut world);
    allocated(&mut world);
    world.hear(PaymentAuthorized { payment_id: id("payment-1"), order: free, amount_minor: 0 });
    committed(&mut world);
    world.cancel_as_customer().unwrap();
    captured(&mut world);
    shipment_released(&mut world);
    restocked(&mut world);
    let order = world.order();
    assert_eq!((order.state(), order.authorized_minor()), (OrderState::Cancelled, nothing));
    assert_eq!((order.owes_money(), owed_step(&order)), (false, None));
}

#[test]
fn a_hold_that_is_let_go_is_no_refund() {
    let mut world = World::at(OrderState::Paid);
    world.cancel_as_customer().unwrap();
    shipment_released(&mut world);
    restocked(&mut world);
    world.clear();
    voided(&mut world);
    assert!(world.said_names().is_empty());
    assert_eq!(owed_step(&world.order()), None);
    assert_eq!(world.order().refunded_at(), None);
}

#[test]
fn surplus_that_cannot_go_back_is_not_owed_by_the_order() {
    let mut world = World::at(OrderState::Confirmed);
    refund_failed(&mut world, Some("charge-2"));
    assert_eq!(world.order().refund_failed_at(), None);
}

#[test]
fn a_refund_of_less_than_nothing_is_a_dead_letter() {
    let mut world = World::at(OrderState::Completed);
    refunded(&mut world, "refund-1", -1);
    assert_eq!(world.last_dead(), "a refund cannot be negative");
    assert_eq!(world.order().refunded_minor(), 0);
}

#[test]
fn a_refund_that_is_heard_before_the_order_is_kept_and_not_told() {
    let mut world = World::new();
    refunded(&mut world, "refund-1", 100);
    assert!(world.said_names().is_empty());
    assert_eq!((world.state(), world.order().refunded_minor()), (OrderState::Unheard, 100));
}
