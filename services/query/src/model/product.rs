//! A product as customers find it, and the categories in which they look. A product's events are numbered, so of
//! each part the one with the highest number stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tradewind_engine::Entity;
use tradewind_events::{
    Attributes, Currency, Id, Media, Price, Product, ProductStatus, Timestamp, Variant, VariantStatus,
};

use super::{Availability, earliest};
use crate::{Query, words};

/// A product with its variants. `words` are searched.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Query, table = "product_view", key = product_id)]
pub struct ProductView {
    pub product_id: Id,
    pub name: Arc<str>,
    pub description: Arc<str>,
    pub brand: Option<Arc<str>>,
    /// None while nobody has told of the product itself, only of its stock or a variant: not to be listed.
    pub status: Option<ProductStatus>,
    #[column(json)]
    pub category_ids: Arc<[Id]>,
    pub attributes: Attributes,
    #[column(json)]
    pub media: Arc<[Media]>,
    /// By their ids.
    #[column(json)]
    pub variants: Arc<[Variant]>,
    /// Of all variants, with spaces between.
    pub skus: Arc<str>,
    /// Name, brand, description and SKUs, as [`crate::words`] prepares them for search.
    pub words: Arc<str>,
    /// Of the price range. Active variants in another currency are only in `variants`.
    pub currency: Option<Currency>,
    pub price_min_minor: Option<i64>,
    pub price_max_minor: Option<i64>,
    pub availability: Availability,
    /// 1970 until catalog has told something of it.
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub archived_at: Option<Timestamp>,
    /// The number of the event that told of the whole product last; 0 when none did.
    pub sequence: u64,
    #[column(json)]
    pub marks: BTreeMap<Id, VariantMark>,
    /// At how many locations each SKU is available: a SKU without stock counts 0, one nobody told of is not here.
    #[column(json)]
    pub stocked: BTreeMap<Id, i64>,
    pub since_segment: u64,
}

/// Of one variant: the numbers of the events that told of it and of its price last, and whether it is discontinued.
pub type VariantMark = (u64, u64, bool);

/// A product is in a category: to list one page by page.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Query, table = "product_category", key = (category_id, product_id))]
pub struct ProductCategory {
    pub category_id: Id,
    pub product_id: Id,
    pub status: Option<ProductStatus>,
    pub since_segment: u64,
}

/// What an active variant of a product costs: to list products in a range of prices.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Query, table = "product_price", key = (product_id, variant_id))]
pub struct ProductPrice {
    pub product_id: Id,
    pub variant_id: Id,
    pub currency: Currency,
    /// In minor units.
    pub amount_minor: i64,
    pub since_segment: u64,
}

/// A category.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Query, table = "category_view", key = category_id)]
pub struct CategoryView {
    pub category_id: Id,
    pub name: Arc<str>,
    pub parent_id: Option<Id>,
    pub deleted: bool,
    /// The number of the event that told of it last.
    pub sequence: u64,
    pub since_segment: u64,
}

impl ProductView {
    /// A product of which nothing is known yet.
    pub fn unheard(product_id: Id, segment: u64) -> Self {
        Self {
            product_id,
            name: "".into(),
            description: "".into(),
            brand: None,
            status: None,
            category_ids: Arc::from([]),
            attributes: Attributes::default(),
            media: Arc::from([]),
            variants: Arc::from([]),
            skus: "".into(),
            words: "".into(),
            currency: None,
            price_min_minor: None,
            price_max_minor: None,
            availability: Availability::Unknown,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            archived_at: None,
            sequence: 0,
            marks: BTreeMap::new(),
            stocked: BTreeMap::new(),
            since_segment: segment,
        }
    }

    /// Catalog tells something of the product.
    pub fn heard(&mut self, at: Timestamp, segment: u64) {
        self.since_segment = self.since_segment.min(segment);
        self.updated_at = self.updated_at.max(at);
        if self.sequence == 0 {
            let is_first = self.created_at == Timestamp::default();
            self.created_at = if is_first { at } else { self.created_at.min(at) };
        }
    }

    /// The whole product, as the event of this number tells.
    pub fn product(&mut self, told: &Product, sequence: u64) {
        for variant in told.variants.iter() {
            self.put_variant(variant, sequence);
        }
        if sequence >= self.sequence {
            self.sequence = sequence;
            self.name = Arc::clone(&told.name);
            self.description = Arc::clone(&told.description);
            self.brand.clone_from(&told.brand);
            self.category_ids = Arc::clone(&told.category_ids);
            self.attributes = told.attributes.clone();
            self.media = Arc::clone(&told.media);
            self.created_at = told.created_at;
            self.status = Some(told.status);
        }
        self.follow();
    }

    /// The product is gone for good.
    pub fn archived(&mut self, name: &Arc<str>, at: Timestamp) {
        earliest(&mut self.archived_at, &at);
        if self.sequence == 0 {
            self.name = Arc::clone(name);
        }
        self.follow();
    }

    /// One variant, as the event of this number tells.
    pub fn variant(&mut self, told: &Variant, sequence: u64) {
        self.put_variant(told, sequence);
        self.follow();
    }

