//! One attempt at one message: look at what guards it (inbox, idempotency key), run its handlers, and merge what they
//! did, or nothing of it.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tradewind_events::{AsKey, Id, KeyText};

use super::{
    Core, Forming, HandledFigures,
    task::{Delivery, Lane, Merged, Note, Speaker, Success, Task, TaskKind, Verdict, Via},
};
use crate::{
    AnyAnswer, Cause, Entity, Handled, MessageKind, OrRefuse, Problem, Stop, injected,
    observe::Stopwatch,
    operator::{Done, IDEMPOTENCY_KEY_REUSED, INTERNAL, SERVICE_ELSEWHERE},
    reruns::{Missing, Reruns},
    tables::{CounterRow, DeadLetterRow, DeadLetterState, IdempotencyRow, ParkedRow},
    work::{CommandMessage, Heard, Message, Target},
};

impl Core {
    /// Runs a task until it succeeds, is refused or fails for good. Gives it back with the rows that it lacks.
    pub(super) fn run(&mut self, forming: &mut Forming, mut task: Task) -> Option<(Task, Missing)> {
        loop {
            let watch = Stopwatch::start();
            self.work.begin_run();
            let outcome = self.attempt(forming, &task);
            let outcome = match self.lacking(&mut task) {
                Ok(missing) if missing.is_empty() => outcome,
                Ok(missing) => return Some((task, missing)),
                Err(stop) => Err(stop),
            };
            let merged = outcome.and_then(|success| Ok((success, self.merge()?)));
            match merged {
                Ok((success, merged)) => {
                    let how = match &task.verdict {
                        None => Handled::Done,
                        Some(Verdict::Park(_)) => Handled::Parked,
                        Some(Verdict::Dead(_) | Verdict::Alone(_)) => Handled::Dead,
                    };
                    self.observe(forming, &task, watch.read(), how);
                    self.trace_end(forming, &task, how);
                    let retried = retried_parked(forming, &task).filter(|_| success.then.is_empty());
                    self.succeed(forming, &task, success, merged);
                    self.retried_parked(retried.as_ref());
                    return None;
                }
                Err(stop) => {
                    self.work.discard();
                    if let Some(problem) = refusal(forming, &task, &stop) {
                        self.observe(forming, &task, watch.read(), Handled::Refused);
                        self.trace_end(forming, &task, Handled::Refused);
                        forming.answers.push((task.item, Err(problem)));
                        return None;
                    }
                    task.verdict = Some(Self::verdict(&task, stop));
                    task.loads = 0;
                    task.reruns = Reruns::default();
                }
            }
        }
    }

    /// The rows that the task has to wait for before it runs again; an error when it never would finish.
    fn lacking(&mut self, task: &mut Task) -> Result<Missing, Stop> {
        let missing = self.work.missing_rows(&mut task.reruns)?;
        if !missing.is_empty() {
            if injected("cold-rows-fail") && task.loads >= 2 {
                return Err(Stop::Broken("it waits for rows too often".to_owned()));
            }
            self.work.discard();
            task.loads = task.loads.saturating_add(1);
            self.trace_stop(task);
        }
        Ok(missing)
    }

    /// Keeps a figure until the batch is durable: one that is refused runs its handlers again.
    fn observe(&self, forming: &mut Forming, task: &Task, took: Duration, how: Handled) {
        let (service, message) = match &task.kind {
            TaskKind::Deliver(delivery) => (self.services[delivery.service].name, delivery.envelope.event.name()),
            TaskKind::Root => match &forming.items[task.item].message {
                Message::Command(CommandMessage { target: Target::Service { service, name, .. }, .. }) => {
                    (*service, *name)
                }
                _ => return,
            },
            TaskKind::Unpark(_) => return,
        };
        forming.handled.push(HandledFigures { service, message, took, how });
    }

