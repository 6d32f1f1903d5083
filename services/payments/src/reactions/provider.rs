//! The provider answers a call. Its callback, an end of the order or an operator may have been faster: a refusal counts
//! only for the call that is waited for, a success counts whenever it comes.

use tradewind_engine::{Finished, Outcome, Stop, Uow};
use tradewind_events::{
    Id, TextEnum, Timestamp,
    jobs::{ProviderAction, ProviderState},
};

use super::steps::{captured, go_on, held, refund_done, surplus_done, taken, told_reason, undo_done};
use crate::{
    Payments,
    model::{AskProvider, Charge, Holder, Payment, Refund, RefundState, Surplus, Verdict, verdict},
};

pub fn answered(uow: &mut Uow<Payments>, answered: &Finished<AskProvider>) -> Outcome {
    match answered.request.action {
        ProviderAction::Authorize => authorize_answered(uow, answered),
        ProviderAction::Capture => capture_answered(uow, answered),
        ProviderAction::Void | ProviderAction::Cancel => undo_answered(uow, answered),
        ProviderAction::Refund => refund_answered(uow, answered),
        ProviderAction::Return => return_answered(uow, answered),
    }
}

fn authorize_answered(uow: &mut Uow<Payments>, answered: &Finished<AskProvider>) -> Outcome {
    let (call, answer) = (&answered.request, &answered.reply);
    let mut payment = uow.load::<Payment>(&call.order_id)?;
    let waited_for = is_waited_for(&payment, answered)?;
    match verdict(call.action, answer.state) {
        Verdict::Done => {
            let reference = reference(answered)?.unwrap_or_else(|| call.key.clone());
            let charge = Charge { reference, amount_minor: answer.amount_minor, currency: call.currency };
            return held(uow, &mut payment, &charge, Holder::Provider);
        }
        // Also when another charge has taken its place: what this one comes to must be known, or nobody gives it back.
        Verdict::Undecided => {
            ask_later(uow, answered, payment.changed_at());
            return Ok(());
        }
        Verdict::Refused if !waited_for => return Ok(()),
        Verdict::Refused => {
            let failed = payment.failed(why(answered), uow.now())?;
            uow.emit(failed);
        }
    }
    go_on(uow, &mut payment)
}

fn capture_answered(uow: &mut Uow<Payments>, answered: &Finished<AskProvider>) -> Outcome {
    let (call, answer) = (&answered.request, &answered.reply);
    let mut payment = uow.load::<Payment>(&call.order_id)?;
    if !is_waited_for(&payment, answered)? {
        return Ok(());
    }
    match verdict(call.action, answer.state) {
        Verdict::Done => {
            expect_amount(answered)?;
            captured(uow, &mut payment)?;
        }
        Verdict::Refused => {
            let refused = payment.capture_refused(why(answered), uow.now())?;
            uow.emit(refused);
        }
        Verdict::Undecided => {
            ask_later(uow, answered, payment.changed_at());
            return Ok(());
        }
    }
    go_on(uow, &mut payment)
}

fn undo_answered(uow: &mut Uow<Payments>, answered: &Finished<AskProvider>) -> Outcome {
    let (call, answer) = (&answered.request, &answered.reply);
    let mut payment = uow.load::<Payment>(&call.order_id)?;
    if !is_waited_for(&payment, answered)? {
        return Ok(());
    }
    match verdict(call.action, answer.state) {
        _ if answer.state == ProviderState::Captured => {
            expect_amount(answered)?;
            taken(uow, &mut payment, reference(answered)?.as_ref())?;
        }
        Verdict::Done => {
            let nothing = matches!(answer.state, ProviderState::NothingHeld | ProviderState::Declined);
            undo_done(uow, &mut payment, reference(answered)?.as_ref(), nothing)?;
        }
        Verdict::Refused => {
            let refused = payment.void_refused(why(answered), uow.now())?;
            uow.emit(refused);
        }
        Verdict::Undecided => {
            ask_later(uow, answered, payment.changed_at());
            return Ok(());
        }
    }
    go_on(uow, &mut payment)
}

