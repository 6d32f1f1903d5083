//! The subscriber: receives the events of other stores, and acknowledges them once their effect is committed. It is a
//! state machine without a thread, a clock and I/O: [`Subscriber::next`] says what to do, its caller does it and reports
//! how it went. `runtime/subscriber.rs` does so on a thread, the simulator a step at a time.

mod brake;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tradewind_events::{DecodeError, Envelope, KeyText, Registry};

use crate::{
    Backoff, BrokerLimits, Direction, Message, Observer, Receipt, Received, Tracer, Undecodable, injected,
    ports::{BrokerError, Incoming, Position},
    trace,
};

use brake::Brake;
pub(crate) use brake::UNKNOWN_EVENT;

/// Messages taken from the broker at a time.
const POLL_MAX: usize = 500;

/// How long one poll waits at most; acknowledgements go out in between. A subscriber without room polls this often, which
/// keeps its membership alive.
const POLL_WAIT: Duration = Duration::from_millis(50);

/// How many bytes a message is expected to have, when it is decided how many are polled: so many at first, and no fewer
/// than the latter.
const MESSAGE_BYTES_FIRST: usize = 1024 * 1024;
const MESSAGE_BYTES_MIN: usize = 64 * 1024;

const RETRY: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(10) };

/// One subscription at a broker, seen from the engine. Polling and acknowledging take turns, whatever fails: polling is
/// what connects again.
pub struct Subscriber {
    /// The number of its broker, which its receipts carry.
    number: usize,
    broker: KeyText,
    registry: Registry,
    limits: BrokerLimits,
    observer: Arc<dyn Observer>,
    tracer: Option<Arc<dyn Tracer>>,
    /// Received, and not committed yet: messages and their bytes.
    uncommitted: (usize, usize),
    /// Committed, and not acknowledged yet.
    committed: Vec<Position>,
    /// How large a message is expected to be, in bytes, from those that came last.
    message_bytes: usize,
    polling: Attempts,
    acknowledging: Attempts,
    /// It has polled since the last acknowledgement.
    polled: bool,
    /// It has polled without taking anything.
    idles: bool,
    catching_up: CatchingUp,
    /// It has connected again, and nobody has asked since.
    fell_behind: bool,
    /// Of the messages that it had received when it had caught up, so many are not acknowledged.
    owed: usize,
    brake: Brake,
    /// Received, and kept back by the brake: at most one poll.
    held: VecDeque<Incoming>,
    stop: Stop,
}

/// What a subscriber is made of.
pub struct SubscriberSetup {
    /// The number of its broker.
    pub number: usize,
    /// The name of its broker: the consumer that it pauses when what comes cannot be decoded.
    pub broker: KeyText,
    pub registry: Registry,
    pub limits: BrokerLimits,
    pub observer: Arc<dyn Observer>,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriberStep {
    /// Acknowledge [`Subscriber::committed`]; then [`Subscriber::acknowledged`].
    Acknowledge,
    /// It was resumed: [`Subscriber::release`] gives what it has kept back.
    Release,
    /// Poll at most `max` messages and wait for them no longer than `wait`; then [`Subscriber::polled`].
    Poll { max: usize, wait: Duration },
    /// Ask the broker whether all was handed out that was there when it connected; then [`Subscriber::caught_up`].
    AskCaughtUp,
    /// Nothing, until this monotonic time or until something is committed.
    Wait { until: Duration },
    /// Drop the subscription, which leaves the group. There is no step after it.
    Leave,
}

/// How far the core lets a subscription go: [`crate::Core::admission`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Messages may be polled.
    pub takes: bool,
    /// How often its consumer was resumed since the start.
    pub resumes: u64,
}

/// One kind of call, as far as it fails.
#[derive(Default)]
struct Attempts {
    /// Since the last success.
    failures: u32,
    /// The monotonic time of the next one.
    at: Duration,
}

