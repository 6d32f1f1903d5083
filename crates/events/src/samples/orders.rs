//! Samples of what orders says.

use super::{
    Sample, samples,
    values::{eur, noon_and},
};
use crate::{
    CancelledBy, Check, PaymentMethod, id,
    orders::{
        OrderCancelRequested, OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, OrderPriced, OrderRefunded,
        OrderRejected, OrderValidated,
    },
};

samples! {
    OrderPlaced {
        order_id: id("order-1"),
        customer_id: id("user-1"),
        currency: eur(),
        lines: Sample::sample(),
        shipping_address: Some(Sample::sample()),
        billing_address: Some(Sample::sample()),
        payment_method: PaymentMethod::Card,
        cart_id: Some(id("cart-1")),
        reservation_ttl_seconds: Some(900),
    }
    OrderPriced {
        order: Sample::sample(),
        lines: Sample::sample(),
        deadline: noon_and(30),
        shipping_address: Some(Sample::sample()),
        billing_address: Some(Sample::sample()),
        reservation_ttl_seconds: Some(900),
    }
    OrderValidated {
        order: Sample::sample(),
        lines: Sample::sample(),
        checks: [Check::sample()].into(),
        reservation_id: id("reservation-1"),
        shipment_id: id("shipment-1"),
    }
    OrderConfirmed {
        order: Sample::sample(),
        lines: Sample::sample(),
        reservation_id: id("reservation-1"),
        payment_id: id("payment-1"),
        shipment_id: id("shipment-1"),
    }
    OrderRejected {
        order: Sample::sample(),
        reason: "insufficient".into(),
        step: "reservation".into(),
        payment_id: Some(id("payment-1")),
        shipment_id: Some(id("shipment-1")),
        reservation_id: Some(id("reservation-1")),
    }
    OrderCancelRequested {
        order: Sample::sample(),
        reason: "customer_request".into(),
        requested_by: CancelledBy::Customer,
    }
    OrderCancelled {
        order: Sample::sample(),
        lines: Sample::sample(),
        reason: "deadline".into(),
        cancelled_by: CancelledBy::Deadline,
        cancelled_at: noon_and(30),
        step: Some("payment".into()),
        payment_id: Some(id("payment-1")),
        shipment_id: Some(id("shipment-1")),
        reservation_id: Some(id("reservation-1")),
        refund_required: true,
        refund_amount_minor: 5_936,
    }
    OrderRefunded {
        order: Sample::sample(),
        refund_id: id("refund-1"),
        amount_minor: 5_936,
        reason: "order_cancelled".into(),
        method: "card".into(),
    }
    OrderCompleted {
        order: Sample::sample(),
        lines: Sample::sample(),
        payment_id: id("payment-1"),
        shipment_id: id("shipment-1"),
        completed_at: noon_and(2_880),
    }
}
