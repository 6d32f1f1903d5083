//! The tables that the suite writes to: they have every kind of column, and keys of one to three parts.

use tradewind_engine::{ColumnDef, StoredRow, Table};
use tradewind_events::{ColumnKind, Key, Value, row_key};

use super::text;

/// What an adapter's tests must create beside its migrations.
pub const TABLES: &[&Table] = &[&ITEM, &PAIR, &TRIPLE, &LINK, &TEXT];

/// Every kind of column.
pub(super) static ITEM: Table = Table {
    name: "suite_item",
    key: &["id"],
    columns: &[
        column("id", ColumnKind::Text, false),
        column("label", ColumnKind::Text, true),
        column("rank", ColumnKind::Integer, false),
        column("flag", ColumnKind::Boolean, false),
        column("at", ColumnKind::Time, true),
        column("detail", ColumnKind::Json, false),
        column("picture", ColumnKind::Bytes, true),
    ],
    cached: true,
};

/// A key of two parts, and a column that is often `NULL`.
pub(super) static PAIR: Table = Table {
    name: "suite_pair",
    key: &["left_id", "right_id"],
    columns: &[
        column("left_id", ColumnKind::Text, false),
        column("right_id", ColumnKind::Text, false),
        column("amount", ColumnKind::Integer, true),
        column("tag", ColumnKind::Text, false),
    ],
    cached: true,
};

/// A key whose columns stand neither first nor in the order of the key.
pub(super) static TRIPLE: Table = Table {
    name: "suite_triple",
    key: &["a", "b", "c"],
    columns: &[
        column("amount", ColumnKind::Integer, false),
        column("c", ColumnKind::Text, false),
        column("a", ColumnKind::Text, false),
        column("b", ColumnKind::Text, false),
    ],
    cached: false,
};

/// Ids alone: in the key, and in a column that is listed by and may be `NULL`.
pub(super) static LINK: Table = Table {
    name: "suite_link",
    key: &["from_id", "to_id"],
    columns: &[
        column("from_id", ColumnKind::Id, false),
        column("to_id", ColumnKind::Id, false),
        column("via_id", ColumnKind::Id, true),
    ],
    cached: true,
};

/// Several rows for one of [`LINK`], with an amount and with words, of which the adapter keeps a text index.
pub(super) static TEXT: Table = Table {
    name: "suite_text",
    key: &["from_id", "to_id", "nth"],
    columns: &[
        column("from_id", ColumnKind::Id, false),
        column("to_id", ColumnKind::Id, false),
        column("nth", ColumnKind::Text, false),
        column("amount", ColumnKind::Integer, false),
        column("words", ColumnKind::Text, false),
    ],
    cached: false,
};

const fn column(name: &'static str, kind: ColumnKind, nullable: bool) -> ColumnDef {
    ColumnDef { name, kind, nullable }
}

/// The key as it stands in the row.
pub(super) fn key(table: &Table, row: &StoredRow) -> Key {
    let part = |name: &&str| match table.position(name).map(|nth| &row.values[nth]) {
        Some(Value::Text(part)) => part.to_string(),
        other => panic!("{name} of {} is text in the table's key, not {other:?}", table.name),
    };
    let parts: Vec<String> = table.key.iter().map(part).collect();
    row_key(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(super) fn item(id: &str, rank: i64) -> StoredRow {
    let values =
        vec![text(id), Value::Null, Value::Int(rank), Value::Int(rank & 1), Value::Null, text("{}"), Value::Null];
    StoredRow { values, version: 1, events: 0 }
}

pub(super) fn pair(left: &str, right: &str, amount: Value, tag: &str) -> StoredRow {
    StoredRow { values: vec![text(left), text(right), amount, text(tag)], version: 1, events: 0 }
}

pub(super) fn triple([a, b, c]: [&str; 3], amount: i64) -> StoredRow {
    StoredRow { values: vec![Value::Int(amount), text(c), text(a), text(b)], version: 1, events: 0 }
}

pub(super) fn worded([from, to, nth]: [&str; 3], amount: i64, words: &str) -> StoredRow {
    StoredRow { values: vec![text(from), text(to), text(nth), Value::Int(amount), text(words)], version: 1, events: 0 }
}

pub(super) fn link(from: &str, to: &str, via: Option<&str>) -> StoredRow {
    StoredRow { values: vec![text(from), text(to), via.map_or(Value::Null, text)], version: 1, events: 0 }
}
