//! How much there is of a SKU at a location, and what changes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Id, TextEnum};

/// The stock of one SKU at one location, in units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockLevel {
    pub sku: Id,
    pub product_id: Id,
    pub location_id: Id,
    /// The number of this change among all changes of the SKU, at whatever location: a reader can tell old from new,
    /// also where it sums over locations.
    pub version: u64,
    pub on_hand: i64,
    /// Of `on_hand`, what is claimed.
    pub reserved: i64,
    /// `on_hand − reserved`.
    pub available: i64,
    /// The sum of `available` over all locations of the SKU.
    pub available_everywhere: i64,
}

/// Why somebody corrects a stock by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum AdjustmentType {
    /// Goods came in: the only type that counts as received.
    #[text("restock")]
    Restock,
    #[text("damage")]
    Damage,
    #[text("theft")]
    Theft,
    #[text("correction")]
    Correction,
    #[text("return")]
    Return,
    #[text("manual")]
    Manual,
}

/// What changed a stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum StockCause {
    #[text("adjusted")]
    Adjusted,
    #[text("reserved")]
    Reserved,
    #[text("committed")]
    Committed,
    #[text("released")]
    Released,
    #[text("expired")]
    Expired,
    #[text("restocked")]
    Restocked,
}

/// How low a stock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TextEnum)]
pub enum LowLevel {
    #[text("warning")]
    Warning,
    #[text("urgent")]
    Urgent,
    #[text("critical")]
    Critical,
}
