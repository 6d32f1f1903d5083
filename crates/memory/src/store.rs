//! A store in memory. What was committed survives a [`MemoryStore::restart`] of its owner, and nothing else does.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included, Unbounded},
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

#[derive(Clone, Default)]
struct State {
    tables: BTreeMap<&'static str, Rows>,
    segments: Vec<Segment>,
    /// Of the last commit.
    committed_at: Timestamp,
    epoch: u64,
    rules: Vec<(&'static str, Rule)>,
    /// Taken from the end: what the next commits meet.
    faults: Vec<CommitError>,
}

/// The rows of one table.
#[derive(Clone, Default)]
struct Rows {
    by_key: BTreeMap<Key, StoredRow>,
    /// For each column that a list was ordered by: every row, in that order.
    orders: BTreeMap<usize, BTreeMap<Place, Key>>,
}

/// Where a row stands in a list: by the value that sorts, then by the parts of its key.
type Place = (Rank, Vec<Rank>);

impl Rows {
    fn put(&mut self, table: &'static Table, key: &Key, row: Option<StoredRow>) {
        for (nth, order) in &mut self.orders {
            if let Some(before) = self.by_key.get(key) {
                order.remove(&place_of(table, *nth, key, before));
            }
            if let Some(row) = &row {
                order.insert(place_of(table, *nth, key, row), key.clone());
            }
        }
        match row {
            Some(row) => self.by_key.insert(key.clone(), row),
            None => self.by_key.remove(key),
        };
    }

    /// All rows in the order of a column. It is made when it is first asked for, and kept from then on.
    fn order(&mut self, table: &'static Table, nth: usize) -> &BTreeMap<Place, Key> {
        self.orders.entry(nth).or_insert_with(|| {
            self.by_key.iter().map(|(key, row)| (place_of(table, nth, key, row), key.clone())).collect()
        })
    }
}

fn place_of(table: &'static Table, nth: usize, key: &Key, row: &StoredRow) -> Place {
    (rank(&table.columns[nth], &row.values[nth]), key_rank(table, key))
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

    /// A copy as of the last commit, which shares nothing with this store.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
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
        state.tables.entry(table.name).or_default().put(table, key, row);
    }

    /// All rows of a table by key.
    pub fn rows(&self, table: &'static Table) -> Vec<StoredRow> {
        self.state().tables.get(table.name).map(|rows| rows.by_key.values().cloned().collect()).unwrap_or_default()
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
        let fits = fits(list)?;
        let state = self.state();
        let rows = state.tables.get(list.table.name).into_iter().flat_map(|rows| &rows.by_key);
        Ok(rows.filter(|(_, row)| fits(row)).map(|(key, row)| (key.clone(), row.clone())).collect())
    }

    /// A page in the order of a column, without looking at the rows before it.
    fn ordered(&self, list: &List, nth: usize) -> Result<Vec<StoredRow>, StoreError> {
        let fits = fits(list)?;
        let column = &list.table.columns[nth];
        let bound = |bounds: &[(&'static str, Value)]| {
            let of_column = bounds.iter().filter(|(name, _)| *name == column.name);
            of_column.map(|(_, value)| rank(column, value)).collect::<Vec<_>>()
        };
        let after = list.after.as_ref().map(|(value, key)| (rank(column, value), key_rank(list.table, key)));
        let (least, most) = (bound(&list.at_least).into_iter().max(), bound(&list.at_most).into_iter().min());
        let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
        let mut state = self.state();
        let rows = state.tables.entry(list.table.name).or_default();
        rows.order(list.table, nth);
        let (order, by_key) = (&rows.orders[&nth], &rows.by_key);
        let row = |(_, key): (&Place, &Key)| by_key.get(key).filter(|row| fits(row)).cloned();
        Ok(match list.direction {
            Direction::Ascending => {
                let least = least.map(|least| (least, Vec::new()));
                let from = after.map_or_else(|| least.map_or(Unbounded, Included), Excluded);
                let within = |(place, _): &(&Place, &Key)| most.as_ref().is_none_or(|most| place.0 <= *most);
                order.range((from, Unbounded)).take_while(within).filter_map(row).take(limit).collect()
            }
            Direction::Descending => {
                let to = after.map_or(Unbounded, Excluded);
                let within = |(place, _): &(&Place, &Key)| least.as_ref().is_none_or(|least| place.0 >= *least);
                order.range((Unbounded, to)).rev().take_while(within).filter_map(row).take(limit).collect()
            }
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a row is one of a list, wherever that begins.
fn fits(list: &List) -> Result<impl Fn(&StoredRow) -> bool, StoreError> {
    let placed = |(column, value): &(&'static str, Value)| Ok((place(list, column)?, value.clone()));
    let all = |filters: &[(&'static str, Value)]| filters.iter().map(placed).collect::<Result<Vec<_>, StoreError>>();
    let (equal, at_most, at_least) = (all(&list.equal)?, all(&list.at_most)?, all(&list.at_least)?);
    let holds = |row: &StoredRow, filters: &[(usize, Value)], compares: fn(&Rank, &Rank) -> bool| {
        let both = |nth: usize, wanted: &Value| row.values[nth] != Value::Null && *wanted != Value::Null;
        let ranks = |nth: usize, wanted: &Value| {
            let column = &list.table.columns[nth];
            compares(&rank(column, &row.values[nth]), &rank(column, wanted))
        };
        filters.iter().all(|(nth, wanted)| both(*nth, wanted) && ranks(*nth, wanted))
    };
    let fits = move |row: &StoredRow| {
        holds(row, &equal, Rank::eq) && holds(row, &at_most, Rank::le) && holds(row, &at_least, Rank::ge)
    };
    Ok(fits)
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
                self.tables.get(change.table.name).and_then(|rows| rows.by_key.get(&change.key)).map(|row| row.version);
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
            let row = match &change.write {
                RowWrite::Insert(row) | RowWrite::Update { row, .. } => Some(row.clone()),
                RowWrite::Delete { .. } => None,
            };
            state.tables.entry(change.table.name).or_default().put(change.table, &change.key, row);
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
        Ok(keys.iter().map(|key| rows.and_then(|rows| rows.by_key.get(key)).cloned()).collect())
    }

    fn list(&self, list: &List) -> Result<Vec<StoredRow>, StoreError> {
        let sort = list.order_by.map(|column| place(list, column)).transpose()?;
        if let (Some(nth), None) = (sort, &list.having) {
            return self.ordered(list, nth);
        }
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
