//! Handlers run by hand, one at a time: over rows that the caller keeps, at a moment that the caller says. It is the path
//! of the engine without batch, store, inbox and log; what a handler sees and what becomes of it is the same. For
//! tools that look at every order of things, and need not wait for a commit to know what follows.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tradewind_events::{Envelope, Id, Timestamp};

use crate::{
    AnyEntity, AnyService, Cause, Command, Emitted, EntityRef, Limits, RowRef, Stop, UnitOfWork,
    cache::{Cache, Entry, Slot},
    core::panic_text,
    ports::Ids,
    tables::{JobRow, TimerRow},
};

/// The handlers of one service.
pub struct Handlers {
    service: AnyService,
    work: UnitOfWork,
    minted: Arc<AtomicU64>,
}

/// All rows of one store: those of its service, its timers and its jobs. What is not here is nowhere.
pub type Rows = BTreeMap<EntityRef, Row>;

#[derive(Clone)]
pub struct Row {
    pub entity: Arc<dyn AnyEntity>,
    /// How many events were said about it.
    pub events: u64,
}

/// When a handler runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    pub now: Timestamp,
    /// How many ids the service has minted so far. They are `SERVICE-1`, `SERVICE-2` and so on, so the same handler over the
    /// same rows mints the same ones.
    pub minted: u64,
}

/// What a handler that succeeded has done.
pub struct Done {
    /// The rows that it wrote, in its order; `None`: deleted.
    pub rows: Vec<(EntityRef, Option<Row>)>,
    /// In its order.
    pub said: Vec<Emitted>,
    /// [`Moment::minted`] of what comes next.
    pub minted: u64,
}

impl Handlers {
    pub fn new(service: impl Into<AnyService>) -> Self {
        let service = service.into();
        let minted = Arc::new(AtomicU64::new(0));
        let ids = Numbered { service: service.name, minted: Arc::clone(&minted) };
        let limits = Limits { cache_bytes_max: usize::MAX, ..Limits::default() };
        Self { service, work: UnitOfWork::new(&limits, Box::new(ids)), minted }
    }

    /// Its name.
    pub fn service(&self) -> &'static str {
        self.service.name
    }

    /// Runs every reaction to an event, all or none of them.
    pub fn hear(&mut self, rows: &Rows, moment: Moment, envelope: &Arc<Envelope>) -> Result<Done, Stop> {
        let cause = Cause::of(envelope, None);
        let run = |service: &AnyService, work: &mut UnitOfWork| service.hear(work, &cause, &*envelope.event);
        self.run(rows, moment, run).map(|(done, ())| done)
    }

    /// Asks for something.
    pub fn ask<C: Command>(&mut self, rows: &Rows, moment: Moment, command: &C) -> Result<(Done, C::Answer), Stop> {
        let id = tradewind_events::id(C::NAME);
        let cause = Cause { id: id.clone(), correlation_id: id, traceparent: None, event: None };
        let run = |service: &AnyService, work: &mut UnitOfWork| {
            let handler = service.commands.get(C::NAME);
            let handler =
                handler.ok_or_else(|| Stop::Broken(format!("{} has no command named {}", service.name, C::NAME)))?;
            let answer = handler(work, &cause, command)?;
            answer.downcast::<C::Answer>().map_err(|_| Stop::Broken(format!("two types are named {}", C::NAME)))
        };
        self.run(rows, moment, run).map(|(done, answer)| (done, *answer))
    }

    /// Fires a timer of these rows.
    pub fn fire(&mut self, rows: &Rows, moment: Moment, timer: &TimerRow) -> Result<Done, Stop> {
        let cause = timer.cause()?;
        let run = |service: &AnyService, work: &mut UnitOfWork| service.fire(work, &cause, timer);
        self.run(rows, moment, run).map(|(done, ())| done)
    }

    /// Tells how a job of these rows has ended; `reply` is JSON of the effect's reply.
    pub fn finish(&mut self, rows: &Rows, moment: Moment, job: &JobRow, reply: &str) -> Result<Done, Stop> {
        let cause = job.cause();
        let run = |service: &AnyService, work: &mut UnitOfWork| service.finish(work, &cause, job, reply);
        self.run(rows, moment, run).map(|(done, ())| done)
    }

    fn run<T>(
        &mut self,
        rows: &Rows,
        moment: Moment,
        handler: impl Fn(&AnyService, &mut UnitOfWork) -> Result<T, Stop>,
    ) -> Result<(Done, T), Stop> {
        let Self { service, work, minted } = self;
        work.cache = Cache::new(usize::MAX);
        for (row, Row { entity, events }) in rows {
            let slot = Slot::Typed(Arc::clone(entity));
            work.cache.insert(
                RowRef::new(row.table, row.key.clone()),
                Entry { slot, version: 1, events: *events, dirty: 0, bytes: 0, run: 0 },
            );
        }
        work.now = moment.now;
        work.open(1, moment.now);
        // Unwinding leaves nothing behind but the overlay, which is discarded.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            work.run_alone(&service.sources, |work| {
                minted.store(moment.minted, Ordering::Relaxed);
                handler(service, work)
            })
        }));
        let ran = ran.unwrap_or_else(|panic| {
            work.discard();
            Err(Stop::Broken(format!("panic: {}", panic_text(&*panic))))
        });
        let (answer, said) = ran?;
        let written = std::mem::take(&mut work.changes).into_iter().map(|change| {
            let entry = work.cache.get(&change.row);
            let row = entry.and_then(|entry| match &entry.slot {
                Slot::Typed(entity) => Some(Row { entity: Arc::clone(entity), events: entry.events }),
                Slot::Absent | Slot::Raw(_) => None,
            });
            (change.row.row, row)
        });
        Ok((Done { rows: written.collect(), said, minted: minted.load(Ordering::Relaxed) }, answer))
    }
}

struct Numbered {
    service: &'static str,
    minted: Arc<AtomicU64>,
}

impl Ids for Numbered {
    fn next(&mut self, _now: Timestamp) -> Id {
        let nth = self.minted.fetch_add(1, Ordering::Relaxed) + 1;
        tradewind_events::id(&format!("{}-{nth}", self.service))
    }
}