/// Whether all was handed out that was there when it connected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CatchingUp {
    No,
    /// It polls before it asks again.
    Polls,
    Asks,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    /// It takes nothing more, and waits for receipts.
    Waits,
    /// No receipt comes any more. It leaves as soon as everything is acknowledged, and at this monotonic time at the
    /// latest.
    Leaves {
        until: Duration,
    },
}

impl Subscriber {
    pub fn new(setup: SubscriberSetup) -> Self {
        Self {
            number: setup.number,
            brake: Brake::new(setup.broker.clone()),
            broker: setup.broker,
            registry: setup.registry,
            limits: setup.limits,
            tracer: setup.observer.tracer(),
            observer: setup.observer,
            uncommitted: (0, 0),
            committed: Vec::new(),
            message_bytes: MESSAGE_BYTES_FIRST,
            polling: Attempts::default(),
            acknowledging: Attempts::default(),
            polled: true,
            idles: false,
            catching_up: CatchingUp::Polls,
            fell_behind: true,
            owed: 0,
            held: VecDeque::new(),
            stop: Stop::No,
        }
    }

    pub fn number(&self) -> usize {
        self.number
    }

    /// What to do at this monotonic time.
    pub fn next(&mut self, now: Duration, admission: Admission) -> SubscriberStep {
        let acknowledges = !self.committed.is_empty() && self.polled && self.acknowledging.at <= now;
        match self.stop {
            Stop::Leaves { until } if self.committed.is_empty() || until <= now => return SubscriberStep::Leave,
            _ if acknowledges => return SubscriberStep::Acknowledge,
            _ => {}
        }
        let releases = self.releases(admission);
        self.brake.resumes = admission.resumes;
        if releases {
            return SubscriberStep::Release;
        }
        if self.catching_up == CatchingUp::Asks && self.stop == Stop::No {
            return SubscriberStep::AskCaughtUp;
        }
        if self.polling.at <= now && self.may_poll() {
            let max = if admission.takes { self.room() } else { 0 };
            self.idles = max == 0;
            return SubscriberStep::Poll { max, wait: if max == 0 { Duration::ZERO } else { POLL_WAIT } };
        }
        SubscriberStep::Wait { until: self.waits_until() }
    }

    /// The monotonic time from which it takes messages, as far as the engine has room; none when it takes no more.
    pub fn takes_messages_at(&self) -> Option<Duration> {
        (self.room() > 0 && self.may_poll()).then_some(self.polling.at)
    }

    /// The monotonic time from which it has something to do though no message comes.
    pub fn has_work_at(&self) -> Option<Duration> {
        let acknowledges_at = if self.polled { self.acknowledging.at } else { self.polling.at };
        let acknowledges_at = (!self.committed.is_empty()).then_some(acknowledges_at);
        match self.stop {
            Stop::Leaves { until } => Some(acknowledges_at.map_or(Duration::ZERO, |at| at.min(until))),
            Stop::No | Stop::Waits => acknowledges_at,
        }
    }

    /// Whether it was resumed and has something that it kept back.
    pub fn releases(&self, admission: Admission) -> bool {
        self.stop == Stop::No && self.brake.may_release(admission.resumes)
    }

    /// Whether it has not seen yet all that was there when it connected, or has no connection that is known to work.
    pub fn is_catching_up(&self) -> bool {
        self.catching_up != CatchingUp::No
    }

    /// Whether the broker may deliver what was committed before an outage, however long that was: until all that was
    /// there when it connected is received, committed and acknowledged. So long the inbox forgets nothing.
    pub fn may_repeat(&self) -> bool {
        self.is_catching_up() || self.owed > 0
    }

    /// The monotonic time before which [`Subscriber::next`] says [`SubscriberStep::Wait`].
    pub fn waits_until(&self) -> Duration {
        let mut until = self.polling.at;
        if !self.committed.is_empty() && self.polled {
            until = until.min(self.acknowledging.at);
        }
        if let Stop::Leaves { until: leaves_at } = self.stop {
            until = until.min(leaves_at);
        }
        until
    }

