//! Content: messages come as they were published, each with a position of its own.

use std::collections::BTreeSet;

use tradewind_engine::ports::Outgoing;

use super::{BrokerUnderTest, Ear, message, publishes, topic};

/// Bodies of at least this size pass.
const LARGE_BYTES: usize = 1_024 * 1_024;

pub fn bodies_headers_and_keys_come_as_they_were(broker: &dyn BrokerUnderTest) {
    let (topic, group) = (topic(broker, "topic"), broker.name("group"));
    let mut ear = Ear::new(broker, &group, &[&topic]);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let contents = [
        (String::new(), Vec::new(), Vec::new()),
        ("key".to_owned(), vec![header("content-type", "application/json")], b"{}".to_vec()),
        ("Ünï/ 🛒\n'\"%".to_owned(), vec![header("empty", ""), header("x-ünï", "a=b; \"c\" 🛒\n")], every_byte.clone()),
        ("k".repeat(200), (0..40).map(|nth| header(&format!("h-{nth:02}"), &"v".repeat(nth))).collect(), vec![0; 3]),
        ("large".to_owned(), vec![header("ce-id", "1")], every_byte.repeat(LARGE_BYTES / every_byte.len())),
    ];
    let all = contents.map(|(key, headers, body)| Outgoing { topic: topic.clone(), key, headers, body });
    publishes(&mut *broker.connect(), &all);
    let mut heard = ear.takes(all.len());
    // Keys differ, so any order will do.
    heard.sort_by(|left, right| left.key.cmp(&right.key));
    let mut all: Vec<&Outgoing> = all.iter().collect();
    all.sort_by(|left, right| left.key.cmp(&right.key));
    for (heard, sent) in heard.into_iter().zip(all) {
        let mut headers = heard.headers;
        headers.sort();
        // An empty key may come as none.
        assert_eq!((heard.topic, heard.key.unwrap_or_default()), (sent.topic.clone(), sent.key.clone()));
        assert_eq!(headers, sent.headers, "of {}", sent.key);
        assert!(heard.body == sent.body, "the body of {} has changed", sent.key);
    }
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
