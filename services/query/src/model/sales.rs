//! What was sold on a day: a sum over orders and refunds, each of which knows what it adds. A change takes away what
//! the order added before and adds what it adds now, so that nothing is counted twice.

use std::{collections::BTreeMap, sync::Arc};

use tradewind_engine::Entity;
use tradewind_events::{AmountOverflow, Currency, minus, plus};

use super::{Ending, OrderView, RefundView};
use crate::Query;

/// The sales of one day (UTC) in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Query, table = "sales_day", key = (day, currency))]
pub struct SalesDay {
    /// As `2026-01-31`.
    pub day: Arc<str>,
    pub currency: Currency,
    /// Orders that were confirmed on the day.
    pub confirmed: i64,
    /// Orders that were completed on the day.
    pub completed: i64,
    /// Orders that were cancelled on the day, having been confirmed.
    pub cancelled: i64,
    /// The totals of the orders that were confirmed on the day, in minor units.
    pub gross_minor: i64,
    /// What went back on the day, in minor units.
    pub refunded_minor: i64,
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
}

/// What something adds to each day and currency; where it adds nothing, it is not there.
pub type Sums = BTreeMap<(Arc<str>, Currency), Tally>;

impl OrderView {
    /// What the order adds to the days on which it was confirmed, completed and cancelled.
    pub fn sales(&self) -> Sums {
        let mut sums = Sums::new();
        let Some(currency) = self.currency else { return sums };
        let mut on = |at: tradewind_events::Timestamp, add: fn(&mut Tally, i64)| {
            add(sums.entry((at.day().into(), currency)).or_default(), self.total_minor.unwrap_or(0));
        };
        if let Some(at) = self.confirmed_at {
            on(at, |tally, total_minor| {
                tally.confirmed += 1;
                tally.gross_minor = total_minor;
            });
        }
        if let Some(at) = self.completed_at {
            on(at, |tally, _| tally.completed += 1);
        }
        if let (Some(at), Some(Ending::Cancelled), Some(_)) = (self.ended_at, self.ending, self.confirmed_at) {
            on(at, |tally, _| tally.cancelled += 1);
        }
        sums
    }

    /// No other field changes what [`OrderView::sales`] gives, or since when.
    pub fn has_same_sales(&self, other: &Self) -> bool {
        let facts = |order: &Self| {
            let times = (order.confirmed_at, order.completed_at, order.ended_at, order.ending);
            (times, order.currency, order.total_minor, order.since_segment)
        };
        let sells_nothing = |order: &Self| order.confirmed_at.is_none() && order.completed_at.is_none();
        (sells_nothing(self) && sells_nothing(other)) || facts(self) == facts(other)
    }
}

impl RefundView {
    /// What the refund adds to its day.
    pub fn sales(&self) -> Sums {
        if self.amount_minor == 0 {
            return Sums::new();
        }
        let tally = Tally { refunded_minor: self.amount_minor, ..Tally::default() };
        Sums::from([((self.refunded_at.day().into(), self.currency), tally)])
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
        })
    }
}

impl SalesDay {
    /// A day on which nothing was sold yet.
    pub fn empty(day: Arc<str>, currency: Currency, since_segment: u64) -> Self {
        Self {
            day,
            currency,
            confirmed: 0,
            completed: 0,
            cancelled: 0,
            gross_minor: 0,
            refunded_minor: 0,
            since_segment,
        }
    }

    pub fn add(&mut self, tally: Tally) -> Result<(), AmountOverflow> {
        self.confirmed += tally.confirmed;
        self.completed += tally.completed;
        self.cancelled += tally.cancelled;
        self.gross_minor = plus(self.gross_minor, tally.gross_minor)?;
        self.refunded_minor = plus(self.refunded_minor, tally.refunded_minor)?;
        Ok(())
    }

    /// Nothing is left of what was added.
    pub fn is_empty(&self) -> bool {
        let counts = self.confirmed == 0 && self.completed == 0 && self.cancelled == 0;
        counts && self.gross_minor == 0 && self.refunded_minor == 0
    }
}
