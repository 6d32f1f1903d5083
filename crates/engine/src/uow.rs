//! The unit of work: all that a handler sees of the world.
//!
//! [`Uow`] is the typed view of one service; [`UnitOfWork`] is what is behind it: an overlay of what this handler
//! has written, over the cache. A handler that succeeds is merged into the cache, one that stops leaves no trace.

mod merge;
mod missing;

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tradewind_events::{AnyEvent, AsKey, Event, Id, Key, KeyText, Timestamp};

use crate::{
    AnyEntity, Cause, Entity, EntityRef, Events, Job, Limits, RowRef, Settings, Stop, Table, Timer,
    cache::{Cache, Slot},
    ports::Ids,
    reruns::Missing,
    tables::{ImportedSubjectRow, JobRow, JobState, TimerRow},
};

/// One service's view of the unit of work.
///
/// It reaches the service's own entities only:
///
/// ```
/// # use tradewind_engine::{Entity, Outcome, Settings, Uow};
/// # use tradewind_events::Id;
/// # struct Inventory;
/// # impl Settings for Inventory { const SERVICE: &'static str = "inventory"; }
/// #[derive(Clone, Entity)]
/// #[entity(owner = Inventory, table = "stock", key = sku)]
/// struct Stock { sku: Id, on_hand: i64 }
///
/// impl Stock {
///     fn sell_out(&mut self) { self.on_hand = 0; }
/// }
///
/// fn sold_out(uow: &mut Uow<Inventory>, sku: &Id) -> Outcome {
///     let mut stock = uow.load::<Stock>(sku)?;
///     stock.sell_out();
///     uow.put(stock);
///     Ok(())
/// }
/// ```
///
/// The same function of another service does not compile:
///
/// ```compile_fail,E0271
/// # use tradewind_engine::{Entity, Outcome, Settings, Uow};
/// # use tradewind_events::Id;
/// # struct Inventory;
/// # struct Orders;
/// # impl Settings for Inventory { const SERVICE: &'static str = "inventory"; }
/// # impl Settings for Orders { const SERVICE: &'static str = "orders"; }
/// #[derive(Clone, Entity)]
/// #[entity(owner = Inventory, table = "stock", key = sku)]
/// struct Stock { sku: Id, on_hand: i64 }
///
/// # impl Stock {
/// #     fn sell_out(&mut self) { self.on_hand = 0; }
/// # }
/// fn sold_out(uow: &mut Uow<Orders>, sku: &Id) -> Outcome {
///     let mut stock = uow.load::<Stock>(sku)?;
///     stock.sell_out();
///     uow.put(stock);
///     Ok(())
/// }
/// ```
pub struct Uow<'a, S> {
    work: &'a mut UnitOfWork,
    settings: &'a S,
    cause: &'a Cause,
}

impl<'a, S: Settings> Uow<'a, S> {
    pub(crate) fn new(work: &'a mut UnitOfWork, settings: &'a S, cause: &'a Cause) -> Self {
        Self { work, settings, cause }
    }

    /// The row, or `None` when there is none. `?` on it is all that an author sees of loading: a row that is not in
    /// memory yet stops the handler, which runs again when it is.
    pub fn get<E: Entity<Owner = S>>(&mut self, key: impl AsKey) -> Result<Option<E>, Stop> {
        self.work.get(key.as_key())
    }

    /// The rows of these keys, in their order. Those that are not in memory yet are loaded together, where one `get`
    /// after another would stop the handler as often as there are rows.
    pub fn get_all<E: Entity<Owner = S>>(
        &mut self,
        keys: impl IntoIterator<Item = impl AsKey>,
    ) -> Result<Vec<Option<E>>, Stop> {
        // Every key is asked for before the first that is missing stops the handler.
        let rows: Vec<Result<Option<E>, Stop>> = keys.into_iter().map(|key| self.work.get(key.as_key())).collect();
        rows.into_iter().collect()
    }

    /// The row, which must be there: when it is not, the message is broken.
    pub fn load<E: Entity<Owner = S>>(&mut self, key: impl AsKey) -> Result<E, Stop> {
        let key = key.as_key();
        self.work.get(key.clone())?.ok_or_else(|| Stop::Broken(format!("there is no {} {key}", E::TABLE.name)))
    }

