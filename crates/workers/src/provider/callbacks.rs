//! Callbacks of the simulator: signed, over HTTP, tried again within bounds until the shop takes them.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tradewind_engine::Backoff;
use tradewind_events::{Currency, Id, Timestamp, jobs::ProviderState, schemars::JsonSchema};

use super::{
    SimulatorError,
    rows::CallbackRow,
    signature::{SIGNATURE_HEADER, sign},
    simulator::Desks,
};

/// Waits between the tries of one callback.
pub(super) const RETRY: Backoff = Backoff { first: Duration::from_millis(500), most: Duration::from_mins(1) };

/// Then it is given up: the answers to our own calls tell what became of them all the same.
const ATTEMPTS_MAX: u32 = 12;

/// One try, from the connection to the head of the response.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long the store is left alone after it failed.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// The largest head of a response that is read.
const RESPONSE_HEAD_BYTES_MAX: usize = 16 * 1_024;

/// Whom the simulator calls back, and how it signs.
#[derive(Clone)]
pub struct CallbackTarget {
    /// Where the shop hears the provider: `http://127.0.0.1:8080/…`. It speaks no TLS.
    pub url: String,
    pub secret: Arc<[u8]>,
}

/// The body of a callback: where a charge stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "tradewind_events::schemars")]
pub struct Callback {
    pub order_id: Id,
    /// The provider's own name for the charge.
    pub reference: Id,
    pub state: ProviderState,
    /// In minor units of `currency`; of a refund, what was given back by it.
    pub amount_minor: i64,
    pub currency: Currency,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
}

/// Sends one callback at a time.
pub(super) struct Caller {
    agent: ureq::Agent,
    target: CallbackTarget,
}

/// Tells the thread that sends callbacks that there is something to do.
#[derive(Default)]
pub(super) struct Bell {
    state: Mutex<BellState>,
    rung: Condvar,
}

#[derive(Default)]
struct BellState {
    rings: u64,
    stopped: bool,
}

impl Caller {
    pub fn new(target: CallbackTarget) -> Result<Self, SimulatorError> {
        let url: Option<ureq::http::Uri> = target.url.parse().ok();
        if !url.is_some_and(|url| url.scheme_str() == Some("http") && url.host().is_some()) {
            return Err(SimulatorError::CallbackUrl { url: target.url });
        }
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .max_response_header_size(RESPONSE_HEAD_BYTES_MAX)
            .user_agent("tradewind-provider-simulator")
            .build();
        Ok(Self { agent: config.into(), target })
    }

    /// Whether the shop has taken it. What it says to one that it refuses is not looked at: it may be about people.
    fn send(&self, body: &str, now: Timestamp) -> Result<(), String> {
        let response = self
            .agent
            .post(&self.target.url)
            .header(SIGNATURE_HEADER, sign(&self.target.secret, body.as_bytes(), now))
            .content_type("application/json")
            .send(body)
            .map_err(|error| error.to_string())?;
        if response.status().is_success() { Ok(()) } else { Err(format!("status {}", response.status().as_u16())) }
    }

    /// Sends a callback once and keeps what became of it.
    pub fn deliver(&self, desks: &Desks, callback: &CallbackRow) -> rusqlite::Result<()> {
        let (number, key) = (callback.number, &callback.key);
        let Err(reason) = self.send(&callback.body, desks.clock.wall()) else {
            return desks.change(|rows| rows.delete_callback(number));
        };
        let attempts = callback.attempts + 1;
        let again = attempts < ATTEMPTS_MAX;
        if again {
            tracing::debug!(%key, attempts, reason, "a callback was not taken");
        } else {
            tracing::warn!(%key, attempts, reason, "a callback is given up");
        }
        let due_at = again.then(|| desks.clock.now().plus(RETRY.after(attempts, key.as_str())));
        desks.change(|rows| rows.put_off_callback(number, due_at))
    }
}

impl Bell {
    pub fn ring(&self) {
        self.lock().rings += 1;
        self.rung.notify_all();
    }

    pub fn stop(&self) {
        self.lock().stopped = true;
        self.rung.notify_all();
    }

    /// How often it was rung; `None` when all is to stop.
    fn rings(&self) -> Option<u64> {
        let state = self.lock();
        (!state.stopped).then_some(state.rings)
    }

    /// Waits until it is rung once more than `heard`, but no longer than `most`.
    fn wait(&self, heard: u64, most: Option<Duration>) {
        let quiet = |state: &mut BellState| state.rings == heard && !state.stopped;
        match most {
            Some(most) => drop(self.rung.wait_timeout_while(self.lock(), most, quiet)),
            None => drop(self.rung.wait_while(self.lock(), quiet)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BellState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that does what is due, and ends when the bell is stopped.
pub(super) fn start(desks: Arc<Desks>, caller: Arc<Caller>) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name("provider-callbacks".to_owned()).spawn(move || {
        while let Some(heard) = desks.bell.rings() {
            let next = match work(&desks, &caller) {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "the provider simulator's store failed");
                    Some(desks.clock.now().plus(STORE_WAIT))
                }
            };
            let most = next.map(|at| desks.clock.until(at));
            match most {
                Some(Some(Duration::ZERO)) => {}
                Some(most) => desks.bell.wait(heard, most),
                None => desks.bell.wait(heard, None),
            }
        }
    })
}

/// Does one thing that is due; says when the next is.
fn work(desks: &Desks, caller: &Caller) -> rusqlite::Result<Option<Timestamp>> {
    let now = desks.clock.now();
    let due = desks.with_desk(|desk| {
        desk.catch_up()?;
        desk.rows.due_callback(now)
    })?;
    if let Some(callback) = due {
        caller.deliver(desks, &callback)?;
    }
    desks.next_due()
}
