//! The steps of the saga. Each is taken when its set of facts is complete, and returns its event.

use std::sync::Arc;

use tradewind_engine::{Events, injected};
use tradewind_events::{
    Check, TextEnum, Timestamp,
    orders::{OrderCompleted, OrderConfirmed, OrderPriced, OrderValidated},
};

use super::{Lost, Order, OrderState, Step};

impl Order {
    /// Takes every step whose facts are all there, in the order of the saga. A check that is lost goes first.
    pub(super) fn advance(&mut self, now: Timestamp) -> Events {
        if self.state.is_open()
            && let Some((lost, reason)) = self.lost.zip(self.lost_reason.clone())
        {
            return self.rejected(lost, reason, now).into();
        }
        let mut said = Events::new();
        while let Some(events) = self.step(now) {
            said.extend(events);
        }
        said
    }

    /// The next step; `None` when a fact is missing.
    fn step(&mut self, now: Timestamp) -> Option<Events> {
        match self.state {
            OrderState::Placed => self.price().map(Events::from),
            OrderState::Priced => self.validate().map(Events::from),
            OrderState::Validated => self.pay(now),
            OrderState::Paid => self.confirm().map(Events::from),
            OrderState::Confirmed => self.leave(),
            OrderState::Dispatched => self.complete(now).map(Events::from),
            OrderState::Cancelled if injected("status-goes-back") => self.confirm().map(Events::from),
            _ => None,
        }
    }

    fn price(&mut self) -> Option<OrderPriced> {
        self.quoted_at?;
        self.state = OrderState::Priced;
        Some(OrderPriced {
            order: Arc::clone(&self.summary),
            lines: self.lines.clone(),
            deadline: self.deadline_at,
            shipping_address: self.shipping_address.clone(),
            billing_address: self.billing_address.clone(),
            reservation_ttl_seconds: self.reservation_ttl_seconds,
        })
    }

    fn validate(&mut self) -> Option<OrderValidated> {
        let (reserved_at, reservation_id) = (self.reserved_at?, self.reservation_id.clone()?);
        let (allocated_at, shipment_id) = (self.allocated_at?, self.shipment_id.clone()?);
        let check = |step: Step, passed_at, reference| Check { name: step.as_str().into(), passed_at, reference };
        let checks = [
            check(Step::Quote, self.quoted_at?, self.order_id.shared()),
            check(Step::Reservation, reserved_at, reservation_id.shared()),
            check(Step::Shipment, allocated_at, shipment_id.shared()),
        ];
        self.state = OrderState::Validated;
        Some(OrderValidated {
            order: Arc::clone(&self.summary),
            lines: self.lines.clone(),
            checks: checks.into(),
            reservation_id,
            shipment_id,
        })
    }

    /// No event of its own: payments has told it. Money of another amount is not the money of this order.
    fn pay(&mut self, now: Timestamp) -> Option<Events> {
        self.authorized_at?;
        if self.authorized_minor != self.summary.total_minor {
            return Some(self.rejected(Lost::PaymentMismatched, "payment_mismatched".into(), now).into());
        }
        self.state = OrderState::Paid;
        Some(Events::new())
    }

    fn confirm(&mut self) -> Option<OrderConfirmed> {
        self.committed_at?;
        let (reservation_id, payment_id) = (self.reservation_id.clone()?, self.payment_id.clone()?);
        let shipment_id = self.shipment_id.clone()?;
        self.state = OrderState::Confirmed;
        Some(OrderConfirmed {
            order: Arc::clone(&self.summary),
            lines: self.lines.clone(),
            reservation_id,
            payment_id,
            shipment_id,
        })
    }

    /// No event of its own: shipping has told it.
    fn leave(&mut self) -> Option<Events> {
        self.dispatched_at.or(self.delivered_at)?;
        self.state = OrderState::Dispatched;
        Some(Events::new())
    }

    fn complete(&mut self, now: Timestamp) -> Option<OrderCompleted> {
        self.delivered_at.and(self.captured_at)?;
        let (payment_id, shipment_id) = (self.payment_id.clone()?, self.shipment_id.clone()?);
        self.state = OrderState::Completed;
        self.final_at = Some(now);
        Some(OrderCompleted {
            order: Arc::clone(&self.summary),
            lines: self.lines.clone(),
            payment_id,
            shipment_id,
            completed_at: now,
        })
    }
}
