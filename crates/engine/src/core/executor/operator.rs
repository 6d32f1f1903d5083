//! An operator's action, as a command on the engine's own rows.

use std::sync::Arc;

use tradewind_events::{AsKey, Id, KeyText, RawEnvelope};

use super::{
    super::{
        brokers::BROKER,
        task::{Delivery, Note, Success, TaskKind, Via},
    },
    Executor, Surroundings,
};
use crate::{
    OrRefuse, Problem, RelayOrder, Stop,
    operator::{
        Action, CONSUMER_UNKNOWN, DEAD_LETTER_IS_IN_THE_LOG, DEAD_LETTER_NOT_FOUND, DEAD_LETTER_SETTLED,
        DEAD_LETTER_UNREADABLE, EVENT_NOT_REFUSED, JOB_ERASED, JOB_NOT_FOUND, NO_GAPS, Operator, PARKED_NOT_FOUND,
    },
    relay::RELAY,
    segment::event_position,
    tables::{
        AuditRow, ConsumerRow, DeadLetterKind, DeadLetterRow, DeadLetterState, JobRow, JobState, ParkedRow, Tally,
        TimerRow, position_of,
    },
    work::{Audit, Received},
};

impl Executor {
    /// Carries an action out. `reason` counts where the action itself has none.
    pub(super) fn operate(
        &mut self,
        operator: &Operator,
        reason: Option<&str>,
        around: &Surroundings<'_>,
    ) -> Result<Success, Stop> {
        let success = match &operator.action {
            Action::Pause { consumer, reason } => self.set_paused(consumer, Some(reason), around)?,
            Action::Resume { consumer } => self.set_paused(consumer, None, around)?,
            Action::Redrive { dead_letter } => {
                let row = self.unsettled(dead_letter)?;
                self.redrive(&row, around)?
            }
            Action::EditAndRedrive { dead_letter, message } => self.edit_and_redrive(dead_letter, message, around)?,
            Action::Discard { dead_letter, .. } => self.discard_dead_letter(dead_letter)?,
            Action::RetryParked { parked } => {
                self.work.get::<ParkedRow>(parked.as_key())?.or_refuse(|| PARKED_NOT_FOUND.because(parked))?;
                Success::then(TaskKind::Unpark(parked.clone()))
            }
            Action::RetryJob { job } => {
                let row = self.work.get::<JobRow>(job.as_key())?.or_refuse(|| JOB_NOT_FOUND.because(job))?;
                if row.state == JobState::Exhausted && self.eraser(&row).is_some() {
                    return Err(JOB_ERASED.problem().into());
                }
                let due_at = self.work.now;
                self.work.put(JobRow { state: JobState::Waiting, attempts: 0, due_at, ..row });
                Success::default()
            }
            Action::SettleJob { job, reply, .. } => {
                let row = self.work.get::<JobRow>(job.as_key())?.or_refuse(|| JOB_NOT_FOUND.because(job))?;
                self.finish(&row, reply)?;
                Success::default()
            }
            Action::SetAside { event, .. } => self.set_aside(event, around)?,
            Action::Reveal { dead_letter, .. } => {
                let row = self.work.get::<DeadLetterRow>(dead_letter.as_key())?;
                row.or_refuse(|| DEAD_LETTER_NOT_FOUND.because(dead_letter))?;
                Success::default()
            }
            Action::ConfirmClock { .. } => Success::note(Note::ClockConfirmed),
            Action::SkipGaps { broker, gaps, .. } => self.skip_gaps(broker, gaps, around)?,
        };
        let audit = Audit {
            actor: Arc::clone(&operator.actor),
            action: operator.action.name().into(),
            target: operator.action.target().shared(),
            reason: operator.action.reason().or(reason).map(Arc::from),
        };
        match &operator.action {
            Action::SkipGaps { gaps, .. } => self.audit_with(&audit, None, Some(("gaps", gaps))),
            _ => self.audit(&audit, None),
        }
        Ok(success)
    }

