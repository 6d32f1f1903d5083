//! What a message carries at a broker: all that Kafka and RabbitMQ have, so that nothing is lost between them and a dead
//! letter.

use crate::Timestamp;
use base64ct::{Base64, Encoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A message at a broker, to be published or received.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrokerMessage {
    /// The topic; on RabbitMQ the exchange.
    pub topic: String,
    /// RabbitMQ only: at most 255 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_key: Option<String>,
    /// Orders the message among those of the same key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Bytes>,
    /// In their order. On Kafka a name may repeat.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, HeaderValue)>,
    /// RabbitMQ only.
    #[serde(skip_serializing_if = "Properties::are_absent")]
    pub properties: Properties,
    /// When it was made, as its producer says; a broker that needs a time takes its own where there is none. In
    /// milliseconds on Kafka, in seconds on RabbitMQ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// None is a tombstone, which only Kafka has: it deletes what was said of the key. JSON has `"tombstone": true` for it,
    /// and no other body: a dead letter keeps that apart.
    #[serde(
        rename = "tombstone",
        with = "tombstone",
        skip_serializing_if = "Option::is_some",
        default = "tombstone::empty"
    )]
    pub body: Option<Vec<u8>>,
}

/// Bytes that are text most of the time. In JSON they are a string, or `{"base64": "…"}` when they are no UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub Vec<u8>);

