//! The threads that call a broker. A call may hang, so a stop waits for them no longer than it has to.

use std::{
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use super::Shared;

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

    pub fn spawn(&mut self, shared: &Arc<Shared>, name: &str, run: impl FnOnce() + Send + 'static) {
        let running = self.running.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            run();
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
