//! The batch loop without threads: forms batches, hands them to whoever commits, and takes the outcome back. Pure of
//! time and chance but for its ports, so that a simulator can drive it step by step. `runtime.rs` gives it threads.

mod attempt;
mod backlogs;
mod brokers;
mod causes;
mod consumers;
mod deadlines;
mod drain;
mod failure;
mod housework;
mod inbox;
mod intake;
mod jobs;
mod load;
mod operator;
mod settle;
mod spread;
mod task;
mod traces;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use rustc_hash::{FxHashMap, FxHashSet};
use tradewind_events::{Envelope, Id, KeyText, Registry, Timestamp, id};

use crate::{
    Address, AnyService, Handled, Observer, Problem, RelayOrder, RowRef,
    due::DueWindow,
    limits::Limits,
    operator::UNAVAILABLE,
    ports::{Ids, Reader, StoreError},
    tables::TimerRow,
    time::EngineTime,
    trace::{Span, Tracing},
    uow::UnitOfWork,
    work::{Answered, Item, Message, Receipt},
};

pub(crate) use attempt::panic_text;
use backlogs::Backlogs;
pub(crate) use brokers::BROKER;
pub use brokers::BROKERS_MAX;
use brokers::Brokers;
pub(crate) use causes::pause_by_engine;
use causes::{AllCauses, Counted};
use drain::{Drain, Recent};
use intake::Intake;
use jobs::Jobs;
use settle::InFlight;
pub use settle::{Committed, Sealed};
use task::{Backlog, Lane, Speaker, Task, TaskKind, Verdict};

/// What an engine is made of.
pub struct Setup {
    /// The store's short name: it stands in the ids of its events.
    pub store_name: Arc<str>,
    /// The ownership epoch that every commit carries.
    pub epoch: u64,
    pub services: Vec<AnyService>,
    pub registry: Registry,
    pub reader: Arc<dyn Reader>,
    pub clock: EngineTime,
    pub ids: Box<dyn Ids>,
    pub limits: Limits,
    /// Hears figures; `Arc::new(())` when nobody measures.
    pub observer: Arc<dyn Observer>,
    /// Keep in the log what other stores say, for rebuilding: where `query` lives.
    pub log_heard: bool,
}

/// The batch loop.
pub struct Core {
    store_name: Arc<str>,
    epoch: u64,
    services: Vec<AnyService>,
    /// Event name to the services that hear it, in their order, each with its reactions.
    routes: FxHashMap<&'static str, Arc<[Route]>>,
    registry: Registry,
    reader: Arc<dyn Reader>,
    clock: EngineTime,
    limits: Limits,
    observer: Arc<dyn Observer>,
    tracing: Option<Tracing>,
    log_heard: bool,
    work: UnitOfWork,
    intake: Intake,
    /// What is left of a batch that the store refused: each is a batch of its own.
    groups: VecDeque<Vec<Item>>,
    /// The batch that takes messages in.
    forming: Option<Forming>,
    in_flight: VecDeque<InFlight>,
    next_batch: u64,
    next_segment: u64,
    timers: DueWindow,
    jobs: Jobs,
    parked: Parked,
    consumers: BTreeMap<&'static str, ConsumerState>,
    /// Of consumers that catch up.
    drains: BTreeMap<&'static str, Drain>,
    brokers: Brokers,
    /// Names of the services, shared by the envelopes of what they say.
    names: Vec<KeyText>,
    speaker: Option<Speaker>,
    causes: AllCauses,
    backlogs: Backlogs,
    /// When it was last asked what is due.
    looked_at: Timestamp,
}

/// One service that hears an event.
#[derive(Debug, Clone)]
struct Route {
    service: usize,
    reactions: Vec<usize>,
}

/// What is known of parked messages without asking the store.
#[derive(Default)]
struct Parked {
    /// The row that is waited for, as text, to the parked messages that wait for it.
    waiting: BTreeMap<Arc<str>, Vec<Id>>,
    recent: Recent,
    count: usize,
}

/// What a service does with events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConsumerState {
    Running,
    /// What it would hear is parked.
    Paused,
    /// It is resumed, and goes through what is parked; until then what comes is parked behind it.
    Draining,
}

