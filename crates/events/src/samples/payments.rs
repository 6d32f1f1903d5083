//! Samples of what payments says.

use super::{
    Sample, samples,
    values::{eur, noon_and},
};
use crate::{
    PaymentMethod, id,
    payments::{
        AccountClosed, AccountCredited, AccountDebited, AccountOpened, PaymentAuthorized, PaymentCaptureFailed,
        PaymentCaptured, PaymentFailed, PaymentRefundFailed, PaymentRefunded, PaymentRequested, PaymentSurplusReturned,
        PaymentVoided,
    },
};

samples! {
    AccountOpened { customer_id: id("user-1"), currency: eur(), balance_minor: 0 }
    AccountClosed { customer_id: id("user-1"), currency: eur(), balance_minor: 4_064 }
    AccountCredited {
        customer_id: id("user-1"),
        currency: eur(),
        amount_minor: 10_000,
        balance_minor: 10_000,
        cause: "deposit".into(),
        order_id: Some(id("order-1")),
    }
    AccountDebited {
        customer_id: id("user-1"),
        currency: eur(),
        amount_minor: 5_936,
        balance_minor: 4_064,
        cause: "capture".into(),
        order_id: Some(id("order-1")),
    }
    PaymentRequested { payment_id: id("payment-1"), order: Sample::sample(), method: PaymentMethod::Card }
    PaymentAuthorized { payment_id: id("payment-1"), order: Sample::sample(), amount_minor: 5_936 }
    PaymentFailed {
        payment_id: id("payment-1"),
        order: Sample::sample(),
        reason: "card_declined".into(),
        failed_at: noon_and(2),
    }
    PaymentCaptured {
        payment_id: id("payment-1"),
        order: Sample::sample(),
        amount_minor: 5_936,
        captured_at: noon_and(3),
    }
    PaymentCaptureFailed { payment_id: id("payment-1"), order: Sample::sample(), reason: "hold_expired".into() }
    PaymentVoided { payment_id: id("payment-1"), order: Sample::sample(), amount_minor: 5_936 }
    PaymentRefunded {
        payment_id: id("payment-1"),
        refund_id: id("refund-1"),
        order: Sample::sample(),
        amount_minor: 5_936,
        reason: "order_cancelled".into(),
    }
    PaymentRefundFailed {
        payment_id: id("payment-1"),
        refund_id: Some(id("refund-1")),
        reference: Some("charge-1".into()),
        order: Sample::sample(),
        amount_minor: 5_936,
        reason: "account_closed".into(),
    }
    PaymentSurplusReturned {
        payment_id: id("payment-1"),
        reference: "charge-2".into(),
        order: Sample::sample(),
        amount_minor: 5_936,
    }
}
