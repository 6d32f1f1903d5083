//! An event that the broker refuses holds up all behind it, until somebody mends the broker or sets the event aside: then
//! it is a dead letter, and is published when that is redriven.

use std::{collections::BTreeMap, sync::Arc};

use tradewind_events::{Id, KeyText, Value};

use crate::{
    Entity,
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

/// What an operator has decided about events of the relay, once that is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayOrder {
    /// This event is a dead letter: it holds nothing up any more.
    SetAside(Id),
    /// The event of this dead letter is published again.
    PublishAgain { dead_letter: Id, message: Arc<[u8]> },
}

/// Events behind the mark that are not published.
#[derive(Default)]
pub(super) struct Aside(BTreeMap<Id, u64>);

impl Aside {
    /// What the store has, with what an operator wants to be published again.
    pub fn read(reader: &dyn Reader, mark: u64) -> Result<(Self, Vec<RelayOrder>), StoreError> {
        let (mut aside, mut orders, mut after) = (Self::default(), Vec::new(), None);
        loop {
            let page = List::of(DeadLetterRow::TABLE, PAGE_ROWS).equal("consumer", Value::Text(RELAY.shared()));
            let rows = reader.list(&List { after, ..page })?;
            let Some(last) = rows.last() else { return Ok((aside, orders)) };
            let key = DeadLetterRow::TABLE.key_of(&last.values);
            after = Some((Value::Null, key.map_err(|error| StoreError::Corrupt(error.to_string()))?));
            for row in rows.iter().filter_map(readable::<DeadLetterRow>) {
                if row.state == DeadLetterState::Redriving {
                    orders.push(RelayOrder::PublishAgain { dead_letter: row.id, message: row.message });
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
