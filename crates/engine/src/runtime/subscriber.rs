//! The threads of the subscriptions: each does what its [`Subscriber`] says, with its broker.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use tradewind_events::Registry;

use super::{BrokerParts, BrokerThreads, Input, Shared, SharedBroker, broker::Calls};
use crate::{
    Message, Observer, Receipt, Subscriber, SubscriberSetup, SubscriberStep,
    observe::Stopwatch,
    ports::{BrokerError, Incoming, StoreError, Subscription},
};

/// The side of the loop: where receipts go, by the numbers of the brokers; nowhere for one that nothing is received from.
/// When it is dropped the subscriptions acknowledge what is committed, and leave.
pub(super) struct Subscribers(Vec<Option<mpsc::Sender<Vec<Receipt>>>>);

impl Subscribers {
    pub fn start(
        shared: &Arc<Shared>,
        parts: &[BrokerParts],
        registry: &Registry,
        observer: &Arc<dyn Observer>,
        threads: &mut BrokerThreads,
    ) -> Result<Self, StoreError> {
        // All of them before the first thread: a start that is refused leaves none behind.
        let subscriptions = parts.iter().map(|parts| subscribe(shared, parts)).collect::<Result<Vec<_>, _>>()?;
        let mut lines = Vec::with_capacity(subscriptions.len());
        for (number, subscription) in subscriptions.into_iter().enumerate() {
            let Some(mut subscription) = subscription else {
                lines.push(None);
                continue;
            };
            let (receipts, committed) = mpsc::channel();
            let mut subscriber = Subscriber::new(SubscriberSetup {
                number,
                broker: shared.brokers[number].name.clone(),
                registry: registry.clone(),
                limits: shared.brokers[number].limits.clone(),
                observer: Arc::clone(observer),
            });
            let here = Arc::clone(shared);
            threads.spawn(shared, "subscription", number, move || {
                receive(&here, &mut subscriber, &mut *subscription, &committed);
            });
            lines.push(Some(receipts));
        }
        Ok(Self(lines))
    }

    /// The numbers of the brokers that something is received from.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter_map(|(number, line)| line.is_some().then_some(number))
    }

    /// These messages are committed.
    pub fn commit(&self, receipts: Vec<Receipt>) {
        let mut lines: Vec<Vec<Receipt>> = self.0.iter().map(|_| Vec::new()).collect();
        for receipt in receipts {
            if let Some(line) = lines.get_mut(receipt.subscription) {
                line.push(receipt);
            }
        }
        for (line, receipts) in self.0.iter().zip(lines) {
            let Some(line) = line.as_ref().filter(|_| !receipts.is_empty()) else { continue };
            if line.send(receipts).is_err() {
                // It will be delivered again, and the inbox knows it.
                tracing::debug!("a subscription has ended before its acknowledgement");
            }
        }
    }

    /// They look whether the engine stops.
    pub fn wake(&self) {
        for line in self.0.iter().flatten() {
            if line.send(Vec::new()).is_err() {
                tracing::debug!("a subscription has ended");
            }
        }
    }
}

/// None when nothing is received from the broker.
fn subscribe(shared: &Shared, parts: &BrokerParts) -> Result<Option<Box<dyn Subscription>>, StoreError> {
    let unusable = |error: String| StoreError::Unusable(format!("the broker {}: {error}", parts.name));
    let topics = parts.routing.subscribes_to().map_err(|error| unusable(error.to_string()))?;
    if topics.is_empty() {
        return Ok(None);
    }
    // The inbox must remember a message for as long as it can come again, or its effect is repeated.
    let kept = shared.limits.inbox_kept;
    match parts.broker.retention(&topics) {
        Ok(Some(retention)) if retention > kept => {
            return Err(unusable(format!(
                "it keeps messages for {retention:?} and the inbox remembers them for {kept:?}: let it remember longer"
            )));
        }
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(broker = %parts.name, %error, "it is not known for how long the broker keeps messages");
        }
    }
    let subscription = parts.broker.subscribe(&parts.group, &topics);
    subscription.map(Some).map_err(|error| unusable(error.to_string()))
}

