//! One order, as a person looks at it.

use std::sync::Arc;

use tradewind_engine::{
    Entity, LogPosition,
    ports::{Direction, List, Reader},
};
use tradewind_events::{
    AsKey, CancelledBy, PaymentMethod, Subject,
    carts::CartCheckedOut,
    catalog::{QuoteIssued, QuoteRefused},
    id,
    inventory::{
        ReservationCommitRefused, ReservationCommitted, ReservationExpired, ReservationMade, ReservationRefused,
        ReservationReleased, ReservationRestocked, StockChanged,
    },
    notifications::{NotificationFailed, NotificationQueued, NotificationSent},
    orders::{
        OrderCancelRequested, OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, OrderPriced, OrderRefunded,
        OrderRejected, OrderValidated,
    },
    payments::{
        AccountDebited, PaymentAuthorized, PaymentCaptureFailed, PaymentCaptured, PaymentFailed, PaymentRefundFailed,
        PaymentRefunded, PaymentRequested, PaymentSurplusReturned, PaymentVoided,
    },
    row_key,
    samples::Sample,
    shipping::{
        ShipmentAllocated, ShipmentDelivered, ShipmentDispatched, ShipmentReady, ShipmentRefused,
        ShipmentReleaseRefused, ShipmentReleased,
    },
};
use tradewind_query::{
    ADDRESSES_MAX, Ending, OrderStatus, OrderView, PaymentState, RefundView, ReservationState, ShipmentState,
    TimelineRest,
};

use super::world::{MINUTE, NOON, World, eur, order_1, paid_by, priced, quoted, unpriced, unquoted};

fn placed() -> OrderPlaced {
    OrderPlaced { lines: unpriced(), ..OrderPlaced::sample() }
}

fn priced_order() -> OrderPriced {
    OrderPriced { lines: priced(), ..OrderPriced::sample() }
}

fn refused_recall() -> ShipmentReleaseRefused {
    ShipmentReleaseRefused::sample()
}

/// As far as the money is held.
fn paid(world: &mut World) {
    world
        .tell(placed())
        .tell(QuoteIssued::sample())
        .tell(priced_order())
        .tell(ReservationMade::sample())
        .tell(ShipmentAllocated::sample())
        .tell(OrderValidated { lines: priced(), ..Sample::sample() })
        .tell(PaymentRequested::sample())
        .tell(PaymentAuthorized { amount_minor: 5_936, ..Sample::sample() })
        .tell(ReservationCommitted::sample());
}

fn confirmed(world: &mut World) {
    paid(world);
    world.tell(OrderConfirmed { lines: priced(), ..Sample::sample() });
}

fn captured(world: &mut World) {
    confirmed(world);
    world.tell(PaymentCaptured { amount_minor: 5_936, ..Sample::sample() }).tell(ShipmentReady::sample());
}

