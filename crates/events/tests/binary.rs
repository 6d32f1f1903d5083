//! Messages in the binary mode of CloudEvents are read like those in structured mode; what is no event is refused with a
//! reason that names the attribute.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::sync::Arc;

use tradewind_events::{
    AnyEvent, DecodeError, Envelope, KeyText, Timestamp,
    broker::{BrokerMessage, Bytes, HeaderValue},
    carts::CartExpired,
    id, registry, samples,
};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn envelope(event: Arc<dyn AnyEvent>) -> Envelope {
    Envelope {
        id: id("shop-17-3"),
        source: KeyText::literal("orders"),
        subject: event.subject(),
        key: event.key().clone(),
        time: Timestamp::from_millis(1_769_860_800_000),
        sequence: 3,
        correlation_id: id("request-1"),
        causation_id: Some(id("shop-17-2")),
        traceparent: Some(TRACE.into()),
        event,
    }
}

/// The envelope in binary mode, with this prefix of its attributes.
fn binary(envelope: &Envelope, prefix: &str) -> BrokerMessage {
    let raw = envelope.to_raw().unwrap();
    let attributes = [
        ("specversion", raw.specversion.clone()),
        ("id", raw.id.to_string()),
        ("type", raw.name.clone()),
        ("dataversion", raw.version.to_string()),
        ("source", raw.source.to_string()),
        ("subject", raw.subject.clone()),
        ("partitionkey", raw.key.to_string()),
        ("time", raw.time.to_string()),
        ("sequence", raw.sequence.to_string()),
        ("correlationid", raw.correlation_id.to_string()),
        ("causationid", raw.causation_id.unwrap().to_string()),
        ("traceparent", TRACE.to_owned()),
    ];
    let message = BrokerMessage::new("topic", raw.data.get());
    attributes.into_iter().fold(message, |message, (name, text)| message.with_header(format!("{prefix}{name}"), text))
}

fn expired() -> BrokerMessage {
    binary(&envelope(Arc::new(CartExpired { cart_id: id("cart-1") })), "ce_")
}

/// `cart.expired` with another value of a header, or without it.
fn altered(name: &str, value: Option<HeaderValue>) -> BrokerMessage {
    let mut message = expired();
    message.headers.retain(|(header, _)| header != name);
    message.headers.extend(value.map(|value| (name.to_owned(), value)));
    message
}

fn text(text: &str) -> Option<HeaderValue> {
    Some(HeaderValue::Text(text.into()))
}

fn read(message: &BrokerMessage) -> Result<Envelope, DecodeError> {
    Envelope::from_message(message, &registry())
}

fn refusal(message: &BrokerMessage) -> String {
    let error = read(message).unwrap_err();
    assert!(matches!(error, DecodeError::Envelope { .. }), "{error}");
    error.to_string().replace("the envelope is no CloudEvents 1.0 JSON: ", "")
}

#[test]
fn every_event_is_read_in_either_mode() {
    for event in samples::all() {
        let sent = envelope(Arc::clone(&event));
        for prefix in ["ce_", "ce-", "cloudEvents:", "cloudEvents_"] {
            let received = read(&binary(&sent, prefix)).unwrap();
            assert_eq!(received.to_json().unwrap(), sent.to_json().unwrap(), "{prefix} {}", event.name());
        }
        let structured = BrokerMessage::new("topic", sent.to_json().unwrap());
        assert_eq!(read(&structured).unwrap().to_json().unwrap(), sent.to_json().unwrap());
        // A producer may repeat the attributes as headers of a structured message.
        let mut both = binary(&sent, "ce_").with_header("content-type", "application/cloudevents+json; charset=utf-8");
        both.body = structured.body;
        assert_eq!(read(&both).unwrap().to_json().unwrap(), sent.to_json().unwrap());
    }
}

#[test]
fn an_attribute_may_be_a_number_or_a_time_of_amqp() {
    let mut message = altered("ce_dataversion", Some(HeaderValue::I32(1)));
    message.headers.retain(|(name, _)| name != "ce_sequence" && name != "ce_time");
    message.headers.push(("ce_sequence".to_owned(), HeaderValue::I64(3)));
    message.headers.push(("ce_time".to_owned(), HeaderValue::Time(1_769_860_800)));
    message.properties.content_type = Some("Application/JSON; charset=utf-8".to_owned());
    let read = read(&message).unwrap();
    assert_eq!((read.sequence, read.time), (3, Timestamp::from_millis(1_769_860_800_000)));
    let late = altered("ce_time", Some(HeaderValue::Time(253_402_300_800)));
    assert_eq!(refusal(&late), "the attribute time is after the year 9999");
    assert!(Envelope::from_message(&altered("ce_time", Some(HeaderValue::Time(253_402_300_799))), &registry()).is_ok());
}

