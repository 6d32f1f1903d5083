//! Streams end with what opened them: a session, or the rights of a user or service client.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::sync::oneshot;
use tradewind_engine::Logged;
use tradewind_events::{
    Id,
    identity::{UserDeleted, UserSignedOut},
};

use super::call::Principal;

/// Who has a stream open.
#[derive(Default)]
pub struct Endings {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    by_principal: HashMap<Id, Vec<OpenStream>>,
}

struct OpenStream {
    number: u64,
    session_id: Option<Id>,
    /// Dropping it ends the stream.
    _ends: oneshot::Sender<()>,
}

/// Ready when the stream has to end.
pub struct Ending {
    endings: Arc<Endings>,
    principal: Id,
    number: u64,
    ended: oneshot::Receiver<()>,
}

impl Endings {
    /// A stream opens in the name of a principal.
    pub fn watch(self: &Arc<Self>, principal: &Principal) -> Ending {
        let (ends, ended) = oneshot::channel();
        let mut open = self.lock();
        open.next += 1;
        let number = open.next;
        let stream = OpenStream { number, session_id: principal.session_id.clone(), _ends: ends };
        open.by_principal.entry(principal.id.clone()).or_default().push(stream);
        Ending { endings: Arc::clone(self), principal: principal.id.clone(), number, ended }
    }

    /// Ends the streams of a session; without a session, all streams of a user or service client.
    pub fn ended(&self, principal: &Id, session_id: Option<&Id>) {
        let mut open = self.lock();
        let Some(streams) = open.by_principal.get_mut(principal) else { return };
        streams.retain(|stream| session_id.is_some() && stream.session_id.as_ref() != session_id);
        if streams.is_empty() {
            open.by_principal.remove(principal);
        }
    }

    /// To be called with the events of every commit.
    pub fn hear(&self, events: &[Logged]) {
        for event in events.iter().map(|event| event.envelope.event.as_any()) {
            if let Some(UserSignedOut { user_id, session_id }) = event.downcast_ref() {
                self.ended(user_id, Some(session_id));
            } else if let Some(UserDeleted { user_id, .. }) = event.downcast_ref() {
                self.ended(user_id, None);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Ending {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.ended).poll(context).map(|_| ())
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut open = self.endings.lock();
        if let Some(streams) = open.by_principal.get_mut(&self.principal) {
            streams.retain(|stream| stream.number != self.number);
            if streams.is_empty() {
                open.by_principal.remove(&self.principal);
            }
        }
    }
}
