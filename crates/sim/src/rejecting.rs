//! What an engine reads its store through: now and then the store rejects a row that a message needs.

use std::sync::{Mutex, PoisonError};

use tradewind_engine::{
    Table,
    ports::{Reader, StoreError},
    tables::ENGINE_TABLES,
};
use tradewind_events::Key;
use tradewind_memory::{MemoryStore, WatchedReader};

use crate::{
    fault::{Fault, Faults},
    trace::Trace,
};

struct Rejecting {
    faults: Faults,
    trace: Trace,
    /// The row that is rejected until it was asked for alone.
    rejected: Mutex<Option<(&'static str, Key)>>,
}

/// Reads a store that rejects rows as the faults say.
pub fn rejecting(store: MemoryStore, faults: &Faults, trace: &Trace) -> impl Reader + use<> {
    let rejecting = Rejecting { faults: faults.clone(), trace: trace.clone(), rejected: Mutex::default() };
    WatchedReader::new(store, move |table, keys| {
        if rejecting.rejects(table, keys) { Err(StoreError::Rejected("simulated".to_owned())) } else { Ok(()) }
    })
}

impl Rejecting {
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
