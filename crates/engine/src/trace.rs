//! What the engine tells whoever traces: the steps of a message, and what it waits for between them. Identifiers and
//! kinds: no payloads, no people. While nobody traces, nothing is measured and nothing is kept.
//!
//! A context travels as text, in requests and envelopes; the context of a handler is the one that its events carry.

use std::{fmt, sync::Arc, time::Duration};

use tradewind_events::{Envelope, Id, Subject};

use crate::{
    Cause, Committed, Handled,
    ports::{BrokerMessage, HeaderValue},
};

/// The header of a broker's message that says when it was sent, in nanoseconds since 1970. Only traced ones have it.
const SENT_AT: &str = "sent-at";

/// The header of a broker's message with the context of its sending (W3C Trace Context).
const TRACEPARENT: &str = "traceparent";

/// A step's place in a trace (W3C Trace Context): what a `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// Not zero.
    pub trace_id: u128,
    /// Not zero.
    pub span_id: u64,
    /// Whether the steps of this trace are kept. It is decided once, where the trace begins.
    pub sampled: bool,
}

/// Hears of the steps of sampled traces. It is called in the middle of the work, so it must be quick, must not fail,
/// and says itself what it had no room for.
pub trait Tracer: Send + Sync + 'static {
    /// Nanoseconds since 1970.
    fn now(&self) -> u64;

    /// A new trace, for a step that follows from none; its span id is that of the step.
    fn root(&self) -> TraceContext;

    /// A new span id, not zero.
    fn span_id(&self) -> u64;

    /// These steps have ended. What a handler did is told once its batch is durable.
    fn ended(&self, spans: Vec<Span>);
}

/// A step that has ended.
#[derive(Debug, Clone)]
pub struct Span {
    pub context: TraceContext,
    /// The step that it follows from; none where a trace begins.
    pub parent: Option<u64>,
    /// Nanoseconds since 1970.
    pub began: u64,
    /// Nanoseconds since 1970.
    pub ended: u64,
    pub step: Step,
}

/// What was done, or waited for.
#[derive(Debug, Clone)]
pub enum Step {
    Handle(HandleStep),
    /// For a batch: from being sent to the engine to the first handler.
    WaitQueue,
    /// For rows that were not in memory.
    WaitRows,
    /// For a fact that was missing, or for a paused service.
    WaitParked,
    /// For the other messages of its batch.
    WaitBatch,
    /// For the batches before it to be written.
    WaitWriter,
    /// Its batch is encoded and written to the log and the tables; `segment` is zero when it said nothing.
    Commit {
        batch: u64,
        segment: u64,
    },
    /// An event is on its way to a broker, from the first try to the acknowledgement.
    Publish {
        topic: String,
        event_id: Id,
    },
    /// For a broker: from an event being sent to being received.
    WaitBroker {
        topic: String,
        event_id: Id,
    },
    /// A worker has tried a job.
    Try {
        kind: Arc<str>,
        attempt: u32,
        /// Otherwise nobody knows whether it is done.
        done: bool,
    },
}

/// A handler has run.
#[derive(Debug, Clone)]
pub struct HandleStep {
    pub service: &'static str,
    pub kind: MessageKind,
    /// The name of the event, command, timer or job.
    pub message: Arc<str>,
    pub how: Handled,
    /// How often it has waited for rows.
    pub loads: u16,
    /// The event's id, the request's id, the job's id, the timer's name.
    pub message_id: Id,
    pub correlation_id: Id,
    /// Of an event: who says it and what it is about.
    pub event: Option<(Arc<str>, Subject)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    Command,
    Event,
    Timer,
    /// The outcome of a job.
    Job,
}

/// Who traces, and the handler that runs.
pub(crate) struct Tracing {
    pub tracer: Arc<dyn Tracer>,
    pub running: Option<Running>,
}

/// A handler that runs in a sampled trace.
pub(crate) struct Running {
    pub context: TraceContext,
    pub parent: Option<u64>,
    pub began: u64,
    pub step: HandleStep,
}

/// What the waits of a root message hang on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub parent: TraceContext,
    /// When the last handler of its cascade ended.
    pub handled_at: u64,
}

impl TraceContext {
    /// `00-TRACE-SPAN-FLAGS` in lower-case hexadecimal digits; of later versions, what stands where ours does.
    pub fn parse(text: &str) -> Option<Self> {
        let fixed = text.get(..55)?;
        let mut parts = fixed.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let digits = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let rest = &text[55..];
        let formed = [version, trace, span, flags].map(str::len) == [2, 32, 16, 2]
            && [version, trace, span, flags].into_iter().all(digits)
            && version != "ff"
            && (rest.is_empty() || version != "00" && rest.starts_with('-'));
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        formed.then_some(Self { trace_id, span_id, sampled })
    }

    /// A step of the same trace.
    #[must_use]
    pub fn child(self, span_id: u64) -> Self {
        Self { span_id, ..self }
    }

    fn sampled(text: &str) -> Option<Self> {
        Self::parse(text).filter(|context| context.sampled)
    }
}

/// A `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

