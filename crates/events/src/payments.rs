//! Events of payments: prepaid accounts, and the one payment of each order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Currency, Event, Id, OrderSummary, PaymentMethod, Timestamp};

/// A customer has an account in a currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("account.opened", version = 1, about = account(customer_id, currency), key = customer_id)]
pub struct AccountOpened {
    pub customer_id: Id,
    pub currency: Currency,
    /// In minor units.
    pub balance_minor: i64,
}

/// The account takes and gives nothing any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("account.closed", version = 1, about = account(customer_id, currency), key = customer_id)]
pub struct AccountClosed {
    pub customer_id: Id,
    pub currency: Currency,
    /// What was left when it closed, in minor units.
    pub balance_minor: i64,
}

/// Money came into the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("account.credited", version = 1, about = account(customer_id, currency), key = customer_id)]
pub struct AccountCredited {
    pub customer_id: Id,
    pub currency: Currency,
    /// Positive, in minor units.
    pub amount_minor: i64,
    /// After it, in minor units.
    pub balance_minor: i64,
    pub cause: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<Id>,
}

/// Money left the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("account.debited", version = 1, about = account(customer_id, currency), key = customer_id)]
pub struct AccountDebited {
    pub customer_id: Id,
    pub currency: Currency,
    /// Positive, in minor units.
    pub amount_minor: i64,
    /// After it, in minor units.
    pub balance_minor: i64,
    pub cause: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<Id>,
}

/// Somebody outside is asked for the money; the order waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("payment.requested", version = 1, about = payment(order.order_id), key = order.order_id, party = order)]
pub struct PaymentRequested {
    pub payment_id: Id,
    pub order: Arc<OrderSummary>,
    pub method: PaymentMethod,
}

/// The money is held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("payment.authorized", version = 1, about = payment(order.order_id), key = order.order_id, party = order)]
pub struct PaymentAuthorized {
    pub payment_id: Id,
    pub order: Arc<OrderSummary>,
    /// In minor units of the order.
    pub amount_minor: i64,
}

/// The money could not be held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("payment.failed", version = 1, about = payment(order.order_id), key = order.order_id, party = order)]
pub struct PaymentFailed {
    pub payment_id: Id,
    pub order: Arc<OrderSummary>,
    pub reason: Arc<str>,
    pub failed_at: Timestamp,
}

/// The held money is taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("payment.captured", version = 1, about = payment(order.order_id), key = order.order_id, party = order)]
pub struct PaymentCaptured {
    pub payment_id: Id,
    pub order: Arc<OrderSummary>,
    /// In minor units of the order.
    pub amount_minor: i64,
    pub captured_at: Timestamp,
}

/// The held money cannot be taken, for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("payment.capture_failed", version = 1, about = payment(order.order_id), key = order.order_id, party = order)]
pub struct PaymentCaptureFailed {
    pub payment_id: Id,
    pub order: Arc<OrderSummary>,
    pub reason: Arc<str>,
}

/// The hold is let go: the customer is not charged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("payment.voided", version = 1, about = payment(order.order_id), key = order.order_id, party = order)]
pub struct PaymentVoided {
    pub payment_id: Id,
    pub order: Arc<OrderSummary>,
    /// In minor units of the order; 0 if nothing was held.
    pub amount_minor: i64,
}

/// Taken money went back, whole or in part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("payment.refunded", version = 1, about = payment(order.order_id), key = order.order_id, party = order)]
pub struct PaymentRefunded {
    pub payment_id: Id,
    pub refund_id: Id,
    pub order: Arc<OrderSummary>,
    /// In minor units of the order.
    pub amount_minor: i64,
    pub reason: Arc<str>,
}

/// Money that must go back cannot, for good: it is owed until an operator settles it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("payment.refund_failed", version = 1, about = payment(order.order_id), key = order.order_id, party = order)]
pub struct PaymentRefundFailed {
    pub payment_id: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<Id>,
    /// The provider's, where what must go back is surplus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Arc<str>>,
    pub order: Arc<OrderSummary>,
    /// In minor units of the order.
    pub amount_minor: i64,
    pub reason: Arc<str>,
}

/// Money that came for no reason went back; it never was part of the payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("payment.surplus_returned", version = 1, about = payment(order.order_id), key = order.order_id, party = order)]
pub struct PaymentSurplusReturned {
    pub payment_id: Id,
    /// The provider's.
    pub reference: Arc<str>,
    pub order: Arc<OrderSummary>,
    /// In minor units of the order.
    pub amount_minor: i64,
}