/// What a batch has come to while it forms.
struct Forming {
    /// By the monotonic clock.
    opened_at: Duration,
    /// It is what the store refused before, and takes nothing in.
    alone: bool,
    items: Vec<Item>,
    answers: Vec<(usize, Result<Answered, Problem>)>,
    events: Vec<Logged>,
    /// What follows from the task that ran last: it goes before every other, so that what one message leads to stands
    /// together in the log and in memory.
    queue: VecDeque<Task>,
    backlog: Backlog,
    /// Jobs whose try ended in this batch: they may be tried again once it is durable.
    tried: Vec<Id>,
    /// For the relay, once the batch is durable.
    relay: Vec<RelayOrder>,
    spans: Vec<Span>,
    /// Dead letters that count when the batch is durable.
    died: Vec<Counted>,
    /// Figures of handlers, for when the batch is durable.
    handled: Vec<HandledFigures>,
}

/// How a handler has ended, and what it took.
struct HandledFigures {
    service: &'static str,
    message: &'static str,
    took: Duration,
    how: Handled,
}

/// An event of a batch.
#[derive(Debug, Clone)]
pub struct Logged {
    pub envelope: Arc<Envelope>,
    pub address: Address,
    /// It was said by another store.
    pub heard: bool,
}

/// What [`Core::close`] has made.
pub enum Formed {
    /// There was nothing to do.
    Nothing,
    /// A batch that changes nothing: its answers are given as soon as the batches before it are durable.
    Unchanged,
    /// A batch to be committed, after those before it.
    Batch(Sealed),
}

impl Core {
    /// Reads what it must know from the store. If it has a broker, that is named `broker`.
    ///
    /// # Panics
    /// When two entities share a table: that is a defect of the build.
    pub fn new(setup: Setup) -> Result<Self, StoreError> {
        Self::with_brokers(setup, &[])
    }

    /// The same with brokers of these names, at most [`BROKERS_MAX`]. Everywhere else they go by their numbers in this list.
    /// A name has 1 to 32 lower-case letters, digits and dashes, the first a letter; no other broker, no service and no
    /// event has it as its source, and it is not `relay`. Otherwise the store is [`StoreError::Unusable`].
    ///
    /// # Panics
    /// When two entities share a table: that is a defect of the build.
    pub fn with_brokers(setup: Setup, brokers: &[KeyText]) -> Result<Self, StoreError> {
        let next_segment = setup.reader.last_segment()? + 1;
        check_tables(&setup.services);
        let is_service = |name: &str| setup.services.iter().any(|service| service.name == name);
        let is_source = |name: &str| setup.registry.kinds().any(|kind| kind.source == name);
        let brokers = Brokers::new(brokers, |name| is_service(name) || is_source(name))?;
        let routes = routes(&setup.services, &setup.registry);
        let mut core = Self {
            store_name: setup.store_name,
            epoch: setup.epoch,
            routes,
            registry: setup.registry,
            clock: setup.clock,
            work: UnitOfWork::new(&setup.limits, setup.ids),
            tracing: setup.observer.tracer().map(|tracer| Tracing { tracer, running: None }),
            observer: setup.observer,
            log_heard: setup.log_heard,
            intake: Intake::new(setup.limits.in_line_max),
            groups: VecDeque::new(),
            forming: None,
            in_flight: VecDeque::new(),
            next_batch: 1,
            next_segment,
            timers: DueWindow::new::<TimerRow>(Vec::new(), setup.limits.due_rows_max),
            jobs: Jobs::new(&setup.services, &setup.limits),
            limits: setup.limits,
            parked: Parked::default(),
            consumers: BTreeMap::new(),
            drains: BTreeMap::new(),
            brokers,
            names: setup.services.iter().map(|service| KeyText::from(&id(service.name))).collect(),
            speaker: None,
            causes: AllCauses::default(),
            backlogs: Backlogs::default(),
            looked_at: Timestamp::default(),
            services: setup.services,
            reader: setup.reader,
        };
        core.read_consumers()?;
        core.read_parked()?;
        core.resume_after_unknown_event()?;
        core.clock.begin(core.limits.clock_jump_max, core.reader.last_commit_at()?);
        Ok(core)
    }

    /// Puts a message in line. The caller has checked [`Core::is_full`], or [`Core::admission`] for one that a broker
    /// has delivered; but not for a [`Message::Prune`]: that goes before the others, so that a full line does not hold it
    /// up.
    pub fn accept(&mut self, message: Message) {
        self.accept_sent(message, 0);
    }

