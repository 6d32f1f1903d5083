//! The engine's own rows: timers, jobs, inbox, idempotency keys, parked messages, dead letters, consumers, audit.
//! They are entities like those of services, written in the same commit as the effect that they belong to.

use std::sync::Arc;

use tradewind_events::{
    AsKey, DecodeError, Fingerprint, Id, Key, KeyText, RawEnvelope, Subject, TextEnum, Timestamp, broker::BrokerMessage,
};
use tradewind_macros::Entity;

use crate::{Cause, LogPosition, Stop, StoredAnswer, Table, segment::Indexes};

/// Owns the engine's rows. No service can name it in its unit of work.
pub enum EngineOwned {}

/// Every table of the engine, for migrations and audits.
pub const ENGINE_TABLES: &[&Table] = &[
    <TimerRow as crate::Entity>::TABLE,
    <JobRow as crate::Entity>::TABLE,
    <InboxRow as crate::Entity>::TABLE,
    <InboxSegmentRow as crate::Entity>::TABLE,
    <IdempotencyRow as crate::Entity>::TABLE,
    <ParkedRow as crate::Entity>::TABLE,
    <DeadLetterRow as crate::Entity>::TABLE,
    <ConsumerRow as crate::Entity>::TABLE,
    <CounterRow as crate::Entity>::TABLE,
    <RelayRow as crate::Entity>::TABLE,
    <ImportedSubjectRow as crate::Entity>::TABLE,
    <AuditRow as crate::Entity>::TABLE,
];

/// The log position that a row stores as two numbers. Segments count from 1, so 0 stands for no position.
pub(crate) fn position_of(segment: u64, index: u32) -> Option<LogPosition> {
    (segment > 0).then_some(LogPosition { segment, index })
}

/// A message to oneself, later.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "timer", key = (service, name, key))]
pub struct TimerRow {
    pub service: KeyText,
    pub name: KeyText,
    pub key: Id,
    pub due_at: Timestamp,
    pub correlation_id: Id,
    /// How often it was too early for its handler.
    pub attempts: u32,
}

