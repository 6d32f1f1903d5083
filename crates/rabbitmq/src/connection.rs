//! One connection with its one channel. Callers write and wait here, on threads of their own and no longer than they
//! say; `transport.rs` moves the bytes. Whatever goes wrong ends the connection, and what it was stays readable.

mod inbox;

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tradewind_engine::ports::BrokerMessage;

use crate::{
    config::Settings,
    driver::Driver,
    wire::{self, Login, Method},
};
pub use inbox::Inbox;

/// Bytes that wait to be written, when a caller that has more waits as well.
const OUT_BYTES_MAX: usize = 1_024 * 1_024;

/// Why a connection has ended, or a call was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The server's code, if the server has ended it.
    pub code: Option<u16>,
    pub text: String,
}

/// Dropping it closes the connection in the background: what was written before still goes out, for a few seconds.
pub struct Connection(Arc<Line>);

/// What callers and the transport share.
pub struct Line {
    state: Mutex<State>,
    changed: Condvar,
    /// Something is to be written.
    pub written: Notify,
    /// The connection is to be closed.
    pub closing: Notify,
    /// There is room for deliveries again.
    pub taken: Notify,
}

#[derive(Default)]
struct State {
    out: Vec<u8>,
    connected: bool,
    closing: bool,
    end: Option<Fault>,
    inbox: Inbox,
}

impl Fault {
    pub fn lost(text: impl Into<String>) -> Self {
        Self { code: None, text: text.into() }
    }

    /// The server does not let it happen, and will not until its operator or ours has changed something.
    pub fn is_refusal(&self) -> bool {
        // access-refused, not-found, resource-locked, precondition-failed, not-allowed
        matches!(self.code, Some(403 | 404 | 405 | 406 | 530))
    }
}

impl Connection {
    /// Connects, logs in and opens the channel. Each step takes no longer than `Timing::answer_wait`.
    pub fn open(driver: &Driver, settings: &Settings, name: &str) -> Result<Self, Fault> {
        let line = Arc::new(Line::new());
        let connection = Self(Arc::clone(&line));
        driver.connect(line, settings)?;
        connection.log_in(settings, name).map_err(|fault| {
            let todo = match fault.code {
                Some(403) => format!("check the name and the password of the user {}", settings.user),
                Some(530) => format!(
                    "is there a virtual host {}, and may the user {} use it (rabbitmqctl set_permissions)?",
                    settings.vhost, settings.user
                ),
                _ => return fault,
            };
            Fault { text: format!("{}; {todo}", fault.text), ..fault }
        })?;
        Ok(connection)
    }

    fn log_in(&self, settings: &Settings, name: &str) -> Result<(), Fault> {
        let wait = settings.timing.answer_wait;
        self.wait(wait, "it did not connect", |look| look.connected.then_some(()))?;
        let first = wire::PROTOCOL_HEADER.to_vec();
        expect(self.call(first, wait)?, |method| matches!(method, Method::Start))?;
        let login = Login { user: &settings.user, password: settings.password.reveal(), name };
        let tune = self.call(wire::start_ok(&login).map_err(Fault::lost)?, wait)?;
        let Method::Tune { frame_bytes_max, heartbeat } = tune else { return Err(unexpected(&tune)) };
        let frame_bytes_max = match frame_bytes_max {
            0 => wire::FRAME_BYTES_MAX,
            offered => offered.clamp(wire::FRAME_BYTES_MIN, wire::FRAME_BYTES_MAX),
        };
        let ours = u16::try_from(settings.timing.heartbeat.as_secs()).unwrap_or(u16::MAX).max(1);
        let heartbeat = if heartbeat == 0 { ours } else { ours.min(heartbeat) };
        let mut tuned = wire::tune_ok(frame_bytes_max, heartbeat);
        tuned.extend(wire::open(&settings.vhost).map_err(Fault::lost)?);
        expect(self.call(tuned, wait)?, |method| matches!(method, Method::OpenOk))?;
        self.look(|inbox| inbox.frame_bytes_max = frame_bytes_max as usize);
        expect(self.call(wire::channel_open(), wait)?, |method| matches!(method, Method::ChannelOpenOk)).map(drop)
    }