    /// The same for one that was sent at this moment of the tracer; zero when nobody traces.
    pub(crate) fn accept_sent(&mut self, message: Message, sent_at: u64) {
        self.makes_progress(&message);
        let item = Item { sent_at, ..Item::new(message) };
        if matches!(item.message, Message::Prune(_)) {
            self.intake.push_front(item);
        } else {
            self.intake.push_back(item);
        }
    }

    /// Messages that wait for a batch: those from outside, timers that are due, parked messages that are retried.
    pub fn waiting(&self) -> usize {
        self.intake.len() + self.retried()
    }

    /// The same without received events, which have a share of their own, and without what the engine itself has put in
    /// line, which takes no place from others.
    pub fn waiting_from_outside(&self) -> usize {
        self.intake.others_len() + self.retried()
    }

    /// Messages of batches that the store refused.
    fn retried(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// No more commands are taken until some of what waits is done. Received events do not count: they have a share of
    /// their own, [`Limits::received_max`].
    pub fn is_full(&self) -> bool {
        self.waiting_from_outside() >= self.limits.intake_max || !self.has_room_to_park()
    }

    /// What is taken may have to be parked.
    fn has_room_to_park(&self) -> bool {
        self.parked.count < self.limits.parked_max
    }

    /// Received events that wait for a batch.
    pub(crate) fn waiting_received(&self) -> usize {
        self.intake.received_len()
    }

    /// Batches that are open or formed, and not durable.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len() + usize::from(self.forming.is_some())
    }

    /// Whether [`Core::extend`] would take a message in.
    pub fn has_room(&self) -> bool {
        self.forming.as_ref().is_none_or(|forming| !self.is_filled(forming))
    }

    pub fn services(&self) -> &[AnyService] {
        &self.services
    }

    pub fn parked(&self) -> usize {
        self.parked.count
    }

    /// Takes in all that is waiting and closes the batch: [`Core::extend`], then [`Core::close`].
    pub fn form(&mut self) -> Result<Formed, StoreError> {
        self.extend(usize::MAX)?;
        Ok(self.close())
    }

    /// Takes what is waiting into the open batch, so many messages at most, or opens one for them; runs their handlers
    /// in memory and finishes the cascade. After an error nothing of the batch stands, and the engine must not go on.
    pub fn extend(&mut self, messages_max: usize) -> Result<(), StoreError> {
        self.drain()?;
        self.take_due_timers()?;
        let mut forming = match self.forming.take() {
            Some(forming) => forming,
            None if self.waiting() == 0 => return Ok(()),
            None => self.open(),
        };
        let items_max = forming.items.len().saturating_add(messages_max);
        loop {
            let mut again = Backlog::default();
            let mut missing = Vec::new();
            loop {
                // Messages whose rows would be too many to load at once wait until those before them are handled.
                let has_room = missing.len() < self.limits.batch_rows_max && (again.is_empty() || !self.hands_over());
                let next = self.next_task(&mut forming, if has_room { items_max } else { 0 });
                let Some((lane, task)) = next else { break };
                if task.loads == 0 {
                    self.clock.batch_goes_on();
                    if self.limits.cache_forgets {
                        self.forget_for_a_test(&forming, &again);
                    }
                }
                if again.holds_back(lane.as_ref()) {
                    again.push(lane, task);
                } else if let Some((task, rows)) = self.run(&mut forming, task) {
                    missing.extend(rows);
                    again.push(lane, task);
                }
            }
            if again.is_empty() {
                break;
            }
            self.load(missing)?;
            forming.backlog = again;
        }
        self.forming = Some(forming);
        Ok(())
    }

    /// Closes the open batch: what comes now is for the next one.
    pub fn close(&mut self) -> Formed {
        self.forming.take().map_or(Formed::Nothing, |forming| self.seal(forming))
    }

    /// Stops for good: whoever waits is told that nothing of his was done.
    pub fn abandon(&mut self, reason: &str) {
        let waiting: Vec<Item> = self.intake.drain().collect();
        let groups = std::mem::take(&mut self.groups).into_iter().flatten();
        let flying = std::mem::take(&mut self.in_flight).into_iter().flat_map(|batch| batch.items);
        let open = self.forming.take().into_iter().flat_map(|batch| batch.items);
        for mut item in flying.chain(open).chain(groups).chain(waiting) {
            item.answer(Err(UNAVAILABLE.because(reason)));
        }
    }

