//! The read models and how each takes a fact in; pure.
//!
//! **Invariant:** a row is a function of the *set* of facts that were told about it: not of their order, not of how
//! often each came, not of when they were handled. So a read model that was fed live, out of order and with
//! repetitions, equals one that is made again from the log.
//!
//! The fields of its entities are public, unlike those of other services: a read model has no transitions and emits no
//! events. Its rows are plain data for the routes that show them.

mod addresses;
mod order;
mod product;
mod sales;
mod states;
mod stock;

pub use addresses::{ADDRESSES_MAX, Addresses};
pub use order::{End, OrderView, RefundView, TimelineRest};
pub use product::{CategoryView, ProductCategory, ProductPrice, ProductView, VariantMark};
pub use sales::{SalesDay, Sold, Sums};
pub use states::{Availability, Ending, OrderStatus, PaymentState, ReservationState, ShipmentState};
pub use stock::StockView;

use tradewind_events::Timestamp;

/// Keeps the least of what was told: the earliest time, or the one id that everybody names.
pub(crate) fn earliest<T: Ord + Clone>(known: &mut Option<T>, told: &T) {
    if known.as_ref().is_none_or(|known| told < known) {
        *known = Some(told.clone());
    }
}

/// Keeps the earliest time with the amount that was told then.
fn least(known_at: &mut Option<Timestamp>, known_minor: &mut Option<i64>, at: Timestamp, amount_minor: i64) {
    if known_at.is_none_or(|known| (at, Some(amount_minor)) < (known, *known_minor)) {
        *known_at = Some(at);
        *known_minor = Some(amount_minor);
    }
}
