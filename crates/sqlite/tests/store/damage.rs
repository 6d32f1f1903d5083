//! What a crash or a bad disk leaves behind: a prefix of the commits, or a clear word.

use std::fs::{self, OpenOptions};

use rusqlite::Connection;
use tradewind_engine::ports::{CommitError, Reader, StoreError};
use tradewind_sqlite::{OpenError, Sqlite};

use crate::scratch::{Scratch, commit, commits, exists, options};

#[test]
fn a_file_of_garbage_is_called_damaged() {
    let scratch = Scratch::new();
    fs::write(scratch.store(), "this was never a store ".repeat(1_000)).unwrap();
    let refused = scratch.refusal();
    assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused}");
    assert!(refused.to_string().contains("restore the last backup"), "{refused}");
    assert!(matches!(Sqlite::open_reader(&scratch.store()), Err(OpenError::Corrupt { .. })));
}

#[test]
fn a_file_that_was_cut_off_is_called_damaged() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=20 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    drop(opened);
    let length = fs::metadata(scratch.store()).unwrap().len();
    for cut in [length - 10_000, length / 2, 50_000, 150] {
        let copy = scratch.copy("cut.db");
        OpenOptions::new().write(true).open(&copy).unwrap().set_len(cut).unwrap();
        let refused = Sqlite::open(&copy, &options()).err();
        assert!(matches!(refused, Some(OpenError::Corrupt { .. })), "cut to {cut} bytes: {refused:?}");
    }
}

/// Overwritten pages are found when they are read, by a check, and at the start after a crash.
#[test]
fn damage_inside_is_found_and_stops_the_writer() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=20 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    assert_eq!(opened.reader.check(), Ok(Vec::new()));
    drop(opened);
    let connection = Connection::open(scratch.store()).unwrap();
    let root: u32 = connection
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'audit'", [], |row| row.get(0))
        .expect("its first page");
    drop(connection);
    let mut bytes = fs::read(scratch.store()).unwrap();
    let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let start = (usize::try_from(root).unwrap() - 1) * page;
    bytes[start..start + page].fill(0x5a);
    fs::write(scratch.store(), bytes).unwrap();

    let mut opened = scratch.open().expect("a start does not read everything");
    assert!(!opened.reader.check().expect("findings").is_empty());
    let list =
        tradewind_engine::ports::List::of(<tradewind_engine::tables::AuditRow as tradewind_engine::Entity>::TABLE, 10);
    assert!(matches!(opened.reader.list(&list), Err(StoreError::Corrupt(_))));
    for _ in 0..2 {
        let failed = commit(&mut opened, 21);
        assert!(matches!(failed, Err(CommitError::Store(StoreError::Corrupt(_)))), "{failed:?}");
    }
    // A log beside it says that its owner died.
    scratch.tampers("PRAGMA wal_checkpoint(TRUNCATE)");
    scratch.tampers("UPDATE store_meta SET created_at = created_at + 1");
    let copy = scratch.copy("crashed.db");
    assert!(exists(&copy, "-wal"));
    let refused = Sqlite::open(&copy, &options()).err();
    assert!(matches!(refused, Some(OpenError::Corrupt { .. })), "{refused:?}");
}

#[test]
fn what_was_not_committed_is_not_there_after_a_crash() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=5 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    // Another writer in the middle of a large transaction, whose pages overflow its cache into the log.
    let connection = Connection::open(scratch.store()).unwrap();
    connection.execute_batch("PRAGMA cache_size = 5; BEGIN IMMEDIATE").unwrap();
    let before = fs::metadata(scratch.file("store.db-wal")).unwrap().len();
    for nth in 6..2_000 {
        let sql = "INSERT INTO audit VALUES (?1, 0, 'a', 'b', 'c', 'd', 1, 0)";
        connection.execute(sql, [format!("audit-{nth:06}")]).unwrap();
    }
    assert!(fs::metadata(scratch.file("store.db-wal")).unwrap().len() > before, "half of it is on the disk");
    let copy = scratch.copy("crashed.db");
    let mut survivor = Sqlite::open(&copy, &options()).expect("a store after a crash");
    assert_eq!(commits(&survivor.reader), 5);
    assert_eq!(survivor.reader.check(), Ok(Vec::new()));
    commit(&mut survivor, 6).expect("it goes on");
}

/// A flush of the log may have failed at the end of its owner: what can be read of it is written anew before anything
/// is built on it.
#[test]
fn a_log_that_a_crash_has_left_is_copied_into_the_file_at_the_start() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=5 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    let crashed = scratch.copy("crashed.db");
    let survivor = Sqlite::open(&crashed, &options()).expect("a store after a crash");
    let alone = scratch.file("alone.db");
    fs::copy(&crashed, &alone).unwrap();
    assert_eq!(commits(&Sqlite::open_reader(&alone).expect("a store").0), 5, "without its log");
    assert_eq!(commits(&survivor.reader), 5);
    // Who reads meanwhile holds up nobody.
    let crashed = scratch.copy("read.db");
    let reading = Connection::open(&crashed).unwrap();
    reading.execute_batch("BEGIN; SELECT count(*) FROM audit").unwrap();
    let mut survivor = Sqlite::open(&crashed, &options()).expect("a store after a crash");
    commit(&mut survivor, 6).expect("it goes on");
}

/// Wherever the end of the log was when the power failed, the store has the first so many commits, each whole.
#[test]
fn a_torn_log_leaves_the_first_commits() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    let empty = fs::metadata(scratch.file("store.db-wal")).unwrap().len();
    for nth in 1..=8 {
        commit(&mut opened, nth).expect("it owns the store");
    }
    let whole = fs::metadata(scratch.file("store.db-wal")).unwrap().len();
    let mut most = 0;
    for cut in (empty..=whole).step_by(4_999).chain([whole]) {
        let copy = scratch.copy("torn.db");
        OpenOptions::new().write(true).open(scratch.file("torn.db-wal")).unwrap().set_len(cut).unwrap();
        let survivor = Sqlite::open(&copy, &options()).expect("a store after a crash");
        let there = commits(&survivor.reader);
        assert!(there >= most, "more of the log is no less of the store");
        most = there;
    }
    assert_eq!(most, 8);
    // Noise in place of the last pages that were not flushed.
    let copy = scratch.copy("noise.db");
    let mut log = fs::read(scratch.file("noise.db-wal")).unwrap();
    let middle = usize::try_from(empty.midpoint(whole)).unwrap();
    log[middle..].fill(0xa5);
    fs::write(scratch.file("noise.db-wal"), log).unwrap();
    let survivor = Sqlite::open(&copy, &options()).expect("a store after a crash");
    assert!((1..8).contains(&commits(&survivor.reader)));
}
