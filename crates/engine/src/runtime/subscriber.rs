//! The thread of a subscription: does what [`Subscriber`] says, with a broker.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use tradewind_events::Registry;

use super::{BrokerParts, BrokerThreads, Input, Shared};
use crate::{
    Message, Observer, Receipt, Subscriber, SubscriberSetup, SubscriberStep,
    observe::Stopwatch,
    ports::{BrokerError, StoreError, Subscription},
    relay::topic,
};

/// The side of the loop: where receipts go. When it is dropped the subscriptions acknowledge what is committed, and leave.
#[derive(Default)]
pub(super) struct Subscribers(Vec<mpsc::Sender<Vec<Receipt>>>);

impl Subscribers {
    pub fn start(
        shared: &Arc<Shared>,
        parts: &BrokerParts,
        registry: &Registry,
        observer: &Arc<dyn Observer>,
        threads: &mut BrokerThreads,
    ) -> Result<Self, StoreError> {
        if parts.hear.is_empty() {
            return Ok(Self::default());
        }
        let unusable = |error: BrokerError| StoreError::Unusable(error.to_string());
        let topics: Vec<String> = parts.hear.iter().map(|service| topic(&parts.topic_prefix, service)).collect();
        refuse_short_memory(shared, parts, &topics)?;
        let mut subscription = parts.broker.subscribe(&parts.group, &topics).map_err(unusable)?;
        let (receipts, committed) = mpsc::channel();
        let mut subscriber = Subscriber::new(SubscriberSetup {
            number: 0,
            registry: registry.clone(),
            limits: shared.limits.clone(),
            observer: Arc::clone(observer),
        });
        let here = Arc::clone(shared);
        threads.spawn(shared, "subscription", move || {
            receive(&here, &mut subscriber, &mut *subscription, &committed);
        });
        Ok(Self(vec![receipts]))
    }

    pub fn len(&self) -> usize {
        self.0.len()
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
            if !receipts.is_empty() && line.send(receipts).is_err() {
                // It will be delivered again, and the inbox knows it.
                tracing::debug!("a subscription has ended before its acknowledgement");
            }
        }
    }

    /// They look whether the engine stops.
    pub fn wake(&self) {
        for line in &self.0 {
            if line.send(Vec::new()).is_err() {
                tracing::debug!("a subscription has ended");
            }
        }
    }
}

/// The inbox must remember a message for as long as it can come again, or its effect is repeated.
fn refuse_short_memory(shared: &Shared, parts: &BrokerParts, topics: &[String]) -> Result<(), StoreError> {
    let kept = shared.limits.inbox_kept;
    match parts.broker.retention(topics) {
        Ok(Some(retention)) if retention > kept => Err(StoreError::Unusable(format!(
            "the broker keeps messages for {retention:?} and the inbox remembers them for {kept:?}: let it remember longer"
        ))),
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(%error, "it is not known for how long the broker keeps messages");
            Ok(())
        }
    }
}

fn receive(
    shared: &Shared,
    subscriber: &mut Subscriber,
    subscription: &mut dyn Subscription,
    receipts: &mpsc::Receiver<Vec<Receipt>>,
) {
    let clock = Stopwatch::start();
    let mut may_repeat = true;
    loop {
        if subscriber.may_repeat() != may_repeat {
            may_repeat = subscriber.may_repeat();
            shared.tell(Input::MayRepeat(may_repeat));
        }
        let more = loop {
            match receipts.try_recv() {
                Ok(receipts) => subscriber.commit(receipts),
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
        match subscriber.next(clock.read(), shared.admission()) {
            SubscriberStep::Acknowledge => {
                let answer = subscription.acknowledge(subscriber.committed());
                subscriber.acknowledged(answer, clock.read());
            }
            SubscriberStep::Poll { max, wait } => {
                let messages = subscription.poll(max, wait);
                let messages = subscriber.polled(messages, clock.read());
                if subscriber.fell_behind() {
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
                    subscriber.commit(receipts);
                }
            }
            SubscriberStep::Leave => return,
        }
    }
}

fn send(shared: &Shared, subscriber: &mut Subscriber, messages: Vec<Message>) {
    for message in messages {
        if shared.send(message).is_err() {
            // The broker delivers it again after the next start.
            subscriber.stop();
        }
    }
}
