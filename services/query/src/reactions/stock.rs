//! What inventory says of the stock of a SKU. Its events carry the level as it is then, so all are taken alike.

use tradewind_engine::{Outcome, Uow};
use tradewind_events::{
    Id, StockLevel,
    inventory::{StockAdjusted, StockChanged, StockCreated, StockDepleted, StockLow, StockReplenished},
};

use super::{goods::put_product, told};
use crate::{
    Query,
    model::{ProductView, StockView},
};

pub fn created(uow: &mut Uow<'_, Query>, created: &StockCreated) -> Outcome {
    level(uow, &created.stock, None)
}

pub fn adjusted(uow: &mut Uow<'_, Query>, adjusted: &StockAdjusted) -> Outcome {
    level(uow, &adjusted.stock, None)
}

pub fn changed(uow: &mut Uow<'_, Query>, changed: &StockChanged) -> Outcome {
    level(uow, &changed.stock, None)
}

pub fn low(uow: &mut Uow<'_, Query>, low: &StockLow) -> Outcome {
    level(uow, &low.stock, Some(low))
}

pub fn depleted(uow: &mut Uow<'_, Query>, depleted: &StockDepleted) -> Outcome {
    level(uow, &depleted.stock, None)
}

pub fn replenished(uow: &mut Uow<'_, Query>, replenished: &StockReplenished) -> Outcome {
    level(uow, &replenished.stock, None)
}

fn level(uow: &mut Uow<'_, Query>, stock: &StockLevel, low: Option<&StockLow>) -> Outcome {
    let told = told(uow)?;
    let segment = told.address.segment;
    let before = uow.get::<StockView>((&stock.sku, &stock.location_id))?;
    let mut after = before.clone().unwrap_or_else(|| StockView::opened(stock, told.at, segment));
    after.level(stock, told.at, segment);
    if let Some(low) = low {
        after.low(low.level, low.threshold, told.sequence);
    }
    if before.as_ref() == Some(&after) {
        return Ok(());
    }
    move_availability(uow, before.as_ref(), &after)?;
    uow.put(after);
    Ok(())
}

/// A product counts at how many locations each of its SKUs is available: it is touched only when that changes.
fn move_availability(uow: &mut Uow<'_, Query>, before: Option<&StockView>, after: &StockView) -> Outcome {
    let counts = |stock: &StockView| (stock.product_id.clone(), stock.available > 0, stock.since_segment);
    if before.map(counts) == Some(counts(after)) {
        return Ok(());
    }
    if let Some(before) = before {
        count(uow, &before.product_id, before, -i64::from(before.available > 0))?;
    }
    count(uow, &after.product_id, after, i64::from(after.available > 0))
}

fn count(uow: &mut Uow<'_, Query>, product_id: &Id, stock: &StockView, locations: i64) -> Outcome {
    let known = uow.get::<ProductView>(product_id)?;
    let mut after = known.clone().unwrap_or_else(|| ProductView::unheard(product_id.clone(), stock.since_segment));
    after.stocked(&stock.sku, locations, stock.since_segment);
    put_product(uow, known.as_ref(), after);
    Ok(())
}