#[test]
fn an_order_goes_from_placed_to_completed() {
    let mut world = World::new();
    let mut seen = Vec::new();
    let mut look = |world: &World| seen.push(world.order().status.map_or("none", tradewind_events::TextEnum::as_str));
    look(world.tell(placed()));
    look(world.tell(QuoteIssued::sample()));
    look(world.tell(priced_order()));
    look(world.tell(ReservationMade::sample()));
    look(world.tell(ShipmentAllocated::sample()));
    look(world.tell(OrderValidated { lines: priced(), ..Sample::sample() }));
    look(world.tell(PaymentRequested::sample()));
    look(world.tell(PaymentAuthorized { amount_minor: 5_936, ..Sample::sample() }));
    look(world.tell(ReservationCommitted::sample()));
    look(world.tell(OrderConfirmed { lines: priced(), ..Sample::sample() }));
    look(world.tell(PaymentCaptured { amount_minor: 5_936, ..Sample::sample() }));
    look(world.tell(ShipmentReady::sample()));
    look(world.tell(ShipmentDispatched::sample()));
    look(world.tell(ShipmentDelivered::sample()));
    look(world.tell(OrderCompleted { lines: priced(), ..Sample::sample() }));
    assert_eq!(
        seen,
        [
            "placed",
            "placed",
            "priced",
            "priced",
            "priced",
            "validated",
            "validated",
            "paid",
            "paid",
            "confirmed",
            "confirmed",
            "confirmed",
            "dispatched",
            "dispatched",
            "completed"
        ]
    );
    let order = world.order();
    assert_eq!(
        (order.reservation_state, order.payment_state, order.shipment_state, order.settled),
        (Some(ReservationState::Committed), Some(PaymentState::Captured), Some(ShipmentState::Delivered), true)
    );
    assert_eq!(
        (order.items_total_minor, order.discount_minor, order.shipping_minor, order.tax_minor, order.total_minor),
        (Some(4_998), Some(500), Some(490), Some(948), Some(5_936))
    );
    assert_eq!((order.authorized_minor, order.captured_minor, order.refunded_minor), (Some(5_936), Some(5_936), 0));
    assert_eq!((order.customer_id, order.currency), (Some(id("user-1")), Some(eur())));
    assert_eq!((order.payment_method, order.cart_id), (Some(PaymentMethod::Card), Some(id("cart-1"))));
    assert_eq!(
        (order.reservation_id, order.payment_id, order.shipment_id),
        (Some(id("reservation-1")), Some(id("payment-1")), Some(id("shipment-1")))
    );
    assert_eq!((order.carrier.as_deref(), order.tracking.as_deref()), (Some("post"), Some("RR123456785DE")));
    assert_eq!(order.lines, priced());
    assert_eq!(
        (order.placed_at, order.confirmed_at, order.delivered_at),
        (Some(NOON.plus(MINUTE)), Some(NOON.plus(10 * MINUTE)), Some(NOON.plus(14 * MINUTE)))
    );
    assert_eq!((order.began_at, order.ended_at, order.completed_at.is_some()), (NOON.plus(MINUTE), None, true));
    assert_eq!(order.timeline.len(), 15);
    world.check();
}

#[test]
fn its_timeline_is_where_its_events_are_in_the_log() {
    let mut world = World::new();
    let about = |table: &'static str| Subject::new(table, order_1().as_key());
    captured(&mut world);
    world
        .tell(CartCheckedOut::sample())
        .tell(AccountDebited { order_id: Some(order_1()), ..Sample::sample() })
        .tell(AccountDebited { order_id: None, ..Sample::sample() })
        .tell(StockChanged { order_id: Some(order_1()), ..Sample::sample() })
        .tell(NotificationQueued { subject: about("order"), ..Sample::sample() })
        .tell(NotificationSent { subject: about("payment"), ..Sample::sample() })
        .tell(NotificationFailed { subject: about("shipment"), ..Sample::sample() })
        .tell(NotificationSent { subject: about("stock"), ..Sample::sample() });
    let order = world.order();
    let told: Vec<&str> = world
        .log()
        .iter()
        .filter(|(address, _)| order.timeline.iter().any(|known| known == *address))
        .map(|(_, envelope)| envelope.event.name())
        .collect();
    assert_eq!(told.len(), 17);
    assert_eq!(
        told[12..],
        ["cart.checked_out", "account.debited", "notification.queued", "notification.sent", "notification.failed"]
    );
    assert!(!order.timeline_full);
    world.check();
}

