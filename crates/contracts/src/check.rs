//! What a pack must do beyond fitting its schemas: the full and the sparse sample of every exported event become valid
//! messages, and every example is imported and exported again as an equal document.

use serde_json::{Value, json};
use tradewind_events::{Timestamp, broker::BrokerMessage, samples};

use crate::{
    canonical::{self, EventShape},
    convert,
    envelope::EventMeta,
    fault::{Fault, Faults},
    files::PackFiles,
    json,
    limits::BODY_BYTES_MAX,
    manifest::Encoding,
    outward::Out,
    pack::{Form, Message, Pack, Routed, WireSchema},
    proto,
    refusal::{Reason, Refusal},
    rule::{ConditionRule, Place, TestRule},
    settings::Settings,
    translate::Arrival,
    value::{complete, put},
};

/// 2026-01-31T12:00:00Z
const NOON: Timestamp = Timestamp::from_millis(1_769_860_800_000);

pub fn check(pack: &Pack, files: &PackFiles, faults: &mut Faults) {
    let settings = example_settings(pack);
    let rows = sample_rows(pack, Sample::Full);
    let few = sample_rows(pack, Sample::Sparse);
    for message in &pack.messages {
        for form in &message.forms {
            for event in &form.exports {
                for (name, which) in [("full", Sample::Full), ("sparse", Sample::Sparse)] {
                    if let Err(reason) = sample_exports(pack, (message, form), event, (which, &rows, &settings)) {
                        let reason = format!("the {name} sample of {} is not exported: {reason}", event.name);
                        faults.add(Fault::new(message.file.clone(), form.line, reason));
                    }
                }
            }
        }
        if message.info.examples.is_empty() && !matches!(message.schema, WireSchema::Canonical) {
            faults.add(Fault::new(message.file.clone(), message.line, "the message has no example"));
        }
        for example in &message.info.examples {
            let path = format!("examples/{example}");
            let checked = files.get(&path).ok_or_else(|| "the pack has no such file".to_owned()).and_then(|bytes| {
                let body = body_of(example, bytes)?;
                round_trip(pack, message, &body, (&few, &settings))
            });
            if let Err(reason) = checked {
                faults.add(Fault::new(path, 0, reason));
            }
        }
    }
}

/// The settings that are checked with: the defaults, and a text where there is none.
fn example_settings(pack: &Pack) -> Settings {
    let without = pack.settings.iter().filter(|(_, setting)| setting.default.is_none());
    let given =
        without.map(|(name, setting)| (name.clone(), setting.values.first().map_or("sample", |v| v).to_owned()));
    pack.settings(&given.collect()).unwrap_or_default()
}

/// How much the rows of a check know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sample {
    Full,
    /// Only what an event must have: what an example lacks stays away.
    Sparse,
}

/// What a bridge knows of an order, a product, a stock and a user, from the samples.
fn sample_rows(pack: &Pack, sample: Sample) -> Value {
    let of = |event: &str| {
        let event = canonical::event(event).map(|event| match sample {
            Sample::Full => event.full.clone(),
            Sample::Sparse => event.sparse.clone(),
        });
        event.unwrap_or_default()
    };
    let priced = of("order.priced");
    let mut order = priced["order"].clone();
    for field in ["lines", "shipping_address", "billing_address", "deadline"] {
        put(&mut order, &[field.to_owned()], priced[field].clone());
    }
    complete(
        &mut order,
        &json!({
            "reservation_id": "reservation-1", "payment_id": "payment-1", "shipment_id": "shipment-1",
            "expires_at": NOON.to_string(), "refund_id": "refund-1",
        }),
    );
    let mut product = of("product.created")["product"].clone();
    complete(
        &mut product,
        &json!({
            "variant_id": "variant-1", "sku": "SKU-1", "price_minor": 2_499, "currency": "EUR",
            "available_everywhere": 20, "is_active": true,
        }),
    );
    let mut stock = of("stock.created")["stock"].clone();
    complete(&mut stock, &json!({"on_hand_everywhere": 24, "reserved_everywhere": 4, "delta": -2}));
    let mut rows = json!({"order": order, "product": product, "stock": stock, "user": of("user.registered")});
    // What only this pack remembers.
    let mut add = |place: &Place| {
        if let Place::Row(path) = place {
            let mut remembered = Value::Null;
            put(&mut remembered, path, "remembered-1".into());
            complete(&mut rows, &remembered);
        }
    };
    let lines = pack.messages.iter().flat_map(|message| &message.forms).flat_map(|form| &form.block.lines);
    let envelopes = pack.envelopes.iter().flat_map(|envelope| &envelope.block.lines);
    lines
        .chain(envelopes)
        .filter(|line| line.inward)
        .for_each(|line| line.rule.places().into_iter().for_each(&mut add));
    rows
}

