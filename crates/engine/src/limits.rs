//! Every bound of the engine, in one place.

use std::time::Duration;

/// The default of [`Limits::event_bytes_max`]. The largest event that legal input leads to is smaller: a test builds it
/// from the bounds of its fields (`crates/audit/tests/audit/largest.rs`).
pub const EVENT_BYTES_MAX: usize = 960 * 1024;

/// So many sources beside its own name a service declares at most ([`crate::Service::emits_as`]).
pub const IMPORTED_SOURCES_MAX: usize = 16;

/// Bounds of one engine.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Messages that one batch takes in. What it has taken in it finishes, with all that follows from it; the bounds
    /// below only keep it from taking more.
    pub batch_messages_max: usize,
    /// Rows that a batch has changed when it takes no further message.
    pub batch_rows_max: usize,
    /// Events that a batch has said when it takes no further message.
    pub batch_events_max: usize,
    /// Bytes that a batch writes when it takes no further message: of rows as they weigh in memory, of events as they
    /// are in JSON.
    pub batch_bytes_max: usize,
    /// How long a batch has been forming when it takes no further message.
    pub batch_forming_max: Duration,
    /// The data of one event, in bytes of JSON. A handler that emits a larger one fails. Brokers accept messages of 1 MB
    /// (1,048,576 bytes) by default; what is left is for the envelope.
    pub event_bytes_max: usize,
    /// How often one run of a handler may look up or write a row. The count is the same whether the rows are in memory or
    /// not, so a handler that needs too many always fails.
    pub handler_look_ups_max: usize,
    /// How long a chain of events may be inside one batch.
    pub cascade_depth_max: u16,
    /// Commands that wait for a batch; more are refused. Received events have a share of their own,
    /// [`Limits::received_max`].
    pub intake_max: usize,
    /// Timers that are due and in line for a batch; as many parked messages of resumed consumers. At least 2. The others
    /// wait in the store.
    pub in_line_max: usize,
    /// Rows that are due soon and kept in memory: of timers, and of each kind of job. At least 1. They are read in pages of
    /// a twentieth.
    pub due_rows_max: usize,
    /// Bytes of messages that are received from a broker and not committed, when no more are polled. It is exceeded by one
    /// poll at most, when messages are suddenly larger than those before them.
    pub received_bytes_max: usize,
    /// Bytes of committed events that wait for the relay in memory. What does not fit is read from the log.
    pub relay_bytes_max: usize,
    /// The relay publishes at most so many bytes in one call of the broker, but at least one message.
    pub publish_bytes_max: usize,
    /// The relay publishes at most so many messages in one call of the broker.
    pub publish_messages_max: usize,
    /// The relay saves its mark after so many segments, and whenever it has published everything.
    pub mark_every_segments: u64,
    /// At a stop, after the last commit, a broker has so long to finish a call and to take the last acknowledgements.
    pub broker_stop_wait: Duration,
    /// Rows kept in memory between batches, in bytes. Zero keeps only what is not committed yet.
    pub cache_bytes_max: usize,
    /// For tests: forget every row before each message, except those that are not committed or that a message waits
    /// for. A handler that works only with rows in memory then fails.
    pub cache_forgets: bool,
    /// Messages that are parked; more stop the intake.
    pub parked_max: usize,
    /// A parked message is a dead letter after this.
    pub park_deadline: Duration,
    /// Attempts of a job. After the last one the job is exhausted and needs an operator.
    pub job_attempts_max: u32,
    /// Jobs of one kind that are with its workers. A kind whose calls hang takes nothing from the others.
    pub jobs_running_max: usize,
    /// A stop waits no longer for calls that are under way: what became of them is asked again after the next start,
    /// under the same keys.
    pub jobs_stop_wait: Duration,
    /// A consumer whose dead letters have more unrelated causes than this within a minute is paused.
    pub dead_letters_a_minute_max: u32,
    /// How long the answer under an idempotency key is kept.
    pub idempotency_kept: Duration,
    /// How long an inbox row is kept at least: no shorter than a broker can deliver again while it is connected. After an
    /// outage, however long, all rows stay until what was there is received and acknowledged.
    pub inbox_kept: Duration,
    /// A jump of the wall clock ahead beyond this is not adopted: deadlines are held until it is confirmed or comes back.
    pub clock_jump_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_messages_max: 1_024,
            batch_rows_max: 16_384,
            batch_events_max: 16_384,
            batch_bytes_max: 16 * 1024 * 1024,
            batch_forming_max: Duration::from_millis(250),
            event_bytes_max: EVENT_BYTES_MAX,
            handler_look_ups_max: 250_000,
            cascade_depth_max: 64,
            intake_max: 8_192,
            in_line_max: 1_024,
            due_rows_max: 10_000,
            received_bytes_max: 8 * 1024 * 1024,
            relay_bytes_max: 8 * 1024 * 1024,
            publish_bytes_max: 4 * 1024 * 1024,
            publish_messages_max: 5_000,
            mark_every_segments: 64,
            broker_stop_wait: Duration::from_secs(2),
            cache_bytes_max: 64 * 1024 * 1024,
            cache_forgets: false,
            parked_max: 100_000,
            park_deadline: Duration::from_hours(1),
            job_attempts_max: 12,
            jobs_running_max: 32,
            jobs_stop_wait: Duration::from_secs(10),
            dead_letters_a_minute_max: 100,
            idempotency_kept: Duration::from_hours(24),
            inbox_kept: Duration::from_hours(7 * 24),
            clock_jump_max: Duration::from_hours(1),
        }
    }
}

