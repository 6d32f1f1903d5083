//! Encoded messages on their way to the broker, and which segments they complete.

use std::{collections::VecDeque, sync::Arc};

use tradewind_events::{Id, RawEnvelope};

use crate::{Span, TraceContext, Tracer, ports::BrokerMessage, trace};

/// The event format of the body, as the bindings of CloudEvents have it: a header on Kafka, a property on AMQP.
const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// The delivery mode of AMQP for messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// Messages in the order of the log. The first of them are the call: what the broker gets at once.
pub(super) struct Outbox {
    call: Vec<BrokerMessage>,
    call_bytes: usize,
    /// What each message of the call is.
    origins: VecDeque<Origin>,
    /// Of traced messages of the call, with their places in it. A span ends when its message is acknowledged.
    spans: Vec<(usize, Span)>,
    /// For the calls after it.
    later: VecDeque<Encoded>,
    /// Segments with the number of their messages that are not acknowledged yet.
    segments: VecDeque<(u64, usize)>,
    /// Every message of the segments up to this one is acknowledged.
    acknowledged: u64,
}

/// An event as a message.
pub(super) struct Encoded {
    message: BrokerMessage,
    origin: Origin,
    /// The context of its event, if it is traced.
    traced: Option<TraceContext>,
}

/// Where a message comes from.
pub(super) struct Origin {
    pub event_id: Id,
    /// It is published again because an operator has redriven this.
    pub dead_letter: Option<Id>,
    /// What it weighs in the call.
    bytes: usize,
}

/// Of messages that the broker has acknowledged.
#[derive(Default)]
pub(super) struct Acknowledged {
    pub spans: Vec<Span>,
    pub dead_letters: Vec<Id>,
}

impl Encoded {
    /// Routed messages carry what a broker that routes them has properties for.
    pub fn new(
        topic: String,
        envelope: &RawEnvelope,
        routed: bool,
        tracer: Option<&Arc<dyn Tracer>>,
    ) -> Result<Self, String> {
        let body = serde_json::to_vec(envelope).map_err(|error| error.to_string())?;
        let mut message = BrokerMessage::new(topic, body).with_key(envelope.key.as_str());
        if routed {
            message.properties.content_type = Some(CONTENT_TYPE.to_owned());
            message.routing_key = Some(envelope.name.clone());
            message.properties.message_id = Some(envelope.id.to_string());
            message.properties.delivery_mode = Some(PERSISTENT);
        } else {
            message = message.with_header("content-type", CONTENT_TYPE);
        }
        let context = trace::traced(tracer, envelope.traceparent.as_ref()).map(|(_, context)| context);
        let origin = Origin { event_id: envelope.id.clone(), dead_letter: None, bytes: message.bytes() };
        Ok(Self { message, origin, traced: context })
    }
}

impl Outbox {
    /// Segments up to this one need no publishing.
    pub fn new(acknowledged: u64) -> Self {
        Self {
            call: Vec::new(),
            call_bytes: 0,
            origins: VecDeque::new(),
            spans: Vec::new(),
            later: VecDeque::new(),
            segments: VecDeque::new(),
            acknowledged,
        }
    }

    /// The messages of the next segment, which may have none.
    pub fn push(&mut self, segment: u64, messages: Vec<Encoded>) {
        self.segments.push_back((segment, messages.len()));
        self.later.extend(messages);
        self.complete(0);
    }

    /// The event of a dead letter, behind what waits.
    pub fn push_again(&mut self, dead_letter: Id, mut message: Encoded) {
        message.origin.dead_letter = Some(dead_letter);
        // It counts with the last segment before it.
        let segment = self.segments.back().map_or(self.acknowledged, |(segment, _)| *segment);
        self.segments.push_back((segment, 1));
        self.later.push_back(message);
    }

    pub fn call(&self) -> &[BrokerMessage] {
        &self.call
    }

    /// The first message of the call.
    pub fn first(&self) -> Option<(&BrokerMessage, &Origin)> {
        self.call.first().zip(self.origins.front())
    }

    /// No message is left in it.
    pub fn is_empty(&self) -> bool {
        self.call.is_empty() && self.later.is_empty()
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Moves what fits into the call, at least one message. `true` when nothing more would fit.
    pub fn fill(&mut self, (bytes_max, messages_max): (usize, usize), tracer: Option<&Arc<dyn Tracer>>) -> bool {
        while let Some(next) = self.later.front() {
            let call_bytes = self.call_bytes + next.origin.bytes;
            if !self.call.is_empty() && (call_bytes > bytes_max || self.call.len() >= messages_max) {
                return true;
            }
            let Some(Encoded { mut message, mut origin, traced }) = self.later.pop_front() else { break };
            if let (Some(tracer), Some(context)) = (tracer, traced) {
                let id = origin.event_id.clone();
                self.spans.push((self.call.len(), trace::publish(&**tracer, context, &mut message, id)));
            }
            // With the headers of its trace.
            origin.bytes = message.bytes();
            self.call_bytes += origin.bytes;
            self.call.push(message);
            self.origins.push_back(origin);
        }
        self.call_bytes >= bytes_max || self.call.len() >= messages_max
    }

    /// The broker has acknowledged so many of the first messages of the call.
    pub fn acknowledge(&mut self, messages: usize) -> Acknowledged {
        let messages = messages.min(self.call.len());
        self.call.drain(..messages);
        let mut dead_letters = Vec::new();
        for origin in self.origins.drain(..messages) {
            self.call_bytes -= origin.bytes;
            dead_letters.extend(origin.dead_letter);
        }
        let spans = self.spans.extract_if(.., |(nth, _)| *nth < messages).map(|(_, span)| span).collect();
        for (nth, _) in &mut self.spans {
            *nth -= messages;
        }
        self.complete(messages);
        Acknowledged { spans, dead_letters }
    }

    /// What is left of the call is published again: its messages are sent at another time.
    pub fn send_again(&mut self, tracer: &dyn Tracer) {
        for (nth, _) in &self.spans {
            if let Some(message) = self.call.get_mut(*nth) {
                trace::publish_again(tracer, message);
            }
        }
    }

    /// Only a defect sends what comes next before what has failed.
    pub fn send_first_last(&mut self) {
        if !self.call.is_empty() {
            self.call.rotate_left(1);
            self.origins.rotate_left(1);
        }
    }

    fn complete(&mut self, mut messages: usize) {
        while let Some((segment, left)) = self.segments.front_mut() {
            let taken = messages.min(*left);
            (*left, messages) = (*left - taken, messages - taken);
            if *left > 0 {
                return;
            }
            self.acknowledged = *segment;
            self.segments.pop_front();
        }
    }

    /// Only a defect takes a segment for published of which a part is.
    pub fn take_part_for_whole(&mut self) {
        if let Some(left) = self.segments.front().map(|(_, left)| *left) {
            self.acknowledge(left);
        }
    }
}