/// Exports a sample in one form, made to meet its conditions. A sparse sample may lack what a condition wants.
fn sample_exports(
    pack: &Pack,
    (message, form): (&Message, &Form),
    event: &EventShape,
    (which, rows, settings): (Sample, &Value, &Settings),
) -> Result<(), String> {
    let (mut data, mut rows) = (if which == Sample::Full { &event.full } else { &event.sparse }.clone(), rows.clone());
    for condition in &form.when {
        satisfy(condition, (&mut data, &mut rows), settings);
    }
    let meta = sample_meta(event);
    let out = Out { data: &data, element: None, meta: &meta, rows: &rows, settings, message: &message.info };
    if !out.holds(&form.when) {
        return if which == Sample::Sparse { Ok(()) } else { Err("its conditions contradict each other".to_owned()) };
    }
    match pack.export_as(message, form, &data, (&meta, &rows, settings)) {
        Ok(exported) if exported.is_empty() && form.each.is_none() => Err("nothing is written".to_owned()),
        Ok(_) => Ok(()),
        Err(refusal) => Err(refusal.to_string()),
    }
}

fn sample_meta(event: &EventShape) -> EventMeta {
    let sample = samples::all().into_iter().find(|sample| sample.name() == event.name);
    let (key, subject) =
        sample.map(|sample| (sample.key().to_string(), sample.subject().to_string())).unwrap_or_default();
    EventMeta {
        id: "main-482-7".to_owned(),
        name: event.name.to_owned(),
        version: event.version,
        source: event.source.to_owned(),
        subject,
        key,
        time: NOON,
        sequence: 4,
        correlation_id: Some("request-1".to_owned()),
        causation_id: Some("main-482-6".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
    }
}

fn satisfy(condition: &ConditionRule, (data, rows): (&mut Value, &mut Value), settings: &Settings) {
    let right = |place: &Place| match place {
        Place::Literal(value) => Some(value.clone()),
        Place::Setting(name) => settings.get(name).cloned(),
        _ => None,
    };
    let value = match &condition.test {
        TestRule::Equal(place) => right(place),
        TestRule::More(place) => right(place).and_then(|value| value.as_i64()).map(|number| (number + 1).into()),
        TestRule::Less(place) => right(place).and_then(|value| value.as_i64()).map(|number| (number - 1).into()),
        TestRule::Absent => Some(Value::Null),
        TestRule::Present | TestRule::Different(_) => None,
    };
    match (&condition.place, value) {
        (Place::Root(path, _), Some(value)) => put(data, path, value),
        (Place::Row(path), Some(value)) => put(rows, path, value),
        _ => {}
    }
}

/// The bytes of an example: `.hex` is hexadecimal text with blanks and `#` remarks, anything else is the body.
fn body_of(name: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    if std::path::Path::new(name).extension().is_none_or(|ending| ending != "hex") {
        return Ok(bytes.to_vec());
    }
    let text = str::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
    unhex(&text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect::<String>())
}

/// Hexadecimal text, blanks left out, as bytes.
///
/// # Errors
/// Another sign, half a byte, or more than one message may have.
pub fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) || digits.len() > 2 * (BODY_BYTES_MAX + 1) {
        return Err("not two hexadecimal digits a byte".to_owned());
    }
    let pair = |pair: &[u8]| {
        let pair = str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok().filter(|_| !pair.starts_with('+'))
    };
    digits.chunks(2).map(pair).collect::<Option<_>>().ok_or_else(|| "no hexadecimal digits".to_owned())
}

