//! What the engine tells whoever measures it. Figures only: no payloads, no people.

use std::{sync::Arc, time::Duration};

use tradewind_events::KeyText;

use crate::{
    Tracer,
    ports::{BrokerError, StoreError},
};

/// Receives metrics. The engine calls it from its own threads, so it must be quick and must not fail.
pub trait Observer: Send + Sync + 'static {
    /// A handler of `service` has run for a message of this kind (an event's, command's, timer's or job's name).
    fn handled(&self, _service: &'static str, _message: &'static str, _took: Duration, _how: Handled) {}

    /// A batch is durable.
    fn committed(&self, _batch: &BatchFigures) {}

    /// This broker has acknowledged so many events more.
    fn published(&self, _broker: &KeyText, _events: usize) {}

    /// A subscription at this broker has received so many messages more, repeated ones included.
    fn received(&self, _broker: &KeyText, _messages: usize) {}

    /// So many messages from this broker were received before, and are dropped: that is durable.
    fn duplicates(&self, _broker: &KeyText, _messages: usize) {}

    /// This broker refuses one event more.
    fn refused(&self, _broker: &KeyText) {}

    /// This broker has returned so many messages more, because no queue takes them.
    fn returned(&self, _broker: &KeyText, _messages: u64) {}

    /// This broker answers again after it could not be reached.
    fn reconnected(&self, _broker: &KeyText, _direction: Direction) {}

    /// An event of this name was received that no service of this store consumes. Nothing of it is kept.
    fn unconsumed(&self, _event: &'static str) {}

    /// A broker did not do what it was asked.
    fn broker_failed(&self, _broker: &KeyText, _error: &BrokerError) {}

    /// A row of this table was needed and cannot be read, or the store rejects it. It stays where it is, and the log
    /// has its key.
    fn row_unusable(&self, _table: &'static str) {}

    /// The store has failed; the engine stops.
    fn store_failed(&self, _error: &StoreError) {}

    /// Who hears of the steps of messages; asked once, at the start. Without it nothing is traced.
    fn tracer(&self) -> Option<Arc<dyn Tracer>> {
        None
    }
}

/// Nobody measures.
impl Observer for () {}

/// What a connection to a broker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Publish,
    Receive,
}

/// How a handler has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    Done,
    Refused,
    Parked,
    Dead,
}

/// One batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchFigures {
    pub messages: usize,
    pub rows: usize,
    pub events: usize,
    /// Running the handlers.
    pub formed_in: Duration,
    /// Encoding and writing.
    pub written_in: Duration,
}

/// Measures how long something takes, for figures and for threads that wait for a broker. Never what a test asserts or a
/// handler sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "what a shop does and stores does not depend on it")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub fn read(self) -> Duration {
        self.0.elapsed()
    }
}
