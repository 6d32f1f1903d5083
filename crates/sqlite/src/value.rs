//! Values and keys on their way to SQLite and back, without a copy on our side on the way in.

use rusqlite::{
    Error, Result, Row, Statement,
    types::{ToSql, ToSqlOutput, Type, ValueRef},
};
use tradewind_engine::{StoredRow, Table};
use tradewind_events::{Key, Value};

/// A parameter of a statement.
#[derive(Clone, Copy)]
pub(crate) enum Param<'a> {
    Value(&'a Value),
    Text(&'a str),
    Int(i64),
}

impl Param<'_> {
    pub fn is(&self, value: &Value) -> bool {
        match self {
            Self::Value(ours) => *ours == value,
            Self::Text(ours) => matches!(value, Value::Text(theirs) if **theirs == **ours),
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
        }))
    }
}

/// Binds the parts of a key from the parameter numbered `first` on.
pub(crate) fn bind_key(statement: &mut Statement<'_>, first: usize, table: &Table, key: &Key) -> Result<()> {
    let mut bound = 0;
    for part in key.parts() {
        if bound < table.key.len() {
            statement.raw_bind_parameter(first + bound, Param::Text(part))?;
        }
        bound += 1;
    }
    if bound == table.key.len() { Ok(()) } else { Err(Error::InvalidParameterCount(bound, table.key.len())) }
}

/// A row as `sql::select` asks for it: the columns of the table, then `version` and `events`.
pub(crate) fn read_row(row: &Row<'_>, table: &Table) -> Result<StoredRow> {
    let columns = table.columns.len();
    let values = (0..columns).map(|nth| read_value(row, nth)).collect::<Result<_>>()?;
    Ok(StoredRow { values, version: unsigned(row.get(columns)?), events: unsigned(row.get(columns + 1)?) })
}

fn read_value(row: &Row<'_>, nth: usize) -> Result<Value> {
    Ok(match row.get_ref(nth)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Int(integer),
        ValueRef::Text(text) => {
            Value::Text(std::str::from_utf8(text).map_err(|error| Error::Utf8Error(nth, error))?.into())
        }
        ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
        // No table of ours has such a column.
        ValueRef::Real(_) => return Err(Error::InvalidColumnType(nth, String::from("a float"), Type::Real)),
    })
}

/// Counters are unsigned with us and signed in SQLite; none of ours comes near 2^63.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
