//! When a handler that stopped for rows runs again, and when it never would finish.
//!
//! A handler is pure: it runs again over the same rows until all that it asks for are in memory. So each run asks for
//! the rows that were loaded for the run before it, and for further ones. A handler whose runs do not is broken: it
//! makes up new keys each time. How many rows a handler may ask for is another bound, and the same whether they are in
//! memory or not ([`Limits::handler_look_ups_max`](crate::Limits::handler_look_ups_max)).

use std::collections::BTreeSet;

use tradewind_events::{Key, KeyText};

use crate::{Emitted, RowRef, Stop, Table, cache::Entry, uow::UnitOfWork};

/// Rows that a handler asked for and that are not in memory.
pub(crate) type Missing = Vec<(&'static Table, Key)>;

/// So many runs of one message at most do not ask for what was loaded for the run before. Rows may have changed in
/// between, and lead a correct handler elsewhere; hardly ever this often.
const RUNS_ELSEWHERE_MAX: u16 = 64;

/// What one message has waited for so far.
#[derive(Default)]
pub(crate) struct Reruns {
    /// All rows that were loaded for it.
    rows: Vec<RowRef>,
    /// Those from here on were loaded for the run that is next.
    last: usize,
    /// Runs that did not ask for what was loaded for them.
    elsewhere: u16,
}

impl Reruns {
    /// The message waits for these rows; or why it never would finish.
    fn wait(&mut self, work: &mut UnitOfWork, missing: &Missing) -> Result<(), Stop> {
        let loaded = &self.rows[self.last..];
        if !loaded.is_empty() && !loaded.iter().any(|row| work.asked_for(row)) {
            self.elsewhere += 1;
            if self.elsewhere > RUNS_ELSEWHERE_MAX {
                let last = missing.last().map(|(table, key)| format!("{} {key}", table.name)).unwrap_or_default();
                return Err(Stop::Broken(format!("it asks for other rows each time it runs, last for {last}")));
            }
        }
        self.last = self.rows.len();
        self.rows.extend(missing.iter().map(|(table, key)| RowRef::new(table.name, key.clone())));
        Ok(())
    }

    /// The rows that must stay in memory until the message is handled.
    pub fn rows(&self) -> &[RowRef] {
        &self.rows
    }
}

impl UnitOfWork {
    /// Runs a handler outside a batch, over a cache that holds every row there is, and merges what it did. `sources` are
    /// those that its service has declared. After an error nothing of it stands.
    pub(crate) fn run_alone<T>(
        &mut self,
        sources: &BTreeSet<KeyText>,
        mut run: impl FnMut(&mut Self) -> Result<T, Stop>,
    ) -> Result<(T, Vec<Emitted>), Stop> {
        let mut reruns = Reruns::default();
        loop {
            self.begin_run();
            let outcome = run(self);
            let merged = match self.missing_rows(&mut reruns) {
                Ok(missing) if missing.is_empty() => outcome.and_then(|done| Ok((done, self.merge(sources)?))),
                Ok(missing) => {
                    self.discard();
                    for (table, key) in missing {
                        self.cache.insert(RowRef::new(table.name, key), Entry::ABSENT);
                    }
                    continue;
                }
                Err(stop) => Err(stop),
            };
            if merged.is_err() {
                self.discard();
            }
            return merged;
        }
    }

    /// The rows that must be loaded before the handler runs again; an error when it never would finish.
    pub(crate) fn missing_rows(&mut self, reruns: &mut Reruns) -> Result<Missing, Stop> {
        let missing = self.take_missing()?;
        if !missing.is_empty() {
            reruns.wait(self, &missing)?;
        }
        Ok(missing)
    }
}