    /// Sends a method and waits for its answer.
    pub fn call(&self, request: Vec<u8>, wait: Duration) -> Result<Method, Fault> {
        self.push(request, wait)?;
        self.wait(wait, "it did not answer", |state| state.inbox.replies.pop_front())
    }

    /// Sends bytes, as soon as fewer than 1 MiB wait.
    pub fn push(&self, bytes: Vec<u8>, wait: Duration) -> Result<(), Fault> {
        let mut bytes = Some(bytes);
        self.wait(wait, "it did not take what was sent", |state| {
            if state.has_ended || state.out.len() >= OUT_BYTES_MAX {
                return None;
            }
            state.out.extend(bytes.take()?);
            Some(())
        })?;
        self.0.written.notify_one();
        Ok(())
    }

    /// Waits until `look` finds something, or the connection ends. After so long it is an error, which ends nothing.
    pub fn wait<T>(
        &self,
        wait: Duration,
        what: &str,
        mut look: impl FnMut(&mut Look) -> Option<T>,
    ) -> Result<T, Fault> {
        let mut found = None;
        let nothing = |state: &mut State| {
            let State { out, connected, inbox, end, .. } = state;
            found = look(&mut Look { out, connected: *connected, has_ended: end.is_some(), inbox });
            found.is_none() && state.end.is_none()
        };
        let waited = self.0.changed.wait_timeout_while(self.0.state(), wait, nothing);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let blocked = state.inbox.blocked.as_ref();
        match (found, &state.end) {
            (Some(found), _) => Ok(found),
            (None, Some(end)) => Err(end.clone()),
            (None, None) => Err(Fault::lost(match blocked {
                Some(reason) => format!("the server blocks this connection by an alarm: {reason}"),
                None => format!("{what} in time"),
            })),
        }
    }

    /// Waits, unless the connection ends.
    pub fn idle(&self, wait: Duration) -> Result<(), Fault> {
        let waited = self.wait(wait, "", |_| None::<()>);
        if self.end().is_some() { waited } else { Ok(()) }
    }

    /// Looks at what has come, and makes room for more.
    pub fn look<T>(&self, look: impl FnOnce(&mut Inbox) -> T) -> T {
        let found = look(&mut self.0.state().inbox);
        self.0.taken.notify_one();
        found
    }

    /// Why the connection has ended, if it has.
    pub fn end(&self) -> Option<Fault> {
        self.0.state().end.clone()
    }
}

/// What a waiting caller sees.
pub struct Look<'a> {
    pub out: &'a mut Vec<u8>,
    pub connected: bool,
    pub has_ended: bool,
    pub inbox: &'a mut Inbox,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.out.extend(wire::close());
        state.closing = true;
        drop(state);
        self.0.written.notify_one();
        self.0.closing.notify_one();
        self.0.taken.notify_one();
    }
}

impl Line {
    fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            written: Notify::new(),
            closing: Notify::new(),
            taken: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn connected(&self) {
        self.state().connected = true;
        self.changed.notify_all();
    }

    /// The connection has ended; the first reason counts.
    pub fn ended(&self, fault: Fault) {
        let mut state = self.state();
        state.end.get_or_insert(fault);
        // Nothing is written or read any more, and what was delivered cannot be acknowledged.
        state.out = Vec::new();
        state.inbox.forget_deliveries();
        drop(state);
        self.changed.notify_all();
    }

    /// What is to be written now.
    pub fn take_out(&self) -> Vec<u8> {
        let out = std::mem::take(&mut self.state().out);
        if !out.is_empty() {
            self.changed.notify_all();
        }
        out
    }

    /// Whether what is delivered fits the memory that this connection may have. One that is closing keeps nothing.
    pub fn has_room(&self, bytes_max: usize) -> bool {
        let state = self.state();
        state.closing || state.end.is_some() || state.inbox.delivered_bytes() < bytes_max
    }