    /// What one variant costs, as the event of this number tells.
    pub fn price(&mut self, variant_id: &Id, sku: &Id, price: &Price, sequence: u64) {
        let mark = self.marks.entry(variant_id.clone()).or_default();
        let is_news = sequence >= mark.1;
        mark.1 = mark.1.max(sequence);
        if is_news {
            let (variant_id, sku, attributes) = (variant_id.clone(), sku.clone(), Attributes::default());
            let new = Variant { variant_id, sku, status: VariantStatus::Active, attributes, price: price.clone() };
            self.edit(new, |known| known.price = price.clone());
        }
        self.follow();
    }

    /// One variant is not sold any more.
    pub fn discontinued(&mut self, variant_id: &Id) {
        self.marks.entry(variant_id.clone()).or_default().2 = true;
        self.follow();
    }

    /// The SKU is available at so many locations more or less. 0: it is stocked, and that is all.
    pub fn stocked(&mut self, sku: &Id, locations: i64, segment: u64) {
        self.since_segment = self.since_segment.min(segment);
        *self.stocked.entry(sku.clone()).or_default() += locations;
        self.follow();
    }

    /// The rows that list it by category.
    pub fn categories(&self) -> BTreeMap<Id, ProductCategory> {
        let row = |category_id: &Id| ProductCategory {
            category_id: category_id.clone(),
            product_id: self.product_id.clone(),
            status: self.status,
            since_segment: self.since_segment,
        };
        self.category_ids.iter().map(|category_id| (category_id.clone(), row(category_id))).collect()
    }

    /// What is searched.
    fn texts(&self) -> [&str; 4] {
        [&self.name, self.brand.as_deref().unwrap_or_default(), &self.description, &self.skus]
    }

    /// Brings `words` up to date, if a text is not as it was.
    pub fn index(&mut self, before: Option<&Self>) {
        if before.is_none_or(|before| before.texts() != self.texts()) {
            self.words = words::of(self.texts()).into();
        }
    }

    /// The rows by which it is found in a range of prices.
    pub fn prices(&self) -> impl Iterator<Item = ProductPrice> + '_ {
        let active = self.variants.iter().filter(|variant| variant.status == VariantStatus::Active);
        active.map(|variant| ProductPrice {
            product_id: self.product_id.clone(),
            variant_id: variant.variant_id.clone(),
            currency: variant.price.currency,
            amount_minor: variant.price.amount_minor,
            since_segment: self.since_segment,
        })
    }

    /// Its price rows are those of another state of it.
    pub fn has_prices_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.variants, &other.variants) && self.since_segment == other.since_segment
    }

    fn put_variant(&mut self, told: &Variant, sequence: u64) {
        let mark = self.marks.entry(told.variant_id.clone()).or_default();
        let (is_news, is_price_news) = (sequence >= mark.0, sequence >= mark.1);
        mark.0 = mark.0.max(sequence);
        mark.1 = mark.1.max(sequence);
        mark.2 |= told.status == VariantStatus::Discontinued;
        if is_news {
            self.edit(told.clone(), |known| {
                let price = if is_price_news { told.price.clone() } else { known.price.clone() };
                *known = Variant { price, ..told.clone() };
            });
        }
    }

    /// Changes a variant, or adds it in its place.
    fn edit(&mut self, new: Variant, change: impl FnOnce(&mut Variant)) {
        let mut variants = self.variants.to_vec();
        match variants.binary_search_by(|known| known.variant_id.cmp(&new.variant_id)) {
            Ok(place) => change(&mut variants[place]),
            Err(place) => variants.insert(place, new),
        }
        self.variants = variants.into();
    }

    /// Brings what follows from other fields up to date.
    fn follow(&mut self) {
        if self.archived_at.is_some() {
            self.status = Some(ProductStatus::Archived);
        }
        let is_gone = |variant: &Variant| self.marks.get(&variant.variant_id).is_some_and(|mark| mark.2);
        if self.variants.iter().any(|variant| is_gone(variant) && variant.status == VariantStatus::Active) {
            let status = |variant| if is_gone(variant) { VariantStatus::Discontinued } else { variant.status };
            self.variants =
                self.variants.iter().map(|known| Variant { status: status(known), ..known.clone() }).collect();
        }
        let skus: Vec<&str> = self.variants.iter().map(|variant| variant.sku.as_str()).collect();
        self.skus = skus.join(" ").into();
        let active = || self.variants.iter().filter(|variant| variant.status == VariantStatus::Active);
        self.currency = active().next().map(|variant| variant.price.currency);
        let prices: BTreeSet<i64> = active()
            .filter(|variant| Some(variant.price.currency) == self.currency)
            .map(|variant| variant.price.amount_minor)
            .collect();
        (self.price_min_minor, self.price_max_minor) = (prices.first().copied(), prices.last().copied());
        let locations: Vec<i64> = active().filter_map(|variant| self.stocked.get(&variant.sku)).copied().collect();
        self.availability = match locations.iter().max() {
            None => Availability::Unknown,
            Some(most) if *most > 0 => Availability::InStock,
            Some(_) => Availability::OutOfStock,
        };
    }
}

impl CategoryView {
    /// The category, as the event of this number tells. It is never set up again once it is deleted.
    #[must_use]
    pub fn merged(self, told: Self) -> Self {
        let (deleted, since_segment) = (self.deleted || told.deleted, self.since_segment.min(told.since_segment));
        let newest = if told.sequence >= self.sequence { told } else { self };
        Self { deleted, since_segment, ..newest }
    }
}
