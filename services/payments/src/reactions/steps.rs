//! What is done when the facts of a payment ask for it, whoever brought the last of them: an event, the provider's
//! answer, or a command.

use std::sync::Arc;

use tradewind_engine::{Outcome, Stop, Uow};
use tradewind_events::Id;

use super::books;
use crate::{
    Payments,
    model::{Ask, AskProvider, Charge, Held, Holder, Payment, PaymentState, Refund, Step, Surplus, TEXT_CHARS_MAX},
};

/// Asks the provider. Asking again what it was asked already gives a call that ran out of attempts new ones.
pub(crate) fn ask(uow: &mut Uow<Payments>, ask: Option<Ask>) {
    if let Some(Ask { job, call }) = ask {
        uow.request_job::<AskProvider>(&job, &call);
    }
}

/// Does what the facts ask for until they ask for nothing more, and keeps the payment.
pub(crate) fn go_on(uow: &mut Uow<Payments>, payment: &mut Payment) -> Outcome {
    while let Some(step) = payment.next_step() {
        match step {
            Step::Cancel => payment.cancelled(uow.now())?,
            Step::Void => void(uow, payment)?,
            Step::Capture => capture(uow, payment)?,
            Step::Refund { amount_minor } => {
                let (refund_id, reason) = (uow.new_id(), payment.reason().cloned());
                let reason = reason.unwrap_or_else(|| ORDER_ENDED_REASON.into());
                let whole = Refund::new(payment, refund_id, amount_minor, reason, uow.now());
                refund(uow, payment, whole)?;
            }
        }
    }
    uow.put(payment.clone());
    Ok(())
}

fn void(uow: &mut Uow<Payments>, payment: &mut Payment) -> Outcome {
    let now = uow.now();
    let holder = payment.holder();
    if holder == Holder::Provider {
        payment.voiding(now)?;
        ask(uow, payment.open_call()?);
        return Ok(());
    }
    if holder == Holder::Balance {
        books::unhold(uow, payment)?;
    }
    uow.emit(payment.voided(payment.authorized_minor(), now)?);
    Ok(())
}

fn capture(uow: &mut Uow<Payments>, payment: &mut Payment) -> Outcome {
    if payment.holder() == Holder::Provider {
        payment.capturing(uow.now())?;
        ask(uow, payment.open_call()?);
        return Ok(());
    }
    captured(uow, payment)
}

/// What was held is taken.
pub(crate) fn captured(uow: &mut Uow<Payments>, payment: &mut Payment) -> Outcome {
    let captured = payment.captured(uow.now())?;
    books::capture(uow, payment)?;
    uow.emit(captured);
    Ok(())
}

/// The provider has taken what it was to let go of (`told` is its reference): it goes back as every capture of an
/// order that has ended.
pub(crate) fn taken(uow: &mut Uow<Payments>, payment: &mut Payment, told: Option<&Id>) -> Outcome {
    let (captured, other) = payment.taken(told, uow.now())?;
    books::capture(uow, payment)?;
    uow.emit(captured);
    other.map_or(Ok(()), |other| take_surplus(uow, payment, &other, Holder::Provider))
}

/// Gives a part or all of what was taken back, or asks the provider to.
pub(crate) fn refund(uow: &mut Uow<Payments>, payment: &mut Payment, mut refund: Refund) -> Result<Refund, Stop> {
    if payment.holder() != Holder::Provider {
        return refund_done(uow, payment, refund);
    }
    refund.ask();
    payment.refunding(refund.refund_id(), uow.now())?;
    ask(uow, refund.open_call(payment)?);
    uow.put(refund.clone());
    Ok(refund)
}

/// The refund has gone back.
pub(crate) fn refund_done(uow: &mut Uow<Payments>, payment: &mut Payment, mut refund: Refund) -> Result<Refund, Stop> {
    let now = uow.now();
    refund.done(now);
    books::refund(uow, payment, &refund)?;
    uow.emit(payment.refunded(&refund, now)?);
    uow.put(refund.clone());
    Ok(refund)
}

/// Somebody reports that money is held, or taken.
pub(crate) fn held(uow: &mut Uow<Payments>, payment: &mut Payment, charge: &Charge, by: Holder) -> Outcome {
    // Nothing came, or it came before and is on its way back.
    if charge.amount_minor == 0 || surplus_of(uow, payment, &charge.reference)?.is_some() {
        return Ok(());
    }
    match payment.judge(charge, by) {
        Held::Known => return Ok(()),
        Held::Authorizes => {
            let authorized = payment.authorized(Some(charge.reference.clone()), uow.now())?;
            uow.emit(authorized);
        }
        Held::Undoing => payment.undoing(charge.reference.clone()),
        Held::Surplus => take_surplus(uow, payment, charge, by)?,
    }
    go_on(uow, payment)
}

/// The surplus of an order under a reference.
pub(crate) fn surplus_of(uow: &mut Uow<Payments>, payment: &Payment, reference: &Id) -> Result<Option<Surplus>, Stop> {
    if payment.surpluses() == 0 {
        return Ok(None);
    }
    uow.get::<Surplus>((payment.order_id(), reference))
}

/// Money came for no reason: it goes back. Whoever else than the provider holds it hears that by an event.
fn take_surplus(uow: &mut Uow<Payments>, payment: &mut Payment, charge: &Charge, by: Holder) -> Outcome {
    let mut surplus = Surplus::new(payment, charge, uow.now());
    if by != Holder::Provider {
        surplus_done(uow, payment, surplus);
        return Ok(());
    }
    surplus.ask();
    ask(uow, surplus.open_call()?);
    uow.put(surplus);
    Ok(())
}

/// The surplus has gone back.
pub(crate) fn surplus_done(uow: &mut Uow<Payments>, payment: &Payment, mut surplus: Surplus) {
    surplus.done(uow.now());
    uow.emit(payment.surplus_returned(&surplus));
    uow.put(surplus);
}

/// The provider has let go of what it held, or of nothing (`told` is its reference, where it has told one).
pub(crate) fn undo_done(uow: &mut Uow<Payments>, payment: &mut Payment, told: Option<&Id>, nothing: bool) -> Outcome {
    // Where nothing was known to be held, the authorization itself was undone, whatever had become of it.
    let mut amount_minor = payment.authorized_minor();
    if payment.state() == PaymentState::Voiding && payment.authorized_minor() == 0 {
        amount_minor = if nothing { 0 } else { payment.amount_minor() };
        if let Some(other) = payment.undone(told, !nothing) {
            take_surplus(uow, payment, &other, Holder::Provider)?;
        }
    }
    uow.emit(payment.voided(amount_minor, uow.now())?);
    Ok(())
}

/// Why money goes back where the order's end did not say it.
const ORDER_ENDED_REASON: &str = "order_ended";

/// The reason that somebody outside gave, or what happened in one word. Its length is not theirs to decide: what is too
/// much is cut off.
pub(crate) fn told_reason(given: Option<&Arc<str>>, else_word: &str) -> Arc<str> {
    let Some(reason) = given.filter(|reason| !reason.trim().is_empty()) else { return else_word.into() };
    match reason.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => reason[..end].into(),
        None => Arc::clone(reason),
    }
}
