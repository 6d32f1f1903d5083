//! The content of a message: all that a [`BrokerMessage`] carries, as properties and body.

use tradewind_engine::ports::{BrokerMessage, Bytes, HeaderValue, Properties};
use tradewind_events::Timestamp;

use super::{
    CHANNEL, FRAME_EXTRA_BYTES,
    codec::{Input, Malformed, Output, Uncarried},
    put_frame,
};

/// The header that has a message's key.
pub const KEY_HEADER: &str = "x-tradewind-key";

/// A header that the server adds to what it delivers again. It is no part of the message.
pub const DELIVERY_COUNT: &str = "x-delivery-count";

/// The largest body that we publish: the default of a server's `max_message_size`, in bytes.
pub const BODY_BYTES_MAX: usize = 128 * 1_024 * 1_024;

/// The largest body that we take: no server is configured with more, in bytes.
const BODY_BYTES_TAKEN_MAX: u64 = 512 * 1_024 * 1_024;

/// Headers and properties of a message to come, and the size of its body.
pub struct Content {
    pub message: BrokerMessage,
    pub body_bytes: u64,
}

/// Appends the frames of a message's content.
pub fn encode(to: &mut Vec<u8>, message: &BrokerMessage, frame_bytes_max: usize) -> Result<(), Uncarried> {
    let body = message.body.as_ref().ok_or("RabbitMQ has no messages without a body")?;
    if body.len() > BODY_BYTES_MAX {
        return Err(format!("a body of {} bytes is too large: at most {BODY_BYTES_MAX} are possible", body.len()));
    }
    let (payload_max, at) = (frame_bytes_max - FRAME_EXTRA_BYTES, to.len());
    let mut outcome = Ok(());
    put_frame(to, 2, CHANNEL, |payload| {
        payload.u16(60);
        payload.u16(0);
        payload.u64(body.len() as u64);
        outcome = put_properties(payload, message);
    });
    let bytes = to.len() - at - FRAME_EXTRA_BYTES;
    if outcome.is_ok() && bytes > payload_max {
        outcome = Err(format!("its headers and properties have {bytes} bytes, and at most {payload_max} are possible"));
    }
    if outcome.is_err() {
        to.truncate(at);
        return outcome;
    }
    for part in body.chunks(payload_max) {
        put_frame(to, 3, CHANNEL, |payload| payload.extend(part));
    }
    Ok(())
}

fn put_properties(to: &mut Vec<u8>, message: &BrokerMessage) -> Result<(), Uncarried> {
    let Properties {
        content_type,
        content_encoding,
        delivery_mode,
        priority,
        correlation_id,
        reply_to,
        expiration,
        message_id,
        message_type,
        user_id,
        app_id,
        cluster_id,
    } = &message.properties;
    let headers = headers(message)?;
    let seconds = message.time.map(seconds).transpose()?;
    let (flags_at, mut flags) = (to.len(), 0_u16);
    to.u16(0);
    let mut text = |to: &mut Vec<u8>, bit: u16, text: &Option<String>, what: &str| {
        let Some(text) = text else { return Ok(()) };
        flags |= 1 << bit;
        to.short(text, what)
    };
    text(to, 15, content_type, "the property content_type")?;
    text(to, 14, content_encoding, "the property content_encoding")?;
    let mut numbers = 0_u16;
    if !headers.is_empty() {
        numbers |= 1 << 13;
        to.headers(&headers)?;
    }
    for (bit, number) in [(12, delivery_mode), (11, priority)] {
        if let Some(number) = number {
            numbers |= 1 << bit;
            to.u8(*number);
        }
    }
    text(to, 10, correlation_id, "the property correlation_id")?;
    text(to, 9, reply_to, "the property reply_to")?;
    text(to, 8, expiration, "the property expiration")?;
    text(to, 7, message_id, "the property message_id")?;
    if let Some(seconds) = seconds {
        numbers |= 1 << 6;
        to.u64(seconds);
    }
    text(to, 5, message_type, "the property type")?;
    text(to, 4, user_id, "the property user_id")?;
    text(to, 3, app_id, "the property app_id")?;
    text(to, 2, cluster_id, "the property cluster_id")?;
    to[flags_at..flags_at + 2].copy_from_slice(&(flags | numbers).to_be_bytes());
    Ok(())
}

/// The headers with the key among them.
fn headers(message: &BrokerMessage) -> Result<Vec<(String, HeaderValue)>, Uncarried> {
    let mut names = std::collections::BTreeSet::new();
    for (name, _) in &message.headers {
        if name == KEY_HEADER || name == DELIVERY_COUNT {
            return Err(format!("the header {name} has a meaning of its own"));
        }
        if !names.insert(name) {
            return Err(format!("the header {name} is there twice"));
        }
    }
    let key = message.key.clone().map(|key| (KEY_HEADER.to_owned(), HeaderValue::Text(key)));
    Ok(message.headers.iter().cloned().chain(key).collect())
}

fn seconds(time: Timestamp) -> Result<u64, Uncarried> {
    u64::try_from(time.as_millis().div_euclid(1_000)).map_err(|_| "RabbitMQ has no times before 1970".to_owned())
}

/// Decodes a header frame. The topic and the routing key come from the method before it, the body after it.
pub fn decode(payload: &[u8]) -> Result<Content, Malformed> {
    let mut input = Input(payload);
    let (_class, _weight, body_bytes, flags) = (input.u16()?, input.u16()?, input.u64()?, input.u16()?);
    if body_bytes > BODY_BYTES_TAKEN_MAX {
        return Err(Malformed("a body of at most 512 MiB"));
    }
    let has = |bit: u16| flags & (1 << bit) != 0;
    let mut message = BrokerMessage::default();
    let properties = &mut message.properties;
    let text = |input: &mut Input, bit| has(bit).then(|| input.short()).transpose();
    let number = |input: &mut Input, bit| has(bit).then(|| input.u8()).transpose();
    properties.content_type = text(&mut input, 15)?;
    properties.content_encoding = text(&mut input, 14)?;
    if has(13) {
        message.headers = input.headers()?;
    }
    properties.delivery_mode = number(&mut input, 12)?;
    properties.priority = number(&mut input, 11)?;
    properties.correlation_id = text(&mut input, 10)?;
    properties.reply_to = text(&mut input, 9)?;
    properties.expiration = text(&mut input, 8)?;
    properties.message_id = text(&mut input, 7)?;
    if has(6) {
        let seconds = i64::try_from(input.u64()?).unwrap_or(i64::MAX);
        message.time = Some(Timestamp::from_millis(seconds.saturating_mul(1_000)));
    }
    properties.message_type = text(&mut input, 5)?;
    properties.user_id = text(&mut input, 4)?;
    properties.app_id = text(&mut input, 3)?;
    properties.cluster_id = text(&mut input, 2)?;
    message.headers.retain(|(name, _)| name != DELIVERY_COUNT);
    message.key = take_key(&mut message.headers);
    message.body = Some(Vec::new());
    Ok(Content { message, body_bytes })
}

/// A header of this name that is no string is a header like any other.
fn take_key(headers: &mut Vec<(String, HeaderValue)>) -> Option<Bytes> {
    let is_key = |(name, value): &(String, HeaderValue)| {
        name == KEY_HEADER && matches!(value, HeaderValue::Text(_) | HeaderValue::Binary(_))
    };
    let at = headers.iter().position(is_key)?;
    match headers.remove(at).1 {
        HeaderValue::Text(key) | HeaderValue::Binary(key) => Some(key),
        _ => None,
    }
}
