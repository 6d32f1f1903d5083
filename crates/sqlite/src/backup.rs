//! A copy of a store while it runs, and a look at whether a store is whole.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
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
    inode::{self, FileId, Inode},
    place::with_end,
};

/// Pages that are copied between two calls of the progress function: 8 MiB.
const STEP_PAGES: i32 = 1024;

/// How often a copy that others have left over is made anew.
const TRIES_MAX: u32 = 10;

/// Findings that a check reports at most.
const FINDINGS_MAX: u32 = 100;

/// Why there is no copy. Nothing was left behind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    #[error("{path} exists already: choose another path, or move it away")]
    Exists { path: String },
    #[error("another backup writes {path} at the moment: wait until it has ended, or choose another path")]
    Running { path: String },
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
        let target = |error: &rusqlite::Error| target(to, error);
        refuse_existing(to)?;
        let partial = Partial::beside(to)?;
        let source = self.pool.source.connect()?;
        let mut copy = Connection::open(&partial.path).map_err(|error| target(&error))?;
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
        let found = findings(&connection::reader(&partial.path, Access::Full).map_err(|error| target(&error))?);
        match found.map_err(|error| store_error(&error))?.first() {
            Some(finding) => Err(BackupError::NotWhole(finding.clone())),
            None => partial.rename(to),
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

/// Nothing is overwritten, and a log of another store would be taken for the copy's.
fn refuse_existing(to: &Path) -> Result<(), BackupError> {
    match with_ends(to).into_iter().find(|path| path.exists()) {
        Some(path) => Err(BackupError::Exists { path: path.display().to_string() }),
        None => Ok(()),
    }
}

fn target(to: &Path, error: &dyn std::fmt::Display) -> BackupError {
    BackupError::Target { path: to.display().to_string(), reason: error.to_string() }
}

/// A copy under construction, removed with what SQLite puts beside it unless it is given its name. It is locked: what a
/// crash has left is free, and is made anew.
struct Partial {
    path: PathBuf,
    inode: Arc<Inode>,
}

impl Partial {
    fn beside(to: &Path) -> Result<Self, BackupError> {
        let failed = |error: io::Error| target(to, &error);
        let running = || BackupError::Running { path: to.display().to_string() };
        let name = to.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        let path = to.with_file_name(format!("{}.partial", name.display()));
        for _ in 0..TRIES_MAX {
            let is_new = inode::create(&path).map_err(failed)?;
            let inode = match Inode::open(&path) {
                // Another backup has taken it for left over.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                inode => inode.map_err(failed)?,
            };
            if !inode.own().map_err(failed)? {
                return Err(running());
            }
            let partial = Self { path: path.clone(), inode };
            if is_new && partial.is_in_place() {
                return Ok(partial);
            }
            // One that was left over is removed here.
        }
        Err(running())
    }

    fn is_in_place(&self) -> bool {
        FileId::at(&self.path).is_ok_and(|id| id == self.inode.id)
    }

    fn rename(self, to: &Path) -> Result<(), BackupError> {
        File::open(&self.path).and_then(|file| file.sync_all()).map_err(|error| target(to, &error))?;
        // It may have come since the copy was begun.
        refuse_existing(to)?;
        let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let renamed = fs::rename(&self.path, to).and_then(|()| File::open(directory)?.sync_all());
        renamed.map_err(|error| target(to, &error))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What is there may be another backup's by now.
        let ends = if self.is_in_place() { with_ends(&self.path).into() } else { Vec::new() };
        for path in ends {
            // Most often there is none.
            let _removed = fs::remove_file(path);
        }
        self.inode.release();
    }
}
