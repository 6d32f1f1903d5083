//! A running shop, as HTTP routes and tasks see it: the engine, what is committed, and what the edge itself keeps.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use tokio::sync::oneshot;
use tradewind_engine::{
    Command, CommandMessage, Context, EngineTime, Entity, Handle, Problem, StoredAnswer,
    operator::UNAVAILABLE,
    ports::{Ids, List, Reader, StoreError, UuidV7},
};
use tradewind_events::{AsKey, Id};

use crate::{
    alarm::Alarm,
    config::Config,
    http::{Failure, Limiter, Places, Reads, ReadsFor},
    hub::Hub,
    identity::{KeyRing, Passwords, Revocations},
    metrics::Metrics,
    peers::Comparison,
    secret::Keys,
    split::Split,
    tasks::Stopping,
    traces::Traces,
};

/// Clones reach the same shop.
#[derive(Clone)]
pub struct Shop {
    parts: Arc<Parts>,
    /// Whom its reads count for.
    reads_for: ReadsFor,
}

/// What a shop is made of.
pub struct Parts {
    pub config: Arc<Config>,
    /// Stands in the id of every event.
    pub store_name: Arc<str>,
    /// Those that live in this store; the others have a door elsewhere.
    pub services: Vec<&'static str>,
    /// The other processes, if the shop is split.
    pub split: Option<Split>,
    /// What is known about them.
    pub comparison: Option<Mutex<Comparison>>,
    pub engine: Handle,
    pub alarm: Alarm,
    pub keys: Arc<Keys>,
    pub key_ring: KeyRing,
    pub revocations: Revocations,
    pub passwords: Passwords,
    pub limiter: Limiter,
    pub hub: Arc<Hub>,
    pub metrics: Arc<Metrics>,
    /// Where steps are told, if they are traced.
    pub traces: Option<Arc<Traces>>,
    pub stopping: Stopping,
    /// Requests that are being answered.
    pub requests: Places,
    /// Requests for the state of the shop: they are answered even when all other places are taken.
    pub probes: Places,
    /// Requests that wait for an outcome.
    pub waits: Places,
    /// Streams that are open.
    pub streams: Places,
    /// Reads of the store that run at the same time.
    pub reads: Reads,
    /// The same for probes, which wait for no other read.
    pub probe_reads: Reads,
    /// The token for the first admin has been shown, or none is needed.
    pub is_announced: AtomicBool,
    pub ids: Mutex<UuidV7>,
}

impl Shop {
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), reads_for: ReadsFor::default() }
    }

    /// The same shop, whose reads count for this caller.
    #[must_use]
    pub fn reading_for(&self, reads_for: ReadsFor) -> Self {
        Self { parts: Arc::clone(&self.parts), reads_for }
    }

    pub fn clock(&self) -> &EngineTime {
        self.engine.clock()
    }

    /// A new id, for a request.
    pub fn new_id(&self) -> Id {
        let mut ids = self.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ids.next(self.clock().now())
    }

    /// A command of the shop itself, without a client.
    pub async fn run<C: Command>(&self, command: C) -> Result<C::Answer, Problem> {
        let request_id = self.new_id();
        let context = Context { correlation_id: request_id.clone(), request_id, traceparent: None };
        self.run_in(command, context).await
    }

    /// The same on behalf of a request.
    pub async fn run_in<C: Command>(&self, command: C, context: Context) -> Result<C::Answer, Problem> {
        let message = CommandMessage::new(command, context, |_| StoredAnswer::default());
        let answered = self.send(message).await?;
        let typed = answered.typed.and_then(|typed| typed.downcast().ok());
        typed.map(|typed| *typed).ok_or_else(|| UNAVAILABLE.because("The command was not carried out."))
    }

    /// Sends a command, and waits until its effect is durable.
    pub async fn send(&self, message: CommandMessage) -> Result<tradewind_engine::Answered, Problem> {
        let (told, tell) = oneshot::channel();
        let message = message.reply(move |answer| {
            if told.send(answer).is_err() {
                tracing::debug!("nobody waits for the answer any more");
            }
        });
        self.engine.submit(message)?;
        tell.await.unwrap_or_else(|_| Err(UNAVAILABLE.because("The shop has stopped.")))
    }

    /// Waits until the shop cannot go on: the engine has stopped by itself, because a commit has failed or another process
    /// owns the store; or the files of the store are not where they were, which a shop without orders would not notice.
    /// Returns what the engine does not know.
    pub async fn engine_stopped(&self) -> Option<String> {
        const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(250);
        let mut tick = tokio::time::interval(LOOK_EVERY);
        while self.engine.status().stopped.is_none() {
            tick.tick().await;
            if let Some(fault @ StoreError::Unusable(_)) = self.engine.reader().fault() {
                tracing::error!(%fault, "the store is lost");
                return Some(fault.to_string());
            }
        }
        None
    }

    /// Reads what is committed, off the threads that serve requests.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        self.read_among(&self.reads, read).await
    }

    /// The same for a probe.
    pub async fn read_for_probe<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        self.read_among(&self.probe_reads, read).await
    }

    async fn read_among<T: Send + 'static>(
        &self,
        reads: &Reads,
        read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = reads.turn(&self.reads_for).await;
        let reader = Arc::clone(self.engine.reader());
        let done = tokio::task::spawn_blocking(move || {
            let _held = turn;
            read(&*reader)
        });
        let read = done.await.map_err(|panic| Failure::internal("reading the store", &panic))?;
        read.map_err(|error| Failure::unreadable(&error))
    }

    /// The row of this key.
    pub async fn load<E: Entity>(&self, key: impl AsKey) -> Result<Option<E>, Failure> {
        let key = key.as_key();
        let reader = self.engine.reader();
        // The way to another thread takes longer than a look-up in a file of this machine, if nobody stands in line.
        let turn = if reader.is_local() { self.reads.try_turn(&self.reads_for) } else { None };
        let rows = match turn {
            Some(_held) => reader.load(E::TABLE, &[key]).map_err(|error| Failure::unreadable(&error))?,
            None => self.read(move |reader| reader.load(E::TABLE, &[key])).await?,
        };
        let row = rows.into_iter().next().flatten();
        row.map(|row| E::from_row(&row.values)).transpose().map_err(|error| Failure::internal("reading a row", &error))
    }

    /// The rows of these keys, in their order, without those that are not there.
    pub async fn load_all<E: Entity>(&self, keys: impl IntoIterator<Item = impl AsKey>) -> Result<Vec<E>, Failure> {
        let keys: Vec<_> = keys.into_iter().map(|key| key.as_key()).collect();
        let rows = self.read(move |reader| reader.load(E::TABLE, &keys)).await?;
        let rows: Result<Vec<E>, _> = rows.into_iter().flatten().map(|row| E::from_row(&row.values)).collect();
        rows.map_err(|error| Failure::internal("reading a row", &error))
    }

    /// Rows in an order. The table of the list is the one of `E`.
    pub async fn list<E: Entity>(&self, list: List) -> Result<Vec<E>, Failure> {
        let rows = self.read(move |reader| reader.list(&list)).await?;
        let rows: Result<Vec<E>, _> = rows.into_iter().map(|row| E::from_row(&row.values)).collect();
        rows.map_err(|error| Failure::internal("reading a row", &error))
    }
}

impl Deref for Shop {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.parts
    }
}
