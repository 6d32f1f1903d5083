//! Messages to drafts of events, and events to messages.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use serde_json::{Map, Value};
use tradewind_events::{AnyEvent, Registry, Timestamp, broker::BrokerMessage, registry};

use crate::{
    canonical::EventShape,
    convert::{self, Note},
    envelope::{DraftMeta, EventMeta},
    inward::{Drafted, In, LateAmount},
    json,
    limits::BODY_BYTES_MAX,
    manifest::{Encoding, Framing},
    outward::Out,
    pack::{Envelope, Form, IdPart, Message, MessageInfo, Pack, WireSchema, validate},
    proto,
    refusal::{Reason, Refusal},
    rule::{Block, FillRule, Rule},
    settings::Settings,
    value::{get, put, shown},
};

mod complete;
mod outgoing;

pub use complete::Completed;

static REGISTRY: LazyLock<Registry> = LazyLock::new(registry);

/// What comes from a broker beside the message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arrival<'a> {
    /// Of the bridge: the first part of event ids.
    pub bridge: &'a str,
    /// Where the message stands at its broker, for contracts without ids.
    pub position: Option<&'a str>,
    /// The time of the record, where the contract has none; `None` if the broker has none either.
    pub time: Option<Timestamp>,
}

/// A message that was read: an event that rows may still have to complete.
pub struct Draft<'p> {
    pub message: &'p MessageInfo,
    pub event: &'static Arc<EventShape>,
    /// Of the event.
    pub id: String,
    pub time: Timestamp,
    /// What the envelope said.
    pub meta: DraftMeta,
    /// What the message and the settings say of the event.
    pub data: Value,
    /// What a bridge keeps for later messages, by row.
    pub remembered: Value,
    /// The message is one of several that make the event.
    pub is_part: bool,
    pub notes: Vec<Note>,
    pub(crate) late: Vec<LateAmount>,
    pub(crate) fills: &'p [FillRule],
}

/// An event as a message of the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported<'p> {
    pub info: &'p MessageInfo,
    pub message: BrokerMessage,
    /// The message goes out once for each value.
    pub once: Option<String>,
    pub notes: Vec<Note>,
}

