//! Rows: written by version, all of a batch or nothing, and read back as they were.

use std::{cell::Cell, collections::BTreeMap};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tradewind_engine::{
    StoredRow,
    ports::{RowChange, StoreError},
};
use tradewind_events::{Key, Value, row_key};

use super::{
    Owner, StoreUnderTest, delete, insert, refused_table,
    tables::{ITEM, PAIR, TRIPLE, item, key, pair, triple},
    text, update,
};

pub fn a_row_is_inserted_updated_and_deleted_by_its_version(store: &dyn StoreUnderTest) {
    let mut owner = store.own();
    let mut row = item("a", 7);
    let id = key(&ITEM, &row);
    assert_eq!(owner.loads(&ITEM, &id), None);
    owner.writes(vec![insert(&ITEM, &row)]).expect("a new row");
    assert_eq!(owner.loads(&ITEM, &id).as_ref(), Some(&row));

    row = StoredRow { values: item("a", 8).values, version: 2, events: 5 };
    owner.writes(vec![update(&ITEM, 1, &row)]).expect("a row at version 1");
    assert_eq!(owner.loads(&ITEM, &id).as_ref(), Some(&row));

    owner.writes(vec![delete(&ITEM, 2, &id)]).expect("a row at version 2");
    assert_eq!(owner.loads(&ITEM, &id), None);
    owner.writes(vec![insert(&ITEM, &row)]).expect("a key that is free again");
    owner.writes(Vec::new()).expect("nothing to do");
    assert_eq!(owner.loads(&ITEM, &id), Some(row));
}

/// Changes that no store applies when there is a row `there` at version 3, and none `missing`.
fn bad_changes() -> Vec<RowChange> {
    let (there, missing) = (item("there", 1), item("missing", 1));
    vec![
        insert(&ITEM, &there),
        update(&ITEM, 2, &there),
        update(&ITEM, 4, &there),
        update(&ITEM, 1, &missing),
        delete(&ITEM, 2, &key(&ITEM, &there)),
        delete(&ITEM, 1, &key(&ITEM, &missing)),
    ]
}

fn with_a_row_at_version_3(store: &dyn StoreUnderTest) -> Owner {
    let mut owner = store.own();
    owner.writes(vec![insert(&ITEM, &StoredRow { version: 3, ..item("there", 1) })]).expect("a new row");
    owner.writes(vec![insert(&PAIR, &pair("a", "b", Value::Null, "old"))]).expect("a new row");
    owner
}

pub fn a_batch_is_there_whole_or_not_at_all(store: &dyn StoreUnderTest) {
    let mut owner = with_a_row_at_version_3(store);
    let before = pair("a", "b", Value::Null, "old");
    for bad in bad_changes() {
        for place in 0..=2 {
            let updated = StoredRow { version: 2, ..pair("a", "b", Value::Int(1), "new") };
            let mut rows = vec![insert(&TRIPLE, &triple(["a", "b", "c"], 1)), update(&PAIR, 1, &updated)];
            rows.insert(place, bad.clone());
            assert_eq!(refused_table(owner.writes(rows)), "suite_item");
            assert_eq!(owner.loads(&PAIR, &row_key(&["a", "b"])).as_ref(), Some(&before));
            assert_eq!(owner.loads(&TRIPLE, &row_key(&["a", "b", "c"])), None);
            assert_eq!(owner.loads(&ITEM, &row_key(&["there"])).map(|row| row.version), Some(3));
        }
    }
}

pub fn a_store_goes_on_after_a_refusal(store: &dyn StoreUnderTest) {
    let mut owner = with_a_row_at_version_3(store);
    for (nth, bad) in bad_changes().into_iter().enumerate() {
        assert_eq!(refused_table(owner.writes(vec![bad])), "suite_item");
        owner.writes(vec![insert(&ITEM, &item(&format!("after-{nth}"), 0))]).expect("a good batch after a bad one");
    }
}

pub fn a_refusal_names_the_table(store: &dyn StoreUnderTest) {
    let mut owner = with_a_row_at_version_3(store);
    let missing = pair("no", "row", Value::Null, "");
    let refused = owner.writes(vec![insert(&ITEM, &item("new", 1)), update(&PAIR, 1, &missing)]);
    assert_eq!(refused_table(refused), "suite_pair");
    let refused = owner.writes(vec![insert(&ITEM, &item("new", 1)), insert(&ITEM, &item("there", 1))]);
    assert_eq!(refused_table(refused), "suite_item");
    assert_eq!(refused_table(owner.writes(vec![delete(&TRIPLE, 1, &row_key(&["x", "y", "z"]))])), "suite_triple");
}

