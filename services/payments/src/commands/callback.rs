//! The provider calls back: before its answer, instead of it, twice, late, or about a charge that nobody asked for.
//! Only news of money that moved count; what is refused or undecided is known from the answer to the call.

use std::sync::Arc;

use tradewind_engine::{Answer, Command, Outcome, Uow};
use tradewind_events::{Currency, Id, jobs::ProviderState};

use super::payment_of;
use crate::{
    Payments,
    model::{
        Charge, Holder, PAYMENT_AMOUNT_DIFFERS, Payment, PaymentState, Refund, RefundState, Surplus, SurplusState,
    },
    reactions::{captured, go_on, held, refund_done, surplus_done, surplus_of, told_reason, undo_done},
};

/// Where a charge stands, as the provider says in a callback whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq, Command)]
#[command(owner = Payments, name = "provider_callback", answer = Payment, key = order_id)]
pub struct ProviderCallback {
    pub order_id: Id,
    /// The provider's own name for the charge.
    pub reference: Id,
    pub state: ProviderState,
    pub amount_minor: i64,
    pub currency: Currency,
    /// Of a refund, where the provider names it.
    pub refund_id: Option<Id>,
    pub reason: Option<Arc<str>>,
}

pub fn provider_callback(uow: &mut Uow<Payments>, told: &ProviderCallback) -> Answer<Payment> {
    let mut payment = payment_of(uow, &told.order_id)?;
    match told.state {
        ProviderState::Authorized | ProviderState::Captured => charged(uow, &mut payment, told)?,
        ProviderState::Declined => declined(uow, &mut payment, told)?,
        ProviderState::Voided | ProviderState::Refunded | ProviderState::Returned => {
            went_back(uow, &mut payment, told)?;
        }
        ProviderState::NothingHeld | ProviderState::Refused | ProviderState::Pending => {}
    }
    Ok(payment)
}

fn charged(uow: &mut Uow<Payments>, payment: &mut Payment, told: &ProviderCallback) -> Outcome {
    let ProviderCallback { reference, amount_minor, currency, .. } = told.clone();
    let charge = Charge { reference, amount_minor, currency };
    let ours = is_ours(payment, told);
    // Of a charge that we know, another amount cannot be told apart from a defect: the answers to our calls decide.
    if amount_minor < 0 || (ours && !payment.costs(&charge)) {
        let (asked, order) = (payment.amount_minor(), payment.order().currency);
        let detail = format!("charge {} is of {asked} {order}, not {amount_minor} {currency}", charge.reference);
        return Err(PAYMENT_AMOUNT_DIFFERS.because(detail).at("amount_minor").into());
    }
    if let Some(before) = surplus_of(uow, payment, &charge.reference)? {
        expect_amount_of(&before, told)?;
    }
    if ours && told.state == ProviderState::Captured && payment.state() == PaymentState::Capturing {
        captured(uow, payment)?;
        return go_on(uow, payment);
    }
    held(uow, payment, &charge, Holder::Provider)
}

/// Surplus has one amount. Another one under its reference cannot be told apart from a defect.
fn expect_amount_of(surplus: &Surplus, told: &ProviderCallback) -> Outcome {
    if (surplus.amount_minor(), surplus.currency()) == (told.amount_minor, told.currency) {
        return Ok(());
    }
    let (reference, amount_minor, currency) = (surplus.reference(), surplus.amount_minor(), surplus.currency());
    let detail = format!(
        "charge {reference} was reported before, with {amount_minor} {currency}, not {} {}",
        told.amount_minor, told.currency
    );
    Err(PAYMENT_AMOUNT_DIFFERS.because(detail).at("amount_minor").into())
}

/// Whether it is about the charge that pays the order.
fn is_ours(payment: &Payment, told: &ProviderCallback) -> bool {
    payment.holder() == Holder::Provider && payment.reference() == Some(&told.reference)
}

fn declined(uow: &mut Uow<Payments>, payment: &mut Payment, told: &ProviderCallback) -> Outcome {
    if payment.state() != PaymentState::Authorizing {
        return Ok(());
    }
    let failed = payment.failed(told_reason(told.reason.as_ref(), "declined"), uow.now())?;
    uow.emit(failed);
    go_on(uow, payment)
}

fn went_back(uow: &mut Uow<Payments>, payment: &mut Payment, told: &ProviderCallback) -> Outcome {
    if let Some(surplus) = surplus_of(uow, payment, &told.reference)? {
        if surplus.state() != SurplusState::Returned {
            expect_amount_of(&surplus, told)?;
            surplus_done(uow, payment, surplus);
        }
        return Ok(());
    }
    let ours = is_ours(payment, told);
    let undoing = payment.state() == PaymentState::Voiding && payment.reference().is_none();
    match (told.state, payment.state()) {
        (ProviderState::Voided, PaymentState::Voiding | PaymentState::Authorized) if ours || undoing => {
            undo_done(uow, payment, Some(&told.reference), false)?;
            go_on(uow, payment)
        }
        (ProviderState::Refunded, PaymentState::Captured | PaymentState::Refunding) if ours => {
            refunded(uow, payment, told)
        }
        _ => Ok(()),
    }
}

/// The refund that the provider names, or the one that is under way.
fn refunded(uow: &mut Uow<Payments>, payment: &mut Payment, told: &ProviderCallback) -> Outcome {
    let Some(refund_id) = told.refund_id.as_ref().or(payment.refund_id()) else { return Ok(()) };
    let refund = uow.get::<Refund>((payment.order_id(), refund_id))?;
    let expected = |refund: &Refund| {
        refund.state() != RefundState::Refunded
            && refund.amount_minor() == told.amount_minor
            && refund.currency() == told.currency
    };
    let Some(refund) = refund.filter(expected) else { return Ok(()) };
    refund_done(uow, payment, refund)?;
    go_on(uow, payment)
}
