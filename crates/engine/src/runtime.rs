//! The engine on threads: one runs the batch loop, one writes to the store, two for each broker publish and receive,
//! and several for each kind of job run its worker.

mod broker;
mod lag;
mod relay;
mod run;
mod subscriber;
mod workers;

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use tradewind_events::{Envelope, KeyText};

use crate::{
    BrokerLimits, CommandMessage, Core, Limits, Logged, Message, Problem, RefusedEvent, Routing, Setup, Tracer,
    core::BROKER,
    operator::UNAVAILABLE,
    ports::{Broker, BrokerError, Gap, Reader, StoreError, Writer},
    time::{EngineTime, JUMPED},
};

use broker::{BrokerThreads, SharedBroker};
use lag::Lags;
pub use lag::{BACKLOG_EVERY, BrokerLag, ConsumerLag, Drain, Lag, OTHER_SOURCE};
pub use workers::Worker;
use workers::WorkersEnded;

/// What a running engine is made of, beside its [`Setup`].
pub struct Parts {
    pub writer: Box<dyn Writer>,
    /// Who does the jobs of each kind.
    pub workers: Vec<Arc<dyn Worker>>,
    /// Other stores are reached through these, at most [`crate::BROKERS_MAX`]; none when every service lives in this one.
    /// Each gets the events that its routing names, and what each delivers has its effect once: an event that two of them
    /// deliver is received from the first. Between two brokers there is no order.
    pub brokers: Vec<BrokerParts>,
}

/// How events go to other stores through one broker, and come from them.
pub struct BrokerParts {
    /// Its name in the store, in figures and for operators: the mark of its relay and the consumer of its subscription have
    /// it, so it must not change. A broker under a new name gets the whole log. As [`Core::with_brokers`] takes it.
    pub name: KeyText,
    pub broker: Box<dyn Broker>,
    /// Which topics it has for what.
    pub routing: Routing,
    /// The consumer group: the same for every process that may own this store.
    pub group: String,
    /// None: those of the engine.
    pub limits: Option<BrokerLimits>,
}

/// A running engine. Clones reach the same one.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

/// How an engine is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Messages that wait for a batch.
    pub waiting: usize,
    /// Batches that are formed and not durable.
    pub in_flight: usize,
    /// Parked messages.
    pub parked: usize,
    /// The last segment that is durable.
    pub segment: u64,
    /// The last segment that every broker has acknowledged, as far as it is published there; equal to `segment` where there
    /// is no broker.
    pub published_segment: u64,
    /// Why deadlines are held, if they are.
    pub deadlines_held: Option<&'static str>,
    /// In the order in which they are configured.
    pub brokers: Vec<BrokerStatus>,
    /// Why the engine has stopped, if it has.
    pub stopped: Option<String>,
}

/// How an engine is doing with one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerStatus {
    pub name: KeyText,
    /// The last segment that it has acknowledged, as far as it is published there.
    pub published_segment: u64,
    /// An event that it refuses, and that holds up all that is published there after it.
    pub refused: Option<RefusedEvent>,
    /// Something is subscribed to.
    pub receives: bool,
    /// The subscription is paused: what comes stays at the broker.
    pub paused: bool,
    /// Why the last call failed: the broker cannot be reached, or refuses. The relay and the subscription try again.
    pub error: Option<BrokerError>,
    /// How often the subscription has connected.
    pub connections: u64,
    /// What the subscription stands before: events that it has not received and that the broker no longer has.
    pub gaps: Vec<Gap>,
}

/// Receives the events of every commit.
pub type Listener = Box<dyn Fn(&[Logged]) + Send + Sync>;

/// Receives every event of a commit, those from other stores included, before the answers of that commit go out.
pub type CommitHook = Box<dyn Fn(&Envelope) + Send + Sync>;

