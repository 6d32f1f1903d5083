//! Events of orders: the life of one order, and how it ended.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Address, CancelledBy, Check, Currency, Event, Id, Lines, OrderSummary, PaymentMethod, Timestamp};

/// Somebody wants to buy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("order.placed", version = 1, about = order(order_id), key = order_id, party = customer_id)]
pub struct OrderPlaced {
    pub order_id: Id,
    pub customer_id: Id,
    pub currency: Currency,
    pub lines: Lines,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Arc<Address>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Arc<Address>>,
    pub payment_method: PaymentMethod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cart_id: Option<Id>,
    /// How long stock is held unpaid; absent: as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_ttl_seconds: Option<u32>,
}

/// The quoted prices are final: stock may be reserved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("order.priced", version = 1, about = order(order.order_id), key = order.order_id, party = order)]
pub struct OrderPriced {
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    /// The order is cancelled if it is not confirmed by then.
    pub deadline: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<Arc<Address>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<Arc<Address>>,
    /// How long stock is held unpaid; absent: as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_ttl_seconds: Option<u32>,
}

/// All checks have passed: the money may be held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("order.validated", version = 1, about = order(order.order_id), key = order.order_id, party = order)]
pub struct OrderValidated {
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    pub checks: Arc<[Check]>,
    pub reservation_id: Id,
    pub shipment_id: Id,
}

/// The order stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("order.confirmed", version = 1, about = order(order.order_id), key = order.order_id, party = order)]
pub struct OrderConfirmed {
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    pub reservation_id: Id,
    pub payment_id: Id,
    pub shipment_id: Id,
}

/// The shop cannot take the order; it was never confirmed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("order.rejected", version = 1, about = order(order.order_id), key = order.order_id, party = order)]
pub struct OrderRejected {
    pub order: Arc<OrderSummary>,
    pub reason: Arc<str>,
    /// The check that was lost.
    pub step: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipment_id: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<Id>,
}

/// Shipping is asked whether a confirmed order can still be stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("order.cancel_requested", version = 1, about = order(order.order_id), key = order.order_id, party = order)]
pub struct OrderCancelRequested {
    pub order: Arc<OrderSummary>,
    pub reason: Arc<str>,
    pub requested_by: CancelledBy,
}

/// The order was ended by somebody or by time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("order.cancelled", version = 1, about = order(order.order_id), key = order.order_id, party = order)]
pub struct OrderCancelled {
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    pub reason: Arc<str>,
    pub cancelled_by: CancelledBy,
    pub cancelled_at: Timestamp,
    /// What was still owed, where time ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipment_id: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<Id>,
    /// Money was held or taken; letting the hold go counts as returning it.
    pub refund_required: bool,
    /// In minor units of the order; 0 if none is required.
    pub refund_amount_minor: i64,
}

/// Money of the order went back, whole or in part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("order.refunded", version = 1, about = order(order.order_id), key = order.order_id, party = order)]
pub struct OrderRefunded {
    pub order: Arc<OrderSummary>,
    pub refund_id: Id,
    /// In minor units of the order.
    pub amount_minor: i64,
    pub reason: Arc<str>,
    /// How it went back: the payment method, or what a contract calls it.
    pub method: Arc<str>,
}

/// The order is delivered and paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("order.completed", version = 1, about = order(order.order_id), key = order.order_id, party = order)]
pub struct OrderCompleted {
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    pub payment_id: Id,
    pub shipment_id: Id,
    pub completed_at: Timestamp,
}
