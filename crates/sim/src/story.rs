//! The stories of orders: what was said of each, by whom and when, from the logs of all stores.

use tradewind_engine::{LogEvent, LogPosition, ports::Reader};
use tradewind_events::{Envelope, Id, Timestamp};
use tradewind_query::order_of;

use crate::{trace::after, world::World};

/// What was said of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    pub order_id: Id,
    /// One event a line, in the order of time: when, its id, who said it, what it is called, and what caused it. The id
    /// says its store and its place in the log.
    pub lines: Vec<String>,
}

impl World {
    /// The stories of these orders.
    pub fn stories(&self, orders: &[Id]) -> Vec<Story> {
        let mut events = Vec::new();
        for node in &self.nodes {
            let segments = node.store.segments(1, u32::MAX).unwrap_or_default();
            for segment in segments {
                let read = segment.decode(&node.name, &self.registry).unwrap_or_default();
                let said = read.into_iter().filter(|event| !event.remote);
                let placed = |LogEvent { position: address, envelope, .. }: LogEvent| {
                    (envelope.time, node.name.clone(), address, envelope)
                };
                events.extend(said.map(placed));
            }
        }
        events.sort_by(|left, right| (left.0, &left.1, left.2).cmp(&(right.0, &right.1, right.2)));
        let story = |order_id: &Id| {
            let own = events.iter().filter(|(_, _, _, envelope)| order_of(&*envelope.event).as_ref() == Some(order_id));
            let line = |(time, _, _, envelope): &(Timestamp, _, LogPosition, Envelope)| {
                let Envelope { id, source, .. } = envelope;
                let because = envelope.causation_id.as_ref().map_or("-", Id::as_str);
                let at = after(*time, self.began);
                format!("{at}  {:<9} {source:<13} {:<24} {because}", id.as_str(), envelope.event.name())
            };
            Story { order_id: order_id.clone(), lines: own.map(line).collect() }
        };
        orders.iter().map(story).collect()
    }
}
