//! A row that breaks a rule of its table is refused by name, and its batch with it.

use rusqlite::Connection;
use tradewind_engine::{
    ColumnDef, Entity, StoredRow, Table,
    ports::{Commit, CommitError, List, Reader, RowChange, RowWrite, Writer},
    tables::{ConsumerRow, CounterRow},
};
use tradewind_events::{ColumnKind, KeyText, Timestamp, Value, row_key};
use tradewind_sqlite::Opened;

use crate::scratch::{Scratch, insert};

fn commit(opened: &mut Opened, rows: Vec<RowChange>) -> Result<(), CommitError> {
    opened.writer.commit(&Commit { epoch: opened.meta.epoch, at: Timestamp::from_millis(0), rows, segment: None })
}

fn refusal(opened: &mut Opened, change: RowChange) -> String {
    let good = insert(&CounterRow::new(KeyText::literal("good"), KeyText::literal("row")));
    let refused = commit(opened, vec![good, change]);
    let counters = tradewind_engine::ports::List::of(CounterRow::TABLE, 10);
    assert_eq!(opened.reader.list(&counters), Ok(Vec::new()), "nothing of the batch is there");
    match refused {
        Err(CommitError::Constraint { table, reason }) => format!("{table}: {reason}"),
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

fn consumer(change: impl Fn(&mut Vec<Value>)) -> RowChange {
    let row =
        ConsumerRow { name: KeyText::literal("query"), paused: true, reason: None, since: Timestamp::from_millis(0) };
    let mut values = row.to_row();
    change(&mut values);
    RowChange {
        table: ConsumerRow::TABLE,
        key: row_key(&["query"]),
        write: RowWrite::Insert(StoredRow { values, version: 1, events: 0 }),
    }
}

#[test]
fn a_refusal_says_which_row_and_which_rule() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for (change, wanted) in [
        (consumer(|values| values[1] = Value::Int(2)), "consumer: query: CHECK constraint failed: paused IN (0, 1)"),
        (consumer(|values| values[3] = Value::Null), "consumer: query: NOT NULL constraint failed: consumer.since"),
        (
            consumer(|values| values[3] = Value::Text("soon".into())),
            "consumer: query: cannot store TEXT value in INTEGER column consumer.since",
        ),
        (
            consumer(|values| values.truncate(3)),
            "consumer: query: Wrong number of parameters passed to query. Got 3, needed 4",
        ),
        (
            RowChange {
                key: row_key(&["a", "b"]),
                write: RowWrite::Delete { expected_version: 1 },
                ..consumer(|_| {})
            },
            "consumer: a/b: Wrong number of parameters passed to query. Got 2, needed 1",
        ),
        (
            RowChange { write: RowWrite::Delete { expected_version: 3 }, ..consumer(|_| {}) },
            "consumer: query: version 3 was expected, and there is none",
        ),
    ] {
        assert_eq!(refusal(&mut opened, change), wanted);
    }
    commit(&mut opened, vec![consumer(|_| {})]).expect("a good row");
    assert_eq!(refusal(&mut opened, consumer(|_| {})), "consumer: query: UNIQUE constraint failed: consumer.name");
    let late = RowChange { write: RowWrite::Delete { expected_version: 2 }, ..consumer(|_| {}) };
    assert_eq!(refusal(&mut opened, late), "consumer: query: it is at version 1, not 2");
}

#[test]
fn a_value_that_is_not_of_its_column_spoils_its_own_row_only() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    let named = |name: &str| {
        let name = KeyText::new(name).expect("a name");
        insert(&ConsumerRow { name, paused: true, reason: Some("why".into()), since: Timestamp::from_millis(0) })
    };
    commit(&mut opened, ["a", "b", "c"].map(named).into()).expect("good rows");
    scratch.tampers("UPDATE consumer SET reason = CAST(x'ff' AS TEXT) WHERE name = 'b'");
    let keys = ["a", "b", "c"].map(|name| row_key(&[name]));
    let loaded = opened.reader.load(ConsumerRow::TABLE, &keys).expect("a store that answers");
    let listed = opened.reader.list(&List::of(ConsumerRow::TABLE, 10)).expect("a store that answers");
    assert_eq!(loaded.into_iter().flatten().collect::<Vec<_>>(), listed);
    let read: Vec<_> = listed.iter().map(|row| ConsumerRow::from_row(&row.values)).collect();
    assert!(read[0].is_ok() && read[2].is_ok());
    assert_eq!(read[1].clone().unwrap_err().0, "column reason: text was expected, not bytes");
}

static SEAT: Table = Table {
    name: "seat",
    key: &["guest"],
    columns: &[
        ColumnDef { name: "guest", kind: ColumnKind::Text, nullable: false },
        ColumnDef { name: "seat", kind: ColumnKind::Integer, nullable: false },
    ],
    cached: true,
};

#[test]
fn what_is_unique_changes_hands_within_a_batch() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    let sql = crate::schema::create_table(&SEAT) + "CREATE UNIQUE INDEX seat_once ON seat (seat)";
    Connection::open(scratch.store()).unwrap().execute_batch(&sql).unwrap();
    let sits = |guest: &str, seat: i64, version| StoredRow {
        values: vec![Value::Text(guest.into()), Value::Int(seat)],
        version,
        events: 0,
    };
    let change = |guest: &str, write| RowChange { table: &SEAT, key: row_key(&[guest]), write };
    let first = [("a", 1), ("b", 2)].map(|(guest, seat)| change(guest, RowWrite::Insert(sits(guest, seat, 1))));
    commit(&mut opened, first.into()).expect("new rows");
    // c takes the seat that b leaves, and b that of a, who leaves: in whatever order they say so.
    let moves = vec![
        change("c", RowWrite::Insert(sits("c", 2, 1))),
        change("b", RowWrite::Update { expected_version: 1, row: sits("b", 1, 2) }),
        change("a", RowWrite::Delete { expected_version: 1 }),
    ];
    commit(&mut opened, moves).expect("each seat is taken once");
    let taken = commit(&mut opened, vec![change("d", RowWrite::Insert(sits("d", 1, 1)))]);
    assert!(
        matches!(taken, Err(CommitError::Constraint { table, reason }) if table == "seat" && reason.contains("seat.seat"))
    );
}
