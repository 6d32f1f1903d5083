//! What the payment provider is asked, under which key, and what its answers mean.

use tradewind_engine::{Job, Stop, injected};
use tradewind_events::{
    Id,
    jobs::{ProviderAction, ProviderAnswer, ProviderCall, ProviderState},
};

use super::{Payment, PaymentState, Refund, RefundState, Surplus, SurplusState};
use crate::Payments;

/// The job of asking the payment provider for something.
///
/// A timeout is no answer: the engine asks again under the same key.
pub enum AskProvider {}

impl Job for AskProvider {
    type Owner = Payments;
    type Request = ProviderCall;
    type Reply = ProviderAnswer;
    const NAME: &'static str = "ask_provider";
}

/// A call, with the key of its job.
///
/// The job's key is the call's, except for a cancel: that names the authorization which it undoes, and is a job of
/// its own, because the authorization's may still be running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub job: Id,
    pub call: ProviderCall,
}

/// What an answer means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Done,
    /// For good.
    Refused,
    /// Ask again later, under the same key.
    Undecided,
}

/// What it means that the provider answers a call with where the charge stands. The charge may be further than the
/// call: asking again under an old key is asking what became of it.
pub fn verdict(action: ProviderAction, state: ProviderState) -> Verdict {
    use ProviderState::{Authorized, Captured, Declined, NothingHeld, Pending, Refunded, Refused, Returned, Voided};
    match action {
        ProviderAction::Authorize => match state {
            Authorized | Captured => Verdict::Done,
            Declined | Refused | Voided | NothingHeld | Refunded | Returned => Verdict::Refused,
            Pending => Verdict::Undecided,
        },
        ProviderAction::Capture => match state {
            Captured => Verdict::Done,
            Refused if injected("failure-recorded-as-paid") => Verdict::Done,
            Declined | Refused | Voided | NothingHeld | Refunded | Returned => Verdict::Refused,
            Authorized | Pending => Verdict::Undecided,
        },
        ProviderAction::Void => match state {
            Voided | NothingHeld | Refunded | Returned => Verdict::Done,
            Declined | Refused | Captured => Verdict::Refused,
            Authorized | Pending => Verdict::Undecided,
        },
        ProviderAction::Cancel => match state {
            Voided | NothingHeld | Refunded | Returned | Declined => Verdict::Done,
            Refused | Captured => Verdict::Refused,
            Authorized | Pending => Verdict::Undecided,
        },
        ProviderAction::Refund => match state {
            Refunded | Voided | Returned => Verdict::Done,
            Declined | Refused | Authorized | NothingHeld => Verdict::Refused,
            Captured | Pending => Verdict::Undecided,
        },
        ProviderAction::Return => match state {
            Returned | Refunded | Voided | NothingHeld => Verdict::Done,
            Declined | Refused => Verdict::Refused,
            Authorized | Captured | Pending => Verdict::Undecided,
        },
    }
}

impl Payment {
    /// The call whose answer the payment waits for, other than a refund's.
    pub fn open_call(&self) -> Result<Option<Ask>, Stop> {
        let payment_id = self.payment_id();
        let (action, job) = match self.state() {
            // There is one authorization a payment, so it needs no number, and a minted key needs no look-up.
            PaymentState::Authorizing => (ProviderAction::Authorize, payment_id.clone()),
            PaymentState::Capturing => (ProviderAction::Capture, numbered(payment_id, "capture", self.captures())?),
            PaymentState::Voiding if self.authorized_minor() > 0 => {
                (ProviderAction::Void, numbered(payment_id, "void", self.voids())?)
            }
            PaymentState::Voiding => (ProviderAction::Cancel, numbered(payment_id, "cancel", self.voids())?),
            _ => return Ok(None),
        };
        let key = if action == ProviderAction::Cancel { payment_id.clone() } else { job.clone() };
        Ok(Some(Ask { job, call: self.call(action, key, self.amount_minor()) }))
    }

    fn call(&self, action: ProviderAction, key: Id, amount_minor: i64) -> ProviderCall {
        ProviderCall {
            payment_id: self.payment_id().clone(),
            order_id: self.order_id().clone(),
            key,
            action,
            amount_minor,
            currency: self.order().currency,
            reference: self.reference().map(Id::shared),
            refund_id: None,
        }
    }
}

impl Refund {
    /// The call whose answer the refund waits for.
    pub fn open_call(&self, payment: &Payment) -> Result<Option<Ask>, Stop> {
        if self.state() != RefundState::Refunding {
            return Ok(None);
        }
        let job = numbered(self.payment_id(), &format!("refund.{}", self.number()), self.attempts())?;
        let call = payment.call(ProviderAction::Refund, job.clone(), self.amount_minor());
        Ok(Some(Ask { job, call: ProviderCall { refund_id: Some(self.refund_id().clone()), ..call } }))
    }
}

impl Surplus {
    /// The call whose answer the surplus waits for.
    pub fn open_call(&self) -> Result<Option<Ask>, Stop> {
        if self.state() != SurplusState::Returning {
            return Ok(None);
        }
        let job = numbered(self.payment_id(), &format!("return.{}", self.number()), self.attempts())?;
        let call = ProviderCall {
            payment_id: self.payment_id().clone(),
            order_id: self.order_id().clone(),
            key: job.clone(),
            action: ProviderAction::Return,
            amount_minor: self.amount_minor(),
            currency: self.currency(),
            reference: Some(self.reference().shared()),
            refund_id: None,
        };
        Ok(Some(Ask { job, call }))
    }
}

/// A call of a payment. Its key is made of what stands in rows: one that is made of an id minted just now would be another
/// one each time that its handler runs again.
fn numbered(payment_id: &Id, what: &str, number: u32) -> Result<Id, Stop> {
    Id::new(format!("{payment_id}.{what}.{number}")).map_err(Stop::broken)
}
