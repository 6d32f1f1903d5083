//! The log is copied back into the file while commits go on, and begins anew before it is too large.

use std::fs;

use rusqlite::Connection;
use tradewind_engine::{
    ports::{Commit, CommitError, Reader, Writer},
    segment::Segment,
};
use tradewind_events::Timestamp;
use tradewind_sqlite::Opened;

use crate::scratch::Scratch;

/// As in `checkpoint.rs`.
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a commit of [`commit`] adds to the log, and somewhat more.
const COMMIT_BYTES: usize = 1024 * 1024;

fn blocks(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(COMMIT_BYTES / 8 - 4_096)
}

/// A commit of about a megabyte.
fn commit(opened: &mut Opened, number: u64) -> Result<(), CommitError> {
    let at = Timestamp::from_millis(0);
    let segment = Segment { number, committed_at: at, events: 1, directory: vec![0; 12], blocks: blocks(number) };
    let commit = Commit { epoch: opened.meta.epoch, at, rows: Vec::new(), segment: Some(segment) };
    opened.writer.commit(&commit)
}

fn check(reader: &dyn Reader, commits: u64) {
    assert_eq!(reader.last_segment(), Ok(commits));
    for number in 1..=commits {
        let segment = reader.segments(number, 1).expect("it can be read").pop().expect("it is there");
        assert!(segment.number == number && segment.blocks == blocks(number), "segment {number}");
    }
}

fn log_bytes(scratch: &Scratch) -> u64 {
    fs::metadata(scratch.file("store.db-wal")).expect("a log").len()
}

/// Which log it is of those that have begun in this file.
fn salts(scratch: &Scratch) -> Vec<u8> {
    fs::read(scratch.file("store.db-wal")).expect("a log")[16..24].to_vec()
}

#[test]
fn the_log_stays_small_however_fast_commits_follow_each_other() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    let first = salts(&scratch);
    for number in 1..=200 {
        commit(&mut opened, number).expect("it owns the store");
        let bytes = log_bytes(&scratch);
        assert!(bytes <= LOG_BYTES_MAX + COMMIT_BYTES as u64, "{bytes} bytes after commit {number}");
    }
    assert_ne!(salts(&scratch), first, "it has begun anew");
    check(&opened.reader, 200);
    drop(opened);
    let opened = scratch.open().expect("a store");
    check(&opened.reader, 200);
    assert_eq!(opened.reader.check(), Ok(Vec::new()));
}

/// A backup reads the store as it was, for minutes if need be.
#[test]
fn a_log_that_a_reader_has_let_grow_begins_anew_with_the_next_commit() {
    let scratch = Scratch::new();
    let mut opened = scratch.open().expect("a store");
    commit(&mut opened, 1).expect("it owns the store");
    let reader = Connection::open(scratch.store()).expect("a connection");
    let last = "SELECT count(*) FROM audit";
    reader.execute_batch("BEGIN").and_then(|()| reader.query_row(last, [], |_| Ok(()))).expect("a snapshot");
    let first = salts(&scratch);
    let commits = (2..200).find(|number| {
        commit(&mut opened, *number).expect("it owns the store");
        log_bytes(&scratch) > LOG_BYTES_MAX + 8 * COMMIT_BYTES as u64
    });
    let commits = commits.expect("it grows");
    assert_eq!(salts(&scratch), first, "what the reader needs is kept");
    assert_eq!(reader.query_row(last, [], |row| row.get(0)), Ok(0));
    reader.execute_batch("COMMIT").expect("it ends");
    commit(&mut opened, commits + 1).expect("it owns the store");
    assert!(salts(&scratch) != first && log_bytes(&scratch) <= LOG_BYTES_MAX);
    check(&opened.reader, commits + 1);
}