    /// What orders this task among others: its consumer and its key.
    pub(super) fn lane(&self, forming: &Forming, task: &Task) -> Option<Lane> {
        match &task.kind {
            TaskKind::Deliver(delivery) => Some(Lane::Consumer(delivery.service, delivery.envelope.key.clone())),
            TaskKind::Unpark(_) => Some(Lane::Parked),
            TaskKind::Root => match &forming.items[task.item].message {
                Message::Command(CommandMessage {
                    target: Target::Service { service, key: Some(key), .. }, ..
                }) => {
                    let service = self.services.iter().position(|known| known.name == *service)?;
                    Some(Lane::Consumer(service, key.clone()))
                }
                Message::Heard(heard) => Some(Lane::Heard(heard.envelope.key.clone())),
                Message::Unpark(_) => Some(Lane::Parked),
                _ => None,
            },
        }
    }

    fn attempt(&mut self, forming: &Forming, task: &Task) -> Result<Success, Stop> {
        // Unwinding leaves nothing behind but the overlay, which is discarded.
        let attempt = AssertUnwindSafe(|| self.attempt_unguarded(forming, task));
        catch_unwind(attempt).unwrap_or_else(|panic| Err(Stop::Broken(format!("panic: {}", panic_text(&*panic)))))
    }

    fn attempt_unguarded(&mut self, forming: &Forming, task: &Task) -> Result<Success, Stop> {
        let message = &forming.items[task.item].message;
        match (&task.kind, &task.verdict) {
            (kind, Some(Verdict::Alone(reason))) => self.bury_alone(kind, message, reason),
            (TaskKind::Deliver(delivery), None) => self.deliver(delivery, task.depth),
            (TaskKind::Deliver(delivery), Some(Verdict::Park(waits_for))) => self.park(delivery, Some(waits_for)),
            (TaskKind::Deliver(delivery), Some(Verdict::Dead(reason))) => self.bury(delivery, reason),
            (TaskKind::Unpark(id), verdict) => self.unpark(id, verdict.as_ref()),
            (TaskKind::Root, Some(Verdict::Dead(reason))) => {
                self.bury_root(message, reason, self.next_address(forming))
            }
            (TaskKind::Root, Some(Verdict::Park(waits_for))) => match message {
                Message::Timer(key) => self.postpone(key),
                Message::Tried(tried) => self.postpone_job(&tried.id),
                other => self.bury_root(other, &format!("{waits_for} is not there"), self.next_address(forming)),
            },
            (TaskKind::Root, None) => match message {
                Message::Command(command) => self.command(command),
                Message::Heard(heard) => self.hear(heard),
                Message::Undecodable(undecodable) => self.bury_undecodable(undecodable, &undecodable.reason),
                Message::Timer(key) => self.fire(key),
                Message::Tried(tried) => self.tried(tried),
                Message::Unpark(id) => Ok(Success::then(TaskKind::Unpark(id.clone()))),
                Message::Published { broker, segment } => self.published(*broker, *segment),
                Message::Republished { dead_letter, refused } => self.republished(dead_letter, refused.as_deref()),
                Message::Prune(prune) => Ok(self.prune(prune)),
            },
        }
    }

    fn command(&mut self, message: &CommandMessage) -> Result<Success, Stop> {
        if let Some(idempotency) = &message.idempotency {
            let key = (&idempotency.scope, &idempotency.key).as_key();
            if let Some(before) = self.work.get::<IdempotencyRow>(key)? {
                if before.fingerprint != idempotency.fingerprint {
                    return Err(IDEMPOTENCY_KEY_REUSED.problem().into());
                }
                return Ok(Success { answer: Some((None, before.answer)), ..Success::default() });
            }
        }
        let (answer, success) = match &message.target {
            Target::Service { service, name, command, .. } => {
                let handler = self
                    .services
                    .iter()
                    .find(|known| known.name == *service)
                    .and_then(|service| service.commands.get(name).cloned())
                    .or_refuse(|| SERVICE_ELSEWHERE.because(format!("{service} does not live here.")))?;
                let mut cause = Cause {
                    id: message.context.request_id.clone(),
                    correlation_id: message.context.correlation_id.clone(),
                    traceparent: message.context.traceparent.clone(),
                    event: None,
                };
                self.trace_start(MessageKind::Command, service, name, &mut cause);
                self.speak(service, &cause);
                (handler(&mut self.work, &cause, &**command)?, Success::default())
            }
            Target::Operator(operator) => {
                let reason = message.audit.as_ref().and_then(|audit| audit.reason.as_deref());
                let success = self.operate(operator, reason)?;
                let done = Done { action: operator.action.name(), target: operator.action.target().clone() };
                (Box::new(done) as AnyAnswer, success)
            }
        };
        let stored = message.stored(&*answer);
        if let (Some(audit), Target::Service { .. }) = (&message.audit, &message.target) {
            self.audit(audit, stored.location.as_deref());
        }
        if let Some(idempotency) = &message.idempotency {
            let now = self.work.now;
            self.work.put(IdempotencyRow {
                scope: idempotency.scope.clone(),
                key: idempotency.key.clone(),
                fingerprint: Arc::clone(&idempotency.fingerprint),
                answer: stored.clone(),
                created_at: now,
            });
        }
        Ok(Success { answer: Some((Some(answer), stored)), ..success })
    }

