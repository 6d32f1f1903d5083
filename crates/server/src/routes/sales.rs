//! Sales: what was sold on each day.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{Entity, ports::List};
use tradewind_events::{Currency, Timestamp, Value};
use tradewind_query::SalesDay;

use crate::http::{Call, Failure, Okay, Page, PageOf, Query, refusals::QUERY_INVALID};

/// So many days are asked for at once.
pub const SALES_DAYS_MAX: u32 = 366;

const DAY: Duration = Duration::from_hours(24);

#[derive(Deserialize, JsonSchema)]
pub struct SalesQuery {
    /// The first day (UTC), as 2026-01-31.
    from: Arc<str>,
    /// The last day, within a year after the first.
    to: Arc<str>,
}

/// The sales of one day (UTC) in one currency.
#[derive(Serialize, JsonSchema)]
pub struct SalesDayView {
    /// As 2026-01-31.
    day: Arc<str>,
    currency: Currency,
    /// Orders that were confirmed on the day.
    confirmed: i64,
    /// Orders that were completed on the day.
    completed: i64,
    /// Orders that were cancelled on the day, having been confirmed.
    cancelled: i64,
    /// The totals of the orders that were confirmed on the day, in minor units.
    gross_minor: i64,
    /// What was not kept, in minor units: refunds of the day, and `uncollected_minor`.
    refunded_minor: i64,
    /// The totals of confirmed orders whose money never came, as was known on the day: they were cancelled, or their
    /// capture was refused. In minor units.
    uncollected_minor: i64,
    /// What was kept, up to now, of the orders that were confirmed on the day, in minor units.
    net_minor: i64,
}

/// A day on which nothing was sold is not in the list.
pub async fn per_day(
    call: Call,
    Query(wanted): Query<SalesQuery>,
    page: Page,
) -> Result<Okay<PageOf<SalesDayView>>, Failure> {
    let (from, to) = (midnight(&wanted.from, "from")?, midnight(&wanted.to, "to")?);
    if to < from || to.since(from) >= DAY * SALES_DAYS_MAX {
        let detail = format!("The last day is the first one or later, and there are at most {SALES_DAYS_MAX} days.");
        return Err(QUERY_INVALID.because(detail).at("to"));
    }
    let list = List::of(SalesDay::TABLE, page.limit)
        .at_least("day", Value::Text(wanted.from))
        .at_most("day", Value::Text(wanted.to));
    call.page(&page, list, |sales: SalesDay| SalesDayView::from(&sales)).await
}

/// The beginning of a day.
fn midnight(day: &str, field: &'static str) -> Result<Timestamp, Failure> {
    let at: Option<Timestamp> = format!("{day}T00:00:00Z").parse().ok();
    at.filter(|at| at.day() == day).ok_or_else(|| QUERY_INVALID.because("A day is as 2026-01-31.").at(field))
}

impl From<&SalesDay> for SalesDayView {
    fn from(sales: &SalesDay) -> Self {
        Self {
            day: sales.day.shared(),
            currency: sales.currency,
            confirmed: sales.confirmed,
            completed: sales.completed,
            cancelled: sales.cancelled,
            gross_minor: sales.gross_minor,
            refunded_minor: sales.refunded_minor,
            uncollected_minor: sales.uncollected_minor,
            net_minor: sales.net_minor,
        }
    }
}
