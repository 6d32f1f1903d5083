//! What an engine reads its store through: now and then the store rejects a row that a message needs.

use std::sync::{Mutex, PoisonError};

use tradewind_engine::{
    StoredRow, Table,
    ports::{List, Phrase, Reader, StoreError},
    segment::Segment,
    tables::ENGINE_TABLES,
};
use tradewind_events::{Key, Timestamp};
use tradewind_memory::MemoryStore;

use crate::{
    fault::{Fault, Faults},
    trace::Trace,
};

pub struct Rejecting {
    store: MemoryStore,
    faults: Faults,
    trace: Trace,
    /// The row that is rejected until it was asked for alone.
    rejected: Mutex<Option<(&'static str, Key)>>,
}

impl Rejecting {
    pub fn new(store: MemoryStore, faults: &Faults, trace: &Trace) -> Self {
        Self { store, faults: faults.clone(), trace: trace.clone(), rejected: Mutex::default() }
    }

    /// Whether one of these rows is rejected. The engine's own rows are not: they belong to no handler.
    fn rejects(&self, table: &'static Table, keys: &[Key]) -> bool {
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        let of_engine = ENGINE_TABLES.iter().any(|known| known.name == table.name);
        if rejected.is_none() && !of_engine && !keys.is_empty() && self.faults.strike(Fault::RowRejected) {
            let nth = self.faults.draw(Fault::RowRejected, |chance| chance.index(keys.len())).unwrap_or(0);
            let key = keys[nth].clone();
            self.trace.note(|| format!("the store rejects {} {key}", table.name));
            *rejected = Some((table.name, key));
        }
        let hit = rejected.as_ref().is_some_and(|(name, key)| *name == table.name && keys.contains(key));
        if hit && keys.len() == 1 {
            *rejected = None;
        }
        hit
    }
}

impl Reader for Rejecting {
    fn load(&self, table: &'static Table, keys: &[Key]) -> Result<Vec<Option<StoredRow>>, StoreError> {
        if self.rejects(table, keys) {
            return Err(StoreError::Rejected("simulated".to_owned()));
        }
        self.store.load(table, keys)
    }

    fn list(&self, list: &List) -> Result<Vec<StoredRow>, StoreError> {
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
