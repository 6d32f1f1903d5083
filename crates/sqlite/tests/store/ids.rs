//! Ids in the file: a UUID takes 16 bytes there, and nobody who asks through the door can tell.

use rusqlite::Connection;
use tradewind_engine::{
    ColumnDef, Entity, StoredRow, Table,
    ports::{Commit, Direction, List, Reader, RowChange, RowWrite, Writer},
    tables::{AuditRow, DeadLetterKind, DeadLetterRow, DeadLetterState},
};
use tradewind_events::{ColumnKind, Key, KeyText, Timestamp, Value, id, row_key};
use tradewind_sqlite::Opened;

use crate::{
    schema::create_table,
    scratch::{Scratch, audit, insert},
};

const UUID: &str = "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b3";
const SHOUTED: &str = "0199C2F4-7D3E-7A51-8C6B-2F90D1E4A7B3";

fn commit(opened: &mut Opened, rows: Vec<RowChange>) {
    let at = Timestamp::from_millis(0);
    opened.writer.commit(&Commit { epoch: opened.meta.epoch, at, rows, segment: None }).expect("new rows");
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// How SQLite has stored what `sql` selects, as in `blob 16`.
fn forms(scratch: &Scratch, sql: &str) -> Vec<String> {
    let connection = Connection::open(scratch.store()).expect("a store");
    let mut statement = connection.prepare(sql).expect("a query");
    let forms = statement.query_map([], |row| Ok(format!("{} {}", row.get::<_, String>(0)?, row.get::<_, u32>(1)?)));
    forms.expect("rows").map(|form| form.expect("a form")).collect()
}

#[test]
fn a_uuid_is_sixteen_bytes_in_a_column_of_ids_and_there_alone() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    let row = AuditRow { id: id(UUID), actor: UUID.into(), target: UUID.into(), ..audit(1, "{}") };
    commit(&mut opened, vec![insert(&row), insert(&AuditRow { id: id(SHOUTED), ..row.clone() })]);
    assert_eq!(forms(&scratch, "SELECT typeof(id), length(id) FROM audit ORDER BY id"), ["text 36", "blob 16"]);
    assert_eq!(forms(&scratch, "SELECT typeof(actor), length(actor) FROM audit"), ["text 36", "text 36"]);
    for spelt in [UUID, SHOUTED] {
        let found = opened.reader.load(AuditRow::TABLE, &[row_key(&[spelt])]).expect("an answer").remove(0);
        assert_eq!(AuditRow::from_row(&found.expect("a row").values), Ok(AuditRow { id: id(spelt), ..row.clone() }));
    }
    // By hand, as `migrations/README.md` says.
    let by_hand = format!("SELECT typeof(id), length(hex(id)) FROM audit WHERE id = unhex('{UUID}', '-')");
    assert_eq!(forms(&scratch, &by_hand), ["blob 32"]);
}

#[test]
fn an_id_that_may_be_missing_is_packed_where_it_is_there() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    let letter = DeadLetterRow {
        id: id("letter"),
        consumer: KeyText::literal("orders"),
        kind: DeadLetterKind::Event,
        name: "order.placed".into(),
        message_key: UUID.into(),
        event_id: Some(id("store-1-0")),
        correlation_id: Some(id(UUID)),
        reason: "panic".into(),
        attempts: 1,
        died_at: Timestamp::from_millis(0),
        state: DeadLetterState::Dead,
        message: UUID.as_bytes()[..16].into(),
        record: None,
        position: None,
        edited_from: None,
        segment: 0,
        segment_index: 0,
        broker: None,
        source: Some(KeyText::literal("orders")),
    };
    commit(&mut opened, vec![insert(&letter)]);
    for (column, form) in [
        ("correlation_id", "blob 16"),
        ("event_id", "text 9"),
        ("message_key", "text 36"),
        // Bytes are never taken for a UUID.
        ("message", "blob 16"),
    ] {
        let sql = format!("SELECT typeof({column}), length({column}) FROM dead_letter");
        assert_eq!(forms(&scratch, &sql), [form], "{column}");
    }
    assert_eq!(forms(&scratch, "SELECT typeof(edited_from), 0 FROM dead_letter"), ["null 0"]);
    let found = opened.reader.list(&List::of(DeadLetterRow::TABLE, 1)).expect("an answer").remove(0);
    assert_eq!(DeadLetterRow::from_row(&found.values), Ok(letter));
}

