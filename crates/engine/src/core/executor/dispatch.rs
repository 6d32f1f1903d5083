//! What follows from a message that stands: its events in the log, deliveries to the services that consume them, and
//! parked messages whose row is written.

use std::sync::Arc;

use tradewind_events::Envelope;

use super::{
    super::{
        batch::Forming,
        task::{Delivery, Merged, Task, TaskKind, Via},
    },
    Executor, Parking,
};
use crate::segment::event_id;

impl Executor {
    /// `log` is a received event that is kept in the log; `then` is what its message has asked for.
    pub fn dispatch(
        &mut self,
        forming: &mut Forming,
        task: &Task,
        then: Vec<TaskKind>,
        log: Option<Arc<Envelope>>,
        merged: Merged,
        parking: &mut Parking,
    ) {
        let received_at = log.map(|envelope| {
            self.work.bytes += envelope.event.size();
            forming.log(envelope, true)
        });
        let (depth, item) = (task.depth + 1, task.item);
        let next = |kind: TaskKind| Task { kind, depth, item, ..Task::default() };
        for mut kind in then {
            if let (TaskKind::Deliver(delivery), Some(position)) = (&mut kind, received_at) {
                delivery.position = Some(position);
            }
            forming.queue.push_back(next(kind));
        }
        let emitter = self.emitter.take();
        for emitted in merged.emitted {
            let Some(emitter) = &emitter else { continue };
            let position = forming.next_position();
            let id = event_id(self.routing.store_name(), position);
            self.work.mint(&id);
            let envelope = Arc::new(Envelope {
                id,
                source: emitted.source.unwrap_or_else(|| emitter.source.clone()),
                key: emitted.event.key().clone(),
                subject: emitted.subject,
                time: self.work.now,
                sequence: emitted.sequence,
                correlation_id: emitter.correlation_id.clone(),
                causation_id: Some(emitter.causation_id.clone()),
                traceparent: emitter.traceparent.clone(),
                event: emitted.event,
            });
            forming.log(Arc::clone(&envelope), false);
            for route in self.routing.consumers(envelope.event.name()).iter() {
                let envelope = Arc::clone(&envelope);
                let delivery = Delivery { service: route.service, envelope, position: Some(position), via: Via::Local };
                forming.queue.push_back(next(TaskKind::Deliver(delivery)));
            }
        }
        for row in &merged.rows {
            for id in parking.written(row) {
                forming.queue.push_back(next(TaskKind::Unpark(id)));
            }
        }
    }
}
