//! How an order looks to those who may see it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use tradewind_events::{Address, CancelledBy, Currency, Id, Lines, PaymentMethod, TextEnum, Timestamp};
use tradewind_orders::{Order, owed_step};
use tradewind_query::{OrderStatus, OrderView, PaymentState, RefundView, ReservationState, ShipmentState};

use crate::http::PageOf;

/// One order with all that was done for it. Amounts are in minor units of `currency`, and absent until it is quoted.
#[derive(Serialize, JsonSchema)]
pub struct OrderDetails {
    order_id: Id,
    customer_id: Id,
    status: OrderStatus,
    /// Nothing is in flight for it any more: it is completed, or it ended and nothing is held for it.
    settled: bool,
    currency: Currency,
    #[serde(flatten)]
    amounts: Amounts,
    payment_method: PaymentMethod,
    #[serde(skip_serializing_if = "Option::is_none")]
    cart_id: Option<Id>,
    lines: Lines,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_address: Option<Arc<Address>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing_address: Option<Arc<Address>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation: Option<ReservationPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipment: Option<ShipmentPart>,
    /// Money that went back, whole or in parts.
    refunds: Vec<RefundPart>,
    /// There are more refunds: the cursor for `/v1/orders/{order_id}/refunds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refunds_cursor: Option<String>,
    #[serde(flatten)]
    times: Times,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Arc<str>>,
    /// The check that was lost, or what was still owed when its time was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_by: Option<CancelledBy>,
}

/// One of many orders.
#[derive(Serialize, JsonSchema)]
pub struct OrderItem {
    order_id: Id,
    /// Absent while nobody has said it who was heard here.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<OrderStatus>,
    settled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<Currency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_method: Option<PaymentMethod>,
    /// How many lines it has.
    line_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    placed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Arc<str>>,
}

/// `total = items − discount + shipping + tax`.
#[expect(clippy::struct_field_names, reason = "names of the API, which say their unit")]
#[derive(Serialize, JsonSchema)]
struct Amounts {
    #[serde(skip_serializing_if = "Option::is_none")]
    items_total_minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount_minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_minor: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
struct ReservationPart {
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation_id: Option<Id>,
    state: ReservationState,
}

#[derive(Serialize, JsonSchema)]
struct PaymentPart {
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<Id>,
    state: PaymentState,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorized_minor: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    captured_minor: Option<i64>,
    refunded_minor: i64,
}

#[derive(Serialize, JsonSchema)]
struct ShipmentPart {
    #[serde(skip_serializing_if = "Option::is_none")]
    shipment_id: Option<Id>,
    state: ShipmentState,
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking: Option<Arc<str>>,
}

/// Money of an order that went back.
#[derive(Serialize, JsonSchema)]
pub struct RefundPart {
    refund_id: Id,
    amount_minor: i64,
    currency: Currency,
    reason: Arc<str>,
    refunded_at: Timestamp,
}

/// When it came how far.
#[expect(clippy::struct_field_names, reason = "names of the API, as entities have them")]
#[derive(Serialize, JsonSchema, Default)]
struct Times {
    #[serde(skip_serializing_if = "Option::is_none")]
    placed_at: Option<Timestamp>,
    /// It is cancelled if it is not confirmed by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priced_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatched_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    /// When it was rejected or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refunded_at: Option<Timestamp>,
}

impl OrderDetails {
    /// As the read model has it; `None` while it does not know that it was placed.
    pub fn of_view(view: OrderView) -> Option<Self> {
        let (customer_id, status) = (view.customer_id.clone()?, view.status?);
        let (currency, payment_method) = (view.currency?, view.payment_method?);
        let times = Times {
            placed_at: view.placed_at,
            deadline_at: view.deadline,
            priced_at: view.priced_at,
            validated_at: view.validated_at,
            paid_at: view.paid_at,
            confirmed_at: view.confirmed_at,
            dispatched_at: view.dispatched_at,
            delivered_at: view.delivered_at,
            completed_at: view.completed_at,
            ended_at: view.ended_at,
            refunded_at: view.refunded_at,
        };
        Some(Self {
            order_id: view.order_id,
            customer_id,
            status,
            settled: view.settled,
            currency,
            amounts: Amounts {
                items_total_minor: view.items_total_minor,
                discount_minor: view.discount_minor,
                shipping_minor: view.shipping_minor,
                tax_minor: view.tax_minor,
                total_minor: view.total_minor,
            },
            payment_method,
            cart_id: view.cart_id,
            lines: view.lines,
            shipping_address: None,
            billing_address: None,
            reservation: view
                .reservation_state
                .map(|state| ReservationPart { reservation_id: view.reservation_id, state }),
            payment: view.payment_state.map(|state| PaymentPart {
                payment_id: view.payment_id,
                state,
                authorized_minor: view.authorized_minor,
                captured_minor: view.captured_minor,
                refunded_minor: view.refunded_minor,
            }),
            shipment: view.shipment_state.map(|state| ShipmentPart {
                shipment_id: view.shipment_id,
                state,
                carrier: view.carrier,
                tracking: view.tracking,
            }),
            refunds: Vec::new(),
            refunds_cursor: None,
            times,
            reason: view.reason,
            step: view.owed_step,
            cancelled_by: view.cancelled_by,
        })
    }

