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
    use tradewind_engine::segment::Indexes;
    use tradewind_events::{Column, Value, id_rank};

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

    /// A store in memory as an older program left it: with the migrations before this one.
    fn before(number: u32) -> (Connection, usize) {
        let connection = Connection::open_in_memory().expect("a store in memory");
        let older = MIGRATIONS.iter().take_while(|migration| migration.number < number);
        let applied = older.map(|migration| connection.execute_batch(migration.sql)).collect::<Result<Vec<_>>>();
        (connection, applied.expect("each suits those before it").len())
    }

    #[test]
    fn events_that_were_received_before_segments_had_rows_are_known_by_them() {
        let (connection, applied) = before(15);
        let uuid = "019a0000-0000-7000-8000-123456789012";
        let of_a_uuid = format!("{uuid}-4");
        let of_segments = [("far-7-10", 5), ("far-7-2", 9), ("far-7-3", 1), ("k3-f9-12-0", 2), ("far-7-16383", 3)];
        let others = [
            "far-7-03",
            "far-07-3",
            "far-7-+3",
            "far-0-3",
            "far-7-16384",
            "far-7-4294967299",
            "far-7-",
            "far-7",
            "7-3",
            "-7-3",
            "far",
            "3",
            "far-7-3x",
            uuid,
        ];
        let others = others.map(|event_id| (event_id, 6));
        let rows: Vec<_> = of_segments.into_iter().chain([(of_a_uuid.as_str(), 4)]).chain(others).collect();
        for (event_id, received_at) in &rows {
            let kept = if id_rank(event_id).0 { "unhex(?1, '-')" } else { "?1" };
            let insert = format!("INSERT INTO inbox VALUES ({kept}, ?2, 1, 0)");
            connection.execute(&insert, params![event_id, received_at]).expect("an id");
        }
        apply(&connection, applied, Timestamp::default()).expect("the others suit it");
        let mut segments = connection
            .prepare("SELECT quote(segment), indexes, received_at, version, events FROM inbox_segment ORDER BY 3")
            .expect("a table");
        let read = |row: &rusqlite::Row<'_>| {
            let indexes = Indexes::from_value(&Value::Text(row.get::<_, String>(1)?.into())).expect("ranges");
            let counts = [row.get::<_, i64>(2)?, row.get(3)?, row.get(4)?];
            Ok((row.get::<_, String>(0)?, indexes.iter().collect::<Vec<_>>(), counts))
        };
        let segments: Vec<_> = segments.query_map([], read).and_then(Iterator::collect).expect("rows");
        let expected = [
            ("'k3-f9-12'", vec![0], [2, 1, 0]),
            ("X'019A0000000070008000123456789012'", vec![4], [4, 1, 0]),
            ("'far-7'", vec![2, 3, 10, 16383], [9, 1, 0]),
        ];
        assert_eq!(segments, expected.map(|(segment, indexes, counts)| (segment.to_owned(), indexes, counts)));
        // An older program still knows them.
        let kept = connection.query_row("SELECT count(*) FROM inbox", [], |row| row.get::<_, u32>(0));
        assert_eq!(kept.map(|kept| kept as usize), Ok(rows.len()));
    }
}
