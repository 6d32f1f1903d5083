//! A store in memory that is watched: every look-up by key and every list is shown before it is read, and may fail.

use tradewind_engine::{
    StoredRow, Table,
    ports::{List, Phrase, Reader, StoreError},
    segment::Segment,
};
use tradewind_events::{Key, Timestamp};

use crate::MemoryStore;

/// Reads a [`MemoryStore`]. `look` sees the table and the keys of every [`Reader::load`] first, and the table of every
/// [`Reader::list`] without keys; its error is the answer.
pub struct WatchedReader<F> {
    store: MemoryStore,
    look: F,
}

impl<F: Fn(&'static Table, &[Key]) -> Result<(), StoreError> + Send + Sync> WatchedReader<F> {
    pub fn new(store: MemoryStore, look: F) -> Self {
        Self { store, look }
    }
}

impl<F: Fn(&'static Table, &[Key]) -> Result<(), StoreError> + Send + Sync> Reader for WatchedReader<F> {
    fn load(&self, table: &'static Table, keys: &[Key]) -> Result<Vec<Option<StoredRow>>, StoreError> {
        (self.look)(table, keys)?;
        self.store.load(table, keys)
    }

    fn list(&self, list: &List) -> Result<Vec<StoredRow>, StoreError> {
        (self.look)(list.table, &[])?;
        self.store.list(list)
    }

    fn search(&self, list: &List, phrases: &[Phrase], offset: u32) -> Result<Vec<StoredRow>, StoreError> {
        self.store.search(list, phrases, offset)
    }

    fn segments(&self, from: u64, limit: u32) -> Result<Vec<Segment>, StoreError> {
        self.store.segments(from, limit)
    }

    fn last_segment(&self) -> Result<u64, StoreError> {
        self.store.last_segment()
    }

    fn last_commit_at(&self) -> Result<Timestamp, StoreError> {
        self.store.last_commit_at()
    }
}
