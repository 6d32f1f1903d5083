//! Damage in the write-ahead log (`-wal`): it is no part of an answer, no checkpoint copies it, and no start drops what
//! was acknowledged behind it. A torn end, which a crash leaves, is not damage.

use std::{
    fs::{self, OpenOptions},
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
};

use rusqlite::{Connection, OpenFlags};
use tradewind_engine::{
    Entity, StoredRow,
    ports::{Commit, CommitError, List, Reader, StoreError, Writer},
    segment::Segment,
    tables::AuditRow,
};
use tradewind_events::Timestamp;
use tradewind_sqlite::{BackupError, OpenError, Opened, Sqlite};

use crate::scratch::{Scratch, commit, commits, exists, options};

/// What is said of it.
const DAMAGE: &str = "its -wal file is not what was written";

const HEADER_BYTES: usize = 32;
const FRAME_HEAD_BYTES: usize = 24;
const FRAME_BYTES: usize = FRAME_HEAD_BYTES + 4_096;

/// A running store of so many commits, all of which are in its log.
fn running(commits: u64) -> (Scratch, Opened) {
    let scratch = Scratch::new();
    drop(scratch.open().expect("a store"));
    let mut opened = scratch.open().expect("a store");
    for nth in 1..=commits {
        commit(&mut opened, nth).expect("it owns the store");
    }
    (scratch, opened)
}

fn log_of(scratch: &Scratch) -> Vec<u8> {
    fs::read(scratch.file("store.db-wal")).expect("a log")
}

/// Where the frames begin that belong to this log, and not to an earlier one in the same file.
fn frames(log: &[u8]) -> Vec<usize> {
    let starts = (HEADER_BYTES..).step_by(FRAME_BYTES).take_while(|at| at + FRAME_BYTES <= log.len());
    starts.take_while(|at| log[at + 8..at + 16] == log[16..24]).collect()
}

/// The frames of the last commit, up to their end.
fn last_commit(log: &[u8]) -> Range<usize> {
    let frames = frames(log);
    let ends = frames.iter().filter(|at| log[*at + 4..*at + 8] != [0; 4]).map(|at| at + FRAME_BYTES);
    let [.., start, end] = ends.collect::<Vec<_>>()[..] else { panic!("two commits") };
    start..end
}

/// One of each kind of byte in a frame: page number, commit mark, salts, checksum, and some of its page.
fn places(frame: usize, nth: usize) -> impl Iterator<Item = usize> {
    [0, 3, 7, 9, 15, 16, 23, 24, 24 + nth * 61 % 4_096, 24 + nth * 997 % 4_096, 4_119].map(|at| frame + at).into_iter()
}

fn flip(path: &Path, at: usize) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).expect("a byte");
    file.write_all_at(&[byte[0] ^ 0x10], at as u64).expect("a byte");
}

