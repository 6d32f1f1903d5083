//! Rows that are not in memory: those that have to be loaded, and those that the store rejects.

use tradewind_events::AsKey;

use super::UnitOfWork;
use crate::{
    RowRef, Stop, Table,
    tables::{JobRow, JobState},
};

impl UnitOfWork {
    /// Asks for a row that is not in memory, unless that is in vain.
    pub(super) fn miss(&mut self, table: &'static Table, row: &RowRef) -> Stop {
        if let Some(reason) = self.rejected.get(row) {
            return Stop::Broken(format!("{} cannot be loaded: {reason}", row.row));
        }
        let (parts, wanted) = (row.row.key.parts().count(), table.key.len());
        if parts != wanted {
            return Stop::Broken(format!("{} has a key of {parts} parts, its table one of {wanted}", row.row));
        }
        self.missing.push((table, row.row.key.clone()));
        Stop::Missing
    }

    /// The store has rejected a row that was to be loaded.
    pub(crate) fn reject(&mut self, row: RowRef, reason: &str) {
        self.rejected.insert(row, reason.into());
    }

    pub(super) fn ask(&mut self, job: JobRow) {
        match self.get::<JobRow>(job.id.as_key()) {
            Ok(None) => self.put(job),
            Ok(Some(before)) if before.state == JobState::Exhausted => self.put(job),
            // The handler runs again when the row is there.
            Ok(Some(_)) | Err(Stop::Missing) => {}
            Err(stop) => self.fail(stop.to_string()),
        }
    }

    /// The running handler fails as soon as it has ended.
    pub(crate) fn fail(&mut self, reason: String) {
        self.broken.get_or_insert(reason);
    }
}
