//! Deletes what is too old to be needed: inbox rows, answers under idempotency keys. It walks their tables a page at a
//! time, so that no index is needed for it.

use std::{sync::Arc, time::Duration};

use tradewind_events::{Key, Timestamp, Value};

use super::Shared;
use crate::{
    Entity, Prune, Table,
    entity::readable,
    ports::List,
    tables::{IdempotencyRow, InboxRow},
};

/// Rows looked at in one step.
const PAGE_ROWS: u32 = 1_000;

/// Between two steps while there is more of a table.
const STEP: Duration = Duration::from_secs(1);

/// Between two walks.
const REST: Duration = Duration::from_mins(1);

pub(super) struct Sweep {
    shared: Arc<Shared>,
    next_at: Timestamp,
    inbox: Option<Key>,
    idempotency: Option<Key>,
}

impl Sweep {
    pub fn new(shared: &Arc<Shared>) -> Self {
        let next_at = shared.clock.now().plus(REST);
        Self { shared: Arc::clone(shared), next_at, inbox: None, idempotency: None }
    }

    pub fn next_at(&self) -> Timestamp {
        self.next_at
    }

    /// Looks at the next page of each table, when it is time to.
    pub fn look(&mut self, now: Timestamp) -> Option<Prune> {
        if now < self.next_at {
            return None;
        }
        let (inbox_kept, answers_kept) = (self.shared.limits.inbox_kept, self.shared.limits.idempotency_kept);
        let inbox = old::<InboxRow>(&self.shared, &mut self.inbox, |row| row.received_at.plus(inbox_kept) < now);
        let idempotency =
            old::<IdempotencyRow>(&self.shared, &mut self.idempotency, |row| row.created_at.plus(answers_kept) < now);
        let more = self.inbox.is_some() || self.idempotency.is_some();
        self.next_at = now.plus(if more { STEP } else { REST });
        (!inbox.is_empty() || !idempotency.is_empty()).then_some(Prune { inbox, idempotency })
    }
}

/// The keys of the old rows of the next page; `after` is where the page after it begins.
fn old<E: Entity>(shared: &Shared, after: &mut Option<Key>, is_old: impl Fn(&E) -> bool) -> Vec<Key> {
    let table: &'static Table = E::TABLE;
    let list = List { after: after.take().map(|key| (Value::Null, key)), ..List::of(table, PAGE_ROWS) };
    let rows = match shared.reader.list(&list) {
        Ok(rows) => rows,
        Err(error) => {
            tracing::warn!(%error, table = table.name, "old rows cannot be looked for");
            return Vec::new();
        }
    };
    if rows.len() >= usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX) {
        // One whose key cannot be read must not begin the walk anew.
        *after = rows.iter().rev().find_map(|row| table.key_of(&row.values).ok());
    }
    let entities: Vec<E> = rows.iter().filter_map(readable).collect();
    entities.iter().filter(|row| is_old(row)).map(Entity::key).collect()
}
