//! Messages of the engine as records of Kafka, and back. Nothing is lost on the way: what a record has no place for is
//! refused.

use rdkafka::message::{BorrowedHeaders, Header, Headers, Message, OwnedHeaders};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tradewind_engine::ports::{BrokerMessage, Bytes, HeaderValue};
use tradewind_events::Timestamp;

/// The name of a header whose own name is no UTF-8.
const NAMELESS: &str = "\u{fffd}";

/// Why Kafka has no place for this message.
pub(crate) fn cannot_carry(message: &BrokerMessage) -> Option<String> {
    if message.routing_key.is_some() {
        return Some("a record of Kafka has no routing key".to_owned());
    }
    if !message.properties.are_absent() {
        return Some("a record of Kafka has no properties".to_owned());
    }
    if message.topic.contains('\0') {
        return Some("a topic of Kafka has no zero byte in its name".to_owned());
    }
    for (name, value) in &message.headers {
        if !value.is_plain() {
            return Some(format!("the header `{name}` is neither text nor null, and a record of Kafka has no others"));
        }
        if name.contains('\0') {
            return Some("a header has a zero byte in its name, which librdkafka cannot send".to_owned());
        }
    }
    None
}

/// The headers of a message that can be carried; none if it has none.
pub(crate) fn headers(message: &BrokerMessage) -> Option<OwnedHeaders> {
    let plain = message.headers.iter().map(|(name, value)| {
        let value = if let HeaderValue::Text(bytes) = value { Some(&bytes.0) } else { None };
        Header { key: name, value }
    });
    let empty = OwnedHeaders::new_with_capacity(message.headers.len());
    (!message.headers.is_empty()).then(|| plain.fold(empty, OwnedHeaders::insert))
}

/// A record as it came.
pub(crate) fn received(record: &impl Message<Headers = BorrowedHeaders>) -> BrokerMessage {
    let bytes = |bytes: &[u8]| Bytes(bytes.to_vec());
    BrokerMessage {
        topic: record.topic().to_owned(),
        key: record.key().map(bytes),
        headers: record.headers().map(received_headers).unwrap_or_default(),
        time: record.timestamp().to_millis().map(Timestamp::from_millis),
        body: record.payload().map(<[u8]>::to_vec),
        ..BrokerMessage::default()
    }
}

/// The library panics on a name that is no UTF-8, and gives no other way to what the header says.
fn received_headers(headers: &BorrowedHeaders) -> Vec<(String, HeaderValue)> {
    let read = |index: usize| {
        let header = catch_unwind(AssertUnwindSafe(|| headers.get(index)));
        let Ok(header) = header else {
            tracing::warn!("a record has a header whose name is no UTF-8: it cannot be read");
            return (NAMELESS.to_owned(), HeaderValue::Void);
        };
        let value = header.value.map_or(HeaderValue::Void, |value| HeaderValue::Text(Bytes(value.to_vec())));
        (header.key.to_owned(), value)
    };
    (0..headers.count()).map(read).collect()
}
