//! The path of a failure: a message that cannot be handled is recorded. It waits for what it lacks, or it becomes a dead
//! letter; never neither.

use std::sync::Arc;

use tradewind_events::{AsKey, Id, KeyText, RawEnvelope};

use super::{
    super::{
        dead_letters::FailureCause,
        task::{Delivery, Failure, Note, Success, TaskKind, Via},
    },
    Executor, Surroundings,
    triggers::PARKED_TIMER_SERVICE,
};
use crate::{
    Backoff, Entity, LogPosition, Stop,
    operator::INTERNAL,
    relay::RELAY,
    tables::{DeadLetterKind, DeadLetterRow, DeadLetterState, JobRow, ParkedReason, ParkedRow, Tally, TimerRow},
    work::{Message, TryOutcome},
};

impl Executor {
    /// Records why a message cannot be handled.
    pub(super) fn record(
        &mut self,
        message: &Message,
        kind: &TaskKind,
        failure: &Failure,
        around: &Surroundings<'_>,
    ) -> Result<Success, Stop> {
        match (kind, failure) {
            (kind, Failure::Alone(reason)) => self.dead_letter_alone(kind, message, reason),
            (TaskKind::Deliver(delivery), Failure::Park(waits_for)) => self.park(delivery, Some(waits_for)),
            (TaskKind::Deliver(delivery), Failure::Dead(reason)) => self.dead_letter(delivery, reason),
            (TaskKind::Unpark(id), failure) => self.record_parked(id, failure),
            (TaskKind::Root, Failure::Dead(reason)) => self.record_root(message, reason, around),
            (TaskKind::Root, Failure::Park(waits_for)) => match message {
                Message::Timer(key) => self.postpone(key),
                Message::Tried(tried) => self.postpone_job(&tried.id),
                other => self.record_root(other, &format!("{waits_for} is not there"), around),
            },
        }
    }

    /// Puts a message aside: until the row `waits_for` is written, or until its consumer is resumed.
    pub(super) fn park(&mut self, delivery: &Delivery, waits_for: Option<&Arc<str>>) -> Result<Success, Stop> {
        let now = self.work.now;
        let mut row = match &delivery.via {
            Via::Parked(row) if now >= row.deadline => {
                let waited = waits_for.map_or("its consumer", |row| row);
                return Err(Stop::Broken(format!("it waited for {waited} until its deadline")));
            }
            Via::Parked(row) => ParkedRow { reason: ParkedReason::NotYet, ..(**row).clone() },
            Via::Local | Via::Remote | Via::Redriven(_) => self.new_parked(delivery)?,
        };
        row.waits_for = waits_for.cloned();
        let mut success = Success::default();
        if waits_for.is_some() {
            row.attempts += 1;
            row.due_at = now.plus(Backoff::PARKED.after(row.attempts, row.id.as_str())).min(row.deadline);
            self.work.put(TimerRow {
                service: PARKED_TIMER_SERVICE,
                name: row.consumer.clone(),
                key: row.id.clone(),
                due_at: row.due_at,
                correlation_id: delivery.envelope.correlation_id.clone(),
                attempts: 0,
            });
        } else {
            row.reason = ParkedReason::Paused;
        }
        match &delivery.via {
            Via::Parked(row) => success.notes.push(Note::Unparked(Arc::clone(row))),
            Via::Redriven(dead) => {
                self.mark_redriven(dead);
                self.count(delivery, Tally::Parked)?;
            }
            Via::Local | Via::Remote => self.count(delivery, Tally::Parked)?,
        }
        let (parked, consumer) = (Arc::new(row.clone()), self.services.get(delivery.service).name);
        success.notes.push(match row.waits_for {
            Some(_) => Note::Parked(parked),
            None => Note::ParkedBehind { consumer, row: parked },
        });
        self.work.put(row);
        Ok(success)
    }

    fn new_parked(&mut self, delivery: &Delivery) -> Result<ParkedRow, Stop> {
        let envelope = &delivery.envelope;
        let message = envelope.to_json().map_err(Stop::broken)?;
        let (now, position) = (self.work.now, delivery.position.unwrap_or_default());
        Ok(ParkedRow {
            id: self.work.new_id(),
            consumer: self.services.name(delivery.service).clone(),
            event_id: envelope.id.clone(),
            event: envelope.event.name().into(),
            message_key: envelope.key.clone(),
            reason: ParkedReason::NotYet,
            waits_for: None,
            attempts: 0,
            due_at: now,
            deadline: now.plus(self.limits.park_deadline),
            parked_at: now,
            message: String::from_utf8(message).map_err(Stop::broken)?.into(),
            segment: position.segment,
            segment_index: position.index,
            source: Some(delivery.source().clone()),
        })
    }

