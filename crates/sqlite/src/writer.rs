//! The writer: a batch is one transaction, and a row is what the batch took it to be, or nothing of it is there.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use rusqlite::{Connection, Statement};
use tradewind_engine::{
    StoredRow, Table,
    ports::{Commit, CommitError, RowChange, RowWrite, StoreError, Writer},
};
use tradewind_events::{ColumnKind, Timestamp};

use crate::{
    checkpoint::Checkpointer,
    error::{commit_error, is_rejection, reason, store_error},
    lock::Ownership,
    place::Watch,
    pool::Pool,
    segments, sql,
    value::{Param, bind_key, key_kinds, signed, unsigned},
};

/// The one writer of a store. Dropping it ends the ownership.
pub struct SqliteWriter {
    connection: Connection,
    statements: HashMap<(&'static str, Kind), Write>,
    /// Why it refuses to go on: after a failed write only a restart knows what is on the disk.
    failed: Option<StoreError>,
    readers: Arc<Pool>,
    checkpointer: Checkpointer,
    watch: Watch,
    /// Dropped last.
    _ownership: Ownership,
}

/// A store without an owner is one file, whoever still holds a reader. One whose files are not where they were is left as it
/// is, and one whose log is damaged: only a part of the log could be copied.
impl Drop for SqliteWriter {
    fn drop(&mut self) {
        let copier = self.checkpointer.end();
        if self.readers.check_end().is_err() || self.watch.after().is_err() {
            std::mem::forget(copier);
            self.abandon();
        } else {
            self.readers.retire();
        }
    }
}

/// In the order in which a table's rows are written: what is unique is let go before it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Delete,
    Update,
    Insert,
}

/// How changes of one kind are written to one table.
struct Write {
    sql: String,
    /// Of the columns of the key.
    kinds: Vec<ColumnKind>,
}

impl Writer for SqliteWriter {
    fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone().into());
        }
        self.checkpointer.begin_commit();
        let applied = self.commit_in_place(commit);
        if let Err(error) = &applied {
            self.roll_back(error);
        }
        self.checkpointer.end_commit();
        applied
    }
}

impl SqliteWriter {
    pub(crate) fn new(
        connection: Connection,
        readers: Arc<Pool>,
        checkpointer: Checkpointer,
        watch: Watch,
        ownership: Ownership,
    ) -> Self {
        let (statements, failed) = (HashMap::new(), None);
        Self { connection, statements, failed, readers, checkpointer, watch, _ownership: ownership }
    }

    fn commit_in_place(&mut self, commit: &Commit) -> Result<(), CommitError> {
        // What is written behind damage is not there after the next start.
        self.readers.check_end()?;
        self.in_place(|watch| watch.before())?;
        self.apply(commit)?;
        self.in_place(Watch::after)
    }

    fn in_place(&mut self, look: impl FnOnce(&mut Watch) -> Result<(), StoreError>) -> Result<(), CommitError> {
        look(&mut self.watch).map_err(|lost| self.readers.end(lost).into())
    }

    /// As [`Pool::abandon`].
    fn abandon(&mut self) {
        self.readers.abandon();
        if let Ok(none) = Connection::open_in_memory() {
            // Its statements go first: they hold the connection.
            self.connection.flush_prepared_statement_cache();
            std::mem::forget(std::mem::replace(&mut self.connection, none));
        }
    }

