//! An event that goes out in an envelope comes back the same; what is no event is refused with a reason that quotes
//! nothing of it.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tradewind_events::{
    AnyEvent, DecodeError, Envelope, Event, EventKind, Id, Key, KeyText, Registry, Subject, Timestamp,
    carts::CartExpired, id, registry, samples,
};

fn envelope(event: Arc<dyn AnyEvent>) -> Envelope {
    Envelope {
        id: id("shop-17-3"),
        source: KeyText::literal("orders"),
        subject: event.subject(),
        key: event.key().clone(),
        time: Timestamp::from_millis(1_769_860_800_250),
        sequence: 3,
        correlation_id: id("request-1"),
        causation_id: Some(id("shop-17-2")),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        event,
    }
}

fn data(event: &dyn AnyEvent) -> Value {
    let mut out = Vec::new();
    event.encode(&mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// The wire form of `cart.expired`, changed at one place.
fn altered(pointer: &str, value: Value) -> Vec<u8> {
    let sent = envelope(Arc::new(CartExpired { cart_id: id("cart-1") })).to_json().unwrap();
    let mut json: Value = serde_json::from_slice(&sent).unwrap();
    *json.pointer_mut(pointer).unwrap() = value;
    serde_json::to_vec(&json).unwrap()
}

fn refusal(bytes: &[u8]) -> DecodeError {
    Envelope::from_json(bytes, &registry()).map(|read| read.event).unwrap_err()
}

#[test]
fn every_event_comes_back_as_it_went_out_full_and_sparse() {
    let all = samples::all();
    let sparse: Vec<_> = all.iter().filter_map(|event| samples::sparse(&**event)).collect();
    assert!(sparse.len() > all.len() / 2, "only {} events have a sparse form", sparse.len());
    for event in all.into_iter().chain(sparse) {
        let sent = envelope(Arc::clone(&event));
        let read = Envelope::from_json(&sent.to_json().unwrap(), &registry()).unwrap();
        assert_eq!(data(&*read.event), data(&*event), "{}", event.name());
        assert_eq!(format!("{read:?}"), format!("{sent:?}"));
        assert_eq!(read.event.as_any().type_id(), event.as_any().type_id());
    }
}

#[test]
fn a_sparse_event_leaves_out_what_it_has_not_and_null_is_the_same_as_absent() {
    for event in samples::all() {
        let Some(sparse) = samples::sparse(&*event) else { continue };
        let written = data(&*sparse);
        assert!(!written.to_string().contains("null") || written.get("changes").is_some(), "{written}");
    }
    let (mut full, registry) = (data(&*sample("notification.queued")), registry());
    full["order"] = Value::Null;
    let read = registry.decode("notification.queued", 1, &full.to_string()).unwrap();
    assert_eq!(data(&*read).get("order"), None);
}

fn sample(name: &str) -> Arc<dyn AnyEvent> {
    samples::all().into_iter().find(|event| event.name() == name).unwrap()
}

#[test]
fn the_wire_is_cloud_events_in_structured_mode() {
    let sent = envelope(Arc::new(CartExpired { cart_id: id("cart-1") })).to_json().unwrap();
    let expected = json!({
        "specversion": "1.0",
        "id": "shop-17-3",
        "type": "cart.expired",
        "dataversion": 1,
        "source": "orders",
        "subject": "cart/cart-1",
        "partitionkey": "cart-1",
        "time": "2026-01-31T12:00:00.250Z",
        "sequence": "3",
        "correlationid": "request-1",
        "causationid": "shop-17-2",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": { "cart_id": "cart-1" },
    });
    assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), expected);
}

#[test]
fn an_unknown_type_is_refused() {
    assert_eq!(
        refusal(&altered("/type", "cart.vanished".into())),
        DecodeError::UnknownType { name: "cart.vanished".into() }
    );
}

#[test]
fn a_newer_version_and_an_older_one_that_was_never_written_are_refused() {
    for version in [0, 2, u16::MAX] {
        assert_eq!(
            refusal(&altered("/dataversion", version.into())),
            DecodeError::UnknownVersion { name: "cart.expired".into(), version }
        );
    }
}

#[test]
fn an_envelope_that_does_not_fit_is_refused() {
    for (pointer, value) in [
        ("/specversion", json!("0.3")),
        ("/dataversion", json!(-1)),
        ("/dataversion", json!(65_536)),
        ("/id", json!("")),
        ("/id", json!("x".repeat(65))),
        ("/id", json!(null)),
        ("/partitionkey", json!("two words")),
        ("/time", json!("yesterday")),
        ("/sequence", json!(3)),
        ("/sequence", json!("-3")),
        ("/subject", json!("cart")),
        ("/subject", json!("cart/")),
        ("/subject", json!("/cart-1")),
        ("/subject", json!("stock/SKU-1\u{1f}location-1")),
    ] {
        let refusal = refusal(&altered(pointer, value.clone()));
        assert!(matches!(refusal, DecodeError::Envelope { .. }), "{pointer} {value}: {refusal}");
    }
    for text in ["", "{", "null", "[]", "{}", "\u{feff}{}", "{\"specversion\":\"1.0\"}"] {
        assert!(matches!(refusal(text.as_bytes()), DecodeError::Envelope { .. }), "{text:?}");
    }
    assert!(matches!(refusal(b"\xff\xfe"), DecodeError::Envelope { .. }));
}

