//! Rebuilding, the pure part: which tables are read models, what they are after the events of a log, and where a live
//! table differs from that. Who reads the log and writes the tables is elsewhere.

use std::{collections::BTreeMap, fmt, sync::Arc};

use tradewind_engine::{AnyService, LogPosition, Replay, Stop, Table};
use tradewind_events::{Envelope, InvalidKey, Key, Value};

use crate::Query;

/// Every table of query: all of them can be cleared and made again.
pub fn tables() -> Vec<&'static Table> {
    AnyService::from(crate::service(Query)).tables
}

/// The rows of one table, without what a store counts beside them: a rebuilt row was written in other commits.
pub type Rows = BTreeMap<Key, Vec<Value>>;

/// The key of a row as a store keeps it.
pub fn key_of(table: &Table, row: &[Value]) -> Result<Key, InvalidKey> {
    table.key_of(row)
}

/// The read models as the events of a log make them, all in memory. A log that is too large for that is heard again by
/// a store of its own, through the same reactions.
pub struct ReadModels {
    replay: Replay,
    /// Events that no read model could take in, each with the reason: live they are dead letters of query.
    pub failed: Vec<(LogPosition, Stop)>,
}

impl Default for ReadModels {
    fn default() -> Self {
        Self { replay: Replay::new(crate::service(Query)), failed: Vec::new() }
    }
}

impl ReadModels {
    /// What the read models are after these events, which come in the order of the log.
    pub fn of<'a>(events: impl IntoIterator<Item = (LogPosition, &'a Arc<Envelope>)>) -> Self {
        let mut models = Self::default();
        for (address, envelope) in events {
            models.hear(address, Arc::clone(envelope));
        }
        models
    }

    /// Takes the next event of the log in.
    pub fn hear(&mut self, address: LogPosition, envelope: impl Into<Arc<Envelope>>) {
        if let Err(stop) = self.replay.hear(envelope, address) {
            self.failed.push((address, stop));
        }
    }

    /// Takes a row of one of [`tables`] out.
    pub fn take_row(&mut self, table: &'static Table, key: &Key) -> Option<Vec<Value>> {
        self.replay.take_row(table, key)
    }

    /// Takes the rows of one of [`tables`] out, in the order of their keys.
    pub fn take_rows(&mut self, table: &'static Table) -> impl Iterator<Item = (Key, Vec<Value>)> {
        self.replay.take_rows(table)
    }
}

/// A row that is not as the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub table: &'static str,
    pub key: Key,
    pub kind: DifferenceKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The live table lacks it.
    Missing,
    /// Only the live table has it.
    Surplus,
    /// These columns differ.
    Columns(Vec<&'static str>),
}

/// For a person, after the name of the row.
impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Surplus => f.write_str("is there, but not in the log"),
            Self::Columns(columns) => write!(f, "is another in the log: {}", columns.join(", ")),
        }
    }
}

/// Compares a live table with a rebuilt one. When only events from segment `oldest` on are left in the log, live rows
/// that know of earlier ones are frozen: they cannot be made again, are not compared, and are counted.
pub fn compare(table: &'static Table, live: &Rows, rebuilt: &Rows, oldest: u64) -> (Vec<Difference>, usize) {
    let (mut differences, mut frozen) = (Vec::new(), 0);
    let mut differs = |key: &Key, kind| differences.push(Difference { table: table.name, key: key.clone(), kind });
    for (key, row) in live {
        if is_frozen(table, row, oldest) {
            frozen += 1;
            continue;
        }
        match rebuilt.get(key) {
            None => differs(key, DifferenceKind::Surplus),
            Some(other) if other != row => {
                let columns = table.columns.iter().zip(row.iter().zip(other));
                let unlike = columns.filter(|(_, (live, rebuilt))| live != rebuilt).map(|(column, _)| column.name);
                differs(key, DifferenceKind::Columns(unlike.collect()));
            }
            Some(_) => {}
        }
    }
    for key in rebuilt.keys().filter(|key| !live.contains_key(key)) {
        differs(key, DifferenceKind::Missing);
    }
    (differences, frozen)
}

/// The row knows of an event before this segment. Every read model says in `since_segment` where its first one is.
pub fn is_frozen(table: &Table, row: &[Value], oldest: u64) -> bool {
    let since = table.position(SINCE_SEGMENT).and_then(|place| row.get(place));
    matches!(since, Some(Value::Int(since)) if u64::try_from(*since).is_ok_and(|since| since < oldest))
}

/// The column of every read model with the segment of the first event that it knows of.
pub const SINCE_SEGMENT: &str = "since_segment";
