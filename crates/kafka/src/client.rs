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
    message::DeliveryResult,
    producer::ProducerContext,
};
use tradewind_engine::ports::BrokerError;

use crate::KafkaConfig;

/// At most one line of librdkafka's log gets into ours in so long, for each client: one that looks for a broker that is
/// down has much to tell.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// Calls at a time that have no deadline, such as the end of a client. One that hangs stays among them; with so many
/// nothing new is begun at this cluster.
const CALLS_MAX: usize = 16;

/// A cluster, as all clients of one broker share it.
pub(crate) struct Cluster {
    pub config: KafkaConfig,
    pub calls: Calls,
}

/// The calls that have no deadline and have not returned.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<AtomicUsize>);

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

impl ProducerContext for Reporting {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
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

impl Calls {
    /// Refuses to begin anything while too many do not return.
    pub fn may_begin(&self) -> Result<(), BrokerError> {
        let calls = self.0.load(Ordering::Acquire);
        if calls < CALLS_MAX {
            return Ok(());
        }
        Err(BrokerError::Unavailable(format!("{calls} calls of librdkafka have not returned yet")))
    }

    /// Makes a call on a thread of its own. The receiver gets its outcome; it may be left.
    pub fn make<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
        let (tell, told) = mpsc::sync_channel(1);
        let calls = Arc::clone(&self.0);
        calls.fetch_add(1, Ordering::AcqRel);
        let thread = thread::Builder::new().name("kafka-call".to_owned()).spawn(move || {
            let outcome = call();
            calls.fetch_sub(1, Ordering::AcqRel);
            // It may be that no one waits any more.
            drop(tell.send(outcome));
        });
        if let Err(error) = thread {
            // What the call owned is dropped here and now.
            self.0.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!(%error, "no thread can be started for a call of librdkafka");
        }
        told
    }

    /// Ends a client, and waits for that no longer than so long: ending one can hang (rust-rdkafka#453), and its owner must
    /// not.
    pub fn end<T: Send + 'static>(&self, client: T, wait: Duration) {
        if self.make(move || drop(client)).recv_timeout(wait).is_err() && !wait.is_zero() {
            tracing::warn!("a Kafka client does not end: it is left to itself");
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
        let calls = Calls::default();
        assert!(calls.may_begin().is_ok());
        for _ in 0..CALLS_MAX {
            let (ends, hangs) = mpsc::channel();
            calls.end(Hangs(hangs), Duration::from_millis(1));
            held.push(ends);
        }
        assert!(calls.may_begin().is_err(), "so many hang, and no more are begun");
        held.clear();
        while calls.may_begin().is_err() {
            thread::yield_now();
        }
    }

    #[test]
    fn the_log_of_a_client_is_rationed_and_its_last_error_explains() {
        let reports = Reports::new("test");
        for _ in 0..10_000 {
            reports.log(RDKafkaLogLevel::Error, "FAIL", "connection refused");
        }
        assert!(reports.seen().unlogged > 0, "a line a second at most");
        assert!(!reports.was_disconnected());
        reports.error(&KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure), "connection refused");
        reports.error(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        assert!(reports.was_disconnected());
        assert!(!reports.was_disconnected(), "it was told");
        assert_eq!(reports.explain("no answer"), "no answer (connection refused)");
        assert_eq!(reports.explain("no answer"), "no answer");
    }

    #[test]
    fn a_future_is_waited_for_until_its_deadline() {
        assert_eq!(wait(std::future::ready(1), Deadline::after(Duration::ZERO)), Some(1));
        assert_eq!(wait(std::future::pending::<u8>(), Deadline::after(Duration::from_millis(1))), None);
    }
}