pub fn a_key_that_does_not_fit_is_no_fault_of_the_store(store: &dyn StoreUnderTest) {
    let mut owner = store.own();
    let there = [item("a", 1), item("b", 2)];
    owner.writes(there.iter().map(|row| insert(&ITEM, row)).collect()).expect("rows that are new");
    let (good, bad) = (row_key(&["a"]), row_key(&["a", "b"]));
    for keys in [vec![bad.clone()], vec![good.clone(), bad.clone(), row_key(&["b"])], vec![bad.clone(), good.clone()]] {
        let loaded = owner.reader.load(&ITEM, &keys);
        assert!(matches!(loaded, Err(StoreError::Rejected(_))), "{loaded:?}");
        // The others are there, as before.
        let rows = keys.iter().filter(|key| **key != bad).map(|key| owner.loads(&ITEM, key));
        assert!(rows.into_iter().all(|row| row.is_some()));
    }
    assert_eq!(refused_table(owner.writes(vec![delete(&ITEM, 1, &bad)])), "suite_item");
    owner.writes(vec![delete(&ITEM, 1, &good)]).expect("a store that goes on");
}

pub fn keys_may_have_several_parts_and_odd_characters(store: &dyn StoreUnderTest) {
    let mut owner = store.own();
    let odd = [
        "a",
        "A",
        "a b",
        "a/b",
        "'",
        "\"",
        "%",
        "_",
        "\\",
        "?1",
        "é",
        "e\u{301}",
        "🛒",
        "\u{202e}a",
        "\u{ffff}",
        "ab",
        "🛒🛒",
    ];
    let rows: Vec<StoredRow> = odd
        .iter()
        .zip(odd.iter().rev())
        .zip(1..)
        .map(|((a, b), amount)| triple([a, b, &format!("{b}{a}")], amount))
        .collect();
    owner.writes(rows.iter().map(|row| insert(&TRIPLE, row)).collect()).expect("keys that differ");
    for row in &rows {
        assert_eq!(owner.loads(&TRIPLE, &key(&TRIPLE, row)).as_ref(), Some(row));
    }
    // Parts do not run into each other.
    assert_eq!(owner.loads(&TRIPLE, &row_key(&["a", "🛒", "🛒🛒a"])), None);
    for row in &rows {
        owner.writes(vec![delete(&TRIPLE, 1, &key(&TRIPLE, row))]).expect("its own row and no other");
    }
}

