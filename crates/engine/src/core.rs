//! The batch loop without threads. The core forms batches and gives them to its caller, which commits them and reports
//! the outcome. Time, ids and rows come from ports only, so a simulator can drive the core step by step. `runtime.rs`
//! runs the core on threads.

mod batch;
mod brokers;
mod commit;
mod dead_letters;
mod deadlines;
mod executor;
mod intake;
mod jobs;
mod parking;
mod services;
mod task;

use std::{sync::Arc, time::Duration};

use tradewind_events::{KeyText, Registry, Timestamp};

use crate::{
    Admission, AnyService, Entity, Handled, Observer, RefusedEvent, RelayOrder,
    limits::Limits,
    observe::Stopwatch,
    operator::UNAVAILABLE,
    ports::{Ids, Reader, StoreError},
    reruns::Missing,
    tables::{JobRow, TimerRow},
    time::{EngineTime, JUMPED},
    work::{Answered, Item, Message},
};

use batch::Forming;
pub use batch::Logged;
pub(crate) use brokers::BROKER;
pub use brokers::BROKERS_MAX;
use brokers::Brokers;
use commit::Batches;
pub use commit::{Committed, Sealed};
use dead_letters::DeadLetters;
pub(crate) use dead_letters::pause_by_engine;
use deadlines::{CATCHING_UP, Deadlines};
use executor::{Attempt, Executor, Surroundings};
use intake::Intake;
use jobs::Jobs;
pub(crate) use parking::ParkedPile;
use parking::Parking;
use services::Services;
use task::{Backlog, Lane, Note, Task, TaskKind};

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
    /// Receives the metrics of the engine. `Arc::new(())` discards them.
    pub observer: Arc<dyn Observer>,
    /// Whether the log keeps received events of other stores. Set it in a store with a service that rebuilds its rows
    /// from the log.
    pub log_remote: bool,
}

/// The batch loop. Each field below `observer` owns the state of one concern. `Core` decides in which order they run
/// and passes results from one to another.
pub struct Core {
    reader: Arc<dyn Reader>,
    clock: EngineTime,
    limits: Limits,
    observer: Arc<dyn Observer>,
    intake: Intake,
    executor: Executor,
    /// The batch that takes messages in.
    forming: Option<Forming>,
    batches: Batches,
    deadlines: Deadlines,
    jobs: Jobs,
    parking: Parking,
    brokers: Brokers,
    dead_letters: DeadLetters,
    /// See [`Core::stop`].
    is_stopping: bool,
}

/// The result of [`Core::close`].
pub enum Formed {
    /// No batch was open.
    Nothing,
    /// The batch changes no row and has no event, so nothing is written. [`Core::settled`] returns it once all earlier
    /// batches are durable.
    Unchanged,
    /// The caller must commit this batch after all earlier ones, then call [`Core::committed`] or [`Core::failed`].
    Batch(Sealed),
}

