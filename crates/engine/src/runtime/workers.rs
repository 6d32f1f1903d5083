//! Workers do jobs outside: at least once, under a stable key, and never on the loop.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use tradewind_events::Id;

use super::{Shared, run::spawn};
use crate::{Message, TriedJob, TryOutcome, tables::EffectRow};

/// Does jobs of one kind.
pub trait Worker: Send + Sync + 'static {
    /// The name of the [`crate::Effect`].
    fn kind(&self) -> &'static str;

    /// Tries a job once. `request` is JSON of the effect's request, the reply JSON of its reply. It must end by itself
    /// within a bounded time; when it cannot know whether the job is done it says [`TryOutcome::Unknown`], and is asked
    /// again under the same `key`.
    fn run(&self, key: &Id, request: &str, attempt: u32) -> TryOutcome;
}

/// Jobs that are done at the same time.
const THREADS: usize = 8;

pub(super) struct Workers {
    jobs: Option<mpsc::Sender<Arc<EffectRow>>>,
}

impl Workers {
    pub fn start(shared: &Arc<Shared>, workers: Vec<Arc<dyn Worker>>) -> Self {
        let by_kind: BTreeMap<_, _> = workers.into_iter().map(|worker| (worker.kind(), worker)).collect();
        let by_kind = Arc::new(by_kind);
        let (jobs, line) = mpsc::channel::<Arc<EffectRow>>();
        let line = Arc::new(Mutex::new(line));
        for nth in 0..THREADS {
            let (shared_here, by_kind, line) = (Arc::clone(shared), Arc::clone(&by_kind), Arc::clone(&line));
            spawn(shared, &format!("worker-{nth}"), move || {
                loop {
                    let next = line.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = next else { return };
                    let outcome = try_job(&by_kind, &job);
                    if shared_here.send(Message::Tried(TriedJob { id: job.id.clone(), outcome })).is_err() {
                        return;
                    }
                }
            });
        }
        Self { jobs: Some(jobs) }
    }

    /// The core hands out no more than may run at a time, so this line is bounded.
    pub fn hand_out(&self, jobs: Vec<Arc<EffectRow>>) {
        for job in jobs {
            if let Some(Err(_)) = self.jobs.as_ref().map(|line| line.send(job)) {
                tracing::error!("no worker is left");
            }
        }
    }

    /// What is being done is finished; its outcome is asked for again after the next start, under the same key.
    pub fn end(&mut self) {
        self.jobs = None;
    }
}

fn try_job(workers: &BTreeMap<&'static str, Arc<dyn Worker>>, job: &EffectRow) -> TryOutcome {
    let Some(worker) = workers.get(&*job.kind) else {
        return TryOutcome::Unknown(format!("nobody does jobs of kind {} here", job.kind));
    };
    let attempt = AssertUnwindSafe(|| worker.run(&job.id, &job.request, job.attempts + 1));
    catch_unwind(attempt).unwrap_or_else(|_| TryOutcome::Unknown("the worker has panicked".to_owned()))
}
