//! Owners: only the last one writes, the next one finds everything, and readers never see half a commit.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use tradewind_engine::{
    StoredRow,
    ports::{CommitError, List, Reader},
};
use tradewind_events::row_key;

use super::{
    StoreUnderTest, insert,
    log::segment,
    tables::{ITEM, item, key},
    update,
};

const AT: &str = "2026-03-01T00:00:00Z";

pub fn an_older_owner_is_refused(store: &dyn StoreUnderTest) {
    let mut first = store.own();
    first.commits(vec![insert(&ITEM, &item("a", 1))], Some(segment(1, AT))).expect("it owns the store");
    let mut second = store.own();
    assert!(second.epoch > first.epoch, "the epoch counts owners");
    let refused = CommitError::NotOwner { ours: first.epoch, theirs: second.epoch };
    for _ in 0..2 {
        let late = first.commits(vec![insert(&ITEM, &item("b", 1))], Some(segment(2, AT)));
        assert_eq!(late.as_ref(), Err(&refused));
        assert_eq!(first.writes(Vec::new()).as_ref(), Err(&refused), "even when there is nothing to write");
    }
    assert_eq!(second.loads(&ITEM, &row_key(&["b"])), None);
    assert_eq!(second.reader.last_segment(), Ok(1));
    second.commits(vec![insert(&ITEM, &item("b", 2))], Some(segment(2, AT))).expect("it owns the store");
    let third = store.own();
    assert!(third.epoch > second.epoch);
    assert!(matches!(second.writes(Vec::new()), Err(CommitError::NotOwner { .. })));
}

pub fn everything_is_there_for_the_next_owner(store: &dyn StoreUnderTest) {
    let rows: Vec<StoredRow> = (0..50).map(|nth| item(&format!("row-{nth:02}"), nth)).collect();
    let mut epoch = 0;
    for (nth, chunk) in rows.chunks(10).enumerate() {
        let mut owner = store.own();
        assert!(owner.epoch > epoch);
        epoch = owner.epoch;
        assert_eq!(owner.reader.last_segment(), u64::try_from(nth).map_err(|_| unreachable!("few")));
        let next = segment(u64::try_from(nth).unwrap_or(0) + 1, AT);
        owner.commits(chunk.iter().map(|row| insert(&ITEM, row)).collect(), Some(next)).expect("new rows");
    }
    let owner = store.own();
    assert_eq!(owner.reader.list(&List::of(&ITEM, 100)).as_ref(), Ok(&rows));
    let all: Vec<_> = (1..=5).map(|number| segment(number, AT)).collect();
    assert_eq!(owner.reader.segments(1, 100), Ok(all));
}

/// Two rows that every commit moves by the same amount in opposite directions.
pub fn reads_see_whole_commits_beside_the_writer(store: &dyn StoreUnderTest) {
    let commits_min = 200;
    let mut owner = store.own();
    owner.commits(vec![insert(&ITEM, &item("a", 0)), insert(&ITEM, &item("b", 0))], None).expect("new rows");
    let (reader, done) = (owner.reader.clone(), AtomicBool::new(false));
    let reads = [const { AtomicU64::new(0) }; 3];
    thread::scope(|scope| {
        let readers = reads.each_ref().map(|reads| scope.spawn(|| while_writing(&*reader, &done, reads)));
        // A busy machine may let a reader begin late.
        let one_waits = || {
            let unread = |reads: &AtomicU64| reads.load(Ordering::Acquire) == 0;
            readers.iter().zip(&reads).any(|(reader, reads)| unread(reads) && !reader.is_finished())
        };
        let mut number = 0;
        while number < commits_min || one_waits() {
            number += 1;
            let rank = i64::try_from(number).unwrap_or(0);
            let rows = [item("a", rank), item("b", -rank)].map(|row| {
                let row = StoredRow { version: number + 1, ..row };
                update(&ITEM, number, &row)
            });
            owner.commits(rows.into(), Some(segment(number, AT))).expect("it owns the store");
            // What is committed is seen by whoever asks after it.
            assert_eq!(owner.loads(&ITEM, &row_key(&["b"])).map(|row| row.version), Some(number + 1));
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            reader.join().expect("it saw nothing wrong");
        }
    });
}

fn while_writing(reader: &dyn Reader, done: &AtomicBool, reads: &AtomicU64) {
    let keys = [key(&ITEM, &item("a", 0)), key(&ITEM, &item("b", 0))];
    let mut seen = 0;
    while !done.load(Ordering::Acquire) {
        let last = reader.last_segment().expect("the store answers");
        let rows = reader.load(&ITEM, &keys).expect("the store answers");
        let [Some(a), Some(b)] = &rows[..] else { panic!("both rows are there: {rows:?}") };
        assert_eq!(*a, StoredRow { version: b.version, ..item("a", mirror(b)) }, "rows of one commit");
        assert!(a.version > last && a.version >= seen, "a later read sees no less");
        seen = a.version;
        let listed = reader.list(&List::of(&ITEM, 10)).expect("the store answers");
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0].version, listed[1].version, "a list is of one commit");
        let segments = reader.segments(1, u32::MAX).expect("the store answers");
        let numbers: Vec<u64> = segments.iter().map(|segment| segment.number).collect();
        let whole: Vec<u64> = (1..=u64::try_from(numbers.len()).unwrap_or(0)).collect();
        assert_eq!(numbers, whole, "no gap, also while it grows");
        assert!(numbers.len() >= usize::try_from(last).unwrap_or(0));
        reads.fetch_add(1, Ordering::Release);
    }
}

fn mirror(row: &StoredRow) -> i64 {
    match row.values[2] {
        tradewind_events::Value::Int(rank) => -rank,
        ref other => panic!("{other:?} is no rank"),
    }
}