#[test]
fn events_beyond_those_that_the_row_keeps_are_kept_beside_it() {
    let mut world = World::new();
    captured(&mut world);
    let before = world.order().timeline.len();
    let rest_of = |world: &World| -> Vec<LogPosition> {
        let mut rows = world.stage.rows::<TimelineRest>();
        rows.sort_by(|one, other| one.place.cmp(&other.place));
        rows.iter().map(|row| row.address().unwrap()).collect()
    };
    for _ in before..ADDRESSES_MAX {
        world.tell(PaymentRefundFailed::sample());
    }
    assert_eq!((world.order().timeline_full, rest_of(&world)), (false, vec![]));
    for _ in 0..3 {
        world.tell(PaymentRefundFailed::sample());
    }
    let order = world.order();
    let places: Vec<LogPosition> = world.log().into_iter().map(|(address, _)| address).collect();
    assert_eq!((order.timeline_full, order.timeline.len()), (true, ADDRESSES_MAX));
    assert_eq!(order.timeline.iter().collect::<Vec<_>>(), places[..ADDRESSES_MAX]);
    assert_eq!(rest_of(&world), places[ADDRESSES_MAX..]);
    world.check();
}

#[test]
fn a_cart_that_was_checked_out_is_no_order_yet() {
    let mut world = World::new();
    world.tell(CartCheckedOut::sample());
    let order = world.order();
    assert_eq!((order.status, order.customer_id, order.timeline.len()), (None, None, 1));
    world.tell(placed());
    assert_eq!(world.order().status, Some(OrderStatus::Placed));
    assert_eq!(world.order().began_at, NOON.plus(MINUTE));
    world.check();
}

#[test]
fn a_rejected_order_is_settled_once_nothing_is_held_for_it() {
    let mut world = World::new();
    world.tell(placed()).tell(priced_order()).tell(ReservationMade::sample()).tell(ShipmentAllocated::sample());
    world.tell(PaymentRequested::sample()).tell(PaymentFailed::sample());
    world.tell(OrderRejected { reason: "card_declined".into(), step: "payment".into(), ..Sample::sample() });
    let order = world.order();
    assert_eq!((order.status, order.ending), (Some(OrderStatus::Rejected), Some(Ending::Rejected)));
    assert_eq!((order.reason.as_deref(), order.owed_step.as_deref()), (Some("card_declined"), Some("payment")));
    assert_eq!((order.ended_at, order.cancelled_by), (Some(world.now), None));
    assert!(!order.settled);
    assert!(!world.tell(ReservationReleased::sample()).order().settled);
    assert!(world.tell(ShipmentReleased::sample()).order().settled);
    assert_eq!(world.order().status, Some(OrderStatus::Rejected));
    world.check();
}

#[test]
fn an_order_that_was_refused_everything_is_settled_at_once() {
    let mut world = World::new();
    world.tell(placed()).tell(QuoteRefused::sample()).tell(ReservationRefused::sample());
    world.tell(ShipmentRefused::sample()).tell(OrderRejected::sample());
    assert!(world.order().settled);
    world.check();
}

#[test]
fn an_order_whose_time_was_over_says_what_was_owed() {
    let mut world = World::new();
    let order = paid_by(PaymentMethod::External);
    world.tell(placed()).tell(ReservationMade::sample());
    world.tell(PaymentRequested { order: order.clone(), ..Sample::sample() }).tell(ReservationExpired::sample());
    world.tell(OrderCancelled {
        reason: "deadline".into(),
        cancelled_by: CancelledBy::Deadline,
        cancelled_at: NOON,
        step: Some("payment".into()),
        refund_required: false,
        refund_amount_minor: 0,
        lines: unpriced(),
        ..Sample::sample()
    });
    let order = world.order();
    assert_eq!((order.status, order.ended_at), (Some(OrderStatus::Cancelled), Some(NOON)));
    assert_eq!((order.owed_step.as_deref(), order.cancelled_by), (Some("payment"), Some(CancelledBy::Deadline)));
    assert_eq!(order.payment_state, Some(PaymentState::Requested));
    assert_eq!(order.payment_method, Some(PaymentMethod::Card), "the order itself says how it is paid");
    world.check();
}

