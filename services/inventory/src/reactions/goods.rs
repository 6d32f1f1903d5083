//! The catalog opens and closes what is stocked.

use tradewind_engine::{Outcome, Uow};
use tradewind_events::{
    Id, ProductStatus, Variant,
    catalog::{ProductArchived, ProductCreated, VariantCreated, VariantDiscontinued},
    id,
};

use crate::{
    Inventory,
    model::{ArchivedProduct, Location, MAIN_LOCATION, Stock, StockItem},
};

/// A product is set up: each of its variants has a row of stock, with nothing in it.
pub fn open_product(uow: &mut Uow<Inventory>, created: &ProductCreated) -> Outcome {
    let product = &created.product;
    uow.get_all::<StockItem>(product.variants.iter().map(|variant| &variant.sku))?;
    for variant in product.variants.iter() {
        open(uow, &product.product_id, variant)?;
    }
    if product.status == ProductStatus::Archived {
        archive(uow, &product.product_id)?;
    }
    Ok(())
}

/// A product got a further variant.
pub fn open_variant(uow: &mut Uow<Inventory>, created: &VariantCreated) -> Outcome {
    open(uow, &created.product_id, &created.variant)
}

/// No new claim on any SKU of the product. Claims that there are stay.
pub fn close_product(uow: &mut Uow<Inventory>, archived: &ProductArchived) -> Outcome {
    archive(uow, &archived.product_id)
}

/// No new claim on the SKU. Received of too early, it is kept in a row without stock.
pub fn close_variant(uow: &mut Uow<Inventory>, discontinued: &VariantDiscontinued) -> Outcome {
    let VariantDiscontinued { sku, product_id, .. } = discontinued;
    let known = uow.get::<StockItem>(sku)?;
    let mut item = known.unwrap_or_else(|| StockItem::unheard(sku.clone(), product_id.clone()));
    item.discontinue();
    uow.put(item);
    Ok(())
}

fn open(uow: &mut Uow<Inventory>, product_id: &Id, variant: &Variant) -> Outcome {
    let known = uow.get::<StockItem>(&variant.sku)?;
    let mut item = known.unwrap_or_else(|| StockItem::unheard(variant.sku.clone(), product_id.clone()));
    item.heard(variant.status);
    if !item.is_stocked() {
        if uow.get::<Location>(id(MAIN_LOCATION))?.is_none() {
            uow.put(Location::main());
        }
        let (stock, created) = Stock::open(&mut item, id(MAIN_LOCATION));
        uow.put(stock);
        uow.emit(created);
    }
    uow.put(item);
    Ok(())
}

fn archive(uow: &mut Uow<Inventory>, product_id: &Id) -> Outcome {
    if uow.get::<ArchivedProduct>(product_id)?.is_none() {
        uow.put(ArchivedProduct::archived(product_id.clone()));
    }
    Ok(())
}
