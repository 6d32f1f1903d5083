//! What is for sale: products, their variants and prices, and how a change of them is told.

use std::{collections::BTreeMap, fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Currency, Id, JSON_COLUMN_WEIGHT, TextEnum, Timestamp, column::json_columns};

/// A product with all its variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub product_id: Id,
    pub name: Arc<str>,
    pub description: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<Arc<str>>,
    pub category_ids: Arc<[Id]>,
    pub status: ProductStatus,
    pub attributes: Attributes,
    pub media: Arc<[Media]>,
    pub variants: Arc<[Variant]>,
    pub created_at: Timestamp,
}

/// One thing that can be bought: a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    pub variant_id: Id,
    pub sku: Id,
    pub status: VariantStatus,
    pub attributes: Attributes,
    pub price: Price,
}

/// What one unit costs, from a moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub price_id: Id,
    /// In minor units.
    pub amount_minor: i64,
    pub currency: Currency,
    pub effective_at: Timestamp,
}

/// A picture or film of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    pub media_id: Id,
    pub url: Arc<str>,
    /// The lowest is shown first.
    pub sort_order: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt_text: Option<Arc<str>>,
}

/// Free properties of a product or variant (`"colour": "blue"`), shared: a clone costs a counter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(Arc<BTreeMap<String, serde_json::Value>>);

/// The life of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum ProductStatus {
    #[text("draft")]
    Draft,
    #[text("published")]
    Published,
    #[text("unpublished")]
    Unpublished,
    #[text("archived")]
    Archived,
}

/// The life of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum VariantStatus {
    #[text("active")]
    Active,
    #[text("discontinued")]
    Discontinued,
}

/// A field that changed, with both its values; null where there was or is none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// A path: `attributes.organic`.
    pub field: Arc<str>,
    pub old_value: serde_json::Value,
    pub new_value: serde_json::Value,
}

/// Names the field only: the values may be about a person.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("field", &self.field).finish_non_exhaustive()
    }
}

impl Deref for Attributes {
    type Target = BTreeMap<String, serde_json::Value>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<BTreeMap<String, serde_json::Value>> for Attributes {
    fn from(attributes: BTreeMap<String, serde_json::Value>) -> Self {
        Self(Arc::new(attributes))
    }
}

impl<K: Into<String>, V: Into<serde_json::Value>> FromIterator<(K, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(attributes: I) -> Self {
        Self(Arc::new(attributes.into_iter().map(|(name, value)| (name.into(), value.into())).collect()))
    }
}

json_columns!(Attributes: |attributes| attributes.len() * JSON_COLUMN_WEIGHT);
