//! One function per "when this event, do that". None asks what time it is or mints an id: what a row says comes from
//! events alone, or it could not be made again.

pub mod goods;
pub mod orders;
pub mod payments;
pub mod reservations;
pub mod shipments;
pub mod stock;
mod timeline;

pub use timeline::{keep, order_of};

use std::collections::BTreeSet;

use tradewind_engine::{LogPosition, Outcome, Stop, Uow};
use tradewind_events::{Id, Timestamp};

use crate::{
    Query,
    model::{OrderView, SalesDay, Sold, Sums},
};

/// What a projection may know of the event that it takes in.
#[derive(Clone, Copy)]
struct Told {
    at: Timestamp,
    /// Among the events of its subject.
    sequence: u64,
    address: LogPosition,
}

fn told(uow: &Uow<'_, Query>) -> Result<Told, Stop> {
    let event = uow.cause().event.as_ref().ok_or_else(|| Stop::broken("a projection hears events only"))?;
    let address = event.position.ok_or_else(|| Stop::broken("the event is not in this store's log"))?;
    let envelope = event.envelope();
    Ok(Told { at: envelope.time, sequence: envelope.sequence, address })
}

/// Changes the row of an order, and with it the days on which the order was sold.
fn change_order(
    uow: &mut Uow<'_, Query>,
    order_id: &Id,
    change: impl FnOnce(&mut OrderView, Told) -> Outcome,
) -> Outcome {
    let told = told(uow)?;
    let known = uow.get::<OrderView>(order_id)?;
    let mut order = known.unwrap_or_else(|| OrderView::unheard(order_id.clone(), told.at, told.address));
    let before = order.sold();
    change(&mut order, told)?;
    order.settle();
    let after = order.sold();
    if after != before {
        move_sales(uow, &sums(before), &sums(after), order.since_segment)?;
    }
    // Its timeline has grown, if nothing else.
    uow.put(order);
    Ok(())
}

fn sums(sold: Option<Sold>) -> Sums {
    sold.map_or_else(Sums::new, |sold| sold.sums())
}

/// Takes away what something added to days before, and adds what it adds now.
fn move_sales(uow: &mut Uow<'_, Query>, before: &Sums, after: &Sums, since_segment: u64) -> Outcome {
    let days: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for (day, currency) in days {
        let sum = |sums: &Sums| sums.get(&(day.clone(), *currency)).copied();
        let more = sum(after).unwrap_or_default().since(sum(before).unwrap_or_default()).map_err(Stop::broken)?;
        let known = uow.get::<SalesDay>((day, currency))?;
        let mut row = known.clone().unwrap_or_else(|| SalesDay::empty(day.clone(), *currency, since_segment));
        row.add(more).map_err(Stop::broken)?;
        if sum(after).is_some() {
            row.since_segment = row.since_segment.min(since_segment);
        }
        match known {
            None if row.is_empty() => {}
            Some(_) if row.is_empty() => uow.delete(&row),
            known => {
                if known.as_ref() != Some(&row) {
                    uow.put(row);
                }
            }
        }
    }
    Ok(())
}
