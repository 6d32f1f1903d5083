//! What happens to a batch after its handlers: it is sealed, committed by whoever drives the core, and then settled:
//! answers go out, its events go on. Or it failed, and the one bad message is looked for.

use std::{
    collections::VecDeque,
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tradewind_events::{Envelope, Id, Key, Timestamp};

use super::{Core, Formed, Forming, HandledFigures, Logged, causes::Counted, panic_text};
use crate::{
    AnyEntity, Entity, Problem, RelayOrder, RowRef, StoredRow, Table,
    cache::Slot,
    injected,
    ports::{Commit, CommitError, RowChange, RowWrite, StoreError, Writer},
    segment::SegmentBuilder,
    tables::{EffectRow, InboxRow, InboxSegmentRow, TimerRow},
    trace::Span,
    work::{Answered, Item, Message, Receipt},
};

/// A batch whose handlers have run.
pub(super) struct InFlight {
    number: u64,
    pub(super) items: Vec<Item>,
    answers: Vec<(usize, Result<Answered, Problem>)>,
    receipts: Vec<Receipt>,
    tried: Vec<Id>,
    relay: Vec<RelayOrder>,
    spans: Vec<Span>,
    died: Vec<Counted>,
    handled: Vec<HandledFigures>,
    sealed_at: u64,
    changed: Option<Changed>,
}

/// What a batch changes in the store.
struct Changed {
    rows: Arc<[PendingRow]>,
    events: Arc<[Logged]>,
    segment: u64,
}

/// A changed row, not encoded yet.
struct PendingRow {
    table: &'static Table,
    key: Key,
    /// Zero for a row that is not in the store.
    base: u64,
    version: u64,
    events: u64,
    /// None: deleted.
    entity: Option<Arc<dyn AnyEntity>>,
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
            Message::Heard(heard) => Some(&*heard.envelope),
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
            let pushed = segment.push(&event.envelope, event.heard);
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

impl Core {
    pub(super) fn seal(&mut self, mut forming: Forming) -> Formed {
        let rows: Arc<[PendingRow]> =
            std::mem::take(&mut self.work.changes).into_iter().filter_map(|change| self.pending(change)).collect();
        let events: Arc<[Logged]> = std::mem::take(&mut forming.events).into();
        let (number, messages) = (self.work.batch, forming.items.len());
        let mut batch = InFlight {
            number,
            receipts: forming.receipts(),
            items: forming.items,
            answers: forming.answers,
            tried: forming.tried,
            relay: forming.relay,
            spans: forming.spans,
            died: forming.died,
            handled: forming.handled,
            sealed_at: self.tracing.as_ref().map_or(0, |tracing| tracing.tracer.now()),
            changed: None,
        };
        if rows.is_empty() && events.is_empty() {
            self.in_flight.push_back(batch);
            return Formed::Unchanged;
        }
        let segment = if events.is_empty() { 0 } else { self.next_segment };
        if segment > 0 {
            self.next_segment += 1;
        }
        let sealed = Sealed {
            number,
            messages,
            epoch: self.epoch,
            at: self.work.now,
            segment,
            rows: Arc::clone(&rows),
            events: Arc::clone(&events),
        };
        batch.changed = Some(Changed { rows, events, segment });
        self.in_flight.push_back(batch);
        Formed::Batch(sealed)
    }

    fn pending(&mut self, change: crate::uow::Change) -> Option<PendingRow> {
        let entry = self.work.cache.get(&change.row)?;
        let entity = match &entry.slot {
            Slot::Typed(entity) => Some(Arc::clone(entity)),
            Slot::Absent | Slot::Raw(_) => None,
        };
        // Written and deleted within the batch: the store never hears of it.
        if entity.is_none() && change.base == 0 {
            return None;
        }
        let (version, events) = (entry.version, entry.events);
        Some(PendingRow { table: change.table, key: change.row.row.key, base: change.base, version, events, entity })
    }

    /// Batches that are complete without a commit, because all before them are durable.
    pub fn settled(&mut self) -> Vec<Committed> {
        let mut settled = Vec::new();
        while self.in_flight.front().is_some_and(|batch| batch.changed.is_none()) {
            settled.extend(self.in_flight.pop_front().map(|batch| self.settle(batch)));
        }
        settled
    }

    /// The oldest batch in flight is durable. Gives it back, with those after it that changed nothing.
    pub fn committed(&mut self) -> Vec<Committed> {
        let first = self.in_flight.pop_front().map(|batch| self.settle(batch));
        first.into_iter().chain(self.settled()).collect()
    }

    fn settle(&mut self, batch: InFlight) -> Committed {
        self.work.cache.committed(batch.number);
        self.parked_is_durable(batch.number);
        self.causes.committed(batch.died, self.limits.dead_letters_a_minute_max);
        for HandledFigures { service, message, took, how } in batch.handled {
            self.observer.handled(service, message, took, how);
        }
        for id in &batch.tried {
            self.jobs.tried(id);
        }
        let (events, segment) = match &batch.changed {
            None => (Arc::from([]), 0),
            Some(changed) => {
                for row in changed.rows.iter() {
                    self.settle_row(row, batch.number);
                }
                (Arc::clone(&changed.events), changed.segment)
            }
        };
        Committed {
            number: batch.number,
            events,
            segment,
            receipts: batch.receipts,
            relay: batch.relay,
            spans: batch.spans,
            sealed_at: batch.sealed_at,
            items: batch.items,
            answers: batch.answers,
        }
    }

    /// A committed timer or job falls due one day; a row that nobody reads again leaves the cache.
    fn settle_row(&mut self, row: &PendingRow, batch: u64) {
        if !row.table.cached {
            let row_ref = RowRef::new(row.table.name, row.key.clone());
            if self.work.cache.get(&row_ref).is_some_and(|entry| entry.dirty <= batch) {
                self.work.cache.remove(&row_ref);
            }
        }
        let Some(entity) = &row.entity else { return };
        if let Some(timer) = entity.as_any().downcast_ref::<TimerRow>() {
            self.timers.insert(timer.due_at, timer.key());
        } else if let Some(job) = entity.as_any().downcast_ref::<EffectRow>() {
            self.jobs.committed(job);
        }
    }

    /// The oldest batch was not applied, and so none of those after it. What to do depends on why: a bad message is
    /// looked for by halving the batch; any other error is given back, and the engine must stop.
    pub fn failed(&mut self, error: CommitError) -> Result<(), CommitError> {
        let (table, reason) = match error {
            CommitError::Constraint { table, reason } => (table, reason),
            CommitError::Store(StoreError::Rejected(reason)) => ("a table".to_owned(), reason),
            other => return Err(other),
        };
        let mut batches = std::mem::take(&mut self.in_flight).into_iter();
        let Some(failed) = batches.next() else { return Ok(()) };
        tracing::warn!(table, reason, messages = failed.items.len(), "the store refused a batch");
        // Later batches stand on what was refused: their messages are new again, each batch by itself and in their order,
        // before what was put off earlier. Parked ones are put in line anew, from the first on.
        let open = self.forming.take().map(|open| open.items);
        let mut later: VecDeque<Vec<Item>> = batches.map(|batch| batch.items).chain(open).collect();
        later.extend(std::mem::take(&mut self.groups));
        for group in &mut later {
            group.retain(|item| !item.by_engine && !matches!(item.message, Message::Unpark(_)));
        }
        later.retain(|group| !group.is_empty());
        self.groups = later;
        self.intake.retain(|item| !item.by_engine);
        let was_alone = failed.items.len() == 1;
        let mut items = failed.items;
        items.retain(|item| !item.by_engine);
        if let ([alone], true) = (items.as_mut_slice(), was_alone) {
            // Not even its dead letter can be written: that is no fault of a message.
            if let Some(before) = &alone.condemned {
                let reason = format!("{before}; then {table}: {reason}");
                return Err(CommitError::Store(StoreError::Unusable(reason)));
            }
            alone.condemned = Some(format!("the store refused a row of {table}: {reason}"));
            self.groups.push_front(items);
        } else {
            let second = items.split_off(items.len() / 2);
            for half in [second, items].into_iter().filter(|half| !half.is_empty()) {
                self.groups.push_front(half);
            }
        }
        self.forget_uncommitted().map_err(CommitError::Store)
    }

    /// Goes back to what the store has.
    fn forget_uncommitted(&mut self) -> Result<(), StoreError> {
        self.work.cache.discard_uncommitted();
        self.timers.reset();
        self.jobs.reset();
        self.causes.reset();
        self.next_segment = self.reader.last_segment()? + 1;
        self.read_consumers()?;
        self.read_parked()
    }
}