#[test]
fn a_request_for_money_that_nobody_answered_holds_nothing_where_somebody_else_takes_it() {
    for (method, settled) in [(PaymentMethod::External, true), (PaymentMethod::Card, false)] {
        let mut world = World::new();
        let order = paid_by(method);
        world.tell(OrderPlaced { payment_method: method, ..placed() });
        world.tell(PaymentRequested { order: order.clone(), ..Sample::sample() });
        world.tell(OrderCancelled { order: order.clone(), ..Sample::sample() });
        assert_eq!(world.order().settled, settled, "{method}");
        world.tell(PaymentVoided { order, amount_minor: 0, ..Sample::sample() });
        assert!(world.order().settled, "{method}");
        world.check();
    }
}

#[test]
fn a_cancelled_order_gets_its_money_back() {
    let mut world = World::new();
    captured(&mut world);
    world.tell(OrderCancelRequested::sample());
    assert_eq!(world.order().status, Some(OrderStatus::Cancelling));
    world.tell(ShipmentReleased::sample());
    assert_eq!(world.order().status, Some(OrderStatus::Cancelling));
    world.tell(OrderCancelled { refund_amount_minor: 5_936, ..Sample::sample() }).tell(ReservationRestocked::sample());
    let order = world.order();
    assert_eq!((order.status, order.refund_due_minor, order.settled), (Some(OrderStatus::Cancelled), 5_936, false));
    world.tell(PaymentRefunded { amount_minor: 5_936, ..Sample::sample() });
    world.tell(OrderRefunded { amount_minor: 5_936, ..Sample::sample() });
    let order = world.order();
    assert_eq!((order.payment_state, order.refunded_minor), (Some(PaymentState::Refunded), 5_936));
    assert_eq!((order.refunded_at, order.settled), (Some(world.now), true));
    let refund: RefundView = world.row(row_key(&["order-1", "refund-1"])).unwrap();
    assert_eq!((refund.amount_minor, refund.currency), (5_936, eur()));
    world.check();
}

#[test]
fn a_hold_that_is_let_go_is_not_charged() {
    let mut world = World::new();
    paid(&mut world);
    world.tell(OrderCancelled { refund_amount_minor: 5_936, ..Sample::sample() });
    world.tell(ReservationRestocked::sample()).tell(ShipmentReleased::sample());
    assert!(!world.order().settled);
    world.tell(PaymentVoided { amount_minor: 5_936, ..Sample::sample() });
    let order = world.order();
    assert_eq!((order.payment_state, order.refunded_minor, order.settled), (Some(PaymentState::Voided), 0, true));
    world.check();
}

#[test]
fn a_cancel_that_came_too_late_leaves_the_order_as_it_was() {
    let mut world = World::new();
    captured(&mut world);
    world.tell(OrderCancelRequested::sample()).tell(ShipmentDispatched::sample());
    assert_eq!(world.order().status, Some(OrderStatus::Cancelling));
    world.tell(refused_recall());
    assert_eq!(world.order().status, Some(OrderStatus::Dispatched));
    assert_eq!((world.order().cancel_requests.len(), world.order().cancels_refused.len()), (1, 1));
    world.tell(OrderCancelRequested::sample());
    assert_eq!(world.order().status, Some(OrderStatus::Cancelling), "asked once more");
    world.tell(refused_recall());
    assert_eq!(world.order().status, Some(OrderStatus::Dispatched));
    world.check();
}

#[test]
fn the_answer_to_a_cancel_may_be_heard_before_the_question() {
    let mut world = World::new();
    captured(&mut world);
    world.tell(ShipmentDispatched::sample()).tell(refused_recall()).tell(OrderCancelRequested::sample());
    assert_eq!(world.order().status, Some(OrderStatus::Dispatched));
    world.check();
}

#[test]
fn a_capture_that_failed_and_then_succeeded_is_captured() {
    let mut world = World::new();
    confirmed(&mut world);
    world.tell(PaymentCaptureFailed::sample());
    assert_eq!(world.order().payment_state, Some(PaymentState::CaptureFailed));
    world.tell(PaymentCaptured::sample());
    assert_eq!(world.order().payment_state, Some(PaymentState::Captured));
    world.check();
}

