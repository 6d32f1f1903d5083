//! Samples of what shipping says.

use super::{Sample, samples};
use crate::{
    id,
    shipping::{
        ShipmentAllocated, ShipmentDelivered, ShipmentDispatched, ShipmentReady, ShipmentRefused,
        ShipmentReleaseRefused, ShipmentReleased,
    },
};

samples! {
    ShipmentAllocated { shipment_id: id("shipment-1"), order: Sample::sample(), lines: Sample::sample() }
    ShipmentRefused { order: Sample::sample(), lines: Sample::sample(), reason: "no_address".into() }
    ShipmentReady { shipment_id: id("shipment-1"), order: Sample::sample() }
    ShipmentReleased {
        shipment_id: id("shipment-1"),
        order: Sample::sample(),
        lines: Sample::sample(),
        reason: "order_cancelled".into(),
    }
    ShipmentReleaseRefused {
        shipment_id: id("shipment-1"),
        order: Sample::sample(),
        reason: "already_dispatched".into(),
    }
    ShipmentDispatched {
        shipment_id: id("shipment-1"),
        order: Sample::sample(),
        lines: Sample::sample(),
        carrier: Some("post".into()),
        tracking: Some("RR123456785DE".into()),
    }
    ShipmentDelivered { shipment_id: id("shipment-1"), order: Sample::sample() }
}
