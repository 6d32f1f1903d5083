//! Loads the rows that handlers lack. One that the store rejects is the fault of the message that needs it.

use std::collections::BTreeMap;

use tradewind_events::Key;

use super::Executor;
use crate::{RowRef, StoredRow, Table, bug, cache::Entry, ports::StoreError};

/// A row, none, or why the store rejects it.
pub type Loaded = Result<Option<StoredRow>, String>;

impl Executor {
    /// Loads rows, table by table.
    pub fn load(&mut self, missing: Vec<(&'static Table, Key)>) -> Result<(), StoreError> {
        let mut by_table: BTreeMap<&'static str, (&'static Table, Vec<Key>)> = BTreeMap::new();
        for (table, key) in missing {
            by_table.entry(table.name).or_insert_with(|| (table, Vec::new())).1.push(key);
        }
        for (table, mut keys) in by_table.into_values() {
            keys.sort_unstable();
            keys.dedup();
            let rows = self.load_of(table, &keys)?;
            for (key, row) in keys.into_iter().zip(rows) {
                let row_ref = RowRef::new(table.name, key);
                let row = match row {
                    Ok(row) => row,
                    Err(reason) => {
                        tracing::error!(row = %row_ref.row, reason, "the store rejects a row that a message needs");
                        self.observer.row_unusable(table.name);
                        self.work.reject(row_ref, &reason);
                        continue;
                    }
                };
                // What was written since the load was asked for is newer than what the load has found.
                if self.work.cache.get(&row_ref).is_none() {
                    let entry = Entry::loaded(row);
                    self.work.loaded_bytes += entry.bytes;
                    self.work.cache.insert(row_ref, entry);
                }
            }
        }
        Ok(())
    }

    /// Rows of one table, each with the reason where the store rejects it. One key that it rejects is no fault of the
    /// others: then they are loaded one by one.
    pub fn load_of(&self, table: &'static Table, keys: &[Key]) -> Result<Vec<Loaded>, StoreError> {
        let reason = match self.reader.load(table, keys) {
            Err(StoreError::Rejected(_)) if bug::injected("rejection-ends-engine") => {
                return Err(StoreError::Unusable("a row was rejected".to_owned()));
            }
            Err(StoreError::Rejected(reason)) => reason,
            rows => return Ok(rows?.into_iter().map(Ok).collect()),
        };
        if keys.len() == 1 {
            return Ok(vec![Err(reason)]);
        }
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            rows.extend(self.load_of(table, std::slice::from_ref(key))?);
        }
        Ok(rows)
    }
}
