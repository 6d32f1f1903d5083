//! Who waits for an event: requests with `Prefer: wait`, and event streams. Each waits for events of one key, or of one
//! order, whatever their key is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::mpsc;
use tradewind_engine::Logged;
use tradewind_events::Id;
use tradewind_query::order_of;

/// Events that may wait for a slow reader. One that is further behind is cut off, and resumes from the log.
const BEHIND_MAX: usize = 256;

/// Hands events to those who wait.
#[derive(Default)]
pub struct Hub {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    by_key: HashMap<Id, Vec<(u64, mpsc::Sender<Logged>)>>,
}

/// Somebody who waits for events of a key.
pub struct Watch {
    hub: Arc<Hub>,
    key: Id,
    number: u64,
    events: mpsc::Receiver<Logged>,
}

impl Hub {
    /// From now on the events of this key are heard. Who also reads the log must watch first and read then.
    pub fn watch(self: &Arc<Self>, key: &Id) -> Watch {
        let (sender, events) = mpsc::channel(BEHIND_MAX);
        let mut waiting = self.lock();
        waiting.next += 1;
        let number = waiting.next;
        waiting.by_key.entry(key.clone()).or_default().push((number, sender));
        Watch { hub: Arc::clone(self), key: key.clone(), number, events }
    }

    /// To be called with the events of every commit.
    pub fn hear(&self, events: &[Logged]) {
        let mut waiting = self.lock();
        if waiting.by_key.is_empty() {
            return;
        }
        for event in events {
            let key = &event.envelope.key;
            let order = order_of(&*event.envelope.event).filter(|order_id| order_id != key);
            for key in order.iter().chain([key]) {
                if let Some(watches) = waiting.by_key.get_mut(key) {
                    watches.retain(|(_, sender)| sender.try_send(event.clone()).is_ok());
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// The next event; `None` when the reader was too slow and must read the log.
    pub async fn next(&mut self) -> Option<Logged> {
        self.events.recv().await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = self.hub.lock();
        if let Some(watches) = waiting.by_key.get_mut(&self.key) {
            watches.retain(|(number, _)| *number != self.number);
            if watches.is_empty() {
                waiting.by_key.remove(&self.key);
            }
        }
    }
}
