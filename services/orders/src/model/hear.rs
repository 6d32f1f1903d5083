//! A fact comes in: it is noted once, then the order takes every step whose set of facts is complete. A lost check
//! ends it, or has shipping asked.

use std::sync::Arc;

use tradewind_engine::Events;
use tradewind_events::{CancelledBy, Currency, Id, TextEnum, Timestamp};

use super::{Order, OrderState, Quote, Step, owed_step};
use crate::Orders;

/// What another service says about an order, as far as orders cares.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    Quoted(Quote),
    Reserved { reservation_id: Id },
    Committed,
    Restocked,
    Allocated { shipment_id: Id },
    Ready,
    Dispatched,
    Delivered,
    ReleaseRefused,
    PaymentRequested { payment_id: Id },
    Authorized { payment_id: Id, amount_minor: i64, currency: Currency },
    Captured { payment_id: Id },
    RefundFailed,
    Lost { lost: Lost, reason: Arc<str> },
}

/// A check that is lost, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum Lost {
    #[text("quote_refused")]
    QuoteRefused,
    /// The quote is not for what was ordered, or not at the price that the cart showed.
    #[text("quote_mismatched")]
    QuoteMismatched,
    /// A contract in use cannot carry the quoted amounts exactly.
    #[text("quote_not_carried")]
    QuoteNotCarried,
    #[text("reservation_refused")]
    ReservationRefused,
    #[text("reservation_released")]
    ReservationReleased,
    #[text("reservation_expired")]
    ReservationExpired,
    #[text("commit_refused")]
    CommitRefused,
    #[text("shipment_refused")]
    ShipmentRefused,
    #[text("shipment_released")]
    ShipmentReleased,
    #[text("payment_failed")]
    PaymentFailed,
    /// What was authorized is not what the order costs.
    #[text("payment_mismatched")]
    PaymentMismatched,
    #[text("payment_voided")]
    PaymentVoided,
    #[text("capture_failed")]
    CaptureFailed,
}

impl Lost {
    /// The step that will not come.
    pub const fn step(self) -> Step {
        match self {
            Self::QuoteRefused | Self::QuoteMismatched | Self::QuoteNotCarried => Step::Quote,
            Self::ReservationRefused | Self::ReservationReleased | Self::ReservationExpired => Step::Reservation,
            Self::CommitRefused => Step::Commit,
            Self::ShipmentRefused | Self::ShipmentReleased => Step::Shipment,
            Self::PaymentFailed | Self::PaymentMismatched | Self::PaymentVoided => Step::Payment,
            Self::CaptureFailed => Step::Capture,
        }
    }

    const fn is_of_money(self) -> bool {
        matches!(self.step(), Step::Payment | Step::Capture)
    }
}

impl Order {
    /// Takes a fact in. `None` when it changes nothing; else what follows from the set of facts.
    ///
    /// Each is noted also when the order has ended: what is still held for it must be seen.
    pub fn hear(&mut self, fact: &Fact, settings: &Orders, now: Timestamp) -> Option<Events> {
        let owed = owed_step(self);
        let first = self.time_of(fact).is_some_and(|time| note(time, now));
        if first {
            self.take(fact, settings);
        }
        let follows = match fact {
            Fact::Lost { lost, reason } => self.lose(*lost, reason, settings, now),
            Fact::ReleaseRefused => self.go_on(),
            _ => None,
        };
        if !first && follows.is_none() {
            return None;
        }
        let mut said = follows.unwrap_or_default();
        said.extend(self.advance(now));
        self.watch(owed, now);
        Some(said)
    }