#[test]
fn bytes_that_are_no_uuid_are_no_id() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    commit(&mut opened, vec![insert(&audit(1, "{}"))]);
    scratch.tampers("UPDATE audit SET id = zeroblob(15)");
    let found = opened.reader.list(&List::of(AuditRow::TABLE, 1)).expect("an answer").remove(0);
    let refused = AuditRow::from_row(&found.values).expect_err("an id of fifteen bytes");
    assert_eq!(refused.to_string(), "column id: text was expected, not bytes");
}

static HOP: Table = Table {
    name: "hop",
    key: &["hop_id"],
    columns: &[
        ColumnDef { name: "hop_id", kind: ColumnKind::Id, nullable: false },
        ColumnDef { name: "via_id", kind: ColumnKind::Id, nullable: false },
    ],
    cached: true,
};

/// Twelve hops, half of them with a UUID, by way of UUIDs and other ids.
fn hops(scratch: &Scratch) -> Opened {
    let mut opened = scratch.open().expect("a store");
    let sql = create_table(&HOP) + "CREATE INDEX hop_via ON hop (via_id)";
    Connection::open(scratch.store()).and_then(|store| store.execute_batch(&sql)).expect("an indexed table");
    let uuid = |nth: usize| UUID.replace("0199", &format!("{nth:04}"));
    let rows = (0..12).map(|nth| {
        let hop_id = if nth % 2 == 0 { uuid(nth) } else { format!("hop-{nth}") };
        let via_id = if nth % 3 == 0 { uuid(nth / 6) } else { format!("{nth}-via").replacen('1', "~", 1) };
        let row = StoredRow { values: vec![text(&hop_id), text(&via_id)], version: 1, events: 0 };
        RowChange { table: &HOP, key: row_key(&[&hop_id]), write: RowWrite::Insert(row) }
    });
    commit(&mut opened, rows.collect());
    opened
}

fn key_of(row: &StoredRow) -> Key {
    match &row.values[0] {
        Value::Text(text) => row_key(&[text]),
        other => panic!("{other:?} is no id"),
    }
}

/// All rows of a list, one after the other.
fn walked(opened: &Opened, list: &List) -> Vec<StoredRow> {
    let mut rows: Vec<StoredRow> = Vec::new();
    loop {
        let after = rows.last().map(|row| (row.values[1].clone(), key_of(row)));
        let page = opened.reader.list(&List { after, limit: 1, ..list.clone() }).expect("an answer");
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
        assert!(rows.len() <= 12, "it ends");
    }
}

#[test]
fn pages_by_an_index_of_ids_join_to_the_whole_list_within_every_bound() {
    let scratch = Scratch::new();
    let opened = hops(&scratch);
    let all = opened.reader.list(&List::of(&HOP, 100)).expect("an answer");
    for direction in [Direction::Ascending, Direction::Descending] {
        let list = List::of(&HOP, 100).order_by("via_id", direction);
        assert_eq!(walked(&opened, &list).len(), 12);
        for bound in all.iter().map(|row| &row.values[1]) {
            let (from, to) =
                (list.clone().at_least("via_id", bound.clone()), list.clone().at_most("via_id", bound.clone()));
            let (from, to) = (walked(&opened, &from), walked(&opened, &to));
            let on = all.iter().filter(|row| row.values[1] == *bound).count();
            assert_eq!(
                from.len() + to.len(),
                12 + on,
                "{bound:?}, {direction:?}: only what is on the bound is in both"
            );
            assert!(from.iter().filter(|row| to.contains(row)).all(|row| row.values[1] == *bound));
        }
    }
}

#[test]
fn a_page_within_a_bound_may_begin_after_a_row_outside_of_it() {
    let scratch = Scratch::new();
    let opened = hops(&scratch);
    let rows = |list: &List| opened.reader.list(list).expect("an answer");
    let all = rows(&List::of(&HOP, 100));
    for direction in [Direction::Ascending, Direction::Descending] {
        let list = List::of(&HOP, 100).order_by("via_id", direction);
        for place in &all {
            let after = |list: &List| list.clone().after(place.values[1].clone(), key_of(place));
            let rest = rows(&after(&list));
            for bound in all.iter().map(|row| &row.values[1]) {
                for bounded in
                    [list.clone().at_least("via_id", bound.clone()), list.clone().at_most("via_id", bound.clone())]
                {
                    let within = rows(&bounded);
                    let wanted: Vec<_> = rest.iter().filter(|row| within.contains(row)).cloned().collect();
                    assert_eq!(rows(&after(&bounded)), wanted, "after {place:?} within {bounded:?}");
                }
            }
        }
    }
}
