//! Values and keys on their way to SQLite and back, without a copy on our side on the way in.
//!
//! A column of ids holds a UUID in its 16 bytes, and every other id as its text. Nobody outside sees that.

use std::sync::Arc;

use rusqlite::{
    Error, Result, Row, Statement,
    types::{ToSql, ToSqlOutput, ValueRef},
};
use tradewind_engine::{StoredRow, Table};
use tradewind_events::{ColumnKind, Key, Value};
use uuid::{Uuid, fmt::Hyphenated};

/// A parameter of a statement.
#[derive(Clone, Copy)]
pub(crate) enum Param<'a> {
    Value(&'a Value),
    Text(&'a str),
    /// What the column of an id holds for a UUID.
    Uuid([u8; 16]),
    Int(i64),
}

impl Param<'_> {
    /// As it stands in a column of this kind.
    pub fn stored_as(self, kind: ColumnKind) -> Self {
        let text = match self {
            Self::Text(text) if kind == ColumnKind::Id => text,
            Self::Value(Value::Text(text)) if kind == ColumnKind::Id => text,
            _ => return self,
        };
        packed(text).map_or(self, Self::Uuid)
    }

    pub fn is(&self, value: &Value) -> bool {
        match self {
            Self::Value(ours) => *ours == value,
            Self::Text(ours) => matches!(value, Value::Text(theirs) if **theirs == **ours),
            Self::Uuid(ours) => matches!(value, Value::Text(theirs) if packed(theirs) == Some(*ours)),
            Self::Int(ours) => *value == Value::Int(*ours),
        }
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Value(Value::Null) => ValueRef::Null,
            Self::Value(Value::Int(integer)) | Self::Int(integer) => ValueRef::Integer(*integer),
            Self::Value(Value::Text(text)) => ValueRef::Text(text.as_bytes()),
            Self::Value(Value::Bytes(bytes)) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Uuid(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The bytes of a UUID in its canonical form. Any other spelling of it has to come back as it is, and stays text.
fn packed(text: &str) -> Option<[u8; 16]> {
    // Of this length there is no other form than the one with dashes.
    if text.len() != Hyphenated::LENGTH {
        return None;
    }
    // Without a branch for each letter: this is done for every id that is bound.
    let shouted = text.bytes().fold(false, |shouted, letter| shouted | letter.is_ascii_uppercase());
    if shouted { None } else { Uuid::try_parse(text).ok().map(Uuid::into_bytes) }
}

/// The reverse of [`packed`].
fn unpacked(bytes: [u8; 16]) -> Arc<str> {
    let mut text = [0; Hyphenated::LENGTH];
    Arc::from(&*Uuid::from_bytes(bytes).hyphenated().encode_lower(&mut text))
}

/// The kinds of the columns of a key: what [`bind_key`] needs, found by name once for many keys.
pub(crate) fn key_kinds(table: &Table) -> Vec<ColumnKind> {
    table.key.iter().filter_map(|name| table.position(name)).map(|nth| table.columns[nth].kind).collect()
}

/// Binds the parts of a key from the parameter numbered `first` on. `kinds` are the table's [`key_kinds`].
pub(crate) fn bind_key(statement: &mut Statement<'_>, first: usize, kinds: &[ColumnKind], key: &Key) -> Result<()> {
    let mut bound = 0;
    for part in key.parts() {
        if let Some(kind) = kinds.get(bound) {
            statement.raw_bind_parameter(first + bound, Param::Text(part).stored_as(*kind))?;
        }
        bound += 1;
    }
    if bound == kinds.len() { Ok(()) } else { Err(Error::InvalidParameterCount(bound, kinds.len())) }
}

/// A row as `sql::select` asks for it: the columns of the table, then `version` and `events`.
pub(crate) fn read_row(row: &Row<'_>, table: &Table) -> Result<StoredRow> {
    let columns = table.columns.len();
    let values = table.columns.iter().enumerate().map(|(nth, column)| read_value(row, nth, column.kind));
    let values = values.collect::<Result<_>>()?;
    Ok(StoredRow { values, version: unsigned(row.get(columns)?), events: unsigned(row.get(columns + 1)?) })
}

fn read_value(row: &Row<'_>, nth: usize, kind: ColumnKind) -> Result<Value> {
    Ok(match row.get_ref(nth)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Int(integer),
        // What is no text of ours is left to the entity of the row, which refuses bytes: one row is no reason to refuse
        // the others of a list.
        ValueRef::Text(text) => {
            std::str::from_utf8(text).map_or_else(|_| Value::Bytes(text.into()), |text| Value::Text(text.into()))
        }
        ValueRef::Blob(bytes) => match <[u8; 16]>::try_from(bytes) {
            Ok(uuid) if kind == ColumnKind::Id => Value::Text(unpacked(uuid)),
            _ => Value::Bytes(bytes.into()),
        },
        // No table of ours has such a column.
        ValueRef::Real(float) => Value::Bytes(float.to_be_bytes().as_slice().into()),
    })
}

/// Counters are unsigned with us and signed in SQLite; none of ours comes near 2^63.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