    /// Where the row keeps the time of a fact.
    fn time_of(&mut self, fact: &Fact) -> Option<&mut Option<Timestamp>> {
        Some(match fact {
            Fact::Quoted(_) => &mut self.quoted_at,
            Fact::Reserved { .. } => &mut self.reserved_at,
            Fact::Committed => &mut self.committed_at,
            Fact::Restocked => &mut self.stock_freed_at,
            Fact::Allocated { .. } => &mut self.allocated_at,
            Fact::Ready => &mut self.ready_at,
            Fact::Dispatched => &mut self.dispatched_at,
            Fact::Delivered => &mut self.delivered_at,
            Fact::ReleaseRefused => &mut self.release_refused_at,
            Fact::PaymentRequested { .. } => &mut self.payment_requested_at,
            Fact::Authorized { .. } => &mut self.authorized_at,
            Fact::Captured { .. } => &mut self.captured_at,
            Fact::RefundFailed => &mut self.refund_failed_at,
            Fact::Lost { lost, .. } => match lost {
                Lost::ReservationReleased | Lost::ReservationExpired => &mut self.stock_freed_at,
                Lost::ShipmentReleased => &mut self.shipment_freed_at,
                Lost::PaymentVoided => &mut self.voided_at,
                _ => return None,
            },
        })
    }

    /// What a fact brings beside itself.
    fn take(&mut self, fact: &Fact, settings: &Orders) {
        match fact {
            Fact::Quoted(quote) => self.take_quote(quote, settings),
            Fact::Reserved { reservation_id } => self.reservation_id = Some(reservation_id.clone()),
            Fact::Allocated { shipment_id } => self.shipment_id = Some(shipment_id.clone()),
            Fact::PaymentRequested { payment_id } | Fact::Captured { payment_id } => {
                self.payment_id.get_or_insert_with(|| payment_id.clone());
            }
            Fact::Authorized { payment_id, amount_minor, currency } => {
                self.payment_id = Some(payment_id.clone());
                self.authorized_minor = (*currency == self.summary.currency).then_some(*amount_minor);
            }
            _ => {}
        }
    }

    /// A check is lost. An open order ends as soon as its facts are looked at; one that stands is shipping's to end;
    /// one that is final stays as it is. `None` when nothing follows.
    fn lose(&mut self, lost: Lost, reason: &Arc<str>, settings: &Orders, now: Timestamp) -> Option<Events> {
        let state = self.state;
        let is_news = if state.stands() { self.lost != Some(lost) } else { self.lost.is_none() && !state.is_final() };
        let ends = lost == Lost::ShipmentReleased && matches!(state, OrderState::Confirmed | OrderState::Cancelling);
        if !is_news && !ends {
            return None;
        }
        self.remember(lost, reason);
        let system = || (CancelledBy::System, Arc::clone(reason));
        Some(match state {
            OrderState::Cancelling if ends => {
                let asked = self.cancel_by.zip(self.cancel_reason.clone());
                self.cancelled(asked.unwrap_or_else(system), None, now).into()
            }
            OrderState::Confirmed if ends => self.cancelled(system(), None, now).into(),
            OrderState::Confirmed | OrderState::Dispatched if settings.shipping_can_recall => {
                self.ask_release(system()).into()
            }
            // Nobody can be asked. Goods leave only when paid, and this order never was.
            OrderState::Confirmed if lost.is_of_money() && self.captured_at.is_none() && !self.has_left() => {
                self.cancelled(system(), None, now).into()
            }
            _ => Events::new(),
        })
    }

    pub(super) fn remember(&mut self, lost: Lost, reason: &Arc<str>) {
        self.lost = Some(lost);
        self.lost_reason = Some(Arc::clone(reason));
    }

    /// Shipping cannot stop it: it is what its facts make it again.
    fn go_on(&mut self) -> Option<Events> {
        (self.state == OrderState::Cancelling).then(|| {
            self.state = OrderState::Confirmed;
            Events::new()
        })
    }
}

/// Notes when something came first; says whether this was it.
fn note(time: &mut Option<Timestamp>, now: Timestamp) -> bool {
    let first = time.is_none();
    time.get_or_insert(now);
    first
}
