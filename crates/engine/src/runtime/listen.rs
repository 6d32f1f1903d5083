//! Subscriptions: what other stores say comes in here, and is acknowledged once its effect is committed.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use tradewind_events::{Envelope, Registry};

use super::{BrokerParts, Ended, Input, Shared, relay::topic, run::spawn};
use crate::{
    Backoff, Heard, Message, Observer, Receipt,
    ports::{BrokerError, Incoming, Position, StoreError, Subscription},
    trace,
};

/// Messages taken from the broker at a time.
const POLL_MAX: usize = 500;

/// How long one look at the broker takes at most; acknowledgements go out in between.
const POLL_WAIT: Duration = Duration::from_millis(50);

const RETRY: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(10) };

/// The side of the loop: where acknowledgements go.
#[derive(Default)]
pub(super) struct Subscriptions(Vec<mpsc::Sender<Position>>);

impl Subscriptions {
    pub fn start(
        shared: &Arc<Shared>,
        parts: &BrokerParts,
        registry: &Registry,
        observer: &Arc<dyn Observer>,
    ) -> Result<Self, StoreError> {
        if parts.hear.is_empty() {
            return Ok(Self::default());
        }
        let unusable = |error: BrokerError| StoreError::Unusable(error.to_string());
        let topics: Vec<String> = parts.hear.iter().map(|service| topic(&parts.topic_prefix, service)).collect();
        refuse_short_memory(shared, parts, &topics)?;
        let subscription = parts.broker.subscribe(&parts.group, &topics).map_err(unusable)?;
        let (receipts, committed) = mpsc::channel();
        let mut listening = Listening {
            shared: Arc::clone(shared),
            registry: registry.clone(),
            observer: Arc::clone(observer),
            subscription,
            committed,
            owed: Vec::new(),
            caught_up: false,
            number: 0,
        };
        spawn(shared, "subscription", move || listening.run());
        Ok(Self(vec![receipts]))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn acknowledge(&self, receipts: Vec<Receipt>) {
        for receipt in receipts {
            let line = self.0.get(receipt.subscription);
            if line.is_none_or(|line| line.send(receipt.position).is_err()) {
                // It will be delivered again, and the inbox knows it.
                tracing::debug!("a subscription has ended before its acknowledgement");
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

struct Listening {
    shared: Arc<Shared>,
    registry: Registry,
    observer: Arc<dyn Observer>,
    subscription: Box<dyn Subscription>,
    committed: mpsc::Receiver<Position>,
    /// Committed, and the broker does not know it yet.
    owed: Vec<Position>,
    caught_up: bool,
    number: usize,
}

impl Listening {
    fn run(&mut self) {
        let mut failures = 0;
        while !self.shared.is_stopping() {
            let heard = self.acknowledge().and_then(|()| self.hear());
            match heard {
                Ok(Ok(())) => failures = 0,
                Ok(Err(Ended)) => return,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, "the subscription failed");
                    self.observer.broker_failed(&error);
                    self.shared.pause(RETRY.after(failures, "subscription"));
                }
            }
        }
        if let Err(error) = self.acknowledge() {
            tracing::debug!(%error, "the last acknowledgements did not go out");
        }
    }

    /// Takes what has come; a full engine takes nothing, and stays a member of its group all the same.
    fn hear(&mut self) -> Result<Result<(), Ended>, BrokerError> {
        let messages = if self.shared.is_full() {
            self.shared.pause(POLL_WAIT);
            self.subscription.poll(0, Duration::ZERO)?
        } else {
            self.subscription.poll(POLL_MAX, POLL_WAIT)?
        };
        for message in messages {
            let message = self.message(message);
            if self.shared.send(message).is_err() {
                return Ok(Err(Ended));
            }
        }
        if !self.caught_up && self.subscription.caught_up()? {
            self.caught_up = true;
            self.shared.tell(Input::CaughtUp);
        }
        Ok(Ok(()))
    }

    fn message(&self, incoming: Incoming) -> Message {
        match Envelope::from_json(&incoming.body, &self.registry) {
            Err(error) => Message::Undecodable { incoming, reason: error.to_string(), subscription: self.number },
            Ok(mut envelope) => {
                if let Some(tracer) = &self.shared.tracer {
                    trace::heard(&**tracer, &mut envelope, &incoming);
                }
                let receipt = Receipt { subscription: self.number, position: incoming.position };
                Message::Heard(Heard { envelope: Arc::new(envelope), receipt: Some(receipt) })
            }
        }
    }

    /// What the broker did not take is offered again.
    fn acknowledge(&mut self) -> Result<(), BrokerError> {
        self.owed.extend(self.committed.try_iter());
        if !self.owed.is_empty() {
            self.subscription.acknowledge(&self.owed)?;
            self.owed.clear();
        }
        Ok(())
    }
}
