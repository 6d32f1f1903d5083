//! Ids, which a store may keep in a form of its own: each comes back as it was, is found, and has its place in every page.

use tradewind_engine::{
    StoredRow,
    ports::{Direction, List},
};
use tradewind_events::{Key, Value};

use super::{
    Owner, StoreUnderTest, delete, insert,
    tables::{LINK, key, link},
    text, update,
};

/// UUIDs in their canonical form.
const UUIDS: [&str; 7] = [
    "00000000-0000-0000-0000-000000000000",
    "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b3",
    "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b4",
    // Its bytes are the letters of `abcdefghijklmnop`.
    "61626364-6566-6768-696a-6b6c6d6e6f70",
    "550e8400-e29b-41d4-a716-446655440000",
    "a0b1c2d3-e4f5-4a6b-8c7d-9e0f1a2b3c4d",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];

/// Ids of every other sort: UUIDs in other spellings, what nearly is one, and what is none.
const OTHERS: [&str; 19] = [
    "0199C2F4-7D3E-7A51-8C6B-2F90D1E4A7B3",
    "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7B3",
    "0199c2f47d3e7a518c6b2f90d1e4a7b3",
    "{0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b3}",
    "urn:uuid:0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b3",
    "0199c2f47-d3e-7a51-8c6b-2f90d1e4a7b3",
    "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7bg",
    "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b",
    "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b3f",
    "0199c2f4_7d3e_7a51_8c6b_2f90d1e4a7b3",
    "------------------------------------",
    "abcdefghijklmnop",
    "!",
    "007",
    "7",
    "1e3",
    "store-17-3",
    "x'00'",
    "~",
];

fn all_ids() -> impl Iterator<Item = &'static str> + Clone {
    UUIDS.into_iter().chain(OTHERS)
}

/// Rows from and to ids of every sort, by way of each several times, or of none.
fn links() -> Vec<StoredRow> {
    let mut via = all_ids().cycle();
    all_ids()
        .flat_map(|from| all_ids().step_by(5).map(move |to| (from, to)))
        .enumerate()
        .map(|(nth, (from, to))| link(from, to, via.next().filter(|_| !nth.is_multiple_of(7))))
        .collect()
}

fn filled(store: &dyn StoreUnderTest) -> (Owner, Vec<StoredRow>) {
    let (mut owner, rows) = (store.own(), links());
    owner.writes(rows.iter().map(|row| insert(&LINK, row)).collect()).expect("new rows");
    (owner, rows)
}

fn sorted(mut rows: Vec<StoredRow>) -> Vec<StoredRow> {
    rows.sort_by_key(|row| key(&LINK, row));
    rows
}

pub fn an_id_is_found_and_comes_back_as_it_is_spelt(store: &dyn StoreUnderTest) {
    let (mut owner, rows) = filled(store);
    for row in &rows {
        assert_eq!(owner.loads(&LINK, &key(&LINK, row)).as_ref(), Some(row));
    }
    for id in all_ids() {
        for column in ["from_id", "to_id", "via_id"] {
            let nth = LINK.position(column).expect("a column of the table");
            let wanted = rows.iter().filter(|row| row.values[nth] == text(id)).cloned().collect();
            let found = owner.reader.list(&List::of(&LINK, 1_000).equal(column, text(id))).expect("the store answers");
            assert_eq!(sorted(found), sorted(wanted), "{column} {id}");
        }
    }
    let changed: Vec<StoredRow> = rows
        .iter()
        .zip(rows.iter().cycle().skip(1))
        .map(|(row, next)| StoredRow {
            values: vec![row.values[0].clone(), row.values[1].clone(), next.values[2].clone()],
            version: 2,
            events: 0,
        })
        .collect();
    owner.writes(changed.iter().map(|row| update(&LINK, 1, row)).collect()).expect("rows that are there");
    for row in &changed {
        assert_eq!(owner.loads(&LINK, &key(&LINK, row)).as_ref(), Some(row));
    }
    let keys: Vec<Key> = changed.iter().map(|row| key(&LINK, row)).collect();
    owner.writes(keys.iter().map(|key| delete(&LINK, 2, key)).collect()).expect("rows that are there");
    assert_eq!(owner.reader.list(&List::of(&LINK, 1)), Ok(Vec::new()));
}

/// All rows of a list, by pages of a few.
fn paged(owner: &Owner, mut list: List) -> Vec<StoredRow> {
    let mut rows: Vec<StoredRow> = Vec::new();
    loop {
        let page = owner.reader.list(&list).expect("the store answers");
        let Some(end) = page.last() else { return rows };
        let sorts =
            list.order_by.and_then(|column| LINK.position(column)).map_or(Value::Null, |nth| end.values[nth].clone());
        list.after = Some((sorts, key(&LINK, end)));
        rows.extend(page);
        assert!(rows.len() <= links().len(), "it ends");
    }
}

/// Where an id stands: what is no UUID comes first, and each sort is in the order of its text. `NULL` is before all.
fn place(id: &Value) -> (bool, &Value) {
    (UUIDS.iter().any(|uuid| *id == text(uuid)), id)
}

/// The rows in the order that every store has.
fn in_order(mut rows: Vec<StoredRow>, order_by: Option<&str>) -> Vec<StoredRow> {
    let sorts = order_by.and_then(|column| LINK.position(column));
    rows.sort_by(|one, other| {
        let places = |row: &StoredRow| sorts.into_iter().chain([0, 1]).map(|nth| row.values[nth].clone()).collect();
        let (one, other): (Vec<Value>, Vec<Value>) = (places(one), places(other));
        one.iter().map(place).cmp(other.iter().map(place))
    });
    rows
}

pub fn pages_over_ids_of_any_sort_are_complete_and_in_one_order_in_every_store(store: &dyn StoreUnderTest) {
    let (owner, rows) = filled(store);
    for order_by in [None, Some("from_id"), Some("to_id"), Some("via_id")] {
        for filter in [None, Some(UUIDS[1]), Some(OTHERS[0])] {
            let mut list = List { order_by, ..List::of(&LINK, 4) };
            list.equal.extend(filter.map(|id| ("from_id", text(id))));
            let wanted = rows.iter().filter(|row| filter.is_none_or(|id| row.values[0] == text(id))).cloned();
            let wanted = in_order(wanted.collect(), order_by);
            let up = paged(&owner, List { direction: Direction::Ascending, ..list.clone() });
            let mut down = paged(&owner, List { direction: Direction::Descending, ..list });
            down.reverse();
            assert_eq!(up, down, "by {order_by:?} of {filter:?}: one way is the other way back");
            assert_eq!(up, wanted, "by {order_by:?} of {filter:?}");
        }
    }
    for bound in [UUIDS[3], OTHERS[0], OTHERS[11]] {
        let fits = |row: &&StoredRow| place(&row.values[0]) <= place(&text(bound));
        let wanted = in_order(rows.iter().filter(fits).cloned().collect(), None);
        let found = owner.reader.list(&List::of(&LINK, 1_000).at_most("from_id", text(bound)));
        assert_eq!(found, Ok(wanted), "at most {bound}");
    }
}
