//! The embedded store through its door: the conformance suite, opening, refusals, damage, backup, search, how ids
//! are kept, and the schema of every table that there is.

mod backup;
mod damage;
mod ids;
mod opening;
mod refusals;
mod schema;
mod scratch;
mod searching;

use std::{fs, sync::Arc};

use rusqlite::Connection;
use scratch::Scratch;
use tradewind_sqlite::Sqlite;
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
struct SuiteStore(Scratch);

impl SuiteStore {
    fn fresh() -> Self {
        Self(Scratch::new())
    }
}

impl StoreUnderTest for SuiteStore {
    fn own(&self) -> Owner {
        // The lock is on the file and not on its name: so an owner loses a lock that it still holds.
        let _absent_at_first = fs::remove_file(self.0.file("store.db.lock"));
        let opened = Sqlite::open(&self.0.store(), &scratch::options()).expect("a store");
        let connection = Connection::open(self.0.store()).expect("a store");
        for table in TABLES {
            let sql = schema::create_table(table).replacen("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1);
            connection.execute_batch(&sql).expect("a table of the suite");
        }
        connection.execute_batch(TEXT_INDEX).expect("the text index of the suite");
        Owner { writer: Box::new(opened.writer), reader: Arc::new(opened.reader), epoch: opened.meta.epoch }
    }
}

tradewind_testkit::store_suite!(SuiteStore::fresh);