/// What the threads share.
struct Shared {
    input: mpsc::Sender<Input>,
    reader: Arc<dyn Reader>,
    clock: EngineTime,
    limits: Limits,
    tracer: Option<Arc<dyn Tracer>>,
    listeners: RwLock<Vec<Listener>>,
    hooks: RwLock<Vec<CommitHook>>,
    /// Sent and not taken by the loop yet.
    sent: Waiting,
    /// Taken by the loop, and in no batch yet.
    waiting: Waiting,
    in_flight: AtomicUsize,
    parked: AtomicUsize,
    segment: AtomicU64,
    /// By their numbers.
    brokers: Vec<SharedBroker>,
    lags: Lags,
    held: Mutex<Option<&'static str>>,
    stopping: AtomicBool,
    stopped: Mutex<Option<String>>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
    workers_ended: Mutex<Option<WorkersEnded>>,
    broker_threads: Mutex<Option<BrokerThreads>>,
}

/// Messages that wait for a batch.
#[derive(Default)]
struct Waiting {
    /// Received from a broker: they have a share of their own.
    received: AtomicUsize,
    others: AtomicUsize,
    /// What the engine itself has put in line.
    own: AtomicUsize,
}

/// The loop has ended: nobody hears any more.
struct Ended;

/// What the loop hears.
enum Input {
    /// And when it was sent, while somebody traces; otherwise zero.
    Message(Message, u64),
    /// The writer has done with the oldest batch.
    Wrote(Result<Duration, crate::ports::CommitError>),
    /// The subscription at the broker of this number has connected.
    FellBehind(usize),
    /// It has received all that was there when it connected.
    CaughtUp(usize),
    /// The broker of this number refuses this event, or none any more.
    Refused(usize, Option<RefusedEvent>),
    /// As [`crate::Subscriber::may_repeat`], whenever it changes; at first each may.
    MayRepeat(bool),
    /// The relay of this broker has saved its mark, and publishes nothing more.
    RelayEnded(usize),
    Wake,
    Stop,
}

impl Handle {
    /// Starts the threads.
    pub fn start(setup: Setup, parts: Parts) -> Result<Self, StoreError> {
        run::start(setup, parts)
    }

    /// Sends a command; its reply is called after the commit, on a thread of the engine. Refused when the engine is
    /// full or has stopped.
    pub fn submit(&self, command: CommandMessage) -> Result<(), Problem> {
        let shared = &self.0;
        if shared.stopping.load(Ordering::Acquire) {
            return Err(UNAVAILABLE.because("The shop is stopping."));
        }
        if shared.is_full() {
            return Err(UNAVAILABLE.because("Too much is waiting already."));
        }
        shared.send(Message::Command(command)).map_err(|Ended| UNAVAILABLE.because("The shop has stopped."))
    }

    /// Reads what is committed.
    pub fn reader(&self) -> &Arc<dyn Reader> {
        &self.0.reader
    }

    /// The time by which everything in this process is judged.
    pub fn clock(&self) -> &EngineTime {
        &self.0.clock
    }

