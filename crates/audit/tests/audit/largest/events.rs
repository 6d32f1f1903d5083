//! The largest value of every event.

use std::sync::Arc;

use tradewind_catalog as catalog;
use tradewind_events::{
    AnyEvent, Change, LINES_MAX, Personal, ScheduledPrice, carts::*, catalog::*, identity::*, inventory::*,
    notifications::*, orders::*, payments::*, samples::Sample, shipping::*,
};
use tradewind_identity::model::{AVATAR_URL_BYTES_MAX, EMAIL_BYTES_MAX, NAME_CHARS_MAX, USERNAME_CHARS_MAX};
use tradewind_inventory as inventory;
use tradewind_orders as orders;
use tradewind_payments::model as payments;
use tradewind_shipping as shipping;

use super::{
    AMOUNT, Largest, category_ids, chars, eur, largest, late, lines, long_id, long_subject, name, pieces, plain_bytes,
    plain_chars, product_changes, word,
};

/// `Event { field: value, … }` for many events, and a list of them.
macro_rules! all {
    ($($event:ident { $($fields:tt)* })+) => {
        $(impl Largest for $event {
            fn largest() -> Self {
                Self { $($fields)* }
            }
        })+

        pub fn all() -> Vec<Arc<dyn AnyEvent>> {
            vec![$(Arc::new($event::largest()),)+]
        }
    };
}

fn email() -> Personal<String> {
    "\"".repeat(EMAIL_BYTES_MAX).into()
}

fn avatar() -> Personal<String> {
    "\"".repeat(AVATAR_URL_BYTES_MAX).into()
}

/// Everything of a profile changes at once, from something of the same length.
fn profile_changes() -> Personal<Arc<[Change]>> {
    let change = |field: &str, longest: Personal<String>| {
        let other = format!("{}x", longest.expose());
        Change::of(field, longest.expose(), &other).expect("both sides differ")
    };
    Personal::new(Arc::new([
        change("username", plain_chars(USERNAME_CHARS_MAX)),
        change("first_name", plain_chars(NAME_CHARS_MAX)),
        change("last_name", plain_chars(NAME_CHARS_MAX)),
        change("avatar_url", avatar()),
        change("role", word().to_string().into()),
    ]))
}

/// All scheduled prices of a variant are replaced. In truth one comes or goes at a time.
fn variant_changes() -> Arc<[Change]> {
    let price = |reason: &str| ScheduledPrice { price: largest(), reason: Some(reason.into()) };
    let reason = plain_bytes(catalog::REASON_BYTES_MAX);
    let before = vec![price(&reason); catalog::SCHEDULED_PRICES_MAX];
    let after = vec![price(&reason.replace('"', "\\")); catalog::SCHEDULED_PRICES_MAX];
    let (old, new) = (super::attributes('v'), super::attributes('w'));
    Change::of("scheduled_prices", &before, &after).into_iter().chain(old.changes(&new)).collect()
}

/// What somebody outside wrote about money.
fn payment_text() -> Arc<str> {
    chars(payments::TEXT_CHARS_MAX)
}

/// Why an order ended: what people wrote, or what a payment failed of.
fn end_reason() -> Arc<str> {
    chars(orders::CANCEL_REASON_CHARS_MAX.max(payments::TEXT_CHARS_MAX))
}

fn stock_text() -> Arc<str> {
    chars(inventory::TEXT_CHARS_MAX)
}

fn shipping_text() -> Arc<str> {
    chars(shipping::TEXT_CHARS_MAX)
}

