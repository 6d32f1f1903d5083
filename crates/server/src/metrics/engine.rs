//! What the engine tells: handlers, batches, what was published and what failed.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};
use rustc_hash::FxHashMap;
use tradewind_engine::{
    BatchFigures, Direction, Handled, Observer, Tracer,
    ports::{BrokerError, StoreError},
};
use tradewind_events::KeyText;

use super::{Histograms, Labels, Metrics, book::Book, in_seconds};

/// Powers of four, for sizes of batches.
const SIZES: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0];

pub struct EngineFigures {
    handled: Family<Labels<3>, Counter>,
    handler_seconds: Histograms<2>,
    /// The two above by service, message and how: they are needed for every message.
    handlers: RwLock<FxHashMap<[&'static str; 3], (Counter, Histogram)>>,
    batch_messages: Histogram,
    batch_rows: Histogram,
    batch_events: Histogram,
    forming: Histogram,
    writing: Histogram,
    unconsumed: Counter,
    store_failures: Counter,
    unusable_rows: Family<Labels<1>, Counter>,
}

impl EngineFigures {
    pub fn new(book: &mut Book) -> Self {
        let figures = Self {
            handled: Family::default(),
            handler_seconds: Family::new_with_constructor(in_seconds),
            handlers: RwLock::default(),
            batch_messages: Histogram::new(SIZES),
            batch_rows: Histogram::new(SIZES),
            batch_events: Histogram::new(SIZES),
            forming: in_seconds(),
            writing: in_seconds(),
            unconsumed: Counter::default(),
            store_failures: Counter::default(),
            unusable_rows: Family::default(),
        };
        let ended = ["service", "message", "how"];
        book.add("handled", &ended, "Handlers that have run, by how they ended", figures.handled.clone());
        book.add("handler_seconds", &ended[..2], "How long handlers took", figures.handler_seconds.clone());
        let help = "Received events that no service of this store consumes";
        book.add("unconsumed_events", &[], help, figures.unconsumed.clone());
        book.add("store_failures", &[], "Times that the store failed", figures.store_failures.clone());
        let help = "Times that a row was needed and could not be read; the log has its key";
        book.add("unusable_rows", &["table"], help, figures.unusable_rows.clone());
        for (histogram, name, help) in [
            (&figures.batch_messages, "batch_messages", "Messages in a batch"),
            (&figures.batch_rows, "batch_rows", "Rows that a batch has changed"),
            (&figures.batch_events, "batch_events", "Events that a batch has said"),
            (&figures.forming, "batch_forming_seconds", "How long the handlers of a batch took"),
            (&figures.writing, "batch_writing_seconds", "How long a batch took to become durable"),
        ] {
            book.add(name, &[], help, histogram.clone());
        }
        figures
    }

    fn handler(&self, service: &'static str, message: &'static str, how: &'static str) -> (Counter, Histogram) {
        let key = [service, message, how];
        let known = self.handlers.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            let who = [("service", service), ("message", message)];
            let handled = self.handled.get_or_create(&[who[0], who[1], ("how", how)]).clone();
            let figures = (handled, self.handler_seconds.get_or_create(&who).clone());
            let mut handlers = self.handlers.write().unwrap_or_else(PoisonError::into_inner);
            handlers.entry(key).or_insert(figures).clone()
        })
    }
}

impl Observer for Metrics {
    fn handled(&self, service: &'static str, message: &'static str, took: Duration, how: Handled) {
        let how = match how {
            Handled::Done => "done",
            Handled::Refused => "refused",
            Handled::Parked => "parked",
            Handled::Dead => "dead",
        };
        let (handled, seconds) = self.engine.handler(service, message, how);
        handled.inc();
        seconds.observe(took.as_secs_f64());
    }

    fn committed(&self, batch: &BatchFigures) {
        let size = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        self.engine.batch_messages.observe(size(batch.messages));
        self.engine.batch_rows.observe(size(batch.rows));
        self.engine.batch_events.observe(size(batch.events));
        self.engine.forming.observe(batch.formed_in.as_secs_f64());
        self.engine.writing.observe(batch.written_in.as_secs_f64());
    }

    fn published(&self, broker: &KeyText, events: usize) {
        self.delivery.published(broker, events);
    }

    fn received(&self, broker: &KeyText, messages: usize) {
        self.delivery.received(broker, messages);
    }

    fn duplicates(&self, broker: &KeyText, messages: usize) {
        self.delivery.duplicates(broker, messages);
    }

    fn refused(&self, broker: &KeyText) {
        self.delivery.refused(broker);
    }

    fn returned(&self, broker: &KeyText, messages: u64) {
        self.delivery.returned(broker, messages);
    }

    fn reconnected(&self, broker: &KeyText, direction: Direction) {
        self.delivery.reconnected(broker, direction);
    }

    fn unconsumed(&self, _event: &'static str) {
        self.engine.unconsumed.inc();
    }

    fn broker_failed(&self, broker: &KeyText, error: &BrokerError) {
        self.delivery.failed(broker, error);
    }

    fn row_unusable(&self, table: &'static str) {
        self.engine.unusable_rows.get_or_create(&[("table", table)]).inc();
    }

    fn tracer(&self) -> Option<Arc<dyn Tracer>> {
        self.tracer.clone()
    }

    fn store_failed(&self, error: &StoreError) {
        self.engine.store_failures.inc();
        tracing::error!(%error, "the store has failed: nothing more is taken in");
    }
}
