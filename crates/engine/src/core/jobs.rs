//! Jobs that are due. Each kind has a line and a bound of its own: one whose calls hang takes nothing from the others.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use rustc_hash::FxHashMap;
use tradewind_events::{AsKey, Id, Key, TextEnum, Timestamp, Value};

use super::executor::{Executor, Loaded};
use crate::{
    AnyService, Entity, Limits, Observer,
    due::DueWindow,
    entity::readable,
    ports::{Reader, StoreError},
    tables::{JobRow, JobState},
};

/// The jobs of one kind.
struct JobLine {
    waiting: DueWindow,
    /// Handed out, and not known to be tried; with the moment at which the same job fell due again meanwhile.
    running: FxHashMap<Key, Option<Timestamp>>,
    /// Rows that the store rejects: when each is looked at again, and when it was due.
    rejected: VecDeque<(Timestamp, Timestamp, Key)>,
}

/// The jobs of all kinds that the services of this store ask for.
pub(super) struct Jobs {
    lines: BTreeMap<&'static str, JobLine>,
    /// Of one kind.
    running_max: usize,
}

impl Jobs {
    pub fn new(services: &[AnyService], limits: &Limits) -> Self {
        let kinds = services.iter().flat_map(|service| service.finished.keys().copied());
        let lines = kinds.map(|kind| (kind, JobLine::new(kind, limits.due_rows_max))).collect();
        Self { lines, running_max: limits.jobs_running_max }
    }

    /// A job has been committed.
    pub fn committed(&mut self, job: &JobRow) {
        if job.state == JobState::Waiting
            && let Some(line) = self.lines.get_mut(&*job.kind)
        {
            line.waiting.insert(job.due_at, job.key());
        }
    }

    /// What came of a try has been committed.
    pub fn tried(&mut self, id: &Id) {
        let key = id.as_key();
        for line in self.lines.values_mut() {
            line.ended(&key);
        }
    }

    pub fn next_due(&self) -> Timestamp {
        let running_max = self.running_max;
        self.lines.values().filter_map(|line| line.next_due(running_max)).min().unwrap_or(NEVER)
    }

    /// Jobs that are due, to be tried now; each is out until its try is committed. Of each kind it looks at no more rows
    /// than may run at a time.
    pub fn take(
        &mut self,
        now: Timestamp,
        reader: &dyn Reader,
        executor: &Executor,
        observer: &dyn Observer,
    ) -> Result<Vec<Arc<JobRow>>, StoreError> {
        let (mut due, mut unusable) = (Vec::new(), 0);
        for (kind, line) in &mut self.lines {
            line.look_again(now);
            for (due_at, key) in line.take_due(now, self.running_max, reader, &mut unusable)? {
                due.push((*kind, due_at, key));
            }
        }
        (0..unusable).for_each(|_| observer.row_unusable(JobRow::TABLE.name));
        let keys: Vec<Key> = due.iter().map(|(_, _, key)| key.clone()).collect();
        let rows = if keys.is_empty() { Vec::new() } else { executor.load_of(JobRow::TABLE, &keys)? };
        let mut jobs = Vec::with_capacity(due.len());
        for ((kind, due_at, key), row) in due.into_iter().zip(rows) {
            let Some(line) = self.lines.get_mut(kind) else { continue };
            if row.is_err() {
                observer.row_unusable(JobRow::TABLE.name);
            }
            jobs.extend(line.hand_out(now, due_at, key, row));
        }
        Ok(jobs)
    }

    /// Forgets what was thought to be committed.
    pub fn reset(&mut self) {
        for line in self.lines.values_mut() {
            line.waiting.reset();
            line.rejected.clear();
        }
    }
}

impl JobLine {
    fn new(kind: &str, due_rows_max: usize) -> Self {
        let equal = vec![("state", Value::Text(JobState::Waiting.as_str().into())), ("kind", Value::Text(kind.into()))];
        let waiting = DueWindow::new::<JobRow>(equal, due_rows_max);
        Self { waiting, running: FxHashMap::default(), rejected: VecDeque::new() }
    }

    /// How many jobs may be handed out. With too many rejected rows there is none: those come first.
    fn room(&self, running_max: usize) -> usize {
        if self.rejected.len() < REJECTED_MAX { running_max.saturating_sub(self.running.len()) } else { 0 }
    }

    fn next_due(&self, running_max: usize) -> Option<Timestamp> {
        let rejected = self.rejected.front().map(|(look_at, ..)| *look_at);
        let waiting = (self.room(running_max) > 0).then(|| self.waiting.next_due());
        rejected.into_iter().chain(waiting).min()
    }

    /// Rows that are due, as far as there is room; from now on their jobs are out.
    fn take_due(
        &mut self,
        now: Timestamp,
        running_max: usize,
        reader: &dyn Reader,
        unusable: &mut usize,
    ) -> Result<Vec<(Timestamp, Key)>, StoreError> {
        let (mut due, room) = (Vec::new(), self.room(running_max));
        while due.len() < room
            && let Some((due_at, key)) = self.waiting.next(now, reader, unusable)?
        {
            if let Some(again) = self.running.get_mut(&key) {
                *again = Some(due_at);
            } else {
                self.running.insert(key.clone(), None);
                due.push((due_at, key));
            }
        }
        Ok(due)
    }

    /// The job, if it is still due. The window knows when a job was due, and nothing else of it: it may have been settled
    /// since, or put off.
    fn hand_out(&mut self, now: Timestamp, due_at: Timestamp, key: Key, row: Loaded) -> Option<Arc<JobRow>> {
        let row = match row {
            Ok(row) => row.and_then(|row| readable::<JobRow>(&row)),
            Err(reason) => {
                tracing::error!(job = %key, reason, "the store rejects the row of a job that is due");
                self.ended(&key);
                self.rejected.push_back((now.plus(REJECTED_WAIT), due_at, key));
                return None;
            }
        };
        match row.filter(|job| job.state == JobState::Waiting) {
            Some(job) if job.due_at <= now => Some(Arc::new(job)),
            later => {
                self.ended(&key);
                if let Some(job) = later {
                    self.waiting.insert(job.due_at, key);
                }
                None
            }
        }
    }

    /// A job is not out any more. If it fell due again meanwhile, it waits in line.
    fn ended(&mut self, key: &Key) {
        if let Some(Some(due_at)) = self.running.remove(key) {
            self.waiting.insert(due_at, key.clone());
        }
    }

    /// Rejected rows wait in line again when they have waited long enough.
    fn look_again(&mut self, now: Timestamp) {
        while self.rejected.front().is_some_and(|(look_at, ..)| *look_at <= now)
            && let Some((_, due_at, key)) = self.rejected.pop_front()
        {
            self.waiting.insert(due_at, key);
        }
    }
}

/// A job whose row the store rejects is looked at again after this.
const REJECTED_WAIT: Duration = Duration::from_secs(5);

/// Rejected rows of one kind that are kept in mind.
const REJECTED_MAX: usize = 1_000;

const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);
