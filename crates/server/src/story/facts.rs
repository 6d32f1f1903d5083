//! What an event of an order says, in a few words: amounts, reasons, where, until when. Nothing personal, and no id that
//! the reader cannot use.

use tradewind_events::{
    Currency, Envelope, Id, Lines, OrderSummary, TextEnum, Timestamp,
    carts::CartCheckedOut,
    catalog::{ChangedPrice, QuoteIssued, QuoteRefused, Unavailable},
    inventory::{
        Insufficient, ReservationCommitRefused, ReservationCommitted, ReservationExpired, ReservationMade,
        ReservationRefused, ReservationReleased, ReservationRestocked,
    },
    notifications::{NotificationFailed, NotificationQueued, NotificationSent},
    orders::{
        OrderCancelRequested, OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, OrderPriced, OrderRefunded,
        OrderRejected, OrderValidated,
    },
    payments::{
        AccountCredited, AccountDebited, PaymentAuthorized, PaymentCaptureFailed, PaymentCaptured, PaymentFailed,
        PaymentRefundFailed, PaymentRefunded, PaymentRequested, PaymentSurplusReturned, PaymentVoided,
    },
    shipping::{
        ShipmentAllocated, ShipmentDelivered, ShipmentDispatched, ShipmentReady, ShipmentRefused,
        ShipmentReleaseRefused, ShipmentReleased,
    },
};

use crate::words::{count, money, short, span};

/// More lines than this are counted, not listed.
const LINES_LISTED_MAX: usize = 3;

/// An event that says itself in a few words; `at` is when it was said.
trait Tell {
    fn tell(&self, at: Timestamp) -> String;
}

/// What an event says; empty for one that belongs to no order.
pub fn facts(envelope: &Envelope) -> String {
    macro_rules! told {
        ($($event:ty),+ $(,)?) => {$(
            if let Some(event) = envelope.event.as_any().downcast_ref::<$event>() {
                return event.tell(envelope.time);
            }
        )+};
    }
    told![
        CartCheckedOut,
        OrderPlaced,
        QuoteIssued,
        QuoteRefused,
        OrderPriced,
        ReservationMade,
        ReservationRefused,
        ShipmentAllocated,
        ShipmentRefused,
        OrderValidated,
        PaymentRequested,
        PaymentAuthorized,
        PaymentFailed,
        ReservationCommitted,
        ReservationCommitRefused,
        OrderConfirmed,
        PaymentCaptured,
        PaymentCaptureFailed,
        ShipmentReady,
        ShipmentDispatched,
        ShipmentDelivered,
        OrderCompleted,
        OrderCancelRequested,
        ShipmentReleaseRefused,
        OrderRejected,
        OrderCancelled,
        ReservationReleased,
        ReservationExpired,
        ReservationRestocked,
        ShipmentReleased,
        PaymentVoided,
        PaymentRefunded,
        PaymentRefundFailed,
        PaymentSurplusReturned,
        OrderRefunded,
        AccountDebited,
        AccountCredited,
        NotificationQueued,
        NotificationSent,
        NotificationFailed,
    ];
    String::new()
}

/// Each event as a format of its fields.
macro_rules! tell {
    ($($event:ty: |$told:ident, $at:ident| $text:expr;)+) => {$(
        impl Tell for $event {
            fn tell(&self, $at: Timestamp) -> String {
                let $told = self;
                $text
            }
        }
    )+};
}

