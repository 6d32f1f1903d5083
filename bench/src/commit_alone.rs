//! What one durable commit of one row costs in SQLite on this disk: the least that any answer about an order can take.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, params};
use tradewind_sqlite::PAGE_BYTES;

use crate::{Failure, host};

/// The median of so many commits, one after the other, in seconds. Set as the shop sets its store.
pub fn median_seconds(file: &Path, commits: u32) -> Result<f64, Failure> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let _mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection
        .execute_batch("CREATE TABLE IF NOT EXISTS note (number INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")?;
    let mut insert = connection.prepare("INSERT INTO note (text) VALUES (?1)")?;
    let text = "x".repeat(100);
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..commits.max(1) {
        let start = host::now();
        insert.execute(params![text])?;
        took.push(start.elapsed());
    }
    Ok(crate::pairs::median(took.iter().map(Duration::as_secs_f64)))
}
