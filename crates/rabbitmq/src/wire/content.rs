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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;
    use crate::wire::{FRAME_BYTES_MAX, Frame, FrameKind};

    fn value() -> impl Strategy<Value = HeaderValue> {
        let bytes = || vec(any::<u8>(), 0..20).prop_map(Bytes);
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
                vec(value.clone(), 0..4).prop_map(HeaderValue::List),
                vec(("[a-z]{0,9}", value), 0..4).prop_map(HeaderValue::Table),
            ]
        })
    }

    /// The message of these frames, and how many frames its body has.
    fn decoded(bytes: &[u8]) -> (BrokerMessage, usize) {
        let (mut rest, mut message, mut frames) = (bytes, BrokerMessage::default(), 0);
        while let Some((frame, length)) = Frame::first(rest).unwrap() {
            if frame.kind == FrameKind::Header {
                message = decode(frame.payload).unwrap().message;
            } else {
                message.body.as_mut().unwrap().extend(frame.payload);
                frames += 1;
            }
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
        (message, frames)
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            key in option::of(vec(any::<u8>(), 0..20).prop_map(Bytes)),
            headers in proptest::collection::btree_map("[a-z\u{e4}]{1,9}", value(), 0..6),
            texts in any::<[Option<u8>; 10]>(),
            numbers in any::<[Option<u8>; 2]>(),
            seconds in option::of(0..4_000_000_000_i64),
            body in vec(any::<u8>(), 0..100),
        ) {
            let mut texts = texts.into_iter().map(|text| text.map(|byte| "\u{fc}".repeat(usize::from(byte) / 2)));
            let mut text = || texts.next().flatten();
            let properties = Properties {
                content_type: text(), content_encoding: text(), correlation_id: text(), reply_to: text(),
                expiration: text(), message_id: text(), message_type: text(), user_id: text(), app_id: text(),
                cluster_id: text(), delivery_mode: numbers[0], priority: numbers[1],
            };
            let time = seconds.map(|seconds| Timestamp::from_millis(seconds * 1_000));
            let headers = headers.into_iter().collect();
            let message = BrokerMessage { key, headers, properties, time, body: Some(body), ..BrokerMessage::default() };
            let mut bytes = Vec::new();
            encode(&mut bytes, &message, FRAME_BYTES_MAX as usize).unwrap();
            prop_assert_eq!(decoded(&bytes).0, message);
        }
    }

    #[test]
    fn a_body_is_cut_into_frames_and_headers_must_fit_one() {
        let message = BrokerMessage::new("t", vec![7; 10_000]);
        let mut bytes = Vec::new();
        encode(&mut bytes, &message, 4_096).unwrap();
        let (decoded, frames) = decoded(&bytes);
        assert_eq!((decoded.body, frames), (message.body.clone(), 3));
        let large = |bytes: usize| message.clone().with_header("h", vec![0; bytes]);
        let mut none = Vec::new();
        assert_eq!(encode(&mut none, &large(4_096 - 8 - 25), 4_096), Ok(()));
        none.clear();
        let error = encode(&mut none, &large(4_096), 4_096).unwrap_err();
        assert!(error.contains("4088") && none.is_empty(), "{error}");
    }

    #[test]
    fn what_there_is_no_place_for_is_named() {
        let refused = |message: BrokerMessage| encode(&mut Vec::new(), &message, 4_096).unwrap_err();
        let message = BrokerMessage::new("t", "");
        let early = Some(Timestamp::from_millis(-1));
        for (message, named) in [
            (BrokerMessage { body: None, ..message.clone() }, "body"),
            (message.clone().with_header("h", "1").with_header("h", "2"), "twice"),
            (message.clone().with_header(KEY_HEADER, "1"), KEY_HEADER),
            (message.clone().with_header(DELIVERY_COUNT, "1"), DELIVERY_COUNT),
            (message.clone().with_header("h".repeat(256), "1"), "256"),
            (BrokerMessage { time: early, ..message.clone() }, "1970"),
            (BrokerMessage::new("t", vec![0; BODY_BYTES_MAX + 1]), "134217729"),
        ] {
            let error = refused(message);
            assert!(error.contains(named), "{error}");
        }
        let properties = Properties { reply_to: Some("r".repeat(256)), ..Properties::default() };
        assert!(refused(BrokerMessage { properties, ..message }).contains("reply_to"));
    }
}
