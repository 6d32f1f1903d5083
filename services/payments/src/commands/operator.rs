//! An operator takes or gives back the money of an order that goes on. The money of one that ended goes back by itself.

use std::sync::Arc;

use tradewind_engine::{Answer, Command, Problem, Uow};
use tradewind_events::Id;

use super::payment_of;
use crate::{
    Payments,
    model::{
        CAPTURE_NOT_DUE, NOT_CAPTURED, NOT_COMPLETED, ORDER_ENDED, Payment, PaymentState, REFUND_ID_TAKEN,
        REFUND_TOO_LARGE, REFUND_UNDER_WAY, Refund, check_amount, check_text,
    },
    reactions::{ask, go_on, refund},
};

/// Start a refused capture once more.
#[derive(Debug, Clone, PartialEq, Eq, Command)]
#[command(owner = Payments, name = "capture_payment", answer = Payment, key = order_id)]
pub struct CapturePayment {
    pub order_id: Id,
}

/// Give back a part or all of what a completed order has cost.
#[derive(Debug, Clone, PartialEq, Eq, Command)]
#[command(owner = Payments, name = "refund_payment", answer = Refund, key = order_id)]
pub struct RefundPayment {
    pub order_id: Id,
    /// The same one again changes nothing; none mints one.
    pub refund_id: Option<Id>,
    /// All that is left when none.
    pub amount_minor: Option<i64>,
    pub reason: Arc<str>,
    pub actor: Arc<str>,
}

pub fn capture_payment(uow: &mut Uow<Payments>, capture: &CapturePayment) -> Answer<Payment> {
    let mut payment = payment_of(uow, &capture.order_id)?;
    if payment.ended() {
        return Err(ORDER_ENDED.problem().into());
    }
    if !payment.is_capture_due() {
        let heard = if payment.confirmed() { "confirmed" } else { "not confirmed" };
        let detail = format!("the payment is {}, and its order is {heard}", payment.state());
        return Err(CAPTURE_NOT_DUE.because(detail).into());
    }
    payment.capturing(uow.now())?;
    ask(uow, payment.open_call()?);
    uow.put(payment.clone());
    Ok(payment)
}

pub fn refund_payment(uow: &mut Uow<Payments>, wish: &RefundPayment) -> Answer<Refund> {
    check_text(&wish.reason, "reason")?;
    wish.amount_minor.map_or(Ok(()), check_amount)?;
    let mut payment = payment_of(uow, &wish.order_id)?;
    let before = match &wish.refund_id {
        Some(refund_id) => uow.get::<Refund>((&wish.order_id, refund_id))?,
        None => None,
    };
    if let Some(before) = before {
        if !before.is_the_same(wish.amount_minor, &wish.reason) {
            let detail =
                format!("Refund {} of {} was asked for by another request.", before.refund_id(), before.amount_minor());
            return Err(REFUND_ID_TAKEN.because(detail).at("refund_id").into());
        }
        return Ok(before);
    }
    let amount_minor = refundable(&payment, wish, uow.settings())?;
    let refund_id = wish.refund_id.clone().unwrap_or_else(|| uow.new_id());
    let wished = Refund::new(&mut payment, refund_id, amount_minor, wish.reason.clone(), uow.now());
    let wished = wished.requested(wish.actor.clone(), wish.amount_minor.is_none());
    let refund = refund(uow, &mut payment, wished)?;
    go_on(uow, &mut payment)?;
    Ok(refund)
}

/// How much goes back, if it can.
fn refundable(payment: &Payment, wish: &RefundPayment, settings: &Payments) -> Result<i64, Problem> {
    if payment.ended() {
        return Err(ORDER_ENDED.problem());
    }
    if !payment.completed() && (settings.shipping_recalls || !payment.confirmed()) {
        return Err(NOT_COMPLETED.because(format!("order {} is not completed", payment.order_id())));
    }
    match payment.state() {
        PaymentState::Captured | PaymentState::Refunded => {}
        PaymentState::Refunding => return Err(REFUND_UNDER_WAY.problem()),
        state => return Err(NOT_CAPTURED.because(format!("the payment is {state}"))),
    }
    let left_minor = payment.refundable_minor();
    let amount_minor = wish.amount_minor.unwrap_or(left_minor);
    if amount_minor > left_minor || left_minor == 0 {
        let detail = format!("at most {left_minor} {} can go back", payment.order().currency);
        return Err(REFUND_TOO_LARGE.because(detail).at("amount_minor"));
    }
    Ok(amount_minor)
}