#[test]
fn a_refund_counts_once_however_often_it_is_told_and_a_part_leaves_the_rest_captured() {
    let mut world = World::new();
    captured(&mut world);
    let part =
        |refund: &str| PaymentRefunded { refund_id: id(refund), amount_minor: 1_000, ..PaymentRefunded::sample() };
    world.tell(part("refund-1")).tell(part("refund-1")).tell(part("refund-2"));
    world.tell(PaymentRefundFailed::sample()).tell(PaymentSurplusReturned::sample());
    let order = world.order();
    assert_eq!((order.refunded_minor, order.payment_state), (2_000, Some(PaymentState::Captured)));
    assert_eq!(world.stage.rows::<RefundView>().len(), 2);
    world.check();
}

#[test]
fn facts_of_other_services_may_come_before_the_order() {
    let mut world = World::new();
    world.tell(ShipmentDispatched::sample()).tell(PaymentCaptured::sample()).tell(ReservationCommitted::sample());
    world.tell(PaymentAuthorized::sample()).tell(ReservationMade::sample()).tell(ShipmentReady::sample());
    let order = world.order();
    assert_eq!(
        (order.reservation_state, order.payment_state, order.shipment_state),
        (Some(ReservationState::Committed), Some(PaymentState::Captured), Some(ShipmentState::Dispatched))
    );
    assert_eq!(order.status, Some(OrderStatus::Dispatched));
    world.tell(OrderConfirmed { lines: priced(), ..Sample::sample() });
    world.tell(priced_order()).tell(placed());
    let order = world.order();
    assert_eq!((order.status, order.lines), (Some(OrderStatus::Dispatched), priced()));
    assert_eq!((order.total_minor, order.began_at), (Some(5_936), NOON.plus(MINUTE)));
    world.check();
}

#[test]
fn amounts_that_were_known_are_not_forgotten() {
    let mut world = World::new();
    world.tell(priced_order());
    world.tell(ReservationRefused { order: unquoted(), ..Sample::sample() });
    assert_eq!(world.order().total_minor, quoted().total_minor);
    world.check();
}

#[test]
fn an_end_that_came_first_stands() {
    let mut world = World::new();
    world.tell(OrderCancelled::sample());
    let early = world.order();
    paid(&mut world);
    world.tell(ReservationCommitRefused::sample());
    let order = world.order();
    assert_eq!(order.status, Some(OrderStatus::Cancelled));
    assert_eq!((order.reason, order.ended_at), (early.reason, early.ended_at));
    world.check();
}

#[test]
fn the_same_event_delivered_again_changes_nothing() {
    let mut world = World::new();
    captured(&mut world);
    let before = world.order();
    let (_, first) = world.log().remove(0);
    world.deliver(Arc::unwrap_or_clone(first));
    assert_eq!(world.order(), before);
    world.check();
}

#[test]
fn orders_are_listed_by_customer_and_by_status_in_the_order_of_time() {
    let mut world = World::new();
    for order in ["order-b", "order-a", "order-c"] {
        world.tell(OrderPlaced { order_id: id(order), ..placed() });
    }
    let list = List::of(OrderView::TABLE, 2)
        .equal("customer_id", tradewind_events::Value::Text("user-1".into()))
        .order_by("began_at", Direction::Descending);
    let page = |list: &List| -> Vec<OrderView> {
        let rows = world.stage.store().list(list).unwrap();
        rows.iter().map(|row| OrderView::from_row(&row.values).unwrap()).collect()
    };
    let first = page(&list);
    let end = &first[1];
    let second = page(&list.clone().after(tradewind_events::Column::to_value(&end.began_at), end.key()));
    let ids: Vec<&str> = first.iter().chain(&second).map(|order| order.order_id.as_str()).collect();
    assert_eq!(ids, ["order-c", "order-a", "order-b"]);
    let placed = List::of(OrderView::TABLE, 9).equal("status", tradewind_events::Value::Text("placed".into()));
    assert_eq!(page(&placed).len(), 3);
}