/// The same numbers below a limit in each run.
fn draws() -> impl FnMut(u64) -> u64 {
    let mut state = 0x5eed_u64;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

/// A byte in the middle of segment `nth`, in the last frame that has it: SQLite itself sees nothing wrong with it.
fn in_segment(log: &[u8], nth: u64) -> usize {
    let segment = nth.to_le_bytes().repeat(4);
    log.windows(segment.len()).rposition(|window| window == segment).expect("it is in the log")
}

/// All that a fresh reader beside the owner is told.
fn read_all(store: &Path) -> Result<(Vec<StoredRow>, Vec<Segment>), StoreError> {
    let (reader, _) = Sqlite::open_reader(store).map_err(|refused| match refused {
        OpenError::Corrupt { reason, .. } => StoreError::Corrupt(reason),
        other => panic!("{other}"),
    })?;
    Ok((reader.list(&List::of(AuditRow::TABLE, u32::MAX))?, reader.segments(1, u32::MAX)?))
}

fn names_the_log(refused: &OpenError) -> bool {
    matches!(refused, OpenError::Corrupt { .. }) && refused.to_string().contains(DAMAGE)
}

/// The store as a crash leaves it, with this log.
fn crashed(scratch: &Scratch, log: &[u8]) -> std::path::PathBuf {
    let copy = scratch.copy("crashed.db");
    fs::write(scratch.file("crashed.db-wal"), log).expect("a log");
    copy
}

#[test]
fn a_byte_of_the_log_that_has_changed_is_never_part_of_an_answer() {
    let (scratch, _opened) = running(20);
    let right = read_all(&scratch.store()).expect("it is whole");
    let (path, log) = (scratch.file("store.db-wal"), log_of(&scratch));
    let mut found = 0;
    let of_frames = frames(&log).into_iter().enumerate().flat_map(|(nth, frame)| places(frame, nth));
    for at in (0..HEADER_BYTES).chain(of_frames) {
        flip(&path, at);
        match read_all(&scratch.store()) {
            Ok(read) => assert!(read == right, "byte {at} is part of a wrong answer"),
            Err(StoreError::Corrupt(reason)) => {
                assert!(reason.contains(DAMAGE), "byte {at}: {reason}");
                found += 1;
            }
            Err(other) => panic!("byte {at}: {other}"),
        }
        flip(&path, at);
    }
    assert!(found > 100, "the last frame of each page is read: {found}");
    assert_eq!(read_all(&scratch.store()), Ok(right));
}

/// The log was emptied, and written on where it had ended.
#[test]
fn a_hole_in_the_log_is_never_part_of_an_answer() {
    let (scratch, opened) = running(60);
    let hole = vec![0; in_segment(&log_of(&scratch), 40)];
    OpenOptions::new().write(true).open(scratch.file("store.db-wal")).unwrap().write_all_at(&hole, 0).unwrap();
    let read = opened.reader.segments(10, 5);
    assert!(matches!(&read, Err(StoreError::Corrupt(reason)) if reason == DAMAGE), "{read:?}");
}

/// What is behind the damage would be lost at the next start, so nothing more is acknowledged.
#[test]
fn an_owner_that_has_read_damage_in_the_log_acknowledges_nothing_more_and_leaves_the_files_as_they_are() {
    let (scratch, mut opened) = running(60);
    let store = fs::read(scratch.store()).unwrap();
    flip(&scratch.file("store.db-wal"), in_segment(&log_of(&scratch), 30));
    assert_eq!(opened.reader.fault(), None);
    assert!(matches!(opened.reader.segments(20, 20), Err(StoreError::Corrupt(_))));
    assert!(matches!(opened.reader.fault(), Some(StoreError::Corrupt(_))));
    for _ in 0..2 {
        let refused = commit(&mut opened, 61);
        assert!(matches!(refused, Err(CommitError::Store(StoreError::Corrupt(_)))), "{refused:?}");
    }
    let log = log_of(&scratch);
    drop(opened);
    assert!((store, log) == (fs::read(scratch.store()).unwrap(), log_of(&scratch)));
}

#[test]
fn a_backup_copies_no_damage_of_the_log() {
    let (scratch, opened) = running(60);
    flip(&scratch.file("store.db-wal"), in_segment(&log_of(&scratch), 30));
    let copied = opened.reader.back_up(&scratch.file("copy.db"), &mut |_| {});
    assert!(matches!(copied, Err(BackupError::Store(StoreError::Corrupt(_)))), "{copied:?}");
    assert!(!exists(&scratch.file("copy.db"), ""));
    assert!(matches!(opened.reader.fault(), Some(StoreError::Corrupt(_))));
}

#[test]
fn a_checkpoint_copies_no_damage_into_the_file_and_the_next_start_is_refused() {
    let (scratch, opened) = running(60);
    let at = in_segment(&log_of(&scratch), 30);
    flip(&scratch.file("store.db-wal"), at);
    let log = log_of(&scratch);
    let wrong = &log[at - 40..at + 40];
    let has_wrong = || fs::read(scratch.store()).unwrap().windows(wrong.len()).any(|window| window == wrong);
    let checkpoint = || {
        let connection = Connection::open(scratch.store()).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    };
    assert!(checkpoint().is_err(), "it cannot be copied");
    assert!(!has_wrong());
    // A stop is one too.
    drop(opened);
    assert!(!has_wrong());
    let there = (fs::read(scratch.store()).unwrap(), log_of(&scratch));
    let refused = scratch.refusal();
    assert!(names_the_log(&refused) && refused.to_string().contains("restore the last backup"), "{refused}");
    let refused = Sqlite::open_reader(&scratch.store()).err().expect("a refusal");
    assert!(names_the_log(&refused), "{refused}");
    assert!(there == (fs::read(scratch.store()).unwrap(), log_of(&scratch)), "a refusal changes nothing");
}

/// The log is copied when it has become large, beside commits.
#[test]
fn a_checkpoint_that_meets_damage_ends_the_writer() {
    let (scratch, mut opened) = running(1);
    let large = |opened: &mut Opened, number: u64| {
        let at = Timestamp::from_millis(0);
        let blocks = number.to_le_bytes().repeat(512 * 1024);
        let segment = Segment { number, committed_at: at, events: 1, directory: vec![0; 12], blocks };
        let commit = Commit { epoch: opened.meta.epoch, at, rows: Vec::new(), segment: Some(segment) };
        opened.writer.commit(&commit)
    };
    large(&mut opened, 2).expect("it owns the store");
    flip(&scratch.file("store.db-wal"), log_of(&scratch).len() / 2);
    let refused = (3..20).find_map(|number| {
        let log = log_of(&scratch);
        let refused = large(&mut opened, number).err()?;
        assert!(log == log_of(&scratch), "nothing is written behind the damage");
        Some((number, refused))
    });
    let (number, refused) = refused.expect("it is noticed");
    assert!(matches!(refused, CommitError::Store(StoreError::Corrupt(_))), "{refused:?}");
    assert!(number > 3, "the log was copied at commit {number}");
    assert!(matches!(opened.reader.fault(), Some(StoreError::Corrupt(_))));
    assert_eq!(opened.reader.last_segment(), Ok(number - 1), "what was refused is not there");
}

/// Wherever the damage is, also in the last commit and in the header: nothing acknowledged is dropped in silence.
#[test]
fn no_start_drops_what_was_acknowledged_behind_damage_in_the_log() {
    let (scratch, _opened) = running(8);
    let log = log_of(&scratch);
    let of_frames = frames(&log).into_iter().enumerate().flat_map(|(nth, frame)| places(frame, nth));
    let mut refusals = 0;
    for at in (0..HEADER_BYTES).chain(of_frames) {
        let mut damaged = log.clone();
        damaged[at] ^= 0x10;
        let store = crashed(&scratch, &damaged);
        for opened in [Sqlite::open_reader(&store).map(|(reader, _)| reader), {
            Sqlite::open(&store, &options()).map(|opened| opened.reader)
        }] {
            match opened {
                Ok(reader) => assert_eq!(commits(&reader), 8, "byte {at}"),
                Err(refused) => {
                    assert!(names_the_log(&refused), "byte {at}: {refused}");
                    refusals += 1;
                }
            }
        }
        let left = fs::read(scratch.file("crashed.db-wal")).unwrap_or_default();
        assert!(left.is_empty() || left == damaged, "byte {at}: a refusal leaves the log as it is");
    }
    assert!(refusals > 100, "{refusals}");
}

/// When the power has failed, what was written last without a flush may be missing: then the frames of the next commit
/// say that the one before was on the disk.
#[test]
fn a_later_commit_shows_that_an_earlier_one_was_acknowledged() {
    let (scratch, _opened) = running(8);
    let log = log_of(&scratch);
    let last = last_commit(&log);
    for (nth, frame) in frames(&log).into_iter().enumerate() {
        // A byte of its page, and all of it.
        for changed in [frame + 24 + nth * 61 % 4_096..frame + 25 + nth * 61 % 4_096, frame..frame + FRAME_BYTES] {
            let mut damaged = log[..last.end].to_vec();
            damaged[changed].iter_mut().for_each(|byte| *byte ^= 0x5a);
            match Sqlite::open(&crashed(&scratch, &damaged), &options()) {
                Err(refused) => assert!(frame < last.start && names_the_log(&refused), "frame {nth}: {refused}"),
                // What the disk has done to the last commit cannot be told from one that was being written.
                Ok(opened) => assert!(frame + FRAME_BYTES >= last.start && commits(&opened.reader) >= 6, "frame {nth}"),
            }
        }
    }
}

/// The way that the documents show to whoever has no backup: another program keeps what is in front of the damage.
#[test]
fn another_program_cuts_a_damaged_log_off() {
    let (scratch, _opened) = running(8);
    let mut log = log_of(&scratch);
    let at = in_segment(&log, 5);
    log[at] ^= 1;
    let store = crashed(&scratch, &log);
    assert!(names_the_log(&Sqlite::open(&store, &options()).err().expect("a refusal")));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let other = Connection::open_with_flags_and_vfs(&store, flags, "unix").expect("a database");
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("it knows nothing of the rest");
    drop(other);
    assert_eq!(commits(&Sqlite::open(&store, &options()).expect("a store").reader), 4);
}

/// The power fails in the middle of a commit: any sectors of it are on the disk, beside what was there before. In a log
/// that grows these are none, in one that is written anew those of former frames.
#[test]
fn whichever_sectors_of_an_unfinished_commit_are_there_the_store_starts_by_itself() {
    for anew in [false, true] {
        let (scratch, mut opened) = running(20);
        let mut number = 20;
        if anew {
            scratch.tampers("PRAGMA wal_checkpoint(RESTART)");
            for _ in 0..3 {
                number += 1;
                commit(&mut opened, number).expect("it owns the store");
            }
        }
        let mut before = log_of(&scratch);
        commit(&mut opened, number + 1).expect("it owns the store");
        let after = log_of(&scratch);
        let tail = last_commit(&after);
        before.resize(after.len().max(before.len()), 0);
        let mut draw = draws();
        for round in 0..60 {
            let mut torn = before.clone();
            let mut whole = true;
            let mut at = tail.start;
            while at < tail.end {
                let end = (at / 512 * 512 + 512).min(tail.end);
                match draw(2 + round % 9) {
                    0 => whole &= torn[at..end] == after[at..end],
                    1 if round % 3 == 0 => {
                        torn[at..end].iter_mut().for_each(|byte| *byte = u8::try_from(draw(256)).unwrap());
                        whole = false;
                    }
                    _ => torn[at..end].copy_from_slice(&after[at..end]),
                }
                at = end;
            }
            let store = crashed(&scratch, &torn);
            let survivor = Sqlite::open(&store, &options()).expect("a store after a crash");
            assert_eq!(commits(&survivor.reader), number + u64::from(whole), "round {round}");
        }
    }
}

/// What was in its first sector before, the head of a frame may seem to end a commit that goes on in the next frame.
#[test]
fn a_head_of_a_frame_that_is_torn_is_no_end_of_a_commit() {
    let (scratch, mut opened) = running(2);
    let in_two_sectors = |frame: usize| frame % 512 == 512 - 8;
    for number in 3..100 {
        if number == 40 {
            // Every commit has as many frames, so those of the others may be as far from the end of a sector for ever.
            scratch.tampers("UPDATE store_meta SET created_at = created_at + 1");
        }
        commit(&mut opened, number).expect("it owns the store");
        let log = log_of(&scratch);
        let tail = last_commit(&log);
        let mut heads = tail.clone().step_by(FRAME_BYTES).take(tail.len() / FRAME_BYTES - 1);
        let Some(head) = heads.find(|head| in_two_sectors(*head)) else { continue };
        let mut torn = log[..tail.end].to_vec();
        torn[tail.start.max(head + 8 - 512)..head + 8].fill(0x5a);
        let survivor = Sqlite::open(&crashed(&scratch, &torn), &options()).expect("a store after a crash");
        assert_eq!(commits(&survivor.reader), number - 1);
        return;
    }
    panic!("no commit has a head in two sectors");
}

/// A large transaction overflows its cache into the log, and then changes what it has written there.
#[test]
fn a_transaction_that_writes_pages_of_the_log_again_reads_them_itself() {
    let (scratch, mut opened) = running(5);
    let connection = Connection::open(scratch.store()).unwrap();
    let rows = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
    connection.execute_batch("PRAGMA cache_size = 5").unwrap();
    let fill = |from: u32, end: &str| {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for nth in from..from + 1_000 {
            let sql = "INSERT INTO audit VALUES (?1, 0, 'a', 'b', 'c', 'd', 1, 0)";
            connection.execute(sql, [format!("audit-{nth:06}")]).unwrap();
        }
        for detail in ["e", "f"] {
            connection.execute("UPDATE audit SET detail = ?1 WHERE actor = 'a'", [detail]).unwrap();
        }
        assert!(rows("SELECT count(*) FROM audit WHERE detail = 'f'") >= 1_000);
        connection
            .execute_batch("SAVEPOINT s; UPDATE audit SET detail = 'g' WHERE actor = 'a'; ROLLBACK TO s")
            .unwrap();
        assert_eq!(rows("SELECT count(*) FROM audit WHERE detail = 'g'"), 0);
        connection.execute_batch(end).unwrap();
    };
    fill(1_000, "ROLLBACK");
    commit(&mut opened, 6).expect("it goes on in the place of what was rolled back");
    assert_eq!(commits(&opened.reader), 6);
    fill(1_000, "COMMIT");
    fill(3_000, "ROLLBACK");
    assert_eq!(rows("SELECT count(*) FROM audit WHERE detail = 'f'"), 1_000);
    // What is left of the transaction behind the last commit is not damage.
    let mut survivor = Sqlite::open(&scratch.copy("crashed.db"), &options()).expect("a store after a crash");
    assert_eq!(survivor.reader.list(&List::of(AuditRow::TABLE, u32::MAX)).map(|rows| rows.len()), Ok(1_006));
    assert_eq!(survivor.reader.check(), Ok(Vec::new()));
    commit(&mut survivor, 7).expect("it goes on");
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    assert_eq!(rows("SELECT count(*) FROM audit WHERE detail = 'f'"), 1_000);
}

/// The same in a database of small pages with next to no cache, whose pages are written again and again.
#[test]
fn transactions_with_next_to_no_cache_read_what_they_have_written() {
    let scratch = Scratch::new();
    let connection = Connection::open(scratch.store()).unwrap();
    let begin = "PRAGMA page_size = 512; PRAGMA journal_mode = WAL; PRAGMA cache_size = 6; PRAGMA synchronous = OFF;
                 CREATE TABLE t (a INTEGER PRIMARY KEY, b, c); CREATE INDEX i ON t (b)";
    connection.execute_batch(begin).unwrap();
    let mut draw = draws();
    for nth in 0..300 {
        let mut changes = String::from("BEGIN;");
        for _ in 0..=draw(4) {
            let change = match draw(5) {
                0 | 1 => format!(
                    "WITH RECURSIVE n (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < {})
                     INSERT INTO t (b, c) SELECT v * 7919 % 1000, printf('%0*d', {}, v) FROM n;",
                    1 + draw(40),
                    10 + draw(600)
                ),
                2 => format!("UPDATE t SET b = b + 1 WHERE a % 7 = {};", draw(7)),
                3 => format!("DELETE FROM t WHERE a % 5 = {};", draw(5)),
                _ => format!("SAVEPOINT s; UPDATE t SET c = 'c' WHERE a % 3 = {}; ROLLBACK TO s;", draw(3)),
            };
            changes += &change;
            changes += "CREATE TEMP TABLE r AS SELECT sum(length(c)) FROM t; DROP TABLE temp.r;";
        }
        changes += if draw(4) == 0 { "ROLLBACK" } else { "COMMIT" };
        connection.execute_batch(&changes).unwrap_or_else(|error| panic!("transaction {nth}: {error}"));
    }
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}
