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
        Owner { writer: Box::new(opened.writer), reader: Arc::new(opened.reader), epoch: opened.meta.epoch }
    }
}

tradewind_testkit::store_suite!(SuiteStore::fresh);