    /// Takes the complete frames of what was read; how many bytes they have. After an error the connection is of no use.
    pub fn take_frames(&self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut state = self.state();
        let mut taken = 0;
        let outcome = loop {
            match wire::Frame::first(&bytes[taken..]) {
                Ok(None) => break Ok(taken),
                Ok(Some((frame, length))) => {
                    let State { out, inbox, closing, .. } = &mut *state;
                    if let Err(fault) = inbox.take(&frame, out, *closing) {
                        break Err(fault);
                    }
                    taken += length;
                }
                Err(wire::Malformed(expected)) => {
                    break Err(Fault::lost(format!("the server does not send {expected}")));
                }
            }
        };
        let writes = !state.out.is_empty();
        if let Err(fault) = &outcome {
            state.end.get_or_insert_with(|| fault.clone());
        }
        drop(state);
        self.changed.notify_all();
        if writes {
            self.written.notify_one();
        }
        outcome
    }
}

/// An answer that is the one to this call.
pub fn expect(answer: Method, is_it: impl FnOnce(&Method) -> bool) -> Result<Method, Fault> {
    if is_it(&answer) { Ok(answer) } else { Err(unexpected(&answer)) }
}

pub fn unexpected(answer: &Method) -> Fault {
    Fault::lost(format!("the server answers with {answer:?}, which was not asked for"))
}

/// Whether a message that came back is this one.
pub fn is_same(returned: &BrokerMessage, message: &BrokerMessage) -> bool {
    returned.properties.message_id == message.properties.message_id
        && returned.topic == message.topic
        && returned.routing_key.as_deref().unwrap_or_default() == message.routing_key.as_deref().unwrap_or_default()
        && returned.key == message.key
        && returned.body == message.body
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A delivery with a body of this many bytes.
    fn delivery(tag: u64, body: usize) -> Vec<u8> {
        let frame = |kind: u8, payload: &[u8]| {
            let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
            [&[kind, 0, 1], &size[..], payload, &[0xCE]].concat()
        };
        let method = [&[0, 60, 0, 60, 0][..], &tag.to_be_bytes(), &[0, 1, b'e', 0]].concat();
        let header = [&[0, 60, 0, 0][..], &(body as u64).to_be_bytes(), &[0, 0]].concat();
        [frame(1, &method), frame(2, &header), frame(3, &vec![0; body])].concat()
    }

    #[test]
    fn there_is_room_until_the_memory_is_full_and_again_when_something_is_taken() {
        let line = Arc::new(Line::new());
        let connection = Connection(Arc::clone(&line));
        for tag in 1..=10 {
            assert!(line.has_room(1_000), "before message {tag}");
            let bytes = delivery(tag, 100);
            assert_eq!(line.take_frames(&bytes), Ok(bytes.len()));
        }
        assert!(!line.has_room(1_000));
        assert_eq!(connection.look(Inbox::take_delivery).map(|delivery| delivery.tag), Some(1));
        assert!(!line.has_room(900) && line.has_room(1_000));
        drop(connection);
        assert!(line.has_room(0), "one that is closing keeps nothing, and reads on");
        let bytes = delivery(11, 100);
        assert_eq!(line.take_frames(&bytes), Ok(bytes.len()));
        assert_eq!(line.state().inbox.deliveries.len(), 9);
    }

    #[test]
    fn a_caller_that_writes_waits_for_room_and_no_longer_than_it_says() {
        let line = Arc::new(Line::new());
        let connection = Connection(Arc::clone(&line));
        let push = |bytes: usize| connection.push(vec![0; bytes], Duration::ZERO);
        assert_eq!(push(OUT_BYTES_MAX), Ok(()), "one message may be larger");
        assert!(push(1).is_err());
        assert_eq!(line.take_out().len(), OUT_BYTES_MAX);
        assert_eq!(push(1), Ok(()));
        line.ended(Fault::lost("the end"));
        assert_eq!(push(1), Err(Fault::lost("the end")));
    }
}
