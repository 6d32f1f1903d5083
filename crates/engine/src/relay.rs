//! The relay of a broker: publishes the events that this store has emitted there, in the order of the log, at least once.
//! Each broker has one of its own, with its own mark, so that one which is slow holds up no other. It is a state
//! machine without a thread, a clock and I/O: [`Relay::next`] says what to do, its caller does it and reports how it
//! went. `runtime/relay.rs` does so on a thread, the simulator a step at a time.

mod buffer;
mod outbox;
mod refusal;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tradewind_events::{AsKey, Id, KeyText, RawEnvelope};

use crate::{
    Backoff, BrokerLimits, Direction, Entity, Logged, Observer, Routing, Tracer, injected,
    ports::{BrokerError, BrokerMessage, Reader, StoreError},
    segment::{LogEvent, Segment, event_position},
    tables::RelayRow,
};

use buffer::BufferedSegment;
pub use buffer::RelayBuffer;
use outbox::{Encoded, Outbox};
use refusal::Aside;
pub(crate) use refusal::RELAY;
pub use refusal::{RefusedEvent, RelayOrder};

/// Segments that are read from the log at a time, at most.
const READ_SEGMENTS_MAX: u32 = 64;

/// When so many packed bytes were read at a time, fewer segments are read the next time.
const READ_BYTES_MAX: usize = 1024 * 1024;

const RETRY: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(10) };

/// Publishes what is committed. Its mark is the last segment of which the broker has acknowledged every message.
pub struct Relay {
    store_name: Arc<str>,
    broker: KeyText,
    routing: Routing,
    limits: BrokerLimits,
    observer: Arc<dyn Observer>,
    tracer: Option<Arc<dyn Tracer>>,
    outbox: Outbox,
    /// The next segments, which are not encoded yet.
    segments: VecDeque<Source>,
    /// The first segment that is in neither.
    next: u64,
    /// The last segment that is committed.
    committed: u64,
    /// The first segment after `next` that is in the buffer: the log is read up to there.
    buffered: Option<u64>,
    read_segments: u32,
    /// The mark that the store has, or will have.
    saved: u64,
    /// So many messages of the call go one by one, because one of them was refused.
    one_by_one: usize,
    refused: Option<RefusedEvent>,
    aside: Aside,
    /// Dead letters whose event is published, or refused for this reason, which the core does not know yet.
    republished: VecDeque<(Id, Option<String>)>,
    /// How many messages the broker has returned, as it said last.
    returned: Option<u64>,
    /// Failures since the last success.
    failures: u32,
    /// The last call did not reach the broker.
    unreachable: bool,
    /// The monotonic time of the next try after a failure.
    retry_at: Option<Duration>,
    stopping: bool,
}

/// What a relay is made of.
pub struct RelaySetup {
    /// The store's name: it stands in the ids of its events.
    pub store_name: Arc<str>,
    /// The name of its broker, under which its mark stands in the store.
    pub broker: KeyText,
    /// Events of a source without a topic are passed over.
    pub routing: Routing,
    pub limits: BrokerLimits,
    pub observer: Arc<dyn Observer>,
}

/// Where a segment comes from.
enum Source {
    Memory(BufferedSegment),
    Log(Segment),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayStep {
    /// Publish [`Relay::call`], all at once; then [`Relay::published`].
    Publish,
    /// Read at most so many segments of the log; then [`Relay::read`].
    Read { from: u64, segments_max: u32 },
    /// Send [`crate::Message::Published`] to the core.
    SaveMark { segment: u64 },
    /// Send [`crate::Message::Republished`] to the core.
    Republished { dead_letter: Id, refused: Option<String> },
    /// Nothing, until this monotonic time if one is given, or until something is committed.
    Wait { until: Option<Duration> },
    /// Nothing any more: it was stopped, and its mark is saved.
    Ended,
}

impl Relay {
    /// Begins behind the mark that the store has, or with the whole log: see [`RelayRow`].
    pub fn new(setup: RelaySetup, reader: &dyn Reader) -> Result<Self, StoreError> {
        let committed = reader.last_segment()?;
        let mark = if injected("publish-only-from-memory") { committed } else { saved_mark(reader, &setup.broker)? };
        let (aside, redriven) = Aside::read(reader, &setup.broker, mark)?;
        let mut relay = Self {
            store_name: setup.store_name,
            broker: setup.broker,
            routing: setup.routing,
            limits: setup.limits,
            tracer: setup.observer.tracer(),
            observer: setup.observer,
            outbox: Outbox::new(mark),
            segments: VecDeque::new(),
            next: mark + 1,
            committed,
            buffered: None,
            read_segments: 1,
            saved: mark,
            one_by_one: 0,
            refused: None,
            aside,
            republished: VecDeque::new(),
            returned: None,
            failures: 0,
            unreachable: false,
            retry_at: None,
            stopping: false,
        };
        for (dead_letter, message) in redriven {
            relay.publish_again(dead_letter, &message);
        }
        Ok(relay)
    }