    /// A parked message cannot be retried.
    fn record_parked(&mut self, id: &Id, failure: &Failure) -> Result<Success, Stop> {
        let Some(row) = self.work.get::<ParkedRow>(id.as_key())? else { return Ok(Success::default()) };
        match failure {
            Failure::Dead(reason) | Failure::Alone(reason) => self.dead_letter_parked(&row, reason),
            Failure::Park(waits_for) => self.dead_letter_parked(&row, &format!("{waits_for} is not there")),
        }
    }

    /// The parked message is handled or dead.
    pub(super) fn forget_parked(&mut self, row: &ParkedRow) {
        self.work.delete::<ParkedRow>(row.key());
        self.work.delete::<TimerRow>(TimerRow::key_of(&PARKED_TIMER_SERVICE, &row.consumer, &row.id));
    }

    pub(super) fn mark_redriven(&mut self, row: &DeadLetterRow) {
        self.work.put(DeadLetterRow { state: DeadLetterState::Redriven, ..row.clone() });
    }

    /// Makes a dead letter of an event that one service could not handle.
    pub(super) fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<Success, Stop> {
        let mut success =
            Success::note(Note::Died { service: delivery.service, cause: FailureCause::of(&delivery.envelope) });
        let dead = match &delivery.via {
            Via::Redriven(row) => DeadLetterRow {
                reason: reason.into(),
                attempts: row.attempts + 1,
                died_at: self.work.now,
                ..(**row).clone()
            },
            Via::Local | Via::Remote => {
                self.count(delivery, Tally::Dead)?;
                self.dead_letter_of(delivery, reason)?
            }
            Via::Parked(row) => {
                self.forget_parked(row);
                success.notes.push(Note::Unparked(Arc::clone(row)));
                self.count(delivery, Tally::Dead)?;
                let dead = self.dead_letter_of(delivery, reason)?;
                DeadLetterRow { attempts: row.attempts + 1, ..dead }
            }
        };
        self.work.put(dead);
        Ok(success)
    }

    fn dead_letter_of(&mut self, delivery: &Delivery, reason: &str) -> Result<DeadLetterRow, Stop> {
        let (envelope, consumer) = (&delivery.envelope, self.services.name(delivery.service).clone());
        let position = delivery.position.unwrap_or_default();
        Ok(DeadLetterRow {
            event_id: Some(envelope.id.clone()),
            correlation_id: Some(envelope.correlation_id.clone()),
            message: envelope.to_json().map_err(Stop::broken)?.into(),
            segment: position.segment,
            segment_index: position.index,
            source: Some(delivery.source().clone()),
            ..self.new_dead_letter(&Headline {
                consumer: &consumer,
                kind: DeadLetterKind::Event,
                name: envelope.event.name(),
                message_key: envelope.key.as_str(),
                reason,
            })
        })
    }

    /// An event that this broker refuses to take from its relay.
    pub(super) fn dead_letter_refused(
        &mut self,
        broker: &KeyText,
        envelope: &RawEnvelope,
        at: LogPosition,
        reason: &str,
    ) -> Result<(), Stop> {
        let dead = DeadLetterRow {
            broker: Some(broker.clone()),
            event_id: Some(envelope.id.clone()),
            correlation_id: Some(envelope.correlation_id.clone()),
            message: serde_json::to_vec(envelope).map_err(Stop::broken)?.into(),
            segment: at.segment,
            segment_index: at.index,
            ..self.new_dead_letter(&Headline {
                consumer: &RELAY,
                kind: DeadLetterKind::Event,
                name: &envelope.name,
                message_key: envelope.key.as_str(),
                reason,
            })
        };
        self.work.put(dead);
        Ok(())
    }

    pub(super) fn new_dead_letter(&mut self, about: &Headline<'_>) -> DeadLetterRow {
        DeadLetterRow {
            id: self.work.new_id(),
            consumer: about.consumer.clone(),
            kind: about.kind,
            name: about.name.into(),
            message_key: about.message_key.into(),
            event_id: None,
            correlation_id: None,
            reason: about.reason.into(),
            attempts: 1,
            died_at: self.work.now,
            state: DeadLetterState::Dead,
            message: Arc::from([]),
            record: None,
            position: None,
            edited_from: None,
            segment: 0,
            segment_index: 0,
            source: None,
            broker: None,
        }
    }

