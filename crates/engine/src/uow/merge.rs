//! What becomes of what a handler has done, once it has succeeded: rows are written over those of the cache, and events get
//! their numbers.

use std::collections::BTreeSet;

use tradewind_events::{AnyEvent, ESCAPED_FACTOR_MAX, KeyText};

use super::{Change, Emitted, PendingEvent, UnitOfWork, Written};
use crate::{
    Entity, RowRef, Stop, Table,
    cache::{Cache, Entry, Slot},
    operator::EVENT_TOO_LARGE,
    tables::ImportedSubjectRow,
};

impl UnitOfWork {
    /// The handler has succeeded: its writes are merged into the cache, its events get their numbers. `sources` are those
    /// that its service has declared.
    pub(crate) fn merge(&mut self, sources: &BTreeSet<KeyText>) -> Result<Vec<Emitted>, Stop> {
        self.broken.take().map_or(Ok(()), |reason| Err(Stop::Broken(reason)))?;
        let mut said = Vec::with_capacity(self.emitted.len());
        // An event may be about a row that was only read: its count of events is a change of the row too.
        let mut bytes = 0;
        for PendingEvent { event, source } in std::mem::take(&mut self.emitted) {
            bytes += bounded(&*event, self.event_bytes_max)?;
            let subject = event.subject();
            let row = match &source {
                None => RowRef::new(event.subject_table(), subject.key.clone()),
                Some(source) if sources.contains(source) => {
                    let counter = ImportedSubjectRow::new(source, &subject);
                    RowRef::new(ImportedSubjectRow::TABLE.name, counter.key())
                }
                Some(source) => {
                    let told = event.name();
                    return Err(Stop::Broken(format!("{told} is emitted as {source}, which is not declared")));
                }
            };
            if !self.is_there(&row) {
                let told = event.name();
                return Err(Stop::Broken(format!("{told} is about {subject}, which is not there or was not read")));
            }
            said.push((row, Emitted { event, source, subject, sequence: 0 }));
        }
        self.bytes += bytes;
        for row in self.order.drain(..) {
            let Some(written) = self.overlay.remove(&row) else { continue };
            let (table, bytes, slot) = match written {
                Written::Put(entity) => (entity.table(), entity.bytes(), Slot::Typed(entity)),
                Written::Deleted(table) => (table, 0, Slot::Absent),
            };
            self.bytes += bytes;
            let entry = touch(&mut self.cache, &mut self.changes, self.batch, &row, Some(table));
            entry.slot = slot;
            let before = std::mem::replace(&mut entry.bytes, bytes);
            self.cache.grow(before, bytes);
        }
        let number = |(row, said): (RowRef, Emitted)| {
            let entry = touch(&mut self.cache, &mut self.changes, self.batch, &row, None);
            entry.events += 1;
            Emitted { sequence: entry.events, ..said }
        };
        Ok(said.into_iter().map(number).collect())
    }

    /// An event can be about a row that this handler has written or read, and that is present. One that only happens to
    /// be in memory would be there today and not tomorrow.
    fn is_there(&mut self, row: &RowRef) -> bool {
        match self.overlay.get(row) {
            Some(Written::Put(_)) => true,
            Some(Written::Deleted(_)) => false,
            None => {
                let entry = self.cache.get(row).filter(|entry| entry.run == self.run);
                entry.is_some_and(|entry| matches!(entry.slot, Slot::Typed(_)))
            }
        }
    }
}

/// The batch changes the row: remember what it was below the batch, and count its version once.
fn touch<'a>(
    cache: &'a mut Cache,
    changes: &mut Vec<Change>,
    batch: u64,
    row: &RowRef,
    table: Option<&'static Table>,
) -> &'a mut Entry {
    let entry = cache.get_or_absent(row);
    if entry.dirty == batch {
        return entry;
    }
    let table = table.or(match &entry.slot {
        Slot::Typed(entity) => Some(entity.table()),
        Slot::Absent | Slot::Raw(_) => None,
    });
    if let Some(table) = table {
        let base = if matches!(entry.slot, Slot::Absent) { 0 } else { entry.version };
        if base == 0 {
            entry.events = 0;
        }
        entry.version = base + 1;
        entry.dirty = batch;
        changes.push(Change { row: row.clone(), table, base });
    }
    entry
}

/// The size of an event in bytes, about; refused when it is too large for brokers and whoever hears it.
fn bounded(event: &dyn AnyEvent, bytes_max: usize) -> Result<usize, Stop> {
    let about = event.size();
    if about > bytes_max / ESCAPED_FACTOR_MAX {
        let mut data = Vec::with_capacity(about);
        event.encode(&mut data).map_err(Stop::broken)?;
        if data.len() > bytes_max {
            let (name, bytes) = (event.name(), data.len());
            return Err(EVENT_TOO_LARGE
                .because(format!("{name} has {bytes} bytes; at most {bytes_max} are told."))
                .into());
        }
    }
    Ok(about)
}
