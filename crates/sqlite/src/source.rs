//! What a command reads that does not own the store: the file itself, or a copy where the log cannot be read in its place.

use std::{
    env, fs,
    fs::{DirBuilder, OpenOptions},
    io::{self, Seek},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::{Connection, ErrorCode};
use tradewind_engine::ports::StoreError;

use crate::{
    OpenError,
    connection::{self, Access},
    error::store_error,
    inode::{FILE_MODE, FileId, Inode},
    place::{Place, Stamp, with_end},
};

const DIRECTORY_MODE: u32 = 0o700;

/// Where connections of readers come from.
pub(crate) struct Source {
    place: Place,
    access: Access,
    /// Of files that nothing protects from being changed meanwhile.
    stamp: Option<Stamp>,
    /// Whether each read looks that the file is still in its place. The owner's do not: each of its commits looks.
    looks: bool,
    /// Closed and removed after the connections.
    inode: Arc<Inode>,
    _copy: Option<PrivateCopy>,
}

impl Source {
    /// For the owner of the store.
    pub fn of_owner(path: PathBuf, inode: Arc<Inode>) -> Self {
        let place = Place::new(path, inode.id);
        Self { place, access: Access::Full, stamp: None, looks: false, inode, _copy: None }
    }

    /// The first way that works; nothing is written where nothing may be.
    pub fn of_reader(path: &Path, inode: Arc<Inode>) -> Result<Self, OpenError> {
        let failed = |error: &rusqlite::Error| OpenError::sqlite(path, error);
        let place = Place::new(path.to_owned(), inode.id);
        // SQLite makes what it needs beside the store, or reads the index of a log that another user's process keeps.
        let direct = if inode.writable { Some(Access::Full) } else { None };
        let beside = with_end(path, "-shm").exists().then_some(Access::ReadOnly);
        for access in direct.into_iter().chain(beside) {
            match opens(path, access) {
                Ok(()) => return Ok(Self { place, access, stamp: None, looks: true, inode, _copy: None }),
                Err(error) if !is_forbidden(&error) => return Err(failed(&error)),
                Err(_) => {}
            }
        }
        let stamp = Stamp::of(path);
        if fs::metadata(with_end(path, "-wal")).map_or(0, |log| log.len()) == 0 {
            let access = Access::Unchanging;
            opens(path, access).map_err(|error| failed(&error))?;
            return Ok(Self { place, access, stamp: Some(stamp), looks: true, inode, _copy: None });
        }
        let copy = PrivateCopy::make(path, &inode).map_err(|error| OpenError::io(path, &error))?;
        let changed =
            |error: StoreError| OpenError::Unusable { store: path.display().to_string(), reason: error.to_string() };
        stamp.check(path).map_err(changed)?;
        let inode = Inode::open(&copy.file()).map_err(|error| OpenError::io(path, &error))?;
        let place = Place::new(copy.file(), inode.id);
        Ok(Self { place, access: Access::Full, stamp: None, looks: false, inode, _copy: Some(copy) })
    }

    pub fn inode(&self) -> &Inode {
        &self.inode
    }

    pub fn path(&self) -> &Path {
        &self.place.path
    }

    pub fn connect(&self) -> Result<Connection, StoreError> {
        let connection = connection::reader(self.path(), self.access).map_err(|error| store_error(&error))?;
        // Another store may be there by now.
        self.place.check()?;
        Ok(connection)
    }

    /// Whether what was just read is what was asked for.
    pub fn check(&self) -> Result<(), StoreError> {
        match &self.stamp {
            Some(stamp) => stamp.check(self.path()),
            None if self.looks => self.place.check(),
            None => Ok(()),
        }
    }

    /// The size of the file, if it is still there.
    pub fn bytes_in_place(&self) -> Result<u64, StoreError> {
        self.place.bytes()
    }

    /// Whether the file is still there.
    pub fn is_in_place(&self) -> Result<(), StoreError> {
        self.place.check()
    }
}

fn opens(path: &Path, access: Access) -> rusqlite::Result<()> {
    let connection = connection::reader(path, access)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Something would have to be written.
fn is_forbidden(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied))
}

/// A store with its log, in a directory of its own.
struct PrivateCopy(PathBuf);

impl PrivateCopy {
    fn make(store: &Path, inode: &Inode) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("tradewind-read-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let copy = Self(env::temp_dir().join(name));
        DirBuilder::new().mode(DIRECTORY_MODE).create(&copy.0)?;
        // Not opened once more: closing it would free locks of SQLite.
        let mut from = inode.file()?;
        from.rewind()?;
        io::copy(&mut from, &mut created(&copy.file())?)?;
        let mut log = fs::File::open(with_end(store, "-wal"))?;
        io::copy(&mut log, &mut created(&with_end(&copy.file(), "-wal"))?)?;
        // It may have been replaced since it was opened.
        if FileId::at(store)? == inode.id { Ok(copy) } else { Err(io::ErrorKind::StaleNetworkFileHandle.into()) }
    }

    fn file(&self) -> PathBuf {
        self.0.join("store.db")
    }
}

impl Drop for PrivateCopy {
    fn drop(&mut self) {
        // What cannot be removed is for this user alone.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

fn created(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}