    /// The rows of these keys, in their order; all of them must be there. They are loaded together.
    pub fn load_all<E: Entity<Owner = S>>(
        &mut self,
        keys: impl IntoIterator<Item = impl AsKey>,
    ) -> Result<Vec<E>, Stop> {
        // Every key is asked for before the first that is missing stops the handler.
        let rows: Vec<Result<E, Stop>> = keys.into_iter().map(|key| self.load(key)).collect();
        rows.into_iter().collect()
    }

    /// The row, which a fact of another key will bring: until then the message is parked.
    pub fn wait_for<E: Entity<Owner = S>>(&mut self, key: impl AsKey) -> Result<E, Stop> {
        let key = key.as_key();
        self.work.get(key.clone())?.ok_or(Stop::NotYet(EntityRef { table: E::TABLE.name, key }))
    }

    pub fn put<E: Entity<Owner = S>>(&mut self, entity: E) {
        self.work.put(entity);
    }

    /// Deletes a row. Do not delete the subject of an event: the sequence numbers of its events would start again.
    pub fn delete<E: Entity<Owner = S>>(&mut self, entity: &E) {
        self.work.delete::<E>(entity.key());
    }

    /// Emits an event about an entity that this unit of work has read or written.
    pub fn emit<E: Event>(&mut self, event: E) {
        self.emit_all(event);
    }

    /// Emits the events of a transition, in their order.
    pub fn emit_all(&mut self, events: impl Into<Events>) {
        self.work.emitted.extend(events.into().into_iter().map(|event| PendingEvent { event, source: None }));
    }

    /// Emits events as a source that the service has declared ([`crate::Service::emits_as`]), in their order: what a bridge
    /// has imported. They are logged, delivered and published like all others. What they are about has no row in this
    /// store; the engine counts them for each source and subject in a row of its own. As another source than the declared
    /// ones the message is broken.
    pub fn emit_as(&mut self, source: &KeyText, events: impl Into<Events>) {
        for event in events.into() {
            self.work.put(ImportedSubjectRow::new(source, &event.subject()));
            self.work.emitted.push(PendingEvent { event, source: Some(source.clone()) });
        }
    }

    /// Asks a worker for a job outside. `key` is the idempotency key under which the world knows it: asking again
    /// under the same key gives a job that had used up its attempts new ones, and changes nothing for one that waits.
    pub fn request_job<K: Job<Owner = S>>(&mut self, key: &Id, request: &K::Request) {
        self.request_job_at::<K>(key, request, self.work.now);
    }

    /// The same, but not before a moment: for asking again what the world had not decided yet.
    pub fn request_job_at<K: Job<Owner = S>>(&mut self, key: &Id, request: &K::Request, not_before: Timestamp) {
        let request = match serde_json::to_string(request) {
            Ok(request) => request.into(),
            Err(error) => return self.work.fail(format!("the request of a {} cannot be written: {error}", K::NAME)),
        };
        self.work.ask(JobRow {
            id: key.clone(),
            service: S::SERVICE.into(),
            kind: K::NAME.into(),
            request,
            state: JobState::Waiting,
            attempts: 0,
            due_at: not_before,
            asked_at: self.work.now,
            last_error: None,
            correlation_id: self.cause.correlation_id.clone(),
            traceparent: self.cause.traceparent.clone(),
        });
    }

    /// Arms the timer for this key, or moves it.
    pub fn set_timer(&mut self, timer: &Timer<S>, key: &Id, at: Timestamp) {
        self.work.put(TimerRow {
            service: KeyText::literal(S::SERVICE),
            name: KeyText::literal(timer.name),
            key: key.clone(),
            due_at: at,
            correlation_id: self.cause.correlation_id.clone(),
            attempts: 0,
        });
    }

    /// Disarms the timer for this key; nothing happens when it is not armed.
    pub fn cancel_timer(&mut self, timer: &Timer<S>, key: &Id) {
        self.work.delete::<TimerRow>(TimerRow::key_of(
            &KeyText::literal(S::SERVICE),
            &KeyText::literal(timer.name),
            key,
        ));
    }

