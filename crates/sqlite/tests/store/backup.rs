//! A copy of a running store: of one moment, whole, and a store itself.

use std::{fs, thread, time::Duration};

use tradewind_engine::{
    Entity,
    ports::{CommitError, Reader},
    tables::AuditRow,
};
use tradewind_events::Timestamp;
use tradewind_sqlite::{BackupError, Opened, Options, Sqlite};

use crate::scratch::{Scratch, commit, commits, exists, options};

#[test]
fn a_backup_is_the_store_at_one_moment_while_it_goes_on() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=500 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    let (reader, to) = (opened.reader.clone(), scratch.file("backup.db"));
    let mut calls = 0;
    let copied = thread::scope(|scope| {
        let copying = scope.spawn(|| {
            reader.back_up(&to, &mut |progress| {
                calls += 1;
                assert!(progress.pages_copied <= progress.pages);
            })
        });
        for nth in 501..=600 {
            commit(&mut opened, nth).expect("it owns the store");
        }
        copying.join().expect("it does not panic")
    });
    assert_eq!(copied, Ok(()));
    assert!(calls > 0);
    assert_eq!(commits(&opened.reader), 600);

    let (backup, meta) = Sqlite::open_reader(&to).expect("a store");
    let there = commits(&backup);
    assert!((500..=600).contains(&there), "one moment of the copying");
    assert_eq!(meta, opened.meta);
    assert_eq!(backup.check(), Ok(Vec::new()));
    let rows = |reader: &dyn Reader| reader.list(&tradewind_engine::ports::List::of(AuditRow::TABLE, 500));
    assert_eq!(rows(&backup), rows(&opened.reader));
    assert_eq!(backup.segments(1, 500), opened.reader.segments(1, 500));
    assert_eq!(Sqlite::open(&to, &options()).expect("a store").meta.epoch, opened.meta.epoch + 1);
}

/// Ids of events are made of the numbers of segments, and those of the original went on after the copy was made.
#[test]
fn a_backup_that_becomes_a_store_goes_on_behind_every_number_that_was_used() {
    let scratch = Scratch::new();
    let mut original = scratch.open().expect("a store");
    assert_eq!(original.resumed_behind, None);
    commit(&mut original, 1).expect("it owns the store");
    original.reader.back_up(&scratch.file("backup.db"), &mut |_| {}).expect("a copy");
    for nth in 2..=9 {
        commit(&mut original, nth).expect("it owns the store");
    }
    let restored = |name: &str, later: u64| {
        fs::copy(scratch.file("backup.db"), scratch.file(name)).unwrap();
        let now = options().now.plus(Duration::from_millis(later));
        let opened = Sqlite::open(&scratch.file(name), &Options { now, ..options() }).expect("a store");
        let behind = opened.resumed_behind.expect("it was a backup");
        (opened, behind)
    };
    let (mut first, behind) = restored("first.db", 0);
    assert!(behind > 9, "the original has used nine");
    assert_eq!(first.reader.last_segment(), Ok(behind));
    // The gap is in the log, and nothing goes into it.
    let numbers = |opened: &Opened| {
        let segments = opened.reader.segments(1, 100).expect("segments");
        segments.iter().map(|segment| (segment.number, segment.events)).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&first), [(1, 1), (behind, 0)]);
    assert!(matches!(commit(&mut first, 2), Err(CommitError::Constraint { .. })));
    for nth in 1..=500 {
        commit(&mut first, behind + nth).expect("it goes on");
    }
    drop(first);
    let again = Sqlite::open(&scratch.file("first.db"), &options()).expect("a store like any other");
    assert_eq!((again.resumed_behind, again.reader.last_segment()), (None, Ok(behind + 500)));

    // Restored once more from the same file, it uses nothing that the first restored one has used either.
    let (second, later) = restored("second.db", 1);
    assert!(later > behind + 500 && numbers(&second) == [(1, 1), (later, 0)]);
    // A clock that is far behind makes no number smaller.
    drop(second);
    fs::rename(scratch.file("second.db"), scratch.file("wrong-clock.db")).unwrap();
    scratch.tampers_with("wrong-clock.db", "UPDATE store_meta SET is_copy = 1");
    let wrong = Options { now: Timestamp::from_millis(0), ..options() };
    let third = Sqlite::open(&scratch.file("wrong-clock.db"), &wrong).expect("a store");
    assert_eq!(third.resumed_behind, Some(later + 1));
    let times: Vec<_> = third.reader.segments(2, 10).expect("segments").iter().map(|one| one.committed_at).collect();
    assert!(times.is_sorted() && times.len() == 2, "time in the log does not go back: {times:?}");
}