    /// The last segment of which the broker has acknowledged every message.
    pub fn mark(&self) -> u64 {
        self.outbox.acknowledged()
    }

    /// Looks at what is committed meanwhile, before [`Relay::next`]. Quick: the batch loop waits for the buffer.
    pub fn take(&mut self, buffer: &mut RelayBuffer) {
        for order in buffer.take_orders() {
            self.apply(order);
        }
        buffer.forget(self.mark());
        self.aside.forget(self.mark());
        self.committed = buffer.committed();
        if self.outbox.is_empty() && self.segments.is_empty() && !self.has_stopped() {
            let (mut bytes, mut messages) = (0, 0);
            for segment in buffer.from(self.next) {
                self.segments.push_back(Source::Memory(segment.clone()));
                bytes += segment.bytes;
                messages += segment.events.len();
                if bytes >= self.limits.publish_bytes_max || messages >= self.limits.publish_messages_max {
                    break;
                }
            }
            self.next += self.segments.len() as u64;
        }
        self.buffered = buffer.next_kept(self.next);
    }

    /// What to do at this monotonic time.
    pub fn next(&mut self, now: Duration) -> RelayStep {
        if let Some(step) = self.save_mark() {
            return step;
        }
        if let Some((dead_letter, refused)) = self.republished.pop_front() {
            return RelayStep::Republished { dead_letter, refused };
        }
        if self.has_stopped() {
            return RelayStep::Ended;
        }
        if let Some(until) = self.retry_at.filter(|at| now < *at) {
            return RelayStep::Wait { until: Some(until) };
        }
        if self.retry_at.take().is_some()
            && let Some(tracer) = &self.tracer
        {
            self.outbox.send_again(&**tracer);
        }
        if let Err((segment, error)) = self.fill() {
            tracing::error!(broker = %self.broker, error, segment, "a segment cannot be published");
            // It is read again.
            self.next = segment;
            self.segments.clear();
            let until = Some(self.fail(now));
            return RelayStep::Wait { until };
        }
        if !self.outbox.call().is_empty() {
            return RelayStep::Publish;
        }
        if let Some(step) = self.save_mark() {
            return step;
        }
        if self.next > self.committed {
            return RelayStep::Wait { until: None };
        }
        if self.buffered == Some(self.next) {
            // It is in memory, and not taken yet.
            return RelayStep::Wait { until: Some(now) };
        }
        let last = self.buffered.map_or(self.committed, |buffered| self.committed.min(buffered - 1));
        let left = u32::try_from(last + 1 - self.next).unwrap_or(u32::MAX);
        RelayStep::Read { from: self.next, segments_max: self.read_segments.min(left) }
    }

    /// Whether [`Relay::next`] would find something to do at this monotonic time.
    pub fn has_work(&self, now: Duration, buffer: &RelayBuffer) -> bool {
        let waits_for_retry = self.retry_at.is_some_and(|at| now < at);
        let publishes = self.has_backlog(buffer.committed()) && !waits_for_retry;
        let tells = buffer.has_orders() || !self.republished.is_empty();
        self.saves_mark(buffer.committed()) || self.stopping || publishes || tells
    }

    /// The monotonic time of the next try, if the last one failed.
    pub fn retry_at(&self) -> Option<Duration> {
        self.retry_at
    }

    /// The messages to be published: after a failure, what is left of them.
    pub fn call(&self) -> &[BrokerMessage] {
        let call = self.outbox.call();
        if self.one_by_one > 0 { &call[..call.len().min(1)] } else { call }
    }

    /// The event that the broker refuses, and that holds up all behind it.
    pub fn refused(&self) -> Option<&RefusedEvent> {
        self.refused.as_ref()
    }

