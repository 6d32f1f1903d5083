//! What is due next: a window of a table that is ordered by `due_at`, so that memory is bounded however much waits.
//!
//! The window reads its table forward, and no row again that it has handed out or still holds.

use std::collections::BTreeMap;

use tradewind_events::{Key, Timestamp, Value};

use crate::{
    Entity, StoredRow, Table,
    entity::readable,
    ports::{Direction, List, Reader, StoreError},
};

/// How far ahead it looks, in milliseconds.
const WINDOW_AHEAD_MS: i64 = 60_000;

/// Where a row stands in the order of the store: when it is due, then its key as stores sort keys. The empty text comes
/// before all keys.
type Place = (Timestamp, Box<str>);

/// The rows of one table that fall due soon. A row may have been moved or deleted since it came in: the caller looks at
/// the row itself.
pub(crate) struct DueWindow {
    /// Never after `reach`.
    rows: BTreeMap<Place, Key>,
    /// Every committed row up to this place is in `rows`, or was handed out.
    reach: Place,
    /// The row at `reach`; none when `reach` stands before all rows of its millisecond.
    reach_key: Option<Key>,
    table: &'static Table,
    equal: Vec<(&'static str, Value)>,
    is_readable: fn(&StoredRow) -> bool,
    page_rows: u32,
    rows_max: usize,
}

impl DueWindow {
    /// A window of the rows of `E` whose columns have these values: of so many rows at most, at least one, which it reads
    /// in pages of a twentieth.
    pub fn new<E: Entity>(equal: Vec<(&'static str, Value)>, rows_max: usize) -> Self {
        Self {
            rows: BTreeMap::new(),
            reach: start(),
            reach_key: None,
            table: E::TABLE,
            equal,
            is_readable: |row| readable::<E>(row).is_some(),
            page_rows: u32::try_from(rows_max / 20).unwrap_or(u32::MAX).max(1),
            rows_max: rows_max.max(1),
        }
    }

    /// A row has been committed. When the window is full, the last row leaves it, and a later read finds that one.
    pub fn insert(&mut self, due_at: Timestamp, key: Key) {
        let place = (due_at, self.table.rank(&key));
        if place > self.reach {
            return;
        }
        self.rows.insert(place, key);
        if self.rows.len() > self.rows_max {
            self.rows.pop_last();
            if let Some((place, key)) = self.rows.last_key_value() {
                (self.reach, self.reach_key) = (place.clone(), Some(key.clone()));
            }
        }
    }

    /// Hands out the next row that is due, with the moment at which it was; [`Self::insert`] with the same moment takes it
    /// back. Reads on in the store when there is none in the window; each row that cannot be read counts as `unusable`.
    pub fn next(
        &mut self,
        now: Timestamp,
        reader: &dyn Reader,
        unusable: &mut usize,
    ) -> Result<Option<(Timestamp, Key)>, StoreError> {
        loop {
            if let Some(first) = self.rows.first_entry()
                && first.key().0 <= now
            {
                let ((due_at, _), key) = first.remove_entry();
                return Ok(Some((due_at, key)));
            }
            if self.reach.0 > now {
                return Ok(None);
            }
            *unusable += self.read(now, reader)?;
        }
    }

    /// Reads the next page. Whatever the window held is due and was handed out, so it is empty.
    fn read(&mut self, now: Timestamp, reader: &dyn Reader) -> Result<usize, StoreError> {
        let until = Timestamp::from_millis(now.as_millis().saturating_add(WINDOW_AHEAD_MS));
        let list = List { equal: self.equal.clone(), ..List::of(self.table, self.page_rows) }
            .order_by("due_at", Direction::Ascending);
        let from = Value::Int(self.reach.0.as_millis());
        // One bound alone: with a second one SQLite may take an index that does not tell jobs of one kind from others.
        let list = match &self.reach_key {
            Some(key) => list.after(from, key.clone()),
            None => list.at_least("due_at", from),
        };
        let rows = reader.list(&list)?;
        let mut is_all = rows.len() < usize::try_from(self.page_rows).unwrap_or(usize::MAX);
        let (mut read_to, mut unusable) = (None, 0);
        for row in &rows {
            let Some((due_at, key)) = self.due(row) else {
                unusable += 1;
                continue;
            };
            if due_at >= until {
                is_all = true;
                break;
            }
            let place = (due_at, self.table.rank(&key));
            read_to = Some((place.clone(), Some(key.clone())));
            if (self.is_readable)(row) {
                self.rows.insert(place, key);
            } else {
                unusable += 1;
            }
        }
        (self.reach, self.reach_key) = if is_all {
            ((until, Box::default()), None)
        } else {
            read_to
                .ok_or_else(|| StoreError::Corrupt(format!("no row of {} that is due has a key", self.table.name)))?
        };
        Ok(unusable)
    }

    fn due(&self, row: &StoredRow) -> Option<(Timestamp, Key)> {
        let due_at = self.table.position("due_at").and_then(|place| row.values.get(place));
        let Some(Value::Int(due_at)) = due_at else { return None };
        Some((Timestamp::from_millis(*due_at), self.table.key_of(&row.values).ok()?))
    }

    /// When to look again.
    pub fn next_due(&self) -> Timestamp {
        self.rows.first_key_value().map_or(self.reach.0, |((due_at, _), _)| (*due_at).min(self.reach.0))
    }

    /// Forgets the window: what was thought to be committed is not.
    pub fn reset(&mut self) {
        self.rows.clear();
        (self.reach, self.reach_key) = (start(), None);
    }
}

/// Before every row.
fn start() -> Place {
    (Timestamp::from_millis(i64::MIN), Box::default())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use proptest::prelude::*;
    use tradewind_events::{Id, KeyText, id};

    use super::*;
    use crate::{ports::Phrase, segment::Segment, tables::TimerRow};

    const PAGE: u32 = 8;
    const ROWS_MAX: usize = 12;

    /// Timers by key, and what was read of them.
    #[derive(Default)]
    struct Timers {
        due: Mutex<BTreeMap<Key, Timestamp>>,
        lists: AtomicUsize,
        rows: AtomicUsize,
    }

    fn timer(nth: u64) -> TimerRow {
        // Ids of both sorts: stores keep UUIDs behind all other ids.
        let key = if nth.is_multiple_of(2) { format!("k{nth}") } else { format!("0199c2f4-7d3e-7a51-8c6b-{nth:012x}") };
        TimerRow {
            service: KeyText::literal("s"),
            name: KeyText::literal(if nth.is_multiple_of(3) { "n" } else { "nn" }),
            key: id(&key),
            due_at: Timestamp::default(),
            correlation_id: id("c"),
            attempts: 0,
        }
    }

    /// Where a row stands.
    type Stands = (i64, Vec<(bool, String)>);

    /// The order of stores, written differently.
    fn order(key: &Key) -> Vec<(bool, String)> {
        let parts: Vec<String> = key.parts().map(str::to_owned).collect();
        let is_uuid = parts[2].parse::<uuid::Uuid>().is_ok();
        vec![(false, parts[0].clone()), (false, parts[1].clone()), (is_uuid, parts[2].clone())]
    }

    fn int(filters: &[(&'static str, Value)]) -> Option<i64> {
        filters.first().map(|(_, value)| if let Value::Int(int) = value { *int } else { panic!("{value:?}") })
    }

    impl Reader for Timers {
        fn list(&self, list: &List) -> Result<Vec<StoredRow>, StoreError> {
            let after = list.after.as_ref().map(|(at, key)| match at {
                Value::Int(at) => (*at, order(key)),
                other => panic!("{other:?}"),
            });
            let least = int(&list.at_least);
            assert!(list.at_most.is_empty() && list.equal.is_empty());
            let due = self.due.lock().unwrap();
            let mut found: Vec<(Stands, &Key)> =
                due.iter().map(|(key, at)| ((at.as_millis(), order(key)), key)).collect();
            found.sort();
            let within = |(stands, _): &(Stands, &Key)| {
                after.as_ref().is_none_or(|after| stands > after) && least.is_none_or(|least| stands.0 >= least)
            };
            let row = |((at, _), key): (Stands, &Key)| {
                let parts: Vec<&str> = key.parts().collect();
                let row = TimerRow { key: Id::new(parts[2]).unwrap(), due_at: Timestamp::from_millis(at), ..timer(0) };
                let row = TimerRow { name: KeyText::new(parts[1]).unwrap(), ..row };
                StoredRow { values: row.to_row(), version: 1, events: 0 }
            };
            let rows: Vec<_> = found.into_iter().filter(within).take(list.limit as usize).map(row).collect();
            self.lists.fetch_add(1, Ordering::Relaxed);
            self.rows.fetch_add(rows.len(), Ordering::Relaxed);
            Ok(rows)
        }

        fn load(&self, _: &'static Table, _: &[Key]) -> Result<Vec<Option<StoredRow>>, StoreError> {
            unreachable!("a window lists")
        }
        fn search(&self, _: &List, _: &[Phrase], _: u32) -> Result<Vec<StoredRow>, StoreError> {
            unreachable!("a window lists")
        }
        fn segments(&self, _: u64, _: u32) -> Result<Vec<Segment>, StoreError> {
            unreachable!("a window lists")
        }
        fn last_segment(&self) -> Result<u64, StoreError> {
            unreachable!("a window lists")
        }
        fn last_commit_at(&self) -> Result<Timestamp, StoreError> {
            unreachable!("a window lists")
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Op {
        /// A timer is armed or moved; the engine learns of it now, or only with a later [`Op::Settle`].
        Put {
            nth: u64,
            in_ms: i64,
            at_once: bool,
        },
        Delete {
            nth: u64,
        },
        Settle,
        Advance {
            ms: i64,
        },
        Take {
            most: usize,
        },
        Reset,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        // Few moments, so that many rows fall due in the same millisecond.
        let in_ms = prop_oneof![Just(0_i64), Just(5), Just(5), Just(-5), Just(59_999), Just(60_000), 0..200_000_i64];
        let put = (0..60_u64, in_ms, any::<bool>()).prop_map(|(nth, in_ms, at_once)| Op::Put { nth, in_ms, at_once });
        let ms = prop_oneof![Just(0_i64), Just(1), Just(5), Just(60_000), Just(3_600_000)];
        let op = prop_oneof![
            12 => put,
            2 => (0..60_u64).prop_map(|nth| Op::Delete { nth }),
            2 => Just(Op::Settle),
            2 => ms.prop_map(|ms| Op::Advance { ms }),
            3 => (0..20_usize).prop_map(|most| Op::Take { most }),
            1 => Just(Op::Reset),
        ];
        prop::collection::vec(op, 1..300)
    }

    /// A window beside what it must do.
    struct Pair {
        window: DueWindow,
        timers: Timers,
        now: Timestamp,
        /// Committed, and not handed out since.
        pending: BTreeMap<Key, Timestamp>,
        unsettled: Vec<(Timestamp, Key)>,
        handed_out: usize,
        inserted: usize,
        resets: usize,
        began: Timestamp,
    }

    impl Pair {
        fn new() -> Self {
            let window = DueWindow { page_rows: PAGE, ..DueWindow::new::<TimerRow>(Vec::new(), ROWS_MAX) };
            let (timers, now) = (Timers::default(), Timestamp::from_millis(1_000_000));
            let (pending, unsettled) = (BTreeMap::new(), Vec::new());
            Self { window, timers, now, pending, unsettled, handed_out: 0, inserted: 0, resets: 0, began: now }
        }

        fn put(&mut self, nth: u64, in_ms: i64) -> (Timestamp, Key) {
            let (key, due_at) = (timer(nth).key(), Timestamp::from_millis(self.now.as_millis() + in_ms));
            self.timers.due.lock().unwrap().insert(key.clone(), due_at);
            self.pending.insert(key.clone(), due_at);
            (due_at, key)
        }

        fn insert(&mut self, due_at: Timestamp, key: Key) {
            self.inserted += 1;
            self.window.insert(due_at, key);
        }

        fn settle(&mut self) {
            for (due_at, key) in std::mem::take(&mut self.unsettled) {
                self.insert(due_at, key);
            }
        }

        fn take(&mut self, most: usize) -> usize {
            let mut unusable = 0;
            for taken in 0..most {
                let Some((due_at, key)) = self.window.next(self.now, &self.timers, &mut unusable).unwrap() else {
                    return taken;
                };
                assert!(due_at <= self.now && unusable == 0);
                self.handed_out += 1;
                if self.pending.get(&key) == Some(&due_at) {
                    self.pending.remove(&key);
                }
            }
            most
        }

        fn apply(&mut self, op: Op) {
            match op {
                Op::Put { nth, in_ms, at_once } => {
                    let (due_at, key) = self.put(nth, in_ms);
                    if at_once { self.insert(due_at, key) } else { self.unsettled.push((due_at, key)) }
                }
                Op::Delete { nth } => {
                    let key = timer(nth).key();
                    self.timers.due.lock().unwrap().remove(&key);
                    self.pending.remove(&key);
                }
                Op::Settle => self.settle(),
                Op::Advance { ms } => self.now = Timestamp::from_millis(self.now.as_millis() + ms),
                Op::Take { most } => {
                    self.take(most);
                }
                Op::Reset => {
                    self.window.reset();
                    self.resets += 1;
                }
            }
            assert!(self.window.rows.len() <= ROWS_MAX);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn whatever_is_due_is_handed_out_and_no_row_is_read_for_nothing(ops in ops()) {
            let mut pair = Pair::new();
            for op in ops {
                pair.apply(op);
            }
            pair.settle();
            let now = pair.now;
            pair.take(usize::MAX);
            let missed: Vec<_> = pair.pending.iter().filter(|(_, due_at)| **due_at <= now).collect();
            prop_assert!(missed.is_empty(), "{missed:?}");
            let next = pair.pending.values().min().copied();
            prop_assert!(pair.window.next_due() > now && next.is_none_or(|next| pair.window.next_due() <= next));
            // A page goes beyond what is looked at ahead, once in that time.
            let ahead = usize::try_from(pair.now.since(pair.began).as_secs() / 60).unwrap() + 1;
            let most = pair.handed_out + pair.inserted + (pair.resets + ahead) * (ROWS_MAX + PAGE as usize);
            let (rows, lists) = (pair.timers.rows.load(Ordering::Relaxed), pair.timers.lists.load(Ordering::Relaxed));
            prop_assert!(rows <= most, "{rows} rows were read, {most} at most");
            pair.take(usize::MAX);
            prop_assert_eq!(pair.timers.lists.load(Ordering::Relaxed), lists, "it was all read");
        }
    }

    #[test]
    fn more_rows_than_a_page_of_one_millisecond_are_read_once_each() {
        let mut pair = Pair::new();
        for nth in 0..1_000 {
            pair.put(nth, -7);
        }
        while pair.take(3) > 0 {}
        assert_eq!((pair.pending.len(), pair.timers.rows.load(Ordering::Relaxed)), (0, 1_000));
        assert_eq!(pair.timers.lists.load(Ordering::Relaxed), 1_000 / PAGE as usize + 1);
    }
}