fn receive(
    shared: &Shared,
    subscriber: &mut Subscriber,
    subscription: &mut dyn Subscription,
    receipts: &mpsc::Receiver<Vec<Receipt>>,
) {
    let (clock, status) = (Stopwatch::start(), &shared.brokers[subscriber.number()]);
    let mut may_repeat = true;
    loop {
        if subscriber.may_repeat() != may_repeat {
            may_repeat = subscriber.may_repeat();
            shared.tell(Input::MayRepeat(may_repeat));
        }
        let more = loop {
            match receipts.try_recv() {
                Ok(receipts) => commit(status, subscriber, receipts),
                Err(mpsc::TryRecvError::Empty) => break true,
                Err(mpsc::TryRecvError::Disconnected) => break false,
            }
        };
        if !more {
            subscriber.leave(clock.read());
        }
        if shared.is_stopping() {
            subscriber.stop();
        }
        match subscriber.next(clock.read(), status.admission()) {
            SubscriberStep::Acknowledge => {
                let answer = subscription.acknowledge(subscriber.committed());
                status.answered(Calls::Receive, answer.as_ref());
                subscriber.acknowledged(answer, clock.read());
            }
            SubscriberStep::Poll { max, wait } => {
                let messages = subscription.poll(max, wait);
                status.answered(Calls::Receive, messages.as_ref());
                let is_connected = messages.is_ok();
                look(shared, subscriber, subscription, (max, &messages));
                let messages = subscriber.polled(messages, clock.read());
                if subscriber.fell_behind() {
                    if is_connected {
                        status.connected();
                    }
                    shared.tell(Input::FellBehind(subscriber.number()));
                }
                send(shared, subscriber, messages);
            }
            SubscriberStep::Release => {
                let messages = subscriber.release(clock.read());
                send(shared, subscriber, messages);
            }
            SubscriberStep::AskCaughtUp => {
                let answer = subscription.caught_up();
                if subscriber.caught_up(answer, clock.read()) {
                    shared.tell(Input::CaughtUp(subscriber.number()));
                }
            }
            SubscriberStep::Wait { until } => {
                let wait = until.saturating_sub(clock.read());
                if !more {
                    thread::park_timeout(wait);
                } else if let Ok(receipts) = receipts.recv_timeout(wait) {
                    commit(status, subscriber, receipts);
                }
            }
            SubscriberStep::Leave => return,
        }
    }
}

fn commit(status: &SharedBroker, subscriber: &mut Subscriber, receipts: Vec<Receipt>) {
    status.deliveries().commit(receipts.len());
    subscriber.commit(receipts);
}

/// Notes for figures how a poll for so many messages went, and asks the broker now and then how much waits.
fn look(
    shared: &Shared,
    subscriber: &Subscriber,
    subscription: &mut dyn Subscription,
    (max, answer): (usize, &Result<Vec<Incoming>, BrokerError>),
) {
    let (status, now) = (&shared.brokers[subscriber.number()], shared.clock.now());
    let messages = answer.as_ref().map(Vec::len).map_err(|_| ());
    status.deliveries().polled(max, messages, now);
    let monotonic = shared.clock.monotonic();
    if messages.is_ok() && status.deliveries().asks(monotonic) {
        // What is kept back here waits as if it were there.
        let held = u64::try_from(subscriber.held()).unwrap_or(u64::MAX);
        let told = subscription.backlog().map(|backlog| backlog.map(|backlog| backlog.saturating_add(held)));
        status.deliveries().told(told, now, monotonic);
    }
}

fn send(shared: &Shared, subscriber: &mut Subscriber, messages: Vec<Message>) {
    shared.brokers[subscriber.number()].deliveries().receive(&messages);
    for message in messages {
        if shared.send(message).is_err() {
            // The broker delivers it again after the next start.
            subscriber.stop();
        }
    }
}
