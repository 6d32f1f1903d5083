//! What is for sale: products, their variants and prices, and how a change of them is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Deref,
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};

use crate::{
    Currency, FreeJson, Id, JSON_COLUMN_WEIGHT, TextEnum, Timestamp, column::json_columns, free_json::once_each,
};

/// A product with all its variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Variant {
    pub variant_id: Id,
    pub sku: Id,
    pub status: VariantStatus,
    pub attributes: Attributes,
    pub price: Price,
}

/// What one unit costs, from a moment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Price {
    pub price_id: Id,
    /// In minor units.
    pub amount_minor: i64,
    pub currency: Currency,
    pub effective_at: Timestamp,
}

/// A price that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduledPrice {
    pub price: Price,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
}

/// A picture or film of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Media {
    pub media_id: Id,
    pub url: Arc<str>,
    /// The lowest is shown first.
    pub sort_order: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt_text: Option<Arc<str>>,
}

/// Free properties of a product or variant (`"colour": "blue"`), shared: a clone costs a counter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Attributes(Arc<BTreeMap<String, FreeJson>>);

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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// A path: `attributes.organic`.
    pub field: Arc<str>,
    pub old_value: FreeJson,
    pub new_value: FreeJson,
}

impl Change {
    /// What changed of a field; `None` when nothing did.
    ///
    /// # Panics
    /// When JSON cannot hold a value.
    pub fn of<T: Serialize + PartialEq + ?Sized>(field: &str, old: &T, new: &T) -> Option<Self> {
        let value = |side: &T| FreeJson::of(side).expect("a wire type is JSON, and what is free in it was checked");
        (old != new).then(|| Self { field: field.into(), old_value: value(old), new_value: value(new) })
    }
}

/// Names the field only: the values may be about a person.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("field", &self.field).finish_non_exhaustive()
    }
}

impl Attributes {
    /// What changed from these to `new`, one change an attribute: `attributes.colour`.
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let names: BTreeSet<&String> = self.keys().chain(new.keys()).collect();
        let change = |name: &String| Change::of(&format!("attributes.{name}"), &self.get(name), &new.get(name));
        names.into_iter().filter_map(change).collect()
    }
}

impl Deref for Attributes {
    type Target = BTreeMap<String, FreeJson>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<BTreeMap<String, FreeJson>> for Attributes {
    fn from(attributes: BTreeMap<String, FreeJson>) -> Self {
        Self(Arc::new(attributes))
    }
}

/// Refuses an attribute that stands twice.
impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Attributes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Attributes, A::Error> {
                once_each(map).map(|attributes| Attributes(Arc::new(attributes)))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// For values that are made in code.
///
/// # Panics
///
/// When a value is nested deeper than [`crate::FREE_JSON_DEPTH_MAX`].
impl<K: Into<String>, V: Into<serde_json::Value>> FromIterator<(K, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(attributes: I) -> Self {
        let free = |value: V| FreeJson::of(&value.into()).expect("a value that is made in code is not that deep");
        Self(Arc::new(attributes.into_iter().map(|(name, value)| (name.into(), free(value))).collect()))
    }
}

json_columns!(Attributes: |attributes| attributes.len() * JSON_COLUMN_WEIGHT);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_both_values_and_null_where_there_is_none() {
        let old: Attributes = [("colour", "blue"), ("size", "M")].into_iter().collect();
        let new: Attributes = [("organic", "yes"), ("size", "M")].into_iter().collect();
        let told = serde_json::to_value(old.changes(&new)).unwrap();
        let expected = serde_json::json!([
            {"field": "attributes.colour", "old_value": "blue", "new_value": null},
            {"field": "attributes.organic", "old_value": null, "new_value": "yes"},
        ]);
        assert_eq!(told, expected);
        assert_eq!(Change::of("name", "Tea", "Tea"), None);
    }
}