tell! {
    CartCheckedOut: |it, _at| format!("cart {}", short(&it.cart_id));
    OrderPlaced: |it, _at| {
        let from = it.cart_id.as_ref().map_or_else(String::new, |cart| format!(", from cart {}", short(cart)));
        format!("{}, to be paid by {}{from}", goods(&it.lines), it.payment_method)
    };
    QuoteIssued: |it, _at| quote(&it.order);
    QuoteRefused: |it, _at| {
        let gone = it.unavailable.iter().map(unavailable);
        joined(gone.chain(it.changed.iter().map(|line| changed(line, it.order.currency))))
    };
    OrderPriced: |it, at| format!("{}, to be confirmed within {}", total(&it.order), span(it.deadline.since(at)));
    OrderValidated: |it, _at| format!("passed: {}", joined(it.checks.iter().map(|check| check.name.to_string())));
    OrderConfirmed: |_it, _at| String::from("the order stands");
    OrderRejected: |it, _at| format!("lost the {}: {}", it.step, it.reason);
    OrderCancelRequested: |it, _at| format!("by {}: {}; shipping decides", by(it.requested_by), it.reason);
    OrderCancelled: |it, _at| {
        let back = money(it.refund_amount_minor, it.order.currency);
        let back = if it.refund_required { format!("; {back} to go back") } else { String::new() };
        format!("by {}: {}{back}", by(it.cancelled_by), it.reason)
    };
    OrderRefunded: |it, _at| format!("{} went back by {}: {}", of(&it.order, it.amount_minor), it.method, it.reason);
    OrderCompleted: |_it, _at| String::from("delivered and paid");
}

tell! {
    ReservationMade: |it, at| format!("{}, held for {}", places(&it.lines), span(it.expires_at.since(at)));
    ReservationRefused: |it, _at| {
        let lacking = it.insufficient.iter().map(insufficient);
        joined(std::iter::once(it.reason.as_str().to_owned()).chain(lacking))
    };
    ReservationCommitted: |it, _at| format!("{} sold", goods(&it.lines));
    ReservationCommitRefused: |it, _at| it.reason.to_string();
    ReservationReleased: |it, _at| format!("{} free again: {}", goods(&it.lines), it.reason);
    ReservationExpired: |it, _at| format!("{} free again: not paid in time", goods(&it.lines));
    ReservationRestocked: |it, _at| format!("{} back on the shelf: {}", goods(&it.lines), it.reason);
    ShipmentAllocated: |it, _at| format!("{} to be sent", goods(&it.lines));
    ShipmentRefused: |it, _at| it.reason.to_string();
    ShipmentReady: |_it, _at| String::from("paid: the goods may leave");
    ShipmentReleased: |it, _at| format!("the goods stay: {}", it.reason);
    ShipmentReleaseRefused: |it, _at| format!("too late to cancel: {}", it.reason);
    ShipmentDispatched: |it, _at| {
        let parts = [("by", &it.carrier), ("tracking", &it.tracking)];
        let told = parts.into_iter().filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)));
        joined(std::iter::once(goods(&it.lines)).chain(told))
    };
    ShipmentDelivered: |_it, _at| String::from("the goods have arrived");
}

tell! {
    PaymentRequested: |it, _at| format!("{} by {}", total(&it.order), it.method);
    PaymentAuthorized: |it, _at| format!("{} held", of(&it.order, it.amount_minor));
    PaymentFailed: |it, _at| it.reason.to_string();
    PaymentCaptured: |it, _at| format!("{} taken", of(&it.order, it.amount_minor));
    PaymentCaptureFailed: |it, _at| it.reason.to_string();
    PaymentVoided: |it, _at| match it.amount_minor {
        0 => String::from("nothing was held"),
        amount_minor => format!("{} let go: not charged", of(&it.order, amount_minor)),
    };
    PaymentRefunded: |it, _at| format!("{} given back: {}", of(&it.order, it.amount_minor), it.reason);
    PaymentRefundFailed: |it, _at| format!("{} is owed: {}", of(&it.order, it.amount_minor), it.reason);
    PaymentSurplusReturned: |it, _at| {
        format!("{} came for no reason and went back, reference {}", of(&it.order, it.amount_minor), it.reference)
    };
    AccountCredited: |it, _at| format!("{}: {}", money(it.amount_minor, it.currency), it.cause);
    AccountDebited: |it, _at| format!("{}: {}", money(it.amount_minor, it.currency), it.cause);
    NotificationQueued: |it, _at| format!("{}, by {}", it.kind, it.channel);
    NotificationSent: |it, _at| {
        format!("{}, by {}, at try {}", it.kind, it.channel, it.attempts)
    };
    NotificationFailed: |it, _at| {
        format!("{}, by {}, given up at try {}: {}", it.kind, it.channel, it.attempts, it.reason)
    };
}

