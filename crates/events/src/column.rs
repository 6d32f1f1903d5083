//! How a value stands in a typed column of a table. Stores see only these few kinds.

use std::{num::TryFromIntError, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Currency, Id, Personal, Timestamp, personal::masked};

/// The content of one column of one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Null,
    Int(i64),
    /// Text, and JSON as text.
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
}

impl Value {
    /// In words, without the content: that may be about a person.
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Int(_) => "an integer",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// What a column holds; a store maps it to its own type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Text,
    /// An [`Id`]. A store may keep a UUID in its canonical form (36 characters, lower case) in fewer bytes, and gives its
    /// text back. Every store sorts ids as [`id_rank`] does, in pages as against bounds: ids that are no such UUID by their
    /// text, and UUIDs by their text after all of them.
    Id,
    Integer,
    /// 0 or 1.
    Boolean,
    /// Milliseconds since 1970 in UTC.
    Time,
    Json,
    Bytes,
}

/// What ids are sorted by in every list: whether it is a UUID in its canonical form, then the text.
pub fn id_rank(id: &str) -> (bool, &str) {
    let is_uuid = id.len() == 36
        && id.bytes().enumerate().all(|(nth, byte)| match nth {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
    (is_uuid, id)
}

/// One column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnDef {
    pub name: &'static str,
    pub kind: ColumnKind,
    pub nullable: bool,
}

impl ColumnDef {
    /// The column of a field of this type.
    pub const fn of<T: Column>(name: &'static str) -> Self {
        Self { name, kind: T::KIND, nullable: T::NULLABLE }
    }
}

/// A stored value does not fit its field: the store was written by something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ColumnError(pub String);

/// A type of field that is one column.
pub trait Column: Sized {
    const KIND: ColumnKind;
    const NULLABLE: bool = false;

    fn to_value(&self) -> Value;
    fn from_value(value: &Value) -> Result<Self, ColumnError>;

    /// Bytes on the heap, for the bound of the cache; zero for what is stored in place.
    fn weight(&self) -> usize {
        0
    }
}

/// A type of field that is several columns. What names the row is a column of its own, and not among them.
pub trait Columns: Sized {
    const COLUMNS: &'static [ColumnDef];

    /// Appends a value for each of [`Columns::COLUMNS`].
    fn write_to(&self, row: &mut Vec<Value>);
    /// The reverse of [`Columns::write_to`]: `columns` has so many values, `key` names the row.
    fn read_from(key: &Id, columns: &[Value]) -> Result<Self, ColumnError>;

    /// As [`Column::weight`].
    fn weight(&self) -> usize;
}

/// The columns of one table, field after field.
///
/// # Panics
///
/// `N` is how many there are; any other number does not compile where this is a constant.
pub const fn all_columns<const N: usize>(fields: &[&[ColumnDef]]) -> [ColumnDef; N] {
    let mut all = [ColumnDef { name: "", kind: ColumnKind::Text, nullable: false }; N];
    let (mut count, mut field) = (0, 0);
    while field < fields.len() {
        let mut nth = 0;
        while nth < fields[field].len() {
            all[count] = fields[field][nth];
            count += 1;
            nth += 1;
        }
        field += 1;
    }
    assert!(count == N, "every column is one of N");
    all
}

/// Reads one column; the error says which.
pub fn read_column<T>(
    row: &[Value],
    nth: usize,
    name: &str,
    read: fn(&Value) -> Result<T, ColumnError>,
) -> Result<T, ColumnError> {
    let value = row.get(nth).ok_or_else(|| ColumnError(format!("column {name} is missing")))?;
    read(value).map_err(|error| ColumnError(format!("column {name}: {error}")))
}

/// What a field in JSON is taken to weigh in memory, in bytes.
pub const JSON_COLUMN_WEIGHT: usize = 256;

/// A field that is stored as JSON text.
///
/// # Panics
/// When JSON cannot hold it. Our wire types have string keys and no failing serializer; one that had would be refused
/// with its message when its batch is encoded, and not be stored empty.
pub fn json_to_value<T: Serialize>(field: &T) -> Value {
    let json = serde_json::to_string(field);
    Value::Text(json.unwrap_or_else(|error| panic!("a column cannot be written as JSON: {}", masked(&error))).into())
}

/// The reverse of [`json_to_value`].
pub fn json_from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ColumnError> {
    serde_json::from_str(text(value)?).map_err(|error| ColumnError(masked(&error)))
}

/// Types that are one column of JSON, with how much they weigh in memory.
macro_rules! json_columns {
    ($($type:ty: $weight:expr),*) => {$(
        impl $crate::Column for $type {
            const KIND: $crate::ColumnKind = $crate::ColumnKind::Json;
            fn to_value(&self) -> $crate::Value {
                $crate::json_to_value(self)
            }
            fn from_value(value: &$crate::Value) -> Result<Self, $crate::ColumnError> {
                $crate::json_from_value(value)
            }
            fn weight(&self) -> usize {
                let weight: fn(&Self) -> usize = $weight;
                weight(self)
            }
        }
    )*};
}
pub(crate) use json_columns;

fn text(value: &Value) -> Result<&str, ColumnError> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(ColumnError(format!("text was expected, not {}", other.kind()))),
    }
}

