//! The native pack says the same as the envelope of `tradewind-events`.

use std::sync::Arc;

use crate::loading::{load, settings};
use serde_json::{Value, json};
use tradewind_contracts::{Arrival, EventMeta};
use tradewind_events::{Envelope, Timestamp, id, registry, samples};

fn envelope(event: Arc<dyn tradewind_events::AnyEvent>) -> Envelope {
    Envelope {
        id: id("main-482-7"),
        source: registry().get(event.name()).expect("it is registered").source.parse().expect("it is a key"),
        subject: event.subject(),
        key: event.key().clone(),
        time: Timestamp::from_millis(1_769_860_800_000),
        sequence: 4,
        correlation_id: id("request-1"),
        causation_id: Some(id("main-482-6")),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        event,
    }
}

fn data(event: &dyn tradewind_events::AnyEvent) -> Value {
    let mut data = Vec::new();
    event.encode(&mut data).expect("an event is JSON");
    serde_json::from_slice(&data).expect("it is read back")
}

#[test]
fn every_event_is_written_as_its_own_envelope_and_read_back() {
    let pack = load("native");
    let settings = settings(&pack);
    for event in samples::all() {
        let envelope = envelope(Arc::clone(&event));
        let exported = pack.export(&data(&*event), &EventMeta::of(&envelope), &json!({}), &settings).unwrap();
        assert_eq!(exported.len(), 1, "{}", event.name());
        let written: Value = serde_json::from_slice(exported[0].message.body()).unwrap();
        let expected: Value = serde_json::from_slice(&envelope.to_json().unwrap()).unwrap();
        assert_eq!(written, expected);
        let arrival = Arrival { bridge: "native", ..Arrival::default() };
        let draft = pack.import(&exported[0].message, &arrival, &settings).unwrap();
        assert_eq!((draft.event.name, draft.meta.sequence), (event.name(), Some(4)));
        assert_eq!(draft.meta.wire_id.as_deref(), Some("main-482-7"));
        let completed = draft.complete(&json!({}), &settings).unwrap();
        assert_eq!(data(&*completed.event), data(&*event));
    }
}