fn joined(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

fn of(order: &OrderSummary, amount_minor: i64) -> String {
    money(amount_minor, order.currency)
}

fn total(order: &OrderSummary) -> String {
    order.total_minor.map_or_else(|| String::from("no total"), |total_minor| of(order, total_minor))
}

/// The total with the parts of it that are not nothing.
fn quote(order: &OrderSummary) -> String {
    let parts = [
        ("items", order.items_total_minor),
        ("discount", order.discount_minor.map(std::ops::Neg::neg)),
        ("shipping", order.shipping_minor),
        ("tax", order.tax_minor),
    ];
    let some = parts.into_iter().filter_map(|(name, amount)| Some((name, amount.filter(|amount| *amount != 0)?)));
    let some: Vec<_> = some.map(|(name, amount_minor)| format!("{name} {}", of(order, amount_minor))).collect();
    if some.len() > 1 { format!("{}: {}", total(order), some.join(", ")) } else { total(order) }
}

fn by(who: impl TextEnum) -> &'static str {
    who.as_str()
}

/// `2 × TEA, 1 × POT`, or how many of how much.
fn goods(lines: &Lines) -> String {
    if lines.len() <= LINES_LISTED_MAX {
        return joined(lines.iter().map(|line| format!("{} × {}", line.quantity, line.sku)));
    }
    let units: u64 = lines.iter().map(|line| u64::from(line.quantity)).sum();
    format!("{} of {}", count(units, "unit", "units"), count(lines.len() as u64, "SKU", "SKUs"))
}

/// The same, with the place that each is taken from.
fn places(lines: &Lines) -> String {
    if lines.len() <= LINES_LISTED_MAX {
        return joined(lines.iter().map(|line| {
            let place = line.location_id.as_ref().map_or_else(String::new, |place| format!(" from {}", short(place)));
            format!("{} × {}{place}", line.quantity, line.sku)
        }));
    }
    let mut all: Vec<&Id> = lines.iter().filter_map(|line| line.location_id.as_ref()).collect();
    all.sort();
    all.dedup();
    format!("{} from {}", goods(lines), count(all.len() as u64, "location", "locations"))
}

fn unavailable(line: &Unavailable) -> String {
    format!("{} is {}", line.sku, line.reason.as_deref().unwrap_or("unavailable"))
}

fn changed(line: &ChangedPrice, currency: Currency) -> String {
    let (costs, expected) = (money(line.unit_price_minor, currency), money(line.expected_minor, currency));
    format!("{} costs {costs}, not {expected}", line.sku)
}

fn insufficient(line: &Insufficient) -> String {
    let number = |number: Option<i64>| number.map_or_else(|| String::from("?"), |number| number.to_string());
    format!("{} × {} where there are {}", number(line.requested.map(i64::from)), line.sku, number(line.available))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tradewind_events::{AnyEvent, KeyText, id, samples};
    use tradewind_query::order_of;

    use super::*;

    fn envelope(event: &Arc<dyn AnyEvent>) -> Envelope {
        Envelope {
            id: id("store-1-0"),
            source: KeyText::literal("orders"),
            subject: event.subject(),
            key: event.key().clone(),
            time: Timestamp::from_millis(0),
            sequence: 1,
            correlation_id: id("request"),
            causation_id: None,
            traceparent: None,
            event: Arc::clone(event),
        }
    }

    #[test]
    fn every_event_of_an_order_says_something_and_nothing_personal() {
        for event in samples::all() {
            let told = facts(&envelope(&event));
            assert_eq!(order_of(&*event).is_some(), !told.is_empty(), "{}", event.name());
            assert!(!told.contains("***"), "{}: {told}", event.name());
            let plain = serde_json::to_string(&envelope(&event).to_raw().unwrap()).unwrap();
            let masked = tradewind_events::mask(|| serde_json::to_string(&envelope(&event).to_raw().unwrap())).unwrap();
            for word in plain.split('"').filter(|word| word.len() > 3 && !masked.contains(*word)) {
                assert!(!told.contains(word), "{}: {told}", event.name());
            }
        }
    }
}
