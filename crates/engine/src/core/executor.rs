//! Runs one message after another in the unit of work of the open batch. What is to change outside the unit of work once
//! a message is merged is a [`Note`](super::task::Note) for the core.

mod attempt;
mod dispatch;
mod failure;
mod load;
mod maintenance;
mod operator;
mod received;
mod traces;
mod triggers;

pub(super) use load::Loaded;

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use rustc_hash::FxHashSet;
use tradewind_events::{AsKey, Key, KeyText, Timestamp};

use super::{
    Parking,
    batch::{Forming, HandledFigures},
    brokers::Brokers,
    commit::PendingRow,
    panic_text,
    services::Services,
    task::{Backlog, Delivery, Emitter, Lane, Merged, Success, Task, TaskKind, Via},
};
use crate::{
    AnyService, Cause, Handled, Limits, LogPosition, Observer, RowRef, Stop, Table,
    cache::Slot,
    injected,
    ports::{Ids, Reader},
    reruns::Missing,
    tables::{CounterRow, Tally},
    trace::Tracing,
    uow::{Change, UnitOfWork},
    work::{CommandMessage, Message, Target},
};

pub(super) struct Executor {
    work: UnitOfWork,
    services: Services,
    reader: Arc<dyn Reader>,
    observer: Arc<dyn Observer>,
    limits: Limits,
    tracing: Option<Tracing>,
    /// Of the handler that runs, or has run last.
    emitter: Option<Emitter>,
}

/// What a message may depend on beside the rows of the unit of work.
pub(super) struct Surroundings<'a> {
    pub parking: &'a Parking,
    pub brokers: &'a Brokers,
    /// Where the next event of the batch stands in the log.
    pub here: LogPosition,
}

/// A batch that is closed, and the rows that it changes.
pub(super) struct Closed {
    pub number: u64,
    pub at: Timestamp,
    pub rows: Vec<PendingRow>,
    /// The tracer's time; zero without a tracer.
    pub traced_at: u64,
}

/// What has come of a run.
pub(super) enum Attempt {
    /// It stands, in the unit of work.
    Merged(Success, Merged),
    /// It needs rows that are not in memory, and has left no trace.
    Lacks(Missing),
    /// It has left no trace.
    Stopped(Stop),
}

impl Executor {
    pub fn new(
        services: Services,
        reader: Arc<dyn Reader>,
        observer: Arc<dyn Observer>,
        ids: Box<dyn Ids>,
        limits: &Limits,
    ) -> Self {
        Self {
            work: UnitOfWork::new(limits, ids),
            services,
            reader,
            tracing: observer.tracer().map(|tracer| Tracing { tracer, running: None }),
            observer,
            limits: limits.clone(),
            emitter: None,
        }
    }

    pub fn services(&self) -> &[AnyService] {
        self.services.all()
    }

    /// Opens a batch. Its time does not go back.
    pub fn open(&mut self, batch: u64, now: Timestamp) {
        self.work.cache.evict();
        self.work.open(batch, now);
    }

    /// The number of the batch that is open, or was last.
    pub fn batch(&self) -> u64 {
        self.work.batch
    }

    /// The time of the batch that is open, or was last.
    pub fn now(&self) -> Timestamp {
        self.work.now
    }

    /// Whether the open batch has as many rows or bytes as it may have.
    pub fn is_filled(&self) -> bool {
        self.work.changes.len() >= self.limits.batch_rows_max
            || self.work.bytes >= self.limits.batch_bytes_max
            || self.work.loaded_bytes > self.limits.cache_bytes_max
    }

    /// Handles a message, or records that it cannot be handled.
    pub fn run(&mut self, forming: &Forming, task: &mut Task, around: &Surroundings<'_>) -> Attempt {
        self.work.begin_run();
        let outcome = self.run_guarded(forming, task, around);
        let outcome = match self.lacking(task) {
            Ok(missing) if missing.is_empty() => outcome,
            Ok(missing) => return Attempt::Lacks(missing),
            Err(stop) => Err(stop),
        };
        match outcome.and_then(|success| Ok((success, self.merge(around.parking)?))) {
            Ok((success, merged)) => Attempt::Merged(success, merged),
            Err(stop) => {
                self.work.discard();
                Attempt::Stopped(stop)
            }
        }
    }

    fn run_guarded(&mut self, forming: &Forming, task: &Task, around: &Surroundings<'_>) -> Result<Success, Stop> {
        // Unwinding leaves nothing behind but the overlay, which is discarded.
        let attempt = AssertUnwindSafe(|| {
            let message = &forming.items[task.item].message;
            match &task.failure {
                None => self.attempt(message, task, around),
                Some(failure) => self.record(message, &task.kind, failure, around),
            }
        });
        catch_unwind(attempt).unwrap_or_else(|panic| Err(Stop::Broken(format!("panic: {}", panic_text(&*panic)))))
    }

    /// The rows that the task has to wait for before it runs again; an error when it never would finish.
    fn lacking(&mut self, task: &mut Task) -> Result<Missing, Stop> {
        let missing = self.work.missing_rows(&mut task.reruns)?;
        if !missing.is_empty() {
            if injected("cold-rows-fail") && task.loads >= 2 {
                return Err(Stop::Broken("it waits for rows too often".to_owned()));
            }
            self.work.discard();
            task.loads = task.loads.saturating_add(1);
            self.trace_stop(task);
        }
        Ok(missing)
    }