impl Core {
    /// Creates a core and reads its initial state (paused consumers, parked messages, log position) from the store. If
    /// the store has a broker, its name is `broker`.
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
        let Setup { store_name, epoch, services, registry, reader, clock, ids, limits, observer, log_remote } = setup;
        let jobs = Jobs::new(&services, &limits);
        let is_source = |name: &str| registry.kinds().any(|kind| kind.source == name);
        let is_service = |name: &str| services.iter().any(|service| service.name == name);
        let mut brokers = Brokers::new(brokers, |name| is_service(name) || is_source(name))?;
        let services = Services::new(store_name, services, registry, log_remote);
        let mut intake = Intake::new(limits.in_line_max);
        let parking = Parking::read(services.names(), &*reader, &mut intake)?;
        brokers.read(&*reader)?;
        for message in brokers.resume_after_unknown_event(&*reader)? {
            intake.push_front(Item::new(message));
        }
        clock.begin(limits.clock_jump_max, reader.last_commit_at()?);
        Ok(Self {
            executor: Executor::new(services, Arc::clone(&reader), Arc::clone(&observer), ids, &limits),
            batches: Batches::new(epoch, reader.last_segment()?),
            deadlines: Deadlines::new(limits.due_rows_max),
            dead_letters: DeadLetters::new(limits.dead_letters_a_minute_max),
            reader,
            clock,
            limits,
            observer,
            intake,
            forming: None,
            jobs,
            parking,
            brokers,
            is_stopping: false,
        })
    }

    /// Queues a message for the next batch with room. Before, the caller checks [`Core::is_full`], or
    /// [`Core::admission`] if a broker delivered the message. A [`Message::Prune`] needs no check: it goes to the front
    /// of the queue, so a full queue does not delay it.
    pub fn accept(&mut self, message: Message) {
        self.accept_sent(message, 0);
    }

    /// The same for one that was sent at this moment of the tracer; zero when nobody traces.
    pub(crate) fn accept_sent(&mut self, message: Message, sent_at: u64) {
        self.deadlines.received(&message, &self.clock);
        let item = Item { sent_at, ..Item::new(message) };
        if matches!(item.message, Message::Prune(_)) {
            self.intake.push_front(item);
        } else {
            self.intake.push_back(item);
        }
    }

    /// Messages that wait for a batch: those from outside, timers that are due, parked messages that are retried.
    pub fn waiting(&self) -> usize {
        self.intake.len()
    }

    /// The same without received events, which have a share of their own, and without what the engine itself has put in
    /// line, which takes no place from others.
    pub fn waiting_from_outside(&self) -> usize {
        self.intake.others_len() + self.intake.put_back_len()
    }

    /// Whether the caller must refuse further commands: [`Limits::intake_max`] messages wait, or [`Limits::parked_max`]
    /// messages are parked. Received events do not count: [`Limits::received_max`] bounds them.
    pub fn is_full(&self) -> bool {
        self.waiting_from_outside() >= self.limits.intake_max || !self.has_room_to_park()
    }

    /// What is taken may have to be parked.
    fn has_room_to_park(&self) -> bool {
        self.parking.count() < self.limits.parked_max
    }

    /// Received events that wait for a batch.
    pub(crate) fn waiting_received(&self) -> usize {
        self.intake.received_len()
    }

    /// Batches that are open or formed, and not durable.
    pub fn in_flight(&self) -> usize {
        self.batches.in_flight() + usize::from(self.forming.is_some())
    }

    /// A broker refuses this event for good, so that an operator may set it aside; or none any more.
    pub fn relay_refused(&mut self, broker: usize, event: Option<RefusedEvent>) {
        self.brokers.refuses(broker, event);
    }

    /// Whether [`Core::extend`] would take a message in.
    pub fn has_room(&self) -> bool {
        self.forming.as_ref().is_none_or(|forming| !self.is_filled(forming))
    }

    pub fn services(&self) -> &[AnyService] {
        self.executor.services()
    }

    pub fn parked(&self) -> usize {
        self.parking.count()
    }

    /// What is parked, by consumer and source. `None` when that is not different from what it was in `version`, which is
    /// then set: at first to anything but the version of the core.
    pub(crate) fn parked_piles(&self, version: &mut u64) -> Option<Vec<ParkedPile>> {
        self.parking.piles(version)
    }

    /// How far the subscription at this broker may go.
    pub fn admission(&self, broker: usize) -> Admission {
        let takes = self.has_room_to_park() && !self.brokers.is_paused(broker);
        Admission { takes, resumes: self.brokers.resumes(broker) }
    }

    /// Whether the subscription at this broker is paused.
    pub fn is_paused(&self, broker: usize) -> bool {
        self.brokers.is_paused(broker)
    }

    /// A subscription has connected, and may have to catch up.
    pub fn fell_behind(&mut self, subscription: usize) {
        self.deadlines.fell_behind(subscription, self.clock.monotonic());
    }

    /// It has received all that was there when it connected.
    pub fn caught_up(&mut self, subscription: usize) {
        self.deadlines.caught_up(subscription);
    }

    /// Why deadlines are held, if they are.
    pub fn deadlines_held(&self) -> Option<&'static str> {
        self.held().or_else(|| self.clock.has_jumped().then_some(JUMPED))
    }

    /// The same without what the clock holds.
    pub(crate) fn held(&self) -> Option<&'static str> {
        (self.deadlines.held_for(&self.clock) > Duration::ZERO).then_some(CATCHING_UP)
    }

    /// Ends the hold on deadlines after an operator has confirmed the clock. Deadlines no longer wait for subscriptions
    /// that are catching up either.
    pub fn confirm_clock(&mut self) {
        self.deadlines.release();
        self.clock.confirm();
    }

    pub fn clock(&self) -> &EngineTime {
        &self.clock
    }

    /// When there will be something to do without a new message.
    pub fn next_due(&self) -> Timestamp {
        if self.is_stopping {
            return Timestamp::from_millis(i64::MAX);
        }
        // No commit is awaited after which it is looked for anyway: the last batch may have changed nothing.
        if self.in_flight() == 0 && self.parking.has_more(&self.intake) {
            return Timestamp::default();
        }
        self.deadlines.next_due(&self.clock, self.open_since()).min(self.jobs.next_due())
    }

    /// The time of the open batch.
    fn open_since(&self) -> Option<Timestamp> {
        self.forming.as_ref().map(|_| self.executor.now())
    }

    /// Begins a stop: the core handles what is queued and queues nothing more by itself. Timers that are due, jobs and the
    /// parked messages of a resumed consumer wait for the next start, however many they are.
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Jobs that are due, to be tried now; each is out until its [`crate::Message::Tried`] is committed. Of each kind it
    /// looks at no more rows than may run at a time. None after [`Core::stop`].
    pub fn take_jobs(&mut self) -> Result<Vec<Arc<JobRow>>, StoreError> {
        if self.is_stopping {
            return Ok(Vec::new());
        }
        self.jobs.take(self.clock.now(), &*self.reader, &self.executor, &*self.observer)
    }

    /// Takes in all that is waiting and closes the batch: [`Core::extend`], then [`Core::close`].
    pub fn form(&mut self) -> Result<Formed, StoreError> {
        self.extend(usize::MAX)?;
        Ok(self.close())
    }

    /// Takes at most `messages_max` waiting messages into the open batch, or opens a batch for them. Runs their
    /// handlers in memory, with all local deliveries that follow, and loads the rows that handlers miss. After an error
    /// the batch is lost, and the caller must stop the engine with [`Core::abandon`].
    pub fn extend(&mut self, messages_max: usize) -> Result<(), StoreError> {
        if !self.is_stopping {
            self.put_in_line()?;
        }
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
                let has_room = missing.len() < self.limits.batch_rows_max
                    && (again.is_empty() || !self.parking.hands_over(&self.intake));
                let next = self.next_task(&mut forming, if has_room { items_max } else { 0 });
                let Some((lane, task)) = next else { break };
                if task.loads == 0 {
                    self.clock.batch_goes_on();
                    if self.limits.cache_forgets {
                        self.executor.forget_for_a_test([&forming.backlog, &again]);
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
            self.executor.load(missing)?;
            forming.backlog = again;
        }
        self.forming = Some(forming);
        Ok(())
    }

    /// Queues parked messages of resumed consumers and timers that are due, as far as there is room.
    fn put_in_line(&mut self) -> Result<(), StoreError> {
        self.parking.put_in_line(&*self.reader, &mut self.intake)?;
        let open = self.open_since();
        let unusable = self.deadlines.put_in_line(&self.clock, open, &*self.reader, &mut self.intake)?;
        (0..unusable).for_each(|_| self.observer.row_unusable(TimerRow::TABLE.name));
        Ok(())
    }

    /// Closes the open batch. Later messages go into the next one.
    pub fn close(&mut self) -> Formed {
        self.forming.take().map_or(Formed::Nothing, |forming| self.seal(forming))
    }

    /// Stops the core after an error. Every command that waits or is in a batch that is not durable is answered with
    /// `UNAVAILABLE` and this reason.
    pub fn abandon(&mut self, reason: &str) {
        let flying = self.batches.take_in_flight().flatten();
        let open = self.forming.take().into_iter().flat_map(|batch| batch.items);
        for mut item in flying.chain(open).chain(self.intake.drain()) {
            item.answer(Err(UNAVAILABLE.because(reason)));
        }
    }

    fn open(&mut self) -> Forming {
        let (batch, segment) = self.batches.open();
        self.executor.open(batch, self.clock.now());
        Forming::new(self.clock.monotonic(), segment, self.intake.pop_group())
    }

    /// The cascade first; then what has waited for rows; then further messages, as long as the batch has room.
    fn next_task(&mut self, forming: &mut Forming, items_max: usize) -> Option<(Option<Lane>, Task)> {
        loop {
            while let Some(task) = forming.queue.pop_front() {
                let lane = self.executor.lane(forming, &task);
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
            || forming.events.len() >= self.limits.batch_events_max
            || self.executor.is_filled()
            || self.clock.monotonic().saturating_sub(forming.opened_at) >= self.limits.batch_forming_max
    }

    /// Runs a task until it is handled or refused, or its failure is recorded. Gives it back with the rows that it lacks.
    fn run(&mut self, forming: &mut Forming, mut task: Task) -> Option<(Task, Missing)> {
        loop {
            let watch = Stopwatch::start();
            let around = Surroundings { parking: &self.parking, brokers: &self.brokers, here: forming.next_position() };
            match self.executor.run(forming, &mut task, &around) {
                Attempt::Lacks(missing) => return Some((task, missing)),
                Attempt::Merged(mut success, merged) => {
                    let how = task.handled();
                    self.executor.observe(forming, &task, watch.read(), how);
                    self.executor.trace_end(forming, &task, how);
                    if let Some((typed, stored)) = success.answer.take() {
                        forming.answers.push((task.item, Ok(Answered { typed, stored })));
                    }
                    let retried = forming.retried_parked(&task).filter(|_| success.then.is_empty());
                    for note in std::mem::take(&mut success.notes) {
                        self.take_note(forming, note);
                    }
                    self.executor.dispatch(forming, &task, success, merged.emitted);
                    for row in &merged.rows {
                        let waiting = self.parking.written(row).into_iter().map(TaskKind::Unpark);
                        forming.queue.extend(waiting.map(|kind| task.leads_to(kind)));
                    }
                    if let Some(id) = retried {
                        self.parking.retried(&id, &mut self.intake);
                    }
                    return None;
                }
                Attempt::Stopped(stop) => {
                    if let Some(problem) = forming.refusal(&task, &stop) {
                        self.executor.observe(forming, &task, watch.read(), Handled::Refused);
                        self.executor.trace_end(forming, &task, Handled::Refused);
                        forming.answers.push((task.item, Err(problem)));
                        return None;
                    }
                    task.fail(stop);
                }
            }
        }
    }

    /// What follows from a merged attempt outside the unit of work.
    fn take_note(&mut self, forming: &mut Forming, note: Note) {
        match note {
            Note::Tried(id) => forming.tried.push(id),
            Note::Relay(order) => {
                if let RelayOrder::SetAside { broker, .. } = &order {
                    self.brokers.set_aside(*broker);
                }
                forming.relay.push(order);
            }
            Note::NotDue { due_at, timer } => self.deadlines.insert(due_at, timer),
            Note::ClockConfirmed => self.confirm_clock(),
            Note::Unparked(row) => self.parking.remove(&row),
            Note::Duplicate { broker } => forming.duplicates.push(broker),
            Note::Parked(row) => self.parking.add(&row),
            Note::ParkedBehind { consumer, row } => {
                self.parking.add_behind(consumer, self.executor.batch(), &row, &mut self.intake);
            }
            Note::Paused { consumer } => {
                self.dead_letters.paused(consumer);
                self.parking.pause(consumer, &mut self.intake);
            }
            Note::Subscription { broker, paused } => self.brokers.set_paused(broker, paused),
            Note::Resumed { consumer } => self.parking.resume(consumer),
            Note::Died { service, cause } => {
                let (consumer, now) = (self.services()[service].name, self.executor.now());
                if self.parking.is_running(consumer) {
                    let pause = self.dead_letters.add(consumer, cause, now, &mut forming.counted);
                    if let Some(pause) = pause {
                        self.intake.push_front(pause);
                    }
                }
            }
        }
    }

    /// From now on rows are forgotten, or kept in memory: see [`Limits::cache_forgets`].
    pub fn set_forgetful(&mut self, forgets: bool) {
        self.limits.cache_forgets = forgets;
    }
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
