//! Root messages from the engine itself: a timer is due, a job was tried, the relay has published, old rows may go.

use std::sync::Arc;

use tradewind_events::{AsKey, Id, Key};

use super::{
    Core,
    task::{Note, Success, TaskKind},
};
use crate::{
    Cause, Entity, MessageKind, Stop,
    service::JobResult,
    tables::{EffectRow, EffectState, IdempotencyRow, InboxRow, RelayRow, TimerRow},
    work::{Prune, TriedJob, TryOutcome},
};

/// The name of the relay's mark.
pub(super) const RELAY: &str = "broker";

/// Timers of this service belong to parked messages. No service can have this name: it is no identifier.
pub(super) const PARKED_TIMER_SERVICE: &str = "(parked)";

impl Core {
    pub(super) fn fire(&mut self, key: &Key) -> Result<Success, Stop> {
        let Some(timer) = self.work.get::<TimerRow>(key.clone())? else { return Ok(Success::default()) };
        if timer.due_at > self.work.now {
            return Ok(Success::default());
        }
        if &*timer.service == PARKED_TIMER_SERVICE {
            self.work.delete::<TimerRow>(key.clone());
            return Ok(Success::then(TaskKind::Unpark(timer.key)));
        }
        let service = self.services.iter().find(|service| service.name == &*timer.service);
        let name = service.map_or("", |service| service.name);
        let handler = service.and_then(|service| service.timers.get(&*timer.name).cloned());
        let handler =
            handler.ok_or_else(|| Stop::Broken(format!("{} has no timer named {}", timer.service, timer.name)))?;
        if !self.is_running(&timer.service) {
            return self.postpone(key);
        }
        self.work.delete::<TimerRow>(key.clone());
        let id = Id::new(format!("{}.{}", timer.service, timer.name)).map_err(Stop::broken)?;
        let mut cause = Cause { id, correlation_id: timer.correlation_id, traceparent: None, event: None };
        self.trace_start(MessageKind::Timer, name, &timer.name, &mut cause);
        self.speak(&timer.service, &cause);
        handler(&mut self.work, &cause, &timer.key)?;
        Ok(Success::default())
    }

    pub(super) fn tried(&mut self, tried: &TriedJob) -> Result<Success, Stop> {
        let success = Success::note(Note::Tried(tried.id.clone()));
        let Some(mut job) = self.work.get::<EffectRow>(tried.id.as_key())? else { return Ok(success) };
        if job.state == EffectState::Exhausted {
            return Ok(success);
        }
        job.attempts += 1;
        match &tried.outcome {
            TryOutcome::Unknown(reason) => {
                job.last_error = Some(reason.as_str().into());
                job.due_at = self.work.now.plus(crate::Backoff::JOB.after(job.attempts, job.id.as_str()));
                if job.attempts >= self.limits.job_attempts_max {
                    job = self.given_up(job);
                }
                self.work.put(job);
            }
            TryOutcome::Done(reply) => {
                // Before it is told, so that its service can ask again under the same key.
                self.work.delete::<EffectRow>(job.key());
                self.finish(&job, reply)?;
            }
        }
        Ok(success)
    }

    /// A job whose outcome an operator owes from now on.
    pub(super) fn given_up(&self, job: EffectRow) -> EffectRow {
        let erase = self.eraser(&job);
        let request = erase.map_or_else(|| Arc::clone(&job.request), |erase| erase(&job.request).into());
        EffectRow { state: EffectState::Exhausted, request, ..job }
    }

    /// Set where the job is of a kind that is erased when it is given up.
    pub(super) fn eraser(&self, job: &EffectRow) -> Option<fn(&str) -> String> {
        let service = self.services.iter().find(|service| service.name == &*job.service)?;
        service.erase.get(&*job.kind).copied()
    }

    /// Tells the service that asked how its job ended.
    pub(super) fn finish(&mut self, job: &EffectRow, reply: &str) -> Result<(), Stop> {
        let service = self.services.iter().find(|service| service.name == &*job.service);
        let name = service.map_or("", |service| service.name);
        let handler = service
            .and_then(|service| service.finished.get(&*job.kind).cloned())
            .ok_or_else(|| Stop::Broken(format!("{} has no job named {}", job.service, job.kind)))?;
        let mut cause = Cause {
            id: job.id.clone(),
            correlation_id: job.correlation_id.clone(),
            traceparent: job.traceparent.clone(),
            event: None,
        };
        self.trace_start(MessageKind::Job, name, &job.kind, &mut cause);
        self.speak(&job.service, &cause);
        let result = JobResult { key: &job.id, request: &job.request, reply, attempts: job.attempts };
        handler(&mut self.work, &cause, &result)
    }

    pub(super) fn published(&mut self, segment: u64) -> Result<Success, Stop> {
        let before = self.work.get::<RelayRow>(RELAY.as_key())?;
        if before.is_none_or(|row| row.segment < segment) {
            self.work.put(RelayRow { name: RELAY.into(), segment });
        }
        Ok(Success::default())
    }

    pub(super) fn prune(&mut self, prune: &Prune) -> Success {
        for key in &prune.inbox {
            self.work.delete::<InboxRow>(key.clone());
        }
        for key in &prune.idempotency {
            self.work.delete::<IdempotencyRow>(key.clone());
        }
        Success::default()
    }
}