    /// An event of another store: once in effect, whatever the broker repeats.
    pub(super) fn hear(&mut self, heard: &Heard) -> Result<Success, Stop> {
        let envelope = &heard.envelope;
        let routes = self.routes.get(envelope.event.name()).cloned().unwrap_or_default();
        if routes.is_empty() && !self.log_heard && !self.serves(&envelope.source) {
            // It has no effect, so it need not be known when it comes again.
            self.observer.unconsumed(envelope.event.name());
            return Ok(Success::default());
        }
        if !self.receive_once(&envelope.id)? {
            return Ok(Success::default());
        }
        if self.serves(&envelope.source) {
            return Err(Stop::Broken(format!("{} is emitted by this store itself", envelope.source)));
        }
        let then = routes.iter().map(|route| {
            TaskKind::Deliver(Delivery {
                service: route.service,
                envelope: Arc::clone(envelope),
                address: None,
                via: Via::Heard,
            })
        });
        Ok(Success { then: then.collect(), log: self.log_heard.then(|| Arc::clone(envelope)), ..Success::default() })
    }

    fn deliver(&mut self, delivery: &Delivery, depth: u16) -> Result<Success, Stop> {
        if depth > self.limits.cascade_depth_max {
            return Err(Stop::Broken(format!("a chain of more than {} events", self.limits.cascade_depth_max)));
        }
        let consumer = self.services[delivery.service].name;
        if !self.is_running(consumer) && matches!(delivery.via, Via::Local | Via::Heard) {
            return self.park(delivery, None);
        }
        if !self.is_still_owed(delivery)? {
            return Ok(Success::default());
        }
        let envelope = &delivery.envelope;
        let mut cause = Cause::of(envelope, delivery.address);
        self.trace_start(MessageKind::Event, consumer, envelope.event.name(), &mut cause);
        self.speak(consumer, &cause);
        let routes = self.routes.get(envelope.event.name()).cloned().unwrap_or_default();
        for route in routes.iter().filter(|route| route.service == delivery.service) {
            for reaction in &route.reactions {
                let run = Arc::clone(&self.services[route.service].reactions[*reaction].run);
                run(&mut self.work, &cause, &*envelope.event)?;
            }
        }
        let mut success = Success::default();
        match &delivery.via {
            Via::Local => {}
            Via::Heard => self.count(delivery, |counter| counter.handled += 1)?,
            Via::Parked(row) => {
                self.forget_parked(row);
                success.notes.push(Note::Unparked(Arc::clone(row)));
                self.count(delivery, |counter| {
                    counter.parked = counter.parked.saturating_sub(1);
                    counter.handled += 1;
                })?;
            }
            Via::Redriven(row) => {
                self.mark_redriven(row);
                self.count(delivery, |counter| {
                    counter.dead = counter.dead.saturating_sub(1);
                    counter.handled += 1;
                })?;
            }
        }
        Ok(success)
    }

    /// A parked or dead message may have been handled since it was put in line.
    fn is_still_owed(&mut self, delivery: &Delivery) -> Result<bool, Stop> {
        Ok(match &delivery.via {
            Via::Local | Via::Heard => true,
            Via::Parked(row) => self.work.get::<ParkedRow>(row.key())?.is_some(),
            Via::Redriven(row) => {
                self.work.get::<DeadLetterRow>(row.key())?.is_some_and(|row| row.state == DeadLetterState::Dead)
            }
        })
    }

