//! Events from a broker: CloudEvents in JSON. What can be read is written as something that reads the same; what cannot
//! says why without repeating what stood in it.

use serde_json::Value;
use tradewind_events::{Envelope, KeyText, Registry, id, registry, samples};

use crate::Check;

/// What stands for every text in the data of an event.
const PERSONAL: &str = "the name of a person";

pub fn start() -> Check {
    let registry = registry();
    Box::new(move |input| check(&registry, input))
}

fn check(registry: &Registry, input: &[u8]) {
    match Envelope::from_json(input, registry) {
        Ok(envelope) => {
            let written = envelope.to_json().expect("what was read can be written");
            let again = Envelope::from_json(&written, registry).expect("what was written can be read");
            assert_eq!(again.subject, envelope.subject);
            let written_again = again.to_json().expect("what was read can be written");
            assert_eq!(String::from_utf8_lossy(&written_again), String::from_utf8_lossy(&written));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert_keeps_to_itself(registry, input);
}

/// With a person's name for every text in its data, the event may be refused, but the name is not told.
fn assert_keeps_to_itself(registry: &Registry, input: &[u8]) {
    let Ok(mut envelope) = serde_json::from_slice::<Value>(input) else { return };
    let Some(data) = envelope.get_mut("data") else { return };
    fill(data);
    if let Err(error) = Envelope::from_json(envelope.to_string().as_bytes(), registry) {
        assert!(!error.to_string().contains(PERSONAL), "{error}");
    }
}

fn fill(value: &mut Value) {
    match value {
        Value::String(text) => PERSONAL.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(fill),
        Value::Object(fields) => fields.values_mut().for_each(fill),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A sample of every event, in an envelope.
pub fn samples() -> Vec<Envelope> {
    let registry = registry();
    let envelope = |(number, event): (usize, std::sync::Arc<dyn tradewind_events::AnyEvent>)| Envelope {
        id: id(&format!("store-1-{number}")),
        source: KeyText::literal(registry.get(event.name()).map_or("nobody", |kind| kind.source)),
        subject: event.subject(),
        key: event.key().clone(),
        time: tradewind_events::Timestamp::from_millis(1_769_860_800_000),
        sequence: 1,
        correlation_id: id("request-1"),
        causation_id: (number % 2 == 0).then(|| id("request-1")),
        traceparent: (number % 3 == 0).then(|| "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        event,
    };
    samples::all().into_iter().enumerate().map(envelope).collect()
}

pub fn seeds() -> Vec<Vec<u8>> {
    samples().iter().map(|envelope| envelope.to_json().expect("a sample can be written")).collect()
}