    /// The time of the batch: the same for all its handlers, and never earlier than that of the batch before.
    pub fn now(&self) -> Timestamp {
        self.work.now
    }

    /// A new id, unique for ever. What is keyed by it needs no look-up.
    pub fn new_id(&mut self) -> Id {
        self.work.new_id()
    }

    /// The service's configuration. It outlives the unit of work: reading it does not borrow that.
    pub fn settings(&self) -> &'a S {
        self.settings
    }

    /// What is being handled.
    pub fn cause(&self) -> &'a Cause {
        self.cause
    }
}

/// A row that a handler has written.
enum Written {
    Put(Arc<dyn AnyEntity>),
    Deleted(&'static Table),
}

/// What a batch has done to a row so far; its content is in the cache.
pub(crate) struct Change {
    pub row: RowRef,
    pub table: &'static Table,
    /// The row's version in the store below this batch; zero when there is none.
    pub base: u64,
}

/// What is behind [`Uow`]: the rows in memory, and what the running handler has done.
pub struct UnitOfWork {
    pub(crate) cache: Cache,
    pub(crate) now: Timestamp,
    /// The number of the batch that is forming.
    pub(crate) batch: u64,
    pub(crate) changes: Vec<Change>,
    /// About what the batch writes, in bytes: rows as they weigh in memory, events as they are in JSON.
    pub(crate) bytes: usize,
    /// About how many bytes of rows the batch has loaded.
    pub(crate) loaded_bytes: usize,
    event_bytes_max: usize,
    look_ups_max: usize,
    /// Look-ups of the run that is under way.
    look_ups: usize,
    /// The number of the run that is under way; its rows carry it.
    run: u64,
    ids: Box<dyn Ids>,
    /// Ids that are new in this batch, those of its events among them.
    minted: FxHashSet<Arc<str>>,
    overlay: FxHashMap<RowRef, Written>,
    /// The order in which `overlay` was written, so that a commit does not depend on how a map hashes.
    order: Vec<RowRef>,
    missing: Missing,
    /// Rows that the store rejected in this batch, each with the reason: whoever needs one fails.
    rejected: FxHashMap<RowRef, Arc<str>>,
    /// Why the running handler cannot succeed, where it could not be told at once.
    broken: Option<String>,
    emitted: Vec<PendingEvent>,
}

/// An event that the running handler has said.
struct PendingEvent {
    event: Arc<dyn AnyEvent>,
    /// As in [`Emitted::source`].
    source: Option<KeyText>,
}

/// An event that a handler has emitted.
#[derive(Debug, Clone)]
pub struct Emitted {
    pub event: Arc<dyn AnyEvent>,
    /// `BRIDGE.ROLE` where it is not said in the service's own name.
    pub source: Option<KeyText>,
    pub subject: tradewind_events::Subject,
    /// Its number among the events of its source and subject, from 1.
    pub sequence: u64,
}

impl UnitOfWork {
    pub(crate) fn new(limits: &Limits, ids: Box<dyn Ids>) -> Self {
        Self {
            cache: Cache::new(limits.cache_bytes_max),
            now: Timestamp::default(),
            batch: 0,
            changes: Vec::new(),
            bytes: 0,
            loaded_bytes: 0,
            event_bytes_max: limits.event_bytes_max,
            look_ups_max: limits.handler_look_ups_max,
            look_ups: 0,
            run: 1,
            ids,
            minted: FxHashSet::default(),
            overlay: FxHashMap::default(),
            order: Vec::new(),
            missing: Vec::new(),
            rejected: FxHashMap::default(),
            broken: None,
            emitted: Vec::new(),
        }
    }

    /// Opens a batch. Its time does not go back.
    pub(crate) fn open(&mut self, batch: u64, now: Timestamp) {
        self.batch = batch;
        self.now = self.now.max(now);
        self.minted.clear();
        self.rejected.clear();
        self.changes.clear();
        self.bytes = 0;
        self.loaded_bytes = 0;
    }

    /// A handler runs, for the first time or again.
    pub(crate) fn begin_run(&mut self) {
        self.run += 1;
        self.look_ups = 0;
    }

