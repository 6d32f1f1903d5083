//! What is known of parked messages and of their consumers without asking the store: which row a message waits for, which
//! consumers are paused, and how far those have come that were resumed.

mod drain;
mod piles;

use std::{collections::BTreeMap, sync::Arc};

use tradewind_events::{AsKey, Id, Key, KeyText, Value};

use super::Intake;
use crate::{
    Entity, StoredRow,
    entity::readable,
    ports::{List, Reader, StoreError},
    tables::{ConsumerRow, ParkedReason, ParkedRow},
};
use drain::{Drain, Recent};
pub(crate) use piles::ParkedPile;
use piles::Piles;

#[derive(Default)]
pub(super) struct Parking {
    /// Every service of this store.
    consumers: BTreeMap<&'static str, ConsumerState>,
    /// Of consumers that catch up.
    drains: BTreeMap<&'static str, Drain>,
    /// The row that is waited for, as text, to the parked messages that wait for it.
    waiting: BTreeMap<Arc<str>, Vec<Id>>,
    recent: Recent,
    piles: Piles,
    count: usize,
}

/// What a service does with events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConsumerState {
    Running,
    /// What it would receive is parked.
    Paused,
    /// It is resumed, and goes through what is parked; until then what comes is parked behind it.
    Draining,
}

impl Parking {
    /// Reads what the store has. Parked messages of consumers that run are put in line anew.
    pub fn read(
        names: impl Iterator<Item = &'static str>,
        reader: &dyn Reader,
        intake: &mut Intake,
    ) -> Result<Self, StoreError> {
        let mut parking = Self::default();
        let names: Vec<&'static str> = names.collect();
        let keys: Vec<KeyText> = names.iter().map(|name| KeyText::literal(name)).collect();
        for (name, row) in names.into_iter().zip(read_consumers(&keys, reader)?) {
            let paused = row.is_some_and(|row| row.paused);
            parking.consumers.insert(name, if paused { ConsumerState::Paused } else { ConsumerState::Running });
        }
        intake.forget_parked(|_| false);
        intake.parked_done();
        let mut after = None;
        loop {
            let rows = reader.list(&List { after, ..List::of(ParkedRow::TABLE, 1_000) })?;
            let Some(last) = rows.last() else { return Ok(parking) };
            after = Some((Value::Null, key_of(last)?));
            for row in &rows {
                let Some(row) = readable::<ParkedRow>(row) else {
                    // It is parked all the same.
                    parking.count += 1;
                    continue;
                };
                let consumer = parking.consumers.iter().find(|(name, _)| ***name == *row.consumer);
                if let (ParkedReason::Paused, Some((name, ConsumerState::Running))) = (row.reason, consumer) {
                    parking.resume(name);
                }
                parking.add(&row);
            }
        }
    }

    /// What was read anew after batches were not applied.
    pub fn replacing(self, before: &Self) -> Self {
        Self { piles: self.piles.replacing(&before.piles), ..self }
    }

    /// Parked messages.
    pub fn count(&self) -> usize {
        self.count
    }

    /// See [`crate::Core::parked_piles`].
    pub fn piles(&self, version: &mut u64) -> Option<Vec<ParkedPile>> {
        self.piles.read(version)
    }

    /// The name of a service of this store.
    pub fn consumer(&self, name: &str) -> Option<&'static str> {
        self.consumers.keys().find(|known| **known == name).copied()
    }

    /// Whether this consumer handles what comes, neither paused nor catching up.
    pub fn is_running(&self, consumer: &str) -> bool {
        self.consumers.get(consumer).is_none_or(|state| *state == ConsumerState::Running)
    }

    pub fn is_paused(&self, consumer: &str) -> bool {
        self.consumers.get(consumer) == Some(&ConsumerState::Paused)
    }

    /// Whether some parked message waits for a row.
    pub fn waits_for_rows(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A row was written: the messages that wait for it, to be retried.
    pub fn written(&mut self, row: &str) -> Vec<Id> {
        self.waiting.remove(row).unwrap_or_default()
    }

    /// A message is parked.
    pub fn add(&mut self, row: &ParkedRow) {
        self.count += 1;
        if let Some(consumer) = self.consumer(&row.consumer) {
            self.piles.add(consumer, row);
        }
        if let Some(waits_for) = &row.waits_for {
            self.waiting.entry(Arc::clone(waits_for)).or_default().push(row.id.clone());
        }
    }

    /// A message is not parked any more, or not for the same reason.
    pub fn remove(&mut self, row: &ParkedRow) {
        self.count = self.count.saturating_sub(1);
        if let Some(consumer) = self.consumer(&row.consumer) {
            self.piles.remove(consumer, row);
        }
        if let Some(waits_for) = &row.waits_for
            && let Some(ids) = self.waiting.get_mut(waits_for)
        {
            ids.retain(|id| *id != row.id);
            if ids.is_empty() {
                self.waiting.remove(waits_for);
            }
        }
    }
}

fn key_of(row: &StoredRow) -> Result<Key, StoreError> {
    let key = ParkedRow::TABLE.key_of(&row.values);
    key.map_err(|error| StoreError::Corrupt(format!("a parked message has no key: {error}")))
}

/// The rows of these consumers. A consumer without one runs.
pub(super) fn read_consumers(names: &[KeyText], reader: &dyn Reader) -> Result<Vec<Option<ConsumerRow>>, StoreError> {
    let keys: Vec<Key> = names.iter().map(AsKey::as_key).collect();
    let rows = reader.load(ConsumerRow::TABLE, &keys)?;
    let read = |(name, row): (&KeyText, Option<StoredRow>)| {
        let row = row.map(|row| ConsumerRow::from_row(&row.values)).transpose();
        row.map_err(|error| StoreError::Corrupt(format!("consumer {name} cannot be read: {error}")))
    };
    names.iter().zip(rows).map(read).collect()
}