fn refund_answered(uow: &mut Uow<Payments>, answered: &Finished<AskProvider>) -> Outcome {
    let (call, answer) = (&answered.request, &answered.reply);
    let mut payment = uow.load::<Payment>(&call.order_id)?;
    let refund_id = call.refund_id.as_ref().ok_or_else(|| Stop::Broken("a refund call has no refund_id".to_owned()))?;
    let mut refund = uow.load::<Refund>((&call.order_id, refund_id))?;
    if refund.open_call(&payment)?.is_none_or(|ask| ask.job != answered.key) {
        return Ok(());
    }
    match verdict(call.action, answer.state) {
        Verdict::Done => {
            expect_amount(answered)?;
            refund_done(uow, &mut payment, refund)?;
        }
        Verdict::Refused => {
            let (now, reason) = (uow.now(), why(answered));
            debug_assert_eq!(refund.state(), RefundState::Refunding);
            refund.refused(reason.clone(), now);
            uow.emit(payment.refund_refused(&refund, reason, now)?);
            uow.put(refund);
        }
        Verdict::Undecided => {
            ask_later(uow, answered, refund.requested_at());
            return Ok(());
        }
    }
    go_on(uow, &mut payment)
}

fn return_answered(uow: &mut Uow<Payments>, answered: &Finished<AskProvider>) -> Outcome {
    let (call, answer) = (&answered.request, &answered.reply);
    let payment = uow.load::<Payment>(&call.order_id)?;
    let reference = call.reference.as_ref().ok_or_else(|| Stop::Broken("a return call has no reference".to_owned()))?;
    let reference = Id::new(&**reference).map_err(Stop::broken)?;
    let mut surplus = uow.load::<Surplus>((&call.order_id, &reference))?;
    if surplus.open_call()?.is_none_or(|ask| ask.job != answered.key) {
        return Ok(());
    }
    match verdict(call.action, answer.state) {
        Verdict::Done => surplus_done(uow, &payment, surplus),
        Verdict::Refused => {
            let reason = why(answered);
            surplus.refused(reason.clone(), uow.now());
            uow.emit(payment.return_refused(&surplus, reason));
            uow.put(surplus);
        }
        Verdict::Undecided => ask_later(uow, answered, surplus.came_at()),
    }
    Ok(())
}

fn is_waited_for(payment: &Payment, answered: &Finished<AskProvider>) -> Result<bool, Stop> {
    Ok(payment.open_call()?.is_some_and(|ask| ask.job == answered.key))
}

/// The provider's own name for the charge, where it has told one.
fn reference(answered: &Finished<AskProvider>) -> Result<Option<Id>, Stop> {
    let reference = answered.reply.reference.as_ref();
    reference
        .map(|told| Id::new(told.clone()).map_err(|bad| Stop::Broken(format!("reference {told:?}: {bad}"))))
        .transpose()
}

/// Taking or giving back another amount than asked for cannot be: nobody can say what became of the rest.
fn expect_amount(answered: &Finished<AskProvider>) -> Outcome {
    let (asked, told) = (answered.request.amount_minor, answered.reply.amount_minor);
    if asked == told {
        return Ok(());
    }
    let (action, state) = (answered.request.action, answered.reply.state);
    Err(Stop::Broken(format!("the provider was asked to {action} {asked} and says {state} {told}")))
}

fn why(answered: &Finished<AskProvider>) -> std::sync::Arc<str> {
    told_reason(answered.reply.reason.as_ref(), answered.reply.state.as_str())
}

/// Asks again after as long again as it has taken since `since`, within bounds.
fn ask_later(uow: &mut Uow<Payments>, answered: &Finished<AskProvider>, since: Timestamp) {
    let settings = uow.settings();
    let now = uow.now();
    let wait = now.since(since).clamp(settings.undecided_wait_min, settings.undecided_wait_max);
    uow.request_job_at::<AskProvider>(&answered.key, &answered.request, now.plus(wait));
}
