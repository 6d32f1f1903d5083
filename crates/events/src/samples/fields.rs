//! The fields of an event as they stand on the wire, found by trying: a field is optional if the event can be read
//! without it.

use std::{fmt, sync::Arc};

use serde_json::{Value, value::RawValue};

use crate::{AnyEvent, registry};

/// Objects whose members are data, not fields.
const FREE: [&str; 2] = ["attributes", "public_jwk"];

/// One field of the JSON of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    steps: Vec<Step>,
    /// `string`, `integer`, `boolean`, `object`, `array` or `any`.
    pub kind: &'static str,
    /// An event without it can be read.
    pub optional: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    /// Every element of an array.
    Each,
}

/// A path: `order.cart_id`, `lines[].sku`.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, step) in self.steps.iter().enumerate() {
            match step {
                Step::Member(name) if nth == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Each => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}

/// Every field of a fully filled event, sorted by path.
pub fn fields(event: &dyn AnyEvent) -> Vec<Field> {
    let data = json(event);
    let mut found = Vec::new();
    walk(&data, &mut Vec::new(), &mut found);
    for field in &mut found {
        let mut without = data.clone();
        remove(&mut without, &field.steps);
        field.optional = decode(event, &without).is_some();
    }
    found.sort_by_cached_key(Field::to_string);
    found
}

/// The event without any of its optional fields; `None` if it has none.
pub fn sparse(event: &dyn AnyEvent) -> Option<Arc<dyn AnyEvent>> {
    let mut data = json(event);
    let optional: Vec<Field> = fields(event).into_iter().filter(|field| field.optional).collect();
    for field in &optional {
        remove(&mut data, &field.steps);
    }
    if optional.is_empty() { None } else { decode(event, &data) }
}

fn json(event: &dyn AnyEvent) -> Value {
    let mut data = Vec::new();
    event.encode(&mut data).expect("our events are JSON");
    serde_json::from_slice(&data).expect("what was encoded can be read")
}

fn decode(event: &dyn AnyEvent, data: &Value) -> Option<Arc<dyn AnyEvent>> {
    let data = RawValue::from_string(data.to_string()).expect("a value prints as JSON");
    registry().decode(event.name(), event.version(), data.get()).ok()
}

fn walk(value: &Value, steps: &mut Vec<Step>, found: &mut Vec<Field>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                steps.push(Step::Member(name.clone()));
                found.push(Field { steps: steps.clone(), kind: kind(name, member), optional: false });
                if !FREE.contains(&name.as_str()) {
                    walk(member, steps, found);
                }
                steps.pop();
            }
        }
        Value::Array(elements) => {
            steps.push(Step::Each);
            if let Some(element) = elements.first() {
                walk(element, steps, found);
            }
            steps.pop();
        }
        _ => {}
    }
}

fn kind(name: &str, value: &Value) -> &'static str {
    match value {
        _ if name == "old_value" || name == "new_value" => "any",
        Value::Null => "any",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn remove(value: &mut Value, steps: &[Step]) {
    match (steps, value) {
        ([Step::Member(name)], Value::Object(members)) => {
            members.remove(name);
        }
        ([Step::Member(name), rest @ ..], Value::Object(members)) => {
            if let Some(member) = members.get_mut(name) {
                remove(member, rest);
            }
        }
        ([Step::Each, rest @ ..], Value::Array(elements)) => {
            for element in elements {
                remove(element, rest);
            }
        }
        _ => {}
    }
}
