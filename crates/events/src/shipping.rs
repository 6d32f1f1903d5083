//! Events of shipping: the one shipment of each order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Event, Id, Lines, OrderSummary};

/// The order can be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("shipment.allocated", version = 1, about = shipment(order.order_id), key = order.order_id, party = order)]
pub struct ShipmentAllocated {
    pub shipment_id: Id,
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
}

/// The order cannot be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("shipment.refused", version = 1, about = shipment(order.order_id), key = order.order_id, party = order)]
pub struct ShipmentRefused {
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    pub reason: Arc<str>,
}

/// The order is paid: the goods may leave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("shipment.ready", version = 1, about = shipment(order.order_id), key = order.order_id, party = order)]
pub struct ShipmentReady {
    pub shipment_id: Id,
    pub order: Arc<OrderSummary>,
}

/// The goods stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("shipment.released", version = 1, about = shipment(order.order_id), key = order.order_id, party = order)]
pub struct ShipmentReleased {
    pub shipment_id: Id,
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    pub reason: Arc<str>,
}

/// The goods have left: it is too late to cancel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("shipment.release_refused", version = 1, about = shipment(order.order_id), key = order.order_id, party = order)]
pub struct ShipmentReleaseRefused {
    pub shipment_id: Id,
    pub order: Arc<OrderSummary>,
    pub reason: Arc<str>,
}

/// The goods are on their way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("shipment.dispatched", version = 1, about = shipment(order.order_id), key = order.order_id, party = order)]
pub struct ShipmentDispatched {
    pub shipment_id: Id,
    pub order: Arc<OrderSummary>,
    pub lines: Lines,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Arc<str>>,
}

/// The goods have arrived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("shipment.delivered", version = 1, about = shipment(order.order_id), key = order.order_id, party = order)]
pub struct ShipmentDelivered {
    pub shipment_id: Id,
    pub order: Arc<OrderSummary>,
}