    /// Messages whose effect is committed, and that the broker does not know to be: to be acknowledged.
    pub fn committed(&self) -> &[Position] {
        &self.committed
    }

    /// Messages that are received and not committed, and their bytes.
    pub fn uncommitted(&self) -> (usize, usize) {
        self.uncommitted
    }

    /// Messages that the brake keeps back: received, and not given to the core.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// These messages are committed.
    pub fn commit(&mut self, receipts: impl IntoIterator<Item = Receipt>) {
        for receipt in receipts {
            let (messages, bytes) = self.uncommitted;
            self.uncommitted = (messages.saturating_sub(1), bytes.saturating_sub(receipt.bytes));
            if !injected("ack-before-commit") {
                self.committed.push(receipt.position);
            }
        }
        self.poll_soon();
    }

    /// There may be room again.
    fn poll_soon(&mut self) {
        if self.polling.failures == 0 {
            self.polling.at = Duration::ZERO;
        }
    }

    /// How the broker has answered to [`SubscriberStep::Acknowledge`]. After an error the same ones are acknowledged
    /// again.
    pub fn acknowledged(&mut self, answer: Result<(), BrokerError>, now: Duration) {
        match answer {
            Ok(()) => {
                if self.acknowledging.failures > 0 {
                    // Since the failure another connection may have taken over, which passes these over.
                    self.catching_up = CatchingUp::Polls;
                }
                // They are committed in the order in which they were received.
                self.owed = self.owed.saturating_sub(self.committed.len());
                self.committed.clear();
                self.acknowledging = Attempts::default();
            }
            Err(error) => {
                self.catching_up = CatchingUp::Polls;
                let (broker, messages) = (&self.broker, self.committed.len());
                tracing::warn!(%broker, %error, messages, "received events cannot be acknowledged");
                self.observer.broker_failed(&self.broker, &error);
                self.acknowledging.fail(now);
            }
        }
        // Polling is next.
        self.polled = !self.may_poll();
    }

    /// What has come. Gives the messages for the core, in their order.
    pub fn polled(&mut self, messages: Result<Vec<Incoming>, BrokerError>, now: Duration) -> Vec<Message> {
        self.polled = true;
        match messages {
            Ok(messages) => {
                if self.polling.failures > 0 {
                    self.observer.reconnected(&self.broker, Direction::Receive);
                    (self.catching_up, self.fell_behind) = (CatchingUp::Polls, true);
                }
                self.polling = Attempts { failures: 0, at: if self.idles { now + POLL_WAIT } else { Duration::ZERO } };
                if self.catching_up == CatchingUp::Polls {
                    self.catching_up = CatchingUp::Asks;
                }
                self.receive(messages, now)
            }
            Err(error) => {
                self.fail_polling(&error, now);
                Vec::new()
            }
        }
    }

    /// Whether it has connected since the last time that it was asked: [`crate::Core::fell_behind`] is to be told, before
    /// it gets the next message.
    pub fn fell_behind(&mut self) -> bool {
        std::mem::take(&mut self.fell_behind)
    }

    /// How the broker has answered to [`SubscriberStep::AskCaughtUp`]. `true` when all was handed out that was there when
    /// the connection began: once for each, and once more after each failure.
    pub fn caught_up(&mut self, answer: Result<bool, BrokerError>, now: Duration) -> bool {
        self.catching_up = CatchingUp::Polls;
        match answer {
            Ok(true) => {
                self.catching_up = CatchingUp::No;
                self.owed = self.uncommitted.0 + self.committed.len() + self.held.len();
                return true;
            }
            Ok(false) => {}
            Err(error) => self.fail_polling(&error, now),
        }
        false
    }

    /// Takes nothing more. It goes on to acknowledge what is committed.
    pub fn stop(&mut self) {
        if self.stop == Stop::No {
            self.stop = Stop::Waits;
        }
    }

