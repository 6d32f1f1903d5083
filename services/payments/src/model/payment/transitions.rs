//! The transitions of a payment: each returns the event that tells it. A state that cannot follow is a defect.

use std::sync::Arc;

use tradewind_engine::Stop;
use tradewind_events::{
    Id, Timestamp,
    payments::{
        PaymentAuthorized, PaymentCaptureFailed, PaymentCaptured, PaymentFailed, PaymentRefundFailed, PaymentRefunded,
        PaymentRequested, PaymentSurplusReturned, PaymentVoided,
    },
};

use super::{Charge, Payment, PaymentState};
use crate::model::{Refund, Surplus};

impl Payment {
    pub fn requested(&self) -> PaymentRequested {
        PaymentRequested {
            payment_id: self.payment_id.clone(),
            order: Arc::clone(&self.order),
            method: self.order.payment_method,
        }
    }

    /// The provider is asked to hold the money.
    pub fn authorizing(&mut self, now: Timestamp) -> Result<(), Stop> {
        self.go(PaymentState::Authorizing, now)
    }

    pub fn authorized(&mut self, reference: Option<Id>, now: Timestamp) -> Result<PaymentAuthorized, Stop> {
        self.go(PaymentState::Authorized, now)?;
        self.reference = reference;
        self.authorized_minor = self.amount_minor;
        Ok(PaymentAuthorized {
            payment_id: self.payment_id.clone(),
            order: Arc::clone(&self.order),
            amount_minor: self.authorized_minor,
        })
    }

    pub fn failed(&mut self, reason: Arc<str>, now: Timestamp) -> Result<PaymentFailed, Stop> {
        self.go(PaymentState::Failed, now)?;
        self.reason = Some(Arc::clone(&reason));
        Ok(PaymentFailed {
            payment_id: self.payment_id.clone(),
            order: Arc::clone(&self.order),
            reason,
            failed_at: now,
        })
    }

    /// The order ended before somebody outside had answered.
    pub fn cancelled(&mut self, now: Timestamp) -> Result<(), Stop> {
        self.go(PaymentState::Cancelled, now)
    }

    /// The provider is asked to take what is held.
    pub fn capturing(&mut self, now: Timestamp) -> Result<(), Stop> {
        self.go(PaymentState::Capturing, now)?;
        self.captures += 1;
        Ok(())
    }

    pub fn captured(&mut self, now: Timestamp) -> Result<PaymentCaptured, Stop> {
        self.go(PaymentState::Captured, now)?;
        self.captured_minor = self.authorized_minor;
        Ok(PaymentCaptured {
            payment_id: self.payment_id.clone(),
            order: Arc::clone(&self.order),
            amount_minor: self.captured_minor,
            captured_at: now,
        })
    }

    /// The provider has taken what it was to let go of, and calls it so. Gives back a charge that was taken for it
    /// meanwhile, and is another one.
    pub fn taken(&mut self, told: Option<&Id>, now: Timestamp) -> Result<(PaymentCaptured, Option<Charge>), Stop> {
        let other = self.undone(told, true);
        self.authorized_minor = self.amount_minor;
        Ok((self.captured(now)?, other))
    }

    /// The capture is refused for good; the money is still held.
    pub fn capture_refused(&mut self, reason: Arc<str>, now: Timestamp) -> Result<PaymentCaptureFailed, Stop> {
        self.go(PaymentState::Authorized, now)?;
        self.reason = Some(Arc::clone(&reason));
        Ok(PaymentCaptureFailed { payment_id: self.payment_id.clone(), order: Arc::clone(&self.order), reason })
    }

    /// Whether a refused capture may be started once more.
    pub fn is_capture_due(&self) -> bool {
        self.state == PaymentState::Authorized && self.captures > 0 && self.confirmed && !self.ended
    }

    /// The provider is asked to let go of what is held, or to undo an authorization whose outcome is not known.
    pub fn voiding(&mut self, now: Timestamp) -> Result<(), Stop> {
        self.go(PaymentState::Voiding, now)?;
        self.voids += 1;
        self.owed_since = None;
        Ok(())
    }

