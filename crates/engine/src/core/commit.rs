//! A batch after its handlers have run. [`Core::close`] seals it, and the caller of the core commits it. After the
//! commit [`Core::committed`] returns its answers, events and receipts. If the store rejects a row, [`Core::failed`]
//! splits the batch to find the message at fault.

use std::{
    collections::VecDeque,
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tradewind_events::{Envelope, Key, Timestamp};

use super::{
    Core, Formed, Logged,
    batch::{Forming, HandledFigures},
    executor::Closed,
    panic_text,
    parking::Parking,
};
use crate::{
    AnyEntity, Entity, Problem, RelayOrder, StoredRow, Table, injected,
    ports::{Commit, CommitError, RowChange, RowWrite, StoreError, Writer},
    segment::SegmentBuilder,
    tables::{InboxRow, InboxSegmentRow, JobRow, TimerRow},
    trace::Span,
    work::{Answered, Item, Message, Receipt},
};

/// Numbers of batches and segments, and the batches that are not durable yet.
pub(super) struct Batches {
    epoch: u64,
    next_batch: u64,
    next_segment: u64,
    in_flight: VecDeque<InFlight>,
}

/// A batch whose handlers have run.
struct InFlight {
    number: u64,
    receipts: Vec<Receipt>,
    sealed_at: u64,
    changed: Option<Changed>,
    /// Its events are taken out.
    formed: Forming,
}

/// What a batch changes in the store.
struct Changed {
    rows: Arc<[PendingRow]>,
    events: Arc<[Logged]>,
    segment: u64,
}

/// A changed row, not encoded yet.
pub(super) struct PendingRow {
    pub table: &'static Table,
    pub key: Key,
    /// Zero for a row that is not in the store.
    pub base: u64,
    pub version: u64,
    pub events: u64,
    /// None: deleted.
    pub entity: Option<Arc<dyn AnyEntity>>,
}

/// A batch on its way to the store. Encoding it is work for the thread that writes.
pub struct Sealed {
    pub number: u64,
    messages: usize,
    epoch: u64,
    at: Timestamp,
    segment: u64,
    rows: Arc<[PendingRow]>,
    events: Arc<[Logged]>,
}

/// A batch that is durable.
pub struct Committed {
    pub number: u64,
    /// Its events, in the order of the log; empty when it said nothing.
    pub events: Arc<[Logged]>,
    /// The number of its segment; zero when it said nothing.
    pub segment: u64,
    /// To be acknowledged at their brokers.
    pub receipts: Vec<Receipt>,
    /// What the relay is to do.
    pub relay: Vec<RelayOrder>,
    /// What its handlers did, as far as it is traced.
    pub(crate) spans: Vec<Span>,
    /// When its handlers were done, while somebody traces; otherwise zero.
    pub(crate) sealed_at: u64,
    /// The answers, to be given now.
    pub(crate) items: Vec<Item>,
    pub(crate) answers: Vec<(usize, Result<Answered, Problem>)>,
}

impl Committed {
    /// Its events, and those that it has received from other stores, whether or not they are logged here.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Envelope> {
        let received = self.items.iter().filter_map(|item| match &item.message {
            Message::Received(received) => Some(&*received.envelope),
            _ => None,
        });
        self.events.iter().map(|logged| &*logged.envelope).chain(received)
    }

    /// A [`crate::Prune`] was part of it.
    pub fn pruned(&self) -> bool {
        self.items.iter().any(|item| matches!(item.message, Message::Prune(_)))
    }

    /// Answers whoever asked.
    pub fn answer(&mut self) {
        for (item, answer) in self.answers.drain(..) {
            self.items[item].answer(answer);
        }
    }
}

impl Sealed {
    /// Rows and events in the form that stores take. What cannot be encoded is the fault of the message that it comes
    /// from: the batch is refused like one with a row that breaks a rule.
    pub fn encode(&self) -> Result<Commit, CommitError> {
        catch_unwind(AssertUnwindSafe(|| self.encode_unguarded())).unwrap_or_else(|panic| {
            Err(CommitError::Constraint { table: "a batch".to_owned(), reason: panic_text(&*panic).to_owned() })
        })
    }

    /// Encodes the batch and writes it in one transaction.
    pub fn write(&self, writer: &mut dyn Writer) -> Result<(), CommitError> {
        let mut commit = self.encode()?;
        let inbox = injected("inbox-apart").then(|| take_inbox(&mut commit));
        writer.commit(&commit)?;
        inbox.map_or(Ok(()), |inbox| writer.commit(&inbox))
    }

