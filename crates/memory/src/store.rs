//! A store in memory. What was committed survives a [`MemoryStore::restart`] of its owner, and nothing else does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tradewind_engine::{
    StoredRow, Table,
    ports::{Commit, CommitError, Direction, List, Reader, RowWrite, StoreError, Writer},
    segment::Segment,
};
use tradewind_events::{Key, Value};

/// A rule of a table, as CHECK constraints are in SQL: says what is wrong with a row.
pub type Rule = fn(&StoredRow) -> Option<String>;

/// Shared by its clones; the clones are readers of the same rows.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    tables: BTreeMap<&'static str, BTreeMap<Key, StoredRow>>,
    segments: Vec<Segment>,
    epoch: u64,
    rules: Vec<(&'static str, Rule)>,
    /// Taken from the end: what the next commits meet.
    faults: Vec<CommitError>,
}

/// The writing side of one epoch.
pub struct MemoryWriter {
    store: MemoryStore,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    /// A new owner: from now on the writers before it are refused.
    pub fn own(&self) -> (u64, MemoryWriter) {
        let mut state = self.state();
        state.epoch += 1;
        (state.epoch, MemoryWriter { store: self.clone() })
    }

    /// A rule that rows of a table must keep.
    pub fn rule(&self, table: &'static str, rule: Rule) {
        self.state().rules.push((table, rule));
    }

    /// The next commit fails like this, and has no effect.
    pub fn fail_next_commit(&self, error: CommitError) {
        self.state().faults.insert(0, error);
    }

    /// Changes a row behind everybody's back; `None` deletes it.
    pub fn tamper(&self, table: &'static Table, key: &Key, row: Option<StoredRow>) {
        let mut state = self.state();
        let rows = state.tables.entry(table.name).or_default();
        match row {
            Some(row) => rows.insert(key.clone(), row),
            None => rows.remove(key),
        };
    }

    /// All rows of a table by key.
    pub fn rows(&self, table: &'static Table) -> Vec<StoredRow> {
        self.state().tables.get(table.name).map(|rows| rows.values().cloned().collect()).unwrap_or_default()
    }

