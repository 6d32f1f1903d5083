//! The relay: publishes what is committed, in the order of the log, at least once. It runs beside the writer, so there
//! is one. Its mark moves only when the broker has acknowledged.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering, mpsc},
    time::Duration,
};

use tradewind_events::RawEnvelope;

use super::{BrokerParts, Shared, run::spawn};
use crate::{
    Backoff, Logged, Message, Observer, Span,
    ports::{Broker, Outgoing, Reader},
    trace,
};

/// Segments that wait in memory; what does not fit is read from the log.
const BUFFER_SEGMENTS_MAX: usize = 256;

/// The mark is written after this many segments, and whenever the relay has caught up.
const MARK_EVERY_SEGMENTS: u64 = 64;

/// Segments read from the log at a time.
const READ_SEGMENTS: u32 = 64;

const RETRY: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(10) };

/// The side of the loop. When it is dropped the relay ends.
pub(super) struct Relay {
    buffer: Arc<Buffer>,
    wake: mpsc::SyncSender<()>,
}

type Buffer = Mutex<VecDeque<(u64, Arc<[Logged]>)>>;

impl Relay {
    pub fn start(shared: &Arc<Shared>, parts: BrokerParts, store: &Arc<str>, observer: Arc<dyn Observer>) -> Self {
        let buffer = Arc::new(Buffer::default());
        let (wake, woken) = mpsc::sync_channel(1);
        let mut publisher = Publisher {
            mark: shared.published.load(Ordering::Acquire),
            sent: 0,
            marked: shared.published.load(Ordering::Acquire),
            shared: Arc::clone(shared),
            broker: parts.broker,
            topic_prefix: parts.topic_prefix,
            store: Arc::clone(store),
            buffer: Arc::clone(&buffer),
            observer,
            failing_since: None,
        };
        spawn(shared, "relay", move || {
            publisher.catch_up();
            while woken.recv().is_ok() {
                publisher.catch_up();
            }
        });
        Self { buffer, wake }
    }

    /// A segment is durable.
    pub fn offer(&self, segment: u64, events: &Arc<[Logged]>) {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.len() == BUFFER_SEGMENTS_MAX {
            buffer.pop_front();
        }
        buffer.push_back((segment, Arc::clone(events)));
        drop(buffer);
        // A full line means that it will look anyway.
        if let Err(mpsc::TrySendError::Disconnected(())) = self.wake.try_send(()) {
            tracing::error!("the relay has ended");
        }
    }
}

struct Publisher {
    /// Everything up to this segment is acknowledged.
    mark: u64,
    /// So many messages of the segment after it are acknowledged as well.
    sent: usize,
    /// The mark that the store has.
    marked: u64,
    shared: Arc<Shared>,
    broker: Box<dyn Broker>,
    topic_prefix: String,
    store: Arc<str>,
    buffer: Arc<Buffer>,
    observer: Arc<dyn Observer>,
    /// Since when what comes next could not be published, while somebody traces.
    failing_since: Option<u64>,
}

/// A segment that is to be published.
struct Ready {
    segment: u64,
    messages: Vec<Outgoing>,
    /// Where what is traced of it stands among the messages; a span ends when its message is acknowledged.
    spans: Vec<(usize, Span)>,
}

