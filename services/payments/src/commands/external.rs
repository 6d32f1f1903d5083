//! Somebody outside authorizes or fails a payment that waits for them, through the API or a contract.

use std::sync::Arc;

use tradewind_engine::{Answer, Command, Uow};
use tradewind_events::{Currency, Id, PaymentMethod};

use super::payment_of;
use crate::{
    Payments,
    model::{
        Charge, Holder, PAYMENT_AMOUNT_DIFFERS, PAYMENT_NOT_EXTERNAL, PAYMENT_NOT_PENDING, Payment, PaymentState,
        Surplus, check_text,
    },
    reactions::{go_on, held, surplus_of},
};

/// The money of an order is held by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Command)]
#[command(owner = Payments, name = "authorize_external", answer = ExternalAuthorization, key = order_id)]
pub struct AuthorizeExternal {
    pub order_id: Id,
    /// What they call it. The same one again changes nothing; another one is surplus.
    pub reference: Id,
    pub amount_minor: i64,
    pub currency: Currency,
    pub via: Via,
}

/// How they say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// A wrong amount is refused.
    Api,
    /// A message tells a fact that cannot be refused: a wrong amount is surplus.
    Contract,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalAuthorization {
    pub payment: Payment,
    /// Set when nobody waited for this money: it is asked back by `payment.surplus_returned`.
    pub surplus: Option<Surplus>,
}

/// Somebody else will not hold the money of an order.
#[derive(Debug, Clone, PartialEq, Eq, Command)]
#[command(owner = Payments, name = "fail_external", answer = Payment, key = order_id)]
pub struct FailExternal {
    pub order_id: Id,
    pub reason: Arc<str>,
}

pub fn authorize_external(uow: &mut Uow<Payments>, told: &AuthorizeExternal) -> Answer<ExternalAuthorization> {
    let mut payment = external_payment_of(uow, &told.order_id)?;
    let AuthorizeExternal { reference, amount_minor, currency, .. } = told.clone();
    let charge = Charge { reference, amount_minor, currency };
    // What an order costs that ended before its payment was asked for is not known here.
    let differs = payment.state() != PaymentState::Ended && !payment.costs(&charge);
    if amount_minor < 0 || (differs && told.via == Via::Api) {
        let (asked, order) = (payment.amount_minor(), payment.order().currency);
        let detail = format!("the order costs {asked} {order}, not {amount_minor} {currency}");
        return Err(PAYMENT_AMOUNT_DIFFERS.because(detail).at("amount_minor").into());
    }
    if told.via == Via::Api
        && let Some(before) = surplus_of(uow, &payment, &charge.reference)?
        && (before.amount_minor(), before.currency()) != (charge.amount_minor, charge.currency)
    {
        let (amount_minor, currency) = (before.amount_minor(), before.currency());
        let detail = format!("{} was reported before, with {amount_minor} {currency}.", charge.reference);
        return Err(PAYMENT_AMOUNT_DIFFERS.because(detail).at("amount_minor").into());
    }
    held(uow, &mut payment, &charge, Holder::External)?;
    let surplus = surplus_of(uow, &payment, &charge.reference)?;
    Ok(ExternalAuthorization { payment, surplus })
}

pub fn fail_external(uow: &mut Uow<Payments>, told: &FailExternal) -> Answer<Payment> {
    check_text(&told.reason, "reason")?;
    let mut payment = external_payment_of(uow, &told.order_id)?;
    match payment.state() {
        PaymentState::Pending => {
            let failed = payment.failed(told.reason.clone(), uow.now())?;
            uow.emit(failed);
            go_on(uow, &mut payment)?;
            Ok(payment)
        }
        // Nothing is held, as they say.
        PaymentState::Failed | PaymentState::Cancelled | PaymentState::Ended | PaymentState::Voided => Ok(payment),
        state => Err(PAYMENT_NOT_PENDING.because(format!("the payment is {state}")).into()),
    }
}

fn external_payment_of(uow: &mut Uow<Payments>, order_id: &Id) -> Answer<Payment> {
    let payment = payment_of(uow, order_id)?;
    let method = payment.order().payment_method;
    if method != PaymentMethod::External {
        return Err(PAYMENT_NOT_EXTERNAL.because(format!("order {order_id} is paid by {method}")).into());
    }
    Ok(payment)
}
