//! What orders says of an order: how far it is, and how it ended.

use tradewind_engine::{Outcome, Uow};
use tradewind_events::orders::{
    OrderCancelRequested, OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, OrderPriced, OrderRefunded,
    OrderRejected, OrderValidated,
};

use super::change_order;
use crate::{
    Query,
    model::{End, Ending, earliest},
};

pub fn placed(uow: &mut Uow<'_, Query>, placed: &OrderPlaced) -> Outcome {
    change_order(uow, &placed.order_id, |order, told| {
        order.buyer(&placed.customer_id, placed.currency, placed.payment_method);
        if let Some(cart_id) = &placed.cart_id {
            earliest(&mut order.cart_id, cart_id);
        }
        order.lines(&placed.lines, false);
        earliest(&mut order.placed_at, &told.at);
        Ok(())
    })
}

pub fn priced(uow: &mut Uow<'_, Query>, priced: &OrderPriced) -> Outcome {
    change_order(uow, &priced.order.order_id, |order, told| {
        order.lines(&priced.lines, true);
        earliest(&mut order.priced_at, &told.at);
        earliest(&mut order.deadline, &priced.deadline);
        Ok(())
    })
}

pub fn validated(uow: &mut Uow<'_, Query>, validated: &OrderValidated) -> Outcome {
    change_order(uow, &validated.order.order_id, |order, told| {
        order.lines(&validated.lines, false);
        earliest(&mut order.reservation_id, &validated.reservation_id);
        earliest(&mut order.shipment_id, &validated.shipment_id);
        earliest(&mut order.validated_at, &told.at);
        Ok(())
    })
}

pub fn confirmed(uow: &mut Uow<'_, Query>, confirmed: &OrderConfirmed) -> Outcome {
    change_order(uow, &confirmed.order.order_id, |order, told| {
        order.lines(&confirmed.lines, false);
        earliest(&mut order.reservation_id, &confirmed.reservation_id);
        earliest(&mut order.payment_id, &confirmed.payment_id);
        earliest(&mut order.shipment_id, &confirmed.shipment_id);
        earliest(&mut order.confirmed_at, &told.at);
        Ok(())
    })
}

pub fn rejected(uow: &mut Uow<'_, Query>, rejected: &OrderRejected) -> Outcome {
    change_order(uow, &rejected.order.order_id, |order, told| {
        order.ended(End {
            at: told.at,
            ending: Ending::Rejected,
            reason: rejected.reason.clone(),
            owed_step: Some(rejected.step.clone()),
            cancelled_by: None,
            refund_due_minor: 0,
        });
        Ok(())
    })
}

/// The order waits for shipping: whether it can still be stopped.
pub fn cancel_requested(uow: &mut Uow<'_, Query>, requested: &OrderCancelRequested) -> Outcome {
    change_order(uow, &requested.order.order_id, |order, told| {
        order.cancel_requests.insert(told.address);
        Ok(())
    })
}

pub fn cancelled(uow: &mut Uow<'_, Query>, cancelled: &OrderCancelled) -> Outcome {
    change_order(uow, &cancelled.order.order_id, |order, _| {
        order.lines(&cancelled.lines, false);
        order.ended(End {
            at: cancelled.cancelled_at,
            ending: Ending::Cancelled,
            reason: cancelled.reason.clone(),
            owed_step: cancelled.step.clone(),
            cancelled_by: Some(cancelled.cancelled_by),
            refund_due_minor: cancelled.refund_amount_minor,
        });
        Ok(())
    })
}

/// Orders has noted that money went back. How much is told by payments, who moved it.
pub fn refunded(uow: &mut Uow<'_, Query>, refunded: &OrderRefunded) -> Outcome {
    change_order(uow, &refunded.order.order_id, |order, told| {
        earliest(&mut order.refunded_at, &told.at);
        Ok(())
    })
}

pub fn completed(uow: &mut Uow<'_, Query>, completed: &OrderCompleted) -> Outcome {
    change_order(uow, &completed.order.order_id, |order, _| {
        order.lines(&completed.lines, false);
        earliest(&mut order.payment_id, &completed.payment_id);
        earliest(&mut order.shipment_id, &completed.shipment_id);
        earliest(&mut order.completed_at, &completed.completed_at);
        Ok(())
    })
}
