//! When this event, do that. An event is a fact about one order; what follows from it is the model's to say.

use std::sync::Arc;

use tradewind_engine::{Events, Outcome, Stop, Uow};
use tradewind_events::{
    Id, OrderSummary, TextEnum,
    catalog::{QuoteIssued, QuoteRefused},
    identity::UserDeleted,
    inventory::{
        ReservationCommitRefused, ReservationCommitted, ReservationExpired, ReservationMade, ReservationRefused,
        ReservationReleased, ReservationRestocked,
    },
    payments::{
        PaymentAuthorized, PaymentCaptureFailed, PaymentCaptured, PaymentFailed, PaymentRefundFailed, PaymentRefunded,
        PaymentRequested, PaymentVoided,
    },
    shipping::{
        ShipmentAllocated, ShipmentDelivered, ShipmentDispatched, ShipmentReady, ShipmentRefused,
        ShipmentReleaseRefused, ShipmentReleased,
    },
};

use crate::{
    Customer, CustomerPiece, DEADLINE, ERASE, Order, OrderState, Orders, Refund,
    model::{Fact, Lost, Quote},
};

pub fn price(uow: &mut Uow<Orders>, quoted: &QuoteIssued) -> Outcome {
    let quote = Quote::try_from(quoted).map_err(Stop::broken)?;
    hear(uow, &quoted.order, &Fact::Quoted(quote))
}

pub fn lose_quote(uow: &mut Uow<Orders>, refused: &QuoteRefused) -> Outcome {
    let reason = if refused.unavailable.is_empty() { "price_changed" } else { "unavailable" };
    lose(uow, &refused.order, Lost::QuoteRefused, &reason.into())
}

pub fn pass_reservation(uow: &mut Uow<Orders>, made: &ReservationMade) -> Outcome {
    hear(uow, &made.order, &Fact::Reserved { reservation_id: made.reservation_id.clone() })
}

pub fn lose_reservation(uow: &mut Uow<Orders>, refused: &ReservationRefused) -> Outcome {
    lose(uow, &refused.order, Lost::ReservationRefused, &refused.reason.as_str().into())
}

pub fn pass_commit(uow: &mut Uow<Orders>, committed: &ReservationCommitted) -> Outcome {
    hear(uow, &committed.order, &Fact::Committed)
}

pub fn lose_commit(uow: &mut Uow<Orders>, refused: &ReservationCommitRefused) -> Outcome {
    lose(uow, &refused.order, Lost::CommitRefused, &refused.reason)
}

pub fn lose_released_stock(uow: &mut Uow<Orders>, released: &ReservationReleased) -> Outcome {
    lose(uow, &released.order, Lost::ReservationReleased, &released.reason)
}

pub fn lose_expired_stock(uow: &mut Uow<Orders>, expired: &ReservationExpired) -> Outcome {
    lose(uow, &expired.order, Lost::ReservationExpired, &Lost::ReservationExpired.as_str().into())
}

pub fn note_restocked(uow: &mut Uow<Orders>, restocked: &ReservationRestocked) -> Outcome {
    hear(uow, &restocked.order, &Fact::Restocked)
}

pub fn pass_shipment(uow: &mut Uow<Orders>, allocated: &ShipmentAllocated) -> Outcome {
    hear(uow, &allocated.order, &Fact::Allocated { shipment_id: allocated.shipment_id.clone() })
}

pub fn lose_shipment(uow: &mut Uow<Orders>, refused: &ShipmentRefused) -> Outcome {
    lose(uow, &refused.order, Lost::ShipmentRefused, &refused.reason)
}

pub fn note_ready(uow: &mut Uow<Orders>, ready: &ShipmentReady) -> Outcome {
    hear(uow, &ready.order, &Fact::Ready)
}

/// The answer to a request to stop the order, or a check that is lost.
pub fn end_released(uow: &mut Uow<Orders>, released: &ShipmentReleased) -> Outcome {
    lose(uow, &released.order, Lost::ShipmentReleased, &released.reason)
}

/// The other answer: too late.
pub fn go_on(uow: &mut Uow<Orders>, refused: &ShipmentReleaseRefused) -> Outcome {
    hear(uow, &refused.order, &Fact::ReleaseRefused)
}

pub fn dispatch(uow: &mut Uow<Orders>, dispatched: &ShipmentDispatched) -> Outcome {
    hear(uow, &dispatched.order, &Fact::Dispatched)
}

pub fn deliver(uow: &mut Uow<Orders>, delivered: &ShipmentDelivered) -> Outcome {
    hear(uow, &delivered.order, &Fact::Delivered)
}

pub fn note_requested(uow: &mut Uow<Orders>, requested: &PaymentRequested) -> Outcome {
    hear(uow, &requested.order, &Fact::PaymentRequested { payment_id: requested.payment_id.clone() })
}

pub fn pass_payment(uow: &mut Uow<Orders>, paid: &PaymentAuthorized) -> Outcome {
    let payment_id = paid.payment_id.clone();
    let (amount_minor, currency) = (paid.amount_minor, paid.order.currency);
    hear(uow, &paid.order, &Fact::Authorized { payment_id, amount_minor, currency })
}

pub fn lose_payment(uow: &mut Uow<Orders>, failed: &PaymentFailed) -> Outcome {
    lose(uow, &failed.order, Lost::PaymentFailed, &failed.reason)
}

pub fn note_captured(uow: &mut Uow<Orders>, captured: &PaymentCaptured) -> Outcome {
    hear(uow, &captured.order, &Fact::Captured { payment_id: captured.payment_id.clone() })
}