    /// Calls back after every commit that has events, in the order of the log. It must be quick: it runs on the loop.
    pub fn listen(&self, listener: Listener) {
        self.0.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Calls back with every event of a commit before its answers go out, and with every event that was received from
    /// another store: for what must be known before a client can act on its answer. It runs on the loop, for each event:
    /// it must be quick.
    pub fn before_answers(&self, hook: CommitHook) {
        self.0.hooks.write().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    pub fn status(&self) -> Status {
        let shared = &self.0;
        let segment = shared.segment.load(Ordering::Acquire);
        let brokers: Vec<BrokerStatus> = shared.brokers.iter().map(SharedBroker::status).collect();
        Status {
            waiting: shared.sent.count() + shared.waiting.count(),
            in_flight: shared.in_flight.load(Ordering::Acquire),
            parked: shared.parked.load(Ordering::Acquire),
            segment,
            published_segment: brokers.iter().map(|broker| broker.published_segment).min().unwrap_or(segment),
            deadlines_held: shared.deadlines_held(),
            brokers,
            stopped: shared.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// How far the consumers of this store are behind, and how much waits at each broker.
    pub fn lag(&self) -> Lag {
        let deliveries = self.0.brokers.iter().map(|broker| (&broker.name, broker.deliveries()));
        self.0.lags.read(deliveries)
    }

    /// Lets the subscription at the broker of this name go on behind these gaps, which are all that [`BrokerStatus::gaps`]
    /// shows. It waits for the broker, within a bounded time. The caller records it before:
    /// [`crate::operator::Action::SkipGaps`].
    pub fn skip_gaps(&self, broker: &str, gaps: &[Gap]) -> Result<(), BrokerError> {
        let found = self.0.brokers.iter().find(|known| *known.name == *broker);
        found.map_or(Ok(()), |known| known.skip_gaps(gaps))
    }

    /// Stops the engine and waits for its threads.
    ///
    /// - New commands are refused. Accepted messages are handled and committed.
    /// - Jobs that no worker has begun wait for the next start. Calls of workers under way get
    ///   [`Limits::jobs_stop_wait`] to end. An outcome that comes after the last commit is not recorded: the job is
    ///   tried again after the next start, under the same key.
    /// - Relays publish no further call and save their marks. The backlog is published after the next start.
    /// - Subscriptions acknowledge what is committed and leave their groups.
    /// - Brokers that do not answer are waited for at the same time, at most for the longest
    ///   [`BrokerLimits::stop_wait`]: once for the marks, once for the acknowledgements.
    ///
    /// Returns the reason if the engine had already stopped because of an error.
    pub fn stop(&self) -> Option<String> {
        self.0.stopping.store(true, Ordering::Release);
        self.0.tell(Input::Stop);
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the engine has panicked");
            }
        }
        let brokers = self.0.broker_threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(brokers) = brokers {
            brokers.wait(self.0.brokers_stop_wait());
        }
        let workers = self.0.workers_ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(workers) = workers {
            workers.wait(self.0.limits.jobs_stop_wait);
        }
        self.status().stopped
    }
}

impl BrokerParts {
    /// The only broker of a store, which is named `broker`, with the limits of the engine.
    pub fn only(broker: impl Broker + 'static, routing: Routing, group: impl Into<String>) -> Self {
        Self { name: BROKER, broker: Box::new(broker), routing, group: group.into(), limits: None }
    }
}

impl Shared {
    /// As [`Core::is_full`], with what the loop has not taken yet.
    fn is_full(&self) -> bool {
        let waiting = self.sent.others.load(Ordering::Acquire) + self.waiting.others.load(Ordering::Acquire);
        waiting >= self.limits.intake_max || !self.has_room_to_park()
    }

    fn has_room_to_park(&self) -> bool {
        self.parked.load(Ordering::Acquire) < self.limits.parked_max
    }

    /// How long a stop waits for all brokers together.
    fn brokers_stop_wait(&self) -> Duration {
        self.brokers.iter().map(|broker| broker.limits.stop_wait).max().unwrap_or_default()
    }

    fn send(&self, message: Message) -> Result<(), Ended> {
        self.sent.line(&message).fetch_add(1, Ordering::AcqRel);
        let sent_at = self.tracer.as_ref().map_or(0, |tracer| tracer.now());
        self.input.send(Input::Message(message, sent_at)).map_err(|_| Ended)
    }

    /// Tells the loop; when it has ended there is nothing to tell.
    fn tell(&self, input: Input) {
        if self.input.send(input).is_err() {
            tracing::debug!("the engine has ended");
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn publish_status(&self, core: &Core) {
        let (received, others) = (core.waiting_received(), core.waiting_from_outside());
        self.waiting.received.store(received, Ordering::Release);
        self.waiting.others.store(others, Ordering::Release);
        self.waiting.own.store(core.waiting() - received - others, Ordering::Release);
        self.in_flight.store(core.in_flight(), Ordering::Release);
        self.parked.store(core.parked(), Ordering::Release);
        for (number, broker) in self.brokers.iter().enumerate() {
            broker.admit(core.admission(number), core.is_paused(number));
        }
        self.lags.take(core);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = core.held();
    }

    /// The loop may sleep while the wall clock jumps.
    fn deadlines_held(&self) -> Option<&'static str> {
        self.clock.now();
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.or_else(|| self.clock.has_jumped().then_some(JUMPED))
    }
}

impl Waiting {
    fn line(&self, message: &Message) -> &AtomicUsize {
        if message.is_received() { &self.received } else { &self.others }
    }

    fn count(&self) -> usize {
        let count = |of: &AtomicUsize| of.load(Ordering::Acquire);
        count(&self.received) + count(&self.others) + count(&self.own)
    }
}
