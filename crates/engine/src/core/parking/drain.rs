//! Consumers that were resumed catch up with what is parked for them, in order and under load. What comes new is parked
//! behind, until everything before it is handled.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashSet;
use tradewind_events::{AsKey, Id, Key, TextEnum, Value};

use super::{ConsumerState, Parking};
use crate::{
    Entity, StoredRow,
    core::intake::Intake,
    injected,
    ports::{List, Reader, StoreError},
    tables::{ParkedReason, ParkedRow},
    work::{Item, Message},
};

/// How far a consumer has come.
#[derive(Default)]
pub(super) struct Drain {
    /// Of what is parked in the store, everything up to this row was put in line.
    after: Option<Key>,
    /// So many of the [`Recent`] ones, from the first on, were put in line.
    recent: usize,
    /// Put in line, and not handled yet.
    in_line: FxHashSet<Id>,
    /// Everything that is parked for the consumer was put in line.
    is_complete: bool,
}

/// Messages that are parked for paused consumers in batches that are not durable, in order, with the number of their
/// batch. The store does not list them yet.
#[derive(Default)]
pub(super) struct Recent(BTreeMap<&'static str, VecDeque<(u64, Id)>>);

impl Recent {
    pub fn push(&mut self, consumer: &'static str, batch: u64, id: Id) {
        self.0.entry(consumer).or_default().push_back((batch, id));
    }

    fn of(&self, consumer: &str) -> Option<&VecDeque<(u64, Id)>> {
        self.0.get(consumer)
    }
}

impl Parking {
    /// The consumer goes on: first with what is parked for it.
    pub fn resume(&mut self, consumer: &'static str) {
        let state = if injected("parked-overtaken") { ConsumerState::Running } else { ConsumerState::Draining };
        self.consumers.insert(consumer, state);
        self.drains.entry(consumer).or_default();
    }

    /// The consumer is paused. What is in line for it leaves the line, or it would go before what is before it once the
    /// consumer goes on.
    pub fn pause(&mut self, consumer: &'static str, intake: &mut Intake) {
        self.consumers.insert(consumer, ConsumerState::Paused);
        if let Some(drain) = self.drains.remove(consumer) {
            let leaves = |message: &Message| matches!(message, Message::Unpark(id) if drain.in_line.contains(id));
            intake.forget_parked(|message| !leaves(message));
        }
        if self.drains.is_empty() {
            intake.parked_done();
        }
    }

    /// One more message is parked, in this batch, until its consumer goes on.
    pub fn add_behind(&mut self, consumer: &'static str, batch: u64, row: &ParkedRow, intake: &mut Intake) {
        self.add(row);
        self.recent.push(consumer, batch, row.id.clone());
        if let Some(drain) = self.drains.get_mut(consumer) {
            drain.is_complete = false;
            intake.parked_behind();
        }
    }

    /// Batches up to this one are durable: the store lists what they have parked.
    pub fn committed(&mut self, batch: u64) {
        let drains = &mut self.drains;
        self.recent.0.retain(|consumer, parked| {
            while parked.front().is_some_and(|(number, _)| *number <= batch)
                && let Some((_, id)) = parked.pop_front()
            {
                if let Some(drain) = drains.get_mut(consumer) {
                    drain.first_recent_is_durable(&id);
                }
            }
            !parked.is_empty()
        });
    }

    /// Puts in line what is parked for consumers that were resumed, as far as there is room.
    pub fn put_in_line(&mut self, reader: &dyn Reader, intake: &mut Intake) -> Result<(), StoreError> {
        let room = intake.parked_room();
        if self.drains.is_empty() || room == 0 {
            return Ok(());
        }
        let incomplete = self.drains.iter().filter(|(_, drain)| !drain.is_complete).map(|(consumer, _)| *consumer);
        let incomplete: Vec<&'static str> = incomplete.collect();
        for consumer in &incomplete {
            if let Some(drain) = self.drains.get_mut(consumer) {
                let room = room.div_ceil(incomplete.len());
                let listed = drain.list(consumer, room, reader)?;
                drain.put_in_line(&listed, room, self.recent.of(consumer), intake);
            }
            self.end_drain(consumer, intake);
        }
        Ok(())
    }

    /// Whether more is parked for consumers that were resumed than what is in line, and there is room.
    pub fn has_more(&self, intake: &Intake) -> bool {
        intake.parked_room() > 0 && self.drains.values().any(|drain| !drain.is_complete)
    }

    /// Whether what is parked until its consumer goes on may be handled now. One that was in line when the consumer was
    /// paused and resumed may stand behind others that were passed over meanwhile: it comes again in its turn.
    pub fn has_its_turn(&self, consumer: &str, id: &Id) -> bool {
        self.drains.get(consumer).is_none_or(|drain| drain.in_line.contains(id))
    }

    /// A parked message was retried, whatever came of it.
    pub fn retried(&mut self, id: &Id, intake: &mut Intake) {
        let consumer = self.drains.iter_mut().find_map(|(name, drain)| drain.in_line.remove(id).then_some(*name));
        if let Some(consumer) = consumer {
            self.end_drain(consumer, intake);
        }
    }

    /// The last that is parked for some consumer is being retried: what came then would be parked behind it once more.
    pub fn hands_over(&self, intake: &Intake) -> bool {
        intake.parked_len() == 0 && self.drains.values().any(|drain| drain.is_complete)
    }

    /// A consumer for which nothing is parked any more has caught up: what comes next it handles at once.
    fn end_drain(&mut self, consumer: &'static str, intake: &mut Intake) {
        if self.drains.get(consumer).is_some_and(|drain| drain.is_complete && drain.in_line.is_empty()) {
            self.drains.remove(consumer);
            self.consumers.insert(consumer, ConsumerState::Running);
            if self.drains.is_empty() {
                intake.parked_done();
            }
        }
    }
}

impl Drain {
    /// What the store has of the next messages, at most `room`.
    fn list(&self, consumer: &str, room: usize, reader: &dyn Reader) -> Result<Vec<StoredRow>, StoreError> {
        let list = List::of(ParkedRow::TABLE, u32::try_from(room).unwrap_or(u32::MAX))
            .equal("consumer", Value::Text(consumer.into()))
            .equal("reason", Value::Text(ParkedReason::Paused.as_str().into()));
        reader.list(&List { after: self.after.clone().map(|key| (Value::Null, key)), ..list })
    }

    /// Puts at most `room` more messages in line: those that the store lists, then the recent ones.
    fn put_in_line(
        &mut self,
        listed: &[StoredRow],
        room: usize,
        recent: Option<&VecDeque<(u64, Id)>>,
        intake: &mut Intake,
    ) {
        let is_full = listed.len() >= room;
        let keys: Vec<Key> = listed.iter().filter_map(|row| ParkedRow::TABLE.key_of(&row.values).ok()).collect();
        // A row without a key stays parked, and delays no other.
        let stays = is_full && keys.is_empty();
        for id in keys.iter().filter_map(|key| Id::new(key.as_str()).ok()) {
            self.put(id, intake);
        }
        self.after = keys.into_iter().next_back().or(self.after.take());
        if is_full {
            self.is_complete = stays;
            return;
        }
        // The store has no more: what else is parked is in batches that are not durable.
        for _ in listed.len()..room {
            let Some((_, id)) = recent.and_then(|recent| recent.get(self.recent)) else {
                self.is_complete = true;
                return;
            };
            self.recent += 1;
            if !self.has_passed(id) {
                self.after = Some(id.as_key());
            }
            self.put(id.clone(), intake);
        }
    }

    /// The store was listed up to this message, or further.
    fn has_passed(&self, id: &Id) -> bool {
        let rank = |key: &Key| ParkedRow::TABLE.rank(key);
        self.after.as_ref().is_some_and(|after| rank(&id.as_key()) <= rank(after))
    }

    /// The first of the [`Recent`] messages is durable: from now on the store lists it.
    fn first_recent_is_durable(&mut self, id: &Id) {
        if self.recent > 0 {
            self.recent -= 1;
        } else if self.has_passed(id) {
            // It had waited for a row when its consumer was paused, and kept its place: only a new look finds it.
            self.after = None;
            self.is_complete = false;
        }
    }

    fn put(&mut self, id: Id, intake: &mut Intake) {
        if self.in_line.insert(id.clone()) {
            intake.push_parked(Item::new(Message::Unpark(id)));
        }
    }
}
