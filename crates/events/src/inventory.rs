//! Events of inventory: stock, keyed by SKU, and reservations, keyed by order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AdjustmentType, Event, Id, Lines, LowLevel, OrderSummary, StockCause, StockLevel, TextEnum, Timestamp};

/// A SKU has a row at a location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("stock.created", version = 1, about = stock(stock.sku, stock.location_id), key = stock.sku)]
pub struct StockCreated {
    pub stock: StockLevel,
}

/// Somebody counted again, received or wrote off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("stock.adjusted", version = 1, about = stock(stock.sku, stock.location_id), key = stock.sku)]
pub struct StockAdjusted {
    pub stock: StockLevel,
    /// Of `on_hand`, in units.
    pub delta: i64,
    pub adjustment_type: AdjustmentType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    /// Of a paper outside: a delivery note, a count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Arc<str>>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Arc<str>>,
}

/// The stock after any change, whatever caused it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("stock.changed", version = 1, about = stock(stock.sku, stock.location_id), key = stock.sku)]
pub struct StockChanged {
    pub stock: StockLevel,
    /// Of `on_hand`, in units: 0 for reserved, released and expired.
    pub delta: i64,
    pub cause: StockCause,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjustment_type: Option<AdjustmentType>,
    /// What happened outside: `purchase_order_received`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<Id>,
}

/// The stock fell to a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("stock.low", version = 1, about = stock(stock.sku, stock.location_id), key = stock.sku)]
pub struct StockLow {
    pub stock: StockLevel,
    /// In units.
    pub threshold: i64,
    pub level: LowLevel,
}

/// Nothing is available here any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("stock.depleted", version = 1, about = stock(stock.sku, stock.location_id), key = stock.sku)]
pub struct StockDepleted {
    pub stock: StockLevel,
}

/// Something is available here again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("stock.replenished", version = 1, about = stock(stock.sku, stock.location_id), key = stock.sku)]
pub struct StockReplenished {
    pub stock: StockLevel,
}

/// All lines of an order are claimed; each says from where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("reservation.made", version = 1, about = reservation(order.order_id), key = order.order_id, party = order)]
pub struct ReservationMade {
    pub reservation_id: Id,
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    pub expires_at: Timestamp,
}

/// Nothing of an order is claimed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("reservation.refused", version = 1, about = reservation(order.order_id), key = order.order_id, party = order)]
pub struct ReservationRefused {
    pub order: Arc<OrderSummary>,
    pub reason: ReservationRefusal,
    pub insufficient: Arc<[Insufficient]>,
}

/// What was claimed is sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("reservation.committed", version = 1, about = reservation(order.order_id), key = order.order_id, party = order)]
pub struct ReservationCommitted {
    pub reservation_id: Id,
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
}

/// The money came, but the claim is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(
    "reservation.commit_refused",
    version = 1,
    about = reservation(order.order_id),
    key = order.order_id,
    party = order
)]
pub struct ReservationCommitRefused {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<Id>,
    pub order: Arc<OrderSummary>,
    pub reason: Arc<str>,
}

/// What was claimed is free again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("reservation.released", version = 1, about = reservation(order.order_id), key = order.order_id, party = order)]
pub struct ReservationReleased {
    pub reservation_id: Id,
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    pub reason: Arc<str>,
}

/// What was claimed is free again, because the money did not come in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("reservation.expired", version = 1, about = reservation(order.order_id), key = order.order_id, party = order)]
pub struct ReservationExpired {
    pub reservation_id: Id,
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    pub expires_at: Timestamp,
}

/// What was sold is back on the shelf.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("reservation.restocked", version = 1, about = reservation(order.order_id), key = order.order_id, party = order)]
pub struct ReservationRestocked {
    pub reservation_id: Id,
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    pub reason: Arc<str>,
}

/// Why a reservation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum ReservationRefusal {
    /// A SKU is unknown here or not to be reserved any more.
    #[text("invalid_items")]
    InvalidItems,
    /// There is too little.
    #[text("insufficient")]
    Insufficient,
    /// There is enough, but at more locations than serve one order.
    #[text("too_many_locations")]
    TooManyLocations,
}

/// A SKU of which there is too little, in units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insufficient {
    pub sku: Id,
    pub product_id: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<u32>,
    /// What one order can get, from as many locations as may serve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<i64>,
}