/// Imports an example, completes it from sample rows, exports it again and compares.
fn round_trip(
    pack: &Pack,
    message: &Message,
    body: &[u8],
    (rows, settings): (&Value, &Settings),
) -> Result<(), String> {
    let received = received(message, body);
    let arrival = Arrival { bridge: &pack.name, position: Some("0-0"), time: Some(NOON) };
    let draft = pack.import(&received, &arrival, settings).map_err(|refusal| format!("is not imported: {refusal}"))?;
    if draft.message.name != message.info.name {
        return Err(format!("is imported as {}", draft.message.name));
    }
    let mut rows = rows.clone();
    let mut known = draft.remembered.clone();
    complete(&mut known, &rows);
    std::mem::swap(&mut rows, &mut known);
    let completed = draft.complete(&rows, settings).map_err(|refusal| format!("is not completed: {refusal}"))?;
    let Some(form) = message.forms.iter().find(|form| exports_import(form, draft.event)) else { return Ok(()) };
    let meta = EventMeta {
        id: draft.meta.wire_id.clone().unwrap_or_else(|| draft.id.clone()),
        correlation_id: draft.meta.correlation_id.clone(),
        causation_id: draft.meta.causation_id.clone(),
        traceparent: draft.meta.traceparent.as_deref().map(Into::into),
        time: convert::check_time(draft.time).unwrap_or(NOON),
        key: completed.event.key().to_string(),
        subject: completed.event.subject().to_string(),
        ..sample_meta(draft.event)
    };
    let again = pack
        .export_as(message, form, &completed.data, (&meta, &rows, settings))
        .map_err(|refusal| format!("is not exported again: {refusal}"))?;
    let again = again.first().and_then(|message| message.message.body.clone()).unwrap_or_default();
    same(pack, message, body, &again)
}

/// The form exports the event that it imports.
fn exports_import(form: &Form, event: &EventShape) -> bool {
    form.imports.is_some_and(|imports| imports.name == event.name) && !form.exports.is_empty()
}

/// How the message would arrive.
pub(crate) fn received(message: &Message, body: &[u8]) -> BrokerMessage {
    let channel = message.info.channel.clone();
    let (topic, routing_key) = match message.routed {
        Routed::Log => (channel, None),
        Routed::ByType => (channel, message.info.kind.clone()),
        Routed::Queue => (String::new(), Some(channel)),
    };
    BrokerMessage { topic, routing_key, body: Some(body.to_vec()), ..BrokerMessage::default() }
}

fn same(pack: &Pack, message: &Message, body: &[u8], again: &[u8]) -> Result<(), String> {
    if body == again {
        return Ok(());
    }
    let tree = |bytes: &[u8]| -> Result<Value, Refusal> {
        match (&message.schema, pack.encoding) {
            (WireSchema::Protobuf(descriptor), Encoding::Protobuf) => proto::decode(descriptor, bytes),
            _ => json::read(bytes).map(|document| document.value),
        }
    };
    let (before, after) = (tree(body), tree(again));
    match (before, after) {
        (Ok(before), Ok(after)) if before == after && pack.encoding == Encoding::Json => Ok(()),
        (Ok(before), Ok(after)) => Err(match differs(&before, &after, "") {
            Some(place) => format!("comes back different at {place}"),
            None => "comes back with other bytes".to_owned(),
        }),
        (Err(refusal), _) | (_, Err(refusal)) if refusal.reason != Reason::Empty => Err(refusal.to_string()),
        _ => Err("comes back different".to_owned()),
    }
}

/// The first place where two trees differ.
fn differs(before: &Value, after: &Value, at: &str) -> Option<String> {
    match (before, after) {
        (Value::Object(left), Value::Object(right)) => {
            let names: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            names.into_iter().find_map(|name| {
                let below = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                match (left.get(name), right.get(name)) {
                    (Some(left), Some(right)) => differs(left, right, &below),
                    (Some(_), None) => Some(format!("{below}, which is lost")),
                    (None, _) => Some(format!("{below}, which is new")),
                }
            })
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => left
            .iter()
            .zip(right)
            .enumerate()
            .find_map(|(nth, (left, right))| differs(left, right, &format!("{at}[{nth}]"))),
        (left, right) => (left != right).then(|| at.to_owned()),
    }
}
