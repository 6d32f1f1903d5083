//! What catalog does when it hears of orders and of stock, and when a moment comes.

use std::collections::BTreeMap;

use tradewind_engine::{Outcome, Stop, Uow};
use tradewind_events::{
    Id, Lines, ProductStatus, StockLevel,
    inventory::{StockDepleted, StockReplenished},
    orders::OrderPlaced,
};

use crate::{
    Availability, Catalog, Category, LocationAvailability, Product, Quote, Variant,
    commands::arm,
    model::{Offer, Terms},
};

/// Somebody wants to buy: quote every line at its price of this moment, or say why not. Once an order.
pub fn quote(uow: &mut Uow<Catalog>, placed: &OrderPlaced) -> Outcome {
    if uow.get::<Quote>(&placed.order_id)?.is_some() {
        return Ok(());
    }
    let (quote, said) = match placed.lines.merged() {
        // Orders merges its lines before it says them; whoever else does not is not sold anything by half.
        Err(_) => Quote::refuse_all(placed, "invalid_line", uow.now()),
        Ok(lines) => {
            let offers = offers(uow, &lines)?;
            let Catalog { currency, discount_bp, shipping_minor, .. } = *uow.settings();
            Quote::decide(placed, &lines, &offers, Terms { currency, discount_bp, shipping_minor }, uow.now())
        }
    };
    uow.put(quote);
    uow.emit_all(said);
    Ok(())
}

/// A location has nothing of a SKU any more: say so when no other has.
pub fn deplete(uow: &mut Uow<Catalog>, depleted: &StockDepleted) -> Outcome {
    hear_stock(uow, &depleted.stock, false)
}

/// A location has something of a SKU again: say so when none had.
pub fn replenish(uow: &mut Uow<Catalog>, replenished: &StockReplenished) -> Outcome {
    hear_stock(uow, &replenished.stock, true)
}

/// The moment of a scheduled price has come. Of an archived product nothing is said any more.
pub fn take_effect(uow: &mut Uow<Catalog>, sku: &Id) -> Outcome {
    let mut variant = uow.load::<Variant>(sku)?;
    let product = uow.load::<Product>(variant.product_id())?;
    if product.status() == ProductStatus::Archived {
        variant.drop_scheduled();
    } else {
        let said = variant.take_effect(&product, uow.now(), uow.settings().currency);
        uow.emit_all(said);
    }
    // Another price may wait, or this one may have been moved after the timer was set.
    if variant.next_price_at().is_some() {
        arm(uow, &variant);
    }
    uow.put(variant);
    Ok(())
}

fn hear_stock(uow: &mut Uow<Catalog>, stock: &StockLevel, available: bool) -> Outcome {
    let here = uow.get::<LocationAvailability>((&stock.sku, &stock.location_id))?;
    let everywhere = uow.get::<Availability>(&stock.sku)?;
    let mut here = here.unwrap_or_else(|| LocationAvailability::unheard(stock));
    let mut everywhere = everywhere.unwrap_or_else(|| Availability::unheard(&stock.sku));
    let Some(had_something) = here.hear(stock, available) else { return Ok(()) };
    let change = if available { everywhere.replenish(had_something) } else { everywhere.deplete(had_something) };
    uow.put(here);
    uow.put(everywhere);
    // Inventory may know SKUs that are not sold here: their stock is kept, but there is no product to tell it of.
    let Some(change) = change else { return Ok(()) };
    let Some(variant) = uow.get::<Variant>(&stock.sku)? else { return Ok(()) };
    let product = uow.load::<Product>(variant.product_id())?;
    uow.emit_all(change.told(&product, stock));
    Ok(())
}

/// What each line can be had for. All that is missing in memory is asked for before the first of it stops the handler.
fn offers(uow: &mut Uow<Catalog>, lines: &Lines) -> Result<Vec<Option<Offer>>, Stop> {
    let variants = uow.get_all::<Variant>(lines.iter().map(|line| &line.sku));
    let products = uow.get_all::<Product>(lines.iter().map(|line| &line.product_id));
    let mut offers = Vec::with_capacity(lines.len());
    let mut stop = None;
    for (variant, product) in variants?.into_iter().zip(products?) {
        let (Some(variant), Some(product)) = (variant, product) else {
            offers.push(None);
            continue;
        };
        match tax_bp(uow, &product) {
            Ok(tax_bp) => offers.push(Some(Offer { product, variant, tax_bp })),
            Err(missing) => stop = Some(missing),
        }
    }
    stop.map_or(Ok(offers), Err)
}

/// The rate of the first of the product's categories that has one, itself or from the nearest category above it.
fn tax_bp(uow: &mut Uow<Catalog>, product: &Product) -> Result<u32, Stop> {
    let Catalog { tax_bp, category_tax_bp, .. } = uow.settings();
    if category_tax_bp.is_empty() {
        return Ok(*tax_bp);
    }
    let mut stop = None;
    for category_id in product.category_ids().iter() {
        // After one that is missing the answer is open, but the others are asked for too: so all categories are loaded
        // level by level, and not each after the one before it.
        match rate_above(uow, category_tax_bp, category_id) {
            Ok(Some(rate_bp)) if stop.is_none() => return Ok(rate_bp),
            Ok(_) => {}
            Err(missing) => stop = Some(missing),
        }
    }
    stop.map_or(Ok(*tax_bp), Err)
}

/// The rate of a category, or of the nearest one above it that has one.
fn rate_above(uow: &mut Uow<Catalog>, rates_bp: &BTreeMap<Id, u32>, category_id: &Id) -> Result<Option<u32>, Stop> {
    let mut next = Some(category_id.clone());
    while let Some(category_id) = next {
        if let Some(rate_bp) = rates_bp.get(&category_id) {
            return Ok(Some(*rate_bp));
        }
        next = uow.get::<Category>(&category_id)?.and_then(|category| category.parent_id().cloned());
    }
    Ok(None)
}
