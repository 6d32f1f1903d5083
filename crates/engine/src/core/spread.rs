//! What follows from a message that succeeded: answers, events in the log, deliveries to whoever hears them.

use std::sync::Arc;

use tradewind_events::Envelope;

use super::{
    Core, Forming, Logged,
    task::{Delivery, Merged, Success, Task, TaskKind, Via},
};
use crate::{Address, segment::event_id, work::Answered};

impl Core {
    pub(super) fn succeed(&mut self, forming: &mut Forming, task: &Task, success: Success, merged: Merged) {
        if let Some((typed, stored)) = success.answer {
            forming.answers.push((task.item, Ok(Answered { typed, stored })));
        }
        for note in success.notes {
            self.take_note(forming, note);
        }
        let heard_at = success.log.map(|envelope| {
            self.work.bytes += envelope.event.size();
            self.log(forming, envelope, true)
        });
        let (depth, item) = (task.depth + 1, task.item);
        let next = |kind: TaskKind| Task { kind, depth, item, ..Task::default() };
        for mut kind in success.then {
            if let (TaskKind::Deliver(delivery), Some(address)) = (&mut kind, heard_at) {
                delivery.address = Some(address);
            }
            forming.queue.push_back(next(kind));
        }
        let speaker = self.speaker.take();
        for said in merged.said {
            let Some(speaker) = &speaker else { continue };
            let address = self.next_address(forming);
            let id = event_id(&self.store_name, address);
            self.work.mint(&id);
            let envelope = Arc::new(Envelope {
                id,
                source: said.source.unwrap_or_else(|| speaker.source.clone()),
                key: said.event.key().clone(),
                subject: said.subject,
                time: self.work.now,
                sequence: said.sequence,
                correlation_id: speaker.correlation_id.clone(),
                causation_id: Some(speaker.causation_id.clone()),
                traceparent: speaker.traceparent.clone(),
                event: said.event,
            });
            self.log(forming, Arc::clone(&envelope), false);
            let routes = self.routes.get(envelope.event.name()).cloned().unwrap_or_default();
            for route in routes.iter() {
                let envelope = Arc::clone(&envelope);
                let delivery = Delivery { service: route.service, envelope, address: Some(address), via: Via::Local };
                forming.queue.push_back(next(TaskKind::Deliver(delivery)));
            }
        }
        for row in &merged.rows {
            for id in self.parked.waiting.remove(row).unwrap_or_default() {
                forming.queue.push_back(next(TaskKind::Unpark(id)));
            }
        }
    }

    pub(super) fn next_address(&self, forming: &Forming) -> Address {
        Address { segment: self.next_segment, index: u32::try_from(forming.events.len()).unwrap_or(u32::MAX) }
    }

    pub(super) fn log(&self, forming: &mut Forming, envelope: Arc<Envelope>, heard: bool) -> Address {
        let address = self.next_address(forming);
        forming.events.push(Logged { envelope, address, heard });
        address
    }
}
