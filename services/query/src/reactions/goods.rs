//! What catalog says of products and categories.

use std::{collections::BTreeMap, sync::Arc};

use tradewind_engine::{Outcome, Uow};
use tradewind_events::{
    Id, Product,
    catalog::{
        CategoryCreated, CategoryDeleted, CategoryUpdated, PriceChanged, ProductArchived, ProductCreated,
        ProductPublished, ProductUnpublished, ProductUpdated, VariantCreated, VariantDiscontinued, VariantUpdated,
    },
};

use super::{Told, told};
use crate::{
    Query,
    model::{CategoryView, ProductPrice, ProductView},
};

pub fn created(uow: &mut Uow<'_, Query>, created: &ProductCreated) -> Outcome {
    product(uow, &created.product)
}

pub fn updated(uow: &mut Uow<'_, Query>, updated: &ProductUpdated) -> Outcome {
    product(uow, &updated.product)
}

pub fn published(uow: &mut Uow<'_, Query>, published: &ProductPublished) -> Outcome {
    product(uow, &published.product)
}

pub fn unpublished(uow: &mut Uow<'_, Query>, unpublished: &ProductUnpublished) -> Outcome {
    product(uow, &unpublished.product)
}

pub fn archived(uow: &mut Uow<'_, Query>, archived: &ProductArchived) -> Outcome {
    change_product(uow, &archived.product_id, |product, told| product.archived(&archived.name, told.at))
}

pub fn variant_created(uow: &mut Uow<'_, Query>, created: &VariantCreated) -> Outcome {
    change_product(uow, &created.product_id, |product, told| product.variant(&created.variant, told.sequence))
}

pub fn variant_updated(uow: &mut Uow<'_, Query>, updated: &VariantUpdated) -> Outcome {
    change_product(uow, &updated.product_id, |product, told| product.variant(&updated.variant, told.sequence))
}

pub fn variant_discontinued(uow: &mut Uow<'_, Query>, discontinued: &VariantDiscontinued) -> Outcome {
    change_product(uow, &discontinued.product_id, |product, _| product.discontinued(&discontinued.variant_id))
}

pub fn price_changed(uow: &mut Uow<'_, Query>, changed: &PriceChanged) -> Outcome {
    change_product(uow, &changed.product_id, |product, told| {
        product.price(&changed.variant_id, &changed.sku, &changed.new_price, told.sequence);
    })
}

pub fn category_created(uow: &mut Uow<'_, Query>, created: &CategoryCreated) -> Outcome {
    let CategoryCreated { category_id, name, parent_id } = created;
    category(uow, category_id, name, parent_id.as_ref(), false)
}

pub fn category_updated(uow: &mut Uow<'_, Query>, updated: &CategoryUpdated) -> Outcome {
    let CategoryUpdated { category_id, name, parent_id } = updated;
    category(uow, category_id, name, parent_id.as_ref(), false)
}

/// The row stays, so that nothing that comes late brings the category back.
pub fn category_deleted(uow: &mut Uow<'_, Query>, deleted: &CategoryDeleted) -> Outcome {
    let CategoryDeleted { category_id, name, parent_id } = deleted;
    category(uow, category_id, name, parent_id.as_ref(), true)
}

fn category(
    uow: &mut Uow<'_, Query>,
    category_id: &Id,
    name: &Arc<str>,
    parent_id: Option<&Id>,
    deleted: bool,
) -> Outcome {
    let told = told(uow)?;
    let row = CategoryView {
        category_id: category_id.clone(),
        name: Arc::clone(name),
        parent_id: parent_id.cloned(),
        deleted,
        sequence: told.sequence,
        since_segment: told.address.segment,
    };
    let known = uow.get::<CategoryView>(category_id)?;
    let after = known.clone().map_or_else(|| row.clone(), |known| known.merged(row.clone()));
    if known.as_ref() != Some(&after) {
        uow.put(after);
    }
    Ok(())
}

fn product(uow: &mut Uow<'_, Query>, product: &Product) -> Outcome {
    change_product(uow, &product.product_id, |row, told| row.product(product, told.sequence))
}

/// Changes the row of a product as catalog tells, and the rows that list it by category.
fn change_product(uow: &mut Uow<'_, Query>, product_id: &Id, change: impl FnOnce(&mut ProductView, Told)) -> Outcome {
    let told = told(uow)?;
    let known = uow.get::<ProductView>(product_id)?;
    let mut after = known.clone().unwrap_or_else(|| ProductView::unheard(product_id.clone(), told.address.segment));
    after.heard(told.at, told.address.segment);
    change(&mut after, told);
    put_product(uow, known.as_ref(), after);
    Ok(())
}

/// Writes the row of a product, and those that list it by category and by price, as far as they have changed.
pub(super) fn put_product(uow: &mut Uow<'_, Query>, known: Option<&ProductView>, mut after: ProductView) {
    after.index(known);
    if known.is_none_or(|known| !known.has_prices_of(&after)) {
        put_prices(uow, known, &after);
    }
    let listed = known.map(ProductView::categories).unwrap_or_default();
    let lists = after.categories();
    for (category_id, row) in &listed {
        if !lists.contains_key(category_id) {
            uow.delete(row);
        }
    }
    for (category_id, row) in lists {
        if listed.get(&category_id) != Some(&row) {
            uow.put(row);
        }
    }
    if known != Some(&after) {
        uow.put(after);
    }
}

fn put_prices(uow: &mut Uow<'_, Query>, known: Option<&ProductView>, after: &ProductView) {
    let by_variant = |product: &ProductView| -> BTreeMap<Id, ProductPrice> {
        product.prices().map(|price| (price.variant_id.clone(), price)).collect()
    };
    let (before, after) = (known.map(by_variant).unwrap_or_default(), by_variant(after));
    for (variant_id, row) in &before {
        if !after.contains_key(variant_id) {
            uow.delete(row);
        }
    }
    for (variant_id, row) in after {
        if before.get(&variant_id) != Some(&row) {
            uow.put(row);
        }
    }
}
