//! docs/events.md: every event with its fields, who says it and who hears it.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::Value;
use tradewind_events::{
    AdjustmentType, AnyEvent, CancelledBy, Envelope, KeyText, LowLevel, PaymentMethod, ProductStatus, StockCause,
    TextEnum, Timestamp, VariantStatus, id,
    inventory::ReservationRefusal,
    notifications::{Channel, NotificationKind},
    registry,
    samples::{self, Field, fields},
};

use crate::{expect_fresh, services};

const HEAD: &str = "\
# Events

Everything that happens in the shop is an event. Each is said by one service, in the same commit as the change that it
tells of, and never changed afterwards. `cargo xtask docs` makes this page from the code.

- A type is `domain.action`, past tense. Every event here has version 1; a change that readers cannot take is a new version.
- `?` marks a field that may be absent. Absent is never written as null.
- `…_id` is an opaque string of 1 to 64 visible ASCII characters, `…_at` a time in RFC 3339 with `Z`, `…_minor` an amount in minor units of the
  `currency` beside it. Readers ignore fields that they do not know.
- `source` is the service that emits the event. What a bridge imports from a foreign system has the source `BRIDGE.ROLE`, with the
  same types and data. `sequence` counts the events of one source and subject from 1, without a gap.
- Events of one source and one key are in order. There is no order across sources or keys, and an event may come twice:
  its `id` is the same then.

On the wire an event is CloudEvents 1.0 in JSON, with the partitioning, sequence and distributed-tracing extensions:

";

/// What is described once. The first name is that of the field, the second that of the shape.
const SHAPES: [(&str, &str); 12] = [
    ("order", "Order"),
    ("lines", "Line"),
    ("stock", "Stock"),
    ("product", "Product"),
    ("variant", "Variant"),
    ("variants", "Variant"),
    ("price", "Price"),
    ("old_price", "Price"),
    ("new_price", "Price"),
    ("media", "Media"),
    ("shipping_address", "Address"),
    ("billing_address", "Address"),
];

#[test]
fn the_page_of_events_is_fresh() {
    expect_fresh("docs/events.md", &page());
}

fn page() -> String {
    let mut page = HEAD.to_owned() + "```json\n" + &example() + "\n```\n";
    let hearers = hearers();
    let mut shapes = BTreeMap::new();
    let mut source = "";
    for event in samples::all() {
        let registry = registry();
        let kind = registry.get(event.name()).expect("every sample is registered");
        if kind.source != source {
            source = kind.source;
            write!(page, "\n## {source}\n\n| event | about, key | data | heard by |\n|---|---|---|---|\n").unwrap();
        }
        let fields = fields(&*event);
        let about = format!("{}, `{}`", kind.subject, path_of_key(&*event));
        let heard = hearers.get(event.name()).map_or(String::new(), |names| names.join(", "));
        writeln!(page, "| `{}` | {about} | {} | {heard} |", event.name(), list(&fields, "", &mut shapes)).unwrap();
    }
    page.push_str("\n## Shapes\n\n| shape | fields |\n|---|---|\n");
    for (name, fields) in shapes {
        writeln!(page, "| `{name}` | {fields} |").unwrap();
    }
    page + &names()
}

/// One event as it travels.
fn example() -> String {
    let event = samples::all().into_iter().find(|event| event.name() == "order.confirmed").unwrap();
    let envelope = Envelope {
        id: id("main-482-7"),
        source: KeyText::literal("orders"),
        subject: event.subject(),
        key: event.key().clone(),
        time: "2026-01-15T10:30:00.000Z".parse::<Timestamp>().unwrap(),
        sequence: 4,
        correlation_id: id("request-1"),
        causation_id: Some(id("main-482-6")),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        event,
    };
    let value: Value = serde_json::from_slice(&envelope.to_json().unwrap()).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

/// Event to the services that hear it.
fn hearers() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut hearers: BTreeMap<_, Vec<_>> = registry().kinds().map(|kind| (kind.name, Vec::new())).collect();
    for service in services() {
        for (event, names) in &mut hearers {
            if service.consumed_events().any(|heard| heard.is_none_or(|heard| heard == *event)) {
                names.push(service.name);
            }
        }
    }
    hearers
}

/// The field that holds the key of the stream: no two ids of a sample are alike.
fn path_of_key(event: &dyn AnyEvent) -> String {
    let mut data = Vec::new();
    event.encode(&mut data).unwrap();
    let data: Value = serde_json::from_slice(&data).unwrap();
    path_to(&data, event.key().as_str(), "").expect("the key stands in the data")
}

fn path_to(value: &Value, text: &str, path: &str) -> Option<String> {
    match value {
        Value::String(found) => (found == text).then(|| path.trim_start_matches('.').to_owned()),
        Value::Object(members) => {
            members.iter().find_map(|(name, member)| path_to(member, text, &format!("{path}.{name}")))
        }
        _ => None,
    }
}

/// The fields below a path; what is a shape is named and described once.
fn list(fields: &[Field], below: &str, shapes: &mut BTreeMap<&'static str, String>) -> String {
    let mut list = Vec::new();
    for field in fields {
        let path = field.to_string();
        let Some(name) = path.strip_prefix(below) else { continue };
        // What is inside of another field is described there.
        if name.contains('.') {
            continue;
        }
        let inside = format!("{path}{}.", if field.kind == "array" { "[]" } else { "" });
        let kind = match SHAPES.iter().find(|(shaped, _)| *shaped == name) {
            Some((_, shape)) => {
                let content = self::list(fields, &inside, shapes);
                let before = shapes.entry(shape).or_insert_with(|| content.clone());
                assert_eq!(*before, content, "{path} is another {shape}");
                (*shape).to_owned()
            }
            None if fields.iter().any(|other| other.to_string().starts_with(&inside)) => {
                format!("{{{}}}", self::list(fields, &inside, shapes))
            }
            None if field.kind == "array" => "string".to_owned(),
            None => field.kind.to_owned(),
        };
        let array = if field.kind == "array" { "[]" } else { "" };
        list.push(format!("{name}{} {kind}{array}", if field.optional { "?" } else { "" }));
    }
    list.join(", ")
}

/// The closed sets of names.
fn names() -> String {
    fn set<E: TextEnum>(field: &str) -> String {
        let names: Vec<String> = E::ALL.iter().map(|name| format!("`{}`", name.as_str())).collect();
        format!("| {field} | {} |\n", names.join(", "))
    }
    let mut table = "\n## Closed sets of names\n\n| field | one of |\n|---|---|\n".to_owned();
    for row in [
        set::<ProductStatus>("`Product.status`"),
        set::<VariantStatus>("`Variant.status`"),
        set::<PaymentMethod>("`payment_method`, and `method` of `payment.requested`"),
        set::<AdjustmentType>("`adjustment_type`"),
        set::<StockCause>("`cause` of `stock.changed`"),
        set::<LowLevel>("`level` of `stock.low`"),
        set::<ReservationRefusal>("`reason` of `reservation.refused`"),
        set::<CancelledBy>("`cancelled_by`, `requested_by`"),
        set::<NotificationKind>("`kind` of `notification.…`"),
        set::<Channel>("`channel`"),
    ] {
        table.push_str(&row);
    }
    table
}
