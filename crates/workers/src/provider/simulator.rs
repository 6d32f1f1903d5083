//! The built-in payment provider: deterministic, with a store of its own, and able to go wrong in every way.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};
use tradewind_engine::EngineTime;
use tradewind_events::{
    Id, Timestamp,
    jobs::{ProviderAnswer, ProviderCall},
};

use super::{
    AmountRules, CallbackTarget, Charge, Forced, PaymentProvider, Unanswered,
    callbacks::{self, Bell, Caller},
    desk::{Desk, Handled},
    forced::Rules,
    rows::{self, Rows},
};

/// How the simulator is run.
pub struct SimulatorOptions {
    /// Where it keeps what it was asked; in memory when there is no file.
    pub file: Option<PathBuf>,
    /// Whom it calls back; nobody when there is none, and then it answers everything.
    pub callbacks: Option<CallbackTarget>,
    /// Which amounts go otherwise than well.
    pub amounts: AmountRules,
    /// How long what is late takes.
    pub late_after: Duration,
    pub clock: EngineTime,
}

/// What is wrong with the simulator's store or its configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulatorError {
    #[error("{store} is no store of the provider simulator: choose another path")]
    NotOurs { store: String },
    #[error("{store} is of another version of the provider simulator (schema {theirs}, this one knows {ours})")]
    OtherVersion { store: String, theirs: u32, ours: u32 },
    #[error("the provider simulator's store {store} cannot be used ({reason})")]
    Store { store: String, reason: String },
    #[error("the provider simulator's store {store} cannot be read by this user")]
    Unreadable { store: String },
    #[error("the provider simulator cannot call back at {url:?}: give an http URL, it speaks no TLS")]
    CallbackUrl { url: String },
    #[error("no thread can be started for callbacks ({reason})")]
    Thread { reason: String },
}

/// How many callbacks the shop has not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallbackCounts {
    /// They will be sent, or sent again.
    pub waiting: u32,
    pub given_up: u32,
}

/// A payment provider for development, tests and demonstrations. No money moves.
pub struct ProviderSimulator {
    desks: Arc<Desks>,
    caller: Option<Arc<Caller>>,
    thread: Option<JoinHandle<()>>,
}

/// The charges of a simulator that may be running in another process.
pub struct ProviderRecords {
    connection: Connection,
    store: String,
}

/// What calls and callbacks share: one store, and a line before it.
pub(super) struct Desks {
    store: Mutex<Connection>,
    line: Mutex<Vec<Arc<Waiting>>>,
    rules: Rules,
    pub clock: EngineTime,
    pub bell: Arc<Bell>,
}

/// A call in the line.
struct Waiting {
    call: ProviderCall,
    handled: Mutex<Option<Handled>>,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self {
            file: None,
            callbacks: None,
            amounts: AmountRules::default(),
            late_after: Duration::from_secs(5),
            clock: EngineTime::default(),
        }
    }
}

impl ProviderSimulator {
    /// What it was asked before, and has not called back about, is found again.
    pub fn open(options: SimulatorOptions) -> Result<Self, SimulatorError> {
        let SimulatorOptions { file, callbacks, amounts, late_after, clock } = options;
        let caller = callbacks.map(Caller::new).transpose()?.map(Arc::new);
        let bell = Arc::new(Bell::default());
        let rung = Arc::clone(&bell);
        clock.on_jump(Box::new(move || rung.ring()));
        let desks = Arc::new(Desks {
            store: Mutex::new(rows::open(file.as_deref())?),
            line: Mutex::default(),
            rules: Rules { amounts, late_after, callbacks: caller.is_some() },
            clock,
            bell,
        });
        let started = caller.as_ref().map(|caller| callbacks::start(Arc::clone(&desks), Arc::clone(caller)));
        let thread = started.transpose().map_err(|error| SimulatorError::Thread { reason: error.to_string() })?;
        Ok(Self { desks, caller, thread })
    }

    /// Where the simulator of a shop keeps its store, unless told otherwise: beside the shop's.
    pub fn file_beside(store: &Path) -> PathBuf {
        let mut name = store.as_os_str().to_owned();
        name.push(".provider");
        name.into()
    }

    /// From now on, calls about this order go like this, whatever its amount.
    pub fn force(&self, order_id: &Id, forced: Forced) -> Result<(), SimulatorError> {
        self.desks.change(|rows| rows.put_forced(order_id, forced)).map_err(|error| failed(&error))
    }

