//! A few connections that read. Each has one user at a time; who finds none waits.

use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::{Connection, Result};
use tradewind_engine::ports::StoreError;

use crate::{
    error::{is_failed_flush, is_log_damage, store_error},
    source::Source,
};

pub(crate) struct Pool {
    connections_max: usize,
    state: Mutex<State>,
    returned: Condvar,
    /// The first damage that a read has met.
    damage: OnceLock<StoreError>,
    /// Why nothing more may be written.
    end: OnceLock<StoreError>,
    /// Dropped after the connections.
    pub source: Source,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    lent: usize,
    /// The owner is gone: no connection is kept open.
    retired: bool,
}

impl Pool {
    pub fn new(source: Source, connections_max: usize) -> Self {
        let (connections_max, state, returned) = (connections_max.max(1), Mutex::default(), Condvar::new());
        Self { connections_max, state, returned, damage: OnceLock::new(), end: OnceLock::new(), source }
    }

    /// Runs a query on a connection of its own.
    pub fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> std::result::Result<T, StoreError> {
        let mut lease = self.lend();
        let connection = match lease.connection.take() {
            Some(connection) => connection,
            None => self.source.connect()?,
        };
        let answer = query(lease.connection.insert(connection));
        self.source.check()?;
        answer.map_err(|error| self.failed(&error))
    }

    /// What an error of a read or of a checkpoint means; damage is remembered.
    pub fn failed(&self, error: &rusqlite::Error) -> StoreError {
        let failed = self.note(store_error(error));
        if is_log_damage(error) || is_failed_flush(error) { self.end(failed) } else { failed }
    }

    /// Ends the writer and the checkpoints. The first reason stays.
    pub fn end(&self, reason: StoreError) -> StoreError {
        self.end.get_or_init(|| reason.clone());
        reason
    }

    /// Refuses when the writer has come to its end: the files of the store are not where they were, the log is damaged, or a
    /// flush has failed.
    pub fn check_end(&self) -> std::result::Result<(), StoreError> {
        self.end.get().cloned().map_or(Ok(()), Err)
    }

    /// Remembers damage.
    pub fn note(&self, error: StoreError) -> StoreError {
        if let StoreError::Corrupt(_) = &error {
            self.damage.get_or_init(|| error.clone());
        }
        error
    }

    /// What is wrong with the store, as far as it is known: its file is not in its place, a read has met damage, or nothing more
    /// may be written.
    pub fn fault(&self) -> Option<StoreError> {
        self.source.is_in_place().err().or_else(|| self.damage.get().or(self.end.get()).cloned())
    }

    /// The same, and everything that it reads is as of one commit.
    pub fn read_snapshot<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> std::result::Result<T, StoreError> {
        self.read(|connection| {
            connection.prepare_cached("BEGIN")?.execute([])?;
            let answer = query(connection);
            // An error leaves it open: the lease then drops the connection.
            if answer.is_ok() {
                connection.prepare_cached("COMMIT")?.execute([])?;
            }
            answer
        })
    }

    /// Keeps no connection open from now on: the last one of a process to be closed puts the log of SQLite into the file.
    /// Who reads later opens one for that.
    pub fn retire(&self) {
        let mut state = self.state();
        state.retired = true;
        state.idle.clear();
    }

    /// Leaves the connections open until the process ends. Closing them removes the log by its name, and under that name
    /// may be the log of another store by now.
    pub fn abandon(&self) {
        let mut state = self.state();
        state.retired = true;
        state.idle.drain(..).for_each(std::mem::forget);
    }

    fn lend(&self) -> Lease<'_> {
        let mut state = self.state();
        while state.idle.is_empty() && state.lent >= self.connections_max {
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.lent += 1;
        Lease { pool: self, connection: state.idle.pop() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the readers, with its connection once that is open.
struct Lease<'p> {
    pool: &'p Pool,
    connection: Option<Connection>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        state.lent -= 1;
        let retired = state.retired;
        state.idle.extend(self.connection.take().filter(|connection| !retired && connection.is_autocommit()));
        drop(state);
        self.pool.returned.notify_one();
    }
}
