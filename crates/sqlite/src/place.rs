//! Where a store is, and whether the files there are still the ones that were opened. SQLite does not look: it goes on
//! writing into a file that was deleted, and everything that is answered since then is lost.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
};

use tradewind_engine::ports::StoreError;

use crate::inode::FileId;

/// The first bytes of a log of SQLite, but for the last bit, which says how its checksums are made.
const LOG_MAGIC: u32 = 0x377f_0682;

/// A path, and the file that was there when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub path: PathBuf,
    id: FileId,
}

/// The name of a file that belongs to a store.
pub(crate) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

impl Place {
    pub fn new(path: PathBuf, id: FileId) -> Self {
        Self { path, id }
    }

    /// Refuses when another file is there, or none.
    pub fn check(&self) -> Result<(), StoreError> {
        self.bytes().map(|_| ())
    }

    /// The same; or its size.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        at(&self.path, self.id).map(|file| file.size())
    }
}

/// The file at the path, if it is this one.
fn at(path: &Path, id: FileId) -> Result<Metadata, StoreError> {
    match fs::metadata(path) {
        Ok(file) if FileId::of(&file) == id => Ok(file),
        Ok(_) => Err(lost(path, "was replaced by another file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(lost(path, "was deleted or moved away")),
        Err(error) => Err(StoreError::Unusable(format!("{}: {error}", path.display()))),
    }
}

fn lost(path: &Path, how: &str) -> StoreError {
    StoreError::Unusable(format!("{} {how} while the store was open", path.display()))
}

/// What the writer compares with each commit, before it is acknowledged.
#[derive(Debug)]
pub(crate) struct Watch {
    store: Place,
    /// It only grows.
    bytes: u64,
    log: Place,
    log_file: File,
    /// After our last commit. Nobody else makes the log shorter, unless it is emptied when all of it is in the store.
    log_bytes: u64,
    /// The index of the log, by which processes tell each other what they read.
    index: Place,
}

impl Watch {
    /// Remembers what is there. The log must have been begun.
    pub fn new(store: Place) -> io::Result<Self> {
        let place = |end: &str| {
            let path = with_end(&store.path, end);
            FileId::at(&path).map(|id| Place::new(path, id))
        };
        let (log, index) = (place("-wal")?, place("-shm")?);
        let log_file = File::open(&log.path)?;
        let (bytes, log_bytes) = (fs::metadata(&store.path)?.size(), log_file.metadata()?.size());
        Ok(Self { store, bytes, log, log_file, log_bytes, index })
    }

    /// Before a commit: what was committed is still in the log.
    pub fn before(&self) -> Result<(), StoreError> {
        let bytes = at(&self.log.path, self.log.id)?.size();
        if bytes < self.log_bytes && bytes > 0 { Err(lost(&self.log.path, "was cut off")) } else { Ok(()) }
    }

    /// After a commit, before it is acknowledged: it is where the next start looks for it.
    pub fn after(&mut self) -> Result<(), StoreError> {
        let bytes = at(&self.store.path, self.store.id)?.size();
        if bytes < self.bytes {
            return Err(lost(&self.store.path, "was cut off"));
        }
        let log_bytes = at(&self.log.path, self.log.id)?.size();
        self.index.check()?;
        if log_bytes > 0 && !self.log_has_begin() {
            return Err(lost(&self.log.path, "was emptied"));
        }
        (self.bytes, self.log_bytes) = (bytes, log_bytes);
        Ok(())
    }

    /// A log that was emptied behind SQLite's back is written on where it had ended, after a hole.
    fn log_has_begin(&self) -> bool {
        let mut magic = [0; 4];
        self.log_file.read_exact_at(&mut magic, 0).is_ok() && u32::from_be_bytes(magic) & !1 == LOG_MAGIC
    }
}

/// How the files of a store look that nobody may change while they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<Option<(FileId, u64, i64, i64)>>);

impl Stamp {
    pub fn of(store: &Path) -> Self {
        let one = |path: PathBuf| {
            let file = fs::metadata(path).ok()?;
            Some((FileId::of(&file), file.size(), file.mtime(), file.mtime_nsec()))
        };
        Self(vec![one(store.to_owned()), one(with_end(store, "-wal"))])
    }

    pub fn check(&self, store: &Path) -> Result<(), StoreError> {
        if *self == Self::of(store) {
            return Ok(());
        }
        let store = store.display();
        Err(StoreError::Unusable(format!("{store} has changed while it was read: a shop has begun to run on it")))
    }
}
