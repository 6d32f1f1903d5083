//! What can be wrong with a store, said so that its operator knows what to do.

use std::{fs, io, path::Path};

use rusqlite::{ErrorCode, ffi};
use tradewind_engine::ports::{CommitError, StoreError};

use crate::inode;

/// The code of `log.c` for a frame of the log that does not match its checksum.
const LOG_DAMAGED: i32 = ffi::SQLITE_IOERR | (97 << 8);

/// Why a store was not opened. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("{store} is owned by another process{}: stop that one first", process_named(*.process))]
    Locked { store: String, process: Option<u32> },
    #[error(
        "{store} was written by a newer version of this program (schema {theirs}, this one knows {ours}): start that \
         version, or restore a backup from before the upgrade"
    )]
    NewerVersion { store: String, theirs: u32, ours: u32 },
    #[error(
        "{store} is of an older version (schema {theirs}, this program reads {ours}): start its owner with this \
         version, which brings the store up to date"
    )]
    OlderVersion { store: String, theirs: u32, ours: u32 },
    #[error(
        "migration {number} of {store} is not the one of this program ({difference}): start the version that made the \
         store; a released migration is never edited"
    )]
    WrongMigrations { store: String, number: u32, difference: String },
    #[error(
        "{store} was created for the services {}, this start asks for {}: start with the same services, or choose \
         another store",
        .recorded.join(", "), .asked.join(", ")
    )]
    OtherServices { store: String, recorded: Vec<String>, asked: Vec<String> },
    #[error(
        "{store} is shard {recorded} of its services, this program runs shard {ours}: start the version that made the \
         store, or choose another store"
    )]
    OtherShard { store: String, recorded: String, ours: &'static str },
    #[error(
        "{store} belongs to the peer {recorded:?}, and the peers file calls this process {asked:?}: give the process its \
         name back, or choose another store; under another name, what the broker keeps for {recorded:?} would be lost"
    )]
    OtherPeer { store: String, recorded: String, asked: String },
    #[error("{store} is a database of another program: choose another path")]
    NotOurs { store: String },
    #[error("there is no store at {store}: check the path, or start the server once to create it")]
    Missing { store: String },
    #[error(
        "{store} is one of several names of a store (a hard link or a mount), and what was committed last may be beside \
         another one: use the name that the store was created under, or remove the others"
    )]
    OtherName { store: String },
    #[error("{path} cannot be read ({reason}): run this as the user who owns it")]
    Unreadable { path: String, reason: String },
    #[error("the directory {directory} does not exist: create it, or choose another path")]
    NoDirectory { directory: String },
    #[error(
        "{path} cannot be written ({reason}): give this user the right to write to the directory and the files in it"
    )]
    ReadOnly { path: String, reason: String },
    #[error("there is no room for {store} ({reason}): free space on its disk, or raise its limit")]
    Full { store: String, reason: String },
    #[error(
        "{store} is damaged ({reason}): keep it aside with its -wal file, and restore the last backup in its place"
    )]
    Corrupt { store: String, reason: String },
    #[error("{name:?} is no name for a store: take 1 to 16 visible ASCII characters")]
    InvalidName { name: String },
    #[error("{store} cannot be opened ({reason}): remove the cause and start again")]
    Unusable { store: String, reason: String },
}

/// SQLite does not say why it cannot open or make a file. Whoever makes one beside the store finds out.
fn made_beside(store: &Path) -> io::Result<()> {
    let mut name = store.as_os_str().to_owned();
    name.push(".try");
    let made = inode::create(name.as_ref()).and_then(|_| fs::write(&name, b"?"));
    made.and(fs::remove_file(&name))
}

fn process_named(process: Option<u32>) -> String {
    process.map_or_else(String::new, |id| format!(" (process {id})"))
}

impl OpenError {
    pub(crate) fn sqlite(store: &Path, error: &rusqlite::Error) -> Self {
        let (path, reason) = (store.display().to_string(), reason(error));
        match error.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path, reason },
            Some(ErrorCode::CannotOpen) => match made_beside(store) {
                Err(error) => Self::io(store, &error),
                Ok(()) => Self::Unusable { store: path, reason },
            },
            _ => match store_error(error) {
                StoreError::Full(reason) => Self::Full { store: path, reason },
                // What stands in the rows that a start reads is not what we write.
                StoreError::Corrupt(reason) | StoreError::Rejected(reason) => Self::Corrupt { store: path, reason },
                StoreError::Unusable(reason) => Self::Unusable { store: path, reason },
            },
        }
    }

    pub(crate) fn other_name(store: &Path) -> Self {
        Self::OtherName { store: store.display().to_string() }
    }

    pub(crate) fn lost(store: &Path, error: &StoreError) -> Self {
        Self::Unusable { store: store.display().to_string(), reason: error.to_string() }
    }

    pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                Self::Unreadable { path: path.display().to_string(), reason: error.to_string() }
            }
            _ => Self::io(path, error),
        }
    }

    pub(crate) fn io(path: &Path, error: &io::Error) -> Self {
        let (path, reason) = (path.display().to_string(), error.to_string());
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, reason },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { store: path, reason },
            _ => Self::Unusable { store: path, reason },
        }
    }
}

/// What an error of SQLite means for whoever uses the store.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    let reason = reason(error);
    match error {
        _ if is_rejection(error) => StoreError::Rejected(reason),
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full(reason),
            // The index of the log beside it cannot grow.
            _ if error.sqlite_extended_error_code() == Some(ffi::SQLITE_IOERR_SHMSIZE) => StoreError::Full(reason),
            // A page that does not match its checksum (`sealed.c`).
            _ if error.sqlite_extended_error_code() == Some(ffi::SQLITE_IOERR_DATA) => {
                StoreError::Corrupt(String::from("a page of it is not what was written"))
            }
            _ if is_log_damage(error) => StoreError::Corrupt(String::from("its -wal file is not what was written")),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt(reason),
            _ => StoreError::Unusable(reason),
        },
    }
}

/// A part of the log is not what was written: the next start would not find what is written behind it.
pub(crate) fn is_log_damage(error: &rusqlite::Error) -> bool {
    error.sqlite_extended_error_code() == Some(LOG_DAMAGED)
}

/// What was written before may be missing on the disk.
pub(crate) fn is_failed_flush(error: &rusqlite::Error) -> bool {
    error.sqlite_extended_error_code() == Some(ffi::SQLITE_IOERR_FSYNC)
}

/// What an error means for a batch that wrote to this table.
pub(crate) fn commit_error(table: &str, error: &rusqlite::Error) -> CommitError {
    match store_error(error) {
        StoreError::Rejected(reason) => CommitError::Constraint { table: table.to_owned(), reason },
        failed => failed.into(),
    }
}

/// What SQLite says, without the statement: that may be a whole migration.
pub(crate) fn reason(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        _ => error.to_string(),
    }
}

/// The key or the row is at fault, and not the store: it answers every other question.
pub(crate) fn is_rejection(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    matches!(
        error,
        Error::InvalidParameterCount(..)
            | Error::ToSqlConversionFailure(_)
            | Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
            | Error::NulError(_)
    ) || matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::ParameterOutOfRange
        )
    )
}
