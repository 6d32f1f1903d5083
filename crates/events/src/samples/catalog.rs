//! Samples of what catalog says.

use super::{
    Sample, samples,
    values::{eur, noon_and},
};
use crate::{
    Change, Price,
    catalog::{
        CategoryCreated, CategoryDeleted, CategoryUpdated, ChangedPrice, PriceChanged, ProductArchived,
        ProductBackInStock, ProductCreated, ProductOutOfStock, ProductPublished, ProductUnpublished, ProductUpdated,
        QuoteIssued, QuoteRefused, Unavailable, VariantCreated, VariantDiscontinued, VariantUpdated,
    },
    id,
};

samples! {
    ProductCreated { product: Sample::sample() }
    ProductUpdated { product: Sample::sample(), changes: [Change::sample()].into() }
    ProductPublished { product: Sample::sample() }
    ProductUnpublished { product: Sample::sample() }
    ProductArchived { product_id: id("product-1"), name: "Tea".into(), reason: "discontinued".into() }
    VariantCreated { product_id: id("product-1"), variant: Sample::sample() }
    VariantUpdated { product_id: id("product-1"), variant: Sample::sample(), changes: [Change::sample()].into() }
    VariantDiscontinued { product_id: id("product-1"), variant_id: id("variant-1"), sku: id("SKU-1") }
    PriceChanged {
        product_id: id("product-1"),
        name: "Tea".into(),
        category_ids: [id("category-1")].into(),
        variant_id: id("variant-1"),
        sku: id("SKU-1"),
        old_price: Some(Sample::sample()),
        new_price: Price {
            price_id: id("price-2"),
            amount_minor: 2_299,
            currency: eur(),
            effective_at: noon_and(60),
        },
        reason: Some("sale".into()),
    }
    ProductOutOfStock {
        product_id: id("product-1"),
        sku: id("SKU-1"),
        location_id: id("location-1"),
        available_everywhere: 0,
    }
    ProductBackInStock {
        product_id: id("product-1"),
        sku: id("SKU-1"),
        location_id: id("location-1"),
        available_everywhere: 20,
    }
    QuoteIssued { order: Sample::sample(), lines: Sample::sample() }
    QuoteRefused {
        order: Sample::sample(),
        unavailable: [Unavailable {
            product_id: id("product-2"),
            sku: id("SKU-2"),
            reason: Some("discontinued".into()),
        }].into(),
        changed: [ChangedPrice {
            product_id: id("product-1"),
            sku: id("SKU-1"),
            expected_minor: 2_499,
            unit_price_minor: 2_599,
        }].into(),
    }
    CategoryCreated { category_id: id("category-1"), name: "Drinks".into(), parent_id: Some(id("category-0")) }
    CategoryUpdated { category_id: id("category-1"), name: "Teas".into(), parent_id: Some(id("category-0")) }
    CategoryDeleted { category_id: id("category-1"), name: "Teas".into(), parent_id: Some(id("category-0")) }
}