#[test]
fn attributes_that_may_be_absent_and_those_that_are_unknown_do_not_matter() {
    let mut message = altered("ce_causationid", None).with_header("ce_tenant", [255]);
    message.headers.retain(|(name, _)| name != "ce_traceparent");
    let read = read(&message).unwrap();
    assert_eq!((read.causation_id, read.traceparent), (None, None));
    assert!(
        Envelope::from_message(&expired().with_header("content-type", "application/vnd.x+json"), &registry()).is_ok()
    );
}

#[test]
fn a_missing_attribute_is_named() {
    let needed =
        ["id", "type", "dataversion", "source", "subject", "partitionkey", "time", "sequence", "correlationid"];
    for name in needed {
        let refused = refusal(&altered(&format!("ce_{name}"), None));
        assert_eq!(refused, format!("the attribute {name} is missing"));
    }
    // Without the version of CloudEvents it is no message in binary mode: the body must be all of it.
    assert!(refusal(&altered("ce_specversion", None)).starts_with("missing field"));
}

#[test]
fn what_is_wrong_with_an_attribute_is_said_without_quoting_it() {
    let bytes = |bytes: &[u8]| Some(HeaderValue::Text(Bytes(bytes.to_vec())));
    for (name, value, expected) in [
        ("ce_specversion", text("0.3"), "specversion \"0.3\""),
        ("ce_id", bytes(b"\xff\xfe"), "the attribute id is not UTF-8"),
        ("ce_id", text(""), "the attribute id cannot be read: "),
        ("ce_id", Some(HeaderValue::Void), "the attribute id is neither a text nor a number"),
        ("ce_id", Some(HeaderValue::List(Vec::new())), "the attribute id is neither a text nor a number"),
        ("ce_source", text("a\nb"), "the attribute source cannot be read: "),
        ("ce_subject", text("no-subject"), "subject \"no-subject\""),
        ("ce_time", text("yesterday"), "the attribute time cannot be read: "),
        ("ce_sequence", text("three"), "the attribute sequence is no number: invalid digit"),
        ("ce_sequence", text("-1"), "the attribute sequence is no number: "),
        ("ce_dataversion", text("65536"), "the attribute dataversion is no number: number too large"),
        ("content-type", text("avro/binary"), "the content type of the data is not application/json"),
        ("content-type", text("x\u{fc}"), "the content type of the data is not application/json"),
        ("content-type", bytes(b"\xff"), "content-type is not UTF-8"),
        ("content-type", Some(HeaderValue::Void), "content-type is no text"),
    ] {
        let refused = refusal(&altered(name, value));
        assert!(refused.starts_with(expected), "{name}: {refused}");
    }
    assert_eq!(refusal(&expired().with_header("ce_id", "other")), "the attribute id is there twice");
    assert_eq!(refusal(&expired().with_header("cloudEvents:id", "other")), "the attribute id is there twice");
}

#[test]
fn data_that_are_no_json_are_refused() {
    for body in [None, Some(Vec::new()), Some(b"\xff".to_vec()), Some(b"{} {}".to_vec())] {
        let message = BrokerMessage { body, ..expired() };
        assert!(refusal(&message).starts_with("the data are no JSON: "));
    }
    let other = BrokerMessage { body: Some(b"[]".to_vec()), ..expired() };
    assert!(matches!(read(&other).unwrap_err(), DecodeError::Data { .. }));
    let deep = format!("{{\"cart_id\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000)).into_bytes();
    assert!(read(&BrokerMessage { body: Some(deep), ..expired() }).is_err());
    let unknown = altered("ce_type", text("cart.vanished"));
    assert_eq!(read(&unknown).unwrap_err(), DecodeError::UnknownType { name: "cart.vanished".into() });
    let newer = altered("ce_dataversion", text("9"));
    assert_eq!(read(&newer).unwrap_err(), DecodeError::UnknownVersion { name: "cart.expired".into(), version: 9 });
}
