//! A clock that stands still until it is moved.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tradewind_engine::ports::Clock;
use tradewind_events::Timestamp;

/// Shared by its clones.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<State>>);

struct State {
    now: Timestamp,
    listeners: Vec<Arc<dyn Fn() + Send + Sync>>,
}

impl ManualClock {
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State { now, listeners: Vec::new() })))
    }

    pub fn advance(&self, by: Duration) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = state.now.plus(by);
        let listeners = state.listeners.clone();
        drop(state);
        for wake in listeners {
            wake();
        }
    }
}

/// 2026-01-31T12:00:00Z.
impl Default for ManualClock {
    fn default() -> Self {
        Self::new(Timestamp::from_millis(1_769_860_800_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    fn until(&self, at: Timestamp) -> Option<Duration> {
        (at <= self.now()).then_some(Duration::ZERO)
    }

    fn on_jump(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).listeners.push(wake.into());
    }
}
