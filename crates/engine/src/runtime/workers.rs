//! Workers do jobs outside: at least once, under a stable key, and never on the loop. Each kind has threads of its own:
//! a mail server that hangs keeps nobody from being charged.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use tradewind_events::Id;

use super::Shared;
use crate::{Message, Span, Step, TriedJob, TryOutcome, tables::JobRow, trace};

/// Does jobs of one kind.
pub trait Worker: Send + Sync + 'static {
    /// The name of the [`crate::Job`].
    fn kind(&self) -> &'static str;

    /// Tries a job once. `request` is the JSON of [`crate::Job::Request`]; a reply is the JSON of
    /// [`crate::Job::Reply`]. The call must return within a bounded time. If the worker cannot know whether the job is
    /// done, it returns [`TryOutcome::Unknown`], and the engine retries the job under the same `key`.
    fn run(&self, key: &Id, request: &str, attempt: u32) -> TryOutcome;
}

/// Jobs of one kind that are done at the same time.
const THREADS_A_KIND: usize = 8;

/// Where the loop hands jobs out.
pub(super) struct Workers {
    lines: BTreeMap<&'static str, mpsc::Sender<Arc<JobRow>>>,
}

/// Tells when all workers have ended: every thread of theirs holds the other end.
pub(super) struct WorkersEnded(mpsc::Receiver<()>);

impl Workers {
    pub fn start(shared: &Arc<Shared>, workers: Vec<Arc<dyn Worker>>) -> (Self, WorkersEnded) {
        let (running, ended) = mpsc::channel();
        let mut lines = BTreeMap::new();
        for worker in workers {
            let (jobs, line) = mpsc::channel();
            let line = Arc::new(Mutex::new(line));
            lines.insert(worker.kind(), jobs);
            for nth in 0..THREADS_A_KIND {
                let (shared_here, worker, line) = (Arc::clone(shared), Arc::clone(&worker), Arc::clone(&line));
                let (name, running) = (format!("{}-{nth}", worker.kind()), running.clone());
                let thread = thread::Builder::new().name(name).spawn(move || {
                    do_jobs(&shared_here, &*worker, &line);
                    drop(worker);
                    drop(running);
                });
                if let Err(error) = thread {
                    shared.fail(format!("a thread cannot be started: {error}"));
                }
            }
        }
        (Self { lines }, WorkersEnded(ended))
    }

    /// The core hands out no more of a kind than may run at a time, so its line is bounded.
    pub fn hand_out(&self, shared: &Shared, jobs: Vec<Arc<JobRow>>) {
        for job in jobs {
            let Some(line) = self.lines.get(&*job.kind) else {
                let nobody = TryOutcome::Unknown(format!("nobody does jobs of kind {} here", job.kind));
                tell(shared, &job, nobody);
                continue;
            };
            if let Err(mpsc::SendError(job)) = line.send(job) {
                tracing::error!(kind = &*job.kind, "no worker is left");
                tell(shared, &job, TryOutcome::Unknown("no worker is left".to_owned()));
            }
        }
    }

    /// No further job is begun. What is being done is finished; its outcome is asked for again after the next start,
    /// under the same key.
    pub fn end(&mut self) {
        self.lines.clear();
    }
}

impl WorkersEnded {
    /// Waits until no call is under way; no longer than so long: then the calls are left to themselves.
    pub fn wait(&self, at_most: Duration) {
        if self.0.recv_timeout(at_most) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("calls of workers are still under way: what became of them is asked after the next start");
        }
    }
}

fn do_jobs(shared: &Shared, worker: &dyn Worker, line: &Mutex<mpsc::Receiver<Arc<JobRow>>>) {
    loop {
        let next = line.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A job that waits in line at a stop is one for the next start.
        if shared.is_stopping() || !tell(shared, &job, traced_try(shared, worker, &job)) {
            return;
        }
    }
}

/// `false` when nobody hears it any more.
fn tell(shared: &Shared, job: &JobRow, outcome: TryOutcome) -> bool {
    shared.send(Message::Tried(TriedJob { id: job.id.clone(), outcome })).is_ok()
}

fn traced_try(shared: &Shared, worker: &dyn Worker, job: &JobRow) -> TryOutcome {
    let Some((tracer, asked)) = trace::traced(shared.tracer.as_ref(), job.traceparent.as_ref()) else {
        return try_job(worker, job);
    };
    let began = tracer.now();
    let outcome = try_job(worker, job);
    let done = matches!(outcome, TryOutcome::Done(_));
    let step = Step::Try { kind: Arc::clone(&job.kind), attempt: job.attempts + 1, done };
    tracer.ended(vec![Span::after(tracer, asked, (began, tracer.now()), step)]);
    outcome
}

fn try_job(worker: &dyn Worker, job: &JobRow) -> TryOutcome {
    let attempt = AssertUnwindSafe(|| worker.run(&job.id, &job.request, job.attempts + 1));
    catch_unwind(attempt).unwrap_or_else(|_| TryOutcome::Unknown("the worker has panicked".to_owned()))
}
