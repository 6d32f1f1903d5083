//! Lists: every combination of filter, order, direction and place, against a model of a few lines.

use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};
use tradewind_engine::{
    StoredRow, Table,
    ports::{Direction, List, StoreError},
};
use tradewind_events::{ColumnKind, Key, Value};

use super::{
    Owner, StoreUnderTest, insert,
    tables::{ITEM, PAIR, TRIPLE, item, key, pair, triple},
    text,
};

type Rows = Vec<(&'static Table, Vec<StoredRow>)>;

/// Few values a column, so that many rows tie.
fn rows() -> Rows {
    let letters = ["a", "B", "b", "b b", "é", "🛒", "aa"];
    let letter = |nth: usize| letters[nth % letters.len()];
    let mut pairs = Vec::new();
    let mut triples = Vec::new();
    for nth in 0..letters.len() * letters.len() {
        let (left, right) = (nth % letters.len(), nth / letters.len());
        let number = i64::try_from((nth * 5) % 4).unwrap_or(0) - 1;
        let amount = if nth.is_multiple_of(3) { Value::Null } else { Value::Int(number) };
        pairs.push(pair(letter(left), letter(right), amount, letter(nth / 4)));
        triples.push(triple([letter(left / 3), letter(right / 2), letter(nth)], number));
    }
    // As a key may stand once only.
    triples.sort_by_key(|row| key(&TRIPLE, row));
    triples.dedup_by(|one, other| key(&TRIPLE, one) == key(&TRIPLE, other));
    let items = (0..40).map(|nth| {
        let mut row = item(&format!("{}{}", letter(nth), nth / 2), i64::try_from(nth % 3).unwrap_or(0));
        row.values[1] = if nth % 5 < 2 { Value::Null } else { text(letter(nth / 3)) };
        row.values[4] = if nth % 4 == 0 { Value::Null } else { Value::Int(i64::try_from(nth / 8).unwrap_or(0) - 2) };
        row
    });
    vec![(&PAIR, pairs), (&TRIPLE, triples), (&ITEM, items.collect())]
}

fn filled(store: &dyn StoreUnderTest) -> (Owner, Rows) {
    let (mut owner, rows) = (store.own(), rows());
    let inserts = rows.iter().flat_map(|(table, rows)| rows.iter().map(|row| insert(table, row)));
    owner.writes(inserts.collect()).expect("new rows");
    (owner, rows)
}

/// What can be compared: not JSON, not bytes.
fn comparable(table: &'static Table) -> Vec<&'static str> {
    let kinds = [ColumnKind::Text, ColumnKind::Integer, ColumnKind::Boolean, ColumnKind::Time];
    table.columns.iter().filter(|column| kinds.contains(&column.kind)).map(|column| column.name).collect()
}

fn value(table: &Table, row: &StoredRow, column: &str) -> Value {
    let nth = table.position(column).unwrap_or_else(|| panic!("{} has {column}", table.name));
    row.values[nth].clone()
}

/// Where a row stands: by the value that sorts, then by the parts of the key.
fn place(list: &List, row: &StoredRow) -> (Value, Vec<String>) {
    let sorts = list.order_by.map_or(Value::Null, |column| value(list.table, row, column));
    (sorts, parts(&key(list.table, row)))
}

fn parts(key: &Key) -> Vec<String> {
    key.parts().map(str::to_owned).collect()
}

/// The answer by definition. `Null` sorts before every value, and is not equal to, at most or at least anything.
fn model(list: &List, rows: &[StoredRow]) -> Vec<StoredRow> {
    let table = list.table;
    let holds = |row: &StoredRow, (column, wanted): &(&'static str, Value), compares: fn(&Value, &Value) -> bool| {
        let value = value(table, row, column);
        value != Value::Null && *wanted != Value::Null && compares(&value, wanted)
    };
    let mut found: Vec<StoredRow> = rows
        .iter()
        .filter(|row| list.equal.iter().all(|filter| holds(row, filter, Value::eq)))
        .filter(|row| list.at_most.iter().all(|filter| holds(row, filter, Value::le)))
        .filter(|row| list.at_least.iter().all(|filter| holds(row, filter, Value::ge)))
        .cloned()
        .collect();
    found.sort_by_key(|row| place(list, row));
    if list.direction == Direction::Descending {
        found.reverse();
    }
    if let Some((sorts, key)) = &list.after {
        let after = (if list.order_by.is_some() { sorts.clone() } else { Value::Null }, parts(key));
        found.retain(|row| match list.direction {
            Direction::Ascending => place(list, row) > after,
            Direction::Descending => place(list, row) < after,
        });
    }
    found.truncate(usize::try_from(list.limit).unwrap_or(usize::MAX));
    found
}

/// A column and one of its values.
fn filter(table: &'static Table, rows: Vec<StoredRow>) -> impl Strategy<Value = (&'static str, Value)> {
    (select(comparable(table)), any::<Index>())
        .prop_map(move |(column, nth)| (column, value(table, nth.get(&rows), column)))
}

fn any_list(table: &'static Table, rows: &[StoredRow]) -> impl Strategy<Value = List> + use<> {
    let filter = || filter(table, rows.to_vec());
    let order = prop::option::of(select(comparable(table)));
    let direction = select(vec![Direction::Ascending, Direction::Descending]);
    let equal = prop::collection::vec(filter(), 0..3);
    // Often none: bounds leave few rows.
    let bounds = || prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(filter(), 1..3)];
    let after = prop::option::of((any::<Index>(), any::<Index>()));
    let rows = rows.to_vec();
    (equal, (bounds(), bounds()), order, direction, after, 0..20_u32).prop_map(
        move |(equal, (at_most, at_least), order_by, direction, after, limit)| {
            let mut list = List { equal, at_most, at_least, order_by, direction, ..List::of(table, limit) };
            // Mostly the place of a row that is there, sometimes one that is not.
            list.after = after.map(|(sorts, key)| {
                let key = key.get(&rows);
                let in_key = list.order_by.is_some_and(|column| table.key.contains(&column));
                let sorts = if limit.is_multiple_of(4) && !in_key { sorts.get(&rows) } else { key };
                (place(&list, sorts).0, super::tables::key(table, key))
            });
            list
        },
    )
}

pub fn any_list_is_as_the_model_says(store: &dyn StoreUnderTest) {
    let (owner, tables) = filled(store);
    for (table, rows) in tables {
        let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&any_list(table, &rows), |list| {
            prop_assert_eq!(owner.reader.list(&list), Ok(model(&list, &rows)));
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{}: {failure}", table.name));
    }
}

pub fn pages_join_to_the_whole_list(store: &dyn StoreUnderTest) {
    let (owner, tables) = filled(store);
    for (table, rows) in tables {
        let orders = comparable(table).into_iter().map(Some).chain([None]);
        for order_by in orders {
            for direction in [Direction::Ascending, Direction::Descending] {
                let mut list = List { order_by, direction, ..List::of(table, 7) };
                let mut joined: Vec<StoredRow> = Vec::new();
                loop {
                    let page = owner.reader.list(&list).expect("the store answers");
                    let Some(end) = page.last() else { break };
                    list.after = Some((place(&list, end).0, key(table, end)));
                    joined.extend(page);
                }
                let whole = List { limit: u32::MAX, after: None, ..list };
                assert_eq!(joined, model(&whole, &rows), "{} by {order_by:?}, {direction:?}", table.name);
            }
        }
    }
}

pub fn a_list_names_an_unknown_column(store: &dyn StoreUnderTest) {
    let (owner, _) = filled(store);
    let list = List::of(&PAIR, 1);
    for list in [
        list.clone().equal("colour", text("red")),
        list.clone().at_most("colour", text("red")),
        list.order_by("colour", Direction::Ascending),
    ] {
        assert!(
            matches!(owner.reader.list(&list), Err(StoreError::Unusable(reason)) if reason.contains("colour")),
            "a misspelt column is not taken for a value"
        );
    }
}
