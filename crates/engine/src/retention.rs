//! Forgets what was kept long enough: rows of the inbox and answers under idempotency keys, the oldest first. It has no
//! thread and no clock. Whoever drives a [`crate::Core`] asks it when it is time, gives the core what it finds, and tells
//! it when that is durable, and while a broker may deliver again what was received before an outage.

use std::{sync::Arc, time::Duration};

use tradewind_events::{Key, Timestamp, Value};

use crate::{
    Entity, Limits, Prune, StoredRow, Table, injected,
    ports::{Direction, List, Reader, StoreError},
    tables::{IdempotencyRow, InboxRow, InboxSegmentRow},
};

/// For each message that a batch may take in, so many rows of each table are forgotten at a time. A message writes one
/// at most, and every third batch forgets some: so it is faster than the intake.
const ROWS_A_MESSAGE: usize = 4;

/// Between two looks when little is old: what grows old meanwhile is forgotten together.
const LOOK_MIN: Duration = Duration::from_secs(1);

/// After an error of the store it looks again.
const RETRY: Duration = Duration::from_mins(1);

/// The state machine.
pub struct Retention {
    reader: Arc<dyn Reader>,
    inbox: Age,
    inbox_segments: Age,
    idempotency: Age,
    rows_max: usize,
    /// The inbox forgets nothing.
    inbox_held: bool,
    /// Never while a [`Prune`] is on its way.
    next_at: Timestamp,
    /// When to look again after that one.
    then_at: Timestamp,
}

/// A table that is ordered by the age of its rows.
struct Age {
    table: &'static Table,
    column: &'static str,
    kept: Duration,
    /// Where the next page begins while there is more: what could not be deleted does not hold up the others.
    after: Option<(Value, Key)>,
}

/// What is old in a table.
struct Old {
    keys: Vec<Key>,
    /// When there will be more.
    next_at: Timestamp,
}

impl Retention {
    /// Looks at once.
    pub fn new(reader: Arc<dyn Reader>, limits: &Limits) -> Self {
        Self {
            reader,
            inbox: Age::of::<InboxRow>("received_at", inbox_kept(limits)),
            inbox_segments: Age::of::<InboxSegmentRow>("received_at", inbox_kept(limits)),
            idempotency: Age::of::<IdempotencyRow>("created_at", limits.idempotency_kept),
            rows_max: ROWS_A_MESSAGE * limits.batch_messages_max,
            inbox_held: false,
            next_at: Timestamp::default(),
            then_at: Timestamp::default(),
        }
    }

    /// From now on the inbox forgets nothing, or goes on: [`crate::Subscriber::may_repeat`].
    pub fn hold_inbox(&mut self, holds: bool) {
        if self.inbox_held && !holds {
            // What has grown old meanwhile is looked for as soon as may be.
            self.then_at = Timestamp::default();
            self.next_at = if self.next_at == NEVER { NEVER } else { self.then_at };
        }
        self.inbox_held = holds;
    }

    /// When to look, by engine time.
    pub fn next_at(&self) -> Timestamp {
        self.next_at
    }

    /// The oldest rows of each table that are older than they are kept: at most four for each message of a batch. Nothing
    /// before it is time, or while the last ones are not durably gone ([`Self::committed`]).
    pub fn look(&mut self, now: Timestamp) -> Option<Prune> {
        if now < self.next_at {
            return None;
        }
        match self.find(now) {
            Ok(prune) if prune.is_empty() => {
                self.next_at = self.then_at;
                None
            }
            Ok(prune) => {
                self.next_at = NEVER;
                Some(prune)
            }
            Err(error) => {
                tracing::warn!(%error, "old rows cannot be looked for");
                self.next_at = now.plus(RETRY);
                None
            }
        }
    }

    fn find(&mut self, now: Timestamp) -> Result<Prune, StoreError> {
        let (reader, rows_max) = (&*self.reader, self.rows_max);
        let idempotency = self.idempotency.old(reader, rows_max, now)?;
        let mut prune = Prune { idempotency: idempotency.keys, ..Prune::default() };
        self.then_at = idempotency.next_at;
        if !self.inbox_held {
            let ids = self.inbox.old(reader, rows_max, now)?;
            let segments = self.inbox_segments.old(reader, rows_max, now)?;
            self.then_at = self.then_at.min(ids.next_at).min(segments.next_at);
            prune.inbox_before = self.inbox.kept_from(now);
            (prune.inbox, prune.inbox_segments) = (ids.keys, segments.keys);
        }
        Ok(prune)
    }

    /// What was found last is durably gone.
    pub fn committed(&mut self) {
        self.next_at = self.then_at;
    }
}

impl Age {
    fn of<E: Entity>(column: &'static str, kept: Duration) -> Self {
        Self { table: E::TABLE, column, kept, after: None }
    }

    fn old(&mut self, reader: &dyn Reader, rows_max: usize, now: Timestamp) -> Result<Old, StoreError> {
        let by_age = |limit| List::of(self.table, limit).order_by(self.column, Direction::Ascending);
        let young = self.kept_from(now).as_millis();
        let limit = u32::try_from(rows_max).unwrap_or(u32::MAX);
        let old = by_age(limit).at_most(self.column, Value::Int(young.saturating_sub(1)));
        let rows = reader.list(&List { after: self.after.take(), ..old })?;
        let mut keys: Vec<Key> = Vec::with_capacity(rows.len());
        for row in &rows {
            let Ok(key) = self.table.key_of(&row.values) else { continue };
            self.after = Some((self.at(row), key.clone()));
            keys.push(key);
        }
        if rows.len() >= rows_max && self.after.is_some() {
            return Ok(Old { keys, next_at: now });
        }
        self.after = None;
        // What is written from now on is younger than the first row that is not old yet.
        let first = reader.list(&by_age(1).at_least(self.column, Value::Int(young)))?;
        let first = match first.first().map(|row| self.at(row)) {
            Some(Value::Int(at)) => Timestamp::from_millis(at),
            _ => now,
        };
        let next_at = first.plus(self.kept).plus(Duration::from_millis(1));
        Ok(Old { keys, next_at: next_at.max(now.plus(LOOK_MIN)) })
    }

    /// What is older than this is old.
    fn kept_from(&self, now: Timestamp) -> Timestamp {
        let kept_ms = i64::try_from(self.kept.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(now.as_millis().saturating_sub(kept_ms))
    }

    fn at(&self, row: &StoredRow) -> Value {
        self.table.position(self.column).and_then(|place| row.values.get(place)).cloned().unwrap_or(Value::Null)
    }
}

/// No moment that comes.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// How long rows of the inbox are kept.
fn inbox_kept(limits: &Limits) -> Duration {
    if injected("inbox-pruned-early") { limits.inbox_kept.min(Duration::from_secs(10)) } else { limits.inbox_kept }
}
