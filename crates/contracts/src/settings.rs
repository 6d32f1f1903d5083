//! What a contract never says, named in the settings of the bridge.

use std::collections::BTreeMap;

use serde_json::Value;

/// The settings of one bridge: those that are named, else the defaults of the pack.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings(BTreeMap<String, Value>);

impl Settings {
    pub(crate) fn new(values: BTreeMap<String, Value>) -> Self {
        Self(values)
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Prices are in minor units, the default.
    pub(crate) fn price_is_minor(&self) -> bool {
        self.get("price_unit").and_then(Value::as_str) != Some("major")
    }

    /// The wire's id of goods is that of the product, not of the SKU.
    pub(crate) fn item_is_product(&self) -> bool {
        self.get("item_key").and_then(Value::as_str) == Some("product")
    }
}
