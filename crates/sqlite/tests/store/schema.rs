//! Every table that the program knows is in the schema as its struct says, and the schema has no other.

use std::collections::BTreeSet;

use rusqlite::Connection;
use tradewind_engine::{
    AnyService, StoredRow, Table,
    ports::{Commit, CommitError, List, Reader, RowChange, RowWrite, Writer},
    tables::ENGINE_TABLES,
};
use tradewind_events::{ColumnKind, Timestamp, Value, row_key};

use crate::scratch::Scratch;

fn tables() -> Vec<&'static Table> {
    let services: [AnyService; 9] = [
        tradewind_carts::service(tradewind_carts::Carts::default()).into(),
        tradewind_catalog::service(tradewind_catalog::Catalog::default()).into(),
        tradewind_identity::service(tradewind_identity::Identity::default()).into(),
        tradewind_inventory::service(tradewind_inventory::Inventory::default()).into(),
        tradewind_notifications::service(tradewind_notifications::Notifications::default()).into(),
        tradewind_orders::service(tradewind_orders::Orders::default()).into(),
        tradewind_payments::service(tradewind_payments::Payments::default()).into(),
        tradewind_query::service(tradewind_query::Query).into(),
        tradewind_shipping::service(tradewind_shipping::Shipping::default()).into(),
    ];
    ENGINE_TABLES.iter().copied().chain(services.into_iter().flat_map(|service| service.tables)).collect()
}

/// A table as its struct asks for it, without what only SQL says.
pub fn create_table(table: &Table) -> String {
    let columns: Vec<String> = columns(table)
        .iter()
        .map(|Column { name, kind, not_null, .. }| {
            format!("    \"{name}\" {kind}{},\n", if *not_null { " NOT NULL" } else { "" })
        })
        .collect();
    let (name, columns, key) = (table.name, columns.concat(), table.key.join("\", \""));
    format!("CREATE TABLE \"{name}\" (\n{columns}    PRIMARY KEY (\"{key}\")\n) STRICT, WITHOUT ROWID;")
}

#[derive(Debug, PartialEq, Eq)]
struct Column {
    name: String,
    kind: String,
    not_null: bool,
    /// Its place in the primary key, from 1; 0 outside.
    key: u32,
}

fn columns(table: &Table) -> Vec<Column> {
    let own = table.columns.iter().map(|column| (column.name, column.kind, column.nullable));
    let counters = ["version", "events"].map(|name| (name, ColumnKind::Integer, false));
    own.chain(counters)
        .map(|(name, kind, nullable)| Column {
            name: name.to_owned(),
            kind: match kind {
                ColumnKind::Text | ColumnKind::Json => "TEXT",
                ColumnKind::Id => "ANY",
                ColumnKind::Integer | ColumnKind::Boolean | ColumnKind::Time => "INTEGER",
                ColumnKind::Bytes => "BLOB",
            }
            .to_owned(),
            not_null: !nullable,
            key: table.key.iter().position(|key| *key == name).map_or(0, |nth| u32::try_from(nth + 1).expect("few")),
        })
        .collect()
}

fn actual_columns(connection: &Connection, table: &str) -> Vec<Column> {
    let sql = "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?1) WHERE hidden = 0";
    let mut statement = connection.prepare(sql).expect("a pragma");
    let columns = statement.query_map([table], |row| {
        Ok(Column { name: row.get(0)?, kind: row.get(1)?, not_null: row.get(2)?, key: row.get(3)? })
    });
    columns.expect("columns").map(|column| column.expect("a column")).collect()
}

/// Statements name their columns: one that was added later stands behind the others.
fn sorted(mut columns: Vec<Column>) -> Vec<Column> {
    columns.sort_by(|one, other| one.name.cmp(&other.name));
    columns
}

fn names(connection: &Connection, sql: &str) -> BTreeSet<String> {
    let mut statement = connection.prepare(sql).expect("a query");
    let names = statement.query_map([], |row| row.get(0)).expect("names");
    names.map(|name| name.expect("a name")).collect()
}

#[test]
fn every_table_is_as_its_struct_says() {
    let scratch = Scratch::new();
    let _opened = scratch.open().expect("a store");
    let connection = Connection::open(scratch.store()).expect("a store");
    let strict = names(&connection, "SELECT name FROM pragma_table_list WHERE strict AND wr");
    let mut wrong = Vec::new();
    for table in tables() {
        if sorted(actual_columns(&connection, table.name)) != sorted(columns(table)) || !strict.contains(table.name) {
            wrong.push(create_table(table));
        }
    }
    assert!(wrong.is_empty(), "these tables should be, constraints aside:\n{}", wrong.join("\n"));
}

