//! Clocks that stand still until they are moved.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tradewind_engine::ports::{Clock, Reading};
use tradewind_events::Timestamp;

/// How much time passes with a reading.
pub type Creep = Box<dyn FnMut() -> Duration + Send>;

/// How much time passes before each message of an open batch, when [`ManualClock::move_in_batches`] asks for it.
pub const BATCH_STEP: Duration = Duration::from_millis(1);

/// A wall clock and a monotonic clock. Clones share them.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<State>>);

struct State {
    reading: Reading,
    began: Timestamp,
    /// Time also passes with each reading.
    creep: Option<Creep>,
    /// Time passes before each message of an open batch.
    moves: bool,
    listeners: Vec<Arc<dyn Fn() + Send + Sync>>,
}

impl ManualClock {
    pub fn new(now: Timestamp) -> Self {
        let reading = Reading { wall: now, monotonic: Duration::ZERO };
        Self(Arc::new(Mutex::new(State { reading, began: now, creep: None, moves: false, listeners: Vec::new() })))
    }

    /// Time passes: both clocks go on.
    pub fn advance(&self, by: Duration) {
        self.change(|state| state.go_on(by));
    }

    /// Somebody sets the wall clock, ahead or back by so many milliseconds. No time passes.
    pub fn jump(&self, by_ms: i64) {
        self.change(|state| {
            let wall_ms = state.reading.wall.as_millis().saturating_add(by_ms);
            state.reading.wall = Timestamp::from_millis(wall_ms);
        });
    }

    /// Sets the wall clock right: it shows [`ManualClock::true_time`] again.
    pub fn set_right(&self) {
        self.change(|state| state.reading.wall = state.true_time());
    }

    /// What the wall clock shows.
    pub fn now(&self) -> Timestamp {
        self.state().reading.wall
    }

    /// What the wall clock would show if nobody had set it.
    pub fn true_time(&self) -> Timestamp {
        self.state().true_time()
    }

    /// From now on time passes with each reading; with `None` no more.
    pub fn creep(&self, creep: Option<Creep>) {
        self.state().creep = creep;
    }

    /// From now on [`BATCH_STEP`] passes before each message of an open batch: what compares a reading of the clock with
    /// the time of its batch then fails.
    pub fn move_in_batches(&self, moves: bool) {
        self.state().moves = moves;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let listeners = state.listeners.clone();
        drop(state);
        for wake in listeners {
            wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn go_on(&mut self, by: Duration) {
        self.reading.wall = self.reading.wall.plus(by);
        self.reading.monotonic = self.reading.monotonic.saturating_add(by);
    }

    fn true_time(&self) -> Timestamp {
        self.began.plus(self.reading.monotonic)
    }
}

/// 2026-01-31T12:00:00Z.
impl Default for ManualClock {
    fn default() -> Self {
        Self::new(Timestamp::from_millis(1_769_860_800_000))
    }
}

impl Clock for ManualClock {
    fn read(&self) -> Reading {
        let mut state = self.state();
        if let Some(by) = state.creep.as_mut().map(|creep| creep()) {
            state.go_on(by);
        }
        state.reading
    }

    fn sleep(&self, wait: Duration) -> Option<Duration> {
        wait.is_zero().then_some(Duration::ZERO)
    }

    fn on_jump(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.state().listeners.push(wake.into());
    }

    /// Wakes no listener: the batch loop looks at the clock after the batch.
    fn batch_goes_on(&self) {
        let mut state = self.state();
        if state.moves {
            state.go_on(BATCH_STEP);
        }
    }
}