impl Limits {
    /// Messages that are received from a broker and not committed, at most: a quarter of [`Limits::intake_max`], for each.
    pub fn received_max(&self) -> usize {
        (self.intake_max / 4).max(1)
    }
}

/// Bounds of one broker: of its relay and its subscription. Each broker of a store has its own, so what a store holds for
/// its brokers is bounded by their sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerLimits {
    /// Bytes of committed events that wait for the relay in memory. What does not fit is read from the log. Events that
    /// wait for several relays are in memory once.
    pub relay_bytes_max: usize,
    /// As [`Limits::publish_bytes_max`].
    pub publish_bytes_max: usize,
    /// As [`Limits::publish_messages_max`].
    pub publish_messages_max: usize,
    /// As [`Limits::mark_every_segments`].
    pub mark_every_segments: u64,
    /// Messages that are received and not committed, when no more are polled. At least 1.
    pub received_max: usize,
    /// As [`Limits::received_bytes_max`].
    pub received_bytes_max: usize,
    /// Undecodable messages within a minute; with more the subscription is paused.
    pub dead_letters_a_minute_max: u32,
    /// As [`Limits::broker_stop_wait`]. A stop waits for all brokers at the same time, for no longer than the longest.
    pub stop_wait: Duration,
}

impl From<&Limits> for BrokerLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            relay_bytes_max: limits.relay_bytes_max,
            publish_bytes_max: limits.publish_bytes_max,
            publish_messages_max: limits.publish_messages_max,
            mark_every_segments: limits.mark_every_segments,
            received_max: limits.received_max(),
            received_bytes_max: limits.received_bytes_max,
            dead_letters_a_minute_max: limits.dead_letters_a_minute_max,
            stop_wait: limits.broker_stop_wait,
        }
    }
}

/// Waits between tries of what failed: `first × 2^(attempt - 1)`, at most `most`, and up to a quarter less by
/// jitter, so that what failed together does not come back together. The jitter depends on `salt` and the attempt
/// alone: a moment that was told does not move when it is asked for again.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    pub first: Duration,
    pub most: Duration,
}

impl Backoff {
    pub const PARKED: Self = Self { first: Duration::from_millis(200), most: Duration::from_mins(1) };
    pub const JOB: Self = Self { first: Duration::from_millis(500), most: Duration::from_mins(5) };
    pub const TIMER: Self = Self { first: Duration::from_millis(500), most: Duration::from_mins(1) };

    /// The wait after the attempt of this number, from 1.
    pub fn after(self, attempt: u32, salt: &str) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        let full = doubled.min(self.most);
        let hash = salt.bytes().fold(u64::from(attempt), |hash, byte| {
            // FNV-1a: any even spread will do.
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let quarter_permille = u32::try_from(hash % 250).unwrap_or(0);
        full.saturating_sub(full.mul_f64(f64::from(quarter_permille) / 1_000.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backoff_grows_stays_bounded_and_does_not_move_when_asked_again() {
        let backoff = Backoff::JOB;
        let waits: Vec<_> = (1..40).map(|attempt| backoff.after(attempt, "job")).collect();
        assert_eq!(waits, (1..40).map(|attempt| backoff.after(attempt, "job")).collect::<Vec<_>>());
        assert!(waits.iter().all(|wait| *wait <= backoff.most && *wait >= backoff.first.mul_f64(0.75)));
        assert!(waits[3] > waits[0] && waits[8] > waits[3]);
        assert_ne!(backoff.after(5, "one"), backoff.after(5, "another"));
    }
}
