//! Surplus: money that came for no reason. Never a part of the payment; it only goes back.

use std::sync::Arc;

use tradewind_engine::Entity;
use tradewind_events::{Currency, Id, TextEnum, Timestamp};

use super::{Charge, Payment};
use crate::Payments;

/// One reported success that nobody waits for: of an order that ended, of a payment that failed, under a second
/// reference, or of a wrong amount. It is in no ledger: what comes and goes back was never ours.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Payments, table = "surplus", key = (order_id, reference))]
pub struct Surplus {
    order_id: Id,
    /// What whoever holds it calls it.
    reference: Id,
    payment_id: Id,
    #[column(copy)]
    state: SurplusState,
    amount_minor: i64,
    /// As reported; it may not be the order's.
    currency: Currency,
    /// Which of its payment's surpluses it is, from 1.
    number: u32,
    /// How often the provider was asked, each time under a key of its own; zero where it is not with the provider.
    attempts: u32,
    /// Why the provider refused to return it last.
    refused_reason: Option<Arc<str>>,
    /// Set while it is owed: refused for good, and not settled.
    owed_since: Option<Timestamp>,
    /// The operator who gave the money back by other means.
    settled_by: Option<Arc<str>>,
    came_at: Timestamp,
    returned_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum SurplusState {
    /// The provider is asked to return it.
    #[text("returning")]
    Returning,
    #[text("returned")]
    Returned,
    /// Refused for good: it is owed.
    #[text("refused")]
    Refused,
}

impl Surplus {
    pub fn new(payment: &mut Payment, charge: &Charge, now: Timestamp) -> Self {
        Self {
            order_id: payment.order_id().clone(),
            reference: charge.reference.clone(),
            payment_id: payment.payment_id().clone(),
            state: SurplusState::Returning,
            amount_minor: charge.amount_minor,
            currency: charge.currency,
            number: payment.count_surplus(),
            attempts: 0,
            refused_reason: None,
            owed_since: None,
            settled_by: None,
            came_at: now,
            returned_at: None,
        }
    }

    /// The provider is asked, under a new key: under an old one it would only repeat its refusal.
    pub fn ask(&mut self) {
        self.state = SurplusState::Returning;
        self.attempts += 1;
        self.owed_since = None;
    }

    pub fn done(&mut self, now: Timestamp) {
        self.state = SurplusState::Returned;
        self.owed_since = None;
        self.returned_at = Some(now);
    }

    /// An operator gives the money back by other means.
    pub fn settle(&mut self, by: Arc<str>) {
        self.settled_by = Some(by);
    }

    pub fn refused(&mut self, reason: Arc<str>, now: Timestamp) {
        self.state = SurplusState::Refused;
        self.owed_since = Some(now);
        self.refused_reason = Some(reason);
    }
}
