//! A copy of a store while it runs, and a look at whether a store is whole.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
    ffi,
};
use tradewind_engine::ports::StoreError;

use crate::{
    SqliteReader,
    connection::{self, Access},
    error::{reason, store_error},
    inode,
    place::with_end,
};

/// Pages that are copied between two calls of the progress function: 8 MiB.
const STEP_PAGES: i32 = 1024;

/// Findings that a check reports at most.
const FINDINGS_MAX: u32 = 100;

/// Why there is no copy. Nothing was left behind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    #[error("{path} exists already: choose another path, or move it away")]
    Exists { path: String },
    #[error("the copy cannot be written to {path}: {reason}")]
    Target { path: String, reason: String },
    #[error("the copy is not whole, and was discarded: {0}")]
    NotWhole(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub pages_copied: u64,
    pub pages: u64,
}

impl SqliteReader {
    /// Copies the store as of one commit into a new file, checks the copy, and only then gives it its name.
    ///
    /// The log of SQLite cannot be cut while the copy is made, so it grows by what is committed meanwhile.
    pub fn back_up(&self, to: &Path, progress: &mut dyn FnMut(Progress)) -> Result<(), BackupError> {
        let target = |error: &dyn std::fmt::Display| BackupError::Target {
            path: to.display().to_string(),
            reason: error.to_string(),
        };
        // A log of another store would be taken for the copy's.
        if let Some(path) = with_ends(to).into_iter().find(|path| path.exists()) {
            return Err(BackupError::Exists { path: path.display().to_string() });
        }
        let partial = Partial::beside(to).map_err(|error| target(&error))?;
        let source = self.pool.source.connect()?;
        let mut copy = Connection::open(&partial.0).map_err(|error| target(&error))?;
        // A copy that is broken off is deleted: no journal is needed, and one flush at the end.
        copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(|error| target(&error))?;
        if connection::has_checksums(&source).map_err(|error| store_error(&error))? {
            // Its first page says that the others have checksums, so it is written before them.
            copy.execute_batch("PRAGMA user_version = 1").map_err(|error| target(&error))?;
        }
        copy_pages(&source, &mut copy, progress).map_err(|error| match self.pool.failed(&error) {
            // What cannot be read is no fault of where it goes.
            damaged @ StoreError::Corrupt(_) => damaged.into(),
            _ => target(&error),
        })?;
        self.pool.source.check()?;
        copy.execute("UPDATE store_meta SET is_copy = 1", []).map_err(|error| target(&error))?;
        drop(copy);
        let found = findings(&connection::reader(&partial.0, Access::Full).map_err(|error| target(&error))?);
        match found.map_err(|error| store_error(&error))?.first() {
            Some(finding) => Err(BackupError::NotWhole(finding.clone())),
            None => partial.rename(to).map_err(|error| target(&error)),
        }
    }

    /// Reads the whole store and says what is wrong with it; nothing, when it is whole.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        self.pool.read(findings)
    }
}

fn copy_pages(source: &Connection, copy: &mut Connection, progress: &mut dyn FnMut(Progress)) -> rusqlite::Result<()> {
    // Held until the end: a commit meanwhile would start the copy again.
    let snapshot = source.unchecked_transaction()?;
    snapshot.query_row("SELECT epoch FROM store_meta", [], |_| Ok(()))?;
    let backup = Backup::new(source, copy)?;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let (remaining, pages) = (backup.progress().remaining, backup.progress().pagecount);
        let pages_copied = u64::try_from(pages - remaining).unwrap_or(0);
        progress(Progress { pages_copied, pages: u64::try_from(pages).unwrap_or(0) });
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)),
        }
    }
}

fn findings(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({FINDINGS_MAX})"))?;
    let rows = statement.query_map([], |row| row.get(0))?;
    let mut found = Vec::new();
    for finding in rows {
        match finding {
            // What cannot be read at all ends the check.
            Err(error) if matches!(store_error(&error), StoreError::Corrupt(_) | StoreError::Rejected(_)) => {
                found.push(reason(&error));
            }
            finding => found.push(finding?),
        }
    }
    found.retain(|finding| finding != "ok");
    Ok(found)
}

/// The files that a store is made of.
fn with_ends(store: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| with_end(store, end))
}

/// A copy under construction, removed with what SQLite puts beside it unless it is given its name.
struct Partial(PathBuf);

impl Partial {
    fn beside(to: &Path) -> io::Result<Self> {
        let name = to.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let partial = Self(to.with_file_name(format!("{}.partial", name.display())));
        partial.remove();
        inode::create(&partial.0)?;
        Ok(partial)
    }

    fn rename(self, to: &Path) -> io::Result<()> {
        File::open(&self.0)?.sync_all()?;
        fs::rename(&self.0, to)?;
        let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()
    }

    fn remove(&self) {
        for path in with_ends(&self.0) {
            // Most often there is none.
            let _removed = fs::remove_file(path);
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.remove();
    }
}