#[test]
fn data_that_do_not_fit_are_refused() {
    for value in [json!(null), json!([]), json!({}), json!({ "cart_id": 7 }), json!({ "cart_id": "" })] {
        let refusal = refusal(&altered("/data", value.clone()));
        assert!(matches!(refusal, DecodeError::Data { .. }), "{value}: {refusal}");
    }
}

#[test]
fn deep_json_is_refused_where_it_is_read_and_ignored_where_it_is_not() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let with = |name: &str, data: &str| registry().decode(name, 1, data).map(|_| ());
    let jwk = with("signing_key.retired", &format!(r#"{{"kid":"key-1","public_jwk":{deep}}}"#));
    assert!(matches!(jwk, Err(DecodeError::Data { .. })), "{jwk:?}");
    assert_eq!(with("cart.expired", &format!(r#"{{"cart_id":"cart-1","later":{deep}}}"#)), Ok(()));

    let unclosed = format!(r#"{{"specversion":"1.0","data":{}"#, "[".repeat(100_000));
    assert!(matches!(refusal(unclosed.as_bytes()), DecodeError::Envelope { .. }));
}

#[test]
fn no_refusal_and_no_debug_form_quotes_a_person() {
    const SECRET: &str = "ada@example.org";
    let registered = envelope(sample("user.registered"));
    assert!(!format!("{registered:?} {:?}", registered.to_raw().unwrap()).contains(SECRET));
    assert!(!format!("{:?}", sample("user.profile_updated")).contains("Lovelace"));
    assert!(!format!("{:?}", sample("order.placed")).contains("Musterstra"));

    let mut json: Value = serde_json::from_slice(&registered.to_json().unwrap()).unwrap();
    json["data"]["email_verified"] = SECRET.into();
    let refused = refusal(&serde_json::to_vec(&json).unwrap());
    assert!(!format!("{refused} {refused:?}").contains(SECRET), "{refused}");
    json["dataversion"] = SECRET.into();
    let refused = refusal(&serde_json::to_vec(&json).unwrap());
    assert!(!format!("{refused} {refused:?}").contains(SECRET), "{refused}");
}

/// An event in its third version: the second named its field, the first counted in tens.
#[derive(Debug, Serialize, Deserialize)]
struct Counted {
    counter_id: Id,
    count: u32,
}

impl Event for Counted {
    const NAME: &'static str = "counter.counted";
    const VERSION: u16 = 3;
    const SUBJECT: &'static str = "counter";

    fn subject(&self) -> Subject {
        Subject::new("counter", Key::from(&self.counter_id))
    }
    fn key(&self) -> &Id {
        &self.counter_id
    }
    fn upcast(from: u16, mut data: Value) -> Option<Value> {
        match from {
            1 => data["number"] = (data["tens"].as_u64()? * 10).into(),
            2 => data["count"] = data["number"].clone(),
            _ => return None,
        }
        Some(data)
    }
}

#[test]
fn an_older_version_is_upcast_step_by_step() {
    let registry = Registry::new([EventKind::of::<Counted>("counters")]);
    let read = |version, data: Value| {
        registry
            .decode("counter.counted", version, &data.to_string())
            .map(|event| event.as_any().downcast_ref::<Counted>().unwrap().count)
    };
    assert_eq!(read(1, json!({ "counter_id": "c", "tens": 4 })), Ok(40));
    assert_eq!(read(2, json!({ "counter_id": "c", "number": 41 })), Ok(41));
    assert_eq!(read(3, json!({ "counter_id": "c", "count": 42 })), Ok(42));
    for version in [0, 4] {
        let unknown = DecodeError::UnknownVersion { name: "counter.counted".into(), version };
        assert_eq!(read(version, json!({ "counter_id": "c", "count": 42 })), Err(unknown));
    }
    assert!(matches!(read(2, json!({ "counter_id": "c" })), Err(DecodeError::Data { .. })));
}

#[test]
#[should_panic(expected = "two events are named cart.expired")]
fn two_events_of_one_name_are_a_mistake_of_the_program() {
    let twice = [EventKind::of::<CartExpired>("carts"), EventKind::of::<CartExpired>("orders")];
    Registry::new(twice);
}
