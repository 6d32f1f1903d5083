//! What the clients of librdkafka have in common: what they report, how long they are waited for, and how they end.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};
use tradewind_engine::ports::BrokerError;

/// At most one line of librdkafka's log gets into ours in so long, for each client: one that looks for a broker that is
/// down has much to tell.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// Clients that are ending at a time. One that hangs stays among them; with so many nothing new is begun.
const ENDING_MAX: usize = 16;

static ENDING: AtomicUsize = AtomicUsize::new(0);

/// What librdkafka reports of a client.
pub(crate) struct Reports {
    client: &'static str,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The last error, until it is taken.
    error: Option<String>,
    /// A connection was lost since this was last asked.
    disconnected: bool,
    logged: Option<Instant>,
    /// Lines that were not logged since the last one.
    unlogged: u32,
}

impl Reports {
    pub fn new(client: &'static str) -> Arc<Self> {
        Arc::new(Self { client, seen: Mutex::default() })
    }

    /// Whether a connection was lost since this was last asked.
    pub fn was_disconnected(&self) -> bool {
        std::mem::take(&mut self.seen().disconnected)
    }

    pub fn disconnected(&self) {
        self.seen().disconnected = true;
    }

    /// A reason with what librdkafka said last.
    pub fn explain(&self, reason: &str) -> String {
        match self.seen().error.take() {
            Some(error) => format!("{reason} ({error})"),
            None => reason.to_owned(),
        }
    }

    pub fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if matches!(level, RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug) {
            tracing::debug!(client = self.client, facility, "librdkafka: {line}");
            return;
        }
        let mut seen = self.seen();
        let now = now();
        if seen.logged.is_some_and(|logged| now.duration_since(logged) < LOG_EVERY) {
            seen.unlogged = seen.unlogged.saturating_add(1);
            return;
        }
        seen.logged = Some(now);
        let unlogged = std::mem::take(&mut seen.unlogged);
        drop(seen);
        tracing::warn!(client = self.client, facility, unlogged, "librdkafka: {line}");
    }

    /// An error that concerns the client as a whole. Each of them is a connection that could not be used.
    pub fn error(&self, error: &KafkaError, reason: &str) {
        tracing::debug!(client = self.client, %error, reason, "librdkafka reports an error");
        let mut seen = self.seen();
        seen.disconnected = true;
        let all_are_down = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        // That all are down says less than what came before it.
        if !all_are_down || seen.error.is_none() {
            seen.error = Some(reason.to_owned());
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that has nothing to report but errors and its log.
pub(crate) struct Reporting(pub Arc<Reports>);

impl ClientContext for Reporting {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(&error, reason);
    }
}

/// A moment until which something is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub fn after(wait: Duration) -> Self {
        // What is longer is as good as for ever.
        Self(now() + wait.min(Duration::from_hours(24)))
    }

    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(now())
    }

    pub fn has_passed(self) -> bool {
        self.left().is_zero()
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge waits for a broker; no handler and no test sees this time")]
fn now() -> Instant {
    Instant::now()
}

/// Refuses to begin anything while too many clients do not end.
pub(crate) fn may_begin() -> Result<(), BrokerError> {
    let ending = ENDING.load(Ordering::Acquire);
    if ending < ENDING_MAX {
        return Ok(());
    }
    Err(BrokerError::Unavailable(format!("{ending} clients of librdkafka have not ended yet")))
}

/// Ends a client on a thread of its own, and waits for that no longer than so long: ending one can hang (rust-rdkafka#453),
/// and its owner must not.
pub(crate) fn end<T: Send + 'static>(client: T, wait: Duration) {
    ENDING.fetch_add(1, Ordering::AcqRel);
    let (ended, told) = mpsc::channel::<()>();
    let thread = thread::Builder::new().name("kafka-end".to_owned()).spawn(move || {
        drop(client);
        ENDING.fetch_sub(1, Ordering::AcqRel);
        drop(ended);
    });
    match thread {
        Ok(_) => {
            if told.recv_timeout(wait) == Err(mpsc::RecvTimeoutError::Timeout) && !wait.is_zero() {
                tracing::warn!("a Kafka client does not end: it is left to itself");
            }
        }
        Err(error) => {
            // It was dropped with the thread's closure.
            ENDING.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!(%error, "no thread can be started to end a Kafka client");
        }
    }
}

/// Wakes the thread that waits for a future.
struct Waking(Thread);

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for what librdkafka answers to an administrator's request; none when the deadline passes.
pub(crate) fn wait<F: Future>(future: F, deadline: Deadline) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Waking(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(answer);
        }
        if deadline.has_passed() {
            return None;
        }
        thread::park_timeout(deadline.left());
    }
}

/// What the engine is told of an error: somebody must change something, or it passes by itself.
pub(crate) fn broker_error(doing: &str, error: &KafkaError) -> BrokerError {
    let code = error.rdkafka_error_code();
    let text = format!("{doing}: {error}");
    if code.is_some_and(is_refusal) { BrokerError::Refused(text) } else { BrokerError::Unavailable(text) }
}

/// Whether the same request would fail again and again.
pub(crate) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::MessageBatchTooLarge
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::InvalidTimestamp
            | RDKafkaErrorCode::InvalidTopic
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::PolicyViolation
            | RDKafkaErrorCode::InvalidConfig
            | RDKafkaErrorCode::InvalidPartitions
            | RDKafkaErrorCode::InvalidReplicationFactor
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::InvalidGroupId
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_does_not_end_holds_up_no_one() {
        struct Hangs(mpsc::Receiver<()>);
        impl Drop for Hangs {
            fn drop(&mut self) {
                assert!(self.0.recv().is_err(), "nothing is ever sent");
            }
        }
        let mut held = Vec::new();
        assert!(may_begin().is_ok());
        for _ in 0..ENDING_MAX {
            let (ends, hangs) = mpsc::channel();
            end(Hangs(hangs), Duration::from_millis(1));
            held.push(ends);
        }
        assert!(may_begin().is_err(), "so many hang, and no more are begun");
        held.clear();
        while may_begin().is_err() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_future_is_waited_for_until_its_deadline() {
        assert_eq!(wait(std::future::ready(1), Deadline::after(Duration::ZERO)), Some(1));
        assert_eq!(wait(std::future::pending::<u8>(), Deadline::after(Duration::from_millis(1))), None);
    }
}