fn integer(value: &Value) -> Result<i64, ColumnError> {
    match value {
        Value::Int(integer) => Ok(*integer),
        other => Err(ColumnError(format!("an integer was expected, not {}", other.kind()))),
    }
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(value: &Value) -> Result<T, ColumnError> {
    text(value)?.parse().map_err(|error: T::Err| ColumnError(error.to_string()))
}

impl<T: Column> Column for Option<T> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, T::weight)
    }
    const KIND: ColumnKind = T::KIND;
    const NULLABLE: bool = true;
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        if *value == Value::Null { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

impl Column for Id {
    fn weight(&self) -> usize {
        self.as_str().len()
    }
    const KIND: ColumnKind = ColumnKind::Id;
    fn to_value(&self) -> Value {
        Value::Text(self.shared())
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        match value {
            Value::Text(text) => Id::new(Arc::clone(text)).map_err(|error| ColumnError(error.to_string())),
            other => text(other).map(|_| unreachable!("only text is text")),
        }
    }
}

impl Column for Arc<str> {
    fn weight(&self) -> usize {
        self.len()
    }
    const KIND: ColumnKind = ColumnKind::Text;
    fn to_value(&self) -> Value {
        Value::Text(Arc::clone(self))
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        text(value).map(Arc::from)
    }
}

impl Column for String {
    fn weight(&self) -> usize {
        self.len()
    }
    const KIND: ColumnKind = ColumnKind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.as_str().into())
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        text(value).map(str::to_owned)
    }
}

impl Column for Arc<[u8]> {
    fn weight(&self) -> usize {
        self.len()
    }
    const KIND: ColumnKind = ColumnKind::Bytes;
    fn to_value(&self) -> Value {
        Value::Bytes(Arc::clone(self))
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        match value {
            Value::Bytes(bytes) => Ok(Arc::clone(bytes)),
            other => Err(ColumnError(format!("bytes were expected, not {}", other.kind()))),
        }
    }
}

impl Column for bool {
    const KIND: ColumnKind = ColumnKind::Boolean;
    fn to_value(&self) -> Value {
        Value::Int(i64::from(*self))
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        Ok(integer(value)? != 0)
    }
}

impl Column for Timestamp {
    const KIND: ColumnKind = ColumnKind::Time;
    fn to_value(&self) -> Value {
        Value::Int(self.as_millis())
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        integer(value).map(Timestamp::from_millis)
    }
}

impl Column for Currency {
    const KIND: ColumnKind = ColumnKind::Text;
    fn to_value(&self) -> Value {
        Value::Text(self.as_str().into())
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        parsed(value)
    }
}

impl<T: Column> Column for Personal<T> {
    fn weight(&self) -> usize {
        self.expose().weight()
    }
    const KIND: ColumnKind = T::KIND;
    const NULLABLE: bool = T::NULLABLE;
    fn to_value(&self) -> Value {
        self.expose().to_value()
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        T::from_value(value).map(Personal::new)
    }
}

macro_rules! integer_columns {
    ($($integer:ty),*) => {$(
        impl Column for $integer {
            const KIND: ColumnKind = ColumnKind::Integer;
            fn to_value(&self) -> Value {
                // A count beyond 2^63 is out of every bound that we set. It is refused with its batch, not stored as less.
                Value::Int(i64::try_from(*self).unwrap_or_else(|_| panic!("{self} does not fit a column")))
            }
            fn from_value(value: &Value) -> Result<Self, ColumnError> {
                Self::try_from(integer(value)?).map_err(|error: TryFromIntError| ColumnError(error.to_string()))
            }
        }
    )*};
}
integer_columns!(u16, u32, u64, i32);

impl Column for i64 {
    const KIND: ColumnKind = ColumnKind::Integer;
    fn to_value(&self) -> Value {
        Value::Int(*self)
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        integer(value)
    }
}
