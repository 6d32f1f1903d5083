//! A running engine: the threads and all, over a store in memory, with a broker in memory between several of them.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc},
    time::Duration,
};

use tradewind_engine::{
    Answered, AnyService, BrokerParts, Command, CommandMessage, Context, EngineTime, Entity, Handle, Limits, Parts,
    Problem, Setup, StoredAnswer, Worker, ports::Reader,
};
use tradewind_events::{AsKey, Registry, id};

use crate::{CountedIds, ManualClock, MemoryBroker, MemoryStore, cache, manual_clock};

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a running engine is made of.
pub struct Plan {
    /// The store's name; it stands in the ids of events, and names the consumer group.
    pub name: String,
    pub store: MemoryStore,
    pub clock: ManualClock,
    pub services: Vec<AnyService>,
    pub registry: Registry,
    pub limits: Limits,
    pub workers: Vec<Arc<dyn Worker>>,
    pub broker: Option<MemoryBroker>,
    /// Services of other stores.
    pub hear: Vec<String>,
}

/// An engine with threads.
pub struct Running {
    handle: Handle,
    store: MemoryStore,
    progress: Arc<(Mutex<u64>, Condvar)>,
}

impl Plan {
    pub fn new(name: &str, services: impl IntoIterator<Item = AnyService>) -> Self {
        Self {
            name: name.to_owned(),
            store: MemoryStore::new(),
            clock: manual_clock(),
            services: services.into_iter().collect(),
            registry: tradewind_events::registry(),
            limits: Limits::default(),
            workers: Vec::new(),
            broker: None,
            hear: Vec::new(),
        }
    }

    /// Starts it. What the store holds is found again.
    pub fn start(self) -> Running {
        let (epoch, writer) = self.store.own();
        let setup = Setup {
            store_name: self.name.as_str().into(),
            epoch,
            services: self.services,
            registry: self.registry,
            reader: Arc::new(self.store.clone()),
            clock: EngineTime::new(Arc::new(self.clock)),
            ids: Box::new(CountedIds::new(&format!("{}{epoch}", self.name))),
            limits: cache::limits(self.limits),
            observer: Arc::new(()),
            log_remote: true,
        };
        let broker = self.broker.map(|broker| BrokerParts {
            broker: Box::new(broker),
            topic_prefix: "test".to_owned(),
            group: self.name.clone(),
            hear: self.hear,
        });
        let parts = Parts { writer: Box::new(writer), workers: self.workers, broker };
        let handle = Handle::start(setup, parts).expect("an engine over a store in memory starts");
        let progress = Arc::new((Mutex::new(0), Condvar::new()));
        let told = Arc::clone(&progress);
        handle.listen(Box::new(move |_| {
            *told.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            told.1.notify_all();
        }));
        Running { handle, store: self.store, progress }
    }
}

impl Running {
    /// Sends a command and waits for its answer.
    pub fn ask<C: Command>(&self, command: C) -> Result<C::Answer, Problem> {
        let context = Context { request_id: id("request"), correlation_id: id("request"), traceparent: None };
        let answered = self.answer_to(CommandMessage::new(command, context, |_| StoredAnswer::default()))?;
        let typed = answered.typed.expect("a command without an idempotency key is never replayed");
        Ok(*typed.downcast().expect("the answer has the command's type"))
    }

    /// Sends a prepared command and waits for its answer.
    pub fn answer_to(&self, message: CommandMessage) -> Result<Answered, Problem> {
        let (sender, answer) = mpsc::sync_channel(1);
        let message = message.reply(move |answered| sender.send(answered).expect("the test waits for its answer"));
        self.handle.submit(message)?;
        answer.recv_timeout(PATIENCE).expect("every command is answered")
    }

    /// Waits until a committed row is as it should be, although no event tells of it: looks again and again.
    pub fn wait_for_quietly<E: Entity>(&self, key: impl AsKey, fits: impl Fn(&E) -> bool) -> E {
        let key = key.as_key();
        for _ in 0..PATIENCE.as_millis() {
            if let Some(row) = self.row::<E>(&key).filter(|row| fits(row)) {
                return row;
            }
            let commits = self.commits();
            drop(self.progress.1.wait_timeout(commits, Duration::from_millis(1)));
        }
        panic!("{} {key} has not become what it should be", E::TABLE.name)
    }

    /// Waits until a table has so many rows, although no event tells of it.
    pub fn wait_for_rows<E: Entity>(&self, count: usize) {
        for _ in 0..PATIENCE.as_millis() {
            if self.store.rows(E::TABLE).len() == count {
                return;
            }
            drop(self.progress.1.wait_timeout(self.commits(), Duration::from_millis(1)));
        }
        panic!("{} has {} rows", E::TABLE.name, self.store.rows(E::TABLE).len())
    }

    /// Waits until a committed row is as it should be; looks again after every commit that says something.
    pub fn wait_for<E: Entity>(&self, key: impl AsKey, fits: impl Fn(&E) -> bool) -> E {
        let key = key.as_key();
        let mut seen = *self.commits();
        loop {
            let row = self.row::<E>(&key);
            if let Some(row) = row.filter(|row| fits(row)) {
                return row;
            }
            let commits = self.commits();
            let more = self.progress.1.wait_timeout_while(commits, PATIENCE, |commits| *commits == seen);
            let (commits, timeout) = more.unwrap_or_else(PoisonError::into_inner);
            assert!(!timeout.timed_out(), "{} {key} has not become what it should be", E::TABLE.name);
            seen = *commits;
        }
    }

    /// A committed row.
    pub fn row<E: Entity>(&self, key: impl AsKey) -> Option<E> {
        let rows = self.store.load(E::TABLE, &[key.as_key()]).expect("the store in memory can be read");
        let row = rows.into_iter().next().flatten()?;
        Some(E::from_row(&row.values).expect("a row is read as it was written"))
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    pub fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// Finishes what was accepted and stops.
    pub fn stop(self) -> MemoryStore {
        self.handle.stop();
        self.store
    }

    fn commits(&self) -> std::sync::MutexGuard<'_, u64> {
        self.progress.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
