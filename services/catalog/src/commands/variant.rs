//! Variants: add, change, end.

use tradewind_engine::{Answer, Command, OrRefuse, Stop, Uow};
use tradewind_events::{self as events, Attributes, Currency, Id, Price};

use crate::{
    Catalog, Product, TAKE_EFFECT, Variant,
    model::{PRODUCT_NOT_FOUND, SKU_TAKEN, VARIANT_NOT_FOUND, attributes, price},
};

/// A variant to be.
#[derive(Debug, Clone)]
pub struct NewVariant {
    pub sku: Id,
    pub attributes: Attributes,
    pub amount_minor: i64,
    pub currency: Currency,
}

/// Adds a variant to a product.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "add_variant", answer = events::Variant, key = product_id)]
pub struct AddVariant {
    pub product_id: Id,
    pub variant: NewVariant,
}

/// Changes what is said of a variant.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "update_variant", answer = events::Variant, key = sku)]
pub struct UpdateVariant {
    pub sku: Id,
    /// All of them: one that is left out is gone.
    pub attributes: Attributes,
}

/// Ends a variant for good, with the prices that it was to have; nothing happens when it is ended.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "discontinue_variant", answer = events::Variant, key = sku)]
pub struct DiscontinueVariant {
    pub sku: Id,
}

pub fn add_variant(uow: &mut Uow<Catalog>, add: &AddVariant) -> Answer<events::Variant> {
    let mut product = uow
        .get::<Product>(&add.product_id)?
        .or_refuse(|| PRODUCT_NOT_FOUND.because(format!("there is no product {}", add.product_id)))?;
    let variant = open(uow, &add.product_id, &add.variant, "")?;
    let created = product.add(&variant)?;
    uow.put(product);
    uow.put(variant);
    let told = created.variant.clone();
    uow.emit(created);
    Ok(told)
}

pub fn update_variant(uow: &mut Uow<Catalog>, update: &UpdateVariant) -> Answer<events::Variant> {
    attributes(&update.attributes, "")?;
    let (product, mut variant) = both(uow, &update.sku)?;
    product.editable()?;
    let updated = variant.update(update.attributes.clone())?;
    let told = variant.told();
    if let Some(updated) = updated {
        uow.put(variant);
        uow.emit(updated);
    }
    Ok(told)
}

pub fn discontinue_variant(uow: &mut Uow<Catalog>, discontinue: &DiscontinueVariant) -> Answer<events::Variant> {
    let (product, mut variant) = both(uow, &discontinue.sku)?;
    product.editable()?;
    let discontinued = variant.discontinue();
    let told = variant.told();
    if let Some(discontinued) = discontinued {
        uow.cancel_timer(&TAKE_EFFECT, variant.sku());
        uow.put(variant);
        uow.emit(discontinued);
    }
    Ok(told)
}

/// A variant under a SKU that nothing else has. `prefix` is where it stands in the request: `variants[2].`.
pub(super) fn open(uow: &mut Uow<Catalog>, product_id: &Id, new: &NewVariant, prefix: &str) -> Result<Variant, Stop> {
    attributes(&new.attributes, prefix)?;
    price(new.amount_minor, new.currency, uow.settings().currency, prefix)?;
    if uow.get::<Variant>(&new.sku)?.is_some() {
        return Err(SKU_TAKEN.because(format!("{} names another variant", new.sku)).at(format!("{prefix}sku")).into());
    }
    let first = Price {
        price_id: uow.new_id(),
        amount_minor: new.amount_minor,
        currency: new.currency,
        effective_at: uow.now(),
    };
    Ok(Variant::new(new.sku.clone(), product_id.clone(), uow.new_id(), new.attributes.clone(), first))
}

/// A variant with the product that its events are about.
pub(super) fn both(uow: &mut Uow<Catalog>, sku: &Id) -> Result<(Product, Variant), Stop> {
    let variant =
        uow.get::<Variant>(sku)?.or_refuse(|| VARIANT_NOT_FOUND.because(format!("there is no variant {sku}")))?;
    Ok((uow.load::<Product>(variant.product_id())?, variant))
}
