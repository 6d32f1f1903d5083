//! What stands around a canonical event, on the way out and on the way in.

use std::sync::Arc;

use serde_json::Value;
use tradewind_events::{Envelope, Timestamp};

use crate::rule::Meta;

/// An event that is exported, without its data.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventMeta {
    pub id: String,
    /// The name of the event.
    pub name: String,
    pub version: u16,
    pub source: String,
    pub subject: String,
    pub key: String,
    pub time: Timestamp,
    pub sequence: u64,
    pub correlation_id: Option<String>,
    pub causation_id: Option<String>,
    pub traceparent: Option<Arc<str>>,
}

impl EventMeta {
    pub fn of(envelope: &Envelope) -> Self {
        Self {
            id: envelope.id.to_string(),
            name: envelope.event.name().to_owned(),
            version: envelope.event.version(),
            source: envelope.source.to_string(),
            subject: envelope.subject.to_string(),
            key: envelope.key.to_string(),
            time: envelope.time,
            sequence: envelope.sequence,
            correlation_id: Some(envelope.correlation_id.to_string()),
            causation_id: envelope.causation_id.as_ref().map(ToString::to_string),
            traceparent: envelope.traceparent.clone(),
        }
    }

    pub(crate) fn read(&self, meta: Meta) -> Option<Value> {
        Some(match meta {
            Meta::Id => self.id.as_str().into(),
            Meta::Time => self.time.to_string().into(),
            Meta::CorrelationId => self.correlation_id.as_deref()?.into(),
            Meta::CausationId => self.causation_id.as_deref()?.into(),
            Meta::Traceparent => self.traceparent.as_deref()?.into(),
            Meta::Key => self.key.as_str().into(),
            Meta::Subject => self.subject.as_str().into(),
            Meta::Source => self.source.as_str().into(),
            Meta::Sequence => self.sequence.into(),
            Meta::Type => self.name.as_str().into(),
            Meta::Version => self.version.into(),
        })
    }
}

/// What a message says around the event that is made of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DraftMeta {
    /// The wire's own id, if it has one.
    pub wire_id: Option<String>,
    pub time: Option<Timestamp>,
    pub correlation_id: Option<String>,
    pub causation_id: Option<String>,
    pub traceparent: Option<String>,
    pub key: Option<String>,
    pub subject: Option<String>,
    pub source: Option<String>,
    pub sequence: Option<u64>,
}

impl DraftMeta {
    pub(crate) fn write(&mut self, meta: Meta, value: &Value) {
        let text = || value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        match meta {
            Meta::Id => self.wire_id = text().or_else(|| value.as_i64().map(|number| number.to_string())),
            Meta::CorrelationId => self.correlation_id = text(),
            Meta::CausationId => self.causation_id = text(),
            Meta::Traceparent => self.traceparent = text(),
            Meta::Key => self.key = text(),
            Meta::Subject => self.subject = text(),
            Meta::Source => self.source = text(),
            Meta::Sequence => {
                self.sequence = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
            }
            Meta::Time | Meta::Type | Meta::Version => {}
        }
    }
}
