//! The event log: one table a month, `segment_YYYYMM`, made when its first segment is committed, and the register of
//! them. Numbers never go back to an earlier table, even if the clock did: a period is a range of numbers.

use rusqlite::{Connection, OptionalExtension, Result, params};
use tradewind_engine::{ports::CommitError, segment::Segment};
use tradewind_events::Timestamp;

use crate::{
    error::commit_error,
    value::{signed, unsigned},
};

/// A month as a number, `202601`.
type Period = i64;

/// Appends a segment, inside the transaction of its commit.
pub(crate) fn append(connection: &Connection, segment: &Segment) -> std::result::Result<(), CommitError> {
    let failed = |error: rusqlite::Error| commit_error("segment", &error);
    let newest = newest_period(connection).map_err(failed)?;
    let last = match newest {
        Some(period) => last_in(connection, period).map_err(failed)?,
        None => 0,
    };
    if segment.number != last + 1 {
        let reason = format!("segment {} follows {last}: the log has no gaps and nothing twice", segment.number);
        return Err(CommitError::Constraint { table: String::from("segment"), reason });
    }
    let period = newest.unwrap_or(0).max(month(segment.committed_at));
    if newest != Some(period) {
        open_period(connection, period, segment.number).map_err(failed)?;
    }
    insert(connection, period, segment).map_err(failed)
}

/// Ends the numbers before `number` with an empty segment, so that the log goes on behind it.
pub(crate) fn go_on_behind(connection: &Connection, number: u64, now: Timestamp) -> Result<()> {
    let newest = newest_period(connection)?;
    let last = match newest {
        Some(period) => {
            let sql = format!("SELECT max(committed_at) FROM segment_{period}");
            connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0))?
        }
        None => None,
    };
    // Time in the log does not go back.
    let committed_at = last.map_or(now, |last| now.max(Timestamp::from_millis(last)));
    let period = newest.unwrap_or(0).max(month(committed_at));
    if newest != Some(period) {
        open_period(connection, period, number)?;
    }
    let empty = Segment { number, committed_at, events: 0, directory: Vec::new(), blocks: Vec::new() };
    insert(connection, period, &empty)
}

fn insert(connection: &Connection, period: Period, segment: &Segment) -> Result<()> {
    let sql = format!(
        "INSERT INTO segment_{period} (number, committed_at, events, directory, blocks) VALUES (?1, ?2, ?3, ?4, ?5)"
    );
    connection.prepare_cached(&sql)?.execute(params![
        signed(segment.number),
        segment.committed_at.as_millis(),
        segment.events,
        segment.directory,
        segment.blocks
    ])?;
    Ok(())
}

fn open_period(connection: &Connection, period: Period, first: u64) -> Result<()> {
    connection.execute_batch(&format!(
        "CREATE TABLE segment_{period} (
             number        INTEGER PRIMARY KEY,
             committed_at  INTEGER NOT NULL,
             events        INTEGER NOT NULL,
             directory     BLOB NOT NULL,
             blocks        BLOB NOT NULL
         ) STRICT"
    ))?;
    connection.execute(
        "INSERT INTO segment_period (period, first_segment) VALUES (?1, ?2)",
        params![period, signed(first)],
    )?;
    Ok(())
}

/// Segments from number `from` on. The caller holds a snapshot: a period may be dropped meanwhile.
pub(crate) fn read(connection: &Connection, from: u64, limit: u32) -> Result<Vec<Segment>> {
    let mut periods = connection.prepare_cached(
        // From the period that holds `from` on; the first of all when that is gone.
        "SELECT period FROM segment_period
         WHERE first_segment >= (SELECT coalesce(max(first_segment), 0) FROM segment_period WHERE first_segment <= ?1)
         ORDER BY first_segment",
    )?;
    let mut segments = Vec::new();
    let mut rows = periods.query([signed(from)])?;
    while let Some(row) = rows.next()? {
        let room = i64::from(limit) - i64::try_from(segments.len()).unwrap_or(i64::MAX);
        if room <= 0 {
            break;
        }
        read_period(connection, row.get(0)?, from, room, &mut segments)?;
    }
    Ok(segments)
}

fn read_period(connection: &Connection, period: Period, from: u64, limit: i64, out: &mut Vec<Segment>) -> Result<()> {
    let sql = format!(
        "SELECT number, committed_at, events, directory, blocks FROM segment_{period}
         WHERE number >= ?1 ORDER BY number LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let segments = statement.query_map([signed(from), limit], |row| {
        Ok(Segment {
            number: unsigned(row.get(0)?),
            committed_at: Timestamp::from_millis(row.get(1)?),
            events: row.get(2)?,
            directory: row.get(3)?,
            blocks: row.get(4)?,
        })
    })?;
    for segment in segments {
        out.push(segment?);
    }
    Ok(())
}

/// The number of the last segment; zero when there is none.
pub(crate) fn last(connection: &Connection) -> Result<u64> {
    newest_period(connection)?.map_or(Ok(0), |period| last_in(connection, period))
}

fn newest_period(connection: &Connection) -> Result<Option<Period>> {
    connection.prepare_cached("SELECT max(period) FROM segment_period")?.query_row([], |row| row.get(0))
}

fn last_in(connection: &Connection, period: Period) -> Result<u64> {
    let sql = format!("SELECT number FROM segment_{period} ORDER BY number DESC LIMIT 1");
    let last = connection.prepare_cached(&sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(unsigned(last.unwrap_or(0)))
}

fn month(at: Timestamp) -> Period {
    let digits: String = at.day().chars().filter(char::is_ascii_digit).take(6).collect();
    digits.parse().unwrap_or(0)
}
