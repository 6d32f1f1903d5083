//! A copy of a running store: of one moment, whole, and a store itself.

use std::{fs, thread};

use tradewind_engine::{Entity, ports::Reader, tables::AuditRow};
use tradewind_sqlite::{BackupError, Sqlite};

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

    let backup = Sqlite::open(&to, &options()).expect("a store");
    let there = commits(&backup.reader);
    assert!((500..=600).contains(&there), "one moment of the copying");
    assert_eq!((backup.meta.name.as_str(), backup.meta.epoch), ("tw-test", opened.meta.epoch + 1));
    assert_eq!(backup.reader.check(), Ok(Vec::new()));
    let rows = |reader: &dyn Reader| reader.list(&tradewind_engine::ports::List::of(AuditRow::TABLE, 500));
    assert_eq!(rows(&backup.reader), rows(&opened.reader));
    assert_eq!(backup.reader.segments(1, 500), opened.reader.segments(1, 500));
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
