//! A check is lost: before, after and long after the order was confirmed.

use tradewind_events::{
    CancelledBy,
    catalog::QuoteRefused,
    id,
    orders::{OrderCancelRequested, OrderCancelled, OrderRejected},
};
use tradewind_orders::OrderState;

use crate::world::*;

/// What is lost, with the reason and the step that a rejection names.
const LOSSES: [(Part, &str, &str); 10] = [
    (quote_refused, "price_changed", "quote"),
    (reservation_refused, "insufficient", "reservation"),
    (stock_released, "released", "reservation"),
    (stock_expired, "reservation_expired", "reservation"),
    (commit_refused, "expired", "commit"),
    (shipment_refused, "no_address", "shipment"),
    (shipment_released, "lost_parcel", "shipment"),
    (payment_failed, "declined", "payment"),
    (voided, "payment_voided", "payment"),
    (capture_failed, "capture_declined", "capture"),
];

const OPEN: [OrderState; 4] = [OrderState::Placed, OrderState::Priced, OrderState::Validated, OrderState::Paid];

#[test]
fn an_order_that_is_not_confirmed_is_rejected_when_a_check_is_lost() {
    for state in OPEN {
        for (lose, reason, step) in LOSSES {
            let mut world = World::at(state);
            lose(&mut world);
            let rejected: OrderRejected = world.only();
            assert_eq!((&*rejected.reason, &*rejected.step), (reason, step), "{state}");
            assert_eq!(world.state(), OrderState::Rejected);
            let has_reservation = matches!(state, OrderState::Validated | OrderState::Paid);
            assert_eq!(rejected.reservation_id.is_some(), has_reservation);
            assert_eq!(rejected.payment_id.is_some(), state == OrderState::Paid);
            world.clear();
            lose(&mut world);
            assert!(world.said_names().is_empty());
        }
    }
}

#[test]
fn the_same_event_twice_counts_once() {
    let mut world = World::at(OrderState::Placed);
    for _ in 0..2 {
        let refused = QuoteRefused { order: summary(), unavailable: [].into(), changed: [].into() };
        world.hear_as("event-1", refused);
    }
    assert_eq!(world.said_names(), ["order.rejected"]);
}

#[test]
fn a_check_that_was_lost_before_the_order_was_placed_rejects_it_at_once() {
    for (lose, reason, _) in LOSSES {
        let mut world = World::new();
        lose(&mut world);
        assert_eq!(world.state(), OrderState::Unheard);
        let accepted = world.place(order_one()).unwrap();
        assert_eq!(accepted.status, OrderState::Rejected);
        assert_eq!(world.said_names(), ["order.placed", "order.rejected"]);
        assert_eq!(&*world.only::<OrderRejected>().reason, reason);
    }
}

#[test]
fn a_confirmed_order_asks_shipping_when_a_check_is_lost_and_shipping_decides() {
    for (lose, reason, step) in LOSSES.into_iter().filter(|(_, reason, _)| *reason != "lost_parcel") {
        for state in [OrderState::Confirmed, OrderState::Dispatched] {
            let mut world = World::at(state);
            lose(&mut world);
            let asked: OrderCancelRequested = world.only();
            assert_eq!((&*asked.reason, asked.requested_by), (reason, CancelledBy::System), "{state} {step}");
            assert_eq!(world.state(), OrderState::Cancelling);
            world.clear();
            lose(&mut world);
            assert!(world.said_names().is_empty(), "{reason} was lost already");

            if state == OrderState::Confirmed {
                shipment_released(&mut world);
                let cancelled: OrderCancelled = world.only();
                assert_eq!((&*cancelled.reason, cancelled.cancelled_by), (reason, CancelledBy::System));
                assert_eq!(world.state(), OrderState::Cancelled);
            } else {
                release_refused(&mut world);
                assert_eq!(world.state(), OrderState::Dispatched);
                assert!(world.said_names().is_empty());
            }
        }
    }
}

#[test]
fn a_confirmed_order_whose_goods_stay_is_cancelled_at_once() {
    let mut world = World::at(OrderState::Confirmed);
    shipment_released(&mut world);
    let cancelled: OrderCancelled = world.only();
    assert_eq!((&*cancelled.reason, cancelled.cancelled_by), ("lost_parcel", CancelledBy::System));
    assert_eq!((cancelled.refund_required, cancelled.refund_amount_minor), (true, TOTAL_MINOR));
    assert_eq!((cancelled.payment_id, cancelled.shipment_id), (Some(id("payment-1")), Some(id("shipment-1"))));
    assert_eq!((cancelled.lines, cancelled.step), (priced_lines(), None));
}

#[test]
fn what_is_lost_while_shipping_is_asked_adds_nothing() {
    for (lose, reason, _) in LOSSES.into_iter().filter(|(_, reason, _)| *reason != "lost_parcel") {
        let mut world = World::at(OrderState::Cancelling);
        lose(&mut world);
        assert!(world.said_names().is_empty(), "{reason}");
        shipment_released(&mut world);
        assert_eq!(&*world.only::<OrderCancelled>().reason, "customer_request");
    }
}

#[test]
fn a_completed_or_ended_order_ignores_what_is_lost() {
    for (lose, reason, _) in LOSSES {
        let mut completed = World::at(OrderState::Completed);
        let mut cancelled = World::at(OrderState::Paid);
        cancelled.cancel_as_operator().unwrap();
        cancelled.clear();
        let mut rejected = World::at(OrderState::Placed);
        quote_refused(&mut rejected);
        rejected.clear();
        for world in [&mut completed, &mut cancelled, &mut rejected] {
            let before = world.state();
            lose(world);
            release_refused(world);
            assert_eq!(world.state(), before, "{reason}");
            assert!(world.said_names().is_empty(), "{reason}");
        }
    }
}

#[test]
fn what_passes_after_the_end_is_seen_and_changes_nothing() {
    let mut world = World::at(OrderState::Placed);
    world.cancel_as_customer().unwrap();
    world.clear();
    let parts: [Part; 9] = [quoted, reserved, allocated, authorized, committed, captured, ready, dispatched, delivered];
    for part in parts {
        part(&mut world);
    }
    assert_eq!(world.state(), OrderState::Cancelled);
    assert!(world.said_names().is_empty());
    assert!(world.order().owes_money());
}

#[test]
fn where_shipping_takes_nothing_back_money_that_cannot_be_had_cancels_at_once() {
    let of_money: [(Part, &str); 3] =
        [(capture_failed, "capture_declined"), (payment_failed, "declined"), (voided, "payment_voided")];
    for (lose, reason) in of_money {
        let mut world = World::without_recall();
        world.bring_to(OrderState::Confirmed);
        lose(&mut world);
        let cancelled: OrderCancelled = world.only();
        assert_eq!((&*cancelled.reason, cancelled.cancelled_by), (reason, CancelledBy::System));
    }
}

#[test]
fn where_shipping_takes_nothing_back_goods_that_are_paid_or_gone_are_not_cancelled() {
    for (lose, reason, _) in LOSSES.into_iter().filter(|(_, reason, _)| *reason != "lost_parcel") {
        let mut world = World::without_recall();
        world.bring_to(OrderState::Confirmed);
        captured(&mut world);
        lose(&mut world);
        assert_eq!(world.state(), OrderState::Confirmed, "{reason}");
        dispatched(&mut world);
        lose(&mut world);
        assert_eq!(world.state(), OrderState::Dispatched, "{reason}");
        assert!(world.said_names().is_empty(), "{reason}");
    }
}
