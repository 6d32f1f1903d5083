//! Products: set up, change, put up for sale, take off the shelf, end.

use std::{collections::BTreeSet, sync::Arc};

use tradewind_engine::{Answer, Command, OrRefuse, Stop, Uow};
use tradewind_events::{self as events, Attributes, Id, Media};

use super::{NewVariant, Patch, variant};
use crate::{
    Catalog, Category, Product, VARIANTS_MAX, Variant,
    model::{Details, PRODUCT_EXISTS, PRODUCT_NOT_FOUND, TOO_MANY_VARIANTS, UNKNOWN_CATEGORY, details, reason},
};

/// Sets a product up, as a draft.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "create_product", answer = events::Product)]
pub struct CreateProduct {
    /// Minted when it is absent.
    pub product_id: Option<Id>,
    pub name: Arc<str>,
    pub description: Arc<str>,
    pub brand: Option<Arc<str>>,
    pub category_ids: Arc<[Id]>,
    pub attributes: Attributes,
    pub media: Vec<NewMedia>,
    pub variants: Vec<NewVariant>,
}

#[derive(Debug, Clone)]
pub struct NewMedia {
    /// Minted when it is absent.
    pub media_id: Option<Id>,
    pub url: Arc<str>,
    pub sort_order: i32,
    pub alt_text: Option<Arc<str>>,
}

/// Changes what is said of a product; what is absent stays.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "update_product", answer = events::Product, key = product_id)]
pub struct UpdateProduct {
    pub product_id: Id,
    pub name: Option<Arc<str>>,
    pub description: Option<Arc<str>>,
    pub brand: Patch<Arc<str>>,
    pub category_ids: Option<Arc<[Id]>>,
    /// All of them: one that is left out is gone.
    pub attributes: Option<Attributes>,
    /// All of them.
    pub media: Option<Vec<NewMedia>>,
}

/// Puts a product up for sale; nothing happens when it is.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "publish_product", answer = events::Product, key = product_id)]
pub struct PublishProduct {
    pub product_id: Id,
}

/// Takes a product off the shelf until it is published again; nothing happens when it is.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "unpublish_product", answer = events::Product, key = product_id)]
pub struct UnpublishProduct {
    pub product_id: Id,
}

/// Ends a product for good; nothing happens when it is ended.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "archive_product", answer = events::Product, key = product_id)]
pub struct ArchiveProduct {
    pub product_id: Id,
    pub reason: Arc<str>,
}

pub fn create_product(uow: &mut Uow<Catalog>, create: &CreateProduct) -> Answer<events::Product> {
    if create.variants.len() > VARIANTS_MAX {
        let detail = format!("a product has at most {VARIANTS_MAX} variants, not {}", create.variants.len());
        return Err(TOO_MANY_VARIANTS.because(detail).at("variants").into());
    }
    let said = Details {
        name: Arc::clone(&create.name),
        description: Arc::clone(&create.description),
        brand: create.brand.clone(),
        category_ids: Arc::clone(&create.category_ids),
        attributes: create.attributes.clone(),
        media: media(uow, &create.media),
    };
    details(&said)?;
    let product_id = match &create.product_id {
        Some(given) => given.clone(),
        None => uow.new_id(),
    };
    if uow.get::<Product>(&product_id)?.is_some() {
        return Err(PRODUCT_EXISTS.because(format!("{product_id} is there already")).at("product_id").into());
    }
    uow.get_all::<Variant>(create.variants.iter().map(|new| &new.sku))?;
    let mut variants = Vec::with_capacity(create.variants.len());
    for (nth, new) in create.variants.iter().enumerate() {
        let prefix = format!("variants[{nth}].");
        let added = variant::open(uow, &product_id, new, &prefix)?;
        uow.put(added.clone());
        variants.push(added);
    }
    regroup(uow, &[], &said.category_ids)?;
    let (product, created) = Product::create(product_id, said, &variants, uow.now());
    uow.put(product);
    let told = created.product.clone();
    uow.emit(created);
    Ok(told)
}