    /// Its charges in the order of their references, after one of them.
    pub fn charges(&self, after: Option<&Id>, limit: usize) -> Result<Vec<Charge>, SimulatorError> {
        let store = lock(&self.desks.store);
        rows::charges(&store, after.map_or("", Id::as_str), limit).map_err(|error| failed(&error))
    }

    pub fn callbacks(&self) -> Result<CallbackCounts, SimulatorError> {
        let (waiting, given_up) = rows::callback_counts(&lock(&self.desks.store)).map_err(|error| failed(&error))?;
        Ok(CallbackCounts { waiting, given_up })
    }

    /// Whether nothing is left that is to be done by itself by now: what is late, and callbacks.
    pub fn is_idle(&self) -> Result<bool, SimulatorError> {
        let now = self.desks.clock.now();
        self.desks.next_due().map(|due| due.is_none_or(|due| due > now)).map_err(|error| failed(&error))
    }

    fn call_back(&self, number: i64) {
        let Some(caller) = &self.caller else { return };
        let callback = self.desks.with_desk(|desk| desk.rows.callback(number));
        let delivered = callback.and_then(|callback| match callback {
            Some(callback) => caller.deliver(&self.desks, &callback),
            None => Ok(()),
        });
        if let Err(error) = delivered {
            tracing::error!(%error, "the provider simulator's store failed");
        }
    }
}

impl PaymentProvider for ProviderSimulator {
    fn ask(&self, call: &ProviderCall) -> Result<ProviderAnswer, Unanswered> {
        let handled = self.desks.ask(call);
        if let Some(number) = handled.call_back_first {
            self.call_back(number);
        }
        handled.answer
    }
}

impl Drop for ProviderSimulator {
    fn drop(&mut self) {
        self.desks.bell.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for callbacks has panicked");
        }
    }
}

impl ProviderRecords {
    pub fn open(file: &Path) -> Result<Self, SimulatorError> {
        Ok(Self { connection: rows::open_reader(file)?, store: file.display().to_string() })
    }

    /// Charges in the order of their references, after one of them.
    pub fn charges(&self, after: Option<&Id>, limit: usize) -> Result<Vec<Charge>, SimulatorError> {
        let charges = rows::charges(&self.connection, after.map_or("", Id::as_str), limit);
        charges.map_err(|error| SimulatorError::Store { store: self.store.clone(), reason: error.to_string() })
    }
}

impl Desks {
    /// Calls that come at the same time share one transaction, and with it one flush of the disk: whoever reaches the
    /// store first serves everybody who has got in line meanwhile.
    fn ask(&self, call: &ProviderCall) -> Handled {
        let mine = Arc::new(Waiting { call: call.clone(), handled: Mutex::default() });
        lock(&self.line).push(Arc::clone(&mine));
        let mut store = lock(&self.store);
        if let Some(handled) = lock(&mine.handled).take() {
            return handled;
        }
        let served = std::mem::take(&mut *lock(&self.line));
        let handled = self.transact(&mut store, |desk| {
            desk.catch_up()?;
            served.iter().map(|waiting| desk.ask(&waiting.call)).collect::<rusqlite::Result<Vec<_>>>()
        });
        match handled {
            Ok(handled) => {
                for (waiting, handled) in served.iter().zip(handled) {
                    *lock(&waiting.handled) = Some(handled);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the provider simulator's store failed");
                for waiting in &served {
                    *lock(&waiting.handled) = Some(Handled::unanswered(Unanswered::Unavailable));
                }
            }
        }
        let handled = lock(&mine.handled).take();
        handled.unwrap_or_else(|| Handled::unanswered(Unanswered::Unavailable))
    }

    /// Does something in a transaction of its own.
    pub fn with_desk<T>(&self, work: impl FnOnce(&Desk<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.transact(&mut lock(&self.store), work)
    }

    pub fn change(&self, work: impl FnOnce(&Rows<'_>) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        self.with_desk(|desk| work(&desk.rows))
    }

    pub fn next_due(&self) -> rusqlite::Result<Option<Timestamp>> {
        rows::next_due(&lock(&self.store))
    }

    fn transact<T>(
        &self,
        store: &mut Connection,
        work: impl FnOnce(&Desk<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = store.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (now, to_do) = (self.clock.now(), Cell::new(false));
        let desk = Desk { rows: Rows(&transaction), rules: &self.rules, now, to_do };
        let done = work(&desk)?;
        let to_do = desk.to_do.get();
        transaction.commit()?;
        if to_do {
            self.bell.ring();
        }
        Ok(done)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(error: &rusqlite::Error) -> SimulatorError {
    SimulatorError::Store { store: "of this process".to_owned(), reason: error.to_string() }
}
