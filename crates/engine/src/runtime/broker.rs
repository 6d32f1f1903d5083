//! What the threads share of a broker, and the threads that call it. A call may hang, so a stop waits for them no longer
//! than it has to.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use tradewind_events::KeyText;

use super::{BrokerParts, BrokerStatus, Input, Shared, lag::Deliveries};
use crate::{
    Admission, BrokerLimits, RefusedEvent,
    core::panic_text,
    ports::{BrokerError, Gap, Gaps},
};

/// What the threads share of one broker.
pub(super) struct SharedBroker {
    pub name: KeyText,
    pub limits: BrokerLimits,
    receives: bool,
    published: AtomicU64,
    refused: Mutex<Option<RefusedEvent>>,
    admission: Mutex<Admission>,
    paused: AtomicBool,
    /// Why the last call of each kind failed, if it did.
    errors: [Mutex<Option<BrokerError>>; 2],
    connections: AtomicU64,
    deliveries: Mutex<Deliveries>,
    /// Of its subscription, whose group this is.
    gaps: Option<Arc<dyn Gaps>>,
    group: String,
}

/// The calls of a broker: each kind fails and recovers by itself.
#[derive(Clone, Copy)]
pub(super) enum Calls {
    Publish,
    Receive,
}

impl SharedBroker {
    /// With what its relay has published. Nothing is received before [`Self::admit`].
    pub fn new(parts: &BrokerParts, limits: BrokerLimits, deliveries: Deliveries, published: u64) -> Self {
        Self {
            name: parts.name.clone(),
            limits,
            gaps: parts.broker.gaps(),
            group: parts.group.clone(),
            receives: deliveries.receives(),
            published: AtomicU64::new(published),
            refused: Mutex::default(),
            admission: Mutex::new(Admission { takes: false, resumes: 0 }),
            paused: AtomicBool::new(false),
            errors: Default::default(),
            connections: AtomicU64::new(0),
            deliveries: Mutex::new(deliveries),
        }
    }

    pub fn status(&self) -> BrokerStatus {
        BrokerStatus {
            name: self.name.clone(),
            published_segment: self.published.load(Ordering::Acquire),
            refused: self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            receives: self.receives,
            paused: self.paused.load(Ordering::Acquire),
            error: self.errors.iter().find_map(|error| lock(error).clone()),
            connections: self.connections.load(Ordering::Acquire),
            gaps: self.gaps(),
        }
    }

    /// What the subscription stands before.
    pub fn gaps(&self) -> Vec<Gap> {
        self.gaps.as_ref().map(|gaps| gaps.of(&self.group)).unwrap_or_default()
    }

    /// Lets it go on behind these.
    pub fn skip_gaps(&self, gaps: &[Gap]) -> Result<(), BrokerError> {
        match &self.gaps {
            Some(known) if !gaps.is_empty() => known.skip(&self.group, gaps),
            _ => Ok(()),
        }
    }

    /// How the last call of this kind ended.
    pub fn answered<T>(&self, calls: Calls, answer: Result<&T, &BrokerError>) {
        *lock(&self.errors[calls as usize]) = answer.err().cloned();
    }

    /// The subscription has connected.
    pub fn connected(&self) {
        self.connections.fetch_add(1, Ordering::AcqRel);
    }

    /// What was received and is not committed, and what waits at the broker.
    pub fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`crate::Core::admission`].
    pub fn admission(&self) -> Admission {
        *self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn admit(&self, admission: Admission, paused: bool) {
        *self.admission.lock().unwrap_or_else(PoisonError::into_inner) = admission;
        self.paused.store(paused, Ordering::Release);
    }

    pub fn published(&self, segment: u64) {
        self.published.store(segment, Ordering::Release);
    }

    pub fn refuses(&self, event: Option<&RefusedEvent>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = event.cloned();
    }
}

fn lock(error: &Mutex<Option<BrokerError>>) -> MutexGuard<'_, Option<BrokerError>> {
    error.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each thread holds a clone of `running` until it has ended.
pub(super) struct BrokerThreads {
    running: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
}

impl BrokerThreads {
    pub fn new() -> Self {
        let (running, ended) = mpsc::channel();
        Self { running, ended }
    }

    /// The engine does not go on without a thread that has panicked: what it publishes or receives would wait for ever.
    pub fn spawn(
        &mut self,
        shared: &Arc<Shared>,
        name: &'static str,
        broker: usize,
        run: impl FnOnce() + Send + 'static,
    ) {
        let (running, here) = (self.running.clone(), Arc::clone(shared));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
                let broker = &here.brokers[broker].name;
                here.fail(format!("the {name} of {broker} has panicked: {}", panic_text(&*panic)));
                here.tell(Input::Stop);
            }
            drop(running);
        });
        if let Err(error) = thread {
            shared.fail(format!("a thread cannot be started: {error}"));
        }
    }

    /// Waits until all have ended, but no longer than so long: then they are left to themselves.
    pub fn wait(self, at_most: Duration) {
        drop(self.running);
        if self.ended.recv_timeout(at_most) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("a broker does not answer: what it has not acknowledged comes again after the next start");
        }
    }
}
