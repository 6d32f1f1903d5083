//! The threads that call a broker. A call may hang, so a stop waits for them no longer than it has to.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use super::{Input, Shared};
use crate::core::panic_text;

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
    pub fn spawn(&mut self, shared: &Arc<Shared>, name: &'static str, run: impl FnOnce() + Send + 'static) {
        let (running, here) = (self.running.clone(), Arc::clone(shared));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
                here.fail(format!("the {name} thread has panicked: {}", panic_text(&*panic)));
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
            tracing::warn!("the broker does not answer: what it has not acknowledged comes again after the next start");
        }
    }
}