/// The value of a header. Kafka has [`HeaderValue::Text`] (any bytes) and [`HeaderValue::Void`] (null); RabbitMQ has all
/// of them, as [its documentation](https://www.rabbitmq.com/docs/amqp-0-9-1-errata) lists them with the letter of each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderValue {
    /// `V`
    Void,
    /// `S`: any bytes.
    Text(Bytes),
    /// `x`
    Binary(Bytes),
    /// `t`
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l`
    I64(i64),
    /// `f`: the bits of an IEEE 754 number.
    F32(u32),
    /// `d`: the bits of an IEEE 754 number.
    F64(u64),
    /// `D`: `value / 10^scale`.
    Decimal { scale: u8, value: u32 },
    /// `T`: seconds since 1970.
    Time(u64),
    /// `A`
    List(Vec<Self>),
    /// `F`
    Table(Vec<(String, Self)>),
}

/// The properties that AMQP 0-9-1 gives a message beside its headers and its time. Texts have at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Properties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// 1: transient, 2: persistent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_mode: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// `type` in AMQP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
}

impl BrokerMessage {
    pub fn new(topic: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { topic: topic.into(), body: Some(body.into()), ..Self::default() }
    }

    #[must_use]
    pub fn with_key(self, key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(Bytes(key.into())), ..self }
    }

    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), HeaderValue::Text(Bytes(text.into()))));
        self
    }

    /// The last header of this name, if it is text in UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rfind(|(known, _)| known == name)?;
        let HeaderValue::Text(text) = value else { return None };
        str::from_utf8(&text.0).ok()
    }

    /// The body; empty for a tombstone.
    pub fn body(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }

    /// What it weighs on the wire, in bytes, without the frame of the broker's protocol.
    pub fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.bytes()).sum();
        let (key, routing_key) = (self.key.as_ref().map_or(0, |key| key.0.len()), self.routing_key.as_ref());
        self.topic.len() + routing_key.map_or(0, String::len) + key + headers + self.body().len()
    }
}

impl HeaderValue {
    /// Whether Kafka has values of this kind.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Void | Self::Text(_))
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Void => 0,
            Self::Text(bytes) | Self::Binary(bytes) => bytes.0.len(),
            Self::List(values) => values.iter().map(Self::bytes).sum(),
            Self::Table(values) => values.iter().map(|(name, value)| name.len() + value.bytes()).sum(),
            _ => 8,
        }
    }
}

impl Properties {
    pub fn are_absent(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "b\"{}\"", self.0.escape_ascii())
    }
}

mod tombstone {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    /// The body of a message that does not say that it has none.
    #[expect(clippy::unnecessary_wraps, reason = "it is the default of a field")]
    pub fn empty() -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    #[expect(clippy::ref_option, reason = "serde passes a reference")]
    pub fn serialize<S: Serializer>(body: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        body.is_none().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(if bool::deserialize(deserializer)? { None } else { empty() })
    }
}

/// As bytes are in JSON.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum BytesJson<'a> {
    Text(std::borrow::Cow<'a, str>),
    Binary { base64: String },
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = match str::from_utf8(&self.0) {
            Ok(text) => BytesJson::Text(text.into()),
            Err(_) => BytesJson::Binary { base64: Base64::encode_string(&self.0) },
        };
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match BytesJson::deserialize(deserializer)? {
            BytesJson::Text(text) => text.into_owned().into_bytes(),
            BytesJson::Binary { base64 } => Base64::decode_vec(&base64).map_err(serde::de::Error::custom)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop_oneof![any::<Vec<u8>>().prop_map(Bytes), any::<String>().prop_map(|text| Bytes(text.into_bytes()))]
    }

    fn value() -> impl Strategy<Value = HeaderValue> {
        let leaf = prop_oneof![
            Just(HeaderValue::Void),
            bytes().prop_map(HeaderValue::Text),
            bytes().prop_map(HeaderValue::Binary),
            any::<bool>().prop_map(HeaderValue::Bool),
            any::<i8>().prop_map(HeaderValue::I8),
            any::<u8>().prop_map(HeaderValue::U8),
            any::<i16>().prop_map(HeaderValue::I16),
            any::<u16>().prop_map(HeaderValue::U16),
            any::<i32>().prop_map(HeaderValue::I32),
            any::<u32>().prop_map(HeaderValue::U32),
            any::<i64>().prop_map(HeaderValue::I64),
            any::<u32>().prop_map(HeaderValue::F32),
            any::<u64>().prop_map(HeaderValue::F64),
            any::<(u8, u32)>().prop_map(|(scale, value)| HeaderValue::Decimal { scale, value }),
            any::<u64>().prop_map(HeaderValue::Time),
        ];
        leaf.prop_recursive(3, 20, 4, |value| {
            prop_oneof![
                proptest::collection::vec(value.clone(), 0..4).prop_map(HeaderValue::List),
                proptest::collection::vec((any::<String>(), value), 0..4).prop_map(HeaderValue::Table),
            ]
        })
    }

    proptest! {
        /// A dead letter keeps the body apart, and all else as JSON.
        #[test]
        fn nothing_but_the_body_is_lost_in_json(
            topic in any::<String>(),
            routing_key in any::<Option<String>>(),
            key in proptest::option::of(bytes()),
            headers in proptest::collection::vec((any::<String>(), value()), 0..5),
            texts in any::<[Option<String>; 10]>(),
            numbers in any::<[Option<u8>; 2]>(),
            time in proptest::option::of(0..4_000_000_000_000_i64),
            is_tombstone in any::<bool>(),
        ) {
            let [content_type, content_encoding, correlation_id, reply_to, expiration, ..] = texts.clone();
            let [.., message_id, message_type, user_id, app_id, cluster_id] = texts;
            let [delivery_mode, priority] = numbers;
            let properties = Properties {
                content_type, content_encoding, delivery_mode, priority, correlation_id, reply_to, expiration, message_id,
                message_type, user_id, app_id, cluster_id,
            };
            let (time, body) = (time.map(Timestamp::from_millis), (!is_tombstone).then(Vec::new));
            let message = BrokerMessage { topic, routing_key, key, headers, properties, time, body };
            let json = serde_json::to_string(&message).unwrap();
            prop_assert_eq!(serde_json::from_str::<BrokerMessage>(&json).unwrap(), message);
        }
    }

    #[test]
    fn text_reads_as_text_and_other_bytes_do_not_look_like_it() {
        let message = BrokerMessage::new("t", "body").with_key("k").with_header("a", "ü").with_header("b", [255, 0]);
        let json = serde_json::to_string(&message).unwrap();
        assert_eq!(json, r#"{"topic":"t","key":"k","headers":[["a",{"text":"ü"}],["b",{"text":{"base64":"/wA="}}]]}"#);
        assert_eq!((message.header("a"), message.header("b"), message.header("c")), (Some("ü"), None, None));
    }

    #[test]
    fn the_last_header_of_a_name_counts() {
        let message = BrokerMessage::new("t", "").with_header("a", "1").with_header("a", "2");
        assert_eq!(message.header("a"), Some("2"));
    }
}
