//! Events of catalog: what is for sale, at which price, and the one quote of each order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Change, Event, Id, Lines, OrderSummary, Price, Product, Variant};

/// A product was set up, with all its variants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("product.created", version = 1, about = product(product.product_id), key = product.product_id)]
pub struct ProductCreated {
    pub product: Product,
}

/// The product as it is now, and what changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("product.updated", version = 1, about = product(product.product_id), key = product.product_id)]
pub struct ProductUpdated {
    pub product: Product,
    pub changes: Arc<[Change]>,
}

/// The product is for sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("product.published", version = 1, about = product(product.product_id), key = product.product_id)]
pub struct ProductPublished {
    pub product: Product,
}

/// The product is not for sale until it is published again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("product.unpublished", version = 1, about = product(product.product_id), key = product.product_id)]
pub struct ProductUnpublished {
    pub product: Product,
}

/// The product is gone for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("product.archived", version = 1, about = product(product_id), key = product_id)]
pub struct ProductArchived {
    pub product_id: Id,
    pub name: Arc<str>,
    pub reason: Arc<str>,
}

/// The product got a further variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("variant.created", version = 1, about = product(product_id), key = product_id)]
pub struct VariantCreated {
    pub product_id: Id,
    pub variant: Variant,
}

/// The variant as it is now, and what changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("variant.updated", version = 1, about = product(product_id), key = product_id)]
pub struct VariantUpdated {
    pub product_id: Id,
    pub variant: Variant,
    pub changes: Arc<[Change]>,
}

/// The variant is not sold any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("variant.discontinued", version = 1, about = product(product_id), key = product_id)]
pub struct VariantDiscontinued {
    pub product_id: Id,
    pub variant_id: Id,
    pub sku: Id,
}

/// A variant costs something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("price.changed", version = 1, about = product(product_id), key = product_id)]
pub struct PriceChanged {
    pub product_id: Id,
    /// Of the product.
    pub name: Arc<str>,
    pub category_ids: Arc<[Id]>,
    pub variant_id: Id,
    pub sku: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_price: Option<Price>,
    pub new_price: Price,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
}

/// Nothing of a SKU is available anywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("product.out_of_stock", version = 1, about = product(product_id), key = product_id)]
pub struct ProductOutOfStock {
    pub product_id: Id,
    pub sku: Id,
    /// Whose change caused it.
    pub location_id: Id,
    /// In units, over all locations.
    pub available_everywhere: i64,
}

/// Something of a SKU is available again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("product.back_in_stock", version = 1, about = product(product_id), key = product_id)]
pub struct ProductBackInStock {
    pub product_id: Id,
    pub sku: Id,
    /// Whose change caused it.
    pub location_id: Id,
    /// In units, over all locations.
    pub available_everywhere: i64,
}

/// The order at today's prices: every amount of its summary and every unit price is filled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("quote.issued", version = 1, about = quote(order.order_id), key = order.order_id, party = order)]
pub struct QuoteIssued {
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
}

/// The order cannot be sold as it was placed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("quote.refused", version = 1, about = quote(order.order_id), key = order.order_id, party = order)]
pub struct QuoteRefused {
    pub order: Arc<OrderSummary>,
    pub unavailable: Arc<[Unavailable]>,
    pub changed: Arc<[ChangedPrice]>,
}

/// A category was set up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("category.created", version = 1, about = category(category_id), key = category_id)]
pub struct CategoryCreated {
    pub category_id: Id,
    pub name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<Id>,
}

/// The category as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("category.updated", version = 1, about = category(category_id), key = category_id)]
pub struct CategoryUpdated {
    pub category_id: Id,
    pub name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<Id>,
}

/// A category is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("category.deleted", version = 1, about = category(category_id), key = category_id)]
pub struct CategoryDeleted {
    pub category_id: Id,
    pub name: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<Id>,
}

/// A line that cannot be sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unavailable {
    pub product_id: Id,
    pub sku: Id,
    /// Such as `unknown`, `unpublished`, `discontinued`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
}

/// A line whose price is not the one that the cart showed; both in minor units of the order's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedPrice {
    pub product_id: Id,
    pub sku: Id,
    /// What the cart showed.
    pub expected_minor: i64,
    /// What it costs.
    pub unit_price_minor: i64,
}
