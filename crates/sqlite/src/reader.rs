//! The readers: rows by key, pages, text, the log. They see what is committed and never wait for the writer.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use rusqlite::{CachedStatement, Connection, Result, params_from_iter};
use tradewind_engine::{
    StoredRow, Table,
    ports::{List, Phrase, Reader, StoreError},
    segment::Segment,
};
use tradewind_events::{Key, Timestamp};

use crate::{
    list::{self, Having},
    pool::Pool,
    search, segments, sql,
    value::{Param, bind_key, key_kinds, read_row},
};

/// Reads a store from any thread. A clone shares the connections.
#[derive(Clone)]
pub struct SqliteReader {
    pub(crate) pool: Arc<Pool>,
    /// How rows of a table are loaded, by its name: composing the text anew takes as long as finding a row.
    loads: Arc<RwLock<HashMap<&'static str, Arc<str>>>>,
}

impl SqliteReader {
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, loads: Arc::default() }
    }

    fn count(&self, having: &List) -> std::result::Result<i64, StoreError> {
        let query = list::count_having(having)?;
        self.pool.read(|connection| {
            connection.prepare_cached(&query.sql)?.query_row(params_from_iter(&query.params), |row| row.get(0))
        })
    }

    fn load_sql(&self, table: &'static Table) -> Arc<str> {
        let known = |loads: &HashMap<&'static str, Arc<str>>| loads.get(table.name).cloned();
        if let Some(sql) = known(&self.loads.read().unwrap_or_else(PoisonError::into_inner)) {
            return sql;
        }
        let sql: Arc<str> = sql::load(table).into();
        self.loads.write().unwrap_or_else(PoisonError::into_inner).insert(table.name, Arc::clone(&sql));
        sql
    }
}

impl Reader for SqliteReader {
    fn load(&self, table: &'static Table, keys: &[Key]) -> std::result::Result<Vec<Option<StoredRow>>, StoreError> {
        // A look-up of its own for each key: there is no way to the server to be saved, and a list of keys in the
        // statement would have to be sorted and matched with its rows.
        let sql = self.load_sql(table);
        let load = |connection: &Connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let kinds = key_kinds(table);
            keys.iter()
                .map(|key| {
                    bind_key(&mut statement, 1, &kinds, key)?;
                    statement.raw_query().next()?.map(|row| read_row(row, table)).transpose()
                })
                .collect()
        };
        // One statement is as of one commit by itself.
        if keys.len() == 1 { self.pool.read(load) } else { self.pool.read_snapshot(load) }
    }

    fn list(&self, list: &List) -> std::result::Result<Vec<StoredRow>, StoreError> {
        let having = match &list.having {
            Some(having) => Having::of(self.count(having)?),
            None => Having::Many,
        };
        let query = list::query(list, having)?;
        self.pool.read(|connection| rows(connection.prepare_cached(&query.sql)?, &query.params, list.table))
    }

    fn search(&self, list: &List, phrases: &[Phrase], offset: u32) -> std::result::Result<Vec<StoredRow>, StoreError> {
        let Some(wanted) = search::expression(phrases) else { return Ok(Vec::new()) };
        let query = search::query(list, &wanted, offset)?;
        self.pool.read(|connection| rows(connection.prepare_cached(&query.sql)?, &query.params, list.table))
    }

    fn segments(&self, from: u64, limit: u32) -> std::result::Result<Vec<Segment>, StoreError> {
        self.pool.read_snapshot(|connection| segments::read(connection, from, limit))
    }

    fn last_segment(&self) -> std::result::Result<u64, StoreError> {
        self.pool.read_snapshot(segments::last)
    }

    fn last_commit_at(&self) -> std::result::Result<Timestamp, StoreError> {
        self.pool.read_snapshot(|connection| {
            let noted = connection.query_row("SELECT committed_at FROM store_meta", [], |row| row.get(0))?;
            let last = segments::read(connection, segments::last(connection)?, 1)?.pop();
            Ok(last.map_or_else(Timestamp::default, |last| last.committed_at).max(Timestamp::from_millis(noted)))
        })
    }

    fn is_local(&self) -> bool {
        true
    }

    fn scrub(&self, from: u64) -> std::result::Result<Option<u64>, StoreError> {
        self.scrub_part(from)
    }

    fn fault(&self) -> Option<StoreError> {
        self.pool.fault()
    }
}

fn rows(mut statement: CachedStatement<'_>, params: &[Param<'_>], table: &Table) -> Result<Vec<StoredRow>> {
    let rows = statement.query_map(params_from_iter(params), |row| read_row(row, table))?;
    rows.collect()
}