/// A job for a worker.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "job", key = id)]
pub struct JobRow {
    /// The idempotency key under which the world knows it.
    pub id: Id,
    pub service: Arc<str>,
    pub kind: Arc<str>,
    /// JSON of a wire type.
    pub request: Arc<str>,
    pub state: JobState,
    /// How often it was tried.
    pub attempts: u32,
    pub due_at: Timestamp,
    pub asked_at: Timestamp,
    pub last_error: Option<Arc<str>>,
    pub correlation_id: Id,
    pub traceparent: Option<Arc<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum JobState {
    #[text("waiting")]
    Waiting,
    /// The engine retries it no more: its attempts are used up, or its outcome could not be handled. The row stays
    /// until an operator retries or settles the job. It does not become a dead letter.
    #[text("exhausted")]
    Exhausted,
}

/// A received event whose effect is committed, and whose id is not that of an event of a Tradewind store.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "inbox", key = event_id, transient)]
pub struct InboxRow {
    pub event_id: Id,
    pub received_at: Timestamp,
}

/// The received events of one segment of another Tradewind store: those whose effect is committed. An event whose index
/// is [`crate::segment::INDEXES_MAX`] or higher has an [`InboxRow`] instead.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "inbox_segment", key = segment, transient)]
pub struct InboxSegmentRow {
    /// `STORE-SEGMENT`. With a dash and an index it is the id of an event.
    pub segment: Id,
    pub indexes: Indexes,
    /// Of the event that came last.
    pub received_at: Timestamp,
}

/// The answer to a request that carried an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "idempotency", key = (scope, key), transient)]
pub struct IdempotencyRow {
    pub scope: KeyText,
    pub key: Id,
    pub fingerprint: Arc<str>,
    pub answer: StoredAnswer,
    pub created_at: Timestamp,
}

/// A message that waits: for a fact of another key, or for its consumer to be resumed.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "parked", key = id)]
pub struct ParkedRow {
    pub id: Id,
    /// The service.
    pub consumer: KeyText,
    pub event_id: Id,
    pub event: Arc<str>,
    pub message_key: Id,
    pub reason: ParkedReason,
    /// The row that it waits for, `table key`.
    pub waits_for: Option<Arc<str>>,
    pub attempts: u32,
    pub due_at: Timestamp,
    /// After this it is a dead letter.
    pub deadline: Timestamp,
    pub parked_at: Timestamp,
    /// The envelope on the wire, JSON.
    pub message: Arc<str>,
    /// Where the event stands in this store's log, for projections that keep it.
    pub segment: u64,
    pub segment_index: u32,
    /// The event's source, under which it is counted; none in rows of earlier versions.
    pub source: Option<KeyText>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum ParkedReason {
    #[text("not_yet")]
    NotYet,
    #[text("paused")]
    Paused,
}

/// A message that could not be handled, with all that is needed to look into it and to send it again.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "dead_letter", key = id)]
pub struct DeadLetterRow {
    pub id: Id,
    /// The service that failed; the broker when what it delivered could not be decoded; `relay` when it refuses an event.
    pub consumer: KeyText,
    pub kind: DeadLetterKind,
    /// The event's name, the timer's, the job's.
    pub name: Arc<str>,
    pub message_key: Arc<str>,
    pub event_id: Option<Id>,
    pub correlation_id: Option<Id>,
    pub reason: Arc<str>,
    pub attempts: u32,
    pub died_at: Timestamp,
    pub state: DeadLetterState,
    /// Bytes as they came: the envelope in JSON for an event.
    pub message: Arc<[u8]>,
    /// JSON of the [`crate::ports::BrokerMessage`] that a broker delivered, without its body; none for what came
    /// from no broker, or could be decoded.
    pub record: Option<Arc<str>>,
    /// Where it stood at the broker.
    pub position: Option<Arc<str>>,
    /// The dead letter that this one is an edit of.
    pub edited_from: Option<Id>,
    pub segment: u64,
    pub segment_index: u32,
    /// The event's source, under which it is counted; none in rows of earlier versions, and of what is no event that
    /// could be decoded.
    pub source: Option<KeyText>,
    /// The broker that delivered what could not be decoded, or that refuses the event; none in rows of earlier versions,
    /// where that is the broker `broker`, and of what failed in a service.
    pub broker: Option<KeyText>,
}

impl DeadLetterRow {
    /// The envelope of an event. What a broker delivered is read with its headers, which have the attributes in the binary
    /// mode of CloudEvents; an operator's edit is an envelope in JSON.
    pub fn envelope(&self) -> Result<RawEnvelope, DecodeError> {
        let Some(record) = self.record.as_ref().filter(|_| self.edited_from.is_none()) else {
            return RawEnvelope::from_json(&self.message);
        };
        let message: BrokerMessage = serde_json::from_str(record)
            .map_err(|error| DecodeError::Envelope { reason: format!("its headers are unreadable: {error}") })?;
        RawEnvelope::from_message(&BrokerMessage { body: Some(self.message.to_vec()), ..message })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum DeadLetterKind {
    #[text("event")]
    Event,
    #[text("timer")]
    Timer,
    #[text("job")]
    Job,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum DeadLetterState {
    #[text("dead")]
    Dead,
    /// An event of the relay is being published again.
    #[text("redriving")]
    Redriving,
    /// Sent again with success, or replaced by an edit: kept as history.
    #[text("redriven")]
    Redriven,
    /// An operator has decided that it needs no effect.
    #[text("discarded")]
    Discarded,
}

/// A consumer that is or was paused: a service, or the subscription at the broker of this name.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "consumer", key = name)]
pub struct ConsumerRow {
    pub name: KeyText,
    pub paused: bool,
    pub reason: Option<Arc<str>>,
    pub since: Timestamp,
}

/// What a consumer has done with the events of one source of another store: a service, or `BRIDGE.ROLE`.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "counter", key = (consumer, source))]
pub struct CounterRow {
    pub consumer: KeyText,
    pub source: KeyText,
    pub handled: u64,
    pub parked: u64,
    pub dead: u64,
    pub discarded: u64,
}

/// The counts of a [`CounterRow`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tally {
    Handled,
    Parked,
    Dead,
    Discarded,
}

/// How far the relay of a broker has published: the broker has acknowledged everything up to this segment. Without a row
/// that is nothing, so a broker that is new gets the whole log, from segment 1, as far as it routes it. The row of a broker
/// that is configured no more stays: when it comes back its relay goes on where it was, and nothing is lost meanwhile,
/// because the log keeps every segment.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "relay", key = name)]
pub struct RelayRow {
    /// The broker's.
    pub name: KeyText,
    pub segment: u64,
}

/// What imported events are about: the subject of a source `BRIDGE.ROLE`, which has no row of a service in this store. As
/// of every row its `events` counts those about it, so the next one is numbered without a gap.
///
/// There is one for each source and subject, of at most 512 bytes. It is kept as long as the log has events of the subject,
/// which is for ever, as rows of services are that events are about: without it their numbers would begin again.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "imported_subject", key = (source, subject))]
pub struct ImportedSubjectRow {
    pub source: KeyText,
    /// As [`Subject`] is printed. Where that is longer than a part of a key: its kind and a digest of it.
    pub subject: KeyText,
}

/// What an operator did, and why.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = EngineOwned, table = "audit", key = id, transient)]
pub struct AuditRow {
    pub id: Id,
    pub at: Timestamp,
    /// Who: a user id, or `cli`.
    pub actor: Arc<str>,
    /// What, as in `consumer.resume`.
    pub action: Arc<str>,
    pub target: Arc<str>,
    /// JSON with whatever belongs to the action; no personal data.
    pub detail: Arc<str>,
}

impl TimerRow {
    /// What its handler is told to be the cause.
    pub(crate) fn cause(&self) -> Result<Cause, Stop> {
        let id = Id::new(format!("{}.{}", self.service, self.name)).map_err(Stop::broken)?;
        Ok(Cause { id, correlation_id: self.correlation_id.clone(), traceparent: None, event: None })
    }

    pub fn key_of(service: &KeyText, name: &KeyText, key: &Id) -> Key {
        (service, name, key).as_key()
    }
}

impl ImportedSubjectRow {
    pub fn new(source: &KeyText, subject: &Subject) -> Self {
        let text = subject.to_string();
        let subject = KeyText::new(&*text).unwrap_or_else(|_| {
            let mut digest = Fingerprint::default();
            digest.text(&text);
            // No subject is printed like this: a percent sign stands before two digits.
            KeyText::new(format!("{}/%-{}", subject.kind, digest.finish()))
                .unwrap_or_else(|_| unreachable!("the name of a table is short"))
        });
        Self { source: source.clone(), subject }
    }
}

impl InboxSegmentRow {
    /// The key of what was received of a segment of another store.
    ///
    /// # Panics
    /// When the store's name is longer than names of stores are.
    pub fn key_of(store: &str, segment: u64) -> Key {
        let id = Id::new(format!("{store}-{segment}"));
        id.unwrap_or_else(|_| unreachable!("a store's name is short and visible")).as_key()
    }
}

impl CounterRow {
    /// A message moves from one count to another; a new one from none.
    pub(crate) fn moves(&mut self, from: Option<Tally>, to: Tally) {
        if let Some(from) = from {
            let count = self.of(from);
            *count = count.saturating_sub(1);
        }
        *self.of(to) += 1;
    }

    fn of(&mut self, tally: Tally) -> &mut u64 {
        match tally {
            Tally::Handled => &mut self.handled,
            Tally::Parked => &mut self.parked,
            Tally::Dead => &mut self.dead,
            Tally::Discarded => &mut self.discarded,
        }
    }

    /// Nothing is counted yet.
    pub fn new(consumer: KeyText, source: KeyText) -> Self {
        Self { consumer, source, handled: 0, parked: 0, dead: 0, discarded: 0 }
    }
}

impl JobRow {
    /// What the handler of its outcome is told to be the cause.
    pub(crate) fn cause(&self) -> Cause {
        let (correlation_id, traceparent) = (self.correlation_id.clone(), self.traceparent.clone());
        Cause { id: self.id.clone(), correlation_id, traceparent, event: None }
    }
}
