//! The embedded store: one SQLite file, one writer, readers beside it.
//!
//! [`Sqlite::open`] makes this process the owner of a store: it locks the file, brings the schema up to date and takes the
//! next epoch, which every commit checks. [`Sqlite::open_reader`] only looks, whoever owns it.
//!
//! **Invariant:** a commit is one transaction, on the disk when it returns, and nothing of a refused one is there.
//!
//! **Invariant:** only SQLite and `inode.rs` open the file of a store: closing it frees SQLite's locks on it.
//!
//! **Invariant:** a commit is acknowledged only when it is in the files that the next start opens (`place.rs`).
//!
//! **Invariant:** each page of the file has a checksum, which is compared when the page is read (`sealed.c`), and so has each
//! frame of its log (`log.c`).
//!
//! **Invariant:** what was committed behind damage in the log is not dropped: the store does not open (`log.c`).
//!
//! Nothing here knows a service: tables come as [`tradewind_engine::Table`], their SQL from `migrations/`.

mod backup;
mod checkpoint;
mod connection;
mod error;
mod inode;
mod list;
mod lock;
mod migrate;
mod open;
mod place;
mod pool;
mod reader;
mod scrub;
mod search;
mod segments;
mod source;
mod sql;
mod value;
mod writer;

pub use backup::{BackupError, Progress};
pub use connection::PAGE_BYTES;
pub use error::OpenError;
pub use open::{Meta, Opened, Options, READERS_MAX, Sqlite};
pub use reader::SqliteReader;
pub use writer::SqliteWriter;
