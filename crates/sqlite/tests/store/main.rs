//! The embedded store through its door: the conformance suite, opening, refusals, damage, backup, search, how ids
//! are kept, and the schema of every table that there is.

mod backup;
mod checkpoint;
mod damage;
mod ids;
mod log;
mod opening;
mod place;
mod refusals;
mod schema;
mod scratch;
mod searching;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use rusqlite::Connection;
use scratch::Scratch;
use tradewind_engine::ports::{Commit, CommitError, Writer};
use tradewind_sqlite::{Sqlite, SqliteReader, SqliteWriter};
use tradewind_testkit::store_suite::{Owner, StoreUnderTest, TABLES};

/// As `migrations/README.md` has it.
const TEXT_INDEX: &str = "
CREATE TABLE IF NOT EXISTS suite_text_fts_row (
    number INTEGER PRIMARY KEY, from_id ANY NOT NULL, to_id ANY NOT NULL, nth TEXT NOT NULL, UNIQUE (from_id, to_id, nth)
) STRICT;
CREATE VIRTUAL TABLE IF NOT EXISTS suite_text_fts USING fts5 (
    words, content = '', contentless_delete = 1, prefix = '2 3', tokenize = 'ascii'
);
CREATE TRIGGER IF NOT EXISTS suite_text_fts_insert AFTER INSERT ON suite_text BEGIN
    INSERT INTO suite_text_fts_row (from_id, to_id, nth) VALUES (new.from_id, new.to_id, new.nth);
    INSERT INTO suite_text_fts (rowid, words) SELECT number, new.words FROM suite_text_fts_row
    WHERE (from_id, to_id, nth) = (new.from_id, new.to_id, new.nth);
END;
CREATE TRIGGER IF NOT EXISTS suite_text_fts_update AFTER UPDATE ON suite_text WHEN old.words IS NOT new.words BEGIN
    UPDATE suite_text_fts SET words = new.words WHERE rowid =
    (SELECT number FROM suite_text_fts_row WHERE (from_id, to_id, nth) = (new.from_id, new.to_id, new.nth));
END;";

/// A store with the tables of the suite.
struct SuiteStore {
    scratch: Scratch,
    /// What the last owner has, as long as it lives.
    owned: Mutex<Option<(Weak<Mutex<SqliteWriter>>, SqliteReader)>>,
}

/// A writer whose ownership may have been lost to another one.
struct Shared(Arc<Mutex<SqliteWriter>>);

impl Writer for Shared {
    fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).commit(commit)
    }
}

impl SuiteStore {
    fn fresh() -> Self {
        Self { scratch: Scratch::new(), owned: Mutex::default() }
    }

    /// Takes a store over that somebody holds the lock of, as on a file system that loses locks.
    fn take_over(&self) -> Option<Owner> {
        let owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let (writer, reader) = owned.as_ref()?;
        let writer = writer.upgrade()?;
        self.scratch.tampers("UPDATE store_meta SET epoch = epoch + 1");
        let connection = Connection::open(self.scratch.store()).expect("a store");
        let epoch: i64 =
            connection.query_row("SELECT epoch FROM store_meta", [], |row| row.get(0)).expect("it has one");
        let epoch = u64::try_from(epoch).expect("it counts up");
        Some(Owner { writer: Box::new(Shared(writer)), reader: Arc::new(reader.clone()), epoch })
    }
}

impl StoreUnderTest for SuiteStore {
    fn own(&self) -> Owner {
        if let Some(owner) = self.take_over() {
            return owner;
        }
        let opened = Sqlite::open(&self.scratch.store(), &scratch::options()).expect("a store");
        let connection = Connection::open(self.scratch.store()).expect("a store");
        for table in TABLES {
            let sql = schema::create_table(table).replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1);
            connection.execute_batch(&sql).expect("a table of the suite");
        }
        connection.execute_batch(TEXT_INDEX).expect("the text index of the suite");
        let writer = Arc::new(Mutex::new(opened.writer));
        let last = (Arc::downgrade(&writer), opened.reader.clone());
        *self.owned.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        Owner { writer: Box::new(Shared(writer)), reader: Arc::new(opened.reader), epoch: opened.meta.epoch }
    }
}

tradewind_testkit::store_suite!(SuiteStore::fresh);