    /// What the broker has answered to the call. After an error so many of its first messages are acknowledged.
    pub fn published(&mut self, answer: Result<(), (usize, BrokerError)>, now: Duration) {
        let sent = self.call().len();
        let (messages, error) = match answer {
            Ok(()) => (sent, None),
            Err((messages, error)) => (messages, Some(error)),
        };
        let outbox::Acknowledged { spans, dead_letters } = self.outbox.acknowledge(messages);
        self.republished.extend(dead_letters.into_iter().map(|dead_letter| (dead_letter, None)));
        self.look_for_refused(sent, messages, error.as_ref());
        if let Some(tracer) = self.tracer.as_ref().filter(|_| !spans.is_empty()) {
            let now = tracer.now();
            tracer.ended(spans.into_iter().map(|span| crate::Span { ended: now, ..span }).collect());
        }
        if messages > 0 {
            self.observer.published(&self.broker, messages);
        }
        self.look_for_connection(messages, error.as_ref());
        let Some(error) = error else {
            self.failures = 0;
            return;
        };
        tracing::warn!(broker = %self.broker, %error, segment = self.mark() + 1, "publishing failed");
        self.observer.broker_failed(&self.broker, &error);
        if messages > 0 {
            self.failures = 0;
        }
        self.fail(now);
        if injected("mark-before-ack") {
            self.outbox.acknowledge(usize::MAX);
        }
        if injected("part-for-whole") && messages > 0 {
            self.outbox.take_part_for_whole();
        }
        if injected("retry-out-of-order") {
            self.outbox.send_first_last();
        }
    }

    /// How many messages the broker says that it has returned in all. What it says first counts for nothing.
    pub fn returned(&mut self, messages: u64) {
        let more = messages.saturating_sub(self.returned.unwrap_or(messages));
        if more > 0 {
            self.observer.returned(&self.broker, more);
        }
        self.returned = Some(messages);
    }

    /// A refusal does not say which message of a call is at fault: they are published one by one until that is known.
    fn look_for_refused(&mut self, sent: usize, acknowledged: usize, error: Option<&BrokerError>) {
        self.one_by_one = self.one_by_one.saturating_sub(acknowledged);
        if acknowledged > 0 {
            self.refused = None;
        }
        let Some(BrokerError::Refused(reason)) = error else { return };
        if sent > 1 {
            self.one_by_one = sent - acknowledged.min(sent);
        } else if let Some((message, origin)) = self.outbox.first() {
            if let Some(dead_letter) = origin.dead_letter.clone() {
                // It was set aside before, and holds nothing up.
                self.observer.refused(&self.broker);
                self.republished.push_back((dead_letter, Some(reason.clone())));
                self.outbox.acknowledge(1);
                return;
            }
            let (event_id, topic, bytes) = (origin.event_id.clone(), message.topic.clone(), message.bytes());
            let refused = RefusedEvent { event_id, topic, bytes, reason: reason.clone() };
            if self.refused.as_ref() != Some(&refused) {
                let (RefusedEvent { event_id, topic, .. }, broker) = (&refused, &self.broker);
                tracing::error!(%broker, %event_id, topic, bytes, reason, "the broker refuses an event, which holds up others");
                self.observer.refused(&self.broker);
                self.refused = Some(refused);
            }
        }
    }

    /// A broker that acknowledges or refuses something can be reached.
    fn look_for_connection(&mut self, acknowledged: usize, error: Option<&BrokerError>) {
        let was_unreachable =
            std::mem::replace(&mut self.unreachable, matches!(error, Some(BrokerError::Unavailable(_))));
        if was_unreachable && (acknowledged > 0 || !self.unreachable) {
            self.observer.reconnected(&self.broker, Direction::Publish);
        }
    }

    /// Applies an operator's decision about an event.
    fn apply(&mut self, order: RelayOrder) {
        match order {
            RelayOrder::SetAside { event: event_id, .. } => {
                let first = self.outbox.first().filter(|(_, origin)| origin.event_id == event_id);
                if first.is_some() {
                    // As if it were published.
                    self.outbox.acknowledge(1);
                    self.one_by_one = self.one_by_one.saturating_sub(1);
                } else if let Some(position) = event_position(&self.store_name, &event_id) {
                    self.aside.insert(event_id, position.segment);
                }
                (self.refused, self.retry_at, self.failures) = (None, None, 0);
            }
            RelayOrder::PublishAgain { dead_letter, message, .. } => self.publish_again(dead_letter, &message),
        }
    }

    /// The event of a dead letter, unless it cannot be published: then it is as if the broker refused it.
    fn publish_again(&mut self, dead_letter: Id, message: &[u8]) {
        match self.encode_again(message) {
            Ok(message) => self.outbox.push_again(dead_letter, message),
            Err(reason) => {
                tracing::error!(broker = %self.broker, %dead_letter, reason, "its event cannot be published again");
                self.republished.push_back((dead_letter, Some(reason)));
            }
        }
    }

    fn encode_again(&self, message: &[u8]) -> Result<Encoded, String> {
        let envelope = RawEnvelope::from_json(message).map_err(|error| error.to_string())?;
        let topic = self.routing.topic(&envelope.source);
        let topic = topic.ok_or_else(|| format!("events of {} are not published at this broker", envelope.source))?;
        Encoded::new(topic, &envelope, self.routing.routes_by_type(), self.tracer.as_ref())
    }

