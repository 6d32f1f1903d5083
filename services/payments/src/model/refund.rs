//! A refund: a part or all of what was taken goes back. One row a refund; one after the other.

use std::sync::Arc;

use tradewind_engine::Entity;
use tradewind_events::{Currency, Id, TextEnum, Timestamp};

use super::Payment;
use crate::Payments;

#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Payments, table = "refund", key = (order_id, refund_id))]
pub struct Refund {
    order_id: Id,
    refund_id: Id,
    payment_id: Id,
    #[column(copy)]
    state: RefundState,
    amount_minor: i64,
    /// It was asked for as all that was left, without an amount.
    is_rest: bool,
    currency: Currency,
    reason: Arc<str>,
    /// Which of its payment's refunds it is, from 1.
    number: u32,
    /// How often the provider was asked, each time under a key of its own.
    attempts: u32,
    /// The operator who asked for it; none where the order's end did.
    requested_by: Option<Arc<str>>,
    /// Why the provider refused it last.
    refused_reason: Option<Arc<str>>,
    /// Set while it is owed: refused for good, and not settled.
    owed_since: Option<Timestamp>,
    /// The operator who gave the money back by other means.
    settled_by: Option<Arc<str>>,
    requested_at: Timestamp,
    refunded_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum RefundState {
    /// The provider is asked to give it back.
    #[text("refunding")]
    Refunding,
    #[text("refunded")]
    Refunded,
    /// Refused for good: it is owed.
    #[text("refused")]
    Refused,
}

impl Refund {
    /// A refund of `amount_minor`, which is set aside in its payment.
    pub fn new(payment: &mut Payment, refund_id: Id, amount_minor: i64, reason: Arc<str>, now: Timestamp) -> Self {
        Self {
            order_id: payment.order_id().clone(),
            refund_id,
            payment_id: payment.payment_id().clone(),
            state: RefundState::Refunding,
            amount_minor,
            is_rest: false,
            currency: payment.order().currency,
            reason,
            number: payment.reserve_refund(amount_minor),
            attempts: 0,
            requested_by: None,
            refused_reason: None,
            owed_since: None,
            settled_by: None,
            requested_at: now,
            refunded_at: None,
        }
    }

    /// An operator asks for it; `is_rest` when as all that is left, without an amount.
    #[must_use]
    pub fn requested(self, by: Arc<str>, is_rest: bool) -> Self {
        Self { requested_by: Some(by), is_rest, ..self }
    }

    /// Whether an operator asked for it by this very request: then it was sent twice.
    pub fn is_the_same(&self, amount_minor: Option<i64>, reason: &str) -> bool {
        let same_amount = amount_minor.map_or(self.is_rest, |amount| !self.is_rest && amount == self.amount_minor);
        self.requested_by.is_some() && same_amount && *self.reason == *reason
    }

    /// The provider is asked, under a new key: under an old one it would only repeat its refusal.
    pub fn ask(&mut self) {
        self.state = RefundState::Refunding;
        self.attempts += 1;
        self.owed_since = None;
    }

    pub fn done(&mut self, now: Timestamp) {
        self.state = RefundState::Refunded;
        self.owed_since = None;
        self.refunded_at = Some(now);
    }

    /// An operator gives the money back by other means.
    pub fn settle(&mut self, by: Arc<str>) {
        self.settled_by = Some(by);
    }

    pub fn refused(&mut self, reason: Arc<str>, now: Timestamp) {
        self.state = RefundState::Refused;
        self.owed_since = Some(now);
        self.refused_reason = Some(reason);
    }
}
