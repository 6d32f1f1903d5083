//! A product: `draft → published ⇄ unpublished → archived`. What can be bought of it are its variants.

use std::sync::Arc;

use tradewind_engine::{Entity, Problem, Refusal};
use tradewind_events::{
    self as events, Attributes, Change, Id, Media, ProductStatus, Timestamp, VariantStatus,
    catalog::{ProductArchived, ProductCreated, ProductPublished, ProductUnpublished, ProductUpdated, VariantCreated},
};

use super::Variant;
use crate::Catalog;

/// The most variants of one product: each of its events carries them all.
pub const VARIANTS_MAX: usize = 100;

pub const PRODUCT_NOT_FOUND: Refusal = Refusal::not_found("product_not_found", "There is no such product.");
pub const PRODUCT_EXISTS: Refusal = Refusal::conflict("product_exists", "There is a product with this id.");
pub const PRODUCT_ARCHIVED: Refusal = Refusal::conflict("product_archived", "The product is archived for good.");
pub const PRODUCT_NOT_PUBLISHED: Refusal =
    Refusal::conflict("product_not_published", "The product was never published.");
pub const PRODUCT_WITHOUT_VARIANT: Refusal =
    Refusal::conflict("product_without_variant", "The product has no variant that can be sold.");
pub const TOO_MANY_VARIANTS: Refusal =
    Refusal::conflict("too_many_variants", "The product has as many variants as it can have.");
pub const INVALID_PRODUCT: Refusal =
    Refusal::invalid("invalid_product", "A field of the product or variant is out of bounds.");

/// A product. It is never deleted: archived is its last state.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Catalog, table = "product", key = product_id)]
pub struct Product {
    product_id: Id,
    name: Arc<str>,
    description: Arc<str>,
    brand: Option<Arc<str>>,
    /// The first decides the tax, if it or a parent of it has a rate.
    #[column(json)]
    category_ids: Arc<[Id]>,
    #[column(copy)]
    status: ProductStatus,
    attributes: Attributes,
    #[column(json)]
    media: Arc<[Media]>,
    /// Of its variants, in the order in which they were added.
    #[column(json)]
    skus: Arc<[Id]>,
    created_at: Timestamp,
}

/// What an operator says about a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    pub name: Arc<str>,
    pub description: Arc<str>,
    pub brand: Option<Arc<str>>,
    pub category_ids: Arc<[Id]>,
    pub attributes: Attributes,
    pub media: Arc<[Media]>,
}

impl Product {
    /// A draft. Its variants come with it, so that whoever hears of it hears of all at once.
    pub fn create(product_id: Id, details: Details, variants: &[Variant], now: Timestamp) -> (Self, ProductCreated) {
        let Details { name, description, brand, category_ids, attributes, media } = details;
        let skus = variants.iter().map(|variant| variant.sku().clone()).collect();
        let product = Self {
            product_id,
            name,
            description,
            brand,
            category_ids,
            status: ProductStatus::Draft,
            attributes,
            media,
            skus,
            created_at: now,
        };
        let created = ProductCreated { product: product.told(variants) };
        (product, created)
    }

    /// The product as events and the API show it. The variants are all that it has, in the order of `skus`.
    pub fn told(&self, variants: &[Variant]) -> events::Product {
        events::Product {
            product_id: self.product_id.clone(),
            name: Arc::clone(&self.name),
            description: Arc::clone(&self.description),
            brand: self.brand.clone(),
            category_ids: Arc::clone(&self.category_ids),
            status: self.status,
            attributes: self.attributes.clone(),
            media: Arc::clone(&self.media),
            variants: variants.iter().map(Variant::told).collect(),
            created_at: self.created_at,
        }
    }

    pub fn details(&self) -> Details {
        Details {
            name: Arc::clone(&self.name),
            description: Arc::clone(&self.description),
            brand: self.brand.clone(),
            category_ids: Arc::clone(&self.category_ids),
            attributes: self.attributes.clone(),
            media: Arc::clone(&self.media),
        }
    }

    /// What is archived stays as it is.
    pub fn editable(&self) -> Result<(), Problem> {
        match self.status {
            ProductStatus::Archived => Err(PRODUCT_ARCHIVED.because(format!("{} is archived", self.product_id))),
            ProductStatus::Draft | ProductStatus::Published | ProductStatus::Unpublished => Ok(()),
        }
    }

    /// Takes the details over. `None` when they are the same.
    pub fn update(&mut self, details: Details, variants: &[Variant]) -> Result<Option<ProductUpdated>, Problem> {
        self.editable()?;
        let old = self.details();
        let mut changes: Vec<Change> = [
            Change::of("name", &old.name, &details.name),
            Change::of("description", &old.description, &details.description),
            Change::of("brand", &old.brand, &details.brand),
            Change::of("category_ids", &old.category_ids, &details.category_ids),
            Change::of("media", &old.media, &details.media),
        ]
        .into_iter()
        .flatten()
        .collect();
        changes.extend(old.attributes.changes(&details.attributes));
        if changes.is_empty() {
            return Ok(None);
        }
        let Details { name, description, brand, category_ids, attributes, media } = details;
        *self = Self { name, description, brand, category_ids, attributes, media, ..self.clone() };
        Ok(Some(ProductUpdated { product: self.told(variants), changes: changes.into() }))
    }

    /// Puts it up for sale. `None` when it is.
    pub fn publish(&mut self, variants: &[Variant]) -> Result<Option<ProductPublished>, Problem> {
        self.editable()?;
        if self.status == ProductStatus::Published {
            return Ok(None);
        }
        if !variants.iter().any(|variant| variant.status() == VariantStatus::Active) {
            return Err(PRODUCT_WITHOUT_VARIANT.because(format!("{} has no active variant", self.product_id)));
        }
        self.status = ProductStatus::Published;
        Ok(Some(ProductPublished { product: self.told(variants) }))
    }

    /// Takes it off the shelf until it is published again. `None` when it is.
    pub fn unpublish(&mut self, variants: &[Variant]) -> Result<Option<ProductUnpublished>, Problem> {
        self.editable()?;
        match self.status {
            ProductStatus::Unpublished => Ok(None),
            ProductStatus::Published => {
                self.status = ProductStatus::Unpublished;
                Ok(Some(ProductUnpublished { product: self.told(variants) }))
            }
            ProductStatus::Draft | ProductStatus::Archived => {
                Err(PRODUCT_NOT_PUBLISHED.because(format!("{} is a draft", self.product_id)))
            }
        }
    }

    /// Ends it for good. `None` when it is.
    pub fn archive(&mut self, reason: Arc<str>) -> Option<ProductArchived> {
        if self.status == ProductStatus::Archived {
            return None;
        }
        self.status = ProductStatus::Archived;
        Some(ProductArchived { product_id: self.product_id.clone(), name: Arc::clone(&self.name), reason })
    }

    /// Takes a further variant in.
    pub fn add(&mut self, variant: &Variant) -> Result<VariantCreated, Problem> {
        self.editable()?;
        if self.skus.len() >= VARIANTS_MAX {
            return Err(TOO_MANY_VARIANTS.because(format!("a product has at most {VARIANTS_MAX} variants")));
        }
        self.skus = self.skus.iter().chain([variant.sku()]).cloned().collect();
        Ok(VariantCreated { product_id: self.product_id.clone(), variant: variant.told() })
    }
}