impl Span {
    /// A step of this trace, from its parent's context.
    pub(crate) fn after(tracer: &dyn Tracer, parent: TraceContext, (began, ended): (u64, u64), step: Step) -> Self {
        let context = parent.child(tracer.span_id());
        Self { context, parent: Some(parent.span_id), began: began.min(ended), ended, step }
    }
}

impl Tracing {
    /// A handler starts. What it causes follows from it: its context takes the place of the one that it was given.
    pub fn enter(&mut self, kind: MessageKind, service: &'static str, message: &str, cause: &mut Cause) {
        self.running = None;
        let given = cause.traceparent.as_deref().and_then(TraceContext::parse);
        let (context, parent) = match given {
            Some(parent) if !parent.sampled => return,
            Some(parent) => (parent.child(self.tracer.span_id()), Some(parent.span_id)),
            None => (self.tracer.root(), None),
        };
        cause.traceparent = Some(context.to_string().into());
        if !context.sampled {
            return;
        }
        let step = HandleStep {
            service,
            kind,
            message: message.into(),
            how: Handled::Done,
            loads: 0,
            message_id: cause.id.clone(),
            correlation_id: cause.correlation_id.clone(),
            event: cause.event.as_ref().map(|event| {
                let envelope = event.envelope();
                (envelope.source.shared(), envelope.subject.clone())
            }),
        };
        self.running = Some(Running { context, parent, began: self.tracer.now(), step });
    }
}

/// The waits of a batch that is durable, and what its handlers did. `written_in` is none for one that changed nothing.
pub(crate) fn settled(tracer: &dyn Tracer, batch: &mut Committed, written_in: Option<Duration>) {
    let mut spans = std::mem::take(&mut batch.spans);
    let now = tracer.now();
    let took = written_in.map_or(0, |took| u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    let begun = now.saturating_sub(took).max(batch.sealed_at);
    for waiting in batch.items.iter().filter_map(|item| item.waiting) {
        let mut push = |times, step| spans.push(Span::after(tracer, waiting.parent, times, step));
        push((waiting.handled_at, batch.sealed_at), Step::WaitBatch);
        push((batch.sealed_at, begun), Step::WaitWriter);
        if written_in.is_some() {
            push((begun, now), Step::Commit { batch: batch.number, segment: batch.segment });
        }
    }
    if !spans.is_empty() {
        tracer.ended(spans);
    }
}

/// An event goes to a broker: its message carries the context of that, beside the one in its envelope, which never
/// changes. The span ends with the acknowledgement.
pub(crate) fn publish(tracer: &dyn Tracer, said: TraceContext, message: &mut BrokerMessage, event_id: Id) -> Span {
    let now = tracer.now();
    let step = Step::Publish { topic: message.topic.clone(), event_id };
    let span = Span::after(tracer, said, (now, now), step);
    message.headers.push((TRACEPARENT.to_owned(), text(&span.context)));
    message.headers.push((SENT_AT.to_owned(), text(&now)));
    span
}

/// A message of [`publish`] is sent once more: the wait for its broker begins now. Its span goes on.
pub(crate) fn publish_again(tracer: &dyn Tracer, message: &mut BrokerMessage) {
    for (_, sent_at) in message.headers.iter_mut().filter(|(name, _)| name == SENT_AT) {
        *sent_at = text(&tracer.now());
    }
}

fn text(value: &impl ToString) -> HeaderValue {
    HeaderValue::Text(value.to_string().as_str().into())
}

/// A broker has brought an event: what follows from it follows from the wait for it.
pub(crate) fn received(tracer: &dyn Tracer, envelope: &mut Envelope, message: &BrokerMessage) {
    let Some(said) = envelope.traceparent.as_deref().and_then(TraceContext::sampled) else { return };
    let sent =
        message.header(TRACEPARENT).and_then(TraceContext::sampled).filter(|sent| sent.trace_id == said.trace_id);
    let now = tracer.now();
    let sent_at = message.header(SENT_AT).and_then(|text| text.parse().ok()).unwrap_or(now);
    let step = Step::WaitBroker { topic: message.topic.clone(), event_id: envelope.id.clone() };
    let span = Span::after(tracer, sent.unwrap_or(said), (sent_at, now), step);
    envelope.traceparent = Some(span.context.to_string().into());
    tracer.ended(vec![span]);
}

/// The context of a job or an event, if it is to be traced.
pub(crate) fn traced<'a>(
    tracer: Option<&'a Arc<dyn Tracer>>,
    traceparent: Option<&Arc<str>>,
) -> Option<(&'a dyn Tracer, TraceContext)> {
    let tracer = tracer?;
    Some((&**tracer, TraceContext::sampled(traceparent?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_context_is_read_and_written_in_its_form() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(text).unwrap();
        assert!(context.sampled);
        assert_eq!(context.to_string(), text);
        let unsampled = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02").unwrap();
        assert!(!unsampled.sampled);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-brings";
        assert_eq!(TraceContext::parse(later).unwrap().span_id, 0x00f0_67aa_0ba9_02b7);
    }

    #[test]
    fn what_is_no_trace_context_is_not_taken_for_one() {
        for bad in [
            "",
            "00-4bf9-00f0-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00-4bf92f3577b34da6a3ce929d0e0e47-36-00f067aa0ba902b7-01",
            "ü0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
