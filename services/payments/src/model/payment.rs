//! The payment of an order: one row an order, with what was heard of the order, early or late, and what that asks for.
//! How it then moves from state to state is in `payment/transitions.rs`.

mod transitions;

use std::sync::Arc;

use tradewind_engine::{Entity, Stop};
use tradewind_events::{Currency, Id, OrderSummary, PaymentMethod, TextEnum, Timestamp};

use crate::Payments;

/// Why a payment failed, where payments itself decides it.
pub mod reason {
    pub const NO_ACCOUNT: &str = "no_account";
    pub const ACCOUNT_CLOSED: &str = "account_closed";
    pub const INSUFFICIENT_FUNDS: &str = "insufficient_funds";
}

/// What became of an order's money.
///
/// A step is taken when the set of facts asks for it ([`Payment::next_step`]), in whatever order they came. While a
/// call to the provider is open nothing is taken; its answer moves the state, and then the facts are looked at again.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Payments, table = "payment", key = order_id)]
pub struct Payment {
    order_id: Id,
    payment_id: Id,
    #[column(copy)]
    state: PaymentState,
    #[column(flat)]
    order: Arc<OrderSummary>,
    /// What the order costs; zero until it is validated.
    amount_minor: i64,
    authorized_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    /// Of refunds that are under way or owed.
    returning_minor: i64,
    /// What the provider, or whoever else authorized, calls it.
    reference: Option<Id>,
    /// The refund that is under way.
    refund_id: Option<Id>,
    /// How often each was asked for: they number the calls, and a refused capture is not asked for again by itself.
    captures: u32,
    voids: u32,
    refunds: u32,
    /// How many rows of surplus there are.
    surpluses: u32,
    /// The order was confirmed.
    confirmed: bool,
    /// The order was completed.
    completed: bool,
    /// The order was rejected or cancelled.
    ended: bool,
    /// Why it failed, a step of it was refused, or its order ended, whichever came last; a failure stays.
    reason: Option<Arc<str>>,
    /// Set while a hold cannot be let go: refused for good, and not settled.
    owed_since: Option<Timestamp>,
    /// The operator who settled a hold that could not be let go.
    settled_by: Option<Arc<str>>,
    created_at: Timestamp,
    changed_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum PaymentState {
    /// Not asked for yet; the row only keeps facts that came early.
    #[text("unheard")]
    Unheard,
    /// Somebody outside is to authorize it.
    #[text("pending")]
    Pending,
    /// The provider is asked to hold the money.
    #[text("authorizing")]
    Authorizing,
    #[text("authorized")]
    Authorized,
    /// The provider is asked to take it.
    #[text("capturing")]
    Capturing,
    #[text("captured")]
    Captured,
    /// The provider is asked to give it back, whole or in part.
    #[text("refunding")]
    Refunding,
    #[text("refunded")]
    Refunded,
    #[text("failed")]
    Failed,
    /// The provider is asked to let it go, or to undo an authorization whose outcome is not known.
    #[text("voiding")]
    Voiding,
    #[text("voided")]
    Voided,
    /// The order ended before anybody was asked to hold anything, or had answered.
    #[text("cancelled")]
    Cancelled,
    /// The order ended before its payment was asked for: it will not be.
    #[text("ended")]
    Ended,
}

/// Who holds the money of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Our own ledger.
    Balance,
    /// The payment provider, who must be asked.
    Provider,
    /// Somebody else, who hears our events.
    External,
    /// There is nothing to hold: the order costs nothing.
    Nobody,
}

/// What the facts now ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nobody has answered, and nobody shall any more.
    Cancel,
    /// Undo an authorization whose outcome is not known, or let go of what is held.
    Void,
    Capture,
    /// Give all back that is left.
    Refund {
        amount_minor: i64,
    },
}

/// A success that somebody reports: money is held, or taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    pub reference: Id,
    pub amount_minor: i64,
    pub currency: Currency,
}

/// What a reported success means to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It is what was asked for.
    Authorizes,
    /// It is known already.
    Known,
    /// It is being undone already, under the key of the authorization.
    Undoing,
    /// It is money that came for no reason: nobody waits for it, or it is another one, or a wrong amount.
    Surplus,
}

impl PaymentState {
    /// Every change of state there is.
    pub const fn may_become(self, next: Self) -> bool {
        use PaymentState::{
            Authorized, Authorizing, Cancelled, Captured, Capturing, Ended, Failed, Pending, Refunded, Refunding,
            Unheard, Voided, Voiding,
        };
        match self {
            Unheard => matches!(next, Pending | Ended),
            Pending => matches!(next, Authorizing | Authorized | Failed | Cancelled),
            Authorizing => matches!(next, Authorized | Failed | Voiding),
            Authorized => matches!(next, Capturing | Captured | Voiding | Voided),
            Capturing => matches!(next, Captured | Authorized),
            Captured => matches!(next, Refunding | Refunded),
            Refunding => matches!(next, Refunded | Captured),
            Voiding => matches!(next, Voided | Authorized | Captured),
            Refunded | Failed | Voided | Cancelled | Ended => false,
        }
    }
}

impl Payment {
    /// Of an order that was heard of now.
    pub fn unheard(order: &Arc<OrderSummary>, payment_id: Id, now: Timestamp) -> Self {
        Self {
            order_id: order.order_id.clone(),
            payment_id,
            state: PaymentState::Unheard,
            order: Arc::clone(order),
            amount_minor: 0,
            authorized_minor: 0,
            captured_minor: 0,
            refunded_minor: 0,
            returning_minor: 0,
            reference: None,
            refund_id: None,
            captures: 0,
            voids: 0,
            refunds: 0,
            surpluses: 0,
            confirmed: false,
            completed: false,
            ended: false,
            reason: None,
            owed_since: None,
            settled_by: None,
            created_at: now,
            changed_at: now,
        }
    }