    fn apply(&mut self, commit: &Commit) -> Result<(), CommitError> {
        self.run("BEGIN IMMEDIATE")?;
        self.check_epoch(commit.epoch)?;
        let mut groups: BTreeMap<(&'static str, Kind), Vec<&RowChange>> = BTreeMap::new();
        for change in &commit.rows {
            groups.entry((change.table.name, Kind::of(&change.write))).or_default().push(change);
        }
        for ((_, kind), changes) in groups {
            self.write(kind, &changes)?;
        }
        if let Some(segment) = &commit.segment {
            segments::append(&self.connection, segment)?;
        } else {
            self.note_time(commit.at)?;
        }
        self.run("COMMIT")
    }

    fn run(&self, sql: &str) -> Result<(), CommitError> {
        let done = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        done.map(|_| ()).map_err(|error| commit_error("a table", &error))
    }

    fn check_epoch(&self, ours: u64) -> Result<(), CommitError> {
        let epoch = self
            .connection
            .prepare_cached("SELECT epoch FROM store_meta")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        let theirs = unsigned(epoch.map_err(|error| store_error(&error))?);
        if ours == theirs { Ok(()) } else { Err(CommitError::NotOwner { ours, theirs }) }
    }

    /// A segment has the moment of its commit. Without one it is kept here, because rows may hold it: engine time does
    /// not go back behind it.
    fn note_time(&self, at: Timestamp) -> Result<(), CommitError> {
        self.connection
            .prepare_cached("UPDATE store_meta SET committed_at = ?1 WHERE committed_at < ?1")
            .and_then(|mut statement| statement.execute([at.as_millis()]))
            .map(|_| ())
            .map_err(|error| store_error(&error).into())
    }

    /// Writes changes of one kind to one table.
    fn write(&mut self, kind: Kind, changes: &[&RowChange]) -> Result<(), CommitError> {
        let Some(RowChange { table, .. }) = changes.first() else { return Ok(()) };
        let write = || Write { sql: kind.sql(table), kinds: key_kinds(table) };
        let Write { sql, kinds } = self.statements.entry((table.name, kind)).or_insert_with(write);
        let prepared = self.connection.prepare_cached(sql);
        let mut statement = prepared.map_err(|error| store_error(&error))?;
        for change in changes {
            match bind(&mut statement, change, kinds).and_then(|()| statement.raw_execute()) {
                Ok(1) => {}
                Ok(_) => return Err(self.not_as_expected(change)),
                Err(error) if is_rejection(&error) => {
                    return Err(refused(change, &reason(&error)));
                }
                Err(error) => return Err(commit_error(change.table.name, &error)),
            }
        }
        Ok(())
    }

    fn not_as_expected(&self, change: &RowChange) -> CommitError {
        let version = self.connection.prepare(&sql::version(change.table)).and_then(|mut statement| {
            bind_key(&mut statement, 1, &key_kinds(change.table), &change.key)?;
            statement.raw_query().next()?.map(|row| row.get(0)).transpose()
        });
        let expected = match change.write {
            RowWrite::Update { expected_version, .. } | RowWrite::Delete { expected_version } => expected_version,
            RowWrite::Insert(_) => 0,
        };
        match version {
            Ok(Some(version)) => refused(change, &format!("it is at version {}, not {expected}", unsigned(version))),
            Ok(None) => refused(change, &format!("version {expected} was expected, and there is none")),
            Err(error) => commit_error(change.table.name, &error),
        }
    }

    fn roll_back(&mut self, error: &CommitError) {
        // SQLite may have done it already.
        let rolled_back = self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok();
        self.failed = match error {
            CommitError::Store(failed) if !matches!(failed, StoreError::Full(_)) => Some(failed.clone()),
            _ if rolled_back => None,
            _ => Some(StoreError::Unusable(String::from("a batch could not be rolled back"))),
        };
    }
}

impl Kind {
    fn of(write: &RowWrite) -> Self {
        match write {
            RowWrite::Delete { .. } => Self::Delete,
            RowWrite::Update { .. } => Self::Update,
            RowWrite::Insert(_) => Self::Insert,
        }
    }

    fn sql(self, table: &Table) -> String {
        match self {
            Self::Delete => sql::delete(table),
            Self::Update => sql::update(table),
            Self::Insert => sql::insert(table),
        }
    }
}

fn bind(statement: &mut Statement<'_>, change: &RowChange, kinds: &[ColumnKind]) -> rusqlite::Result<()> {
    let RowChange { table, key, write } = change;
    match write {
        RowWrite::Insert(row) => bind_row(statement, table, row).map(|_| ()),
        RowWrite::Update { expected_version, row } => {
            let next = bind_row(statement, table, row)?;
            bind_key(statement, next, kinds, key)?;
            statement.raw_bind_parameter(next + table.key.len(), Param::Int(signed(*expected_version)))
        }
        RowWrite::Delete { expected_version } => {
            bind_key(statement, 1, kinds, key)?;
            statement.raw_bind_parameter(1 + table.key.len(), Param::Int(signed(*expected_version)))
        }
    }
}

/// Binds a row from the first parameter on; returns the number of the next.
fn bind_row(statement: &mut Statement<'_>, table: &Table, row: &StoredRow) -> rusqlite::Result<usize> {
    let columns = table.columns.len();
    if row.values.len() != columns {
        return Err(rusqlite::Error::InvalidParameterCount(row.values.len(), columns));
    }
    for (nth, (value, column)) in row.values.iter().zip(table.columns).enumerate() {
        statement.raw_bind_parameter(nth + 1, Param::Value(value).stored_as(column.kind))?;
    }
    statement.raw_bind_parameter(columns + 1, Param::Int(signed(row.version)))?;
    statement.raw_bind_parameter(columns + 2, Param::Int(signed(row.events)))?;
    Ok(columns + 3)
}

fn refused(change: &RowChange, reason: &str) -> CommitError {
    CommitError::Constraint { table: change.table.name.to_owned(), reason: format!("{}: {reason}", change.key) }
}
