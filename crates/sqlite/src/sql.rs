//! The statements that write and load the rows of a table. Their texts depend on the table alone.

use tradewind_engine::Table;

/// A name in SQL. Every name is quoted: some of ours (`key`, `at`) are words of SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The columns of a row as it is stored, with commas: those of the table, then `version` and `events`.
pub(crate) fn columns(table: &Table, prefix: &str) -> String {
    let names = table.columns.iter().map(|column| column.name).chain(["version", "events"]);
    joined(names.map(|name| format!("{prefix}{}", quoted(name))), ", ")
}

pub(crate) fn select(table: &Table) -> String {
    format!("SELECT {} FROM {}", columns(table, ""), quoted(table.name))
}

/// Parameters: the parts of the key.
pub(crate) fn load(table: &Table) -> String {
    format!("{} WHERE {}", select(table), key_matches(table, 1))
}

/// Parameters: the values of the row, its version, its events.
pub(crate) fn insert(table: &Table) -> String {
    let places = joined((1..=table.columns.len() + 2).map(|nth| format!("?{nth}")), ", ");
    format!("INSERT INTO {} ({}) VALUES ({places})", quoted(table.name), columns(table, ""))
}

/// Parameters: as for [`insert`], then the parts of the key, then the version that the row must have.
///
/// Columns of the key are not set: they are what the row is found by, and SQLite is spared to compare them.
pub(crate) fn update(table: &Table) -> String {
    let names = table.columns.iter().map(|column| column.name).chain(["version", "events"]);
    let sets = names
        .enumerate()
        .filter(|(_, name)| !table.key.contains(name))
        .map(|(nth, name)| format!("{} = ?{}", quoted(name), nth + 1));
    let key = table.columns.len() + 3;
    format!(
        "UPDATE {} SET {} WHERE {} AND \"version\" = ?{}",
        quoted(table.name),
        joined(sets, ", "),
        key_matches(table, key),
        key + table.key.len(),
    )
}

/// Parameters: the parts of the key, then the version that the row must have.
pub(crate) fn delete(table: &Table) -> String {
    let version = table.key.len() + 1;
    format!("DELETE FROM {} WHERE {} AND \"version\" = ?{version}", quoted(table.name), key_matches(table, 1))
}

/// Parameters: the parts of the key.
pub(crate) fn version(table: &Table) -> String {
    format!("SELECT \"version\" FROM {} WHERE {}", quoted(table.name), key_matches(table, 1))
}

fn key_matches(table: &Table, first: usize) -> String {
    joined(table.key.iter().enumerate().map(|(nth, name)| format!("{} = ?{}", quoted(name), first + nth)), " AND ")
}

pub(crate) fn joined(parts: impl IntoIterator<Item = String>, between: &str) -> String {
    parts.into_iter().collect::<Vec<_>>().join(between)
}
