//! The cache: the newest state of every row that is in memory, committed or not. What is not committed is pinned.
//!
//! Two generations: a row that is used moves to the young one; when the young one holds half of the bound, the old
//! one is dropped and the young one becomes old. So rows leave by age, at the cost of one look-up.

use std::{collections::hash_map::Entry as MapEntry, sync::Arc};

use rustc_hash::FxHashMap;
use tradewind_events::Value;

use crate::{AnyEntity, RowRef, StoredRow};

/// What is known of a row.
pub(crate) enum Slot {
    /// There is none.
    Absent,
    /// As the store gave it; nobody has asked for it by type yet.
    Raw(StoredRow),
    Typed(Arc<dyn AnyEntity>),
}

pub(crate) struct Entry {
    pub slot: Slot,
    pub version: u64,
    pub events: u64,
    /// The batch that wrote it last; zero for a row that is as the store has it.
    pub dirty: u64,
    pub bytes: usize,
    /// The run of a handler that asked for it last.
    pub run: u64,
}

impl Entry {
    pub const ABSENT: Self = Self { slot: Slot::Absent, version: 0, events: 0, dirty: 0, bytes: 0, run: 0 };

    /// As a store gave it.
    pub fn loaded(row: Option<StoredRow>) -> Self {
        let Some(row) = row else { return Self::ABSENT };
        let bytes = row.values.iter().map(in_memory).sum();
        Self { version: row.version, events: row.events, slot: Slot::Raw(row), dirty: 0, bytes, run: 0 }
    }
}

/// About how many bytes a loaded value takes in memory.
fn in_memory(value: &Value) -> usize {
    const VALUE_BYTES: usize = 48;
    VALUE_BYTES
        + match value {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Null | Value::Int(_) => 0,
        }
}

pub(crate) struct Cache {
    young: FxHashMap<RowRef, Entry>,
    old: FxHashMap<RowRef, Entry>,
    young_bytes: usize,
    half_bytes: usize,
    /// The last batch that is committed: what it or an earlier one wrote is no longer pinned.
    committed: u64,
}

/// What an entry takes beside its content, in bytes: two map slots, the key and the counters.
const ENTRY_BYTES: usize = 160;

impl Cache {
    pub fn new(bytes_max: usize) -> Self {
        Self {
            young: FxHashMap::default(),
            old: FxHashMap::default(),
            young_bytes: 0,
            half_bytes: bytes_max / 2,
            committed: 0,
        }
    }

    pub fn get(&mut self, row: &RowRef) -> Option<&mut Entry> {
        match self.young.entry(row.clone()) {
            MapEntry::Occupied(young) => Some(young.into_mut()),
            MapEntry::Vacant(place) => {
                let entry = self.old.remove(row)?;
                self.young_bytes += entry.bytes;
                Some(place.insert(entry))
            }
        }
    }

    /// The row, which counts as absent when nothing is known of it.
    pub fn get_or_absent(&mut self, row: &RowRef) -> &mut Entry {
        self.young.entry(row.clone()).or_insert_with(|| {
            let entry = self.old.remove(row).unwrap_or(Entry::ABSENT);
            self.young_bytes += entry.bytes;
            entry
        })
    }

    pub fn insert(&mut self, row: RowRef, entry: Entry) {
        self.old.remove(&row);
        self.young_bytes += entry.bytes;
        if let Some(before) = self.young.insert(row, entry) {
            self.young_bytes -= before.bytes.min(self.young_bytes);
        }
    }

    /// Replaces the content of an entry that is there, and accounts for its size.
    pub fn grow(&mut self, before: usize, after: usize) {
        self.young_bytes = (self.young_bytes + after).saturating_sub(before);
    }

    pub fn remove(&mut self, row: &RowRef) -> Option<Entry> {
        let young = self.young.remove(row);
        self.young_bytes = self.young_bytes.saturating_sub(young.as_ref().map_or(0, |entry| entry.bytes));
        young.or_else(|| self.old.remove(row))
    }

    /// Batches up to `batch` are durable.
    pub fn committed(&mut self, batch: u64) {
        self.committed = batch;
    }

    /// Forgets all that is not committed: the next look-up reads what the store has.
    pub fn discard_uncommitted(&mut self) {
        let committed = self.committed;
        self.young.retain(|_, entry| entry.dirty <= committed);
        self.old.retain(|_, entry| entry.dirty <= committed);
        self.young_bytes = self.young.values().map(|entry| entry.bytes).sum();
    }

    /// Forgets every row that the store has as it is, but those that `keep` wants.
    pub fn forget(&mut self, keep: impl Fn(&RowRef) -> bool) {
        let committed = self.committed;
        self.old.retain(|row, entry| entry.dirty > committed || keep(row));
        self.young.retain(|row, entry| entry.dirty > committed || keep(row));
        self.young_bytes = self.young.values().map(|entry| entry.bytes).sum();
    }

    /// Makes room. Call it between batches, never inside one: a handler may rely on what was loaded for it.
    pub fn evict(&mut self) {
        if self.young_bytes + self.young.len() * ENTRY_BYTES <= self.half_bytes {
            return;
        }
        if self.half_bytes == 0 {
            self.forget(|_| false);
            return;
        }
        let committed = self.committed;
        std::mem::swap(&mut self.young, &mut self.old);
        // The map keeps its room: one that grew from nothing again would move every row several times.
        self.young.retain(|_, entry| entry.dirty > committed);
        self.young_bytes = self.young.values().map(|entry| entry.bytes).sum();
    }
}
