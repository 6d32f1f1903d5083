//! The loop and its writer.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use tradewind_events::KeyText;

use super::{
    BrokerParts, BrokerThreads, Handle, Input, Lags, Parts, Shared, SharedBroker, Waiting,
    lag::{Deliveries, waits_since},
    relay::Relays,
    subscriber::Subscribers,
    workers::Workers,
};
use crate::{
    BatchFigures, BrokerLimits, Committed, Core, Formed, Observer, Relay, RelaySetup, Retention, Sealed, Setup,
    observe::Stopwatch,
    ports::{CommitError, Reader, StoreError, Writer},
    trace,
};

/// Messages that are run before it is asked whether the writer waits, where rows are near. Where each load is a way to a
/// server, all that wait are run together.
const LOCAL_MESSAGES: usize = 1;

pub(super) fn start(setup: Setup, mut parts: Parts) -> Result<Handle, StoreError> {
    let (input, inbox) = mpsc::channel();
    let (reader, clock, limits) = (Arc::clone(&setup.reader), setup.clock.clone(), setup.limits.clone());
    let (observer, registry) = (Arc::clone(&setup.observer), setup.registry.clone());
    let store_name = Arc::clone(&setup.store_name);
    let names: Vec<KeyText> = parts.brokers.iter().map(|broker| broker.name.clone()).collect();
    let mut core = Core::with_brokers(setup, &names)?;
    let relay_setup = |broker: &BrokerParts| RelaySetup {
        store_name: Arc::clone(&store_name),
        broker: broker.name.clone(),
        routing: broker.routing.clone(),
        limits: broker.limits.clone().unwrap_or_else(|| BrokerLimits::from(&limits)),
        observer: Arc::clone(&observer),
    };
    let (relays, brokers) = relays_of(&parts.brokers, relay_setup, &core, &*reader)?;
    let lags = Lags::new(&core, &registry, parts.brokers.iter().map(|broker| &broker.routing));
    let shared = Arc::new(Shared {
        input,
        segment: AtomicU64::new(reader.last_segment()?),
        reader,
        clock,
        limits,
        tracer: observer.tracer(),
        listeners: RwLock::default(),
        hooks: RwLock::default(),
        sent: Waiting::default(),
        waiting: Waiting::default(),
        in_flight: AtomicUsize::new(0),
        parked: AtomicUsize::new(0),
        brokers,
        lags,
        held: Mutex::default(),
        stopping: AtomicBool::new(false),
        stopped: Mutex::default(),
        threads: Mutex::default(),
        workers_ended: Mutex::default(),
        broker_threads: Mutex::default(),
    });
    wake_on_jump(&shared);
    let (workers, workers_ended) = Workers::start(&shared, std::mem::take(&mut parts.workers));
    *shared.workers_ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(workers_ended);
    let mut threads = BrokerThreads::new();
    let subscribers = Subscribers::start(&shared, &parts.brokers, &registry, &observer, &mut threads)?;
    let relays = relays.into_iter().zip(parts.brokers.into_iter().map(|parts| parts.broker)).collect();
    let relays = Relays::start(&shared, relays, &mut threads)?;
    *shared.broker_threads.lock().unwrap_or_else(PoisonError::into_inner) = Some(threads);
    subscribers.numbers().for_each(|number| core.fell_behind(number));
    let receiving = subscribers.numbers().count();
    let (to_writer, from_loop) = mpsc::channel();
    let writing = Arc::clone(&shared);
    spawn(&shared, "writer", move || write(&writing, parts.writer, &from_loop));
    let mut retention = Retention::new(Arc::clone(&shared.reader), &shared.limits);
    retention.hold_inbox(receiving > 0);
    let mut engine = Loop {
        core,
        inbox,
        to_writer,
        writing: None,
        formed_in: Duration::ZERO,
        messages_max: if shared.reader.is_local() { LOCAL_MESSAGES } else { usize::MAX },
        may_repeat: receiving,
        workers,
        relays,
        leaving: None,
        subscribers,
        retention,
        observer,
        shared: Arc::clone(&shared),
    };
    spawn(&shared, "engine", move || engine.run());
    Ok(Handle(shared))
}

/// The relay of each broker, and what the threads share of it.
fn relays_of(
    parts: &[BrokerParts],
    setup: impl Fn(&BrokerParts) -> RelaySetup,
    core: &Core,
    reader: &dyn Reader,
) -> Result<(Vec<Relay>, Vec<SharedBroker>), StoreError> {
    let (mut relays, mut brokers) = (Vec::with_capacity(parts.len()), Vec::with_capacity(parts.len()));
    for (number, parts) in parts.iter().enumerate() {
        let setup = setup(parts);
        let limits = setup.limits.clone();
        let relay = Relay::new(setup, reader)?;
        let deliveries = Deliveries::new(&parts.routing, waits_since(core, &parts.name, reader)?);
        let broker = SharedBroker::new(parts, limits, deliveries, relay.mark());
        broker.admit(core.admission(number), core.is_paused(number));
        brokers.push(broker);
        relays.push(relay);
    }
    Ok((relays, brokers))
}

