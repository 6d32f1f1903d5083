//! What the engine itself brings to a service: a timer that is due, the outcome of a job, a parked message.

use std::sync::Arc;

use tradewind_events::{AsKey, Id, Key, KeyText, RawEnvelope};

use super::{
    super::task::{Delivery, Note, Success, TaskKind, Via},
    Executor, Surroundings,
};
use crate::{
    Backoff, Entity, MessageKind, Stop, injected,
    tables::{JobRow, JobState, ParkedReason, ParkedRow, TimerRow, position_of},
    work::{TriedJob, TryOutcome},
};

/// Timers of this service belong to parked messages. No service can have this name: it is no identifier.
pub(super) const PARKED_TIMER_SERVICE: KeyText = KeyText::literal("(parked)");

impl Executor {
    pub(super) fn fire(&mut self, key: &Key, around: &Surroundings<'_>) -> Result<Success, Stop> {
        let Some(timer) = self.work.get::<TimerRow>(key.clone())? else { return Ok(Success::default()) };
        if timer.due_at > self.work.now {
            // It was moved since it was found to be due.
            let lost = injected("due-by-two-clocks");
            let note = Note::NotDue { due_at: timer.due_at, timer: timer.key() };
            return Ok(if lost { Success::default() } else { Success::note(note) });
        }
        if timer.service == PARKED_TIMER_SERVICE {
            self.work.delete::<TimerRow>(key.clone());
            return Ok(Success::then(TaskKind::Unpark(timer.key)));
        }
        let service = self.services.number_of(&timer.service)?;
        if !around.parking.is_running(&timer.service) {
            return self.postpone(key);
        }
        let mut cause = timer.cause()?;
        self.trace_start(MessageKind::Timer, self.services.get(service).name, &timer.name, &mut cause);
        self.emit_for(service, &cause);
        self.services.get(service).fire(&mut self.work, &cause, &timer)?;
        Ok(Success::default())
    }

    /// A timer that is too early for its handler, or whose service is paused: later.
    pub(super) fn postpone(&mut self, key: &Key) -> Result<Success, Stop> {
        if let Some(mut timer) = self.work.get::<TimerRow>(key.clone())? {
            timer.attempts += 1;
            timer.due_at = self.work.now.plus(Backoff::TIMER.after(timer.attempts, timer.key.as_str()));
            self.work.put(timer);
        }
        Ok(Success::default())
    }

    pub(super) fn tried(&mut self, tried: &TriedJob) -> Result<Success, Stop> {
        let success = Success::note(Note::Tried(tried.id.clone()));
        let Some(mut job) = self.work.get::<JobRow>(tried.id.as_key())? else { return Ok(success) };
        if job.state == JobState::Exhausted {
            return Ok(success);
        }
        job.attempts += 1;
        match &tried.outcome {
            TryOutcome::Unknown(reason) => {
                job.last_error = Some(reason.as_str().into());
                job.due_at = self.work.now.plus(Backoff::JOB.after(job.attempts, job.id.as_str()));
                if job.attempts >= self.limits.job_attempts_max {
                    job = self.exhausted(job);
                }
                self.work.put(job);
            }
            TryOutcome::Done(reply) => self.finish(&job, reply)?,
        }
        Ok(success)
    }

    /// A job whose outcome comes too early for its handler: it is asked for again.
    pub(super) fn postpone_job(&mut self, id: &Id) -> Result<Success, Stop> {
        if let Some(mut job) = self.work.get::<JobRow>(id.as_key())? {
            job.attempts += 1;
            job.due_at = self.work.now.plus(Backoff::JOB.after(job.attempts, job.id.as_str()));
            self.work.put(job);
        }
        Ok(Success::note(Note::Tried(id.clone())))
    }

    /// A job that is not tried any more: an operator decides.
    pub(super) fn exhausted(&self, job: JobRow) -> JobRow {
        let erase = self.eraser(&job);
        let request = erase.map_or_else(|| Arc::clone(&job.request), |erase| erase(&job.request).into());
        JobRow { state: JobState::Exhausted, request, ..job }
    }

    /// Set where the job is of a kind that is erased when it is exhausted.
    pub(super) fn eraser(&self, job: &JobRow) -> Option<fn(&str) -> String> {
        let service = self.services.get(self.services.number(&job.service)?);
        service.erase.get(&*job.kind).copied()
    }

    /// Tells the service that asked how its job ended.
    pub(super) fn finish(&mut self, job: &JobRow, reply: &str) -> Result<(), Stop> {
        let service = self.services.number_of(&job.service)?;
        let mut cause = job.cause();
        self.trace_start(MessageKind::Job, self.services.get(service).name, &job.kind, &mut cause);
        self.emit_for(service, &cause);
        self.services.get(service).finish(&mut self.work, &cause, job, reply)
    }

    /// Tries a parked message again.
    pub(super) fn unpark(&mut self, id: &Id, around: &Surroundings<'_>) -> Result<Success, Stop> {
        let Some(row) = self.work.get::<ParkedRow>(id.as_key())? else { return Ok(Success::default()) };
        let service = self.services.number_of(&row.consumer)?;
        let consumer = self.services.get(service).name;
        if around.parking.is_paused(consumer) {
            if row.reason == ParkedReason::Paused {
                return Ok(Success::default());
            }
            // It keeps its place among what waits for the consumer.
            let behind = ParkedRow { reason: ParkedReason::Paused, waits_for: None, ..row.clone() };
            let mut success = Success::note(Note::Unparked(Arc::new(row)));
            success.notes.push(Note::ParkedBehind { consumer, row: Arc::new(behind.clone()) });
            self.work.put(behind);
            return Ok(success);
        }
        if row.reason == ParkedReason::Paused && !around.parking.has_its_turn(consumer, id) {
            return Ok(Success::default());
        }
        let envelope = RawEnvelope::from_json(row.message.as_bytes())
            .and_then(|raw| raw.decode(self.services.registry()))
            .map_err(Stop::broken)?;
        let position = position_of(row.segment, row.segment_index);
        Ok(Success::then(TaskKind::Deliver(Delivery {
            service,
            envelope: Arc::new(envelope),
            position,
            via: Via::Parked(Arc::new(row)),
        })))
    }
}
