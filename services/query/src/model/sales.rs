//! What was sold on a day: a sum over orders and refunds, each of which knows what it adds. A change takes away what
//! the order added before and adds what it adds now, so that nothing is counted twice.

use std::collections::BTreeMap;

use tradewind_engine::Entity;
use tradewind_events::{AmountOverflow, Currency, KeyText, Timestamp, minus, plus};

use super::{Ending, OrderView, PaymentState, RefundView};
use crate::Query;

/// The sales of one day (UTC) in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Query, table = "sales_day", key = (day, currency))]
pub struct SalesDay {
    /// As `2026-01-31`.
    pub day: KeyText,
    pub currency: Currency,
    /// Orders that were confirmed on the day.
    pub confirmed: i64,
    /// Orders that were completed on the day.
    pub completed: i64,
    /// Orders that were cancelled on the day, having been confirmed.
    pub cancelled: i64,
    /// The totals of the orders that were confirmed on the day, in minor units.
    pub gross_minor: i64,
    /// What was not kept, in minor units: refunds of the day, and `uncollected_minor`.
    pub refunded_minor: i64,
    /// The totals of confirmed orders whose money never came, as was known on the day: they were cancelled, or their
    /// capture was refused. In minor units.
    pub uncollected_minor: i64,
    /// What was kept, up to now, of the orders that were confirmed on the day, in minor units.
    pub net_minor: i64,
    pub since_segment: u64,
}

/// What something adds to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub confirmed: i64,
    pub completed: i64,
    pub cancelled: i64,
    pub gross_minor: i64,
    pub refunded_minor: i64,
    pub uncollected_minor: i64,
    pub net_minor: i64,
}

/// What something adds to each day and currency; where it adds nothing, it is not there.
pub type Sums = BTreeMap<(KeyText, Currency), Tally>;

/// What sales take from an order; nothing else of it changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sold {
    confirmed_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    /// When it was cancelled, having been confirmed.
    cancelled_at: Option<Timestamp>,
    currency: Option<Currency>,
    total_minor: i64,
    /// What never came, and when that was known.
    uncollected_minor: i64,
    given_up_at: Option<Timestamp>,
    /// What went back, on whatever days.
    refunded_minor: i64,
    since_segment: u64,
}

impl OrderView {
    /// `None` while it counts for no day.
    pub fn sold(&self) -> Option<Sold> {
        (self.confirmed_at.is_some() || self.completed_at.is_some()).then(|| Sold {
            confirmed_at: self.confirmed_at,
            completed_at: self.completed_at,
            cancelled_at: self.ended_at.filter(|_| self.ending == Some(Ending::Cancelled)),
            currency: self.currency,
            total_minor: self.total_minor.unwrap_or(0),
            uncollected_minor: self.given_up_at().map_or(0, |_| self.uncollected_minor()),
            given_up_at: self.given_up_at(),
            refunded_minor: self.refunded_minor,
            since_segment: self.since_segment,
        })
    }

    /// When it was known that no more money comes: the order was cancelled, or the capture was refused and its goods have
    /// left.
    fn given_up_at(&self) -> Option<Timestamp> {
        match self.ending {
            Some(Ending::Cancelled) => self.ended_at,
            _ if self.payment_state == Some(PaymentState::CaptureFailed) => self.capture_failed_at,
            _ => None,
        }
    }

    /// All that was neither captured nor, without a word of that, given back.
    fn uncollected_minor(&self) -> i64 {
        let is_voided = self.payment_state == Some(PaymentState::Voided);
        let collected_minor = self.captured_minor.filter(|_| !is_voided).unwrap_or(0).max(self.refunded_minor);
        self.total_minor.unwrap_or(0).saturating_sub(collected_minor).max(0)
    }
}

impl Sold {
    /// What the order adds to the days on which it was confirmed, completed and cancelled.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::new();
        let Some(currency) = self.currency else { return sums };
        let mut on = |at: Timestamp, add: fn(&mut Tally, &Self)| {
            add(sums.entry((at.into(), currency)).or_default(), self);
        };
        if let Some(at) = self.confirmed_at {
            on(at, |tally, sold| {
                tally.confirmed += 1;
                tally.gross_minor = sold.total_minor;
                // None of the three is negative.
                tally.net_minor = sold.total_minor - sold.uncollected_minor - sold.refunded_minor;
            });
        }
        if let Some(at) = self.completed_at {
            on(at, |tally, _| tally.completed += 1);
        }
        if let (Some(at), Some(_)) = (self.cancelled_at, self.confirmed_at) {
            on(at, |tally, _| tally.cancelled += 1);
        }
        if let (Some(at), Some(_)) = (self.given_up_at, self.confirmed_at) {
            on(at, |tally, sold| {
                tally.refunded_minor = sold.uncollected_minor;
                tally.uncollected_minor = sold.uncollected_minor;
            });
        }
        sums
    }
}

impl RefundView {
    /// What the refund adds to its day.
    pub fn sales(&self) -> Sums {
        if self.amount_minor == 0 {
            return Sums::new();
        }
        let tally = Tally { refunded_minor: self.amount_minor, ..Tally::default() };
        Sums::from([((self.refunded_at.into(), self.currency), tally)])
    }
}

impl Tally {
    /// What must be added to get from `before` to this.
    pub fn since(self, before: Self) -> Result<Self, AmountOverflow> {
        Ok(Self {
            confirmed: self.confirmed - before.confirmed,
            completed: self.completed - before.completed,
            cancelled: self.cancelled - before.cancelled,
            gross_minor: minus(self.gross_minor, before.gross_minor)?,
            refunded_minor: minus(self.refunded_minor, before.refunded_minor)?,
            uncollected_minor: minus(self.uncollected_minor, before.uncollected_minor)?,
            net_minor: minus(self.net_minor, before.net_minor)?,
        })
    }
}

impl SalesDay {
    /// A day on which nothing was sold yet.
    pub fn empty(day: KeyText, currency: Currency, since_segment: u64) -> Self {
        Self {
            day,
            currency,
            confirmed: 0,
            completed: 0,
            cancelled: 0,
            gross_minor: 0,
            refunded_minor: 0,
            uncollected_minor: 0,
            net_minor: 0,
            since_segment,
        }
    }

    pub fn add(&mut self, tally: Tally) -> Result<(), AmountOverflow> {
        self.confirmed += tally.confirmed;
        self.completed += tally.completed;
        self.cancelled += tally.cancelled;
        self.gross_minor = plus(self.gross_minor, tally.gross_minor)?;
        self.refunded_minor = plus(self.refunded_minor, tally.refunded_minor)?;
        self.uncollected_minor = plus(self.uncollected_minor, tally.uncollected_minor)?;
        self.net_minor = plus(self.net_minor, tally.net_minor)?;
        Ok(())
    }

    /// Nothing is left of what was added.
    pub fn is_empty(&self) -> bool {
        let counts = self.confirmed == 0 && self.completed == 0 && self.cancelled == 0;
        let sums = [self.gross_minor, self.refunded_minor, self.uncollected_minor, self.net_minor];
        counts && sums == [0; 4]
    }
}
