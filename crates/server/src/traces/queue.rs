//! What waits to be sent. It is bounded: what has no room is dropped, counted, and told in the log.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{BATCH_SPANS_MAX, Ended};
use crate::metrics::TraceFigures;

/// Between those whose steps end and the thread that sends them.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    spans_max: usize,
    figures: TraceFigures,
}

#[derive(Default)]
struct State {
    spans: VecDeque<Ended>,
    /// Since it was last told.
    dropped: u64,
    stopping: bool,
}

/// What was taken from the queue.
pub(super) struct Taken {
    /// At most [`BATCH_SPANS_MAX`].
    pub spans: Vec<Ended>,
    pub stopping: bool,
}

impl Queue {
    pub fn new(spans_max: usize, figures: TraceFigures) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), spans_max, figures }
    }

    /// Takes what there is room for.
    pub fn push(&self, spans: impl IntoIterator<Item = Ended>) {
        let mut dropped = 0;
        let mut state = self.lock();
        let before = state.spans.len();
        for span in spans {
            if state.spans.len() < self.spans_max {
                state.spans.push_back(span);
            } else {
                dropped += 1;
            }
        }
        state.dropped += dropped;
        let full = before < BATCH_SPANS_MAX && state.spans.len() >= BATCH_SPANS_MAX;
        drop(state);
        if full {
            self.changed.notify_all();
        }
        self.figures.dropped(dropped);
    }

    /// Waits until a batch is full, or as long as this.
    pub fn take(&self, patience: Duration) -> Taken {
        let waits = |state: &mut State| state.spans.len() < BATCH_SPANS_MAX && !state.stopping;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, waits);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let count = state.spans.len().min(BATCH_SPANS_MAX);
        Taken { spans: state.spans.drain(..count).collect(), stopping: state.stopping }
    }

    /// Waits as long as this, or until all is to stop.
    pub fn pause(&self, at_most: Duration) {
        let waited = self.changed.wait_timeout_while(self.lock(), at_most, |state| !state.stopping);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// How many were dropped since it was last asked.
    pub fn dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    /// Nothing ends any more: what is here is to be sent, and then all is to end.
    pub fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
