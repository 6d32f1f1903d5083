//! Samples of what inventory says.

use super::{Sample, samples, values::noon_and};
use crate::{
    AdjustmentType, LowLevel, StockCause, id,
    inventory::{
        Insufficient, ReservationCommitRefused, ReservationCommitted, ReservationExpired, ReservationMade,
        ReservationRefusal, ReservationRefused, ReservationReleased, ReservationRestocked, StockAdjusted, StockChanged,
        StockCreated, StockDepleted, StockLow, StockReplenished,
    },
};

samples! {
    StockCreated { stock: Sample::sample() }
    StockAdjusted {
        stock: Sample::sample(),
        delta: -5,
        adjustment_type: AdjustmentType::Damage,
        reason: Some("5 units damaged during inspection".into()),
        reference: Some("ADJ-2026-001".into()),
        actor: Some("user-9".into()),
    }
    StockChanged {
        stock: Sample::sample(),
        delta: -2,
        cause: StockCause::Committed,
        adjustment_type: Some(AdjustmentType::Restock),
        source: Some("purchase_order_received".into()),
        order_id: Some(id("order-1")),
        reservation_id: Some(id("reservation-1")),
    }
    StockLow { stock: Sample::sample(), threshold: 10, level: LowLevel::Warning }
    StockDepleted { stock: Sample::sample() }
    StockReplenished { stock: Sample::sample() }
    ReservationMade {
        reservation_id: id("reservation-1"),
        order: Sample::sample(),
        lines: Sample::sample(),
        expires_at: noon_and(15),
    }
    ReservationRefused {
        order: Sample::sample(),
        reason: ReservationRefusal::Insufficient,
        insufficient: [Insufficient {
            sku: id("SKU-1"),
            product_id: id("product-1"),
            requested: Some(2),
            available: Some(1),
        }].into(),
    }
    ReservationCommitted { reservation_id: id("reservation-1"), order: Sample::sample(), lines: Sample::sample() }
    ReservationCommitRefused {
        reservation_id: Some(id("reservation-1")),
        order: Sample::sample(),
        reason: "expired".into(),
    }
    ReservationReleased {
        reservation_id: id("reservation-1"),
        order: Sample::sample(),
        lines: Sample::sample(),
        reason: "order_cancelled".into(),
    }
    ReservationExpired {
        reservation_id: id("reservation-1"),
        order: Sample::sample(),
        lines: Sample::sample(),
        expires_at: noon_and(15),
    }
    ReservationRestocked {
        reservation_id: id("reservation-1"),
        order: Sample::sample(),
        lines: Sample::sample(),
        reason: "order_cancelled".into(),
    }
}
