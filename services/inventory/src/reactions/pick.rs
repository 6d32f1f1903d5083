//! Where the lines of an order are taken from: all of them, or why not.

use std::collections::BTreeMap;

use tradewind_engine::{Stop, Uow};
use tradewind_events::{
    Id, InvalidLines, Line, Lines,
    inventory::{Insufficient, ReservationRefusal},
};

use crate::{
    Inventory,
    model::{ArchivedProduct, Bounds, Location, Refused, Shelves, Stock, StockItem, allocate, insufficient},
};

/// Every line in pieces, each with its location. Lines of one SKU are one line first, so that none is looked at alone.
pub fn pick(uow: &mut Uow<Inventory>, lines: &Lines) -> Result<Result<Lines, Refused>, Stop> {
    let invalid = |blamed| Ok(Err((ReservationRefusal::InvalidItems, blamed)));
    let lines = match lines.merged() {
        Ok(merged) if merged.is_empty() => return invalid(Vec::new()),
        Ok(merged) => merged,
        Err(reason) => return invalid(blamed(lines, &reason)),
    };
    let shelves = shelves(uow, &lines)?;
    let unknown: Vec<_> = lines.iter().filter(|line| !shelves.contains_key(&line.sku)).map(insufficient).collect();
    if !unknown.is_empty() {
        return invalid(unknown);
    }
    Ok(allocate(&lines, &shelves, Bounds::default(), || uow.new_id()).map(Lines::from))
}

/// The shelves of each SKU that may be sold; a SKU that is unknown or closed has none.
fn shelves(uow: &mut Uow<Inventory>, lines: &Lines) -> Result<BTreeMap<Id, Shelves>, Stop> {
    let items = uow.get_all::<StockItem>(lines.iter().map(|line| &line.sku))?;
    let mut items: Vec<StockItem> = items.into_iter().flatten().collect();
    items.retain(|item| item.is_stocked() && !item.discontinued());
    // One question for all that the items lead to: a row that is missing costs one more run, not one each.
    let archived = uow.get_all::<ArchivedProduct>(items.iter().map(StockItem::product_id));
    let places = items.iter().flat_map(|item| item.locations().iter().map(|location| (item.sku(), location)));
    let stocks = uow.get_all::<Stock>(places);
    let spread = items.iter().filter(|item| item.locations().len() > 1).flat_map(|item| item.locations().iter());
    let locations = uow.get_all::<Location>(spread);
    let priorities: BTreeMap<Id, u32> = locations?
        .into_iter()
        .flatten()
        .map(|location| (location.location_id().clone(), location.priority()))
        .collect();
    let mut stocks = stocks?.into_iter();
    let mut shelves = BTreeMap::new();
    for (item, archived) in items.into_iter().zip(archived?) {
        let of_item: Vec<Stock> = stocks.by_ref().take(item.locations().len()).flatten().collect();
        if archived.is_none() {
            shelves.insert(item.sku().clone(), Shelves::new(of_item, &priorities));
        }
    }
    Ok(shelves)
}

/// The lines that cannot stand in an order.
fn blamed(lines: &Lines, reason: &InvalidLines) -> Vec<Insufficient> {
    let first = |sku: &Id| lines.iter().find(|line: &&Line| line.sku == *sku).map(insufficient);
    match reason {
        InvalidLines::TooMany { .. } => Vec::new(),
        InvalidLines::Quantity { sku } | InvalidLines::ProductsDiffer { sku } | InvalidLines::PricesDiffer { sku } => {
            first(sku).into_iter().collect()
        }
    }
}
