//! The store port: load many by key, apply one batch, list, search, read the log. An adapter is small, because all
//! that it sees is tables and rows: the engine's own (`tables.rs`) like those of services.

use tradewind_events::{Key, Timestamp, Value};

use crate::{StoredRow, Table, segment::Segment};

pub use crate::segment::SEGMENT_BLOCK_BYTES_MAX;

/// The one writer of a store.
pub trait Writer: Send {
    /// Applies a batch in one transaction, durable when it returns.
    fn commit(&mut self, commit: &Commit) -> Result<(), CommitError>;
}

/// Reads what is committed. Used beside the writer, from several threads.
pub trait Reader: Send + Sync {
    /// The rows of these keys, in their order; `None` where there is none. When one key is at fault the answer is
    /// [`StoreError::Rejected`] for all of them, and the same keys one by one tell which. What stands in a row is no
    /// matter of the reader: a value that is not of its column's kind comes as bytes, and the entity refuses it.
    fn load(&self, table: &'static Table, keys: &[Key]) -> Result<Vec<Option<StoredRow>>, StoreError>;

    /// A page of rows.
    fn list(&self, list: &List) -> Result<Vec<StoredRow>, StoreError>;

    /// Rows of a list whose column [`WORDS`] holds every phrase, best first; none when there is no phrase. Only for tables
    /// that the store keeps a text index of. The list says which rows and how many; it has no order of its own and begins
    /// nowhere.
    fn search(&self, list: &List, phrases: &[Phrase], offset: u32) -> Result<Vec<StoredRow>, StoreError>;

    /// Segments from number `from` on, at most `limit`, in order. The numbers have no gap but where a restored backup
    /// goes on: there stands a segment without events, behind all numbers that its original may have used.
    fn segments(&self, from: u64, limit: u32) -> Result<Vec<Segment>, StoreError>;

    /// The number of the last segment; zero when there is none.
    fn last_segment(&self) -> Result<u64, StoreError>;

    /// The moment of the last commit, [`Commit::at`], whether or not it had a segment. Engine time goes on from there.
    fn last_commit_at(&self) -> Result<Timestamp, StoreError>;

    /// A look-up by key takes some microseconds and waits for no network: whoever may not block may ask it directly.
    fn is_local(&self) -> bool {
        false
    }

    /// Looks for damage in the part of what is kept that begins here; the first one begins at zero. Returns where the next
    /// one begins, until all was looked at.
    fn scrub(&self, _from: u64) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    /// What is known to be wrong with the store: it is not where it was, or a read has met damage. It is quick.
    fn fault(&self) -> Option<StoreError> {
        None
    }
}

/// The column that is searched: words with one blank between. What a word is, and how it is spelt, is for the service to
/// say that owns the table, of the column as of a [`Phrase`]; no store folds or splits a text itself.
pub const WORDS: &str = "words";

/// Words that follow each other in the column [`WORDS`]. A word has letters, digits and marks only; ASCII letters are
/// small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase {
    /// With one blank between.
    pub words: String,
    /// The last word may be the beginning of one.
    pub is_prefix: bool,
}

/// One batch: everything that it changes, in one transaction.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The owner's epoch: a store that has a later one refuses with [`CommitError::NotOwner`].
    pub epoch: u64,
    pub at: Timestamp,
    /// Changed rows, in the order in which they were first touched.
    pub rows: Vec<RowChange>,
    /// The events; none when the batch has said nothing.
    pub segment: Option<Segment>,
}

#[derive(Debug, Clone)]
pub struct RowChange {
    pub table: &'static Table,
    pub key: Key,
    pub write: RowWrite,
}

/// Each checks that it changed exactly one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowWrite {
    Insert(StoredRow),
    Update { expected_version: u64, row: StoredRow },
    Delete { expected_version: u64 },
}

/// Which rows of a table, and in which order.
#[derive(Debug, Clone)]
pub struct List {
    pub table: &'static Table,
    /// Rows whose columns have these values.
    pub equal: Vec<(&'static str, Value)>,
    /// Rows whose columns are at most this.
    pub at_most: Vec<(&'static str, Value)>,
    /// Rows whose columns are at least this.
    pub at_least: Vec<(&'static str, Value)>,
    /// Rows of which another table has one that fits the filters of this list, under a key that begins with theirs. The
    /// columns of the key have the same names in both; order, place and limit of this list mean nothing.
    pub having: Option<Box<List>>,
    /// Sorted by this column, then by key; by key alone when `None`.
    pub order_by: Option<&'static str>,
    pub direction: Direction,
    /// After this row of the same order: the value of `order_by` (`Null` without it) and the key.
    pub after: Option<(Value, Key)>,
    pub limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    #[default]
    Ascending,
    Descending,
}

impl List {
    /// All rows of a table by key, the first `limit`.
    pub fn of(table: &'static Table, limit: u32) -> Self {
        Self {
            table,
            equal: Vec::new(),
            at_most: Vec::new(),
            at_least: Vec::new(),
            having: None,
            order_by: None,
            direction: Direction::Ascending,
            after: None,
            limit,
        }
    }

    #[must_use]
    pub fn equal(mut self, column: &'static str, value: Value) -> Self {
        self.equal.push((column, value));
        self
    }

    #[must_use]
    pub fn at_most(mut self, column: &'static str, value: Value) -> Self {
        self.at_most.push((column, value));
        self
    }

    #[must_use]
    pub fn at_least(mut self, column: &'static str, value: Value) -> Self {
        self.at_least.push((column, value));
        self
    }

    #[must_use]
    pub fn having(mut self, other: Self) -> Self {
        self.having = Some(Box::new(other));
        self
    }

    #[must_use]
    pub fn order_by(mut self, column: &'static str, direction: Direction) -> Self {
        self.order_by = Some(column);
        self.direction = direction;
        self
    }

    #[must_use]
    pub fn after(mut self, value: Value, key: Key) -> Self {
        self.after = Some((value, key));
        self
    }
}

/// Why a batch was not applied. Nothing of it is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A row breaks a rule of its table, or was not as the batch took it to be: some message in the batch is bad.
    #[error("a row of {table} was refused: {reason}")]
    Constraint { table: String, reason: String },
    /// Another process owns the store now.
    #[error("another process owns the store: its epoch is {theirs}, ours was {ours}")]
    NotOwner { ours: u64, theirs: u64 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store did not do what it was asked for. Except for [`StoreError::Rejected`] it does not answer as it should (full,
/// corrupt, unreachable), and the engine stops taking messages in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the store is full ({0}): free space on its disk, or raise its limit, and start again")]
    Full(String),
    #[error("the store is damaged ({0}): keep it aside, and restore the last backup in its place")]
    Corrupt(String),
    /// One key or row is at fault, and not the store: it answers every other question. What asked for it fails.
    #[error("the store rejects a key or a row ({0})")]
    Rejected(String),
    #[error("the store cannot be used ({0}): remove the cause, most often with its disk, and start again")]
    Unusable(String),
}