/// A jump of the wall clock wakes the loop.
fn wake_on_jump(shared: &Arc<Shared>) {
    let wake = Arc::downgrade(shared);
    shared.clock.on_jump(Box::new(move || {
        if let Some(shared) = wake.upgrade() {
            shared.tell(Input::Wake);
        }
    }));
}

/// A thread with a name that is joined when the engine stops.
pub(super) fn spawn(shared: &Arc<Shared>, name: &str, run: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    match thread {
        Ok(thread) => shared.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread),
        Err(error) => shared.fail(format!("a thread cannot be started: {error}")),
    }
}

impl Shared {
    /// Notes why the engine stops by itself. The first reason stays.
    pub(super) fn fail(&self, reason: String) {
        tracing::error!(reason, "the engine stops");
        self.stopping.store(true, Ordering::Release);
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
    }
}

/// Writes one batch after the other. The loop hands the next one over when it knows what became of the last.
fn write(shared: &Arc<Shared>, mut writer: Box<dyn Writer>, batches: &mpsc::Receiver<Sealed>) {
    while let Ok(sealed) = batches.recv() {
        let watch = Stopwatch::start();
        let written = catch_unwind(AssertUnwindSafe(|| sealed.write(&mut *writer)))
            .unwrap_or_else(|_| Err(StoreError::Unusable("the writer has panicked".to_owned()).into()));
        shared.tell(Input::Wrote(written.map(|()| watch.read())));
    }
}

struct Loop {
    core: Core,
    inbox: mpsc::Receiver<Input>,
    to_writer: mpsc::Sender<Sealed>,
    /// The figures of the batch that is with the writer.
    writing: Option<BatchFigures>,
    /// What the open batch has taken.
    formed_in: Duration,
    messages_max: usize,
    /// Subscriptions that may receive what was committed before an outage.
    may_repeat: usize,
    workers: Workers,
    relays: Relays,
    /// Runs while a stop waits for the relays, all at the same time.
    leaving: Option<Stopwatch>,
    subscribers: Subscribers,
    retention: Retention,
    observer: Arc<dyn Observer>,
    shared: Arc<Shared>,
}

