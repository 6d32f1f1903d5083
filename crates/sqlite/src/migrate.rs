//! Brings the schema of a store up to date: forward only, each file once, and never another text under a known number.

use std::path::Path;

use rusqlite::{Connection, Result, params};
use tradewind_events::Timestamp;

use crate::OpenError;

struct Migration {
    number: u32,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// The schema that this program knows.
pub(crate) fn newest() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.number)
}

/// What a store says of a migration that it has.
struct Applied {
    number: u32,
    name: String,
    checksum: String,
}

/// Refuses a store whose migrations are not the first ones of this program's, and returns how many those are.
pub(crate) fn check(connection: &Connection, store: &Path) -> std::result::Result<usize, OpenError> {
    let applied = applied(connection).map_err(|error| OpenError::sqlite(store, &error))?;
    let theirs = applied.last().map_or(0, |last| last.number);
    let store = store.display().to_string();
    if theirs > newest() {
        return Err(OpenError::NewerVersion { store, theirs, ours: newest() });
    }
    for (nth, theirs) in applied.iter().enumerate() {
        let difference = match MIGRATIONS.get(nth) {
            Some(ours) if ours.number != theirs.number => format!("this program has {} before it", ours.number),
            Some(ours) if ours.checksum() != theirs.checksum => {
                format!("{} has checksum {}, {} has {}", theirs.name, theirs.checksum, ours.name, ours.checksum())
            }
            Some(_) => continue,
            None => String::from("this program has none"),
        };
        return Err(OpenError::WrongMigrations { store, number: theirs.number, difference });
    }
    Ok(applied.len())
}

/// Applies every migration after the first `applied` ones. The caller holds the transaction.
pub(crate) fn apply(connection: &Connection, applied: usize, now: Timestamp) -> Result<()> {
    for migration in &MIGRATIONS[applied..] {
        connection.execute_batch(migration.sql)?;
        connection.execute(
            "INSERT INTO store_migration (number, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
            params![migration.number, migration.name, migration.checksum(), now.as_millis()],
        )?;
    }
    Ok(())
}

fn applied(connection: &Connection) -> Result<Vec<Applied>> {
    if !has_table(connection, "store_migration")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare("SELECT number, name, checksum FROM store_migration ORDER BY number")?;
    let rows =
        statement.query_map([], |row| Ok(Applied { number: row.get(0)?, name: row.get(1)?, checksum: row.get(2)? }))?;
    rows.collect()
}

pub(crate) fn has_table(connection: &Connection, name: &str) -> Result<bool> {
    connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?.exists([name])
}

impl Migration {
    /// FNV-1a of the text, 64 bits: it finds an edit, it need not withstand an attack. Line ends of Windows do not count.
    fn checksum(&self) -> String {
        let bytes = self.sql.bytes().filter(|byte| *byte != b'\r');
        let hash =
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{hash:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_from_one_and_say_why_in_their_first_line() {
        for (nth, migration) in MIGRATIONS.iter().enumerate() {
            assert!(migration.sql.starts_with("-- "), "{}: the first line says why", migration.name);
            assert_eq!(usize::try_from(migration.number).unwrap(), nth + 1, "{}", migration.name);
        }
    }

    #[test]
    fn a_checksum_sees_an_edit_and_no_line_ends() {
        let sum = |sql| Migration { number: 1, name: "one", sql }.checksum();
        assert_eq!(sum("a\r\nb"), sum("a\nb"));
        assert_ne!(sum("a\nb"), sum("a\nc"));
    }
}