    /// The engine commits nothing more: it acknowledges what is committed, if the broker takes it in time, and leaves.
    pub fn leave(&mut self, now: Duration) {
        let until = now + self.limits.stop_wait;
        if injected("stop-forgets-receipts") {
            self.committed.clear();
        }
        if !matches!(self.stop, Stop::Leaves { .. }) {
            self.stop = Stop::Leaves { until };
        }
        // The last chance does not wait for a backoff.
        self.acknowledging.at = self.acknowledging.at.min(now);
        self.polling.at = self.polling.at.min(now);
    }

    /// Only a defect polls no more because an acknowledgement has failed.
    fn may_poll(&self) -> bool {
        self.acknowledging.failures == 0 || !injected("failed-ack-stops-polling")
    }

    /// How many messages it may poll. What cannot be acknowledged counts as well.
    fn room(&self) -> usize {
        let (messages, bytes) = (self.uncommitted.0 + self.committed.len(), self.uncommitted.1);
        if self.stop != Stop::No || self.brake.is_on() {
            return 0;
        }
        let left = self.limits.received_max.saturating_sub(messages);
        let bytes_left = self.limits.received_bytes_max.saturating_sub(bytes);
        left.min(bytes_left.div_ceil(self.message_bytes)).min(POLL_MAX)
    }

    fn receive(&mut self, messages: Vec<Incoming>, now: Duration) -> Vec<Message> {
        if !messages.is_empty() {
            self.observer.received(&self.broker, messages.len());
        }
        if let Some(largest) = messages.iter().map(|incoming| incoming.message.bytes()).max() {
            self.message_bytes = largest.max(self.message_bytes / 2).max(MESSAGE_BYTES_MIN);
        }
        self.held.extend(messages);
        self.admit(now)
    }

    /// What was kept back goes on. What stopped it is a dead letter now, and the same again does not stop it.
    pub fn release(&mut self, now: Duration) -> Vec<Message> {
        self.brake.release();
        self.poll_soon();
        self.admit(now)
    }

    /// Gives the core messages until the brake stops them; then the pause of the consumer comes after them.
    fn admit(&mut self, now: Duration) -> Vec<Message> {
        let mut messages = Vec::with_capacity(self.held.len());
        while !self.brake.is_on()
            && let Some(incoming) = self.held.pop_front()
        {
            let decoded = Envelope::from_message(&incoming.message, &self.registry);
            if let Err(error) = &decoded
                && self.brake.keeps_back(error, now, self.limits.dead_letters_a_minute_max)
            {
                self.held.push_front(incoming);
            } else {
                messages.push(self.message(incoming, decoded));
            }
        }
        messages.extend(self.brake.pause());
        messages
    }

    fn message(&mut self, incoming: Incoming, decoded: Result<Envelope, DecodeError>) -> Message {
        let bytes = incoming.message.bytes();
        self.uncommitted = (self.uncommitted.0 + 1, self.uncommitted.1 + bytes);
        if injected("ack-before-commit") {
            self.committed.push(incoming.position.clone());
        }
        match decoded {
            Err(error) => {
                let (reason, subscription) = (error.to_string(), self.number);
                Message::Undecodable(Box::new(Undecodable { incoming, reason, subscription }))
            }
            Ok(mut envelope) => {
                if let Some(tracer) = &self.tracer {
                    trace::received(&**tracer, &mut envelope, &incoming.message);
                }
                let receipt = Receipt { subscription: self.number, position: incoming.position, bytes };
                Message::Received(Received { envelope: Arc::new(envelope), receipt: Some(receipt) })
            }
        }
    }

    fn fail_polling(&mut self, error: &BrokerError, now: Duration) {
        tracing::warn!(broker = %self.broker, %error, "the subscription failed");
        self.observer.broker_failed(&self.broker, error);
        self.catching_up = CatchingUp::Polls;
        self.polling.fail(now);
    }
}

impl Attempts {
    fn fail(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.at = now + RETRY.after(self.failures, "subscription");
    }
}
