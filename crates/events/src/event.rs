//! What an event is, and the registry of all that there are.

use std::{any::Any, borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use crate::{
    Column, ColumnError, ColumnKind, DecodeError, Id, Key, OrderSummary, Value, is_key_text, personal::masked,
    size::json_size,
};

/// A fact that a service tells. Derive it:
/// `#[derive(Event)] #[event("order.placed", version = 1, about = order(order_id), key = order_id)]`. Where an event names the
/// customer, `party = customer_id` follows.
pub trait Event: fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The wire name, `domain.action`, past tense, snake case.
    const NAME: &'static str;
    /// Counts from 1; a change that old readers cannot take is a new version.
    const VERSION: u16;
    /// The kind of [`Event::subject`]: the table of the entity that the event is about.
    const SUBJECT: &'static str;

    /// The producer's own entity that the event is about.
    fn subject(&self) -> Subject;

    /// What orders the stream: the order id for the saga, the SKU for stock.
    fn key(&self) -> &Id;

    /// On whose behalf it happened, where the event names one: the customer of an order. Failures of one party count as
    /// one cause.
    fn party(&self) -> Option<&Id> {
        None
    }

    /// Data of an older version, made into data of the next one. `None`: that version was never written.
    fn upcast(_from: u16, _data: serde_json::Value) -> Option<serde_json::Value> {
        None
    }
}

/// A field of an event that names the party on whose behalf it happened, for the derive of [`Event`].
pub trait Party {
    fn party(&self) -> Option<&Id>;
}

impl Party for Id {
    fn party(&self) -> Option<&Id> {
        Some(self)
    }
}

impl Party for Arc<OrderSummary> {
    fn party(&self) -> Option<&Id> {
        Some(&self.customer_id)
    }
}

impl<T: Party> Party for Option<T> {
    fn party(&self) -> Option<&Id> {
        self.as_ref().and_then(T::party)
    }
}

/// The entity that an event is about: the kind is the name of its table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    pub kind: Cow<'static, str>,
    pub key: Key,
}

impl Subject {
    pub fn new(kind: impl Into<Cow<'static, str>>, key: Key) -> Self {
        Self { kind: kind.into(), key }
    }

    /// This subject is printed as that text. Where a part has to be escaped, the answer is no: then [`Subject::parse`] it.
    pub fn is(&self, text: &str) -> bool {
        let key = text.strip_prefix(&*self.kind).and_then(|rest| rest.strip_prefix('/'));
        key.is_some_and(|key| key == self.key.as_str() && !key.contains(['/', '%']))
    }

    /// Reads what [`fmt::Display`] prints; `None` for anything but a kind and one or more parts.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, key) = text.split_once('/')?;
        if !is_key_text(kind) {
            return None;
        }
        let key = if key.contains(['/', '%']) {
            let parts: Vec<_> = key.split('/').map(|part| part.replace("%2F", "/").replace("%25", "%")).collect();
            Key::checked(parts.iter().map(String::as_str))
        } else {
            Key::checked([key])
        };
        Some(Self::new(kind.to_owned(), key.ok()?))
    }
}

/// `kind/part/part`; a slash inside a part is `%2F`, a percent sign `%25`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        for part in self.key.parts() {
            f.write_str("/")?;
            if part.contains(['/', '%']) {
                f.write_str(&part.replace('%', "%25").replace('/', "%2F"))?;
            } else {
                f.write_str(part)?;
            }
        }
        Ok(())
    }
}

/// As text, both on the wire and in a column.
impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a subject is kind/key"))
    }
}

impl Column for Subject {
    const KIND: ColumnKind = ColumnKind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.to_string().into())
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        let text = String::from_value(value)?;
        Self::parse(&text).ok_or_else(|| ColumnError(format!("{text:?} is no subject")))
    }
}

/// An [`Event`] behind a pointer, as it goes from service to service inside a process: never encoded on the way.
pub trait AnyEvent: fmt::Debug + Send + Sync + 'static {
    fn name(&self) -> &'static str;
    fn version(&self) -> u16;
    fn subject(&self) -> Subject;
    /// The table of the subject.
    fn subject_table(&self) -> &'static str;
    fn key(&self) -> &Id;
    /// See [`Event::party`].
    fn party(&self) -> Option<&Id>;
    /// Appends the data as JSON.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error>;
    /// About how many bytes the data has as JSON, texts unescaped: it is not written for that. Escaped it is up to
    /// [`crate::ESCAPED_FACTOR_MAX`] times as many.
    fn size(&self) -> usize;
    fn as_any(&self) -> &dyn Any;
}

impl<E: Event> AnyEvent for E {
    fn name(&self) -> &'static str {
        E::NAME
    }
    fn version(&self) -> u16 {
        E::VERSION
    }
    fn subject(&self) -> Subject {
        Event::subject(self)
    }
    fn subject_table(&self) -> &'static str {
        E::SUBJECT
    }
    fn key(&self) -> &Id {
        Event::key(self)
    }
    fn party(&self) -> Option<&Id> {
        Event::party(self)
    }
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(out, self)
    }
    fn size(&self) -> usize {
        json_size(self)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// One kind of event, as the registry knows it.
#[derive(Clone, Copy)]
pub struct EventKind {
    pub name: &'static str,
    pub version: u16,
    /// The service of ours that says it. An imported event of this kind has another source: see [`crate::Envelope::source`].
    pub source: &'static str,
    /// What its [`Subject`] is.
    pub subject: &'static str,
    decode: Decode,
}

type Decode = fn(u16, &str) -> Result<Arc<dyn AnyEvent>, DecodeError>;

impl EventKind {
    pub const fn of<E: Event>(source: &'static str) -> Self {
        Self { name: E::NAME, version: E::VERSION, source, subject: E::SUBJECT, decode: decode::<E> }
    }
}

fn decode<E: Event>(version: u16, data: &str) -> Result<Arc<dyn AnyEvent>, DecodeError> {
    let invalid = |error: serde_json::Error| DecodeError::Data { name: E::NAME.to_owned(), reason: masked(&error) };
    if version == E::VERSION {
        return Ok(Arc::new(serde_json::from_str::<E>(data).map_err(invalid)?));
    }
    let unknown = || DecodeError::UnknownVersion { name: E::NAME.to_owned(), version };
    if version > E::VERSION {
        return Err(unknown());
    }
    let mut value: serde_json::Value = serde_json::from_str(data).map_err(invalid)?;
    for from in version..E::VERSION {
        value = E::upcast(from, value).ok_or_else(unknown)?;
    }
    Ok(Arc::new(serde_json::from_value::<E>(value).map_err(invalid)?))
}

/// All kinds of events that a process can decode.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<&'static str, EventKind>);

impl Registry {
    /// # Panics
    /// When two kinds share a name.
    pub fn new(kinds: impl IntoIterator<Item = EventKind>) -> Self {
        let mut by_name = BTreeMap::new();
        for kind in kinds {
            assert!(by_name.insert(kind.name, kind).is_none(), "two events are named {}", kind.name);
        }
        Self(by_name)
    }

    pub fn kinds(&self) -> impl Iterator<Item = &EventKind> {
        self.0.values()
    }

    pub fn get(&self, name: &str) -> Option<&EventKind> {
        self.0.get(name)
    }

    /// Data, as JSON, of a version that this process knows, or an older one that can be upcast.
    pub fn decode(&self, name: &str, version: u16, data: &str) -> Result<Arc<dyn AnyEvent>, DecodeError> {
        let kind = self.get(name).ok_or_else(|| DecodeError::UnknownType { name: name.to_owned() })?;
        (kind.decode)(version, data)
    }
}
