//! The timeline of an order: where its events are in the log.

use std::sync::Arc;

use tradewind_engine::{Outcome, Uow};
use tradewind_events::{
    AnyEvent, Id, OrderSummary, Subject,
    carts::CartCheckedOut,
    catalog::{QuoteIssued, QuoteRefused},
    inventory::{
        ReservationCommitRefused, ReservationCommitted, ReservationExpired, ReservationMade, ReservationRefused,
        ReservationReleased, ReservationRestocked,
    },
    notifications::{NotificationFailed, NotificationQueued, NotificationSent},
    orders::{
        OrderCancelRequested, OrderCancelled, OrderCompleted, OrderConfirmed, OrderPriced, OrderRefunded,
        OrderRejected, OrderValidated,
    },
    payments::{
        AccountCredited, AccountDebited, PaymentAuthorized, PaymentCaptureFailed, PaymentCaptured, PaymentFailed,
        PaymentRefundFailed, PaymentRefunded, PaymentRequested, PaymentSurplusReturned, PaymentVoided,
    },
    shipping::{
        ShipmentAllocated, ShipmentDelivered, ShipmentDispatched, ShipmentReady, ShipmentRefused,
        ShipmentReleaseRefused, ShipmentReleased,
    },
};

use super::change_order;
use crate::{Query, model::TimelineRest};

/// Every event: if it belongs to an order, keep where it stands, and what it says of the order as a whole.
pub fn keep(uow: &mut Uow<'_, Query>, event: &dyn AnyEvent) -> Outcome {
    let Some(order_id) = order_of(event) else { return Ok(()) };
    let mut left_out = None;
    change_order(uow, &order_id, |order, told| {
        left_out = order.heard(told.at, told.address);
        if let Some(summary) = summary_of(event) {
            order.summary(summary);
        }
        Ok(())
    })?;
    if let Some(left_out) = left_out
        && uow.get::<TimelineRest>((&left_out.order_id, &left_out.place))?.is_none()
    {
        uow.put(left_out);
    }
    Ok(())
}

/// The order that an event belongs to. What happened to the stock of single SKUs does not: the reservation tells it
/// in one event, where an order of 500 lines has a thousand of them.
pub fn order_of(event: &dyn AnyEvent) -> Option<Id> {
    match event.subject_table() {
        "order" | "quote" | "reservation" | "payment" | "shipment" => Some(event.key().clone()),
        "cart" => event.as_any().downcast_ref::<CartCheckedOut>().map(|cart| cart.order_id.clone()),
        "account" => account_order(event),
        "notification" => notification_order(event),
        _ => None,
    }
}

fn account_order(event: &dyn AnyEvent) -> Option<Id> {
    let event = event.as_any();
    let credited = event.downcast_ref::<AccountCredited>().and_then(|account| account.order_id.as_ref());
    let debited = || event.downcast_ref::<AccountDebited>().and_then(|account| account.order_id.as_ref());
    credited.or_else(debited).cloned()
}

fn notification_order(event: &dyn AnyEvent) -> Option<Id> {
    let event = event.as_any();
    if let Some(queued) = event.downcast_ref::<NotificationQueued>() {
        return about(&queued.subject).or_else(|| queued.order.as_ref().map(|order| order.order_id.clone()));
    }
    if let Some(sent) = event.downcast_ref::<NotificationSent>() {
        return about(&sent.subject);
    }
    event.downcast_ref::<NotificationFailed>().and_then(|failed| about(&failed.subject))
}

/// The order that a notification is about: its subject is the order, or what others keep under the order's id.
fn about(subject: &Subject) -> Option<Id> {
    match &*subject.kind {
        "order" | "payment" | "shipment" => Id::new(subject.key.as_str()).ok(),
        _ => None,
    }
}

/// The summary that rides along in most events of an order.
fn summary_of(event: &dyn AnyEvent) -> Option<&Arc<OrderSummary>> {
    macro_rules! summary {
        ($($told:ty),+ $(,)?) => {$(
            if let Some(told) = event.as_any().downcast_ref::<$told>() {
                return Some(&told.order);
            }
        )+};
    }
    summary![
        QuoteIssued,
        QuoteRefused,
        OrderPriced,
        OrderValidated,
        OrderConfirmed,
        OrderRejected,
        OrderCancelRequested,
        OrderCancelled,
        OrderRefunded,
        OrderCompleted,
        ReservationMade,
        ReservationRefused,
        ReservationCommitted,
        ReservationCommitRefused,
        ReservationReleased,
        ReservationExpired,
        ReservationRestocked,
        PaymentRequested,
        PaymentAuthorized,
        PaymentFailed,
        PaymentCaptured,
        PaymentCaptureFailed,
        PaymentVoided,
        PaymentRefunded,
        PaymentRefundFailed,
        PaymentSurplusReturned,
        ShipmentAllocated,
        ShipmentRefused,
        ShipmentReady,
        ShipmentReleased,
        ShipmentReleaseRefused,
        ShipmentDispatched,
        ShipmentDelivered,
    ];
    event.as_any().downcast_ref::<NotificationQueued>().and_then(|queued| queued.order.as_ref())
}
