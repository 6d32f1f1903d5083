//! Messages: commands that want an answer, timers to oneself, jobs for the world outside. Events are in `events`.

use std::{any::Any, marker::PhantomData, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use tradewind_events::{AnyEvent, Column, ColumnError, ColumnKind, Envelope, Event, Id, KeyText, Value, is_key_text};

use crate::packing::{compress_short, decompress_short};

/// A wish that a service may refuse. Derive it: `#[derive(Command)] #[command(owner = Inventory,
/// name = "adjust_stock", answer = StockLevel, key = sku)]`.
pub trait Command: Send + Sync + 'static {
    type Owner: crate::Settings;
    type Answer: Send + 'static;
    /// Stable name, snake case, unique in its service: metrics and the audit trail show it.
    const NAME: &'static str;

    /// What orders it among messages of the same service; none for a command that makes something new.
    fn key(&self) -> Option<&Id>;
}

/// A kind of deadline of a service: a message to itself, later. One per key: setting it again moves it.
pub struct Timer<S> {
    pub name: &'static str,
    owner: PhantomData<fn() -> S>,
}

impl<S> Clone for Timer<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Timer<S> {}

impl<S> Timer<S> {
    /// `name` is stable: it stands in stores.
    ///
    /// # Panics
    /// When it is no part of a key: where this is a constant, that does not compile.
    pub const fn new(name: &'static str) -> Self {
        assert!(is_key_text(name), "the name of a timer is a part of the key of its row");
        Self { name, owner: PhantomData }
    }
}

/// A kind of job that is done outside (a mail, a payment provider), at least once, under a stable key.
pub trait Job: 'static {
    type Owner: crate::Settings;
    /// A wire type of `events`.
    type Request: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// A wire type of `events`.
    type Reply: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Stable name, snake case, unique in the product.
    const NAME: &'static str;
    /// What is personal in its request is erased when its attempts are used up, and it cannot be tried again: for
    /// secrets of which whoever needs one asks for another.
    const ERASED_WHEN_EXHAUSTED: bool = false;
}

/// How a job ended, as the service that asked hears it.
pub struct Finished<K: Job> {
    /// The idempotency key of the job.
    pub key: Id,
    pub request: K::Request,
    pub reply: K::Reply,
    /// How often it was tried, from 1.
    pub attempts: u32,
}

/// Events of one transition, of whatever types, in their order.
#[derive(Debug, Clone, Default)]
pub struct Events(Vec<Arc<dyn AnyEvent>>);

impl Events {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push<E: Event>(&mut self, event: E) {
        self.0.push(Arc::new(event));
    }

    pub fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn AnyEvent>> {
        self.0.iter()
    }
}

impl<E: Event> From<E> for Events {
    fn from(event: E) -> Self {
        Self(vec![Arc::new(event)])
    }
}

/// Of whatever types, as a registry has decoded them.
impl FromIterator<Arc<dyn AnyEvent>> for Events {
    fn from_iter<I: IntoIterator<Item = Arc<dyn AnyEvent>>>(events: I) -> Self {
        Self(events.into_iter().collect())
    }
}

impl IntoIterator for Events {
    type Item = Arc<dyn AnyEvent>;
    type IntoIter = std::vec::IntoIter<Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Where an event stands in the log of a store: the segment (one a commit, from 1) and its place in it (from 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogPosition {
    pub segment: u64,
    pub index: u32,
}

/// What a handler may know of the message that it handles.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The event's id, the request's id, the timer's name with its key.
    pub id: Id,
    /// The same for all that follows from one request.
    pub correlation_id: Id,
    /// W3C trace context.
    pub traceparent: Option<Arc<str>>,
    /// Set when the cause is an event.
    pub event: Option<EventCause>,
}

/// Of an event that is handled.
#[derive(Debug, Clone)]
pub struct EventCause {
    envelope: Arc<Envelope>,
    /// Where it stands in this store's log; none in a store that does not log what it hears from others.
    pub position: Option<LogPosition>,
}

impl EventCause {
    /// All that goes with the event.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }
}

impl Cause {
    /// Of the reactions to an event.
    pub(crate) fn of(envelope: &Arc<Envelope>, position: Option<LogPosition>) -> Self {
        Self {
            id: envelope.id.clone(),
            correlation_id: envelope.correlation_id.clone(),
            traceparent: envelope.traceparent.clone(),
            event: Some(EventCause { envelope: Arc::clone(envelope), position }),
        }
    }
}

/// A command's answer as it goes to a client, kept with its effect and replayed byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// The `Location` header, if any.
    pub location: Option<String>,
    /// The body, JSON.
    pub body: Vec<u8>,
}

/// The longest answer that is read again, in bytes. Bodies of ours are shorter than what is read of requests.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Packed: `201 /v1/orders/ID`, or `204` without a location, a line end, and the body.
impl Column for StoredAnswer {
    const KIND: ColumnKind = ColumnKind::Bytes;

    fn to_value(&self) -> Value {
        let mut plain = self.status.to_string().into_bytes();
        for part in self.location.iter().flat_map(|location| [" ", location]) {
            plain.extend_from_slice(part.as_bytes());
        }
        plain.push(b'\n');
        plain.extend_from_slice(&self.body);
        // Without memory the process ends anyway; what is no frame would be refused when it is read.
        let packed = compress_short(&plain);
        // An answer that could not be kept is refused with its batch: an empty one would be given again.
        Value::Bytes(packed.unwrap_or_else(|error| panic!("an answer cannot be compressed: {error}")).into())
    }

    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        let bad = || ColumnError("it is no answer".to_owned());
        let packed = Arc::<[u8]>::from_value(value)?;
        let mut plain = decompress_short(&packed, ANSWER_BYTES_MAX).map_err(|_| bad())?;
        let end = plain.iter().position(|byte| *byte == b'\n').ok_or_else(bad)?;
        let body = plain.split_off(end + 1);
        let head = plain.get(..end).and_then(|head| std::str::from_utf8(head).ok()).ok_or_else(bad)?;
        let (status, location) =
            head.split_once(' ').map_or((head, None), |(status, location)| (status, Some(location)));
        let status = status.parse().map_err(|_| bad())?;
        Ok(Self { status, location: location.map(str::to_owned), body })
    }

    fn weight(&self) -> usize {
        self.location.as_ref().map_or(0, String::len) + self.body.len()
    }
}

/// The idempotency key of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Principal and route: the same key of another principal or on another route is another key.
    pub scope: KeyText,
    pub key: Id,
    /// Hash of the body: the same key with another body is refused.
    pub fingerprint: Arc<str>,
}

/// A typed answer behind a pointer.
pub type AnyAnswer = Box<dyn Any + Send>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_back_from_its_column_byte_for_byte() {
        for (status, location, body) in [
            (201, Some("/v1/orders/a b"), &b"{\"order_id\":\"a\"}"[..]),
            (204, None, b""),
            (200, None, b"two\nlines \xff"),
        ] {
            let answer = StoredAnswer { status, location: location.map(str::to_owned), body: body.to_vec() };
            assert_eq!(StoredAnswer::from_value(&answer.to_value()), Ok(answer));
        }
    }

    #[test]
    fn a_column_that_holds_no_answer_is_an_error() {
        let packed = |plain: &[u8]| Value::Bytes(compress_short(plain).unwrap().into());
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.into());
        for damaged in [Value::Null, bytes(b""), bytes(b"201\n"), packed(b"201"), packed(b"x\n"), packed(b"70000\n")] {
            assert!(StoredAnswer::from_value(&damaged).is_err(), "{damaged:?}");
        }
    }
}