    fn go(&mut self, next: PaymentState, now: Timestamp) -> Result<(), Stop> {
        if !self.state.may_become(next) {
            let (order_id, state) = (&self.order_id, self.state);
            return Err(Stop::Broken(format!("the payment of {order_id} cannot go from {state} to {next}")));
        }
        self.state = next;
        self.changed_at = now;
        Ok(())
    }

    pub fn holder(&self) -> Holder {
        match self.order.payment_method {
            _ if self.amount_minor == 0 => Holder::Nobody,
            PaymentMethod::Balance => Holder::Balance,
            PaymentMethod::Card => Holder::Provider,
            PaymentMethod::External => Holder::External,
        }
    }

    /// Taken, not given back, and not about to be.
    pub const fn refundable_minor(&self) -> i64 {
        self.captured_minor - self.refunded_minor - self.returning_minor
    }

    /// What is to be done now. What was refused for good is not asked for again by itself: an operator does that.
    pub const fn next_step(&self) -> Option<Step> {
        match self.state {
            PaymentState::Pending if self.ended => Some(Step::Cancel),
            PaymentState::Authorized if self.owed_since.is_some() => None,
            PaymentState::Authorizing | PaymentState::Authorized if self.ended => Some(Step::Void),
            PaymentState::Authorized if self.confirmed && self.captures == 0 => Some(Step::Capture),
            PaymentState::Captured if self.ended && self.refundable_minor() > 0 => {
                Some(Step::Refund { amount_minor: self.refundable_minor() })
            }
            _ => None,
        }
    }

    /// All checks have passed: the money may be held. `false` when this was heard before, or the order has ended.
    pub fn validated(&mut self, order: &Arc<OrderSummary>, now: Timestamp) -> Result<bool, Stop> {
        if self.state != PaymentState::Unheard {
            return Ok(false);
        }
        let total_minor = order.total_minor.filter(|total| *total >= 0);
        self.amount_minor =
            total_minor.ok_or_else(|| Stop::Broken(format!("order {} has no total", order.order_id)))?;
        self.order = Arc::clone(order);
        self.go(PaymentState::Pending, now)?;
        Ok(true)
    }

    /// The order stands: what is held may be taken.
    pub fn order_confirmed(&mut self) {
        self.confirmed = true;
    }

    /// The order is delivered: its money may be refunded.
    pub fn order_completed(&mut self) {
        self.completed = true;
    }

    /// The order ended. A row that knew nothing of it remembers that.
    pub fn order_ended(&mut self, reason: &Arc<str>, now: Timestamp) -> Result<(), Stop> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        if self.state != PaymentState::Failed {
            self.reason = Some(Arc::clone(reason));
        }
        if self.state == PaymentState::Unheard {
            self.go(PaymentState::Ended, now)?;
        }
        Ok(())
    }

    /// Whether a charge is of the order's amount and currency.
    pub fn costs(&self, charge: &Charge) -> bool {
        charge.amount_minor == self.amount_minor && charge.currency == self.order.currency
    }

    /// An authorization was undone under its key: `told` is the provider's reference of what was held; `None` when
    /// nothing was. Returns a charge that was taken for it meanwhile, and is another one.
    pub fn undone(&mut self, told: Option<&Id>, held: bool) -> Option<Charge> {
        let taken = self.reference.clone();
        let same = held && told.is_none_or(|told| taken.as_ref().is_none_or(|taken| taken == told));
        if held && let Some(told) = told {
            self.reference = Some(told.clone());
        } else if !held {
            self.reference = None;
        }
        taken.filter(|_| !same).map(|reference| Charge {
            reference,
            amount_minor: self.amount_minor,
            currency: self.order.currency,
        })
    }

    /// What is being undone under the key of the authorization is held under this reference.
    pub fn undoing(&mut self, reference: Id) {
        self.reference = Some(reference);
    }

    /// What it means that `by` holds money, or has taken it, under a reference.
    pub fn judge(&self, charge: &Charge, by: Holder) -> Held {
        if by != self.holder() {
            return Held::Surplus;
        }
        match self.state {
            PaymentState::Pending | PaymentState::Authorizing if self.costs(charge) => Held::Authorizes,
            // Nothing is known to be held, and what is held under the key of the authorization is being undone.
            PaymentState::Voiding | PaymentState::Authorized if self.reference.is_none() && self.costs(charge) => {
                Held::Undoing
            }
            PaymentState::Authorized
            | PaymentState::Capturing
            | PaymentState::Captured
            | PaymentState::Refunding
            | PaymentState::Refunded
            | PaymentState::Voiding
            | PaymentState::Voided
                if self.reference.as_ref() == Some(&charge.reference) =>
            {
                Held::Known
            }
            _ => Held::Surplus,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tradewind_events::samples::Sample;

    #[test]
    fn what_is_over_stays_over() {
        for state in PaymentState::ALL {
            let over = PaymentState::ALL.iter().all(|next| !state.may_become(*next));
            let finals = ["refunded", "failed", "voided", "cancelled", "ended"];
            assert_eq!(over, finals.contains(&state.as_str()), "{state}");
            assert!(!state.may_become(*state), "{state}");
        }
    }

    #[test]
    fn a_state_that_cannot_follow_is_a_defect_and_changes_nothing() {
        let order = OrderSummary::sample().into();
        let mut payment = Payment::unheard(&order, tradewind_events::id("payment-1"), Timestamp::default());
        let before = payment.clone();
        assert!(matches!(payment.captured(Timestamp::default()), Err(Stop::Broken(_))));
        assert_eq!(payment, before);
    }
}
