//! Orders go on and end. Each fact is kept in the row of the order, early or late; then what the facts ask for is done.

use std::sync::Arc;

use tradewind_engine::{Outcome, Stop, Uow};
use tradewind_events::{
    OrderSummary,
    orders::{OrderCancelled, OrderCompleted, OrderConfirmed, OrderRejected, OrderValidated},
};

use super::{
    books,
    steps::{ask, go_on},
};
use crate::{
    Payments,
    model::{Holder, Payment},
};

/// All checks have passed: hold the money, or ask whoever does.
pub fn hold(uow: &mut Uow<Payments>, validated: &OrderValidated) -> Outcome {
    let mut payment = payment_of(uow, &validated.order)?;
    let now = uow.now();
    if !payment.validated(&validated.order, now)? {
        return Ok(());
    }
    match payment.holder() {
        Holder::Nobody => {
            let authorized = payment.authorized(None, now)?;
            uow.emit(authorized);
        }
        Holder::Balance => match books::hold(uow, &payment)? {
            Some(reason) => uow.emit(payment.failed(reason.into(), now)?),
            None => uow.emit(payment.authorized(None, now)?),
        },
        Holder::Provider => {
            uow.emit(payment.requested());
            payment.authorizing(now)?;
            ask(uow, payment.open_call()?);
        }
        Holder::External => uow.emit(payment.requested()),
    }
    go_on(uow, &mut payment)
}

/// The order stands: take what is held.
pub fn capture(uow: &mut Uow<Payments>, confirmed: &OrderConfirmed) -> Outcome {
    let mut payment = payment_of(uow, &confirmed.order)?;
    if payment.confirmed() {
        return Ok(());
    }
    payment.order_confirmed();
    go_on(uow, &mut payment)
}

/// The order is delivered: from now on its money can be refunded.
pub fn complete(uow: &mut Uow<Payments>, completed: &OrderCompleted) -> Outcome {
    let mut payment = payment_of(uow, &completed.order)?;
    if payment.completed() {
        return Ok(());
    }
    payment.order_completed();
    go_on(uow, &mut payment)
}

/// The shop could not take the order: its money goes back.
pub fn end_rejected(uow: &mut Uow<Payments>, rejected: &OrderRejected) -> Outcome {
    end(uow, &rejected.order, &rejected.reason)
}

/// The order was cancelled: its money goes back.
pub fn end_cancelled(uow: &mut Uow<Payments>, cancelled: &OrderCancelled) -> Outcome {
    end(uow, &cancelled.order, &cancelled.reason)
}

fn end(uow: &mut Uow<Payments>, order: &Arc<OrderSummary>, reason: &Arc<str>) -> Outcome {
    let mut payment = payment_of(uow, order)?;
    if payment.ended() {
        return Ok(());
    }
    payment.order_ended(reason, uow.now())?;
    go_on(uow, &mut payment)
}

/// The row of the order, begun when this is the first that is heard of it.
fn payment_of(uow: &mut Uow<Payments>, order: &Arc<OrderSummary>) -> Result<Payment, Stop> {
    if let Some(payment) = uow.get::<Payment>(&order.order_id)? {
        return Ok(payment);
    }
    let payment_id = uow.new_id();
    Ok(Payment::unheard(order, payment_id, uow.now()))
}