    /// Writes a row of the audit trail, in the commit of the effect.
    pub(super) fn audit(&mut self, audit: &Audit, made: Option<&str>) {
        self.audit_with(audit, made, None);
    }

    /// The same with one more detail.
    fn audit_with(&mut self, audit: &Audit, made: Option<&str>, more: Option<(&str, &str)>) {
        let details = audit.reason.as_deref().map(|reason| ("reason", reason)).into_iter().chain(more);
        let detail: serde_json::Map<_, _> =
            details.map(|(name, text)| (name.to_owned(), serde_json::Value::from(text))).collect();
        let row = AuditRow {
            id: self.work.new_id(),
            at: self.work.now,
            actor: Arc::clone(&audit.actor),
            action: Arc::clone(&audit.action),
            target: made.map_or_else(|| Arc::clone(&audit.target), Arc::from),
            detail: serde_json::Value::Object(detail).to_string().into(),
        };
        self.work.put(row);
    }

    /// A service or a broker. What was paused and is configured no more can be resumed.
    fn set_paused(
        &mut self,
        consumer: &Id,
        reason: Option<&Arc<str>>,
        around: &Surroundings<'_>,
    ) -> Result<Success, Stop> {
        let paused = reason.is_some();
        let name = consumer.as_str();
        let note = match (around.parking.consumer(name), around.brokers.number(name)) {
            (Some(consumer), _) if paused => Some(Note::Paused { consumer }),
            (Some(consumer), _) => Some(Note::Resumed { consumer }),
            (None, Some(broker)) => Some(Note::Subscription { broker, paused }),
            (None, None) => None,
        };
        // Read first: a row that is there is updated, not inserted.
        let before = self.work.get::<ConsumerRow>(consumer.as_key())?;
        if note.is_none() && (paused || before.is_none()) {
            return Err(self.unknown_consumer(consumer, around).into());
        }
        let since = self.work.now;
        self.work.put(ConsumerRow { name: KeyText::from(consumer), paused, reason: reason.cloned(), since });
        Ok(Success { notes: note.into_iter().collect(), ..Success::default() })
    }

    /// Nothing changes but the audit trail: a gap is the broker's, and no row of this store.
    fn skip_gaps(&self, broker: &Id, gaps: &str, around: &Surroundings<'_>) -> Result<Success, Stop> {
        let name = broker.as_str();
        if around.brokers.number(name).is_none() && around.parking.consumer(name).is_none() {
            return Err(self.unknown_consumer(broker, around).into());
        }
        if gaps.is_empty() {
            return Err(NO_GAPS.because(format!("The broker has all that {broker} is to receive.")).into());
        }
        Ok(Success::default())
    }

    fn unknown_consumer(&self, consumer: &Id, around: &Surroundings<'_>) -> Problem {
        let brokers = around.brokers.names().map(ToString::to_string);
        let known: Vec<String> = self.services.names().map(str::to_owned).chain(brokers).collect();
        CONSUMER_UNKNOWN.because(format!(
            "{consumer} is neither a service nor a broker of this store. Its consumers are {}.",
            known.join(", ")
        ))
    }

    fn unsettled(&mut self, id: &Id) -> Result<DeadLetterRow, Stop> {
        let row = self.work.get::<DeadLetterRow>(id.as_key())?.or_refuse(|| DEAD_LETTER_NOT_FOUND.because(id))?;
        if row.state == DeadLetterState::Dead {
            Ok(row)
        } else {
            Err(DEAD_LETTER_SETTLED.because(format!("{id} was {}", row.state)).into())
        }
    }

    fn redrive(&mut self, row: &DeadLetterRow, around: &Surroundings<'_>) -> Result<Success, Stop> {
        match row.kind {
            DeadLetterKind::Event => self.redrive_event(row, around),
            DeadLetterKind::Timer | DeadLetterKind::Job => {
                let key = Id::new(&*row.message_key).map_err(Stop::broken)?;
                let timer = TimerRow {
                    service: row.consumer.clone(),
                    name: KeyText::new(Arc::clone(&row.name)).map_err(Stop::broken)?,
                    key,
                    due_at: self.work.now,
                    correlation_id: row.correlation_id.clone().unwrap_or_else(|| row.id.clone()),
                    attempts: 0,
                };
                self.work.put(timer);
                self.mark_redriven(row);
                Ok(Success::default())
            }
        }
    }

