//! What is owed: money that must go back and was refused for good. An operator has it tried once more, or gives it back
//! by other means. A call that ran out of attempts is owed too: it is asked again under its key. So is what a deleted
//! customer had, or gets back: an operator pays it out.

use std::sync::Arc;

use tradewind_engine::{Answer, Command, OrRefuse, Problem, Uow};
use tradewind_events::{Currency, Id};

use super::payment_of;
use crate::{
    Payments,
    model::{
        Account, NOTHING_OWED, Payment, PaymentState, REFUND_UNDER_WAY, Refund, RefundState, SETTLEMENT_TOO_LARGE,
        Surplus, SurplusState, cause, check_amount, house,
    },
    reactions::{Move, Party, ask, go_on, refund, refund_done, surplus_done, transfer},
};

/// Which debt of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owed {
    /// Of the payment itself: a hold that could not be let go; for a retry, any call that is open.
    Hold,
    Refund {
        refund_id: Id,
    },
    Surplus {
        reference: Id,
    },
}

/// Have the provider asked once more: under a new key for what it refused, under the same for what is not known.
#[derive(Debug, Clone, PartialEq, Eq, Command)]
#[command(owner = Payments, name = "retry_owed", answer = Payment, key = order_id)]
pub struct RetryOwed {
    pub order_id: Id,
    pub owed: Owed,
}

/// The money went back by other means, or the hold has lapsed: nothing is owed any more.
#[derive(Debug, Clone, PartialEq, Eq, Command)]
#[command(owner = Payments, name = "settle_owed", answer = Payment, key = order_id)]
pub struct SettleOwed {
    pub order_id: Id,
    pub owed: Owed,
    pub actor: Arc<str>,
}

/// What a deleted customer had in an account, or got back later, was paid out by other means, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq, Command)]
#[command(owner = Payments, name = "settle_payable", answer = Account, key = customer_id)]
pub struct SettlePayable {
    pub customer_id: Id,
    pub currency: Currency,
    /// 1 to what is owed.
    pub amount_minor: i64,
    pub actor: Arc<str>,
}

pub fn settle_payable(uow: &mut Uow<Payments>, settle: &SettlePayable) -> Answer<Account> {
    let SettlePayable { customer_id, currency, amount_minor, actor } = settle;
    check_amount(*amount_minor)?;
    let account = uow.get::<Account>((customer_id, *currency))?.filter(|account| account.payable_minor() > 0);
    let mut account = account.or_refuse(|| {
        NOTHING_OWED.because(format!("Nothing in {currency} is owed to a deleted customer {customer_id}."))
    })?;
    if *amount_minor > account.payable_minor() {
        let detail = format!("`amount_minor` must be at most {}: no more is owed.", account.payable_minor());
        return Err(SETTLEMENT_TOO_LARGE.because(detail).at("amount_minor").into());
    }
    let what = Move {
        amount_minor: *amount_minor,
        currency: *currency,
        cause: cause::SETTLE,
        order_id: None,
        reference: Some(customer_id.shared()),
        actor: Some(Arc::clone(actor)),
    };
    transfer(uow, Party::House(&house::PAYABLE), Party::House(&house::SETTLEMENT), what)?;
    account.paid_out(*amount_minor);
    uow.put(account.clone());
    Ok(account)
}

pub fn retry_owed(uow: &mut Uow<Payments>, retry: &RetryOwed) -> Answer<Payment> {
    let mut payment = payment_of(uow, &retry.order_id)?;
    match &retry.owed {
        Owed::Hold => {
            if payment.owed_since().is_some() {
                payment.voiding(uow.now())?;
                uow.put(payment.clone());
            }
            let open = payment.open_call()?.or_refuse(|| nothing_owed(&payment, "hold"))?;
            ask(uow, Some(open));
        }
        Owed::Refund { refund_id } => {
            let owed =
                uow.get::<Refund>((&retry.order_id, refund_id))?.or_refuse(|| nothing_owed(&payment, refund_id))?;
            match owed.state() {
                RefundState::Refunded => return Err(nothing_owed(&payment, refund_id).into()),
                RefundState::Refunding => ask(uow, owed.open_call(&payment)?),
                RefundState::Refused if payment.state() != PaymentState::Captured => {
                    return Err(REFUND_UNDER_WAY.problem().into());
                }
                RefundState::Refused => {
                    refund(uow, &mut payment, owed)?;
                    uow.put(payment.clone());
                }
            }
        }
        Owed::Surplus { reference } => {
            let owed = uow.get::<Surplus>((&retry.order_id, reference))?;
            let mut owed = owed.or_refuse(|| nothing_owed(&payment, reference))?;
            match owed.state() {
                SurplusState::Returned => return Err(nothing_owed(&payment, reference).into()),
                SurplusState::Returning => {}
                SurplusState::Refused => owed.ask(),
            }
            ask(uow, owed.open_call()?);
            uow.put(owed);
        }
    }
    Ok(payment)
}

pub fn settle_owed(uow: &mut Uow<Payments>, settle: &SettleOwed) -> Answer<Payment> {
    let mut payment = payment_of(uow, &settle.order_id)?;
    let by = settle.actor.clone();
    match &settle.owed {
        Owed::Hold => {
            payment.owed_since().or_refuse(|| nothing_owed(&payment, "hold"))?;
            let voided = payment.settle_hold(by, uow.now())?;
            uow.emit(voided);
        }
        Owed::Refund { refund_id } => {
            let owed = uow.get::<Refund>((&settle.order_id, refund_id))?;
            let owed = owed.filter(|owed| owed.state() == RefundState::Refused);
            let mut owed = owed.or_refuse(|| nothing_owed(&payment, refund_id))?;
            owed.settle(by);
            refund_done(uow, &mut payment, owed)?;
        }
        Owed::Surplus { reference } => {
            let owed = uow.get::<Surplus>((&settle.order_id, reference))?;
            let owed = owed.filter(|owed| owed.state() == SurplusState::Refused);
            let mut owed = owed.or_refuse(|| nothing_owed(&payment, reference))?;
            owed.settle(by);
            surplus_done(uow, &payment, owed);
        }
    }
    go_on(uow, &mut payment)?;
    Ok(payment)
}

fn nothing_owed(payment: &Payment, what: impl std::fmt::Display) -> Problem {
    NOTHING_OWED.because(format!("of order {} nothing is owed under {what}", payment.order_id()))
}
