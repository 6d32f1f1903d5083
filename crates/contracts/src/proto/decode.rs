//! Bytes of protobuf, read.

use super::{
    DEPTH_MAX, ENTRIES_MAX, Kind, Map, MessageDescriptor, Reason, Refusal, Value, enum_value, float_value, map_entry,
    zero,
};
use prost_reflect::FieldDescriptor;

/// Reads one message. Fields that the descriptor does not have are passed over.
pub fn decode(message: &MessageDescriptor, bytes: &[u8]) -> Result<Value, Refusal> {
    let mut reader = Reader { bytes, at: 0, entries: 0, path: Vec::new() };
    reader.message(message, bytes.len())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Elements of lists and maps so far, of the whole message.
    entries: usize,
    path: Vec<String>,
}

/// How a value is laid out.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const GROUP_START: u64 = 3;
const GROUP_END: u64 = 4;
const FIXED_32: u64 = 5;

impl Reader<'_> {
    fn wrong(&self, detail: &str) -> Refusal {
        Refusal::new(Reason::NotProtobuf, self.path.join("."), format!("{detail} at byte {}", self.at))
    }

    fn varint(&mut self, end: usize) -> Result<u64, Refusal> {
        let mut number = 0_u64;
        for shift in 0..10 {
            let byte = if self.at < end { self.bytes[self.at] } else { return Err(self.wrong("the end of the data")) };
            self.at += 1;
            if shift == 9 && byte > 1 {
                return Err(self.wrong("a number over 64 bits"));
            }
            number |= u64::from(byte & 0x7F) << (shift * 7);
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.wrong("a number over 64 bits"))
    }

    fn fixed<const N: usize>(&mut self, end: usize) -> Result<[u8; N], Refusal> {
        let taken = self.bytes[self.at..end].first_chunk::<N>().copied();
        self.at += if taken.is_some() { N } else { 0 };
        taken.ok_or_else(|| self.wrong("the end of the data"))
    }

    /// The end of a value that says its length.
    fn length(&mut self, end: usize) -> Result<usize, Refusal> {
        let length = self.varint(end)?;
        let value_end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        value_end.filter(|value_end| *value_end <= end).ok_or_else(|| self.wrong("a length over the data"))
    }

    fn message(&mut self, message: &MessageDescriptor, end: usize) -> Result<Value, Refusal> {
        if self.path.len() >= DEPTH_MAX {
            return Err(Refusal::new(Reason::TooDeep, "", format!("more than {DEPTH_MAX} levels")));
        }
        let mut members = Map::new();
        while self.at < end {
            let tag = self.varint(end)?;
            let number = u32::try_from(tag >> 3).ok().filter(|number| *number > 0);
            let number = number.ok_or_else(|| self.wrong("no number of a field"))?;
            match message.get_field(number) {
                Some(field) => {
                    self.path.push(field.name().to_owned());
                    self.field(&field, tag & 7, end, &mut members)?;
                    self.path.pop();
                }
                None => self.pass_over(tag & 7, end, 0)?,
            }
        }
        for field in message.fields() {
            if !field.supports_presence() && !members.contains_key(field.name()) {
                let absent = match map_entry(&field) {
                    Some(_) => Value::Object(Map::new()),
                    None if field.is_list() => Value::Array(Vec::new()),
                    None => zero(&field.kind()),
                };
                members.insert(field.name().to_owned(), absent);
            }
        }
        Ok(Value::Object(members))
    }

    fn pass_over(&mut self, wire: u64, end: usize, depth: usize) -> Result<(), Refusal> {
        match wire {
            VARINT => self.varint(end).map(drop),
            FIXED_64 => self.fixed::<8>(end).map(drop),
            FIXED_32 => self.fixed::<4>(end).map(drop),
            LENGTH => {
                self.at = self.length(end)?;
                Ok(())
            }
            GROUP_START if depth < DEPTH_MAX => loop {
                let inner = self.varint(end)? & 7;
                if inner == GROUP_END {
                    return Ok(());
                }
                self.pass_over(inner, end, depth + 1)?;
            },
            _ => Err(self.wrong("no layout of a field")),
        }
    }

    fn count(&mut self) -> Result<(), Refusal> {
        self.entries += 1;
        if self.entries <= ENTRIES_MAX {
            return Ok(());
        }
        Err(Refusal::new(Reason::TooManyEntries, self.path.join("."), format!("more than {ENTRIES_MAX} entries")))
    }

    fn field(
        &mut self,
        field: &FieldDescriptor,
        wire: u64,
        end: usize,
        members: &mut Map<String, Value>,
    ) -> Result<(), Refusal> {
        if let Some((key, value)) = map_entry(field) {
            self.count()?;
            let (key, value) = self.entry(&key, &value, wire, end)?;
            let entry = members.entry(field.name()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(entries) = entry {
                entries.insert(key, value); // the last one counts, as protobuf says
            }
            return Ok(());
        }
        let kind = field.kind();
        if !field.is_list() {
            let value = self.value(&kind, wire, end)?;
            members.insert(field.name().to_owned(), value);
            return Ok(());
        }
        let mut elements = Vec::new();
        if wire == LENGTH && is_packable(&kind) {
            let list_end = self.length(end)?;
            while self.at < list_end {
                self.count()?;
                elements.push(self.value(&kind, layout(&kind), list_end)?);
            }
        } else {
            self.count()?;
            elements.push(self.value(&kind, wire, end)?);
        }
        match members.entry(field.name()).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(list) => list.append(&mut elements),
            _ => return Err(self.wrong("a list that is none")),
        }
        Ok(())
    }

    fn entry(
        &mut self,
        key: &FieldDescriptor,
        value: &FieldDescriptor,
        wire: u64,
        end: usize,
    ) -> Result<(String, Value), Refusal> {
        if wire != LENGTH {
            return Err(self.wrong("an entry without a length"));
        }
        let entry_end = self.length(end)?;
        let (mut read_key, mut read_value) = (zero(&key.kind()), zero(&value.kind()));
        while self.at < entry_end {
            let tag = self.varint(entry_end)?;
            match tag >> 3 {
                1 => read_key = self.value(&key.kind(), tag & 7, entry_end)?,
                2 => read_value = self.value(&value.kind(), tag & 7, entry_end)?,
                _ => self.pass_over(tag & 7, entry_end, 0)?,
            }
        }
        let key = match read_key {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Ok((key, read_value))
    }

    fn value(&mut self, kind: &Kind, wire: u64, end: usize) -> Result<Value, Refusal> {
        if wire != layout(kind) {
            return Err(self.wrong("another type than the descriptor says"));
        }
        Ok(match kind {
            Kind::Double => float_value(&f64::from_le_bytes(self.fixed(end)?).to_string()),
            Kind::Float => float_value(&f32::from_le_bytes(self.fixed(end)?).to_string()),
            Kind::Fixed32 => u32::from_le_bytes(self.fixed(end)?).into(),
            Kind::Sfixed32 => i32::from_le_bytes(self.fixed(end)?).into(),
            Kind::Fixed64 => u64::from_le_bytes(self.fixed(end)?).into(),
            Kind::Sfixed64 => i64::from_le_bytes(self.fixed(end)?).into(),
            Kind::Bool => (self.varint(end)? != 0).into(),
            Kind::Uint64 => self.varint(end)?.into(),
            Kind::Int64 => self.varint(end)?.cast_signed().into(),
            Kind::Sint64 => zigzag(self.varint(end)?).into(),
            Kind::Uint32 => low(self.varint(end)?).into(),
            Kind::Int32 => low(self.varint(end)?).cast_signed().into(),
            Kind::Sint32 => zigzag(u64::from(low(self.varint(end)?))).into(),
            Kind::Enum(names) => enum_value(names, low(self.varint(end)?).cast_signed()),
            Kind::String => {
                let value_end = self.length(end)?;
                let text = str::from_utf8(&self.bytes[self.at..value_end]);
                let text = text.map_err(|_| Refusal::new(Reason::Utf8Invalid, self.path.join("."), ""))?;
                self.at = value_end;
                text.into()
            }
            Kind::Bytes => {
                let value_end = self.length(end)?;
                let text = crate::convert::hex(&self.bytes[self.at..value_end]);
                self.at = value_end;
                text.into()
            }
            Kind::Message(message) => {
                let value_end = self.length(end)?;
                self.message(message, value_end)?
            }
        })
    }
}

/// The lower half, as protobuf cuts numbers of 32 bits.
fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default()
}

fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

pub(super) fn layout(kind: &Kind) -> u64 {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => FIXED_64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => FIXED_32,
        Kind::String | Kind::Bytes | Kind::Message(_) => LENGTH,
        _ => VARINT,
    }
}

pub(super) fn is_packable(kind: &Kind) -> bool {
    layout(kind) != LENGTH
}
