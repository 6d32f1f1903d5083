//! Consumers that are paused or go on, and what is parked for them.

use tradewind_events::{AsKey, Key, KeyText, Value};

use super::{ConsumerState, Core, Parked};
use crate::{
    Entity, StoredRow,
    entity::readable,
    ports::{List, StoreError},
    tables::{ConsumerRow, ParkedReason, ParkedRow},
};

fn key_of(row: &StoredRow) -> Result<Key, StoreError> {
    let key = ParkedRow::TABLE.key_of(&row.values);
    key.map_err(|error| StoreError::Corrupt(format!("a parked message has no key: {error}")))
}

impl Core {
    pub(super) fn read_parked(&mut self) -> Result<(), StoreError> {
        self.parked = Parked::default();
        self.drains.clear();
        self.intake.forget_parked(|_| false);
        self.intake.parked_done();
        let mut after = None;
        loop {
            let rows = self.reader.list(&List { after, ..List::of(ParkedRow::TABLE, 1_000) })?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some((Value::Null, key_of(last)?));
            for row in &rows {
                let Some(row) = readable::<ParkedRow>(row) else {
                    // It is parked all the same.
                    self.parked.count += 1;
                    continue;
                };
                let consumer = self.consumers.iter().find(|(name, _)| ***name == *row.consumer);
                if let (ParkedReason::Paused, Some((name, ConsumerState::Running))) = (row.reason, consumer) {
                    self.catch_up(name);
                }
                self.parked.add(row.id, row.waits_for);
            }
        }
    }

    pub(super) fn read_consumers(&mut self) -> Result<(), StoreError> {
        let names: Vec<&'static str> = self.services.iter().map(|service| service.name).collect();
        let keys: Vec<Key> = names.iter().map(|name| KeyText::literal(name).as_key()).collect();
        let rows = self.reader.load(ConsumerRow::TABLE, &keys)?;
        for (name, row) in names.into_iter().zip(rows) {
            let row = row.map(|row| ConsumerRow::from_row(&row.values)).transpose();
            let row = row.map_err(|error| StoreError::Corrupt(format!("consumer {name} cannot be read: {error}")))?;
            let paused = row.is_some_and(|row| row.paused);
            self.consumers.insert(name, if paused { ConsumerState::Paused } else { ConsumerState::Running });
        }
        self.read_brokers()
    }

    pub(super) fn is_running(&self, service: &str) -> bool {
        self.consumers.get(service).is_none_or(|state| *state == ConsumerState::Running)
    }
}