#[test]
fn whoever_only_looks_at_a_backup_leaves_it_one() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    commit(&mut opened, 1).expect("it owns the store");
    let (first, second) = (scratch.file("first.db"), scratch.file("second.db"));
    opened.reader.back_up(&first, &mut |_| {}).expect("a copy");
    let (reader, _) = Sqlite::open_reader(&first).expect("a store");
    reader.back_up(&second, &mut |_| {}).expect("a copy of the copy");
    assert_eq!(commits(&reader), 1);
    for copy in [first, second] {
        assert!(Sqlite::open(&copy, &options()).expect("a store").resumed_behind.is_some());
    }
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_nothing_behind_when_it_fails() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    commit(&mut opened, 1).expect("it owns the store");
    let to = scratch.file("backup.db");
    fs::write(&to, "mine").unwrap();
    let refused = opened.reader.back_up(&to, &mut |_| {});
    assert!(matches!(refused, Err(BackupError::Exists { .. })), "{refused:?}");
    assert_eq!(fs::read(&to).unwrap(), b"mine");
    let refused = opened.reader.back_up(&scratch.file("none/backup.db"), &mut |_| {});
    assert!(matches!(refused, Err(BackupError::Target { .. })), "{refused:?}");

    fs::rename(&to, scratch.file("backup.db-wal")).unwrap();
    let refused = opened.reader.back_up(&to, &mut |_| {});
    assert!(matches!(&refused, Err(BackupError::Exists { path }) if path.ends_with("-wal")), "{refused:?}");

    // What an earlier copy left that was broken off is in nobody's way.
    fs::remove_file(scratch.file("backup.db-wal")).unwrap();
    fs::write(scratch.file("backup.db.partial"), "half").unwrap();
    opened.reader.back_up(&to, &mut |_| {}).expect("a copy");
    for end in [".partial", ".partial-wal", ".partial-shm", "-wal", "-shm"] {
        assert!(!exists(&to, end), "{end}");
    }
    // Read by whoever has only the copy.
    let (reader, _) = Sqlite::open_reader(&to).expect("a store");
    assert_eq!(commits(&reader), 1);
}

#[test]
fn of_two_backups_to_one_file_the_second_is_refused_and_the_first_is_whole() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    commit(&mut opened, 1).expect("it owns the store");
    let to = scratch.file("backup.db");
    let mut second = None;
    let first = opened.reader.back_up(&to, &mut |_| {
        second.get_or_insert_with(|| opened.reader.back_up(&to, &mut |_| {}));
    });
    assert_eq!(first, Ok(()));
    assert!(matches!(&second, Some(Err(BackupError::Running { path })) if path.ends_with("backup.db")), "{second:?}");
    assert_eq!(Sqlite::open_reader(&to).expect("a store").0.check(), Ok(Vec::new()));

    // The same from another process, which holds the copy by the lock on its file until it ends.
    let (other, partial) = (scratch.file("other.db"), scratch.file("other.db.partial"));
    let held = fs::File::create(&partial).unwrap();
    held.lock().unwrap();
    let refused = opened.reader.back_up(&other, &mut |_| {});
    assert!(matches!(refused, Err(BackupError::Running { .. })), "{refused:?}");
    assert!(partial.exists(), "it belongs to the other one");
    drop(held);
    opened.reader.back_up(&other, &mut |_| {}).expect("what a crash has left is in nobody's way");
    assert!(!partial.exists());
}

#[test]
fn a_file_that_comes_while_the_copy_is_made_is_not_overwritten() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    commit(&mut opened, 1).expect("it owns the store");
    let to = scratch.file("backup.db");
    let refused = opened.reader.back_up(&to, &mut |_| fs::write(&to, "mine").unwrap());
    assert!(matches!(refused, Err(BackupError::Exists { .. })), "{refused:?}");
    assert_eq!(fs::read(&to).unwrap(), b"mine");
    assert!(!exists(&to, ".partial"));
}
