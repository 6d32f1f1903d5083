//! What each service hears, as the domain was decided. A service that hears more or less is changed here too, on
//! purpose.

use std::collections::BTreeSet;

use tradewind_events::registry;

use crate::{read, services};

/// Service and events; `payment.*` is all of a kind, `-` takes one out again, `*` is everything.
const HEARS: [(&str, &[&str]); 9] = [
    ("identity", &[]),
    ("catalog", &["order.placed", "stock.depleted", "stock.replenished"]),
    (
        "inventory",
        &[
            "product.created",
            "product.archived",
            "variant.created",
            "variant.discontinued",
            "order.priced",
            "order.rejected",
            "order.cancelled",
            "payment.requested",
            "payment.authorized",
            "payment.failed",
        ],
    ),
    // How much there is is no business of carts.
    (
        "carts",
        &[
            "product.*",
            "-product.out_of_stock",
            "-product.back_in_stock",
            "variant.*",
            "price.*",
            "order.placed",
            "order.rejected",
            "user.deleted",
        ],
    ),
    ("orders", &["quote.*", "reservation.*", "shipment.*", "payment.*", "-payment.surplus_returned", "user.deleted"]),
    (
        "payments",
        &[
            "user.registered",
            "user.deleted",
            "order.validated",
            "order.confirmed",
            "order.completed",
            "order.rejected",
            "order.cancelled",
        ],
    ),
    (
        "shipping",
        &[
            "order.priced",
            "order.confirmed",
            "order.cancel_requested",
            "order.rejected",
            "order.cancelled",
            "reservation.made",
            "payment.captured",
            "payment.failed",
            "user.deleted",
        ],
    ),
    (
        "notifications",
        &[
            "user.registered",
            "user.email_changed",
            "user.deleted",
            "order.confirmed",
            "order.rejected",
            "order.cancelled",
            "order.refunded",
            "payment.voided",
            "shipment.dispatched",
            "stock.low",
        ],
    ),
    ("query", &["*"]),
];

#[test]
fn each_service_hears_what_was_decided() {
    for (service, (name, patterns)) in services().iter().zip(HEARS) {
        assert_eq!(service.name, name);
        let heard: BTreeSet<&str> = if service.consumed_events().any(|event| event.is_none()) {
            all()
        } else {
            service.consumed_events().flatten().collect()
        };
        assert_eq!(heard, decided(patterns), "{name}");
    }
}

/// A line of a service's table says which event it is for: `.on(reactions::commit) // payment.authorized`.
#[test]
fn the_comments_in_a_table_of_contents_are_true() {
    for service in services() {
        let text = read(&format!("services/{}/src/lib.rs", service.name));
        let lines = text.lines().map(str::trim).filter(|line| line.starts_with(".on("));
        for (line, event) in lines.zip(service.consumed_events().flatten()) {
            if let Some((_, comment)) = line.split_once("// ") {
                assert_eq!(comment.trim(), event, "services/{}/src/lib.rs: {line}", service.name);
            }
        }
    }
}

fn all() -> BTreeSet<&'static str> {
    registry().kinds().map(|kind| kind.name).collect()
}

fn decided(patterns: &[&'static str]) -> BTreeSet<&'static str> {
    let mut events = BTreeSet::new();
    for pattern in patterns {
        let names: BTreeSet<&str> =
            all().into_iter().filter(|name| fits(pattern.trim_start_matches('-'), name)).collect();
        assert!(!names.is_empty(), "no event is named {pattern}");
        if pattern.starts_with('-') {
            events.retain(|name| !names.contains(name));
        } else {
            events.extend(names);
        }
    }
    events
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(kind) => name.starts_with(kind),
        None => name == pattern,
    }
}