all! {
    UserRegistered {
        user_id: long_id(),
        email: email(),
        username: Some(plain_chars(USERNAME_CHARS_MAX)),
        first_name: Some(plain_chars(NAME_CHARS_MAX)),
        last_name: Some(plain_chars(NAME_CHARS_MAX)),
        email_verified: false,
    }
    UserSignedIn { user_id: long_id(), session_id: long_id() }
    UserSignedOut { user_id: long_id(), session_id: long_id() }
    ServiceClientRevoked { client_id: long_id() }
    UserEmailVerified { user_id: long_id(), email: email() }
    UserProfileUpdated {
        user_id: long_id(),
        username: Some(plain_chars(USERNAME_CHARS_MAX)),
        email: email(),
        first_name: Some(plain_chars(NAME_CHARS_MAX)),
        last_name: Some(plain_chars(NAME_CHARS_MAX)),
        avatar_url: Some(avatar()),
        changes: profile_changes(),
    }
    UserEmailChanged { user_id: long_id(), email: email(), previous_email: email() }
    UserDeleted { user_id: long_id(), email: email() }
    // Keys are all alike: no person writes any of it.
    SigningKeyPublished { kid: long_id(), public_jwk: SigningKeyPublished::sample().public_jwk }
    SigningKeyRetired { kid: long_id(), public_jwk: SigningKeyRetired::sample().public_jwk }

    ProductCreated { product: largest() }
    ProductUpdated { product: largest(), changes: product_changes() }
    ProductPublished { product: largest() }
    ProductUnpublished { product: largest() }
    ProductArchived {
        product_id: long_id(),
        name: plain_bytes(catalog::NAME_BYTES_MAX),
        reason: plain_bytes(catalog::REASON_BYTES_MAX),
    }
    VariantCreated { product_id: long_id(), variant: largest() }
    VariantUpdated { product_id: long_id(), variant: largest(), changes: variant_changes() }
    VariantDiscontinued { product_id: long_id(), variant_id: long_id(), sku: long_id() }
    PriceChanged {
        product_id: long_id(),
        name: plain_bytes(catalog::NAME_BYTES_MAX),
        category_ids: category_ids(),
        variant_id: long_id(),
        sku: long_id(),
        old_price: Some(largest()),
        new_price: largest(),
        reason: Some(plain_bytes(catalog::REASON_BYTES_MAX)),
    }
    ProductOutOfStock {
        product_id: long_id(),
        sku: long_id(),
        location_id: long_id(),
        available_everywhere: AMOUNT,
    }
    ProductBackInStock {
        product_id: long_id(),
        sku: long_id(),
        location_id: long_id(),
        available_everywhere: AMOUNT,
    }
    QuoteIssued { order: largest(), lines: lines() }
    QuoteRefused {
        order: largest(),
        unavailable: std::iter::repeat_with(|| Unavailable {
            product_id: long_id(),
            sku: long_id(),
            reason: Some(word()),
        }).take(LINES_MAX).collect(),
        changed: std::iter::repeat_with(|| ChangedPrice {
            product_id: long_id(),
            sku: long_id(),
            expected_minor: AMOUNT,
            unit_price_minor: AMOUNT,
        }).take(LINES_MAX).collect(),
    }
    CategoryCreated {
        category_id: long_id(),
        name: plain_bytes(catalog::NAME_BYTES_MAX),
        parent_id: Some(long_id()),
    }
    CategoryUpdated {
        category_id: long_id(),
        name: plain_bytes(catalog::NAME_BYTES_MAX),
        parent_id: Some(long_id()),
    }
    CategoryDeleted {
        category_id: long_id(),
        name: plain_bytes(catalog::NAME_BYTES_MAX),
        parent_id: Some(long_id()),
    }

    StockCreated { stock: largest() }
    StockAdjusted {
        stock: largest(),
        delta: AMOUNT,
        adjustment_type: name(),
        reason: Some(stock_text()),
        reference: Some(stock_text()),
        actor: Some(stock_text()),
    }
    StockChanged {
        stock: largest(),
        delta: AMOUNT,
        cause: name(),
        adjustment_type: Some(name()),
        source: Some(stock_text()),
        order_id: Some(long_id()),
        reservation_id: Some(long_id()),
    }
    StockLow { stock: largest(), threshold: AMOUNT, level: name() }
    StockDepleted { stock: largest() }
    StockReplenished { stock: largest() }
    ReservationMade { reservation_id: long_id(), order: largest(), lines: pieces(), expires_at: late() }
    ReservationRefused {
        order: largest(),
        reason: name(),
        insufficient: std::iter::repeat_with(|| Insufficient {
            sku: long_id(),
            product_id: long_id(),
            requested: Some(u32::MAX),
            available: Some(AMOUNT),
        }).take(LINES_MAX).collect(),
    }
    ReservationCommitted { reservation_id: long_id(), order: largest(), lines: pieces() }
    ReservationCommitRefused { reservation_id: Some(long_id()), order: largest(), reason: end_reason() }
    ReservationReleased { reservation_id: long_id(), order: largest(), lines: pieces(), reason: end_reason() }
    ReservationExpired { reservation_id: long_id(), order: largest(), lines: pieces(), expires_at: late() }
    ReservationRestocked { reservation_id: long_id(), order: largest(), lines: pieces(), reason: end_reason() }

    CartCheckedOut { cart_id: long_id(), order_id: long_id(), customer_id: long_id() }
    CartDeleted { cart_id: long_id() }
    CartExpired { cart_id: long_id() }

    OrderPlaced {
        order_id: long_id(),
        customer_id: long_id(),
        currency: eur(),
        lines: lines(),
        shipping_address: largest(),
        billing_address: largest(),
        payment_method: name(),
        cart_id: Some(long_id()),
        reservation_ttl_seconds: Some(u32::MAX),
    }
    OrderPriced {
        order: largest(),
        lines: lines(),
        deadline: late(),
        shipping_address: largest(),
        billing_address: largest(),
        reservation_ttl_seconds: Some(u32::MAX),
    }
    // Orders notes the lines of the reservation, in pieces, once they are held.
    OrderValidated {
        order: largest(),
        lines: pieces(),
        checks: [largest(), largest(), largest()].into(),
        reservation_id: long_id(),
        shipment_id: long_id(),
    }
    OrderConfirmed {
        order: largest(),
        lines: pieces(),
        reservation_id: long_id(),
        payment_id: long_id(),
        shipment_id: long_id(),
    }
    OrderRejected {
        order: largest(),
        reason: end_reason(),
        step: word(),
        payment_id: Some(long_id()),
        shipment_id: Some(long_id()),
        reservation_id: Some(long_id()),
    }
    OrderCancelRequested { order: largest(), reason: end_reason(), requested_by: name() }
    OrderCancelled {
        order: largest(),
        lines: pieces(),
        reason: end_reason(),
        cancelled_by: name(),
        cancelled_at: late(),
        step: Some(word()),
        payment_id: Some(long_id()),
        shipment_id: Some(long_id()),
        reservation_id: Some(long_id()),
        refund_required: false,
        refund_amount_minor: AMOUNT,
    }
    OrderRefunded {
        order: largest(),
        refund_id: long_id(),
        amount_minor: AMOUNT,
        reason: end_reason(),
        method: payment_text(),
    }
    OrderCompleted {
        order: largest(),
        lines: pieces(),
        payment_id: long_id(),
        shipment_id: long_id(),
        completed_at: late(),
    }

    AccountOpened { customer_id: long_id(), currency: eur(), balance_minor: AMOUNT }
    AccountClosed { customer_id: long_id(), currency: eur(), balance_minor: AMOUNT }
    AccountCredited {
        customer_id: long_id(),
        currency: eur(),
        amount_minor: AMOUNT,
        balance_minor: AMOUNT,
        cause: payment_text(),
        order_id: Some(long_id()),
    }
    AccountDebited {
        customer_id: long_id(),
        currency: eur(),
        amount_minor: AMOUNT,
        balance_minor: AMOUNT,
        cause: payment_text(),
        order_id: Some(long_id()),
    }
    PaymentRequested { payment_id: long_id(), order: largest(), method: name() }
    PaymentAuthorized { payment_id: long_id(), order: largest(), amount_minor: AMOUNT }
    PaymentFailed { payment_id: long_id(), order: largest(), reason: payment_text(), failed_at: late() }
    PaymentCaptured { payment_id: long_id(), order: largest(), amount_minor: AMOUNT, captured_at: late() }
    PaymentCaptureFailed { payment_id: long_id(), order: largest(), reason: payment_text() }
    PaymentVoided { payment_id: long_id(), order: largest(), amount_minor: AMOUNT }
    PaymentRefunded {
        payment_id: long_id(),
        refund_id: long_id(),
        order: largest(),
        amount_minor: AMOUNT,
        reason: end_reason(),
    }
    PaymentRefundFailed {
        payment_id: long_id(),
        refund_id: Some(long_id()),
        reference: Some(payment_text()),
        order: largest(),
        amount_minor: AMOUNT,
        reason: payment_text(),
    }
    PaymentSurplusReturned {
        payment_id: long_id(),
        reference: payment_text(),
        order: largest(),
        amount_minor: AMOUNT,
    }

    ShipmentAllocated { shipment_id: long_id(), order: largest(), lines: pieces() }
    ShipmentRefused { order: largest(), lines: pieces(), reason: word() }
    ShipmentReady { shipment_id: long_id(), order: largest() }
    ShipmentReleased { shipment_id: long_id(), order: largest(), lines: pieces(), reason: end_reason() }
    ShipmentReleaseRefused { shipment_id: long_id(), order: largest(), reason: end_reason() }
    ShipmentDispatched {
        shipment_id: long_id(),
        order: largest(),
        lines: pieces(),
        carrier: Some(shipping_text()),
        tracking: Some(shipping_text()),
    }
    ShipmentDelivered { shipment_id: long_id(), order: largest() }

    NotificationQueued {
        notification_id: long_id(),
        subject: long_subject(),
        kind: name(),
        channel: name(),
        order: Some(largest()),
    }
    NotificationSent {
        notification_id: long_id(),
        subject: long_subject(),
        kind: name(),
        channel: name(),
        attempts: u32::MAX,
    }
    NotificationFailed {
        notification_id: long_id(),
        subject: long_subject(),
        kind: name(),
        channel: name(),
        reason: word(),
        attempts: u32::MAX,
    }
}
