//! What brokers deliver: events of other stores, each once in effect, and what cannot be decoded.

use std::sync::Arc;

use tradewind_events::{AsKey, Id, KeyText, id};
use uuid::Uuid;

use super::{
    super::{
        brokers::BROKER,
        task::{Delivery, Note, Success, TaskKind, Via},
    },
    Executor, Surroundings,
    failure::Headline,
};
use crate::{
    LogPosition, Stop, Undecodable,
    ports::Incoming,
    segment::segment_of,
    tables::{DeadLetterKind, DeadLetterRow, InboxRow, InboxSegmentRow},
    work::Received,
};

impl Executor {
    /// An event of another store: once in effect, whatever the broker repeats.
    pub(super) fn receive(&mut self, received: &Received) -> Result<Success, Stop> {
        let envelope = &received.envelope;
        let routes = self.services.consumers(envelope.event.name());
        let logs = self.services.logs_remote();
        if routes.is_empty() && !logs && !self.services.serves(&envelope.source) {
            // It has no effect, so it need not be known when it comes again.
            self.observer.unconsumed(envelope.event.name());
            return Ok(Success::default());
        }
        if !self.receive_once(&envelope.id)? {
            let from = received.receipt.as_ref().map(|receipt| receipt.subscription);
            return Ok(from.map_or_else(Success::default, duplicate));
        }
        if self.services.serves(&envelope.source) {
            return Err(Stop::Broken(format!("{} is emitted by this store itself", envelope.source)));
        }
        let then = routes.iter().map(|route| {
            TaskKind::Deliver(Delivery {
                service: route.service,
                envelope: Arc::clone(envelope),
                position: None,
                via: Via::Remote,
            })
        });
        Ok(Success { then: then.collect(), log: logs.then(|| Arc::clone(envelope)), ..Success::default() })
    }

    /// Notes that this event was received, in the commit of its effect. `false` when it was received before.
    fn receive_once(&mut self, event_id: &Id) -> Result<bool, Stop> {
        let received_at = self.work.now;
        let Some((segment, index)) = segment_of(event_id) else {
            let is_new = self.work.get::<InboxRow>(event_id.as_key())?.is_none();
            if is_new {
                self.work.put(InboxRow { event_id: event_id.clone(), received_at });
            }
            return Ok(is_new);
        };
        let row = self.work.get::<InboxSegmentRow>(segment.as_key())?;
        let mut indexes = row.map(|row| row.indexes).unwrap_or_default();
        let is_new = indexes.insert(index);
        if is_new {
            self.work.put(InboxSegmentRow { segment, indexes, received_at });
        }
        Ok(is_new)
    }

    /// A message that a broker delivered and that cannot be decoded: kept as it came, once.
    pub(super) fn dead_letter_undecodable(
        &mut self,
        undecodable: &Undecodable,
        reason: &str,
        around: &Surroundings<'_>,
    ) -> Result<Success, Stop> {
        let incoming = &undecodable.incoming;
        // Whatever brought it: a message is kept.
        let broker = around.brokers.name(undecodable.subscription).cloned().unwrap_or(BROKER);
        let message = &incoming.message;
        if !self.receive_once(&identity(&broker, incoming))? {
            return Ok(duplicate(undecodable.subscription));
        }
        let key = String::from_utf8_lossy(message.key.as_ref().map_or(&[], |key| &key.0));
        let dead = DeadLetterRow {
            message: message.body().into(),
            record: Some(serde_json::to_string(message).map_err(Stop::broken)?.into()),
            position: Some(incoming.position.0.as_str().into()),
            broker: Some(broker.clone()),
            ..self.new_dead_letter(&Headline {
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

    /// An event of another store whose message failed: a dead letter for each of its consumers. What is logged of it stands
    /// at `here`.
    pub(super) fn dead_letter_received(
        &mut self,
        received: &Received,
        reason: &str,
        here: LogPosition,
    ) -> Result<Success, Stop> {
        let envelope = &received.envelope;
        if !self.receive_once(&envelope.id)? {
            return Ok(Success::default());
        }
        // It is sent again from its dead letters, and must be in the log by then as if it had been handled.
        let logs = self.services.logs_remote() && !self.services.serves(&envelope.source);
        let mut success = Success { log: logs.then(|| Arc::clone(envelope)), ..Success::default() };
        for route in self.services.consumers(envelope.event.name()).iter() {
            let (envelope, position) = (Arc::clone(envelope), logs.then_some(here));
            let delivery = Delivery { service: route.service, envelope, position, via: Via::Remote };
            success.notes.extend(self.dead_letter(&delivery, reason)?.notes);
        }
        Ok(success)
    }
}

/// What was received before has no effect.
fn duplicate(broker: usize) -> Success {
    Success::note(Note::Duplicate { broker })
}

/// What tells a message that cannot be read from all others of its broker: the id that its producer gave it, or else its
/// position. A UUID of version 5 ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-5)). The name of the
/// broker that was once the only one is no part of it: stores know its messages without.
fn identity(broker: &KeyText, incoming: &Incoming) -> Id {
    let message = &incoming.message;
    let headers = ["ce_id", "id"].into_iter().find_map(|name| message.header(name));
    let own = headers.or(message.properties.message_id.as_deref());
    let name = own.map_or_else(|| format!("position {}", incoming.position.0), |id| format!("id {id}"));
    let at = if *broker == BROKER { String::new() } else { format!("broker {broker}\n") };
    let name = format!("{at}{}\n{name}", message.topic);
    id(&Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string())
}