    /// The rows of a list by key, wherever it begins.
    fn found(&self, list: &List) -> Result<Vec<(Key, StoredRow)>, StoreError> {
        let placed = |(column, value): &(&'static str, Value)| Ok((place(list, column)?, value.clone()));
        let all =
            |filters: &[(&'static str, Value)]| filters.iter().map(placed).collect::<Result<Vec<_>, StoreError>>();
        let (equal, at_most, at_least) = (all(&list.equal)?, all(&list.at_most)?, all(&list.at_least)?);
        let holds = |row: &StoredRow, filters: &[(usize, Value)], compares: fn(&Value, &Value) -> bool| {
            let both = |nth: usize, wanted: &Value| row.values[nth] != Value::Null && *wanted != Value::Null;
            filters.iter().all(|(nth, wanted)| both(*nth, wanted) && compares(&row.values[*nth], wanted))
        };
        let fits = |row: &StoredRow| {
            holds(row, &equal, Value::eq) && holds(row, &at_most, Value::le) && holds(row, &at_least, Value::ge)
        };
        let state = self.state();
        let rows = state.tables.get(list.table.name).into_iter().flatten();
        Ok(rows.filter(|(_, row)| fits(row)).map(|(key, row)| (key.clone(), row.clone())).collect())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn check(&self, commit: &Commit) -> Result<(), CommitError> {
        if commit.epoch != self.epoch {
            return Err(CommitError::NotOwner { ours: commit.epoch, theirs: self.epoch });
        }
        let mut seen = BTreeMap::new();
        for change in &commit.rows {
            let refused = |reason: String| CommitError::Constraint { table: change.table.name.to_owned(), reason };
            let stored =
                self.tables.get(change.table.name).and_then(|rows| rows.get(&change.key)).map(|row| row.version);
            let before = *seen.get(&(change.table.name, &change.key)).unwrap_or(&stored);
            let (fits, after) = match &change.write {
                RowWrite::Insert(row) => (before.is_none(), Some(row)),
                RowWrite::Update { expected_version, row } => (before == Some(*expected_version), Some(row)),
                RowWrite::Delete { expected_version } => (before == Some(*expected_version), None),
            };
            if !fits {
                return Err(refused(format!("{} is at version {before:?}", change.key)));
            }
            seen.insert((change.table.name, &change.key), after.map(|row| row.version));
            for (_, rule) in self.rules.iter().filter(|(table, _)| *table == change.table.name) {
                if let Some(broken) = after.and_then(rule) {
                    return Err(refused(broken));
                }
            }
        }
        let next = self.segments.last().map_or(0, |segment| segment.number) + 1;
        match &commit.segment {
            Some(segment) if segment.number != next => {
                let reason = format!("segment {} where {next} comes next", segment.number);
                Err(CommitError::Constraint { table: "segment".to_owned(), reason })
            }
            _ => Ok(()),
        }
    }
}

impl Writer for MemoryWriter {
    fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        let mut state = self.store.state();
        if let Some(fault) = state.faults.pop() {
            return Err(fault);
        }
        state.check(commit)?;
        for change in &commit.rows {
            let rows = state.tables.entry(change.table.name).or_default();
            match &change.write {
                RowWrite::Insert(row) | RowWrite::Update { row, .. } => rows.insert(change.key.clone(), row.clone()),
                RowWrite::Delete { .. } => rows.remove(&change.key),
            };
        }
        state.segments.extend(commit.segment.clone());
        Ok(())
    }
}

impl Reader for MemoryStore {
    fn load(&self, table: &'static Table, keys: &[Key]) -> Result<Vec<Option<StoredRow>>, StoreError> {
        if let Some(key) = keys.iter().find(|key| key.parts().count() != table.key.len()) {
            return Err(StoreError::Rejected(format!("{key} is no key of {}", table.name)));
        }
        let state = self.state();
        let rows = state.tables.get(table.name);
        Ok(keys.iter().map(|key| rows.and_then(|rows| rows.get(key)).cloned()).collect())
    }

    fn list(&self, list: &List) -> Result<Vec<StoredRow>, StoreError> {
        let sort = list.order_by.map(|column| place(list, column)).transpose()?;
        let rank = |key: &Key, row: &StoredRow| (sort.map_or(Value::Null, |nth| row.values[nth].clone()), key.clone());
        let mut found: Vec<_> = self.found(list)?.into_iter().map(|(key, row)| (rank(&key, &row), row)).collect();
        found.sort_by(|left, right| left.0.cmp(&right.0));
        if list.direction == Direction::Descending {
            found.reverse();
        }
        let after = |rank: &(Value, Key)| match (&list.after, list.direction) {
            (None, _) => true,
            (Some(after), Direction::Ascending) => rank > after,
            (Some(after), Direction::Descending) => rank < after,
        };
        let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
        Ok(found.into_iter().filter(|(rank, _)| after(rank)).map(|(_, row)| row).take(limit).collect())
    }

    fn search(&self, list: &List, text: &str, offset: u32) -> Result<Vec<StoredRow>, StoreError> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let holds = |row: &StoredRow| {
            let texts = row.values.iter().filter_map(|value| match value {
                Value::Text(text) => Some(text.to_lowercase()),
                _ => None,
            });
            let text = texts.collect::<Vec<_>>().join(" ");
            words.iter().all(|word| text.contains(word.as_str()))
        };
        let (offset, limit) = (usize::try_from(offset).unwrap_or(usize::MAX), usize::try_from(list.limit).unwrap_or(0));
        let rows = self.found(list)?.into_iter().map(|(_, row)| row);
        Ok(rows.filter(holds).skip(offset).take(limit).collect())
    }

    fn segments(&self, from: u64, limit: u32) -> Result<Vec<Segment>, StoreError> {
        let state = self.state();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        // Numbers begin at 1 and have no gaps.
        let before = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        Ok(state.segments.iter().skip(before).take(limit).cloned().collect())
    }

    fn last_segment(&self) -> Result<u64, StoreError> {
        Ok(self.state().segments.last().map_or(0, |segment| segment.number))
    }
}

fn place(list: &List, column: &str) -> Result<usize, StoreError> {
    let unknown = || StoreError::Unusable(format!("{} has no column {column}", list.table.name));
    list.table.position(column).ok_or_else(unknown)
}
