//! CloudEvents in binary mode: the attributes are headers of a message, its body is the data. Read as the protocol bindings
//! of CloudEvents 1.0 for [Kafka](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md)
//! and [AMQP](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md) say. We publish
//! structured mode, where the body has all of it.

use std::{collections::BTreeMap, num::ParseIntError, str::FromStr};

use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};

use crate::{
    DecodeError, Envelope, RawEnvelope, Registry, SPEC_VERSION, Timestamp,
    broker::{BrokerMessage, HeaderValue},
    personal::masked,
};

/// What the names of attributes begin with: on Kafka, on AMQP (either), and in HTTP, whose names bridges copy.
const PREFIXES: [&str; 4] = ["ce_", "cloudEvents:", "cloudEvents_", "ce-"];

/// The header and property that tell the modes apart. In binary mode it is the type of the data.
const CONTENT_TYPE: &str = "content-type";

/// What it begins with in structured mode.
const STRUCTURED: &str = "application/cloudevents";

/// The end of the year 9999, in seconds since 1970: RFC 3339 has no later time.
const SECONDS_MAX: i64 = 253_402_300_799;

/// The attributes that an envelope has. Others are ignored.
const ATTRIBUTES: [&str; 12] = [
    "specversion",
    "id",
    "type",
    "dataversion",
    "source",
    "subject",
    "partitionkey",
    "time",
    "sequence",
    "correlationid",
    "causationid",
    "traceparent",
];

/// The attributes of one message, by their names without a prefix.
struct Attributes(BTreeMap<&'static str, String>);

impl Envelope {
    /// Reads a message of either mode.
    pub fn from_message(message: &BrokerMessage, registry: &Registry) -> Result<Self, DecodeError> {
        RawEnvelope::from_message(message)?.decode(registry)
    }
}

impl RawEnvelope {
    /// Reads a message of either mode, without its data.
    pub fn from_message(message: &BrokerMessage) -> Result<Self, DecodeError> {
        let content_type = content_type(message)?;
        let is_structured = content_type.is_some_and(|text| starts_with(text, STRUCTURED));
        if is_structured || !message.headers.iter().any(|(name, _)| unprefixed(name) == Some("specversion")) {
            return Self::from_json(message.body());
        }
        if content_type.is_some_and(|text| !is_json(text)) {
            return Err(envelope(String::from("the content type of the data is not application/json")));
        }
        let mut attributes = Attributes::of(message)?;
        let specversion: String = attributes.take("specversion")?;
        if specversion != SPEC_VERSION {
            return Err(envelope(format!("specversion {specversion:?}")));
        }
        Ok(Self {
            specversion,
            id: attributes.take("id")?,
            name: attributes.take("type")?,
            version: attributes.number("dataversion")?,
            source: attributes.take("source")?,
            subject: attributes.take("subject")?,
            key: attributes.take("partitionkey")?,
            time: attributes.take("time")?,
            sequence: attributes.number("sequence")?,
            correlation_id: attributes.take("correlationid")?,
            causation_id: attributes.take_if_any("causationid")?,
            traceparent: attributes.take_if_any("traceparent")?,
            data: data(message.body())?,
        })
    }
}

impl Attributes {
    fn of(message: &BrokerMessage) -> Result<Self, DecodeError> {
        let mut found = BTreeMap::new();
        for (header, value) in &message.headers {
            let Some(name) = unprefixed(header) else { continue };
            let Some(known) = ATTRIBUTES.into_iter().find(|known| *known == name) else { continue };
            if found.insert(known, shown(known, value)?).is_some() {
                return Err(attribute(known, "is there twice"));
            }
        }
        Ok(Self(found))
    }

    fn text(&mut self, name: &'static str) -> Result<String, DecodeError> {
        self.0.remove(name).ok_or_else(|| attribute(name, "is missing"))
    }

    fn number<T: FromStr<Err = ParseIntError>>(&mut self, name: &'static str) -> Result<T, DecodeError> {
        self.text(name)?.parse().map_err(|error| attribute(name, &format!("is no number: {error}")))
    }

    fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, DecodeError> {
        let text = self.text(name)?;
        serde_json::from_value(Value::String(text))
            .map_err(|error| attribute(name, &format!("cannot be read: {}", masked(&error))))
    }

    fn take_if_any<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, DecodeError> {
        if self.0.contains_key(name) { self.take(name).map(Some) } else { Ok(None) }
    }
}

/// A value as its canonical text. AMQP has numbers and times of its own.
fn shown(name: &str, value: &HeaderValue) -> Result<String, DecodeError> {
    match value {
        HeaderValue::Text(text) => String::from_utf8(text.0.clone()).map_err(|_| attribute(name, "is not UTF-8")),
        HeaderValue::I8(number) => Ok(number.to_string()),
        HeaderValue::U8(number) => Ok(number.to_string()),
        HeaderValue::I16(number) => Ok(number.to_string()),
        HeaderValue::U16(number) => Ok(number.to_string()),
        HeaderValue::I32(number) => Ok(number.to_string()),
        HeaderValue::U32(number) => Ok(number.to_string()),
        HeaderValue::I64(number) => Ok(number.to_string()),
        HeaderValue::Time(seconds) => {
            let seconds = i64::try_from(*seconds).ok().filter(|seconds| *seconds <= SECONDS_MAX);
            let time = seconds.map(|seconds| Timestamp::from_millis(seconds * 1_000).to_string());
            time.ok_or_else(|| attribute(name, "is after the year 9999"))
        }
        _ => Err(attribute(name, "is neither a text nor a number")),
    }
}

/// The name of the attribute that a header has.
fn unprefixed(header: &str) -> Option<&str> {
    PREFIXES.iter().find_map(|prefix| header.strip_prefix(prefix))
}

/// The property of AMQP, or the header of Kafka.
fn content_type(message: &BrokerMessage) -> Result<Option<&str>, DecodeError> {
    if let Some(property) = &message.properties.content_type {
        return Ok(Some(property));
    }
    let header = message.headers.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE));
    match header {
        None => Ok(None),
        Some((_, HeaderValue::Text(text))) => {
            str::from_utf8(&text.0).map(Some).map_err(|_| envelope(String::from("content-type is not UTF-8")))
        }
        Some(_) => Err(envelope(String::from("content-type is no text"))),
    }
}

/// `application/json`, or a type with the suffix `+json`.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
        || media_type.len() >= 5
            && media_type.is_char_boundary(media_type.len() - 5)
            && media_type[media_type.len() - 5..].eq_ignore_ascii_case("+json")
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn data(body: &[u8]) -> Result<Box<RawValue>, DecodeError> {
    serde_json::from_slice(body).map_err(|error| envelope(format!("the data are no JSON: {}", masked(&error))))
}

fn envelope(reason: String) -> DecodeError {
    DecodeError::Envelope { reason }
}

fn attribute(name: &str, reason: &str) -> DecodeError {
    envelope(format!("the attribute {name} {reason}"))
}
