//! Paths into trees of values.

use serde_json::{Map, Value};

/// The value at a path of member names; null is none.
pub fn get<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| value.get(step)).filter(|value| !value.is_null())
}

/// Puts a value at a path, making the objects on the way. The first step of no path is the value itself.
pub fn put(target: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *target = value;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(members) = target {
        if rest.is_empty() {
            members.insert(first.clone(), value);
        } else {
            put(members.entry(first.as_str()).or_insert(Value::Null), rest, value);
        }
    }
}

/// Adds what is missing in the left one; what is there stays.
pub fn complete(target: &mut Value, from: &Value) {
    match (target, from) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, value) in more {
                complete(members.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (target @ Value::Null, from) => *target = from.clone(),
        _ => {}
    }
}

/// A path as refusals show it.
pub fn shown(path: &[String]) -> String {
    path.join(".")
}
