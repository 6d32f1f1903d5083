//! Wire names are keys in other people's databases: what stands in `wire_names.txt` changes only on purpose.
//!
//! After a change that is meant: `TRADEWIND_REFRESH=1 cargo test -p tradewind-events --test wire_names`.

use std::{collections::BTreeSet, sync::Arc};

use tradewind_events::{
    AdjustmentType, AnyEvent, CancelledBy, LowLevel, PaymentMethod, ProductStatus, StockCause, TextEnum, VariantStatus,
    inventory::ReservationRefusal,
    jobs::{IdentityMailKind, ProviderAction, ProviderState},
    notifications::{Channel, NotificationKind},
    registry, samples,
};

const COMMITTED: &str = include_str!("wire_names.txt");
const COMMITTED_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire_names.txt");

/// The events of the domain document, by producer.
const DOMAIN: [(&str, &[&str]); 8] = [
    (
        "identity",
        &[
            "user.registered",
            "user.signed_in",
            "user.signed_out",
            "user.email_verified",
            "user.profile_updated",
            "user.email_changed",
            "user.deleted",
            "signing_key.published",
            "signing_key.retired",
        ],
    ),
    (
        "catalog",
        &[
            "product.created",
            "product.updated",
            "product.published",
            "product.unpublished",
            "product.archived",
            "variant.created",
            "variant.updated",
            "variant.discontinued",
            "price.changed",
            "product.out_of_stock",
            "product.back_in_stock",
            "quote.issued",
            "quote.refused",
            "category.created",
            "category.updated",
            "category.deleted",
        ],
    ),
    (
        "inventory",
        &[
            "stock.created",
            "stock.adjusted",
            "stock.changed",
            "stock.low",
            "stock.depleted",
            "stock.replenished",
            "reservation.made",
            "reservation.refused",
            "reservation.committed",
            "reservation.commit_refused",
            "reservation.released",
            "reservation.expired",
            "reservation.restocked",
        ],
    ),
    (
        "orders",
        &[
            "order.placed",
            "order.priced",
            "order.validated",
            "order.confirmed",
            "order.rejected",
            "order.cancel_requested",
            "order.cancelled",
            "order.refunded",
            "order.completed",
        ],
    ),
    (
        "payments",
        &[
            "account.opened",
            "account.closed",
            "account.credited",
            "account.debited",
            "payment.requested",
            "payment.authorized",
            "payment.failed",
            "payment.captured",
            "payment.capture_failed",
            "payment.voided",
            "payment.refunded",
            "payment.refund_failed",
            "payment.surplus_returned",
        ],
    ),
    (
        "shipping",
        &[
            "shipment.allocated",
            "shipment.refused",
            "shipment.ready",
            "shipment.released",
            "shipment.release_refused",
            "shipment.dispatched",
            "shipment.delivered",
        ],
    ),
    ("carts", &["cart.checked_out", "cart.deleted", "cart.expired"]),
    ("notifications", &["notification.queued", "notification.sent", "notification.failed"]),
];

#[test]
fn the_events_are_those_of_the_domain_document() {
    let ours: BTreeSet<_> = registry().kinds().map(|kind| (kind.source, kind.name)).collect();
    let domain: BTreeSet<_> =
        DOMAIN.iter().flat_map(|(source, names)| names.iter().map(move |name| (*source, *name))).collect();
    assert_eq!(ours, domain);
}

#[test]
fn every_event_has_one_sample_and_its_subject_is_of_its_kind() {
    let sampled: Vec<_> = samples::all();
    let names: BTreeSet<_> = sampled.iter().map(|event| event.name()).collect();
    assert_eq!(names, registry().kinds().map(|kind| kind.name).collect());
    assert_eq!(sampled.len(), names.len());
    for event in sampled {
        let registry = registry();
        let kind = registry.get(event.name()).unwrap();
        assert_eq!(kind.subject, event.subject().kind, "{}", event.name());
        assert_eq!(kind.version, event.version(), "{}", event.name());
    }
}

#[test]
fn what_is_on_the_wire_is_what_was_committed() {
    let now = wire();
    #[expect(clippy::disallowed_methods, reason = "a test asks whether to write its snapshot anew")]
    if std::env::var("TRADEWIND_REFRESH").is_ok() {
        std::fs::write(COMMITTED_PATH, now).unwrap();
        return;
    }
    let changed = |from: &str, to: &str, sign: char| -> String {
        let to: BTreeSet<_> = to.lines().collect();
        from.lines()
            .filter(|line| !to.contains(line))
            .fold(String::new(), |all, line| all + &format!("{sign} {line}\n"))
    };
    assert!(
        now == COMMITTED,
        "The wire has changed. What others have stored or read must stay readable: a field may be added if it is \
         optional; anything else is a new version with an upcast. If the change is meant, run this test with \
         TRADEWIND_REFRESH=1 and commit wire_names.txt.\n{}{}",
        changed(COMMITTED, &now, '-'),
        changed(&now, COMMITTED, '+'),
    );
}

/// One line an event: its name, version, source, subject and key (as they are in the sample), and its fields. Then
/// one line a closed set of names.
fn wire() -> String {
    let registry = registry();
    let event = |event: &Arc<dyn AnyEvent>| {
        let source = registry.get(event.name()).map_or("nobody", |kind| kind.source);
        let (name, version, subject, key) = (event.name(), event.version(), event.subject(), event.key());
        let fields: Vec<_> = samples::fields(&**event)
            .iter()
            .map(|field| format!("{field}{}:{}", if field.optional { "?" } else { "" }, field.kind))
            .collect();
        format!("{name} v{version} from={source} subject={subject} key={key} {}\n", fields.join(" "))
    };
    let sets = [
        names::<ProductStatus>("ProductStatus"),
        names::<VariantStatus>("VariantStatus"),
        names::<AdjustmentType>("AdjustmentType"),
        names::<StockCause>("StockCause"),
        names::<LowLevel>("LowLevel"),
        names::<ReservationRefusal>("ReservationRefusal"),
        names::<PaymentMethod>("PaymentMethod"),
        names::<CancelledBy>("CancelledBy"),
        names::<NotificationKind>("NotificationKind"),
        names::<Channel>("Channel"),
        names::<ProviderAction>("ProviderAction"),
        names::<ProviderState>("ProviderState"),
        names::<IdentityMailKind>("IdentityMailKind"),
    ];
    samples::all().iter().map(event).chain(sets).collect()
}

fn names<E: TextEnum>(of: &str) -> String {
    let names: Vec<_> = E::ALL.iter().map(|name| name.as_str()).collect();
    format!("{of}: {}\n", names.join(" "))
}