    /// What the log has from [`RelayStep::Read`] on.
    pub fn read(&mut self, segments: Result<Vec<Segment>, StoreError>, now: Duration) {
        let none = || StoreError::Corrupt("the log has no such segment".to_owned());
        match segments.and_then(|segments| Ok((segments.last().ok_or_else(none)?.number, segments))) {
            Ok((last, segments)) => {
                let bytes: usize = segments.iter().map(|segment| segment.blocks.len()).sum();
                self.read_segments = if bytes > READ_BYTES_MAX {
                    (self.read_segments / 2).max(1)
                } else {
                    (self.read_segments * 2).min(READ_SEGMENTS_MAX)
                };
                self.next = last + 1;
                self.segments.extend(segments.into_iter().map(Source::Log));
            }
            Err(error) => {
                tracing::warn!(broker = %self.broker, %error, segment = self.next, "the log cannot be read");
                self.fail(now);
            }
        }
    }

    /// Publishes nothing more: what is left is published after the next start. It saves its mark, and ends.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether it publishes nothing more. Only a defect publishes its backlog after a stop.
    fn has_stopped(&self) -> bool {
        self.stopping && !(injected("stop-drains-backlog") && self.has_backlog(self.committed))
    }

    fn has_backlog(&self, committed: u64) -> bool {
        !self.outbox.is_empty() || !self.segments.is_empty() || self.next <= committed
    }

    fn save_mark(&mut self) -> Option<RelayStep> {
        self.saves_mark(self.committed).then(|| {
            self.saved = self.mark();
            RelayStep::SaveMark { segment: self.saved }
        })
    }

    fn saves_mark(&self, committed: u64) -> bool {
        let mark = self.mark();
        let stopping = self.stopping && !injected("stop-forgets-mark");
        mark > self.saved && (mark == committed || mark >= self.saved + self.limits.mark_every_segments || stopping)
    }

    /// Makes the call as large as it may be.
    fn fill(&mut self) -> Result<(), (u64, String)> {
        let bounds = (self.limits.publish_bytes_max, self.limits.publish_messages_max);
        while !self.outbox.fill(bounds, self.tracer.as_ref()) {
            let Some(segment) = self.segments.pop_front() else { break };
            let (number, messages) = self.encode(&segment);
            self.outbox.push(number, messages.map_err(|error| (number, error))?);
        }
        Ok(())
    }

    fn encode(&self, segment: &Source) -> (u64, Result<Vec<Encoded>, String>) {
        // Where an event goes, if it goes out here at all.
        let topic = |remote: bool, id: &Id, source: &str| {
            if remote || self.aside.contains(id) { None } else { self.routing.topic(source) }
        };
        let routed = self.routing.routes_by_type();
        let encode =
            |topic: String, envelope: &RawEnvelope| Encoded::new(topic, envelope, routed, self.tracer.as_ref());
        match segment {
            Source::Memory(segment) => {
                let encoded = segment.events.iter().filter_map(|Logged { envelope, remote, .. }| {
                    let topic = topic(*remote, &envelope.id, &envelope.source)?;
                    let raw = envelope.to_raw().map_err(|error| error.to_string());
                    Some(raw.and_then(|raw| encode(topic, &raw)))
                });
                (segment.number, encoded.collect())
            }
            Source::Log(segment) => {
                let events = segment.read(&self.store_name).map_err(|error| error.to_string());
                let encoded = events.and_then(|events| {
                    let encoded = events.iter().filter_map(|LogEvent { envelope, remote, .. }| {
                        Some(encode(topic(*remote, &envelope.id, &envelope.source)?, envelope))
                    });
                    encoded.collect()
                });
                (segment.number, encoded)
            }
        }
    }

    /// Waits before the next try.
    fn fail(&mut self, now: Duration) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let at = now + RETRY.after(self.failures, &self.store_name);
        self.retry_at = Some(at);
        at
    }
}

/// The mark of this broker's relay in the store. Without it everything would be published again.
fn saved_mark(reader: &dyn Reader, broker: &KeyText) -> Result<u64, StoreError> {
    let row = reader.load(RelayRow::TABLE, &[broker.as_key()])?.pop().flatten();
    let row = row.map(|row| RelayRow::from_row(&row.values)).transpose();
    let row = row.map_err(|error| StoreError::Corrupt(format!("the mark of the relay of {broker}: {error}")))?;
    Ok(row.map_or(0, |row| row.segment))
}
