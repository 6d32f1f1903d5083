//! Read models made again: the reactions of one service over the events of a log, in memory. There is no store, no
//! clock and no batch here; a projection that asks for one of them could not be made again.

use std::sync::Arc;

use tradewind_events::{Envelope, Id, Key, Timestamp, Value};

use crate::{AnyService, Cause, Limits, LogPosition, Outcome, RowRef, Table, UnitOfWork, cache::Slot, ports::Ids};

/// A service that hears a log again, with the rows that it has made so far.
pub struct Replay {
    service: AnyService,
    work: UnitOfWork,
}

impl Replay {
    /// Starts without a row.
    pub fn new(service: impl Into<AnyService>) -> Self {
        let mut work = UnitOfWork::new(&Limits { cache_bytes_max: usize::MAX, ..Limits::default() }, Box::new(NoIds));
        // One batch for ever: what it has changed is all there is.
        work.open(1, Timestamp::default());
        Self { service: service.into(), work }
    }

    /// Runs the reactions to an event. After an error nothing of it stands, as in a store.
    pub fn hear(&mut self, envelope: impl Into<Arc<Envelope>>, position: LogPosition) -> Outcome {
        let envelope = envelope.into();
        let (service, cause) = (&self.service, Cause::of(&envelope, Some(position)));
        let run = |work: &mut UnitOfWork| service.hear(work, &cause, &*envelope.event);
        self.work.run_alone(&service.sources, run).map(|_said| ())
    }

    /// Takes a row out, so that its memory is free again. After that it is as if it had never been.
    pub fn take_row(&mut self, table: &'static Table, key: &Key) -> Option<Vec<Value>> {
        match self.work.cache.remove(&RowRef::new(table.name, key.clone()))?.slot {
            Slot::Typed(entity) => Some(entity.row()),
            Slot::Absent | Slot::Raw(_) => None,
        }
    }

    /// Takes the rows of a table out, in the order of their keys; each is made when the iterator comes to it.
    pub fn take_rows(&mut self, table: &'static Table) -> impl Iterator<Item = (Key, Vec<Value>)> {
        let changed = self.work.changes.iter().filter(|change| change.row.row.table == table.name);
        let mut keys: Vec<Key> = changed.map(|change| change.row.row.key.clone()).collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(move |key| self.take_row(table, &key).map(|row| (key, row)))
    }
}

/// A row that held a new id would be another one each time it is made.
struct NoIds;

impl Ids for NoIds {
    fn next(&mut self, _now: Timestamp) -> Id {
        tradewind_events::id("a-projection-mints-no-ids")
    }
}
