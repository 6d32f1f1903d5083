//! Who owns a store: a lock on a file beside it, which the system frees the moment its process dies.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use crate::OpenError;

/// Held as long as it lives. The file stays: whoever removed it could remove the next owner's.
#[derive(Debug)]
pub(crate) struct Ownership {
    _file: File,
}

impl Ownership {
    pub fn take(store: &Path) -> Result<Self, OpenError> {
        let path = lock_path(store);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(|error| OpenError::io(&path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { store: store.display().to_string(), process: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(OpenError::io(&path, &error)),
        }
        // For the message of whoever comes second.
        let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(|error| OpenError::io(&path, &error))?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    store.with_file_name(name)
}