    /// What was held is let go; zero if nothing was.
    pub fn voided(&mut self, amount_minor: i64, now: Timestamp) -> Result<PaymentVoided, Stop> {
        self.go(PaymentState::Voided, now)?;
        self.owed_since = None;
        Ok(PaymentVoided { payment_id: self.payment_id.clone(), order: Arc::clone(&self.order), amount_minor })
    }

    /// An operator says that the hold has lapsed, or went back by other means.
    pub fn settle_hold(&mut self, by: Arc<str>, now: Timestamp) -> Result<PaymentVoided, Stop> {
        self.settled_by = Some(by);
        self.voided(self.amount_minor, now)
    }

    /// What is held cannot be let go, for good: it is owed.
    pub fn void_refused(&mut self, reason: Arc<str>, now: Timestamp) -> Result<PaymentRefundFailed, Stop> {
        self.go(PaymentState::Authorized, now)?;
        self.owed_since = Some(now);
        self.reason = Some(Arc::clone(&reason));
        let amount_minor = self.amount_minor;
        Ok(PaymentRefundFailed { refund_id: None, reference: None, ..self.refund_failed(amount_minor, reason) })
    }

    /// Sets a part of what was taken aside for a new refund, and numbers it.
    pub fn reserve_refund(&mut self, amount_minor: i64) -> u32 {
        self.returning_minor += amount_minor;
        self.refunds += 1;
        self.refunds
    }

    /// One row of surplus more: its number.
    pub(in crate::model) fn count_surplus(&mut self) -> u32 {
        self.surpluses += 1;
        self.surpluses
    }

    /// The provider is asked to give a refund back.
    pub fn refunding(&mut self, refund_id: &Id, now: Timestamp) -> Result<(), Stop> {
        self.go(PaymentState::Refunding, now)?;
        self.refund_id = Some(refund_id.clone());
        Ok(())
    }

    /// The refund has gone back, whether by this way or by another.
    pub fn refunded(&mut self, refund: &Refund, now: Timestamp) -> Result<PaymentRefunded, Stop> {
        self.returning_minor -= refund.amount_minor();
        self.refunded_minor += refund.amount_minor();
        let rest =
            if self.refunded_minor == self.captured_minor { PaymentState::Refunded } else { PaymentState::Captured };
        let others = self.refund_id.as_ref().is_some_and(|open| open != refund.refund_id());
        if !others && self.state != rest {
            self.go(rest, now)?;
            self.refund_id = None;
        }
        Ok(PaymentRefunded {
            payment_id: self.payment_id.clone(),
            refund_id: refund.refund_id().clone(),
            order: Arc::clone(&self.order),
            amount_minor: refund.amount_minor(),
            reason: Arc::clone(refund.reason()),
        })
    }

    /// The refund is refused for good: it stays set aside, and is owed.
    pub fn refund_refused(
        &mut self,
        refund: &Refund,
        reason: Arc<str>,
        now: Timestamp,
    ) -> Result<PaymentRefundFailed, Stop> {
        self.go(PaymentState::Captured, now)?;
        self.refund_id = None;
        let failed = self.refund_failed(refund.amount_minor(), reason);
        Ok(PaymentRefundFailed { refund_id: Some(refund.refund_id().clone()), ..failed })
    }

    /// The return of surplus is refused for good: it is owed. The payment itself is not concerned.
    pub fn return_refused(&self, surplus: &Surplus, reason: Arc<str>) -> PaymentRefundFailed {
        let failed = self.refund_failed(surplus.amount_minor(), reason);
        PaymentRefundFailed { reference: Some(surplus.reference().shared()), ..failed }
    }

    fn refund_failed(&self, amount_minor: i64, reason: Arc<str>) -> PaymentRefundFailed {
        PaymentRefundFailed {
            payment_id: self.payment_id.clone(),
            refund_id: None,
            reference: None,
            order: Arc::clone(&self.order),
            amount_minor,
            reason,
        }
    }

    /// The surplus has gone back.
    pub fn surplus_returned(&self, surplus: &Surplus) -> PaymentSurplusReturned {
        PaymentSurplusReturned {
            payment_id: self.payment_id.clone(),
            reference: surplus.reference().shared(),
            order: Arc::clone(&self.order),
            amount_minor: surplus.amount_minor(),
        }
    }
}