impl Loop {
    fn run(&mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.turn_until_stopped()));
        let reason = match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => Some(panic_text(&*panic)),
        };
        if let Some(reason) = reason {
            self.shared.fail(reason.clone());
            self.core.abandon(&reason);
        }
        // The loop reads no further input. Dropping a queued command drops its reply, which tells the client.
        self.shared.stopping.store(true, Ordering::Release);
        self.workers.end();
        self.relays.leave();
        // Who listens most often holds the engine as well.
        self.shared.listeners.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.hooks.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn turn_until_stopped(&mut self) -> Result<(), StoreError> {
        let mut stopping = false;
        loop {
            while let Ok(input) = self.inbox.try_recv() {
                stopping |= self.take(input)?;
            }
            if !stopping {
                self.prune_if_due();
            }
            self.form()?;
            self.shared.publish_status(&self.core);
            let has_finished = stopping && self.core.waiting() == 0 && self.core.in_flight() == 0;
            if has_finished && self.relays.running().next().is_none() {
                return Ok(());
            }
            self.workers.hand_out(&self.shared, self.core.take_jobs()?);
            let input = if has_finished {
                self.wait_for_relays()
            } else if self.core.waiting() > 0 && self.core.has_room() {
                None
            } else {
                self.wait(stopping)
            };
            if let Some(input) = input {
                stopping |= self.take(input)?;
            }
        }
    }

    /// The next input, or none when something falls due first.
    fn wait(&mut self, stopping: bool) -> Option<Input> {
        let now = self.shared.clock.now();
        let due = self.core.next_due();
        let due = if stopping { due } else { due.min(self.retention.next_at()) };
        if due <= now && self.core.has_room() {
            return None;
        }
        match self.shared.clock.until(due) {
            Some(wait) => match self.inbox.recv_timeout(wait.max(Duration::from_millis(1))) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Input::Stop),
            },
            None => Some(self.inbox.recv().unwrap_or(Input::Stop)),
        }
    }

    /// The next input while the relays finish their calls and save their marks; those that do not are given up in time.
    fn wait_for_relays(&mut self) -> Option<Input> {
        let waited = self.leaving.get_or_insert_with(Stopwatch::start).read();
        let input = self.inbox.recv_timeout(self.shared.brokers_stop_wait().saturating_sub(waited)).ok();
        if input.is_none() {
            for broker in self.relays.running().map(|number| &self.shared.brokers[number].name) {
                tracing::warn!(%broker, "the broker does not answer: what it gets now is published again after the next start");
            }
            self.relays.leave();
        }
        input
    }

    /// Queues the removal of old rows when it is due, also under load.
    fn prune_if_due(&mut self) {
        let now = self.shared.clock.now();
        if let Some(prune) = self.retention.look(now) {
            self.core.accept(crate::Message::Prune(prune));
        }
    }

    /// Takes one input in; `true` when the engine is to stop.
    fn take(&mut self, input: Input) -> Result<bool, StoreError> {
        match input {
            Input::Message(message, sent_at) => {
                self.shared.sent.line(&message).fetch_sub(1, Ordering::AcqRel);
                self.core.accept_sent(message, sent_at);
            }
            Input::Wrote(Ok(written_in)) => {
                if let Some(figures) = self.writing.take() {
                    self.observer.committed(&BatchFigures { written_in, ..figures });
                }
                let settled = self.core.committed();
                // The writer first: whoever asked has waited for longer than this takes.
                self.hand_over()?;
                self.settle(settled, Some(written_in));
            }
            Input::Wrote(Err(error)) => {
                self.writing = None;
                self.formed_in = Duration::ZERO;
                match self.core.failed(error) {
                    Ok(()) => {}
                    Err(CommitError::Store(error)) => {
                        self.observer.store_failed(&error);
                        return Err(error);
                    }
                    Err(other) => return Err(StoreError::Unusable(other.to_string())),
                }
            }
            Input::FellBehind(subscription) => self.core.fell_behind(subscription),
            Input::CaughtUp(subscription) => self.core.caught_up(subscription),
            Input::Refused(broker, event) => {
                self.shared.brokers[broker].refuses(event.as_ref());
                self.core.relay_refused(broker, event);
            }
            Input::MayRepeat(may_repeat) => {
                self.may_repeat = if may_repeat { self.may_repeat + 1 } else { self.may_repeat.saturating_sub(1) };
                self.retention.hold_inbox(self.may_repeat > 0);
            }
            Input::RelayEnded(broker) => self.relays.ended(broker),
            Input::Wake => {}
            Input::Stop => {
                self.core.stop();
                self.subscribers.wake();
                self.relays.wake();
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Runs what waits. A batch is closed as soon as the writer can take it, and grows until then: so both are busy.
    fn form(&mut self) -> Result<(), StoreError> {
        let watch = Stopwatch::start();
        self.core.extend(self.messages_max)?;
        self.formed_in += watch.read();
        self.hand_over()
    }

    /// Closes the open batch, unless one is being written.
    fn hand_over(&mut self) -> Result<(), StoreError> {
        if self.writing.is_some() {
            return Ok(());
        }
        let formed_in = std::mem::take(&mut self.formed_in);
        match self.core.close() {
            Formed::Nothing => {}
            Formed::Unchanged => {
                let settled = self.core.settled();
                self.settle(settled, None);
            }
            Formed::Batch(sealed) => {
                self.writing = Some(BatchFigures {
                    messages: sealed.messages(),
                    rows: sealed.rows(),
                    events: sealed.events(),
                    formed_in,
                    written_in: Duration::ZERO,
                });
                // The status shows it before its commit stands in the store.
                self.shared.in_flight.store(self.core.in_flight(), Ordering::Release);
                self.to_writer.send(sealed).map_err(|_| writer_gone())?;
            }
        }
        Ok(())
    }

    /// Batches are durable, the first by having been written: answers go out, their events go on.
    fn settle(&mut self, settled: Vec<Committed>, mut written_in: Option<Duration>) {
        for mut batch in settled {
            if let Some(tracer) = &self.shared.tracer {
                trace::settled(&**tracer, &mut batch, written_in.take());
            }
            for hook in self.shared.hooks.read().unwrap_or_else(PoisonError::into_inner).iter() {
                batch.events().for_each(hook);
            }
            batch.answer();
            if batch.pruned() {
                self.retention.committed();
            }
            if batch.segment > 0 {
                self.shared.segment.store(batch.segment, Ordering::Release);
                for listener in self.shared.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
                    listener(&batch.events);
                }
                self.relays.committed(batch.segment, &batch.events);
            }
            self.relays.order(std::mem::take(&mut batch.relay));
            self.subscribers.commit(std::mem::take(&mut batch.receipts));
        }
    }
}

fn writer_gone() -> StoreError {
    StoreError::Unusable("the writer has ended".to_owned())
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "the engine has panicked".to_owned())
}
