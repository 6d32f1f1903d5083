//! The file of a store itself, whatever it is called: symbolic links, hard links and mounts lead to one inode.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Files that hold what customers tell a shop are for their owner alone. SQLite gives its log and its index the mode of
/// the file that they belong to.
pub(crate) const FILE_MODE: u32 = 0o600;

/// A reading command holds the lock for a moment to find out who owns the store: an owner tries again so often.
const LOCK_TRIES_MAX: u32 = 50;
const LOCK_TRY_EVERY: Duration = Duration::from_millis(2);

/// Which file it is, among all of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }

    pub fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|file| Self::of(&file))
    }
}

/// An open file. A process has at most one of each, and closes it after every connection of SQLite that uses it: closing
/// any descriptor of a file frees the locks that SQLite holds on it.
#[derive(Debug)]
pub(crate) struct Inode {
    pub id: FileId,
    pub writable: bool,
    /// `None` only while it is dropped.
    file: Option<File>,
    owned: AtomicBool,
}

static OPEN: Mutex<BTreeMap<FileId, Weak<Inode>>> = Mutex::new(BTreeMap::new());

fn open_files() -> MutexGuard<'static, BTreeMap<FileId, Weak<Inode>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inode {
    pub fn open(path: &Path) -> io::Result<Arc<Self>> {
        loop {
            let mut open = open_files();
            let there = fs::metadata(path)?;
            if !there.is_file() {
                return Err(io::Error::other("it is no file"));
            }
            let id = FileId::of(&there);
            match open.get(&id).map(Weak::upgrade) {
                Some(Some(inode)) => return Ok(inode),
                // It is being closed on another thread.
                Some(None) => {
                    drop(open);
                    thread::yield_now();
                }
                None => {
                    let (file, writable) = opened(path)?;
                    let id = FileId::of(&file.metadata()?);
                    let inode = Arc::new(Self { id, writable, file: Some(file), owned: AtomicBool::new(false) });
                    // The file at the path may have been replaced by one that is known, since it was looked at.
                    if open.get(&id).is_none() {
                        open.insert(id, Arc::downgrade(&inode));
                        return Ok(inode);
                    }
                }
            }
        }
    }

    pub fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Becomes its owner; `false` when another process or another part of this one is.
    pub fn own(&self) -> io::Result<bool> {
        if self.owned.swap(true, Ordering::AcqRel) {
            return Ok(false);
        }
        let locked = self.lock();
        if !matches!(locked, Ok(true)) {
            self.owned.store(false, Ordering::Release);
        }
        locked
    }

    fn lock(&self) -> io::Result<bool> {
        for nth in 0.. {
            match self.file()?.try_lock() {
                Ok(()) => return Ok(true),
                Err(TryLockError::WouldBlock) if nth < LOCK_TRIES_MAX => pause(),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Ends the ownership.
    pub fn release(&self) {
        // Closing the file would do the same.
        let _unlocked = self.file().and_then(File::unlock);
        self.owned.store(false, Ordering::Release);
    }

    /// Whether there is an owner.
    pub fn is_owned(&self) -> io::Result<bool> {
        if self.owned.load(Ordering::Acquire) {
            return Ok(true);
        }
        match self.file()?.try_lock_shared() {
            Ok(()) => self.file()?.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        let mut open = open_files();
        // Under the lock, so that nobody opens it before it is closed.
        self.file = None;
        if open.get(&self.id).is_some_and(|known| known.strong_count() == 0) {
            open.remove(&self.id);
        }
    }
}

/// Opens the file for writing, or else for reading.
fn opened(path: &Path) -> io::Result<(File, bool)> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok((file, true)),
        Err(_) => File::open(path).map(|file| (file, false)),
    }
}

/// Makes an empty file that its owner alone may read, whatever the umask. `false`: one is there, and is left as it is.
pub(crate) fn create(path: &Path) -> io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[expect(clippy::disallowed_methods, reason = "the system cannot wait for a lock with a time limit")]
fn pause() {
    thread::sleep(LOCK_TRY_EVERY);
}
