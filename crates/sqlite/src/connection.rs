//! How connections are set, with the reason for every setting.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Result, config::DbConfig};

use crate::checkpoint::LOG_BYTES_MAX;

/// Bytes of a page. A commit writes whole pages: larger ones waste more on a row here and there, smaller ones make
/// more of them for the blobs of the log. Measured (`examples/commit_rate.rs`).
pub const PAGE_BYTES: u32 = 4 * 1024;

/// Memory for pages, in KiB: the writer's holds the inner pages of the indexes and the ends where rows are added; what it
/// does not hold is read from the system's cache. More is slower: a commit that has balanced a tree walks through all
/// cached pages (`sqlite3PcacheTruncate`, since pages change places by way of the number of the lock page). `bench/run aged`
/// said 0.82 with 64 MiB, and 0.97 with 8. Entities that are in use are in the engine's cache, so that readers need little.
const WRITER_CACHE_KIB: u32 = 8 * 1024;
const READER_CACHE_KIB: u32 = 8 * 1024;

/// How long to wait for another process's lock: a reader that recovers the log, an operator's `sqlite3`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements that a connection keeps: three a table for the writer; loads and shapes of lists for a reader.
const STATEMENTS_MAX: usize = 512;

/// Opens the writer's connection. The file may be empty; nothing is written to it yet.
pub(crate) fn writer(path: &Path) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // The size of pages is settled with the first one, so it comes before everything else.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE_KIB))?;
    Ok(connection)
}

/// Readers see the last commit while the next one is written, and a commit is one append and one flush.
/// False: the file system cannot do it.
pub(crate) fn use_wal(connection: &Connection, bytes_max: Option<u64>) -> Result<bool> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    let page_bytes: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    // A commit is on the disk when it returns, also when the power fails.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Until the thread takes it over (`checkpoint.rs`).
    connection.pragma_update(None, "wal_autocheckpoint", LOG_BYTES_MAX / page_bytes)?;
    // After a long read has let the log grow, its file shrinks again.
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_MAX, |_| Ok(()))?;
    if let Some(bytes_max) = bytes_max {
        let pages = u32::try_from(bytes_max / u64::from(page_bytes)).unwrap_or(u32::MAX).max(1);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(mode == "wal")
}

/// How long the start waits for foreign readers of a log that a crash has left.
const LOG_READERS_TIMEOUT: Duration = Duration::from_millis(200);

/// Copies the log that a crash has left into the file, and begins a new one.
///
/// The last owner may have died of a flush that failed. Then the end of the log can be read, and is not on the disk; no
/// later flush of the log brings it there, and what is appended behind it would be lost with it. Copied, it is written
/// anew. A reader of another process may hold the log; it is rare, and the disk is most often well: the start goes on.
pub(crate) fn put_log_back(connection: &Connection) -> Result<()> {
    connection.busy_timeout(LOG_READERS_TIMEOUT)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.busy_timeout(BUSY_TIMEOUT)
}

/// How long the end of a checkpoint, for which the writer waits, waits itself for those who read the log.
const RESTART_TIMEOUT: Duration = Duration::from_millis(3);

/// Opens the connection that copies the log into the file. Both must have been begun.
pub(crate) fn copier(path: &Path) -> Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // SQLite opens the log with the first read.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.busy_timeout(RESTART_TIMEOUT)?;
    Ok(connection)
}

/// How a connection that only reads gets at the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// As one that may write: after a crash the first reader may have to recover the log.
    Full,
    /// Without the right to write to the file, or to the directory that it is in.
    ReadOnly,
    /// The same where no log is there, and none can be made: nothing is locked, so nothing may change.
    Unchanging,
}

/// Opens a connection that only reads. The file must be there.
pub(crate) fn reader(path: &Path, access: Access) -> Result<Connection> {
    let connection = match access {
        Access::Full => open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?,
        Access::ReadOnly => open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        Access::Unchanging => {
            open(unchanging(path).as_ref(), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)?
        }
    };
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(READER_CACHE_KIB))?;
    Ok(connection)
}

/// Whether the pages of the file have checksums. It has been read.
pub(crate) fn has_checksums(connection: &Connection) -> Result<bool> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    connection.query_row("PRAGMA page_checksums", [], |row| row.get::<_, String>(0)).map(|has| has == "1")
}

/// The URI of a file that does not change.
fn unchanging(path: &Path) -> OsString {
    let mut uri = b"file:".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'?' | b'#' | b'%' => uri.extend(format!("%{byte:02X}").into_bytes()),
            byte => uri.push(*byte),
        }
    }
    uri.extend(b"?immutable=1");
    OsString::from_vec(uri)
}

/// Memory mapping stays off: an error of the disk would be a signal that ends the process, not an error.
fn open(path: &Path, flags: OpenFlags) -> Result<Connection> {
    // Without SQLite's own mutex, because a connection has one user.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // The file may come from anywhere: what its schema calls is limited to what is harmless, and pages are checked.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // A misspelt column is an error and not a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // Sorting a page of rows needs no file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}