#[test]
fn every_table_has_one_owner_and_a_struct() {
    let scratch = Scratch::new();
    let _opened = scratch.open().expect("a store");
    let connection = Connection::open(scratch.store()).expect("a store");
    let known: BTreeSet<String> = tables().iter().map(|table| table.name.to_owned()).collect();
    assert_eq!(known.len(), tables().len(), "no two services have a table of one name");
    let there = names(
        &connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         AND name NOT LIKE 'store\\_%' ESCAPE '\\' AND name NOT LIKE 'segment\\_%' ESCAPE '\\' AND name NOT LIKE '%\\_fts%' ESCAPE '\\'",
    );
    assert_eq!(there, known);
}

/// Every statement of every table is prepared on it.
#[test]
fn every_table_is_read_and_written() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for table in tables() {
        let key = row_key(&table.key.iter().map(|_| "none").collect::<Vec<_>>());
        assert_eq!(opened.reader.load(table, std::slice::from_ref(&key)), Ok(vec![None]), "{}", table.name);
        assert_eq!(opened.reader.list(&List::of(table, 10)), Ok(Vec::new()), "{}", table.name);
        // Nothing at all, which every table refuses in its key.
        let row = StoredRow { values: vec![Value::Null; table.columns.len()], version: 1, events: 0 };
        let writes = [
            RowWrite::Insert(row.clone()),
            RowWrite::Update { expected_version: 1, row },
            RowWrite::Delete { expected_version: 1 },
        ];
        for write in writes {
            let rows = vec![RowChange { table, key: key.clone(), write }];
            let at = Timestamp::from_millis(0);
            let refused = opened.writer.commit(&Commit { epoch: opened.meta.epoch, at, rows, segment: None });
            assert!(
                matches!(&refused, Err(CommitError::Constraint { table: named, .. }) if named == table.name),
                "{}: {refused:?}",
                table.name
            );
        }
    }
}

#[test]
fn a_text_index_knows_its_rows_by_the_key_of_their_table() {
    let scratch = Scratch::new();
    let _opened = scratch.open().expect("a store");
    let connection = Connection::open(scratch.store()).expect("a store");
    let tables = tables();
    let indexed: Vec<(&Table, Vec<Column>)> = tables
        .iter()
        .map(|table| (*table, actual_columns(&connection, &format!("{}_fts_row", table.name))))
        .filter(|(_, columns)| !columns.is_empty())
        .collect();
    assert!(!indexed.is_empty(), "products are searched");
    for (table, numbered) in indexed {
        let key = columns(table).into_iter().filter(|column| column.key > 0).map(|column| Column { key: 0, ..column });
        assert_eq!(numbered[1..], key.collect::<Vec<_>>(), "{}_fts_row", table.name);
    }
}

/// What SQLite would run for this statement.
fn opcodes(connection: &Connection, sql: &str) -> BTreeSet<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN {sql}")).expect("a statement");
    let mut rows = statement.raw_query();
    std::iter::from_fn(|| rows.next().expect("a step").map(|row| row.get(1).expect("an opcode"))).collect()
}

/// `CHECK (state IN ('a', 'b', 'c'))` did: a B-tree was opened, filled and dropped for each row.
#[test]
fn writing_a_row_makes_no_table_for_the_time_of_the_statement() {
    let scratch = Scratch::new();
    let _opened = scratch.open().expect("a store");
    let connection = Connection::open(scratch.store()).expect("a store");
    for table in tables() {
        let name = table.name;
        let values = vec!["?"; table.columns.len() + 2].join(", ");
        let columns = columns(table);
        let sets = columns.iter().filter(|column| column.key == 0).map(|column| format!("\"{}\" = ?", column.name));
        let (sets, key) = (sets.collect::<Vec<_>>().join(", "), table.key.join("\" = ? AND \""));
        let insert = format!("INSERT INTO \"{name}\" VALUES ({values})");
        let update = format!("UPDATE \"{name}\" SET {sets} WHERE \"{key}\" = ?");
        for sql in [insert, update] {
            let opcodes = opcodes(&connection, &sql);
            assert!(opcodes.contains("MakeRecord"), "{sql}: {opcodes:?}");
            assert!(!opcodes.contains("OpenEphemeral"), "{sql}");
        }
    }
}
