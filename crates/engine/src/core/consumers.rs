//! Consumers that are paused or go on, and what is parked for them.

use tradewind_events::{AsKey, Key, KeyText, Value};

use super::{ConsumerState, Core, Parked, causes::resume_by_engine, failure::BROKER};
use crate::{
    Admission, Entity, StoredRow,
    entity::readable,
    operator::BROKER_CONSUMER,
    ports::{List, StoreError},
    subscriber::UNKNOWN_EVENT,
    tables::{ConsumerRow, ParkedReason, ParkedRow},
    work::Item,
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
        let services = self.services.iter().map(|service| service.name);
        let names: Vec<&'static str> = services.chain([BROKER_CONSUMER]).collect();
        let keys: Vec<Key> = names.iter().map(|name| KeyText::literal(name).as_key()).collect();
        let rows = self.reader.load(ConsumerRow::TABLE, &keys)?;
        for (name, row) in names.into_iter().zip(rows) {
            let row = row.map(|row| ConsumerRow::from_row(&row.values)).transpose();
            let row = row.map_err(|error| StoreError::Corrupt(format!("consumer {name} cannot be read: {error}")))?;
            let paused = row.is_some_and(|row| row.paused);
            self.consumers.insert(name, if paused { ConsumerState::Paused } else { ConsumerState::Running });
        }
        Ok(())
    }

    /// Another build may know the event of which the last one did not.
    pub(super) fn resume_after_unknown_event(&mut self) -> Result<(), StoreError> {
        let row = self.reader.load(ConsumerRow::TABLE, &[BROKER.as_key()])?.pop().flatten();
        let row = row.as_ref().and_then(readable::<ConsumerRow>);
        if row.is_some_and(|row| row.paused && row.reason.is_some_and(|reason| reason.starts_with(UNKNOWN_EVENT))) {
            self.intake.push_front(Item::new(resume_by_engine(BROKER_CONSUMER)));
        }
        Ok(())
    }

    /// The subscriptions are resumed: they have nothing parked.
    pub(super) fn resume_subscriptions(&mut self) {
        self.consumers.insert(BROKER_CONSUMER, ConsumerState::Running);
        self.resumes += 1;
    }

    /// How far subscriptions may go.
    pub fn admission(&self) -> Admission {
        Admission { takes: self.has_room_to_park() && self.is_running(BROKER_CONSUMER), resumes: self.resumes }
    }

    pub(super) fn is_running(&self, service: &str) -> bool {
        self.consumers.get(service).is_none_or(|state| *state == ConsumerState::Running)
    }
}
