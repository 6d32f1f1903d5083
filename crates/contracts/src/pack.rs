//! A pack that was checked.

use std::{collections::BTreeMap, sync::Arc};

use jsonschema::Validator;
use prost_reflect::MessageDescriptor;
use serde_json::Value;

use crate::{
    canonical::EventShape,
    manifest::{Broker, Channel, Encoding, Framing, Setting},
    mapping::Path,
    refusal::{Reason, Refusal},
    rule::{Block, ConditionRule, FillRule, Place},
    settings::Settings,
    shape::Shape,
};

/// How the messages of one contract are translated.
pub struct Pack {
    pub name: String,
    pub title: String,
    pub version: String,
    /// Where the contract is published.
    pub document: String,
    pub broker: Broker,
    pub encoding: Encoding,
    pub framing: Framing,
    /// What stands before and behind a key; none is nothing.
    pub(crate) key_around: Option<(String, String)>,
    pub(crate) headers: Block,
    pub(crate) settings: BTreeMap<String, Setting>,
    pub(crate) envelopes: Vec<Envelope>,
    pub(crate) messages: Vec<Message>,
    pub channels: BTreeMap<String, Channel>,
    pub roles: BTreeMap<String, RoleInfo>,
    /// Messages by the address of their channel.
    pub(crate) by_channel: BTreeMap<String, Vec<usize>>,
    /// Message and form by the event that they export, in the order of the manifest.
    pub(crate) by_event: BTreeMap<&'static str, Vec<(usize, usize)>>,
}

/// A service of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleInfo {
    /// Services of ours whose part it plays.
    pub plays: Vec<String>,
    /// Messages that tell it that an order has ended.
    pub told_of_end_by: Vec<String>,
    pub keeps: Option<String>,
    pub duties: Vec<DutyInfo>,
}

/// Where an event comes from that no message of a role carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DutyInfo {
    pub event: String,
    pub met: DutyMet,
}

/// How a duty is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DutyMet {
    /// When one event of each set has been seen, and none of the last.
    Implied { when: Vec<Vec<String>>, unless: Vec<String> },
    /// By our own service.
    Ours,
    /// By nothing, for this reason.
    None(String),
}

pub(crate) struct Envelope {
    pub schema: Option<Validator>,
    pub kind: Option<Path>,
    pub version: Option<Path>,
    pub payload: Option<Path>,
    pub block: Block,
}

/// What the manifest says about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageInfo {
    pub name: String,
    /// As it stands in the envelope.
    pub kind: Option<String>,
    pub also: Vec<String>,
    /// The address of its channel.
    pub channel: String,
    pub broker: Broker,
    pub producer: String,
    pub consumers: Vec<String>,
    pub version: String,
    pub about: String,
    /// The document marks it as unused.
    pub unused: bool,
    pub retention: Option<String>,
    pub examples: Vec<String>,
}

pub(crate) struct Message {
    pub info: MessageInfo,
    pub envelope: Option<usize>,
    pub schema: WireSchema,
    pub key: Place,
    pub id: Vec<IdPart>,
    pub routed: Routed,
    pub forms: Vec<Form>,
    pub file: String,
    pub line: usize,
}

/// How a broker finds the consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Routed {
    /// A Kafka topic.
    Log,
    /// A topic exchange; the routing key is the type.
    ByType,
    /// A queue by its name.
    Queue,
}

pub(crate) enum WireSchema {
    /// A JSON Schema.
    Json(Box<Validator>, Shape),
    Protobuf(MessageDescriptor),
    /// The canonical event itself.
    Canonical,
}

/// What the id of an imported event is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdPart {
    WireId,
    Header(String),
    Payload,
    Key,
    Field(Path),
}

/// One meaning of a message.
pub(crate) struct Form {
    pub imports: Option<&'static Arc<EventShape>>,
    pub exports: Vec<&'static Arc<EventShape>>,
    pub when: Vec<ConditionRule>,
    pub when_wire: Vec<ConditionRule>,
    /// The canonical list of which one message has one element.
    pub each: Option<Path>,
    pub once: Option<Place>,
    pub block: Block,
    pub fills: Vec<FillRule>,
    /// The payload is the data.
    pub identity: bool,
    pub line: usize,
}

impl Pack {
    /// The settings of a bridge: those given, else the defaults.
    ///
    /// # Errors
    /// A name that the pack does not have, a value that it does not allow, or one without a default that is not given.
    pub fn settings(&self, given: &BTreeMap<String, String>) -> Result<Settings, String> {
        if let Some(name) = given.keys().find(|name| !self.settings.contains_key(*name)) {
            let known: Vec<_> = self.settings.keys().map(String::as_str).collect();
            return Err(format!("{} has no setting {name}, only {}", self.name, known.join(", ")));
        }
        let mut values = BTreeMap::new();
        for (name, setting) in &self.settings {
            let value = match (given.get(name), &setting.default) {
                (Some(text), Some(toml::Value::Integer(_))) => {
                    let number: i64 = text.parse().map_err(|_| format!("the setting {name} is a whole number"))?;
                    number.into()
                }
                (Some(text), _) => Value::String(text.clone()),
                (None, Some(toml::Value::Integer(number))) => (*number).into(),
                (None, Some(toml::Value::Boolean(flag))) => (*flag).into(),
                (None, Some(toml::Value::String(text))) => text.as_str().into(),
                (None, _) => return Err(format!("the setting {name} has no default: {}", setting.about)),
            };
            if let (Value::String(text), false) = (&value, setting.values.is_empty())
                && !setting.values.contains(text)
            {
                return Err(format!("the setting {name} is one of {}", setting.values.join(", ")));
            }
            values.insert(name.clone(), value);
        }
        Ok(Settings::new(values))
    }

    /// All messages, in the order of the manifest.
    pub fn messages(&self) -> impl Iterator<Item = &MessageInfo> {
        self.messages.iter().map(|message| &message.info)
    }

    /// The canonical events that a message is exported for and imported as.
    pub fn events_of(&self, name: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        let forms = || self.messages.iter().filter(|message| message.info.name == name).flat_map(|m| &m.forms);
        let exported = forms().flat_map(|form| form.exports.iter().map(|event| event.name)).collect();
        (exported, forms().filter_map(|form| form.imports).map(|event| event.name).collect())
    }
}

/// Checks a value. The refusal names the place and the keyword, never the value.
pub(crate) fn validate(schema: &Validator, value: &Value, within: &str) -> Result<(), Refusal> {
    let Some(error) = schema.iter_errors(value).next() else { return Ok(()) };
    let place = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
    let at = match (within.is_empty(), place.is_empty()) {
        (true, _) => place,
        (false, true) => within.to_owned(),
        (false, false) => format!("{within}.{place}"),
    };
    let keyword = error.schema_path().as_str().to_owned();
    let reason = if keyword.ends_with("/enum") { Reason::EnumUnknown } else { Reason::SchemaMismatch };
    Err(Refusal::new(reason, at, format!("schema {keyword}")))
}
