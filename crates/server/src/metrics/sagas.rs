//! How orders go: how long they take from placed to their outcome, and which it is.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};
use tradewind_engine::Logged;
use tradewind_events::{
    Event, Id, Timestamp,
    orders::{OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, OrderRejected},
};

use super::{Histograms, Labels, book::Book};

/// Orders whose beginning is remembered; of the others only the outcome is counted.
const OPEN_MAX: usize = 100_000;

/// From ten milliseconds to a day: some orders wait for a person who pays.
const SAGA_SECONDS: [f64; 14] =
    [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0];

pub struct Sagas {
    outcomes: Family<Labels<1>, Counter>,
    seconds: Histograms<1>,
    placed_at: Mutex<HashMap<Id, Timestamp>>,
}

impl Sagas {
    pub fn new(book: &mut Book) -> Self {
        let outcomes = Family::default();
        let seconds: Histograms<1> = Family::new_with_constructor(|| Histogram::new(SAGA_SECONDS));
        book.add("orders", &["outcome"], "Orders, by what became of them", outcomes.clone());
        book.add("order_seconds", &["outcome"], "From placed to confirmed or ended", seconds.clone());
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