    pub(super) fn speak(&mut self, service: &str, cause: &Cause) {
        let source = self.services.iter().position(|known| known.name == service);
        self.speaker = source.map(|service| Speaker {
            service,
            source: self.names[service].clone(),
            correlation_id: cause.correlation_id.clone(),
            causation_id: cause.id.clone(),
            traceparent: cause.traceparent.clone(),
        });
    }

    /// Counts for the books of what went between two stores; nothing is kept for what stays in one.
    pub(super) fn count(&mut self, delivery: &Delivery, change: impl FnOnce(&mut CounterRow)) -> Result<(), Stop> {
        self.count_of(&self.names[delivery.service].clone(), delivery.source(), change)
    }

    pub(super) fn count_of(
        &mut self,
        consumer: &KeyText,
        source: &KeyText,
        change: impl FnOnce(&mut CounterRow),
    ) -> Result<(), Stop> {
        if self.serves(source) {
            return Ok(());
        }
        let counter = self.work.get::<CounterRow>((consumer, source).as_key())?;
        let mut counter = counter.unwrap_or_else(|| CounterRow::new(consumer.clone(), source.clone()));
        change(&mut counter);
        self.work.put(counter);
        Ok(())
    }

    fn merge(&mut self) -> Result<Merged, Stop> {
        let watch = !self.parked.waiting.is_empty();
        let rows = if watch { self.work.written() } else { Vec::new() };
        let none = BTreeSet::new();
        let sources = self.speaker.as_ref().map_or(&none, |speaker| &self.services[speaker.service].sources);
        let said = self.work.merge(sources)?;
        Ok(Merged { said, rows })
    }

    fn verdict(task: &Task, stop: Stop) -> Verdict {
        match (stop, &task.verdict) {
            // Going on would lose the message; the process ends, and a restart finds it where it was.
            (stop, Some(Verdict::Alone(reason))) => panic!("a dead letter cannot be written ({reason}): {stop}"),
            (stop, Some(Verdict::Dead(reason))) => {
                tracing::error!(reason, %stop, "a dead letter could not be written as it should");
                Verdict::Alone(format!("{reason}; its dead letter could not be written as it should: {stop}"))
            }
            (Stop::NotYet(row), None) => Verdict::Park(row.to_string().into()),
            (Stop::Broken(reason), _) => Verdict::Dead(reason),
            (Stop::Refused(problem), _) => Verdict::Dead(format!("refused: {problem}")),
            // Parking cannot be too early: whatever stops it is said instead of what stopped the handler.
            (Stop::NotYet(row), Some(_)) => Verdict::Dead(format!("{row} is not there")),
            (Stop::Missing, _) => Verdict::Dead("it stopped for rows without naming one".to_owned()),
        }
    }
}

/// The parked message that a task retries.
fn retried_parked(forming: &Forming, task: &Task) -> Option<Id> {
    match (&task.kind, &forming.items[task.item].message) {
        (TaskKind::Deliver(Delivery { via: Via::Parked(row), .. }), _) => Some(row.id.clone()),
        (TaskKind::Unpark(id), _) | (TaskKind::Root, Message::Unpark(id)) => Some(id.clone()),
        _ => None,
    }
}

/// A command's refusal goes to whoever asked; so does a defect, without its details.
fn refusal(forming: &Forming, task: &Task, stop: &Stop) -> Option<Problem> {
    let asked = matches!(task.kind, TaskKind::Root) && matches!(forming.items[task.item].message, Message::Command(_));
    match stop {
        _ if !asked => None,
        Stop::Refused(problem) => Some(problem.clone()),
        Stop::NotYet(row) => Some(crate::operator::UNAVAILABLE.because(format!("{row} is not known yet"))),
        Stop::Broken(reason) => {
            tracing::error!(reason, "a command met a defect");
            Some(INTERNAL.problem())
        }
        Stop::Missing => Some(INTERNAL.problem()),
    }
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