    fn encode_unguarded(&self) -> Result<Commit, CommitError> {
        let rows = self.rows.iter().map(PendingRow::encode).collect();
        let failed = |what: &str, error: Box<dyn Error>| CommitError::Constraint {
            table: "segment".to_owned(),
            reason: format!("{what} cannot be encoded: {error}"),
        };
        let mut segment = SegmentBuilder::default();
        for event in self.events.iter() {
            let pushed = segment.push(&event.envelope, event.remote);
            pushed.map_err(|error| failed(event.envelope.event.name(), error.into()))?;
        }
        let segment = segment.finish(self.segment, self.at).map_err(|error| failed("a segment", error.into()))?;
        Ok(Commit { epoch: self.epoch, at: self.at, rows, segment })
    }

    /// Messages that it has taken in.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Events in the batch.
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// Rows that it changes.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }
}

/// The inbox rows of a commit, taken out of it. Only a defect does so.
fn take_inbox(commit: &mut Commit) -> Commit {
    let tables = [InboxRow::TABLE.name, InboxSegmentRow::TABLE.name];
    let is_inbox = |row: &RowChange| tables.contains(&row.table.name);
    let (rows, others) = std::mem::take(&mut commit.rows).into_iter().partition(is_inbox);
    commit.rows = others;
    Commit { epoch: commit.epoch, at: commit.at, rows, segment: None }
}

impl PendingRow {
    fn encode(&self) -> RowChange {
        let row = |entity: &Arc<dyn AnyEntity>| StoredRow {
            values: entity.row(),
            version: self.version,
            events: self.events,
        };
        let write = match &self.entity {
            None => RowWrite::Delete { expected_version: self.base },
            Some(entity) if self.base == 0 => RowWrite::Insert(row(entity)),
            Some(entity) => RowWrite::Update { expected_version: self.base, row: row(entity) },
        };
        RowChange { table: self.table, key: self.key.clone(), write }
    }
}

impl Batches {
    /// `last_segment` is the last that is in the store.
    pub fn new(epoch: u64, last_segment: u64) -> Self {
        Self { epoch, next_batch: 1, next_segment: last_segment + 1, in_flight: VecDeque::new() }
    }

    /// A batch opens: its number, and that of its segment if it gets events.
    pub fn open(&mut self) -> (u64, u64) {
        self.next_batch += 1;
        (self.next_batch - 1, self.next_segment)
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Closes a batch.
    fn seal(&mut self, closed: Closed, mut formed: Forming) -> Formed {
        let Closed { number, at, rows, traced_at: sealed_at } = closed;
        let events: Arc<[Logged]> = std::mem::take(&mut formed.events).into();
        let (rows, messages): (Arc<[PendingRow]>, _) = (rows.into(), formed.items.len());
        let receipts = formed.receipts();
        if rows.is_empty() && events.is_empty() {
            self.in_flight.push_back(InFlight { number, receipts, sealed_at, changed: None, formed });
            return Formed::Unchanged;
        }
        let segment = if events.is_empty() { 0 } else { self.next_segment };
        if segment > 0 {
            self.next_segment += 1;
        }
        let (epoch, sealed_rows, sealed_events) = (self.epoch, Arc::clone(&rows), Arc::clone(&events));
        let sealed = Sealed { number, messages, epoch, at, segment, rows: sealed_rows, events: sealed_events };
        let changed = Some(Changed { rows, events, segment });
        self.in_flight.push_back(InFlight { number, receipts, sealed_at, changed, formed });
        Formed::Batch(sealed)
    }

    /// The messages of batches that are not durable, the oldest batch first. None of them was applied.
    pub fn take_in_flight(&mut self) -> impl Iterator<Item = Vec<Item>> + use<> {
        std::mem::take(&mut self.in_flight).into_iter().map(|batch| batch.formed.items)
    }
}

impl Core {
    pub(super) fn seal(&mut self, forming: Forming) -> Formed {
        self.batches.seal(self.executor.close(), forming)
    }

    /// Takes the batches that changed nothing and whose predecessors are all durable.
    pub fn settled(&mut self) -> Vec<Committed> {
        let mut settled = Vec::new();
        while self.batches.in_flight.front().is_some_and(|batch| batch.changed.is_none()) {
            settled.extend(self.batches.in_flight.pop_front().map(|batch| self.settle(batch)));
        }
        settled
    }