    fn redrive_event(&mut self, row: &DeadLetterRow, around: &Surroundings<'_>) -> Result<Success, Stop> {
        let envelope = row
            .envelope()
            .and_then(|raw| raw.decode(self.services.registry()))
            .map_err(|error| DEAD_LETTER_UNREADABLE.because(error))?;
        let envelope = Arc::new(envelope);
        if row.consumer == RELAY {
            let broker = around.brokers.of_relay(row.broker.as_ref())?;
            self.work.put(DeadLetterRow { state: DeadLetterState::Redriving, ..row.clone() });
            let (dead_letter, message) = (row.id.clone(), Arc::clone(&row.message));
            return Ok(Success::note(Note::Relay(RelayOrder::PublishAgain { broker, dead_letter, message })));
        }
        if row.broker.is_some() || row.consumer == BROKER {
            // No service has received it yet: it comes in now.
            self.mark_redriven(row);
            return self.receive(&Received { envelope, receipt: None });
        }
        let service = self.services.number(&row.consumer);
        let service = service.or_refuse(|| CONSUMER_UNKNOWN.because(&row.consumer))?;
        let (position, via) = (position_of(row.segment, row.segment_index), Via::Redriven(Arc::new(row.clone())));
        Ok(Success::then(TaskKind::Deliver(Delivery { service, envelope, position, via })))
    }

    fn edit_and_redrive(&mut self, id: &Id, message: &Arc<[u8]>, around: &Surroundings<'_>) -> Result<Success, Stop> {
        let original = self.unsettled(id)?;
        if original.consumer == RELAY {
            return Err(DEAD_LETTER_IS_IN_THE_LOG.problem().into());
        }
        self.mark_redriven(&original);
        let edited = DeadLetterRow {
            id: self.work.new_id(),
            message: Arc::clone(message),
            edited_from: Some(original.id.clone()),
            ..original
        };
        self.work.put(edited.clone());
        self.redrive(&edited, around)
    }

    /// The relays go on behind an event, each whose broker refuses it.
    fn set_aside(&mut self, event: &Id, around: &Surroundings<'_>) -> Result<Success, Stop> {
        let refusing = around.brokers.refusing(event);
        if refusing.is_empty() {
            return Err(EVENT_NOT_REFUSED.because(event).into());
        }
        let position = event_position(self.services.store_name(), event).unwrap_or_default();
        let segments = self.reader.segments(position.segment, 1).map_err(Stop::broken)?;
        let segment = segments.first().filter(|segment| segment.number == position.segment);
        let events =
            segment.map(|segment| segment.read(self.services.store_name())).transpose().map_err(Stop::broken)?;
        let found = events.into_iter().flatten().find(|logged| logged.envelope.id == *event);
        let envelope = found.ok_or_else(|| Stop::broken(format!("{event} is not in the log")))?.envelope;
        let mut success = Success::default();
        for (broker, reason) in refusing {
            self.dead_letter_refused(around.brokers.name(broker)?, &envelope, position, &reason)?;
            success.notes.push(Note::Relay(RelayOrder::SetAside { broker, event: event.clone() }));
        }
        Ok(success)
    }

    fn discard_dead_letter(&mut self, id: &Id) -> Result<Success, Stop> {
        let row = self.unsettled(id)?;
        // A row of an earlier version does not name the source.
        let named = || RawEnvelope::from_json(&row.message).ok().map(|envelope| envelope.source);
        let source = row.source.clone().or_else(named);
        if let Some(source) = source.filter(|_| self.services.number(&row.consumer).is_some()) {
            self.count_of(&row.consumer, &source, Some(Tally::Dead), Tally::Discarded)?;
        }
        self.work.put(DeadLetterRow { state: DeadLetterState::Discarded, ..row });
        Ok(Success::default())
    }
}
