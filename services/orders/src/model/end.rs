//! The ways out: rejected for a lost check, cancelled by a wish or by time, stopped by shipping; and the refund after.

use std::sync::Arc;

use tradewind_engine::{Events, Problem, injected};
use tradewind_events::{
    AmountOverflow, CancelledBy, Id, TextEnum, Timestamp,
    orders::{OrderCancelRequested, OrderCancelled, OrderRefunded, OrderRejected},
    plus,
};

use super::{
    ALREADY_DISPATCHED, CANNOT_RECALL, CUSTOMER_DELETED, Lost, ORDER_FINAL, Order, OrderState, Step, owed_step,
};
use crate::Orders;

/// Who ends an order, and why.
pub type Wish = (CancelledBy, Arc<str>);

impl Order {
    /// Somebody wants it ended. Before it is confirmed that is done at once; from then on shipping decides, because
    /// goods may be leaving. Asked again by an operator, it asks shipping again, in case an answer was lost.
    pub fn cancel(&mut self, wish: Wish, settings: &Orders, now: Timestamp) -> Result<Events, Problem> {
        let owed = owed_step(self);
        let is_operator = wish.0 == CancelledBy::Operator;
        let said = match self.state {
            state if state.is_final() => return Err(ORDER_FINAL.because(format!("The order is {state}."))),
            OrderState::Cancelling if is_operator => {
                let asked = self.cancel_by.zip(self.cancel_reason.clone());
                self.ask_release(asked.unwrap_or(wish)).into()
            }
            _ if self.has_left() => return Err(ALREADY_DISPATCHED.problem()),
            OrderState::Cancelling => Events::new(),
            state if state.stands() && !settings.shipping_can_recall => return Err(CANNOT_RECALL.problem()),
            state if state.stands() && !injected("cancel-unasked") => self.ask_release(wish).into(),
            _ => self.cancelled(wish, None, now).into(),
        };
        self.watch(owed, now);
        Ok(said)
    }

    /// Its customer is deleted: it ends unless its goods have left, as by a wish. Where shipping takes nothing back, a
    /// confirmed order goes on. `None` when nothing follows.
    pub fn abandon(&mut self, settings: &Orders, now: Timestamp) -> Option<Events> {
        let wish = (CancelledBy::System, CUSTOMER_DELETED.code.into());
        self.cancel(wish, settings, now).ok().filter(|said| !said.is_empty())
    }

    /// Whether it holds stock and waits for its money.
    pub fn is_unpaid(&self) -> bool {
        self.state.is_open() && self.authorized_at.is_none()
    }

    /// Its deadline has come. What is not confirmed ends, and says which step was owed and by whom.
    pub fn expire(&mut self, now: Timestamp) -> Option<OrderCancelled> {
        let owed = owed_step(self);
        let (step, by) = owed.filter(|_| self.state.is_open())?;
        let reason = format!("deadline: {by} owed the {step}");
        let cancelled = self.cancelled((CancelledBy::Deadline, reason.into()), Some(step), now);
        self.watch(owed, now);
        Some(cancelled)
    }

    /// A refund that was not heard of before. It is told whatever has become of the order.
    pub fn refund(
        &mut self,
        refund_id: &Id,
        amount_minor: i64,
        reason: &Arc<str>,
        now: Timestamp,
    ) -> Result<Option<OrderRefunded>, AmountOverflow> {
        let owed = owed_step(self);
        self.refunded_minor = plus(self.refunded_minor, amount_minor)?;
        self.refunded_at = Some(now);
        self.refund_failed_at = None;
        self.watch(owed, now);
        Ok((self.state != OrderState::Unheard).then(|| OrderRefunded {
            order: Arc::clone(&self.summary),
            refund_id: refund_id.clone(),
            amount_minor,
            reason: Arc::clone(reason),
            method: self.summary.payment_method.as_str().into(),
        }))
    }

    pub(super) fn rejected(&mut self, lost: Lost, reason: Arc<str>, now: Timestamp) -> OrderRejected {
        self.remember(lost, &reason);
        self.state = OrderState::Rejected;
        self.final_at = Some(now);
        OrderRejected {
            order: Arc::clone(&self.summary),
            reason,
            step: lost.step().as_str().into(),
            payment_id: self.payment_id.clone(),
            shipment_id: self.shipment_id.clone(),
            reservation_id: self.reservation_id.clone(),
        }
    }

    pub(super) fn cancelled(&mut self, (by, reason): Wish, step: Option<Step>, now: Timestamp) -> OrderCancelled {
        self.cancel_by = Some(by);
        self.cancel_reason = Some(Arc::clone(&reason));
        self.state = OrderState::Cancelled;
        self.final_at = Some(now);
        let refund_required = self.authorized_at.is_some();
        let held_minor = self.authorized_minor.or(self.summary.total_minor).unwrap_or(0);
        OrderCancelled {
            order: Arc::clone(&self.summary),
            lines: self.lines.clone(),
            reason,
            cancelled_by: by,
            cancelled_at: now,
            step: step.map(|step| step.as_str().into()),
            payment_id: self.payment_id.clone(),
            shipment_id: self.shipment_id.clone(),
            reservation_id: self.reservation_id.clone(),
            refund_required,
            refund_amount_minor: if refund_required { held_minor } else { 0 },
        }
    }

    /// Shipping is asked; its answer ends the order or lets it go on.
    pub(super) fn ask_release(&mut self, (by, reason): Wish) -> OrderCancelRequested {
        self.cancel_by = Some(by);
        self.cancel_reason = Some(Arc::clone(&reason));
        self.state = OrderState::Cancelling;
        OrderCancelRequested { order: Arc::clone(&self.summary), reason, requested_by: by }
    }
}
