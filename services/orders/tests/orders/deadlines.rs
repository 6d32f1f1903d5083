//! What is not confirmed in time.

use std::time::Duration;

use tradewind_events::{CancelledBy, PaymentMethod, Timestamp, orders::OrderCancelled};
use tradewind_orders::{OrderState, PlaceOrder, Step, owed_step};

use crate::world::*;

#[test]
fn an_order_that_is_not_confirmed_in_time_is_cancelled_and_names_the_step_and_who_owed_it() {
    let cases: [(OrderState, Part, &str, &str); 5] = [
        (OrderState::Placed, reserved, "quote", "deadline: catalog owed the quote"),
        (OrderState::Priced, allocated, "reservation", "deadline: inventory owed the reservation"),
        (OrderState::Priced, reserved, "shipment", "deadline: shipping owed the shipment"),
        (OrderState::Validated, committed, "payment", "deadline: payments owed the payment"),
        (OrderState::Paid, captured, "commit", "deadline: inventory owed the commit"),
    ];
    for (state, part, step, reason) in cases {
        let mut world = World::at(state);
        part(&mut world);
        let deadline = world.order().deadline_at();
        world.advance_to(Timestamp::from_millis(deadline.as_millis() - 1));
        assert!(world.said_names().is_empty());
        world.advance_to(deadline);
        let cancelled: OrderCancelled = world.only();
        assert_eq!(cancelled.cancelled_by, CancelledBy::Deadline);
        assert_eq!((cancelled.step.as_deref(), &*cancelled.reason), (Some(step), reason));
        assert_eq!(cancelled.cancelled_at, deadline);
        assert_eq!(cancelled.refund_required, state == OrderState::Paid);
        assert_eq!(world.state(), OrderState::Cancelled);
    }
}

#[test]
fn money_that_is_asked_for_outside_is_owed_outside() {
    let mut world = World::new();
    world.place(PlaceOrder { payment_method: PaymentMethod::External, ..order_one() }).unwrap();
    for part in [quoted, reserved, allocated] {
        part(&mut world);
    }
    assert_eq!(owed_step(&world.order()), Some((Step::Payment, "payments")));
    payment_requested(&mut world);
    assert_eq!(owed_step(&world.order()), Some((Step::Payment, "external")));
    world.advance(Duration::from_mins(30));
    assert_eq!(&*world.only::<OrderCancelled>().reason, "deadline: external owed the payment");
}

#[test]
fn a_confirmed_order_has_no_deadline_any_more() {
    for state in [OrderState::Confirmed, OrderState::Cancelling, OrderState::Dispatched, OrderState::Completed] {
        let mut world = World::at(state);
        world.advance(Duration::from_hours(240));
        assert_eq!(world.state(), state);
        assert!(world.said_names().is_empty());
    }
}

#[test]
fn an_order_that_has_ended_is_not_cancelled_by_time() {
    let mut world = World::at(OrderState::Placed);
    quote_refused(&mut world);
    world.clear();
    world.advance(Duration::from_hours(1));
    assert_eq!(world.state(), OrderState::Rejected);
    assert!(world.said_names().is_empty());
}
