//! An event that the broker refuses holds up all behind it, until somebody mends the broker or sets the event aside: then
//! it is a dead letter, and is published when that is redriven.

use std::{collections::BTreeMap, sync::Arc};

use tradewind_events::{Id, KeyText, Value};

use crate::{
    Entity,
    core::BROKER,
    entity::readable,
    operator::RELAY_CONSUMER,
    ports::{List, Reader, StoreError},
    tables::{DeadLetterRow, DeadLetterState},
};

/// The consumer of events that were set aside.
pub(crate) const RELAY: KeyText = KeyText::literal(RELAY_CONSUMER);

/// Dead letters that are read at a time.
const PAGE_ROWS: u32 = 200;

/// An event that the broker refuses for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedEvent {
    pub event_id: Id,
    /// The topic that it is to be published to.
    pub topic: String,
    /// Of its message.
    pub bytes: usize,
    /// What the broker says.
    pub reason: String,
}

/// What an operator has decided about events of the relay of a broker, once that is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayOrder {
    /// This event is a dead letter: it holds nothing up any more.
    SetAside { broker: usize, event: Id },
    /// The event of this dead letter is published again, at the broker that refused it and at no other.
    PublishAgain { broker: usize, dead_letter: Id, message: Arc<[u8]> },
}

impl RelayOrder {
    /// The number of the broker whose relay it is for.
    pub const fn broker(&self) -> usize {
        match self {
            Self::SetAside { broker, .. } | Self::PublishAgain { broker, .. } => *broker,
        }
    }
}

/// The id of a dead letter, and its message.
type Redriven = (Id, Arc<[u8]>);

/// Events behind the mark that are not published.
#[derive(Default)]
pub(super) struct Aside(BTreeMap<Id, u64>);

impl Aside {
    /// What the store has of this broker, with the messages of dead letters that an operator wants to be published again.
    pub fn read(reader: &dyn Reader, broker: &KeyText, mark: u64) -> Result<(Self, Vec<Redriven>), StoreError> {
        let (mut aside, mut redriven, mut after) = (Self::default(), Vec::new(), None);
        loop {
            let page = List::of(DeadLetterRow::TABLE, PAGE_ROWS).equal("consumer", Value::Text(RELAY.shared()));
            let rows = reader.list(&List { after, ..page })?;
            let Some(last) = rows.last() else { return Ok((aside, redriven)) };
            let key = DeadLetterRow::TABLE.key_of(&last.values);
            after = Some((Value::Null, key.map_err(|error| StoreError::Corrupt(error.to_string()))?));
            let of_this = |row: &DeadLetterRow| row.broker.as_ref().unwrap_or(&BROKER) == broker;
            for row in rows.iter().filter_map(readable::<DeadLetterRow>).filter(of_this) {
                if row.state == DeadLetterState::Redriving {
                    redriven.push((row.id, row.message));
                }
                if let Some(event_id) = row.event_id.filter(|_| row.segment > mark) {
                    aside.0.insert(event_id, row.segment);
                }
            }
        }
    }

    pub fn insert(&mut self, event_id: Id, segment: u64) {
        self.0.insert(event_id, segment);
    }

    pub fn contains(&self, event_id: &Id) -> bool {
        !self.0.is_empty() && self.0.contains_key(event_id)
    }

    /// Everything up to this segment is published.
    pub fn forget(&mut self, mark: u64) {
        if !self.0.is_empty() {
            self.0.retain(|_, segment| *segment > mark);
        }
    }
}
