//! One form for what is equal: rows and events as bytes, without what tells apart only when something happened. Two
//! situations that differ in nothing else are one state.
//!
//! Times count as being there or not: a timer may fire at any moment, so how long is left says nothing. How often the
//! engine has tried a job, and how many events were said about a row, steer no handler of the saga.

use std::hash::{DefaultHasher, Hasher};

use tradewind_engine::{
    Entity,
    handlers::Rows,
    tables::{JobRow, TimerRow},
};
use tradewind_events::{AnyEvent, ColumnKind, Value};

/// Columns of the engine's own rows that say how often something was tried.
const TRIES: [&str; 2] = ["attempts", "last_error"];

/// Appends rows in the order of their keys.
pub fn rows(rows: &Rows, out: &mut Vec<u8>) {
    for (key, row) in rows {
        text(key.table, out);
        text(key.key.as_str(), out);
        let table = row.entity.table();
        let engine = [TimerRow::TABLE.name, JobRow::TABLE.name].contains(&table.name);
        for (column, value) in table.columns.iter().zip(row.entity.row()) {
            if engine && TRIES.contains(&column.name) {
                continue;
            }
            match value {
                Value::Null => out.push(0),
                Value::Int(_) if column.kind == ColumnKind::Time => out.push(1),
                Value::Int(number) => {
                    out.push(2);
                    out.extend(number.to_le_bytes());
                }
                Value::Text(value) => text(&value, out),
                Value::Bytes(bytes) => {
                    out.push(3);
                    out.extend(bytes.len().to_le_bytes());
                    out.extend(&*bytes);
                }
            }
        }
    }
}

/// Appends an event: its name and its data.
pub fn event(event: &dyn AnyEvent, out: &mut Vec<u8>) {
    text(event.name(), out);
    let mut data = Vec::new();
    // Our events have string keys and no failing serializer: there is nothing that JSON cannot hold.
    let encoded = event.encode(&mut data);
    debug_assert!(encoded.is_ok(), "{} cannot be encoded", event.name());
    without_times(&data, out);
}

pub fn text(text: &str, out: &mut Vec<u8>) {
    out.push(4);
    out.extend(text.len().to_le_bytes());
    out.extend(text.as_bytes());
}

/// 128 bits: what is told apart by them is compared nowhere else.
pub fn fingerprint(bytes: &[u8]) -> u128 {
    let mut halves = [0_u64; 2];
    for (salt, half) in (0_u8..).zip(&mut halves) {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(bytes);
        *half = hasher.finish();
    }
    u128::from(halves[0]) << 64 | u128::from(halves[1])
}

/// Copies JSON; of every text that is a time only a `T` is left.
fn without_times(json: &[u8], out: &mut Vec<u8>) {
    let mut rest = json;
    while let Some((first, tail)) = rest.split_first() {
        out.push(*first);
        rest = tail;
        if *first == b'"'
            && is_time(tail)
            && let Some(end) = tail.iter().position(|byte| *byte == b'"')
        {
            out.push(b'T');
            rest = &tail[end..];
        }
    }
}

/// Whether a text begins like `2026-01-31T12:00:00`.
fn is_time(text: &[u8]) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() > SHAPE.len() && text.iter().zip(SHAPE).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_time_only_its_being_there_is_left() {
        let masked = |json: &str| {
            let mut out = Vec::new();
            without_times(json.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(masked(r#"{"at":"2026-01-31T12:00:00Z","to":null}"#), r#"{"at":"T","to":null}"#);
        assert_eq!(masked(r#"{"at":"2026-01-31T12:00:00.125Z"}"#), masked(r#"{"at":"1970-01-01T00:00:00Z"}"#));
        assert_eq!(masked(r#"{"id":"2026-01-31","n":20}"#), r#"{"id":"2026-01-31","n":20}"#);
    }
}
