//! The envelope around an event. On the wire it is CloudEvents 1.0 in JSON, structured mode, with the partitioning,
//! sequence and distributed-tracing extensions (`partitionkey`, `sequence`, `traceparent`) and two of our own
//! (`correlationid`, `causationid`).

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{AnyEvent, Id, KeyText, Registry, Subject, Timestamp, personal::masked};

/// The version of CloudEvents that we speak.
pub const SPEC_VERSION: &str = "1.0";

/// An event with where it comes from, as it travels inside a process.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Unique for ever: for our own events the address in the log, `STORE-SEGMENT-INDEX`.
    pub id: Id,
    /// The service that says it, or `BRIDGE.ROLE` of what a bridge imports: see [`crate::emitting_service`].
    pub source: KeyText,
    pub subject: Subject,
    /// Orders the stream.
    pub key: Id,
    pub time: Timestamp,
    /// Counts the events of one source and subject from 1.
    pub sequence: u64,
    /// The same for all that follows from one request.
    pub correlation_id: Id,
    /// The event, command or timer that caused this event.
    pub causation_id: Option<Id>,
    /// W3C trace context of the cause.
    pub traceparent: Option<Arc<str>>,
    pub event: Arc<dyn AnyEvent>,
}

/// An envelope as it is read from a wire or a log: its data are not decoded yet.
#[derive(Clone, Serialize, Deserialize)]
pub struct RawEnvelope {
    /// Always [`SPEC_VERSION`].
    pub specversion: String,
    pub id: Id,
    #[serde(rename = "type")]
    pub name: String,
    /// Major version of the data.
    #[serde(rename = "dataversion")]
    pub version: u16,
    pub source: KeyText,
    pub subject: String,
    #[serde(rename = "partitionkey")]
    pub key: Id,
    pub time: Timestamp,
    #[serde(with = "decimal")]
    pub sequence: u64,
    #[serde(rename = "correlationid")]
    pub correlation_id: Id,
    #[serde(rename = "causationid", default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Arc<str>>,
    pub data: Box<RawValue>,
}

/// Why an envelope cannot be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the envelope is no CloudEvents 1.0 JSON: {reason}")]
    Envelope { reason: String },
    #[error("no event is named {name:?}")]
    UnknownType { name: String },
    #[error("version {version} of {name} is unknown")]
    UnknownVersion { name: String, version: u16 },
    #[error("the data of {name} do not fit: {reason}")]
    Data { name: String, reason: String },
}

impl Envelope {
    /// The wire form.
    pub fn to_raw(&self) -> Result<RawEnvelope, serde_json::Error> {
        let mut data = Vec::with_capacity(512);
        self.event.encode(&mut data)?;
        let data = String::from_utf8(data).map_err(serde::ser::Error::custom)?;
        Ok(RawEnvelope {
            specversion: SPEC_VERSION.to_owned(),
            id: self.id.clone(),
            name: self.event.name().to_owned(),
            version: self.event.version(),
            source: self.source.clone(),
            subject: self.subject.to_string(),
            key: self.key.clone(),
            time: self.time,
            sequence: self.sequence,
            correlation_id: self.correlation_id.clone(),
            causation_id: self.causation_id.clone(),
            traceparent: self.traceparent.clone(),
            data: RawValue::from_string(data)?,
        })
    }

    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.to_raw()?)
    }

    /// Reads the wire form.
    pub fn from_json(bytes: &[u8], registry: &Registry) -> Result<Self, DecodeError> {
        RawEnvelope::from_json(bytes)?.decode(registry)
    }
}

/// Without the data: what is personal in them is not known here.
impl fmt::Debug for RawEnvelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawEnvelope")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("version", &self.version)
            .field("source", &self.source)
            .field("subject", &self.subject)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl RawEnvelope {
    pub fn from_json(bytes: &[u8]) -> Result<Self, DecodeError> {
        let envelope = |reason: String| DecodeError::Envelope { reason };
        let raw: Self = serde_json::from_slice(bytes).map_err(|error| envelope(masked(&error)))?;
        if raw.specversion == SPEC_VERSION {
            Ok(raw)
        } else {
            Err(envelope(format!("specversion {:?}", raw.specversion)))
        }
    }

    pub fn decode(self, registry: &Registry) -> Result<Envelope, DecodeError> {
        let subject = Subject::parse(&self.subject)
            .ok_or_else(|| DecodeError::Envelope { reason: format!("subject {:?}", self.subject) })?;
        let event = registry.decode(&self.name, self.version, self.data.get())?;
        Ok(Envelope {
            id: self.id,
            source: self.source,
            subject,
            key: self.key,
            time: self.time,
            sequence: self.sequence,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            traceparent: self.traceparent,
            event,
        })
    }
}

/// The sequence extension of CloudEvents is a string; ours counts in decimal.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
