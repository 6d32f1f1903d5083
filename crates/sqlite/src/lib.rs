//! The embedded store: one SQLite file, one writer, readers beside it.
//!
//! [`Sqlite::open`] makes this process the owner of a store: it holds a lock on a file beside it, brings the schema up
//! to date and takes the next epoch, which every commit checks. [`Sqlite::open_reader`] only looks, whoever owns it.
//!
//! **Invariant:** a commit is one transaction, on the disk when it returns, and nothing of a refused one is there.
//!
//! **Invariant:** nothing in this process opens the file of a store but SQLite: closing it would free SQLite's locks.
//!
//! Nothing here knows a service: tables come as [`tradewind_engine::Table`], their SQL from `migrations/`.

mod backup;
mod connection;
mod error;
mod list;
mod lock;
mod migrate;
mod open;
mod pool;
mod reader;
mod search;
mod segments;
mod sql;
mod value;
mod writer;

pub use backup::{BackupError, Progress};
pub use connection::PAGE_BYTES;
pub use error::OpenError;
pub use open::{Meta, Opened, Options, READERS_MAX, Sqlite};
pub use reader::SqliteReader;
pub use writer::SqliteWriter;
