//! What is due next: a window of a table that is ordered by `due_at`, so that memory is bounded however much waits.

use std::collections::BTreeMap;

use tradewind_events::{Key, Timestamp, Value};

use crate::{
    Entity, StoredRow, Table,
    ports::{Direction, List, Reader, StoreError},
};

/// How many rows the window holds at most when it is read from the store.
const WINDOW_ROWS_MAX: u32 = 10_000;

/// How far ahead it looks, in milliseconds.
const WINDOW_AHEAD_MS: i64 = 60_000;

/// The rows of one table that fall due soon. A row may be stale here (moved or deleted since): who takes one looks at
/// the row itself.
pub(crate) struct DueWindow<V> {
    rows: BTreeMap<(Timestamp, Key), V>,
    /// Every committed row that is due before this moment is in `rows`; `None`: not read yet.
    complete_until: Option<Timestamp>,
    read: fn(&StoredRow) -> Option<(Timestamp, Key, V)>,
    table: &'static Table,
    equal: Vec<(&'static str, Value)>,
}

impl<V> DueWindow<V> {
    pub fn new<E: Entity>(
        equal: Vec<(&'static str, Value)>,
        read: fn(&StoredRow) -> Option<(Timestamp, Key, V)>,
    ) -> Self {
        Self { rows: BTreeMap::new(), complete_until: None, read, table: E::TABLE, equal }
    }

    /// A row has been committed.
    pub fn insert(&mut self, due_at: Timestamp, key: Key, value: V) {
        if self.complete_until.is_some_and(|until| due_at < until) {
            self.rows.insert((due_at, key), value);
        }
    }

    /// Reads the window again from the store when it is used up. Returns how many rows in it cannot be read.
    pub fn refill(&mut self, now: Timestamp, reader: &dyn Reader) -> Result<usize, StoreError> {
        if self.complete_until.is_some_and(|until| now < until) {
            return Ok(0);
        }
        let until = Timestamp::from_millis(now.as_millis().saturating_add(WINDOW_AHEAD_MS));
        let list = List {
            equal: self.equal.clone(),
            ..List::of(self.table, WINDOW_ROWS_MAX)
                .at_most("due_at", Value::Int(until.as_millis() - 1))
                .order_by("due_at", Direction::Ascending)
        };
        let rows = reader.list(&list)?;
        let full = rows.len() >= usize::try_from(WINDOW_ROWS_MAX).unwrap_or(usize::MAX);
        let (mut latest, mut unusable) = (now, rows.len());
        for (due_at, key, value) in rows.iter().filter_map(self.read) {
            latest = latest.max(due_at);
            self.rows.insert((due_at, key), value);
            unusable -= 1;
        }
        // A full page may have cut rows off that are due in its last millisecond.
        self.complete_until = Some(if full { latest } else { until });
        Ok(unusable)
    }

    /// The next row that is due, taken out of the window.
    pub fn pop(&mut self, now: Timestamp) -> Option<(Key, V)> {
        let first = self.rows.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let ((_, key), value) = first.remove_entry();
        Some((key, value))
    }

    /// When to look again.
    pub fn next_due(&self) -> Timestamp {
        let until = self.complete_until.unwrap_or_default();
        self.rows.first_key_value().map_or(until, |((due_at, _), _)| (*due_at).min(until))
    }

    /// Forgets the window: what was thought to be committed is not.
    pub fn reset(&mut self) {
        self.rows.clear();
        self.complete_until = None;
    }
}