pub fn update_product(uow: &mut Uow<Catalog>, update: &UpdateProduct) -> Answer<events::Product> {
    let (mut product, variants) = whole(uow, &update.product_id)?;
    let old = product.details();
    let new_media = update.media.as_ref().map(|new| media(uow, new));
    let said = Details {
        name: update.name.clone().unwrap_or(old.name),
        description: update.description.clone().unwrap_or(old.description),
        brand: update.brand.apply(old.brand),
        category_ids: update.category_ids.clone().unwrap_or(Arc::clone(&old.category_ids)),
        attributes: update.attributes.clone().unwrap_or(old.attributes),
        media: new_media.unwrap_or(old.media),
    };
    details(&said)?;
    let updated = product.update(said, &variants)?;
    let told = product.told(&variants);
    if let Some(updated) = updated {
        regroup(uow, &old.category_ids, product.category_ids())?;
        uow.put(product);
        uow.emit(updated);
    }
    Ok(told)
}

pub fn publish_product(uow: &mut Uow<Catalog>, publish: &PublishProduct) -> Answer<events::Product> {
    let (mut product, variants) = whole(uow, &publish.product_id)?;
    let published = product.publish(&variants)?;
    let told = product.told(&variants);
    if let Some(published) = published {
        uow.put(product);
        uow.emit(published);
    }
    Ok(told)
}

pub fn unpublish_product(uow: &mut Uow<Catalog>, unpublish: &UnpublishProduct) -> Answer<events::Product> {
    let (mut product, variants) = whole(uow, &unpublish.product_id)?;
    let unpublished = product.unpublish(&variants)?;
    let told = product.told(&variants);
    if let Some(unpublished) = unpublished {
        uow.put(product);
        uow.emit(unpublished);
    }
    Ok(told)
}

pub fn archive_product(uow: &mut Uow<Catalog>, archive: &ArchiveProduct) -> Answer<events::Product> {
    reason(&archive.reason)?;
    let (mut product, variants) = whole(uow, &archive.product_id)?;
    let archived = product.archive(Arc::clone(&archive.reason));
    let told = product.told(&variants);
    if let Some(archived) = archived {
        regroup(uow, product.category_ids(), &[])?;
        uow.put(product);
        uow.emit(archived);
    }
    Ok(told)
}

/// A product with all its variants.
pub(super) fn whole(uow: &mut Uow<Catalog>, product_id: &Id) -> Result<(Product, Vec<Variant>), Stop> {
    let product = uow
        .get::<Product>(product_id)?
        .or_refuse(|| PRODUCT_NOT_FOUND.because(format!("there is no product {product_id}")))?;
    let variants = uow.get_all::<Variant>(product.skus().iter())?.into_iter().collect::<Option<Vec<_>>>();
    let variants = variants.ok_or_else(|| Stop::broken(format!("a variant of product {product_id} is missing")))?;
    Ok((product, variants))
}

fn media(uow: &mut Uow<Catalog>, new: &[NewMedia]) -> Arc<[Media]> {
    let made = new.iter().map(|new| Media {
        media_id: new.media_id.clone().unwrap_or_else(|| uow.new_id()),
        url: Arc::clone(&new.url),
        sort_order: new.sort_order,
        alt_text: new.alt_text.clone(),
    });
    made.collect()
}

/// Counts a product out of the categories that it leaves, and into those that it joins.
fn regroup(uow: &mut Uow<Catalog>, old: &[Id], new: &[Id]) -> Result<(), Stop> {
    let (before, after): (BTreeSet<&Id>, BTreeSet<&Id>) = (old.iter().collect(), new.iter().collect());
    uow.get_all::<Category>(before.symmetric_difference(&after).copied())?;
    for category_id in before.difference(&after) {
        let mut left = uow.load::<Category>(*category_id)?;
        left.leave();
        uow.put(left);
    }
    for (nth, category_id) in new.iter().enumerate().filter(|(_, category_id)| !before.contains(category_id)) {
        let known = uow.get::<Category>(category_id)?.filter(|category| !category.deleted());
        let mut joined = known.or_refuse(|| {
            UNKNOWN_CATEGORY.because(format!("there is no category {category_id}")).at(format!("category_ids[{nth}]"))
        })?;
        joined.join();
        uow.put(joined);
    }
    Ok(())
}