impl Pack {
    /// Reads one message: bytes, envelope, payload, draft. Nothing that a sender can write makes it panic, or use memory
    /// beyond a small multiple of [`BODY_BYTES_MAX`].
    pub fn import(
        &self,
        received: &BrokerMessage,
        arrival: &Arrival<'_>,
        settings: &Settings,
    ) -> Result<Draft<'_>, Refusal> {
        let channel = match (received.topic.as_str(), &received.routing_key) {
            ("", Some(queue)) => queue.as_str(),
            (topic, _) => topic,
        };
        let body = received.body.as_deref().ok_or_else(|| Refusal::whole(Reason::Tombstone))?;
        let body = self.unframed(body)?;
        let candidates = self.by_channel.get(channel).ok_or_else(|| Refusal::whole(Reason::ChannelUnknown))?;
        let read = match self.encoding {
            Encoding::Json => self.read_json(body, candidates)?,
            Encoding::Protobuf => self.read_protobuf(body, candidates)?,
        };
        let message = read.message;
        let form = select(message, &read, settings)?;
        let mut inner = In::new(settings, &read.payload);
        if let Some(envelope) = read.envelope {
            inner.block(&envelope.block, &read.document)?;
        }
        inner.block(&self.headers, &headers(received))?;
        read_form(form, &read.payload, &mut inner).map_err(|refusal| read.within(refusal))?;
        let event = form.imports.ok_or_else(|| Refusal::whole(Reason::FormUnknown))?;
        let In { drafted: Drafted { meta, remembered, late, notes }, data, .. } = inner;
        let id = event_id(message, (received, body, &read.payload), &meta, arrival);
        let time = meta.time.or(arrival.time).or(received.time).and_then(convert::check_time);
        let time =
            time.ok_or_else(|| Refusal::new(Reason::TimeInvalid, "", "neither message nor record has a time"))?;
        let (info, fills, is_part) = (&message.info, form.fills.as_slice(), form.each.is_some());
        let mut draft = Draft { message: info, event, id, time, meta, data, remembered, is_part, notes, late, fills };
        draft.fill_from_settings(settings);
        Ok(draft)
    }

    /// The body without what the contract puts before it.
    fn unframed<'a>(&self, body: &'a [u8]) -> Result<&'a [u8], Refusal> {
        if body.is_empty() {
            return Err(Refusal::whole(Reason::Empty));
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(Refusal::new(Reason::TooLarge, "", format!("more than {BODY_BYTES_MAX} bytes")));
        }
        let is_framed = body[0] == 0 && body.len() > 5;
        match (self.framing, is_framed) {
            (Framing::None, false) => Ok(body),
            (Framing::None, true) => Err(Refusal::whole(Reason::SchemaRegistryFraming)),
            (Framing::Confluent, false) => {
                Err(Refusal::new(Reason::SchemaRegistryFraming, "", "the contract has it, the message has not"))
            }
            (Framing::Confluent, true) => {
                let rest = &body[5..];
                match self.encoding {
                    Encoding::Json => Ok(rest),
                    // The first message of its file is written as a single zero.
                    Encoding::Protobuf => rest.strip_prefix(&[0]).ok_or_else(|| {
                        Refusal::new(Reason::SchemaRegistryFraming, "", "not the first message of its schema")
                    }),
                }
            }
        }
    }

    fn read_protobuf<'p>(&'p self, body: &[u8], candidates: &[usize]) -> Result<Read<'p>, Refusal> {
        let message = candidates.first().map(|nth| &self.messages[*nth]);
        let message = message.ok_or_else(|| Refusal::whole(Reason::ChannelUnknown))?;
        let WireSchema::Protobuf(descriptor) = &message.schema else {
            return Err(Refusal::whole(Reason::NotProtobuf));
        };
        let payload = proto::decode(descriptor, body)?;
        if let Some(at) = unknown_name(&payload, &proto::shape(descriptor)) {
            return Err(Refusal::new(Reason::EnumUnknown, at, "the schema has no name for this number"));
        }
        Ok(Read { message, envelope: None, document: Value::Null, payload, inexact: Vec::new() })
    }

    fn read_json<'p>(&'p self, body: &[u8], candidates: &[usize]) -> Result<Read<'p>, Refusal> {
        let json::Document { value: document, inexact } = json::read(body)?;
        let mut unknown_major = None;
        for nth in candidates {
            let message = &self.messages[*nth];
            let envelope = message.envelope.map(|nth| &self.envelopes[nth]);
            match envelope {
                Some(envelope) if !names(envelope, message, &document) => continue,
                Some(envelope) if !is_major(envelope, message, &document) => {
                    unknown_major = Some(message);
                    continue;
                }
                _ => {}
            }
            let payload = match envelope.and_then(|envelope| envelope.payload.as_ref()) {
                Some(path) => get(&document, path).cloned().unwrap_or(Value::Null),
                None => document.clone(),
            };
            let read = Read { message, envelope, document, payload, inexact };
            read.check()?;
            return Ok(read);
        }
        if let Some(message) = unknown_major {
            return Err(Refusal::new(Reason::MajorUnknown, "", format!("of {}", message.info.name)));
        }
        if !document.is_object() {
            return Err(Refusal::new(Reason::SchemaMismatch, "", "no object"));
        }
        Err(Refusal::whole(Reason::TypeUnknown))
    }
}

/// A message as it was read.
struct Read<'p> {
    message: &'p Message,
    envelope: Option<&'p Envelope>,
    document: Value,
    payload: Value,
    inexact: Vec<Vec<String>>,
}

