//! Tasks beside the requests: each has a name, and all of them end before the shop does.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle};

/// Tells that the shop stops. Clones tell the same.
#[derive(Clone)]
pub struct Stopping(watch::Receiver<bool>);

/// A task with its name.
type Running = (&'static str, JoinHandle<()>);

/// The tasks of a shop. Clones share them.
#[derive(Clone)]
pub struct Tasks {
    stop: Arc<watch::Sender<bool>>,
    running: Arc<Mutex<Vec<Running>>>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { stop: Arc::new(watch::Sender::new(false)), running: Arc::default() }
    }
}

impl Tasks {
    /// Runs a task until it ends or the shop stops. It may be dropped at any `await`.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping();
        self.spawn_to_end(name, async move {
            tokio::select! {
                () = task => {}
                () = stopping.stopped() => {}
            }
        });
    }

    /// Runs a task that ends by itself when it hears that the shop stops.
    #[expect(clippy::disallowed_methods, reason = "this is the one place where tasks are spawned")]
    pub fn spawn_to_end(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|(_, task)| !task.is_finished());
        running.push((name, tokio::spawn(task)));
    }

    pub fn stopping(&self) -> Stopping {
        Stopping(self.stop.subscribe())
    }

    /// Tells all tasks to stop, and waits for them. Those that take longer than `grace` are dropped.
    pub async fn stop(&self, grace: Duration) {
        self.stop.send_replace(true);
        let running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, mut task) in running {
            match tokio::time::timeout(grace, &mut task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(task = name, %error, "a task has failed"),
                Err(_) => {
                    tracing::warn!(task = name, "a task did not stop in time");
                    task.abort();
                }
            }
        }
    }
}

impl Stopping {
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the shop stops.
    pub async fn stopped(&self) {
        let mut heard = self.0.clone();
        // The sender is gone only when the shop is.
        if heard.wait_for(|stop| *stop).await.is_err() {
            tracing::debug!("the shop is gone");
        }
    }
}
