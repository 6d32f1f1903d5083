//! Subscriptions: what other stores say comes in here, and is acknowledged once its effect is committed.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use tradewind_events::{Envelope, Registry};

use super::{BrokerParts, Input, Shared, relay::topic, run::spawn};
use crate::{
    Backoff, Heard, Message, Receipt,
    ports::{Incoming, Position, StoreError, Subscription},
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
    pub fn start(shared: &Arc<Shared>, parts: &BrokerParts, registry: &Registry) -> Result<Self, StoreError> {
        if parts.hear.is_empty() {
            return Ok(Self::default());
        }
        let topics: Vec<String> = parts.hear.iter().map(|service| topic(&parts.topic_prefix, service)).collect();
        let subscription =
            parts.broker.subscribe(&parts.group, &topics).map_err(|error| StoreError::Unusable(error.to_string()))?;
        let (receipts, committed) = mpsc::channel();
        let mut listening =
            Listening { shared: Arc::clone(shared), registry: registry.clone(), subscription, committed, number: 0 };
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

struct Listening {
    shared: Arc<Shared>,
    registry: Registry,
    subscription: Box<dyn Subscription>,
    committed: mpsc::Receiver<Position>,
    number: usize,
}

impl Listening {
    fn run(&mut self) {
        let (mut failures, mut caught_up) = (0, false);
        while !self.shared.is_stopping() {
            if self.shared.is_full() {
                self.shared.pause(POLL_WAIT);
                continue;
            }
            let polled = self.acknowledge().and_then(|()| self.subscription.poll(POLL_MAX, POLL_WAIT));
            match polled {
                Ok(messages) => {
                    failures = 0;
                    if messages.is_empty() && !caught_up {
                        caught_up = true;
                        self.shared.tell(Input::CaughtUp);
                    }
                    for message in messages {
                        if self.shared.send(self.message(message)).is_err() {
                            return;
                        }
                    }
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, "the subscription failed");
                    self.shared.pause(RETRY.after(failures, "subscription"));
                }
            }
        }
        if let Err(error) = self.acknowledge() {
            tracing::debug!(%error, "the last acknowledgements did not go out");
        }
    }

    fn message(&self, incoming: Incoming) -> Message {
        match Envelope::from_json(&incoming.body, &self.registry) {
            Err(error) => Message::Undecodable { incoming, reason: error.to_string(), subscription: self.number },
            Ok(envelope) => {
                let receipt = Receipt { subscription: self.number, position: incoming.position };
                Message::Heard(Heard { envelope: Arc::new(envelope), receipt: Some(receipt) })
            }
        }
    }

    fn acknowledge(&mut self) -> Result<(), crate::ports::BrokerError> {
        let positions: Vec<Position> = self.committed.try_iter().collect();
        if positions.is_empty() { Ok(()) } else { self.subscription.acknowledge(&positions) }
    }
}
