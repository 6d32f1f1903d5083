//! Jobs that are due. Each kind has a line and a bound of its own: one whose calls hang takes nothing from the others.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rustc_hash::FxHashMap;
use tradewind_events::{Id, Key, TextEnum, Timestamp, Value};

use super::Core;
use crate::{
    AnyService, Entity,
    due::DueWindow,
    entity::readable,
    ports::StoreError,
    tables::{EffectRow, EffectState},
};

/// The jobs of one kind.
struct JobLine {
    waiting: DueWindow<Arc<EffectRow>>,
    /// Handed out, and not known to be tried; with the same job as it was found due again meanwhile.
    running: FxHashMap<Id, Option<Arc<EffectRow>>>,
}

/// The jobs of all kinds that the services of this store ask for.
pub(super) struct Jobs {
    lines: BTreeMap<&'static str, JobLine>,
    /// Of one kind.
    running_max: usize,
}

impl Jobs {
    pub fn new(services: &[AnyService], running_max: usize) -> Self {
        let kinds = services.iter().flat_map(|service| service.finished.keys().copied());
        Self { lines: kinds.map(|kind| (kind, JobLine::new(kind))).collect(), running_max }
    }

    /// A job has been committed.
    pub fn committed(&mut self, job: &EffectRow) {
        if job.state == EffectState::Waiting
            && let Some(line) = self.lines.get_mut(&*job.kind)
        {
            line.waiting.insert(job.due_at, job.key(), Arc::new(job.clone()));
        }
    }

    /// What came of a try has been committed.
    pub fn tried(&mut self, id: &Id) {
        for line in self.lines.values_mut() {
            if let Some(Some(again)) = line.running.remove(id) {
                line.put_back(again);
            }
        }
    }

    pub fn next_due(&self) -> Timestamp {
        let open = self.lines.values().filter(|line| line.running.len() < self.running_max);
        open.map(|line| line.waiting.next_due()).min().unwrap_or(Timestamp::from_millis(i64::MAX))
    }

    /// Forgets what was thought to be committed.
    pub fn reset(&mut self) {
        for line in self.lines.values_mut() {
            line.waiting.reset();
        }
    }
}

impl JobLine {
    fn new(kind: &str) -> Self {
        let equal =
            vec![("state", Value::Text(EffectState::Waiting.as_str().into())), ("kind", Value::Text(kind.into()))];
        let waiting = DueWindow::new::<EffectRow>(equal, |row| {
            let row = readable::<EffectRow>(row)?;
            Some((row.due_at, row.key(), Arc::new(row)))
        });
        Self { waiting, running: FxHashMap::default() }
    }

    /// What was taken out of the window and not handed out goes back.
    fn put_back(&mut self, job: Arc<EffectRow>) {
        self.waiting.insert(job.due_at, job.key(), job);
    }
}

/// A job whose row the store rejects is looked at again after this.
const REJECTED_WAIT: Duration = Duration::from_secs(5);

impl Core {
    /// Jobs that are due, to be tried now; each is out until its [`crate::Message::Tried`] is committed.
    pub fn take_jobs(&mut self) -> Result<Vec<Arc<EffectRow>>, StoreError> {
        let now = self.clock.now();
        let mut due = Vec::new();
        for line in self.jobs.lines.values_mut() {
            let unusable = line.waiting.refill(now, &*self.reader)?;
            (0..unusable).for_each(|_| self.observer.row_unusable(EffectRow::TABLE.name));
            let mut room = self.jobs.running_max.saturating_sub(line.running.len());
            while room > 0
                && let Some((_, job)) = line.waiting.pop(now)
            {
                if let Some(again) = line.running.get_mut(&job.id) {
                    *again = Some(job);
                } else {
                    due.push(job);
                    room -= 1;
                }
            }
        }
        // Since it came into the window it may have been settled, or put off.
        let keys: Vec<Key> = due.iter().map(|job| job.key()).collect();
        let rows = if keys.is_empty() { Vec::new() } else { self.load_of(EffectRow::TABLE, &keys)? };
        let mut jobs = Vec::with_capacity(due.len());
        for (job, row) in due.into_iter().zip(rows) {
            let Some(line) = self.jobs.lines.get_mut(&*job.kind) else { continue };
            let row = match row {
                Ok(row) => row.and_then(|row| readable::<EffectRow>(&row)),
                Err(reason) => {
                    tracing::error!(job = %job.id, reason, "the store rejects the row of a job that is due");
                    self.observer.row_unusable(EffectRow::TABLE.name);
                    line.waiting.insert(now.plus(REJECTED_WAIT), job.key(), job);
                    continue;
                }
            };
            let Some(row) = row else { continue };
            if row == *job {
                line.running.insert(job.id.clone(), None);
                jobs.push(job);
            } else if row.state == EffectState::Waiting {
                line.put_back(Arc::new(row));
            }
        }
        Ok(jobs)
    }
}
