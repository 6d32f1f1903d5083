//! Content: messages come as they were published, each with a position of its own.

use std::collections::BTreeSet;

use tradewind_engine::ports::{BrokerError, BrokerMessage, Bytes, HeaderValue, Properties};
use tradewind_events::Timestamp;

use super::{BrokerUnderTest, Ear, Manner, message, publishes, topic};

/// Bodies of at least this size pass.
const LARGE_BYTES: usize = 1_024 * 1_024;

/// All that there is to carry, of the brokers that carry all of it.
fn records(topic: &str) -> Vec<BrokerMessage> {
    let record = |key: &str, body: &str| message(topic, key, body);
    let null = ("null".to_owned(), HeaderValue::Void);
    vec![
        BrokerMessage { body: None, ..record("tombstone", "") },
        record("empty", ""),
        record("twice", "").with_header("h", "1").with_header("h", "2"),
        BrokerMessage { headers: vec![null], ..record("null", "") },
        BrokerMessage { time: Some(Timestamp::from_millis(1_767_225_600_123)), ..record("time", "") },
    ]
}

fn routed(topic: &str) -> Vec<BrokerMessage> {
    let text = |name: &str| Some(format!("{name} \u{fc}"));
    let properties = Properties {
        content_type: text("type"),
        content_encoding: text("encoding"),
        delivery_mode: Some(2),
        priority: Some(7),
        correlation_id: text("correlation"),
        reply_to: text("reply"),
        expiration: Some("3600000".to_owned()),
        message_id: text("id"),
        message_type: text("type"),
        app_id: text("app"),
        // A broker checks the first, and does not use the other.
        user_id: None,
        cluster_id: None,
    };
    let values = [
        HeaderValue::Void,
        HeaderValue::Text(Bytes(vec![0, 255])),
        HeaderValue::Binary(Bytes(vec![1, 254])),
        HeaderValue::Bool(true),
        HeaderValue::I8(i8::MIN),
        HeaderValue::U8(u8::MAX),
        HeaderValue::I16(i16::MIN),
        HeaderValue::U16(u16::MAX),
        HeaderValue::I32(i32::MIN),
        HeaderValue::U32(u32::MAX),
        HeaderValue::I64(i64::MIN),
        HeaderValue::F32(1.5_f32.to_bits()),
        HeaderValue::F64(f64::MIN_POSITIVE.to_bits()),
        HeaderValue::Decimal { scale: 2, value: 1_999 },
        HeaderValue::Time(1_767_225_600),
        HeaderValue::List(vec![HeaderValue::I32(1), HeaderValue::List(Vec::new())]),
        HeaderValue::Table(vec![("in it".to_owned(), HeaderValue::Bool(false))]),
    ];
    let headers = values.into_iter().enumerate().map(|(nth, value)| (format!("h-{nth:02}"), value)).collect();
    vec![
        BrokerMessage { routing_key: Some("orders.created".to_owned()), ..message(topic, "route", "") },
        BrokerMessage { properties, ..message(topic, "properties", "") },
        BrokerMessage { headers, ..message(topic, "headers", "") },
        BrokerMessage { time: Some(Timestamp::from_millis(1_767_225_600_000)), ..message(topic, "time", "") },
    ]
}

pub fn what_a_message_carries_comes_as_it_was(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let mut all = vec![
        BrokerMessage::new(&*topic, "without a key"),
        message(&topic, "key", "{}").with_header("content-type", "application/json"),
        BrokerMessage::new(&*topic, every_byte.clone())
            .with_key("Ünï/ 🛒\n'\"%")
            .with_header("empty", "")
            .with_header("x-ünï", "a=b; \"c\" 🛒\n")
            .with_header("bytes", every_byte.clone()),
        (0..40).fold(message(&topic, &"k".repeat(200), "headers"), |message, nth| {
            message.with_header(format!("h-{nth:02}"), "v".repeat(nth))
        }),
        BrokerMessage::new(&*topic, every_byte.repeat(LARGE_BYTES / every_byte.len())).with_key("large"),
    ];
    if broker.differences().include(Manner::KeepsRecords) {
        all.push(BrokerMessage::new(&*topic, "a key of bytes").with_key([255, 0]));
        all.extend(records(&topic));
    }
    if broker.differences().include(Manner::RoutesMessages) {
        all.extend(routed(&topic));
    }
    publishes(&mut *broker.connect(), &all);
    let mut heard = ear.takes(all.len());
    // Keys differ, so any order will do.
    heard.sort_by(|left, right| left.message.key.cmp(&right.message.key));
    all.sort_by(|left, right| left.key.cmp(&right.key));
    let ordered = broker.differences().include(Manner::KeepsRecords);
    let comparable = |mut message: BrokerMessage| {
        // The headers of a routed message are a table, which has no order.
        if !ordered {
            message.headers.sort_by(|(left, _), (right, _)| left.cmp(right));
        }
        message
    };
    for (heard, sent) in heard.into_iter().map(|heard| comparable(heard.message)).zip(all.into_iter().map(comparable)) {
        // A broker may give a time to what has none.
        let time = sent.time.and(heard.time);
        assert!(BrokerMessage { time, ..heard } == sent, "what {:?} carries has changed", sent.key);
    }
}

pub fn what_cannot_be_carried_is_refused(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let manners = broker.differences();
    let mut refused = Vec::new();
    if !manners.include(Manner::KeepsRecords) {
        // The tombstone, and the header that is there twice.
        refused.extend(records(&topic).into_iter().step_by(2).take(2));
    }
    if !manners.include(Manner::RoutesMessages) {
        refused.extend(routed(&topic).into_iter().take(3));
    }
    let mut publisher = broker.connect();
    for message in refused {
        let answer = publisher.publish(std::slice::from_ref(&message));
        assert!(matches!(answer, Err((0, BrokerError::Refused(_)))), "{message:?}: {answer:?}");
    }
    ear.hears_nothing();
}

pub fn no_two_messages_have_one_position(broker: &dyn BrokerUnderTest) {
    let topics = ["one", "other"].map(|name| topic(broker, name));
    let mut ear = Ear::new(broker, &broker.name("group"), &[&topics[0], &topics[1]]);
    let mut publisher = broker.connect();
    // The same message again and again is another one each time.
    let all: Vec<_> = (0..60).map(|nth| message(&topics[nth % 2], &format!("key-{}", nth % 6), "same")).collect();
    let mut positions = BTreeSet::new();
    for _ in 0..2 {
        publishes(&mut *publisher, &all);
        positions.extend(ear.takes(all.len()).into_iter().map(|heard| heard.position));
    }
    assert_eq!(positions.len(), all.len() * 2);
}
