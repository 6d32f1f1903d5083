//! Encoded messages on their way to the broker, and which segments they complete.

use std::{collections::VecDeque, sync::Arc};

use tradewind_events::{Id, RawEnvelope};

use crate::{Span, TraceContext, Tracer, ports::BrokerMessage, trace};

/// Messages in the order of the log. The first of them are the call: what the broker gets at once.
pub(super) struct Outbox {
    call: Vec<BrokerMessage>,
    call_bytes: usize,
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
    /// The context of its event, if it is traced.
    traced: Option<(TraceContext, Id)>,
}

impl Encoded {
    pub fn new(prefix: &str, envelope: &RawEnvelope, tracer: Option<&Arc<dyn Tracer>>) -> Result<Self, String> {
        let body = serde_json::to_vec(envelope).map_err(|error| error.to_string())?;
        let message = BrokerMessage::new(super::topic(prefix, &envelope.source), body)
            .with_key(envelope.key.as_str())
            .with_header("content-type", "application/cloudevents+json; charset=utf-8");
        let context = trace::traced(tracer, envelope.traceparent.as_ref()).map(|(_, context)| context);
        Ok(Self { message, traced: context.map(|context| (context, envelope.id.clone())) })
    }
}

impl Outbox {
    /// Segments up to this one need no publishing.
    pub fn new(acknowledged: u64) -> Self {
        Self {
            call: Vec::new(),
            call_bytes: 0,
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

    pub fn call(&self) -> &[BrokerMessage] {
        &self.call
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
            let call_bytes = self.call_bytes + next.message.bytes();
            if !self.call.is_empty() && (call_bytes > bytes_max || self.call.len() >= messages_max) {
                return true;
            }
            let Some(Encoded { mut message, traced }) = self.later.pop_front() else { break };
            if let (Some(tracer), Some((context, id))) = (tracer, traced) {
                self.spans.push((self.call.len(), trace::publish(&**tracer, context, &mut message, id)));
            }
            self.call_bytes = call_bytes;
            self.call.push(message);
        }
        self.call_bytes >= bytes_max || self.call.len() >= messages_max
    }

    /// The broker has acknowledged so many of the first messages of the call; gives their spans back.
    pub fn acknowledge(&mut self, messages: usize) -> Vec<Span> {
        let messages = messages.min(self.call.len());
        self.call_bytes -= self.call.drain(..messages).map(|message| message.bytes()).sum::<usize>();
        let ended = self.spans.extract_if(.., |(nth, _)| *nth < messages).map(|(_, span)| span).collect();
        for (nth, _) in &mut self.spans {
            *nth -= messages;
        }
        self.complete(messages);
        ended
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