pub fn values_come_back_as_they_were(store: &dyn StoreUnderTest) {
    let mut owner = store.own();
    let large = "ß🛒 ".repeat(300_000);
    let values = [
        [Value::Null, Value::Int(i64::MIN), Value::Int(0), Value::Null, text("{}"), Value::Null],
        [text(""), Value::Int(i64::MAX), Value::Int(1), Value::Int(0), text("[]"), Value::Bytes([].into())],
        [
            text("Ünïcode 🛒 'quoted' \"twice\" \\ % _ ? :a @b $c\r\n\t"),
            Value::Int(-1),
            Value::Int(1),
            Value::Int(-62_135_596_800_000),
            text(r#"{"b":1,"a":[null,"\u0000",1.50]}"#),
            Value::Bytes((0..=255).collect::<Vec<u8>>().into()),
        ],
        [
            text(&large),
            Value::Int(1 << 53 | 1),
            Value::Int(0),
            Value::Int(253_402_300_799_999),
            text(&format!("[{}0]", "0,".repeat(500_000))),
            Value::Bytes(vec![0xff; 2_000_000].into()),
        ],
    ];
    let rows: Vec<StoredRow> = values
        .iter()
        .zip(1..)
        .map(|(values, nth)| StoredRow {
            values: std::iter::once(text(&format!("row-{nth}"))).chain(values.iter().cloned()).collect(),
            version: nth,
            events: u64::from(u32::MAX) * nth,
        })
        .collect();
    owner.writes(rows.iter().map(|row| insert(&ITEM, row)).collect()).expect("any value");
    for row in &rows {
        assert!(owner.loads(&ITEM, &key(&ITEM, row)).as_ref() == Some(row), "row {} has changed", row.version);
    }
    // The same by way of an update, each row with the values of the next.
    let moved: Vec<StoredRow> = rows
        .iter()
        .zip(rows.iter().cycle().skip(1))
        .map(|(row, next)| StoredRow {
            values: row.values[..1].iter().chain(&next.values[1..]).cloned().collect(),
            version: row.version + 1,
            events: 0,
        })
        .collect();
    owner.writes(moved.iter().map(|row| update(&ITEM, row.version - 1, row)).collect()).expect("any value");
    for row in &moved {
        assert!(owner.loads(&ITEM, &key(&ITEM, row)).as_ref() == Some(row), "row {} has changed", row.version);
    }
}

pub fn rows_come_in_the_order_of_their_keys(store: &dyn StoreUnderTest) {
    let mut owner = store.own();
    let rows: Vec<StoredRow> = (0..9).map(|nth| item(&format!("row-{nth}"), nth)).collect();
    owner.writes(rows.iter().map(|row| insert(&ITEM, row)).collect()).expect("new rows");
    let asked = [8, 3, 11, 0, 3, 99, 8];
    let keys: Vec<Key> = asked.iter().map(|nth| row_key(&[&format!("row-{nth}")])).collect();
    let wanted: Vec<Option<StoredRow>> = asked.iter().map(|nth| rows.get(*nth).cloned()).collect();
    assert_eq!(owner.reader.load(&ITEM, &keys), Ok(wanted));
    assert_eq!(owner.reader.load(&ITEM, &[]), Ok(Vec::new()));
}

pub fn a_thousand_rows_are_one_batch(store: &dyn StoreUnderTest) {
    let mut owner = store.own();
    let count = 1_500;
    let pairs: Vec<StoredRow> =
        (0..count).map(|nth| pair(&(nth % 7).to_string(), &nth.to_string(), Value::Int(nth), "t")).collect();
    let items: Vec<StoredRow> = (0..count).map(|nth| item(&nth.to_string(), nth)).collect();
    let inserts = pairs.iter().map(|row| insert(&PAIR, row)).chain(items.iter().map(|row| insert(&ITEM, row)));
    owner.writes(inserts.collect()).expect("new rows");
    let keys: Vec<Key> = pairs.iter().rev().map(|row| key(&PAIR, row)).collect();
    let rows = owner.reader.load(&PAIR, &keys).expect("the store answers");
    assert!(rows.into_iter().map(|row| row.expect("it was written")).eq(pairs.iter().rev().cloned()));
    let deletes = items.iter().map(|row| delete(&ITEM, 1, &key(&ITEM, row)));
    let updates = pairs.iter().map(|row| update(&PAIR, 1, &StoredRow { version: 2, ..row.clone() }));
    owner.writes(updates.chain(deletes).collect()).expect("rows that are there");
    assert_eq!(owner.loads(&ITEM, &row_key(&["700"])), None);
    assert_eq!(owner.loads(&PAIR, &keys[700]).map(|row| row.version), Some(2));
}

/// What is asked of a row, and whether with the version that it has.
#[derive(Debug, Clone, Copy)]
enum Act {
    Insert,
    Update { version_known: bool },
    Delete { version_known: bool },
}

/// Batches of acts on a few keys, each key once in a batch.
fn history() -> impl Strategy<Value = Vec<BTreeMap<u8, (Act, i64)>>> {
    let known = prop::bool::weighted(0.95);
    let act = prop_oneof![
        3 => Just(Act::Insert),
        3 => known.prop_map(|version_known| Act::Update { version_known }),
        1 => known.prop_map(|version_known| Act::Delete { version_known }),
    ];
    let batch = prop::collection::btree_map(0..12_u8, (act, any::<i64>()), 0..4);
    prop::collection::vec(batch, 1..25)
}

/// The change, and whether the model can follow it; if so it does.
fn step(model: &mut BTreeMap<Key, StoredRow>, id: &str, act: Act, value: i64) -> (RowChange, bool) {
    let fresh = item(id, value);
    let id = key(&ITEM, &fresh);
    let there = model.get(&id).map(|row| row.version);
    let given = |version_known: bool| there.unwrap_or(1) + u64::from(!version_known);
    match act {
        Act::Insert => {
            let change = insert(&ITEM, &fresh);
            if there.is_none() {
                model.insert(id, fresh);
            }
            (change, there.is_none())
        }
        Act::Update { version_known } => {
            let expected = given(version_known);
            let row = StoredRow { version: expected + 1, ..fresh };
            let change = update(&ITEM, expected, &row);
            if there == Some(expected) {
                model.insert(id, row);
            }
            (change, there == Some(expected))
        }
        Act::Delete { version_known } => {
            let expected = given(version_known);
            if there == Some(expected) {
                model.remove(&id);
            }
            (delete(&ITEM, expected, &id), there == Some(expected))
        }
    }
}

pub fn any_history_ends_as_the_model_says(store: &dyn StoreUnderTest) {
    let owner = std::cell::RefCell::new(store.own());
    // Each history has keys of its own in the one store.
    let histories = Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&history(), |batches| {
        histories.set(histories.get() + 1);
        let mut owner = owner.borrow_mut();
        let mut model = BTreeMap::new();
        for batch in batches {
            let mut after = model.clone();
            let (mut changes, mut possible) = (Vec::new(), true);
            for (id, (act, value)) in batch {
                let (change, followed) = step(&mut after, &format!("{}-{id}", histories.get()), act, value);
                changes.push(change);
                possible &= followed;
            }
            prop_assert_eq!(owner.writes(changes).is_ok(), possible);
            if possible {
                model = after;
            }
            for id in 0..12 {
                let id = row_key(&[&format!("{}-{id}", histories.get())]);
                prop_assert_eq!(owner.loads(&ITEM, &id), model.get(&id).cloned());
            }
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