    fn dead_letter_parked(&mut self, row: &ParkedRow, reason: &str) -> Result<Success, Stop> {
        self.forget_parked(row);
        let mut cause = FailureCause::key(&row.message_key);
        let mut source = row.source.clone();
        if let Ok(envelope) = RawEnvelope::from_json(row.message.as_bytes()) {
            source.get_or_insert_with(|| envelope.source.clone());
            if let Ok(envelope) = envelope.decode(self.services.registry()) {
                cause = FailureCause::of(&envelope);
            }
        }
        // A row of an earlier version does not name the source: it is of the one service that emits such events.
        let first = || self.services.registry().get(&row.event).map(|kind| KeyText::literal(kind.source));
        let source = source.or_else(first);
        match &source {
            Some(source) => self.count_of(&row.consumer, source, Some(Tally::Parked), Tally::Dead)?,
            None => {
                tracing::error!(parked = %row.id, event = &*row.event, "no service produces this event: not counted");
            }
        }
        let dead = DeadLetterRow {
            event_id: Some(row.event_id.clone()),
            attempts: row.attempts + 1,
            message: row.message.as_bytes().into(),
            segment: row.segment,
            segment_index: row.segment_index,
            source,
            ..self.new_dead_letter(&Headline {
                consumer: &row.consumer,
                kind: DeadLetterKind::Event,
                name: &row.event,
                message_key: row.message_key.as_str(),
                reason,
            })
        };
        self.work.put(dead);
        let mut success = Success::note(Note::Unparked(Arc::new(row.clone())));
        let service = self.services.number(&row.consumer);
        success.notes.extend(service.map(|service| Note::Died { service, cause }));
        Ok(success)
    }

    /// A row that belongs to a dead letter cannot be read (the message's inbox, a counter, what is parked). What came from
    /// outside or from a service is kept without that row. What has a row of its own stays where it is.
    pub(super) fn dead_letter_alone(
        &mut self,
        kind: &TaskKind,
        message: &Message,
        reason: &str,
    ) -> Result<Success, Stop> {
        let (envelope, services, position) = match (kind, message) {
            (TaskKind::Deliver(Delivery { service, envelope, position, via: Via::Local | Via::Remote }), _) => {
                (envelope, vec![*service], *position)
            }
            (TaskKind::Root, Message::Received(received)) => {
                let routes = self.services.consumers(received.envelope.event.name());
                (&received.envelope, routes.iter().map(|route| route.service).collect(), None)
            }
            (TaskKind::Root, Message::Tried(tried)) => return Ok(Success::note(Note::Tried(tried.id.clone()))),
            _ => return Ok(Success::default()),
        };
        let mut success = Success::default();
        for service in services {
            let delivery = Delivery { service, envelope: Arc::clone(envelope), position, via: Via::Remote };
            // Its id is new, so it needs no row but its counter.
            let dead = self.dead_letter_of(&delivery, reason)?;
            self.work.put(dead);
            match self.count(&delivery, Tally::Dead) {
                Err(Stop::Broken(reason)) => {
                    tracing::error!(reason, event = %envelope.id, "a dead letter is not counted");
                }
                counted => counted?,
            }
            success.notes.push(Note::Died { service, cause: FailureCause::of(envelope) });
        }
        Ok(success)
    }

    /// A root message that failed for good.
    pub(super) fn record_root(
        &mut self,
        message: &Message,
        reason: &str,
        around: &Surroundings<'_>,
    ) -> Result<Success, Stop> {
        match message {
            Message::Received(received) => return self.dead_letter_received(received, reason, around.here),
            Message::Unpark(id) => {
                if let Some(row) = self.work.get::<ParkedRow>(id.as_key())? {
                    return self.dead_letter_parked(&row, reason);
                }
            }
            Message::Undecodable(undecodable) => return self.dead_letter_undecodable(undecodable, reason, around),
            Message::Timer(key) => {
                if let Some(timer) = self.work.get::<TimerRow>(key.clone())? {
                    self.work.delete::<TimerRow>(key.clone());
                    let dead = DeadLetterRow {
                        correlation_id: Some(timer.correlation_id.clone()),
                        ..self.new_dead_letter(&Headline {
                            consumer: &timer.service,
                            kind: DeadLetterKind::Timer,
                            name: &timer.name,
                            message_key: timer.key.as_str(),
                            reason,
                        })
                    };
                    self.work.put(dead);
                    let service = self.services.number(&timer.service);
                    let cause = FailureCause::timer(&timer.service, &timer.name);
                    let died = service.zip(cause).map(|(service, cause)| Note::Died { service, cause });
                    return Ok(Success { notes: died.into_iter().collect(), ..Success::default() });
                }
            }
            Message::Tried(tried) => {
                if let Some(job) = self.work.get::<JobRow>(tried.id.as_key())? {
                    let last_error = match &tried.outcome {
                        TryOutcome::Done(_) => format!("its outcome could not be handled: {reason}"),
                        TryOutcome::Unknown(error) => format!("{error}; {reason}"),
                    };
                    let last_error = Some(last_error.into());
                    let job = self.exhausted(JobRow { last_error, ..job });
                    self.work.put(job);
                }
                return Ok(Success::note(Note::Tried(tried.id.clone())));
            }
            Message::Command(_) => return Err(INTERNAL.problem().into()),
            Message::Published { .. } | Message::Republished { .. } | Message::Prune(_) => {
                tracing::error!(reason, "maintenance failed");
            }
        }
        Ok(Success::default())
    }
}

/// What a dead letter says first.
pub(super) struct Headline<'a> {
    pub consumer: &'a KeyText,
    pub kind: DeadLetterKind,
    pub name: &'a str,
    pub message_key: &'a str,
    pub reason: &'a str,
}
