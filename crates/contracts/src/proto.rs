//! Protobuf by reflection: bytes to a tree of values and back, without generated code.
//!
//! One message has one byte form: fields in the order of their numbers, maps in the order of their keys. In the tree a
//! field has its name of the `.proto`, an enumeration its name (a number that has none stays a number), a `float` its
//! shortest decimal, `bytes` are hexadecimal text. A field without presence that is absent has its zero value.

use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Number, Value};

use crate::{
    limits::{DEPTH_MAX, ENTRIES_MAX},
    refusal::{Reason, Refusal},
    shape::{Member, Shape},
};

mod decode;
mod encode;

pub use decode::decode;
pub use encode::encode;

/// What the descriptor says about the places of the message.
pub fn shape(message: &MessageDescriptor) -> Shape {
    shape_of(message, 0)
}

fn shape_of(message: &MessageDescriptor, depth: usize) -> Shape {
    if depth > DEPTH_MAX / 4 {
        return Shape::Any;
    }
    let member = |field: FieldDescriptor| {
        let shape = match map_entry(&field) {
            Some((_, value)) => Shape::Map(kind_shape(&value.kind(), depth).into()),
            None if field.is_list() => Shape::List(kind_shape(&field.kind(), depth).into()),
            None => kind_shape(&field.kind(), depth),
        };
        (field.name().to_owned(), Member { shape, required: false })
    };
    Shape::Object(message.fields().map(member).collect::<std::collections::BTreeMap<_, _>>().into())
}

fn kind_shape(kind: &Kind, depth: usize) -> Shape {
    match kind {
        Kind::Double | Kind::Float => Shape::Number,
        Kind::Bool => Shape::Boolean,
        Kind::String | Kind::Bytes => Shape::Text,
        Kind::Enum(names) => Shape::Names(names.values().map(|value| value.name().to_owned()).collect()),
        Kind::Message(message) => shape_of(message, depth + 1),
        _ => Shape::Integer,
    }
}

/// The key and the value of a field that is a map.
fn map_entry(field: &FieldDescriptor) -> Option<(FieldDescriptor, FieldDescriptor)> {
    let Kind::Message(entry) = field.kind() else { return None };
    let is_map = field.cardinality() == Cardinality::Repeated && entry.is_map_entry();
    is_map.then(|| (entry.map_entry_key_field(), entry.map_entry_value_field()))
}

/// The name of a number of an enumeration, or the number.
fn enum_value(names: &EnumDescriptor, number: i32) -> Value {
    names.get_value(number).map_or_else(|| number.into(), |value| value.name().into())
}

/// What is read where a field without presence is absent.
fn zero(kind: &Kind) -> Value {
    match kind {
        Kind::String | Kind::Bytes => Value::String(String::new()),
        Kind::Bool => Value::Bool(false),
        Kind::Enum(names) => enum_value(names, 0),
        Kind::Message(_) => Value::Object(Map::new()),
        _ => 0.into(),
    }
}

/// A float as the shortest decimal that reads back as itself; what is no number as its name, as in protobuf's JSON.
fn float_value(shortest: &str) -> Value {
    let number = shortest.parse::<f64>().ok().and_then(Number::from_f64);
    number.map_or_else(|| shortest.into(), Value::Number)
}
