//! Products: what is said of them, whether they are for sale, and how they are found. Everyone sees what is published;
//! staff sees all. One product is read from catalog, lists come from the read model.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_catalog::{
    self as catalog, Variant,
    commands::{
        self, ArchiveProduct, CreateProduct, NewMedia as MediaToBe, NewVariant as VariantToBe, PublishProduct,
        UnpublishProduct, UpdateProduct,
    },
};
use tradewind_engine::{
    Entity,
    ports::{Direction, List},
};
use tradewind_events::{
    Attributes, Column, Currency, Id, Media, Product, ProductStatus, Timestamp, Value, VariantStatus,
};
use tradewind_query::{self as query, Availability, ProductPrice};

use super::variants::NewVariant;
use crate::http::{
    Call, Created, Failure, Json, Okay, Page, PageOf, Patch, Path, Query, Sent, location, refusals::NOT_ALLOWED,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    /// Made when it is absent.
    #[serde(default)]
    product_id: Option<Id>,
    name: Arc<str>,
    #[serde(default)]
    description: Arc<str>,
    #[serde(default)]
    brand: Option<Arc<str>>,
    /// The first decides the tax.
    #[serde(default)]
    category_ids: Arc<[Id]>,
    /// Texts, numbers, truths.
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    media: Vec<NewMedia>,
    #[serde(default)]
    variants: Vec<NewVariant>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMedia {
    /// Made when it is absent.
    #[serde(default)]
    media_id: Option<Id>,
    url: Arc<str>,
    /// The lowest is shown first.
    #[serde(default)]
    sort_order: i32,
    #[serde(default)]
    alt_text: Option<Arc<str>>,
}

/// What is absent stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductChange {
    #[serde(default)]
    name: Option<Arc<str>>,
    #[serde(default)]
    description: Option<Arc<str>>,
    /// Null clears it.
    #[serde(default)]
    brand: Patch<Arc<str>>,
    #[serde(default)]
    category_ids: Option<Arc<[Id]>>,
    /// All of them: one that is left out is gone.
    #[serde(default)]
    attributes: Option<Attributes>,
    /// All of them.
    #[serde(default)]
    media: Option<Vec<NewMedia>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Archiving {
    /// For people.
    reason: Arc<str>,
}

/// A product with its variants, and whether it can be had.
#[derive(Serialize, JsonSchema)]
pub struct ProductView {
    #[serde(flatten)]
    product: Product,
    availability: Availability,
}

/// A product in a list.
#[derive(Serialize, JsonSchema)]
pub struct ProductCard {
    product_id: Id,
    name: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<Arc<str>>,
    /// Only what is published, but for staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<ProductStatus>,
    category_ids: Arc<[Id]>,
    /// The first of its media.
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<Media>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<Currency>,
    /// Of its cheapest active variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    price_min_minor: Option<i64>,
    /// Of its dearest active variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    price_max_minor: Option<i64>,
    availability: Availability,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Which products.
#[derive(Deserialize, JsonSchema)]
pub struct ProductQuery {
    /// Words that all stand in the name, the brand, the description or the SKUs; of the last one the beginning is
    /// enough. Case and accents do not count, and in Chinese, Japanese, Korean and Thai a word is found inside a text. What
    /// fits best comes first; without words, what is newest. Of more than 16 words the first 16 count.
    #[serde(default)]
    q: Option<String>,
    #[serde(default)]
    brand: Option<Arc<str>>,
    #[serde(default)]
    availability: Option<Availability>,
    /// Products of which an active variant costs so much or more, and not more than `price_to_minor`.
    #[serde(default)]
    price_from_minor: Option<i64>,
    /// Products of which an active variant costs so much or less, and not less than `price_from_minor`.
    #[serde(default)]
    price_to_minor: Option<i64>,
    /// Products of which an active variant is priced in this currency, within the two bounds; of those, the currency of the
    /// shop when this is absent.
    #[serde(default)]
    currency: Option<Currency>,
    /// Only staff asks for anything else than what is published.
    #[serde(default)]
    status: Option<ProductStatus>,
}

pub async fn create(call: Call, Json(new): Json<NewProduct>) -> Result<Sent<Created<Product>>, Failure> {
    let create = CreateProduct {
        product_id: new.product_id,
        name: new.name,
        description: new.description,
        brand: new.brand,
        category_ids: new.category_ids,
        attributes: new.attributes,
        media: media(new.media),
        variants: new.variants.into_iter().map(VariantToBe::from).collect(),
    };
    let answer =
        |product: &Product| Created { location: location("/v1/products", &product.product_id), body: product.clone() };
    call.submit(create, answer).await
}

/// Catalog answers alone: the product, and whether it can be had, which catalog knows from the stock events.
pub async fn read(call: Call, Path(product_id): Path<Id>) -> Result<Okay<ProductView>, Failure> {
    let unknown = || catalog::PRODUCT_NOT_FOUND.because(format!("there is no product {product_id}"));
    let product = call.load::<catalog::Product>(&product_id).await?;
    let product = product.filter(|product| is_visible(&call, product)).ok_or_else(unknown)?;
    let variants = call.load_all::<Variant>(product.skus().iter()).await?;
    let active = variants.iter().filter(|variant| variant.status() == VariantStatus::Active);
    let active: Vec<&Id> = active.map(Variant::sku).collect();
    let stock = call.load_all::<catalog::Availability>(active.iter().copied()).await?;
    let availability = match stock.iter().any(|sku| sku.locations() > 0) {
        true => Availability::InStock,
        false if active.is_empty() => Availability::Unknown,
        // What catalog has heard nothing of was never there.
        false => Availability::OutOfStock,
    };
    Ok(Okay(ProductView { product: product.told(&variants), availability }))
}

pub async fn list(
    call: Call,
    Query(wanted): Query<ProductQuery>,
    page: Page,
) -> Result<Okay<PageOf<ProductCard>>, Failure> {
    let mut list = visible(&call, List::of(query::ProductView::TABLE, page.limit), wanted.status)?;
    if let Some(priced) = wanted.priced(call.config.currency) {
        list = list.having(priced);
    }
    if let Some(brand) = wanted.brand {
        list = list.equal("brand", Value::Text(brand));
    }
    if let Some(availability) = wanted.availability {
        list = list.equal("availability", availability.to_value());
    }
    let card = |product: query::ProductView| ProductCard::from(&product);
    match wanted.q.filter(|words| !words.trim().is_empty()) {
        Some(words) => call.search(&page, list, query::words::phrases(&words), card).await,
        None => call.page(&page, list.order_by("created_at", Direction::Descending), card).await,
    }
}

impl ProductQuery {
    /// The price that a product must have, if any is asked for.
    fn priced(&self, ours: Currency) -> Option<List> {
        let bounds = [self.price_from_minor, self.price_to_minor];
        if self.currency.is_none() && bounds == [None, None] {
            return None;
        }
        let list = List::of(ProductPrice::TABLE, 1).equal("currency", self.currency.unwrap_or(ours).to_value());
        let [from, to] = bounds.map(|bound| bound.map(Value::Int));
        let list = from.into_iter().fold(list, |list, from| list.at_least("amount_minor", from));
        Some(to.into_iter().fold(list, |list, to| list.at_most("amount_minor", to)))
    }
}

pub async fn update(
    call: Call,
    Path(product_id): Path<Id>,
    Json(change): Json<ProductChange>,
) -> Result<Sent<Okay<Product>>, Failure> {
    let update = UpdateProduct {
        product_id,
        name: change.name,
        description: change.description,
        brand: change.brand.into(),
        category_ids: change.category_ids,
        attributes: change.attributes,
        media: change.media.map(media),
    };
    call.submit(update, shown).await
}

pub async fn publish(call: Call, Path(product_id): Path<Id>) -> Result<Sent<Okay<Product>>, Failure> {
    call.submit(PublishProduct { product_id }, shown).await
}

pub async fn unpublish(call: Call, Path(product_id): Path<Id>) -> Result<Sent<Okay<Product>>, Failure> {
    call.submit(UnpublishProduct { product_id }, shown).await
}

pub async fn archive(
    call: Call,
    Path(product_id): Path<Id>,
    Json(archiving): Json<Archiving>,
) -> Result<Sent<Okay<Product>>, Failure> {
    call.submit(ArchiveProduct { product_id, reason: archiving.reason }, shown).await
}

/// Of the products in a list, those that whoever asks may see. What has no status yet is in no list.
pub(super) fn visible(call: &Call, list: List, wanted: Option<ProductStatus>) -> Result<List, Failure> {
    let wanted = wanted.or((!call.is_staff()).then_some(ProductStatus::Published));
    match wanted {
        Some(status) if status != ProductStatus::Published && !call.is_staff() => {
            Err(NOT_ALLOWED.because("Only staff sees what is not published.").at("status"))
        }
        Some(status) => Ok(list.equal("status", status.to_value())),
        None => Ok(list.at_least("status", Value::Text("".into()))),
    }
}

/// Whether the caller may see a product.
pub(super) fn is_visible(call: &Call, product: &catalog::Product) -> bool {
    call.is_staff() || product.status() == ProductStatus::Published
}

fn shown(product: &Product) -> Okay<Product> {
    Okay(product.clone())
}

fn media(new: Vec<NewMedia>) -> Vec<MediaToBe> {
    let media = new.into_iter().map(|new| MediaToBe {
        media_id: new.media_id,
        url: new.url,
        sort_order: new.sort_order,
        alt_text: new.alt_text,
    });
    media.collect()
}

impl From<&query::ProductView> for ProductCard {
    fn from(product: &query::ProductView) -> Self {
        Self {
            product_id: product.product_id.clone(),
            name: Arc::clone(&product.name),
            brand: product.brand.clone(),
            status: product.status,
            category_ids: Arc::clone(&product.category_ids),
            picture: product.media.iter().min_by_key(|media| media.sort_order).cloned(),
            currency: product.currency,
            price_min_minor: product.price_min_minor,
            price_max_minor: product.price_max_minor,
            availability: product.availability,
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}

impl<T> From<Patch<T>> for commands::Patch<T> {
    fn from(patch: Patch<T>) -> Self {
        match patch {
            Patch::Keep => Self::Keep,
            Patch::Clear => Self::Clear,
            Patch::Set(value) => Self::Set(value),
        }
    }
}
