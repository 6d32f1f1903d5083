//! Who owns a store: a lock on its file and one on a file beside it. The system frees both when their process dies.
//!
//! The first finds the owner by whatever name it has opened the store. The second holds the name: when the file of a
//! running shop is deleted, no other shop begins under its name before the first has ended.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    OpenError,
    inode::{self, FILE_MODE, Inode},
    place::with_end,
};

/// Held as long as it lives. The file beside the store stays: whoever removed it could remove the next owner's.
#[derive(Debug)]
pub(crate) struct Ownership {
    pub inode: Arc<Inode>,
    _beside: File,
}

impl Ownership {
    /// Takes a store, which is created as an empty file when there is none.
    pub fn take(store: &Path) -> Result<Self, OpenError> {
        let (held, beside) = if store.exists() {
            let held = Held::new(store)?;
            refuse_hard_link(store)?;
            let beside = lock_beside(store)?;
            (held, beside)
        } else {
            let beside = lock_beside(store)?;
            inode::create(store).map_err(|error| OpenError::io(store, &error))?;
            (Held::new(store)?, beside)
        };
        Ok(Self { inode: held.keep(), _beside: beside })
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        self.inode.release();
    }
}

/// A lock on the file of a store, released unless it is kept.
struct Held(Arc<Inode>, bool);

impl Held {
    fn new(store: &Path) -> Result<Self, OpenError> {
        let failed = |error: io::Error| OpenError::io(store, &error);
        let inode = Inode::open(store).map_err(failed)?;
        if inode.own().map_err(failed)? {
            return Ok(Self(inode, false));
        }
        Err(OpenError::Locked { store: store.display().to_string(), process: holder(store) })
    }

    fn keep(mut self) -> Arc<Inode> {
        self.1 = true;
        Arc::clone(&self.0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.1 {
            self.0.release();
        }
    }
}

/// SQLite keeps the log of a store beside one of its names. Under another one, what is in the log would be missing, and
/// what is written would get a second log. The name that a store was opened under has a lock file beside it.
pub(crate) fn refuse_hard_link(store: &Path) -> Result<(), OpenError> {
    let links = fs::metadata(store).map_err(|error| OpenError::io(store, &error))?.nlink();
    if links > 1 && !lock_path(store).exists() { Err(OpenError::other_name(store)) } else { Ok(()) }
}

/// The same for a file that is mounted at a second path, which no count of links shows: it has an owner, and no log here.
pub(crate) fn refuse_mount(store: &Path, inode: &Inode) -> Result<(), OpenError> {
    if lock_path(store).exists() || with_end(store, "-wal").exists() {
        return Ok(());
    }
    match inode.is_owned() {
        Ok(false) => Ok(()),
        Ok(true) => Err(OpenError::other_name(store)),
        Err(error) => Err(OpenError::io(store, &error)),
    }
}

fn lock_beside(store: &Path) -> Result<File, OpenError> {
    let path = lock_path(store);
    let failed = |error: &io::Error| OpenError::io(&path, error);
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(&path);
    let mut file = open.map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::Locked { store: store.display().to_string(), process: named_in(&mut file) });
        }
        Err(TryLockError::Error(error)) => return Err(failed(&error)),
    }
    // For the message of whoever comes second.
    let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    noted.map_err(|error| failed(&error))?;
    Ok(file)
}

/// The process that owns the store under this name.
fn holder(store: &Path) -> Option<u32> {
    let mut file = File::open(lock_path(store)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => named_in(&mut file),
        _ => None,
    }
}

fn named_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn lock_path(store: &Path) -> PathBuf {
    with_end(store, ".lock")
}