pub fn lose_capture(uow: &mut Uow<Orders>, failed: &PaymentCaptureFailed) -> Outcome {
    lose(uow, &failed.order, Lost::CaptureFailed, &failed.reason)
}

pub fn lose_hold(uow: &mut Uow<Orders>, voided: &PaymentVoided) -> Outcome {
    lose(uow, &voided.order, Lost::PaymentVoided, &Lost::PaymentVoided.as_str().into())
}

/// Money went back: each refund is told once, whatever has become of the order.
pub fn refund(uow: &mut Uow<Orders>, refunded: &PaymentRefunded) -> Outcome {
    let order_id = &refunded.order.order_id;
    let (known, order) = (uow.get::<Refund>((order_id, &refunded.refund_id)), order_of(uow, &refunded.order));
    let (known, mut order) = (known?, order?);
    if known.is_some() {
        return Ok(());
    }
    if refunded.amount_minor < 0 {
        return Err(Stop::broken("a refund cannot be negative"));
    }
    let now = uow.now();
    let (amount_minor, refund_id) = (refunded.amount_minor, refunded.refund_id.clone());
    let said = order.refund(&refund_id, amount_minor, &refunded.reason, now).map_err(Stop::broken)?;
    uow.put(Refund::told(order_id.clone(), refund_id, amount_minor, now));
    uow.put(order);
    if let Some(refunded) = said {
        uow.emit(refunded);
    }
    Ok(())
}

pub fn note_refund_failed(uow: &mut Uow<Orders>, failed: &PaymentRefundFailed) -> Outcome {
    // Surplus never was money of the order: payments lists it as owed.
    if failed.reference.is_some() { Ok(()) } else { hear(uow, &failed.order, &Fact::RefundFailed) }
}

/// A customer is deleted: the latest orders are let go now, the others piece by piece.
pub fn forget_customer(uow: &mut Uow<Orders>, deleted: &UserDeleted) -> Outcome {
    let mut customer = uow.get::<Customer>(&deleted.user_id)?.unwrap_or_else(|| Customer::new(&deleted.user_id));
    let Some(order_ids) = customer.delete(uow.now()) else { return Ok(()) };
    let_go(uow, &order_ids)?;
    forget_rest(uow, customer);
    Ok(())
}

pub fn forget_more(uow: &mut Uow<Orders>, customer_id: &Id) -> Outcome {
    let mut customer = uow.load::<Customer>(customer_id)?;
    if customer.pieces() > 0 {
        let piece = uow.load::<CustomerPiece>((customer_id, customer.last_piece()))?;
        let_go(uow, piece.order_ids())?;
        uow.delete(&piece);
        customer.drop_piece();
    } else {
        let_go(uow, &customer.take_unpaid())?;
    }
    forget_rest(uow, customer);
    Ok(())
}

/// The rest is for the timer, a piece at a time.
fn forget_rest(uow: &mut Uow<Orders>, customer: Customer) {
    if customer.has_more() {
        uow.set_timer(&ERASE, customer.customer_id(), uow.now());
    }
    uow.put(customer);
}

/// Erases what is personal in these orders, at most a piece of them, and ends those whose goods have not left.
fn let_go(uow: &mut Uow<Orders>, order_ids: &[Id]) -> Outcome {
    // All are asked for before the first is missed, so that one look-up loads them.
    let orders: Vec<_> = order_ids.iter().map(|order_id| uow.load::<Order>(order_id)).collect();
    for order in orders {
        let mut order = order?;
        let before = order.state();
        let is_erased = order.erase();
        let said = order.abandon(uow.settings(), uow.now());
        if is_erased || said.is_some() {
            save(uow, before, order, said.unwrap_or_default());
        }
    }
    Ok(())
}

/// The deadline has come.
pub fn expire(uow: &mut Uow<Orders>, order_id: &Id) -> Outcome {
    let mut order = uow.load::<Order>(order_id)?;
    if let Some(cancelled) = order.expire(uow.now()) {
        uow.put(order);
        uow.emit(cancelled);
    }
    Ok(())
}

fn lose(uow: &mut Uow<Orders>, summary: &Arc<OrderSummary>, lost: Lost, reason: &Arc<str>) -> Outcome {
    hear(uow, summary, &Fact::Lost { lost, reason: Arc::clone(reason) })
}

/// Takes a fact in, and keeps what it makes of the order.
fn hear(uow: &mut Uow<Orders>, summary: &Arc<OrderSummary>, fact: &Fact) -> Outcome {
    let mut order = order_of(uow, summary)?;
    let before = order.state();
    if let Some(said) = order.hear(fact, uow.settings(), uow.now()) {
        save(uow, before, order, said);
    }
    Ok(())
}

/// The order's row. Received of too early, what is said of it is kept there.
fn order_of(uow: &mut Uow<Orders>, summary: &Arc<OrderSummary>) -> Result<Order, Stop> {
    let now = uow.now();
    Ok(uow.get::<Order>(&summary.order_id)?.unwrap_or_else(|| Order::unheard(summary, now)))
}

/// Keeps the order and says what follows. Confirmed or ended, it has no deadline any more.
pub fn save(uow: &mut Uow<Orders>, before: OrderState, order: Order, said: Events) {
    if before.is_open() && !order.state().is_open() {
        uow.cancel_timer(&DEADLINE, order.order_id());
    }
    uow.put(order);
    uow.emit_all(said);
}
