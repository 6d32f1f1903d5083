//! What follows from a message that stands: its events in the log, and deliveries to the services that consume them.

use std::sync::Arc;

use tradewind_events::Envelope;

use super::{
    super::{
        batch::Forming,
        task::{Delivery, Success, Task, TaskKind, Via},
    },
    Executor,
};
use crate::{Emitted, segment::event_id};

impl Executor {
    /// `success` is what its message has asked for, `events` what its handler has emitted.
    pub fn dispatch(&mut self, forming: &mut Forming, task: &Task, success: Success, events: Vec<Emitted>) {
        let received_at = success.log.map(|envelope| {
            self.work.bytes += envelope.event.size();
            forming.log(envelope, true)
        });
        for mut kind in success.then {
            if let (TaskKind::Deliver(delivery), Some(position)) = (&mut kind, received_at) {
                delivery.position = Some(position);
            }
            forming.queue.push_back(task.leads_to(kind));
        }
        let by = self.emitter.take();
        for event in events {
            let Some(by) = &by else { continue };
            let position = forming.next_position();
            let id = event_id(self.services.store_name(), position);
            self.work.mint(&id);
            let envelope = Arc::new(Envelope {
                id,
                source: event.source.unwrap_or_else(|| by.source.clone()),
                key: event.event.key().clone(),
                subject: event.subject,
                time: self.work.now,
                sequence: event.sequence,
                correlation_id: by.correlation_id.clone(),
                causation_id: Some(by.causation_id.clone()),
                traceparent: by.traceparent.clone(),
                event: event.event,
            });
            forming.log(Arc::clone(&envelope), false);
            for route in self.services.consumers(envelope.event.name()).iter() {
                let envelope = Arc::clone(&envelope);
                let delivery = Delivery { service: route.service, envelope, position: Some(position), via: Via::Local };
                forming.queue.push_back(task.leads_to(TaskKind::Deliver(delivery)));
            }
        }
    }
}