    /// The caller has committed the oldest batch in flight. Returns it, with the unchanged batches that follow it.
    pub fn committed(&mut self) -> Vec<Committed> {
        let first = self.batches.in_flight.pop_front().map(|batch| self.settle(batch));
        first.into_iter().chain(self.settled()).collect()
    }

    fn settle(&mut self, batch: InFlight) -> Committed {
        let InFlight { number, receipts, sealed_at, changed, formed } = batch;
        self.executor.committed(number);
        self.parking.committed(number);
        self.dead_letters.committed(formed.counted);
        for HandledFigures { service, message, took, how } in formed.handled {
            self.observer.handled(service, message, took, how);
        }
        self.observe_duplicates(&formed.duplicates);
        for id in &formed.tried {
            self.jobs.tried(id);
        }
        let (events, segment) = match &changed {
            None => (Arc::from([]), 0),
            Some(changed) => {
                for row in changed.rows.iter() {
                    self.settle_row(row, number);
                }
                (Arc::clone(&changed.events), changed.segment)
            }
        };
        Committed {
            number,
            events,
            segment,
            receipts,
            relay: formed.relay,
            spans: formed.spans,
            sealed_at,
            items: formed.items,
            answers: formed.answers,
        }
    }

    fn observe_duplicates(&self, brokers: &[usize]) {
        for (broker, name) in self.brokers.names().enumerate().filter(|_| !brokers.is_empty()) {
            let messages = brokers.iter().filter(|number| **number == broker).count();
            if messages > 0 {
                self.observer.duplicates(name, messages);
            }
        }
    }

    /// A committed timer or job falls due one day; a row that nobody reads again leaves the cache.
    fn settle_row(&mut self, row: &PendingRow, batch: u64) {
        if !row.table.cached {
            self.executor.forget(row.table, &row.key, batch);
        }
        let Some(entity) = &row.entity else { return };
        if let Some(timer) = entity.as_any().downcast_ref::<TimerRow>() {
            self.deadlines.insert(timer.due_at, timer.key());
        } else if let Some(job) = entity.as_any().downcast_ref::<JobRow>() {
            self.jobs.committed(job);
        }
    }

    /// The store did not apply the oldest batch, so no later batch stands either.
    ///
    /// If the store rejected a row, each half of the batch runs again as a batch of its own, until the message at fault
    /// is alone. That message then runs as a failure: an event or a timer becomes a dead letter, a job is exhausted, a
    /// command is refused. If the store rejects even that, or for any other error (a full disk, another owner), the
    /// error is returned, and the caller must stop the engine.
    pub fn failed(&mut self, error: CommitError) -> Result<(), CommitError> {
        let (table, reason) = match error {
            CommitError::Constraint { table, reason } => (table, reason),
            CommitError::Store(StoreError::Rejected(reason)) => ("a table".to_owned(), reason),
            other => return Err(other),
        };
        let mut batches = self.batches.take_in_flight();
        let Some(mut items) = batches.next() else { return Ok(()) };
        tracing::warn!(table, reason, messages = items.len(), "the store rejected a batch");
        // Later batches stand on what was rejected.
        let open = self.forming.take().map(|open| open.items);
        self.intake.put_back(batches.chain(open));
        let was_alone = items.len() == 1;
        items.retain(|item| !item.by_engine);
        if let ([alone], true) = (items.as_mut_slice(), was_alone) {
            // The store rejects the record of the failure too, so the message is not at fault: stop the engine.
            if let Some(before) = &alone.rejected {
                let reason = format!("{before}; then {table}: {reason}");
                return Err(CommitError::Store(StoreError::Unusable(reason)));
            }
            alone.rejected = Some(format!("the store rejected a row of {table}: {reason}"));
            self.intake.put_back_first([items].into_iter());
        } else {
            let second = items.split_off(items.len() / 2);
            self.intake.put_back_first([items, second].into_iter());
        }
        self.forget_uncommitted().map_err(CommitError::Store)
    }

    /// Goes back to what the store has.
    fn forget_uncommitted(&mut self) -> Result<(), StoreError> {
        self.executor.discard_uncommitted();
        self.deadlines.reset();
        self.jobs.reset();
        self.dead_letters.reset();
        self.batches.next_segment = self.reader.last_segment()? + 1;
        self.brokers.read(&*self.reader)?;
        let names = self.executor.services().iter().map(|service| service.name);
        self.parking = Parking::read(names, &*self.reader, &mut self.intake)?.replacing(&self.parking);
        Ok(())
    }
}