impl Read<'_> {
    /// Validates document and payload, and refuses numbers that were cut where a mapping reads them.
    fn check(&self) -> Result<(), Refusal> {
        if let Some(schema) = self.envelope.and_then(|envelope| envelope.schema.as_ref()) {
            validate(schema, &self.document, "")?;
        }
        if let WireSchema::Json(schema, _) = &self.message.schema {
            validate(schema, &self.payload, &self.prefix())?;
        }
        let payload = self.envelope.and_then(|envelope| envelope.payload.clone()).unwrap_or_default();
        for place in &self.inexact {
            let below = place.strip_prefix(payload.as_slice());
            let money = |block: &Block| below.and_then(|path| block.reads(path));
            if let Some(is_money) = self.message.forms.iter().find_map(|form| money(&form.block)) {
                let reason = if is_money { Reason::AmountNotExact } else { Reason::NumberNotExact };
                return Err(Refusal::new(reason, shown(place), "a number that 64 bits do not hold exactly"));
            }
        }
        Ok(())
    }

    fn prefix(&self) -> String {
        self.envelope.and_then(|envelope| envelope.payload.as_deref()).map(shown).unwrap_or_default()
    }

    fn within(&self, refusal: Refusal) -> Refusal {
        match self.prefix() {
            prefix if prefix.is_empty() => refusal,
            prefix if refusal.at.is_empty() => Refusal { at: prefix, ..refusal },
            prefix => Refusal { at: format!("{prefix}.{}", refusal.at), ..refusal },
        }
    }
}

impl Block {
    /// Whether a line reads the place, and as money.
    fn reads(&self, path: &[String]) -> Option<bool> {
        let line = self.lines.iter().filter(|line| line.inward).find_map(|line| {
            let hit = line.wire.iter().any(|wire| path.starts_with(wire));
            let is_money = match &line.rule {
                Rule::Money { .. } => true,
                Rule::Map { value, .. } => matches!(**value, Rule::Money { .. }),
                _ => false,
            };
            hit.then_some(is_money)
        });
        line.or_else(|| {
            self.lists.iter().filter(|list| list.inward).find_map(|list| {
                let rest = path.strip_prefix(list.wire.as_slice())?;
                list.block.reads(rest.get(1..)?)
            })
        })
    }
}

/// The document says that it is this message.
fn names(envelope: &Envelope, message: &Message, document: &Value) -> bool {
    let Some(path) = &envelope.kind else { return true };
    let Some(kind) = get(document, path).and_then(Value::as_str) else { return false };
    message.info.kind.as_deref() == Some(kind) || message.info.also.iter().any(|other| other == kind)
}

/// The number before the dot of the version is that of the manifest; a document without one is taken.
fn is_major(envelope: &Envelope, message: &Message, document: &Value) -> bool {
    let Some(path) = &envelope.version else { return true };
    let version = match get(document, path) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return true,
    };
    let major = |text: &str| text.split('.').next().unwrap_or_default().to_owned();
    major(&version) == major(&message.info.version)
}

/// The form whose constants and conditions the payload has.
fn select<'p>(message: &'p Message, read: &Read<'p>, settings: &Settings) -> Result<&'p Form, Refusal> {
    let meta = EventMeta::default();
    let mut unspecified = None;
    for form in message.forms.iter().filter(|form| form.imports.is_some()) {
        let rows = Value::Null;
        let out =
            Out { data: &read.payload, element: None, meta: &meta, rows: &rows, settings, message: &message.info };
        if !out.holds(&form.when_wire) {
            continue;
        }
        let wrong = form.block.lines.iter().filter(|line| line.inward).find_map(|line| {
            let Rule::Constant(expected) = &line.rule else { return None };
            let found = line.wire.iter().find_map(|path| get(&read.payload, path));
            (found != Some(expected)).then(|| (shown(&line.wire[0]), found))
        });
        match wrong {
            None => return Ok(form),
            Some((at, found)) => {
                let is_zero =
                    found.is_none_or(|found| found.as_str().is_some_and(|name| name.ends_with("_UNSPECIFIED")));
                unspecified.get_or_insert((at, is_zero));
            }
        }
    }
    let refusal = match unspecified {
        Some((at, true)) => Refusal::new(Reason::TypeUnspecified, at, ""),
        Some((at, false)) => Refusal::new(Reason::FormUnknown, at, "the pack gives this value no meaning"),
        None => Refusal::whole(Reason::FormUnknown),
    };
    Err(read.within(refusal))
}

