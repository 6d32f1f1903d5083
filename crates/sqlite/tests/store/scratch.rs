//! A directory of a test, and the rows that tests write.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::Connection;
use tradewind_engine::{
    AnyEntity, StoredRow,
    ports::{Commit, CommitError, List, Reader, RowChange, RowWrite, Writer},
    segment::Segment,
    tables::AuditRow,
};
use tradewind_events::{Timestamp, id};
use tradewind_sqlite::{OpenError, Opened, Options, Sqlite, SqliteReader};

pub const SERVICES: [&str; 2] = ["orders", "catalog"];

/// Removed with the test.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("tradewind-sqlite-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory for the test");
        Self(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.file("store.db")
    }

    pub fn open(&self) -> Result<Opened, OpenError> {
        Sqlite::open(&self.store(), &options())
    }

    /// Why it does not open.
    pub fn refusal(&self) -> OpenError {
        match self.open() {
            Err(error) => error,
            Ok(_) => panic!("the store opens"),
        }
    }

    /// The store as it lies on the disk, under another name.
    pub fn copy(&self, name: &str) -> PathBuf {
        let copy = self.file(name);
        for end in ["", "-wal"] {
            if self.file(&format!("store.db{end}")).exists() {
                fs::copy(self.file(&format!("store.db{end}")), self.file(&format!("{name}{end}"))).expect("a copy");
            }
        }
        copy
    }

    /// SQL past the door, as someone with a shell could write it.
    pub fn tampers(&self, sql: &str) {
        self.tampers_with("store.db", sql);
    }

    pub fn tampers_with(&self, name: &str, sql: &str) {
        Connection::open(self.file(name))
            .and_then(|connection| connection.execute_batch(sql))
            .expect("it can be tampered");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

pub fn options() -> Options {
    Options::new("tw-test", SERVICES, Timestamp::from_millis(1_769_860_800_000))
}

pub fn audit(nth: u64, detail: &str) -> AuditRow {
    AuditRow {
        id: id(&format!("audit-{nth:06}")),
        at: Timestamp::from_millis(0),
        actor: "cli".into(),
        action: "test.run".into(),
        target: "store".into(),
        detail: Arc::from(detail),
    }
}

pub fn insert(row: &dyn AnyEntity) -> RowChange {
    let stored = StoredRow { values: row.row(), version: 1, events: 0 };
    RowChange { table: row.table(), key: row.row_key(), write: RowWrite::Insert(stored) }
}

/// Commit number `nth` of a store of this kind: one row and one segment.
pub fn commit(opened: &mut Opened, nth: u64) -> Result<(), CommitError> {
    let segment = Segment {
        number: nth,
        committed_at: Timestamp::from_millis(0),
        events: 1,
        directory: vec![0; 12],
        blocks: nth.to_le_bytes().repeat(500),
    };
    opened.writer.commit(&Commit {
        epoch: opened.meta.epoch,
        at: Timestamp::from_millis(0),
        rows: vec![insert(&audit(nth, "{}"))],
        segment: Some(segment),
    })
}

/// How many commits of [`commit`] the store has; it has each of them whole, and none after a missing one.
pub fn commits(reader: &SqliteReader) -> u64 {
    let rows = reader.list(&List::of(<AuditRow as tradewind_engine::Entity>::TABLE, u32::MAX)).expect("rows");
    let last = reader.last_segment().expect("a number");
    assert_eq!(reader.segments(1, u32::MAX).expect("segments").len(), rows.len());
    assert_eq!(u64::try_from(rows.len()), Ok(last));
    assert!((1..=last).zip(&rows).all(|(nth, row)| row.values == audit(nth, "{}").row()));
    last
}

pub fn exists(path: &Path, end: &str) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    Path::new(&name).exists()
}