    /// As orders itself has it: what the others did for it is known where they are. `None` for what was not placed.
    pub fn of_order(order: &Order) -> Option<Self> {
        let (summary, ended) = (order.summary(), order.state().has_ended());
        let reason = order.lost_reason().or(order.cancel_reason());
        Some(Self {
            order_id: order.order_id().clone(),
            customer_id: summary.customer_id.clone(),
            status: order.state().as_str().parse().ok()?,
            settled: order.state().is_final() && owed_step(order).is_none(),
            currency: summary.currency,
            amounts: Amounts {
                items_total_minor: summary.items_total_minor,
                discount_minor: summary.discount_minor,
                shipping_minor: summary.shipping_minor,
                tax_minor: summary.tax_minor,
                total_minor: summary.total_minor,
            },
            payment_method: summary.payment_method,
            cart_id: summary.cart_id.clone(),
            lines: order.lines().clone(),
            shipping_address: None,
            billing_address: None,
            reservation: None,
            payment: None,
            shipment: None,
            refunds: Vec::new(),
            refunds_cursor: None,
            times: Times {
                placed_at: Some(order.placed_at()),
                deadline_at: Some(order.deadline_at()),
                ended_at: order.final_at().filter(|_| ended),
                ..Times::default()
            },
            reason: reason.filter(|_| ended).cloned(),
            step: order.lost().filter(|_| ended).map(|lost| lost.step().as_str().into()),
            cancelled_by: order.cancel_by().filter(|_| ended),
        })
    }

    pub fn customer_id(&self) -> &Id {
        &self.customer_id
    }

    pub fn add_refunds(&mut self, refunds: PageOf<RefundPart>) {
        (self.refunds, self.refunds_cursor) = (refunds.items, refunds.next_cursor);
    }

    /// The read model holds nothing personal.
    pub fn add_addresses(&mut self, order: &Order) {
        self.shipping_address = order.shipping_address().cloned();
        self.billing_address = order.billing_address().cloned();
    }
}

impl RefundPart {
    pub fn of(refund: RefundView) -> Self {
        let RefundView { refund_id, amount_minor, currency, reason, refunded_at, .. } = refund;
        Self { refund_id, amount_minor, currency, reason, refunded_at }
    }
}

impl OrderItem {
    pub fn of(view: OrderView) -> Self {
        Self {
            order_id: view.order_id,
            customer_id: view.customer_id,
            status: view.status,
            settled: view.settled,
            currency: view.currency,
            total_minor: view.total_minor,
            payment_method: view.payment_method,
            line_count: view.lines.len(),
            placed_at: view.placed_at,
            ended_at: view.ended_at,
            reason: view.reason,
        }
    }
}
