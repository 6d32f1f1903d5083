//! The writer of a process, and what goes wrong with a commit.

use std::sync::Arc;

use tradewind_engine::ports::{Commit, CommitError, StoreError, Writer};
use tradewind_memory::{MemoryStore, MemoryWriter};

use crate::{
    fault::{Fault, Faults},
    trace::Trace,
};

pub struct FaultyWriter {
    /// Of the store.
    name: Arc<str>,
    store: MemoryStore,
    writer: MemoryWriter,
    faults: Faults,
    trace: Trace,
    pub done: Done,
}

/// What has become of a batch.
#[derive(Default)]
pub struct Done {
    /// It was asked to write.
    pub asked: bool,
    /// What is in the store now.
    pub committed: Vec<Commit>,
    /// How the process has died.
    pub died: Option<&'static str>,
    /// It has written to a store that another process owns.
    pub usurped: bool,
}

impl FaultyWriter {
    /// The store and the writer of its owner.
    pub fn new(name: Arc<str>, (store, writer): (MemoryStore, MemoryWriter), faults: Faults, trace: Trace) -> Self {
        Self { name, store, writer, faults, trace, done: Done::default() }
    }

    fn dies(&mut self, how: &'static str) -> Result<(), CommitError> {
        self.done.died = Some(how);
        Err(StoreError::Unusable("simulated: the process has died".to_owned()).into())
    }
}

impl Writer for FaultyWriter {
    fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        self.done.asked = true;
        if self.faults.strike(Fault::CrashBeforeCommit) {
            return self.dies("dies before a commit");
        }
        if self.faults.strike(Fault::CommitRefused) {
            let times = self.faults.draw(Fault::CommitRefused, |chance| chance.mostly_short(1, 6)).unwrap_or(1);
            for _ in 0..times {
                let reason = "simulated".to_owned();
                self.store.fail_next_commit(CommitError::Constraint { table: "(any)".to_owned(), reason });
            }
        }
        if self.faults.strike(Fault::StoreFails) {
            self.store.fail_next_commit(StoreError::Full("simulated".to_owned()).into());
        }
        let taken_over = self.faults.strike(Fault::TakeOver).then(|| self.store.own());
        let written = self.writer.commit(commit);
        self.done.usurped |= taken_over.is_some() && written.is_ok();
        self.trace.note(|| {
            let (name, rows) = (&self.name, commit.rows.len());
            match (&written, &commit.segment) {
                (Ok(()), Some(segment)) => format!("{name} commits {rows} rows, segment {}", segment.number),
                (Ok(()), None) => format!("{name} commits {rows} rows, and nothing is emitted"),
                (Err(error), _) => format!("{name} could not commit {rows} rows: {error}"),
            }
        });
        written?;
        self.done.committed.push(commit.clone());
        if self.faults.strike(Fault::CrashAfterCommit) {
            return self.dies("dies after a commit");
        }
        if self.faults.strike(Fault::CommitUnknown) {
            return Err(StoreError::Unusable("simulated: the outcome is unknown".to_owned()).into());
        }
        Ok(())
    }
}
