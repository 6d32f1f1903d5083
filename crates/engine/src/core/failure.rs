//! What becomes of a message that cannot be handled: it waits for what it lacks, or it is a dead letter. Never neither.

use std::sync::Arc;

use tradewind_events::{AsKey, Id, Key, KeyText, RawEnvelope, emitting_service};

use super::{
    Core, Forming,
    brokers::{BROKER, identity},
    causes::FailureCause,
    housework::PARKED_TIMER_SERVICE,
    task::{Delivery, Note, Success, TaskKind, Verdict, Via},
};
use crate::{
    Address, Backoff, Entity, Stop,
    relay::RELAY,
    tables::{DeadLetterKind, DeadLetterRow, DeadLetterState, EffectRow, ParkedReason, ParkedRow, TimerRow},
    work::{Heard, Message, TryOutcome, Undecodable},
};

impl Core {
    /// Puts a message aside: until the row `waits_for` is written, or until its consumer is resumed.
    pub(super) fn park(&mut self, delivery: &Delivery, waits_for: Option<&Arc<str>>) -> Result<Success, Stop> {
        let now = self.work.now;
        let mut row = match &delivery.via {
            Via::Parked(row) if now >= row.deadline => {
                let waited = waits_for.map_or("its consumer", |row| row);
                return Err(Stop::Broken(format!("it waited for {waited} until its deadline")));
            }
            Via::Parked(row) => ParkedRow { reason: ParkedReason::NotYet, ..(**row).clone() },
            Via::Local | Via::Heard | Via::Redriven(_) => self.new_parked(delivery)?,
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
                self.count(delivery, |counter| {
                    counter.dead = counter.dead.saturating_sub(1);
                    counter.parked += 1;
                })?;
            }
            Via::Local | Via::Heard => self.count(delivery, |counter| counter.parked += 1)?,
        }
        let (id, consumer) = (row.id.clone(), self.services[delivery.service].name);
        success.notes.push(match row.waits_for.clone() {
            Some(waits_for) => Note::Parked { id, waits_for },
            None => Note::ParkedBehind { consumer, id },
        });
        self.work.put(row);
        Ok(success)
    }

    fn new_parked(&mut self, delivery: &Delivery) -> Result<ParkedRow, Stop> {
        let envelope = &delivery.envelope;
        let message = envelope.to_json().map_err(Stop::broken)?;
        let (now, address) = (self.work.now, delivery.address.unwrap_or_default());
        Ok(ParkedRow {
            id: self.work.new_id(),
            consumer: self.names[delivery.service].clone(),
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
            segment: address.segment,
            segment_index: address.index,
            source: Some(delivery.source().clone()),
        })
    }

    /// Tries a parked message again.
    pub(super) fn unpark(&mut self, id: &Id, verdict: Option<&Verdict>) -> Result<Success, Stop> {
        let Some(row) = self.work.get::<ParkedRow>(id.as_key())? else { return Ok(Success::default()) };
        if let Some(Verdict::Dead(reason)) = verdict {
            return self.bury_parked(&row, reason);
        }
        let service = self.services.iter().position(|service| service.name == &*row.consumer);
        let service = service.ok_or_else(|| Stop::Broken(format!("{} is not served here", row.consumer)))?;
        let consumer = self.services[service].name;
        let paused = self.consumers.get(consumer) == Some(&super::ConsumerState::Paused);
        if paused {
            if row.reason == ParkedReason::Paused {
                return Ok(Success::default());
            }
            // It keeps its place among what waits for the consumer.
            self.work.put(ParkedRow { reason: ParkedReason::Paused, waits_for: None, ..row.clone() });
            let mut success = Success::note(Note::Unparked(Arc::new(row)));
            success.notes.push(Note::ParkedBehind { consumer, id: id.clone() });
            return Ok(success);
        }
        if row.reason == ParkedReason::Paused && !self.has_its_turn(consumer, id) {
            return Ok(Success::default());
        }
        let envelope = RawEnvelope::from_json(row.message.as_bytes())
            .and_then(|raw| raw.decode(&self.registry))
            .map_err(Stop::broken)?;
        let address = address_of(row.segment, row.segment_index);
        Ok(Success::then(TaskKind::Deliver(Delivery {
            service,
            envelope: Arc::new(envelope),
            address,
            via: Via::Parked(Arc::new(row)),
        })))
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
    pub(super) fn bury(&mut self, delivery: &Delivery, reason: &str) -> Result<Success, Stop> {
        let mut success =
            Success::note(Note::Died { service: delivery.service, cause: FailureCause::of(&delivery.envelope) });
        let dead = match &delivery.via {
            Via::Redriven(row) => DeadLetterRow {
                reason: reason.into(),
                attempts: row.attempts + 1,
                died_at: self.work.now,
                ..(**row).clone()
            },
            Via::Local | Via::Heard => {
                self.count(delivery, |counter| counter.dead += 1)?;
                self.new_dead(&self.names[delivery.service].clone(), delivery, reason)?
            }
            Via::Parked(row) => {
                self.forget_parked(row);
                success.notes.push(Note::Unparked(Arc::clone(row)));
                self.count(delivery, |counter| {
                    counter.parked = counter.parked.saturating_sub(1);
                    counter.dead += 1;
                })?;
                let dead = self.new_dead(&self.names[delivery.service].clone(), delivery, reason)?;
                DeadLetterRow { attempts: row.attempts + 1, ..dead }
            }
        };
        self.work.put(dead);
        Ok(success)
    }

    fn new_dead(&mut self, consumer: &KeyText, delivery: &Delivery, reason: &str) -> Result<DeadLetterRow, Stop> {
        let envelope = &delivery.envelope;
        let address = delivery.address.unwrap_or_default();
        Ok(DeadLetterRow {
            event_id: Some(envelope.id.clone()),
            correlation_id: Some(envelope.correlation_id.clone()),
            message: envelope.to_json().map_err(Stop::broken)?.into(),
            segment: address.segment,
            segment_index: address.index,
            source: Some(delivery.source().clone()),
            ..self.blank_dead(&Headline {
                consumer,
                kind: DeadLetterKind::Event,
                name: envelope.event.name(),
                message_key: envelope.key.as_str(),
                reason,
            })
        })
    }

    /// An event that this broker refuses to take from its relay.
    pub(super) fn bury_refused(
        &mut self,
        broker: usize,
        envelope: &RawEnvelope,
        at: Address,
        reason: &str,
    ) -> Result<(), Stop> {
        let dead = DeadLetterRow {
            broker: Some(self.brokers.name(broker)?.clone()),
            event_id: Some(envelope.id.clone()),
            correlation_id: Some(envelope.correlation_id.clone()),
            message: serde_json::to_vec(envelope).map_err(Stop::broken)?.into(),
            segment: at.segment,
            segment_index: at.index,
            ..self.blank_dead(&Headline {
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

    fn blank_dead(&mut self, about: &Headline<'_>) -> DeadLetterRow {
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

    fn bury_parked(&mut self, row: &ParkedRow, reason: &str) -> Result<Success, Stop> {
        self.forget_parked(row);
        let mut cause = FailureCause::key(&row.message_key);
        let mut source = row.source.clone();
        if let Ok(envelope) = RawEnvelope::from_json(row.message.as_bytes()) {
            source.get_or_insert_with(|| envelope.source.clone());
            if let Ok(envelope) = envelope.decode(&self.registry) {
                cause = FailureCause::of(&envelope);
            }
        }
        // A row of an earlier version does not name the source: it is of the one service that emits such events.
        let first = || self.registry.get(&row.event).map(|kind| KeyText::literal(kind.source));
        let source = source.or_else(first);
        match &source {
            Some(source) => self.count_of(&row.consumer, source, |counter| {
                counter.parked = counter.parked.saturating_sub(1);
                counter.dead += 1;
            })?,
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
            ..self.blank_dead(&Headline {
                consumer: &row.consumer,
                kind: DeadLetterKind::Event,
                name: &row.event,
                message_key: row.message_key.as_str(),
                reason,
            })
        };
        self.work.put(dead);
        let mut success = Success::note(Note::Unparked(Arc::new(row.clone())));
        let service = self.services.iter().position(|service| service.name == &*row.consumer);
        success.notes.extend(service.map(|service| Note::Died { service, cause }));
        Ok(success)
    }

    /// A message that a broker brought and nobody can read: kept as it came, once.
    pub(super) fn bury_undecodable(&mut self, undecodable: &Undecodable, reason: &str) -> Result<Success, Stop> {
        let incoming = &undecodable.incoming;
        // Whatever brought it: a message is kept.
        let broker = self.brokers.name(undecodable.subscription).cloned().unwrap_or(BROKER);
        let message = &incoming.message;
        if !self.receive_once(&identity(&broker, incoming))? {
            return Ok(Success::default());
        }
        let key = String::from_utf8_lossy(message.key.as_ref().map_or(&[], |key| &key.0));
        let dead = DeadLetterRow {
            message: message.body().into(),
            record: Some(serde_json::to_string(message).map_err(Stop::broken)?.into()),
            position: Some(incoming.position.0.as_str().into()),
            broker: Some(broker.clone()),
            ..self.blank_dead(&Headline {
                consumer: &broker,
                kind: DeadLetterKind::Event,
                name: &message.topic,
                message_key: &key,
                reason,
            })
        };
        self.work.put(dead);
        Ok(Success::default())
    }

    /// A row that belongs to a dead letter cannot be read (the message's inbox, a counter, what is parked). What came from
    /// outside or from a service is kept without that row. What has a row of its own stays where it is.
    pub(super) fn bury_alone(&mut self, kind: &TaskKind, message: &Message, reason: &str) -> Result<Success, Stop> {
        let (envelope, services, address) = match (kind, message) {
            (TaskKind::Deliver(Delivery { service, envelope, address, via: Via::Local | Via::Heard }), _) => {
                (envelope, vec![*service], *address)
            }
            (TaskKind::Root, Message::Heard(heard)) => {
                let routes = self.routes.get(heard.envelope.event.name()).cloned().unwrap_or_default();
                (&heard.envelope, routes.iter().map(|route| route.service).collect(), None)
            }
            (TaskKind::Root, Message::Tried(tried)) => return Ok(Success::note(Note::Tried(tried.id.clone()))),
            _ => return Ok(Success::default()),
        };
        let mut success = Success::default();
        for service in services {
            let delivery = Delivery { service, envelope: Arc::clone(envelope), address, via: Via::Heard };
            // Its id is new, so it needs no row but its counter.
            let dead = self.new_dead(&self.names[service].clone(), &delivery, reason)?;
            self.work.put(dead);
            match self.count(&delivery, |counter| counter.dead += 1) {
                Err(Stop::Broken(reason)) => {
                    tracing::error!(reason, event = %envelope.id, "a dead letter is not counted");
                }
                counted => counted?,
            }
            success.notes.push(Note::Died { service, cause: FailureCause::of(envelope) });
        }
        Ok(success)
    }

    /// A root message that failed for good. What is logged of it stands at `here`.
    pub(super) fn bury_root(&mut self, message: &Message, reason: &str, here: Address) -> Result<Success, Stop> {
        match message {
            Message::Heard(heard) => return self.bury_heard(heard, reason, here),
            Message::Unpark(id) => {
                if let Some(row) = self.work.get::<ParkedRow>(id.as_key())? {
                    return self.bury_parked(&row, reason);
                }
            }
            Message::Undecodable(undecodable) => return self.bury_undecodable(undecodable, reason),
            Message::Timer(key) => {
                if let Some(timer) = self.work.get::<TimerRow>(key.clone())? {
                    self.work.delete::<TimerRow>(key.clone());
                    let dead = DeadLetterRow {
                        correlation_id: Some(timer.correlation_id.clone()),
                        ..self.blank_dead(&Headline {
                            consumer: &timer.service,
                            kind: DeadLetterKind::Timer,
                            name: &timer.name,
                            message_key: timer.key.as_str(),
                            reason,
                        })
                    };
                    self.work.put(dead);
                    let service = self.services.iter().position(|service| service.name == &*timer.service);
                    let cause = FailureCause::timer(&timer.service, &timer.name);
                    let died = service.zip(cause).map(|(service, cause)| Note::Died { service, cause });
                    return Ok(Success { notes: died.into_iter().collect(), ..Success::default() });
                }
            }
            Message::Tried(tried) => {
                if let Some(job) = self.work.get::<EffectRow>(tried.id.as_key())? {
                    let last_error = match &tried.outcome {
                        TryOutcome::Done(_) => format!("its outcome could not be handled: {reason}"),
                        TryOutcome::Unknown(error) => format!("{error}; {reason}"),
                    };
                    let last_error = Some(last_error.into());
                    let job = self.given_up(EffectRow { last_error, ..job });
                    self.work.put(job);
                }
                return Ok(Success::note(Note::Tried(tried.id.clone())));
            }
            Message::Command(_) => return Err(crate::operator::INTERNAL.problem().into()),
            Message::Published { .. } | Message::Republished { .. } | Message::Prune(_) => {
                tracing::error!(reason, "housekeeping failed");
            }
        }
        Ok(Success::default())
    }

    fn bury_heard(&mut self, heard: &Heard, reason: &str, here: Address) -> Result<Success, Stop> {
        let envelope = &heard.envelope;
        if !self.receive_once(&envelope.id)? {
            return Ok(Success::default());
        }
        // It is sent again from its dead letters, and must be in the log by then as if it had been handled.
        let logs = self.log_heard && !self.serves(&envelope.source);
        let mut success = Success { log: logs.then(|| Arc::clone(envelope)), ..Success::default() };
        let routes = self.routes.get(envelope.event.name()).cloned().unwrap_or_default();
        for route in routes.iter() {
            let (envelope, address) = (Arc::clone(envelope), logs.then_some(here));
            let delivery = Delivery { service: route.service, envelope, address, via: Via::Heard };
            success.notes.extend(self.bury(&delivery, reason)?.notes);
        }
        Ok(success)
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

    /// A job whose outcome comes too early for its handler: it is asked for again.
    pub(super) fn postpone_job(&mut self, id: &Id) -> Result<Success, Stop> {
        if let Some(mut job) = self.work.get::<EffectRow>(id.as_key())? {
            job.attempts += 1;
            job.due_at = self.work.now.plus(Backoff::JOB.after(job.attempts, job.id.as_str()));
            self.work.put(job);
        }
        Ok(Success::note(Note::Tried(id.clone())))
    }

    /// Whether events of this source are emitted in this store, by a service of that name or by a bridge.
    pub(super) fn serves(&self, source: &str) -> bool {
        let service = emitting_service(source);
        self.services.iter().any(|known| known.name == service)
    }

    /// What the core itself must know of a merged attempt.
    pub(super) fn take_note(&mut self, forming: &mut Forming, note: Note) {
        match note {
            Note::Tried(id) => forming.tried.push(id),
            Note::Relay(order) => forming.relay.push(order),
            Note::ClockConfirmed => self.confirm_clock(),
            Note::Unparked(row) => self.parked.remove(&row),
            Note::Parked { id, waits_for } => self.parked.add(id, Some(waits_for)),
            Note::ParkedBehind { consumer, id } => {
                self.parked.add(id.clone(), None);
                self.parked_behind(consumer, id);
            }
            Note::Paused { consumer } => {
                self.causes.paused(consumer);
                self.stop_catching_up(consumer);
            }
            Note::Subscription { broker, paused } => self.brokers.set_paused(broker, paused),
            Note::Resumed { consumer } => self.catch_up(consumer),
            Note::Died { service, cause } => self.note_dead_letter(forming, service, cause),
        }
    }
}

impl super::Parked {
    pub(super) fn add(&mut self, id: Id, waits_for: Option<Arc<str>>) {
        self.count += 1;
        if let Some(waits_for) = waits_for {
            self.waiting.entry(waits_for).or_default().push(id);
        }
    }

    fn remove(&mut self, row: &ParkedRow) {
        self.count = self.count.saturating_sub(1);
        if let Some(waits_for) = &row.waits_for
            && let Some(ids) = self.waiting.get_mut(waits_for)
        {
            ids.retain(|id| *id != row.id);
            if ids.is_empty() {
                self.waiting.remove(waits_for);
            }
        }
    }
}

/// What a dead letter says first.
struct Headline<'a> {
    consumer: &'a KeyText,
    kind: DeadLetterKind,
    name: &'a str,
    message_key: &'a str,
    reason: &'a str,
}

/// An address as rows keep it: segments count from 1, so 0 is none.
pub(super) fn address_of(segment: u64, index: u32) -> Option<Address> {
    (segment > 0).then_some(Address { segment, index })
}
