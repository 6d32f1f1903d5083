//! One attempt to handle a message: look at what guards it (idempotency key, consumer, place in line), and run its handlers.

use std::sync::Arc;

use tradewind_events::AsKey;

use super::{
    super::task::{Delivery, Note, Success, Task, TaskKind, Via},
    Executor, Surroundings,
};
use crate::{
    AnyAnswer, Cause, Entity, MessageKind, OrRefuse, Stop,
    operator::{Done, IDEMPOTENCY_KEY_REUSED, SERVICE_ELSEWHERE},
    tables::{DeadLetterRow, DeadLetterState, IdempotencyRow, ParkedRow, Tally},
    work::{CommandMessage, Message, Target},
};

impl Executor {
    pub(super) fn attempt(
        &mut self,
        message: &Message,
        task: &Task,
        around: &Surroundings<'_>,
    ) -> Result<Success, Stop> {
        match &task.kind {
            TaskKind::Deliver(delivery) => self.deliver(delivery, task.depth, around),
            TaskKind::Unpark(id) => self.unpark(id, around),
            TaskKind::Root => match message {
                Message::Command(command) => self.command(command, around),
                Message::Received(received) => self.receive(received),
                Message::Undecodable(undecodable) => {
                    self.dead_letter_undecodable(undecodable, &undecodable.reason, around)
                }
                Message::Timer(key) => self.fire(key, around),
                Message::Tried(tried) => self.tried(tried),
                Message::Unpark(id) => Ok(Success::then(TaskKind::Unpark(id.clone()))),
                Message::Published { broker, segment } => self.published(around.brokers.name(*broker)?, *segment),
                Message::Republished { dead_letter, refused } => self.republished(dead_letter, refused.as_deref()),
                Message::Prune(prune) => Ok(self.prune(prune)),
            },
        }
    }

    fn command(&mut self, message: &CommandMessage, around: &Surroundings<'_>) -> Result<Success, Stop> {
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
                let number = self.services.number(service);
                let found =
                    number.and_then(|number| Some((number, self.services.get(number).commands.get(name).cloned()?)));
                let (number, handler) =
                    found.or_refuse(|| SERVICE_ELSEWHERE.because(format!("{service} does not live here.")))?;
                let mut cause = Cause {
                    id: message.context.request_id.clone(),
                    correlation_id: message.context.correlation_id.clone(),
                    traceparent: message.context.traceparent.clone(),
                    event: None,
                };
                self.trace_start(MessageKind::Command, service, name, &mut cause);
                self.emit_for(number, &cause);
                (handler(&mut self.work, &cause, &**command)?, Success::default())
            }
            Target::Operator(operator) => {
                let reason = message.audit.as_ref().and_then(|audit| audit.reason.as_deref());
                let success = self.operate(operator, reason, around)?;
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

    fn deliver(&mut self, delivery: &Delivery, depth: u16, around: &Surroundings<'_>) -> Result<Success, Stop> {
        if depth > self.limits.cascade_depth_max {
            return Err(Stop::Broken(format!("a chain of more than {} events", self.limits.cascade_depth_max)));
        }
        let consumer = self.services.get(delivery.service).name;
        if !around.parking.is_running(consumer) && matches!(delivery.via, Via::Local | Via::Remote) {
            return self.park(delivery, None);
        }
        if !self.is_pending(delivery)? {
            return Ok(Success::default());
        }
        let envelope = &delivery.envelope;
        let mut cause = Cause::of(envelope, delivery.position);
        self.trace_start(MessageKind::Event, consumer, envelope.event.name(), &mut cause);
        self.emit_for(delivery.service, &cause);
        let routes = self.services.consumers(envelope.event.name());
        for route in routes.iter().filter(|route| route.service == delivery.service) {
            for reaction in &route.reactions {
                let run = Arc::clone(&self.services.get(route.service).reactions[*reaction].run);
                run(&mut self.work, &cause, &*envelope.event)?;
            }
        }
        let mut success = Success::default();
        match &delivery.via {
            Via::Local => return Ok(success),
            Via::Remote => {}
            Via::Parked(row) => {
                self.forget_parked(row);
                success.notes.push(Note::Unparked(Arc::clone(row)));
            }
            Via::Redriven(row) => self.mark_redriven(row),
        }
        self.count(delivery, Tally::Handled)?;
        Ok(success)
    }

    /// Whether the message still has to be handled: a parked message or a dead letter may have been handled since it
    /// was queued.
    fn is_pending(&mut self, delivery: &Delivery) -> Result<bool, Stop> {
        Ok(match &delivery.via {
            Via::Local | Via::Remote => true,
            Via::Parked(row) => self.work.get::<ParkedRow>(row.key())?.is_some(),
            Via::Redriven(row) => {
                self.work.get::<DeadLetterRow>(row.key())?.is_some_and(|row| row.state == DeadLetterState::Dead)
            }
        })
    }
}
