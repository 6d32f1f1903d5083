//! How orders go: how long they take from placed to their outcome, and which it is.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tradewind_engine::Logged;
use tradewind_events::{
    Event, Id, Timestamp,
    orders::{OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, OrderRejected},
};

use super::{Histograms, Labels, in_seconds};

/// Orders whose beginning is remembered; of the others only the outcome is counted.
const OPEN_MAX: usize = 100_000;

pub struct Sagas {
    outcomes: Family<Labels<1>, Counter>,
    seconds: Histograms<1>,
    placed_at: Mutex<HashMap<Id, Timestamp>>,
}

impl Sagas {
    pub fn new(registry: &mut Registry) -> Self {
        let outcomes = Family::default();
        let seconds: Histograms<1> = Family::new_with_constructor(in_seconds);
        registry.register("orders", "Orders, by what became of them", outcomes.clone());
        registry.register("order_seconds", "From placed to confirmed or ended, by outcome", seconds.clone());
        Self { outcomes, seconds, placed_at: Mutex::default() }
    }

    pub fn hear(&self, events: &[Logged]) {
        let mut placed_at = self.placed_at.lock().unwrap_or_else(PoisonError::into_inner);
        for logged in events {
            let envelope = &logged.envelope;
            let name = envelope.event.name();
            let outcome = if name == OrderPlaced::NAME {
                if placed_at.len() < OPEN_MAX {
                    placed_at.insert(envelope.key.clone(), envelope.time);
                }
                "placed"
            } else if name == OrderConfirmed::NAME {
                "confirmed"
            } else if name == OrderRejected::NAME {
                "rejected"
            } else if name == OrderCancelled::NAME {
                "cancelled"
            } else if name == OrderCompleted::NAME {
                "completed"
            } else {
                continue;
            };
            self.outcomes.get_or_create(&[("outcome", outcome)]).inc();
            if outcome != "placed"
                && let Some(placed) = placed_at.remove(&envelope.key)
            {
                self.seconds.get_or_create(&[("outcome", outcome)]).observe(envelope.time.since(placed).as_secs_f64());
            }
        }
    }
}