    fn merge(&mut self, parking: &Parking) -> Result<Merged, Stop> {
        let rows = if parking.waits_for_rows() { self.work.written() } else { Vec::new() };
        let none = BTreeSet::new();
        let sources = self.emitter.as_ref().map_or(&none, |emitter| &self.services.get(emitter.service).sources);
        let emitted = self.work.merge(sources)?;
        Ok(Merged { emitted, rows })
    }

    /// Keeps a figure until the batch is durable: one that is rejected runs its handlers again.
    pub fn observe(&self, forming: &mut Forming, task: &Task, took: Duration, how: Handled) {
        let (service, message) = match &task.kind {
            TaskKind::Deliver(delivery) => (self.services.get(delivery.service).name, delivery.envelope.event.name()),
            TaskKind::Root => match &forming.items[task.item].message {
                Message::Command(CommandMessage { target: Target::Service { service, name, .. }, .. }) => {
                    (*service, *name)
                }
                _ => return,
            },
            TaskKind::Unpark(_) => return,
        };
        forming.handled.push(HandledFigures { service, message, took, how });
    }

    /// What orders this task among others: its consumer and its key.
    pub fn lane(&self, forming: &Forming, task: &Task) -> Option<Lane> {
        match &task.kind {
            TaskKind::Deliver(delivery) => Some(Lane::Consumer(delivery.service, delivery.envelope.key.clone())),
            TaskKind::Unpark(_) => Some(Lane::Parked),
            TaskKind::Root => match &forming.items[task.item].message {
                Message::Command(CommandMessage {
                    target: Target::Service { service, key: Some(key), .. }, ..
                }) => Some(Lane::Consumer(self.services.number(service)?, key.clone())),
                Message::Received(received) => Some(Lane::Received(received.envelope.key.clone())),
                Message::Unpark(_) => Some(Lane::Parked),
                _ => None,
            },
        }
    }

    /// Whose events those are that the handler emits which runs now.
    fn emit_for(&mut self, service: usize, cause: &Cause) {
        self.emitter = Some(Emitter {
            service,
            source: self.services.name(service).clone(),
            correlation_id: cause.correlation_id.clone(),
            causation_id: cause.id.clone(),
            traceparent: cause.traceparent.clone(),
        });
    }

    /// Counts for the books of what went between two stores; nothing is kept for what stays in one.
    fn count(&mut self, delivery: &Delivery, to: Tally) -> Result<(), Stop> {
        let from = match &delivery.via {
            Via::Local | Via::Remote => None,
            Via::Parked(_) => Some(Tally::Parked),
            Via::Redriven(_) => Some(Tally::Dead),
        };
        self.count_of(&self.services.name(delivery.service).clone(), delivery.source(), from, to)
    }

    fn count_of(&mut self, consumer: &KeyText, source: &KeyText, from: Option<Tally>, to: Tally) -> Result<(), Stop> {
        if self.services.serves(source) {
            return Ok(());
        }
        let counter = self.work.get::<CounterRow>((consumer, source).as_key())?;
        let mut counter = counter.unwrap_or_else(|| CounterRow::new(consumer.clone(), source.clone()));
        counter.moves(from, to);
        self.work.put(counter);
        Ok(())
    }

    /// Closes the open batch.
    pub fn close(&mut self) -> Closed {
        let changes = std::mem::take(&mut self.work.changes);
        let rows = changes.into_iter().filter_map(|change| self.pending(change)).collect();
        Closed { number: self.work.batch, at: self.work.now, rows, traced_at: self.traced_at() }
    }

    fn pending(&mut self, change: Change) -> Option<PendingRow> {
        let entry = self.work.cache.get(&change.row)?;
        let entity = match &entry.slot {
            Slot::Typed(entity) => Some(Arc::clone(entity)),
            Slot::Absent | Slot::Raw(_) => None,
        };
        // The batch has written and deleted the row: nothing of it goes to the store.
        if entity.is_none() && change.base == 0 {
            return None;
        }
        let (version, events) = (entry.version, entry.events);
        Some(PendingRow { table: change.table, key: change.row.row.key, base: change.base, version, events, entity })
    }

    /// A batch is durable.
    pub fn committed(&mut self, batch: u64) {
        self.work.cache.committed(batch);
    }

    /// Removes a row that is not read again from the cache, unless a later batch than this one has changed it.
    pub fn forget(&mut self, table: &Table, key: &Key, batch: u64) {
        let row = RowRef::new(table.name, key.clone());
        if self.work.cache.get(&row).is_some_and(|entry| entry.dirty <= batch) {
            self.work.cache.remove(&row);
        }
    }

    /// Batches were not applied: memory goes back to what the store has.
    pub fn discard_uncommitted(&mut self) {
        self.work.cache.discard_uncommitted();
    }

    /// See [`Limits::cache_forgets`].
    pub fn forget_for_a_test(&mut self, backlogs: [&Backlog; 2]) {
        let awaited: FxHashSet<&RowRef> = backlogs.into_iter().flat_map(Backlog::rows).collect();
        self.work.cache.forget(|row| awaited.contains(row));
    }
}
