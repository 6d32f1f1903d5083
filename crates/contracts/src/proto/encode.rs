//! A tree of values, written as protobuf.

use super::{
    Kind, Map, MessageDescriptor, Reason, Refusal, Value,
    decode::{is_packable, layout},
    map_entry,
};
use prost_reflect::FieldDescriptor;

/// Writes one message. Members without a field are a refusal: a mapping that was checked makes none.
pub fn encode(message: &MessageDescriptor, value: &Value) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(256);
    write_message(message, value, "", &mut out)?;
    Ok(out)
}

fn cannot(at: &str, detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::ContractCannotCarry, at, detail)
}

fn write_message(message: &MessageDescriptor, value: &Value, at: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let Value::Object(members) = value else { return Err(cannot(at, "no object")) };
    if let Some(name) = members.keys().find(|name| message.get_field_by_name(name).is_none()) {
        return Err(cannot(&join(at, name), "no such field"));
    }
    let mut fields: Vec<FieldDescriptor> = message.fields().collect();
    fields.sort_unstable_by_key(FieldDescriptor::number);
    for field in fields {
        if let Some(value) = members.get(field.name()).filter(|value| !value.is_null()) {
            write_field(&field, value, &join(at, field.name()), out)?;
        }
    }
    Ok(())
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

fn write_field(field: &FieldDescriptor, value: &Value, at: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let kind = field.kind();
    if let Some((key, entry_value)) = map_entry(field) {
        let Value::Object(entries) = value else { return Err(cannot(at, "no map")) };
        return write_map(field, (&key.kind(), &entry_value.kind()), entries, (at, out));
    }
    if field.is_list() {
        let Value::Array(elements) = value else { return Err(cannot(at, "no list")) };
        return write_list(field, elements, at, out);
    }
    let mut written = Vec::new();
    write_value(&kind, value, at, &mut written)?;
    // Without presence, a zero is not written.
    if !field.supports_presence() && written.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    tag(field.number(), layout(&kind), out);
    out.append(&mut written);
    Ok(())
}

fn write_list(field: &FieldDescriptor, elements: &[Value], at: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let kind = field.kind();
    if !is_packable(&kind) || !field.is_packed() {
        for element in elements {
            tag(field.number(), layout(&kind), out);
            write_value(&kind, element, at, out)?;
        }
        return Ok(());
    }
    let mut packed = Vec::new();
    for element in elements {
        write_value(&kind, element, at, &mut packed)?;
    }
    if !packed.is_empty() {
        tag(field.number(), 2, out);
        varint(packed.len() as u64, out);
        out.append(&mut packed);
    }
    Ok(())
}

/// In the order of the keys, numbers by value.
fn write_map(
    field: &FieldDescriptor,
    (key, value): (&Kind, &Kind),
    entries: &Map<String, Value>,
    (at, out): (&str, &mut Vec<u8>),
) -> Result<(), Refusal> {
    let mut sorted: Vec<(&String, &Value)> = entries.iter().collect();
    sorted.sort_by(|(left, _), (right, _)| match (left.parse::<i64>(), right.parse::<i64>()) {
        (Ok(left), Ok(right)) if !matches!(key, Kind::String) => left.cmp(&right),
        _ => left.cmp(right),
    });
    for (name, element) in sorted {
        let at = join(at, name);
        let key_value = match key {
            Kind::String => Value::String(name.clone()),
            _ => serde_json::from_str(name).map_err(|_| cannot(&at, "no key of this map"))?,
        };
        let mut entry = Vec::new();
        tag(1, layout(key), &mut entry);
        write_value(key, &key_value, &at, &mut entry)?;
        tag(2, layout(value), &mut entry);
        write_value(value, element, &at, &mut entry)?;
        tag(field.number(), 2, out);
        varint(entry.len() as u64, out);
        out.append(&mut entry);
    }
    Ok(())
}

fn write_value(kind: &Kind, value: &Value, at: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match kind {
        Kind::Double => out.extend(float(value, at)?.to_le_bytes()),
        Kind::Float => out.extend(single(value, at)?.to_le_bytes()),
        Kind::Fixed32 => out.extend(integer::<u32>(value, at)?.to_le_bytes()),
        Kind::Sfixed32 => out.extend(integer::<i32>(value, at)?.to_le_bytes()),
        Kind::Fixed64 => out.extend(unsigned(value, at)?.to_le_bytes()),
        Kind::Sfixed64 => out.extend(integer::<i64>(value, at)?.to_le_bytes()),
        Kind::Bool => out.push(u8::from(value.as_bool().ok_or_else(|| cannot(at, "no boolean"))?)),
        Kind::Uint64 => varint(unsigned(value, at)?, out),
        Kind::Uint32 => varint(integer::<u32>(value, at)?.into(), out),
        Kind::Int64 => varint(integer::<i64>(value, at)?.cast_unsigned(), out),
        Kind::Int32 => varint(i64::from(integer::<i32>(value, at)?).cast_unsigned(), out),
        Kind::Sint64 | Kind::Sint32 => {
            let number = match kind {
                Kind::Sint32 => integer::<i32>(value, at)?.into(),
                _ => integer::<i64>(value, at)?,
            };
            varint(((number << 1) ^ (number >> 63)).cast_unsigned(), out);
        }
        Kind::Enum(names) => {
            let number = match value {
                Value::String(name) => names.get_value_by_name(name).map(|known| known.number()),
                other => other.as_i64().and_then(|number| i32::try_from(number).ok()),
            };
            let number = number.ok_or_else(|| cannot(at, "no value of this enumeration"))?;
            varint(i64::from(number).cast_unsigned(), out);
        }
        Kind::String => write_bytes(value.as_str().ok_or_else(|| cannot(at, "no text"))?.as_bytes(), out),
        Kind::Bytes => write_bytes(&hexadecimal(value).ok_or_else(|| cannot(at, "no hexadecimal text"))?, out),
        Kind::Message(message) => {
            let mut inner = Vec::new();
            write_message(message, value, at, &mut inner)?;
            write_bytes(&inner, out);
        }
    }
    Ok(())
}

fn integer<T: TryFrom<i64>>(value: &Value, at: &str) -> Result<T, Refusal> {
    let number = value.as_i64().ok_or_else(|| cannot(at, "no integer"))?;
    T::try_from(number).map_err(|_| cannot(at, "an integer that the field cannot hold"))
}

fn unsigned(value: &Value, at: &str) -> Result<u64, Refusal> {
    value.as_u64().ok_or_else(|| cannot(at, "no integer from 0"))
}

fn float(value: &Value, at: &str) -> Result<f64, Refusal> {
    value.as_f64().ok_or_else(|| cannot(at, "no number"))
}

/// The nearest `float` of the decimal text: rounding twice, by way of a `double`, can miss it.
fn single(value: &Value, at: &str) -> Result<f32, Refusal> {
    let number: Option<f32> = value.as_number().and_then(|number| number.to_string().parse().ok());
    number.filter(|number| number.is_finite()).ok_or_else(|| cannot(at, "no number that the field can hold"))
}

fn hexadecimal(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    text.len().is_multiple_of(2).then(|| text.chunks(2).map(pair).collect())?
}

fn tag(number: u32, layout: u64, out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | layout, out);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    varint(bytes.len() as u64, out);
    out.extend(bytes);
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7F).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}
