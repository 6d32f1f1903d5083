//! A store in memory. What was committed survives a [`MemoryStore::restart`] of its owner, and nothing else does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tradewind_engine::{
    StoredRow, Table,
    ports::{Commit, CommitError, Direction, List, Phrase, Reader, RowWrite, StoreError, WORDS, Writer},
    segment::Segment,
};
use tradewind_events::{ColumnDef, ColumnKind, Key, Timestamp, Value, id_rank};

/// A rule of a table, as CHECK constraints are in SQL: says what is wrong with a row.
pub type Rule = fn(&StoredRow) -> Option<String>;

/// Shared by its clones; the clones are readers of the same rows.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    tables: BTreeMap<&'static str, BTreeMap<Key, StoredRow>>,
    segments: Vec<Segment>,
    /// Of the last commit.
    committed_at: Timestamp,
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
        let had = list.having.as_ref().map(|other| self.key_parts(list, other)).transpose()?;
        let mut found = self.fitting(list)?;
        if let Some(had) = had {
            found.retain(|(key, _)| had.contains(&parts(key)));
        }
        Ok(found)
    }

    /// The keys of the first table of which the second has a row that fits.
    fn key_parts(&self, list: &List, other: &List) -> Result<BTreeSet<Vec<String>>, StoreError> {
        let nths = list.table.key.iter().map(|name| place(other, name)).collect::<Result<Vec<_>, _>>()?;
        let text = |value: &Value| if let Value::Text(text) = value { text.to_string() } else { String::new() };
        let of_row = |(_, row): (Key, StoredRow)| nths.iter().map(|nth| text(&row.values[*nth])).collect();
        Ok(self.fitting(other)?.into_iter().map(of_row).collect())
    }

    fn fitting(&self, list: &List) -> Result<Vec<(Key, StoredRow)>, StoreError> {
        let placed = |(column, value): &(&'static str, Value)| Ok((place(list, column)?, value.clone()));
        let all =
            |filters: &[(&'static str, Value)]| filters.iter().map(placed).collect::<Result<Vec<_>, StoreError>>();
        let (equal, at_most, at_least) = (all(&list.equal)?, all(&list.at_most)?, all(&list.at_least)?);
        let holds = |row: &StoredRow, filters: &[(usize, Value)], compares: fn(&Rank, &Rank) -> bool| {
            let both = |nth: usize, wanted: &Value| row.values[nth] != Value::Null && *wanted != Value::Null;
            let ranks = |nth: usize, wanted: &Value| {
                let column = &list.table.columns[nth];
                compares(&rank(column, &row.values[nth]), &rank(column, wanted))
            };
            filters.iter().all(|(nth, wanted)| both(*nth, wanted) && ranks(*nth, wanted))
        };
        let fits = |row: &StoredRow| {
            holds(row, &equal, Rank::eq) && holds(row, &at_most, Rank::le) && holds(row, &at_least, Rank::ge)
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
        state.committed_at = state.committed_at.max(commit.at);
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
        let columns = list.table.columns;
        let sorts = |value: &Value| sort.map_or((false, Value::Null), |nth| rank(&columns[nth], value));
        let at = |value: &Value, key: &Key| (sorts(value), key_rank(list.table, key));
        let place = |key: &Key, row: &StoredRow| at(sort.map_or(&Value::Null, |nth| &row.values[nth]), key);
        let mut found: Vec<_> = self.found(list)?.into_iter().map(|(key, row)| (place(&key, &row), row)).collect();
        found.sort_by(|left, right| left.0.cmp(&right.0));
        if list.direction == Direction::Descending {
            found.reverse();
        }
        let after = list.after.as_ref().map(|(value, key)| at(value, key));
        let after = |place: &(Rank, Vec<Rank>)| match (&after, list.direction) {
            (None, _) => true,
            (Some(after), Direction::Ascending) => place > after,
            (Some(after), Direction::Descending) => place < after,
        };
        let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
        Ok(found.into_iter().filter(|(place, _)| after(place)).map(|(_, row)| row).take(limit).collect())
    }

    fn search(&self, list: &List, phrases: &[Phrase], offset: u32) -> Result<Vec<StoredRow>, StoreError> {
        let words = place(list, WORDS)?;
        let holds = |row: &StoredRow| {
            let Value::Text(text) = &row.values[words] else { return false };
            let text = format!(" {text} ");
            let end = |phrase: &Phrase| if phrase.is_prefix { "" } else { " " };
            !phrases.is_empty()
                && phrases.iter().all(|phrase| text.contains(&format!(" {}{}", phrase.words, end(phrase))))
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

    fn last_commit_at(&self) -> Result<Timestamp, StoreError> {
        Ok(self.state().committed_at)
    }
}

fn place(list: &List, column: &str) -> Result<usize, StoreError> {
    let unknown = || StoreError::Unusable(format!("{} has no column {column}", list.table.name));
    list.table.position(column).ok_or_else(unknown)
}

/// What a value is sorted by: ids as every store sorts them.
type Rank = (bool, Value);

fn rank(column: &ColumnDef, value: &Value) -> Rank {
    match value {
        Value::Text(text) if column.kind == ColumnKind::Id => (id_rank(text).0, value.clone()),
        other => (false, other.clone()),
    }
}

fn key_rank(table: &Table, key: &Key) -> Vec<Rank> {
    let columns = table.key.iter().filter_map(|name| table.position(name)).map(|nth| &table.columns[nth]);
    columns.zip(key.parts()).map(|(column, part)| rank(column, &Value::Text(part.into()))).collect()
}

fn parts(key: &Key) -> Vec<String> {
    key.parts().map(str::to_owned).collect()
}
