//! Root messages from the engine itself: a timer is due, a job was tried, the relay has published, old rows may go.

use std::sync::Arc;

use tradewind_events::{AsKey, Id, Key, KeyText};

use super::{
    Core,
    task::{Note, Success, TaskKind},
};
use crate::{
    Entity, MessageKind, Stop, injected,
    tables::{
        DeadLetterRow, DeadLetterState, EffectRow, EffectState, IdempotencyRow, InboxRow, InboxSegmentRow, RelayRow,
        TimerRow,
    },
    work::{Prune, TriedJob, TryOutcome},
};

/// Timers of this service belong to parked messages. No service can have this name: it is no identifier.
pub(super) const PARKED_TIMER_SERVICE: KeyText = KeyText::literal("(parked)");

impl Core {
    pub(super) fn fire(&mut self, key: &Key) -> Result<Success, Stop> {
        let Some(timer) = self.work.get::<TimerRow>(key.clone())? else { return Ok(Success::default()) };
        if timer.due_at > self.work.now {
            // It was moved since it was found to be due. The window may hold it twice, but never not at all.
            if !injected("due-by-two-clocks") {
                self.timers.insert(timer.due_at, timer.key());
            }
            return Ok(Success::default());
        }
        if timer.service == PARKED_TIMER_SERVICE {
            self.work.delete::<TimerRow>(key.clone());
            return Ok(Success::then(TaskKind::Unpark(timer.key)));
        }
        let service = self.services.iter().position(|service| service.name == &*timer.service);
        let service = service.ok_or_else(|| Stop::Broken(format!("{} is not served here", timer.service)))?;
        if !self.is_running(&timer.service) {
            return self.postpone(key);
        }
        let mut cause = timer.cause()?;
        self.trace_start(MessageKind::Timer, self.services[service].name, &timer.name, &mut cause);
        self.speak(&timer.service, &cause);
        self.services[service].fire(&mut self.work, &cause, &timer)?;
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
            TryOutcome::Done(reply) => self.finish(&job, reply)?,
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
        let service = self.services.iter().position(|service| service.name == &*job.service);
        let service = service.ok_or_else(|| Stop::Broken(format!("{} is not served here", job.service)))?;
        let mut cause = job.cause();
        self.trace_start(MessageKind::Job, self.services[service].name, &job.kind, &mut cause);
        self.speak(&job.service, &cause);
        self.services[service].finish(&mut self.work, &cause, job, reply)
    }

    pub(super) fn published(&mut self, broker: usize, segment: u64) -> Result<Success, Stop> {
        let name = self.brokers.name(broker)?.clone();
        let before = self.work.get::<RelayRow>(name.as_key())?;
        if before.is_none_or(|row| row.segment < segment) {
            self.work.put(RelayRow { name, segment });
        }
        Ok(Success::default())
    }

    /// The event of a dead letter is published, or refused for this reason.
    pub(super) fn republished(&mut self, dead_letter: &Id, refused: Option<&str>) -> Result<Success, Stop> {
        if let Some(row) = self.work.get::<DeadLetterRow>(dead_letter.as_key())?
            && row.state == DeadLetterState::Redriving
        {
            match refused {
                None => self.mark_redriven(&row),
                Some(reason) => {
                    let (attempts, died_at) = (row.attempts + 1, self.work.now);
                    let state = DeadLetterState::Dead;
                    self.work.put(DeadLetterRow { state, reason: reason.into(), attempts, died_at, ..row });
                }
            }
        }
        Ok(Success::default())
    }

    pub(super) fn prune(&mut self, prune: &Prune) -> Success {
        for key in &prune.inbox {
            self.work.delete::<InboxRow>(key.clone());
        }
        for key in &prune.inbox_segments {
            match self.work.get::<InboxSegmentRow>(key.clone()) {
                // One of its events was received since it was found.
                Ok(Some(row)) if row.received_at >= prune.inbox_before => {}
                // One that cannot be read was not written either.
                _ => self.work.delete::<InboxSegmentRow>(key.clone()),
            }
        }
        for key in &prune.idempotency {
            self.work.delete::<IdempotencyRow>(key.clone());
        }
        Success::default()
    }
}