    /// Whether the run that is under way has asked for this row.
    pub(crate) fn asked_for(&mut self, row: &RowRef) -> bool {
        self.overlay.contains_key(row) || self.cache.get(row).is_some_and(|entry| entry.run == self.run)
    }

    fn count_look_up(&mut self) -> Result<(), Stop> {
        self.look_ups += 1;
        if self.look_ups > self.look_ups_max { Err(self.too_many_look_ups()) } else { Ok(()) }
    }

    #[cold]
    fn too_many_look_ups(&self) -> Stop {
        Stop::Broken(format!("it looks for more than {} rows", self.look_ups_max))
    }

    pub(crate) fn get<E: Entity>(&mut self, key: Key) -> Result<Option<E>, Stop> {
        self.count_look_up()?;
        let row = RowRef::new(E::TABLE.name, key);
        if !self.overlay.is_empty()
            && let Some(written) = self.overlay.get(&row)
        {
            return match written {
                Written::Put(entity) => typed(&**entity).map(Some),
                Written::Deleted(_) => Ok(None),
            };
        }
        let Some(entry) = self.cache.get(&row) else {
            if self.is_minted(&row.row.key) {
                return Ok(None);
            }
            return Err(self.miss(E::TABLE, &row));
        };
        entry.run = self.run;
        match &entry.slot {
            Slot::Absent => Ok(None),
            Slot::Typed(entity) => typed(&**entity).map(Some),
            Slot::Raw(stored) => {
                let entity = E::from_row(&stored.values)
                    .map_err(|error| Stop::Broken(format!("{} cannot be read: {error}", row.row)))?;
                entry.slot = Slot::Typed(Arc::new(entity.clone()));
                Ok(Some(entity))
            }
        }
    }

    pub(crate) fn put<E: Entity>(&mut self, entity: E) {
        self.write(E::TABLE, entity.key(), Written::Put(Arc::new(entity)));
    }

    pub(crate) fn delete<E: Entity>(&mut self, key: Key) {
        self.write(E::TABLE, key, Written::Deleted(E::TABLE));
    }

    /// What is written must be known, or its version cannot be checked: a row that was never read is loaded first.
    fn write(&mut self, table: &'static Table, key: Key, written: Written) {
        // One that is beyond the bound is found by the run's end.
        self.look_ups += 1;
        let row = RowRef::new(table.name, key);
        if self.overlay.insert(row.clone(), written).is_none() {
            if let Some(entry) = self.cache.get(&row) {
                entry.run = self.run;
            } else if !self.is_minted(&row.row.key)
                && let Stop::Broken(reason) = self.miss(table, &row)
            {
                self.broken.get_or_insert(reason);
            }
            self.order.push(row);
        }
    }

    pub(crate) fn new_id(&mut self) -> Id {
        let id = self.ids.next(self.now);
        self.mint(&id);
        id
    }

    /// No row can be keyed by this id yet: it is new in this batch.
    pub(crate) fn mint(&mut self, id: &Id) {
        self.minted.insert(id.shared());
    }

    fn is_minted(&self, key: &Key) -> bool {
        !self.minted.is_empty() && key.parts().any(|part| self.minted.contains(part))
    }

    /// The rows that the handler asked for in vain; not empty: run it again once they are there. An error when it asked
    /// for too many, whether they are there or not.
    pub(crate) fn take_missing(&mut self) -> Result<Missing, Stop> {
        let missing = std::mem::take(&mut self.missing);
        if self.look_ups > self.look_ups_max { Err(self.too_many_look_ups()) } else { Ok(missing) }
    }

    /// The handler leaves no trace.
    pub(crate) fn discard(&mut self) {
        self.overlay.clear();
        self.order.clear();
        self.missing.clear();
        self.broken = None;
        self.emitted.clear();
    }

    /// The rows that the handler has written, as `table key`.
    pub(crate) fn written(&self) -> Vec<Arc<str>> {
        self.order.iter().map(|row| row.row.to_string().into()).collect()
    }
}

fn typed<E: Entity>(entity: &dyn AnyEntity) -> Result<E, Stop> {
    let name = E::TABLE.name;
    entity.as_any().downcast_ref::<E>().cloned().ok_or_else(|| Stop::Broken(format!("two types are tables {name}")))
}