fn read_form(form: &Form, payload: &Value, inner: &mut In<'_>) -> Result<(), Refusal> {
    if form.identity {
        inner.data = payload.clone();
        return Ok(());
    }
    let Some(each) = &form.each else { return inner.block(&form.block, payload) };
    inner.element = Some(Value::Object(Map::new()));
    inner.block(&form.block, payload)?;
    let element = inner.element.take().unwrap_or_default();
    put(&mut inner.data, each, Value::Array(vec![element]));
    Ok(())
}

/// Headers that are text, as an object.
fn headers(received: &BrokerMessage) -> Value {
    let mut members = Map::new();
    for (name, _) in &received.headers {
        if let Some(text) = received.header(name) {
            members.insert(name.clone(), text.into());
        }
    }
    Value::Object(members)
}

/// Where a number stands that its enumeration does not name.
fn unknown_name(value: &Value, shape: &crate::shape::Shape) -> Option<String> {
    use crate::shape::Shape;
    match (shape, value) {
        (Shape::Names(_), Value::Number(_)) => Some(String::new()),
        (Shape::Object(members), Value::Object(values)) => values.iter().find_map(|(name, value)| {
            let below = unknown_name(value, &members.get(name)?.shape)?;
            Some(if below.is_empty() { name.clone() } else { format!("{name}.{below}") })
        }),
        (Shape::List(element), Value::Array(values)) => values.iter().find_map(|value| unknown_name(value, element)),
        (Shape::Map(element), Value::Object(values)) => values.values().find_map(|value| unknown_name(value, element)),
        _ => None,
    }
}

/// Decodes data as the event that they are said to be.
fn decode(event: &EventShape, data: &Value) -> Result<Arc<dyn AnyEvent>, Refusal> {
    REGISTRY
        .decode(event.name, event.version, &data.to_string())
        .map_err(|error| Refusal::new(Reason::EventInvalid, "", error.to_string()))
}

/// Fields that rows add, with the row that has them.
pub type FromRows = BTreeMap<String, String>;

/// The id of the event, by the rule of the message; where that finds nothing, by its position.
fn event_id(
    message: &Message,
    (received, body, payload): (&BrokerMessage, &[u8], &Value),
    meta: &DraftMeta,
    arrival: &Arrival<'_>,
) -> String {
    let mut parts: Vec<Vec<u8>> = vec![arrival.bridge.into(), message.info.producer.as_str().into()];
    let given = parts.len();
    for part in &message.id {
        let value: Option<Vec<u8>> = match part {
            IdPart::WireId => meta.wire_id.as_deref().map(Into::into),
            IdPart::Header(name) => received.header(name).map(Into::into),
            IdPart::Payload => Some([message.info.name.as_bytes(), body].concat()),
            IdPart::Key => received.key.as_ref().map(|key| key.0.clone()),
            IdPart::Field(path) => get(payload, path).map(|value| value.to_string().into_bytes()),
        };
        let Some(value) = value else {
            parts.truncate(given);
            break;
        };
        parts.push(value);
    }
    if parts.len() == given {
        parts.push(message.info.name.as_str().into());
        parts.push(arrival.position.map_or_else(|| body.to_vec(), Into::into));
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    convert::event_id(arrival.bridge, &parts)
}