impl Publisher {
    /// Publishes until nothing is left, or the engine stops. What failed is published again before what comes after it.
    fn catch_up(&mut self) {
        let mut failures = 0;
        while self.mark < self.shared.segment.load(Ordering::Acquire) {
            match self.publish_next() {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(error, segment = self.mark + 1, "publishing failed");
                    if self.shared.is_stopping() {
                        return;
                    }
                    self.shared.pause(RETRY.after(failures, &self.store));
                }
            }
            if self.mark >= self.marked + MARK_EVERY_SEGMENTS {
                self.save_mark();
            }
        }
        self.save_mark();
    }

    fn save_mark(&mut self) {
        if self.mark > self.marked && self.shared.send(Message::Published { segment: self.mark }).is_ok() {
            self.marked = self.mark;
        }
    }

    /// Publishes the segments that are next, and moves the mark behind them.
    fn publish_next(&mut self) -> Result<(), String> {
        for Ready { segment, messages, spans } in self.next_segments()? {
            let left = messages.get(self.sent..).unwrap_or_default();
            let published = if left.is_empty() { Ok(()) } else { self.broker.publish(left) };
            let known = published.as_ref().map_or_else(|(sent, _)| self.sent + sent, |()| messages.len());
            self.trace(spans, self.sent..known, published.is_err());
            if let Err((_, error)) = published {
                self.sent = known;
                self.observer.broker_failed(&error);
                return Err(error.to_string());
            }
            (self.mark, self.sent) = (segment, 0);
            self.shared.published.store(segment, Ordering::Release);
            self.observer.published(segment, messages.len());
        }
        Ok(())
    }

    /// These messages of a segment are acknowledged now. What failed is made anew, and took as long as it failed.
    fn trace(&mut self, spans: Vec<(usize, Span)>, acknowledged: Range<usize>, failed: bool) {
        let Some(tracer) = &self.shared.tracer else { return };
        let now = tracer.now();
        let began = self.failing_since;
        let tried_at = spans.first().map(|(_, span)| span.began);
        let ended = spans.into_iter().filter(|(nth, _)| acknowledged.contains(nth)).map(|(_, span)| {
            let began = began.unwrap_or(span.began);
            Span { began, ended: now, ..span }
        });
        let ended: Vec<Span> = ended.collect();
        if !ended.is_empty() {
            tracer.ended(ended);
        }
        self.failing_since = failed.then(|| began.or(tried_at).unwrap_or(now));
    }

    fn next_segments(&self) -> Result<Vec<Ready>, String> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        while buffer.front().is_some_and(|(segment, _)| *segment <= self.mark) {
            buffer.pop_front();
        }
        if buffer.front().is_some_and(|(segment, _)| *segment == self.mark + 1) {
            let ready: Vec<_> = buffer.drain(..).collect();
            drop(buffer);
            return ready
                .into_iter()
                .map(|(segment, events)| {
                    let said = events.iter().filter(|event| !event.heard);
                    let raw = said.map(|event| event.envelope.to_raw().map_err(|error| error.to_string()));
                    self.ready(segment, raw)
                })
                .collect();
        }
        drop(buffer);
        let reader: &dyn Reader = &*self.shared.reader;
        let segments = reader.segments(self.mark + 1, READ_SEGMENTS).map_err(|error| error.to_string())?;
        segments
            .into_iter()
            .map(|segment| {
                let events = segment.read(&self.store).map_err(|error| error.to_string())?;
                let said = events.into_iter().filter(|event| !event.heard).map(|event| Ok(event.envelope));
                self.ready(segment.number, said)
            })
            .collect()
    }

    fn ready(&self, segment: u64, said: impl Iterator<Item = Result<RawEnvelope, String>>) -> Result<Ready, String> {
        let mut ready = Ready { segment, messages: Vec::new(), spans: Vec::new() };
        for envelope in said {
            let envelope = envelope?;
            let mut message = self.message(&envelope)?;
            if let Some((tracer, said)) = trace::traced(self.shared.tracer.as_ref(), envelope.traceparent.as_ref()) {
                let span = trace::publish(tracer, said, &mut message, envelope.id);
                ready.spans.push((ready.messages.len(), span));
            }
            ready.messages.push(message);
        }
        Ok(ready)
    }

    fn message(&self, envelope: &RawEnvelope) -> Result<Outgoing, String> {
        Ok(Outgoing {
            topic: topic(&self.topic_prefix, &envelope.source),
            key: envelope.key.as_str().to_owned(),
            headers: vec![("content-type".to_owned(), "application/cloudevents+json; charset=utf-8".to_owned())],
            body: serde_json::to_vec(envelope).map_err(|error| error.to_string())?,
        })
    }
}

/// The topic of what one service says.
pub(super) fn topic(prefix: &str, service: &str) -> String {
    format!("{prefix}.{service}")
}