    fn open(&mut self) -> Forming {
        let batch = self.next_batch;
        self.next_batch += 1;
        self.work.cache.evict();
        self.work.open(batch, self.clock.now());
        let group = self.groups.pop_front();
        let mut forming = Forming {
            opened_at: self.clock.monotonic(),
            alone: group.is_some(),
            items: Vec::new(),
            answers: Vec::new(),
            events: Vec::new(),
            queue: VecDeque::new(),
            backlog: Backlog::default(),
            tried: Vec::new(),
            relay: Vec::new(),
            spans: Vec::new(),
            died: Vec::new(),
            handled: Vec::new(),
        };
        for item in group.into_iter().flatten() {
            forming.take(item);
        }
        forming
    }

    /// The cascade first; then what has waited for rows; then further messages, as long as the batch has room.
    fn next_task(&mut self, forming: &mut Forming, items_max: usize) -> Option<(Option<Lane>, Task)> {
        loop {
            while let Some(task) = forming.queue.pop_front() {
                let lane = self.lane(forming, &task);
                if !forming.backlog.holds_back(lane.as_ref()) {
                    return Some((lane, task));
                }
                forming.backlog.push(lane, task);
            }
            if let Some(next) = forming.backlog.pop() {
                return Some(next);
            }
            if forming.items.len() >= items_max || self.is_filled(forming) {
                return None;
            }
            forming.take(self.intake.pop()?);
        }
    }

    fn is_filled(&self, forming: &Forming) -> bool {
        forming.alone
            || forming.items.len() >= self.limits.batch_messages_max
            || self.work.changes.len() >= self.limits.batch_rows_max
            || forming.events.len() >= self.limits.batch_events_max
            || self.work.bytes >= self.limits.batch_bytes_max
            || self.work.loaded_bytes > self.limits.cache_bytes_max
            || self.clock.monotonic().saturating_sub(forming.opened_at) >= self.limits.batch_forming_max
    }

    /// See [`Limits::cache_forgets`].
    fn forget_for_a_test(&mut self, forming: &Forming, again: &Backlog) {
        let awaited: FxHashSet<&RowRef> = forming.backlog.rows().chain(again.rows()).collect();
        self.work.cache.forget(|row| awaited.contains(row));
    }

    /// From now on rows are forgotten, or kept in memory: see [`Limits::cache_forgets`].
    pub fn set_forgetful(&mut self, forgets: bool) {
        self.limits.cache_forgets = forgets;
    }
}

impl Forming {
    fn take(&mut self, mut item: Item) {
        item.waiting = None;
        let verdict = item.condemned.clone().map(Verdict::Dead);
        let root = Task { kind: TaskKind::Root, verdict, depth: 0, item: self.items.len(), ..Task::default() };
        self.queue.push_back(root);
        self.items.push(item);
    }

    fn receipts(&self) -> Vec<Receipt> {
        self.items.iter().filter_map(Item::receipt).collect()
    }
}

/// Rows are found by the name of their table, so two entities must not share one.
fn check_tables(services: &[AnyService]) {
    let mut owners: BTreeMap<&str, &str> =
        crate::tables::ENGINE_TABLES.iter().map(|table| (table.name, "engine")).collect();
    for service in services {
        for table in &service.tables {
            let before = owners.insert(table.name, service.name);
            assert!(before.is_none(), "{} and {before:?} both own a table {}", service.name, table.name);
        }
    }
}

fn routes(services: &[AnyService], registry: &Registry) -> FxHashMap<&'static str, Arc<[Route]>> {
    let mut routes = FxHashMap::default();
    for kind in registry.kinds() {
        let heard_by: Vec<Route> = services
            .iter()
            .enumerate()
            .filter_map(|(service, table)| {
                let hears = |(nth, reaction): (usize, &crate::Reaction)| {
                    (reaction.event.is_none() || reaction.event == Some(kind.name)).then_some(nth)
                };
                let reactions: Vec<usize> = table.reactions.iter().enumerate().filter_map(hears).collect();
                (!reactions.is_empty()).then_some(Route { service, reactions })
            })
            .collect();
        routes.insert(kind.name, heard_by.into());
    }
    routes
}
