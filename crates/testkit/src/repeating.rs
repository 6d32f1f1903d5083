//! A wrapper around a broker that publishes every message twice and knows which copies its receivers have not acknowledged.
//! With it a test of a split shop runs over a real broker and can still wait until nothing is in flight.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage, Incoming, Position, Subscription};

/// How often each message is published.
pub const COPIES: usize = 2;

/// The header with the number of a copy. An acknowledgement of a position is found by it, whatever the broker calls the
/// position when it delivers the copy again.
const COPY: &str = "x-testkit-copy";

/// Topics, each with the routing keys that are received from it; `None` is all of them.
pub type Bindings = BTreeMap<String, Option<BTreeSet<String>>>;

/// What all wrapped brokers of a test have published and received. Its clones share it.
#[derive(Clone, Default)]
pub struct Deliveries(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    receivers: BTreeMap<String, Receiver>,
    /// All copies that a broker may have, by their numbers: topic and routing key.
    copies: BTreeMap<u64, (String, Option<String>)>,
    last_copy: u64,
    loses_acknowledgements: bool,
}

struct Receiver {
    bindings: Bindings,
    /// Copies that it has not acknowledged.
    owed: BTreeSet<u64>,
    acknowledged: u64,
    /// Its subscription is to be cut.
    cut: bool,
}

/// The connection of one process to a broker.
pub struct RepeatingBroker {
    inner: Arc<Mutex<Box<dyn Broker>>>,
    deliveries: Deliveries,
    receiver: String,
}

impl Deliveries {
    /// Copies that this receiver has not acknowledged; those that were published before it was known included.
    pub fn owed(&self, receiver: &str) -> usize {
        self.state().receivers.get(receiver).map_or(0, |receiver| receiver.owed.len())
    }

    /// Copies that this receiver has acknowledged.
    pub fn acknowledged(&self, receiver: &str) -> u64 {
        self.state().receivers.get(receiver).map_or(0, |receiver| receiver.acknowledged)
    }

    /// From now on, until it is changed: publishing writes everything, and fails.
    pub fn lose_acknowledgements(&self, lose: bool) {
        self.state().loses_acknowledgements = lose;
    }

    /// The next poll of each receiver finds its connection lost. What it has not acknowledged is delivered again.
    pub fn cut_all(&self) {
        self.state().receivers.values_mut().for_each(|receiver| receiver.cut = true);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// A receiver keeps what it has acknowledged when its process starts again.
    fn add(&self, receiver: &str, bindings: Bindings) {
        let mut state = self.state();
        if state.receivers.contains_key(receiver) {
            return;
        }
        let mut added = Receiver { bindings, owed: BTreeSet::new(), acknowledged: 0, cut: false };
        let missed = state.copies.iter().filter(|(_, (topic, key))| added.receives(topic, key.as_deref()));
        added.owed = missed.map(|(number, _)| *number).collect();
        state.receivers.insert(receiver.to_owned(), added);
    }

    /// Numbers a copy of each message. Every receiver owes them before the first can be delivered.
    fn number(&self, messages: &[BrokerMessage]) -> Vec<BrokerMessage> {
        let mut state = self.state();
        let State { receivers, copies, last_copy, .. } = &mut *state;
        let mut number = |message: &BrokerMessage| {
            *last_copy += 1;
            let key = message.routing_key.as_deref();
            for receiver in receivers.values_mut().filter(|receiver| receiver.receives(&message.topic, key)) {
                receiver.owed.insert(*last_copy);
            }
            copies.insert(*last_copy, (message.topic.clone(), message.routing_key.clone()));
            message.clone().with_header(COPY, last_copy.to_string())
        };
        messages.iter().map(&mut number).collect()
    }

    /// It is not known whether the broker has these. They are published again under other numbers.
    fn forget(&self, messages: &[BrokerMessage]) {
        let mut state = self.state();
        for number in messages.iter().filter_map(copy_of) {
            state.copies.remove(&number);
            for receiver in state.receivers.values_mut() {
                receiver.owed.remove(&number);
            }
        }
    }

    fn acknowledge(&self, receiver: &str, copies: impl Iterator<Item = u64>) {
        let mut state = self.state();
        let Some(receiver) = state.receivers.get_mut(receiver) else { return };
        receiver.acknowledged += copies.filter(|number| receiver.owed.remove(number)).map(|_| 1).sum::<u64>();
    }

    /// Whether this subscription is to be cut. Once.
    fn takes_cut(&self, receiver: &str) -> bool {
        self.state().receivers.get_mut(receiver).is_some_and(|receiver| std::mem::take(&mut receiver.cut))
    }
}

impl Receiver {
    fn receives(&self, topic: &str, routing_key: Option<&str>) -> bool {
        let keys = self.bindings.get(topic).map(Option::as_ref);
        keys.is_some_and(|keys| keys.is_none_or(|keys| routing_key.is_some_and(|key| keys.contains(key))))
    }
}

impl RepeatingBroker {
    /// `receiver` names the process in `deliveries`, and `bindings` has what its group receives.
    pub fn new(inner: Box<dyn Broker>, deliveries: &Deliveries, receiver: &str, bindings: Bindings) -> Self {
        deliveries.add(receiver, bindings);
        Self { inner: Arc::new(Mutex::new(inner)), deliveries: deliveries.clone(), receiver: receiver.to_owned() }
    }
}

impl Broker for RepeatingBroker {
    /// After an error none of the messages counts as published, so that each has all its copies.
    fn publish(&mut self, messages: &[BrokerMessage]) -> Result<(), (usize, BrokerError)> {
        for _ in 0..COPIES {
            let copies = self.deliveries.number(messages);
            if let Err((known, error)) = lock(&self.inner).publish(&copies) {
                self.deliveries.forget(&copies[known..]);
                return Err((0, error));
            }
        }
        if self.deliveries.state().loses_acknowledgements {
            return Err((0, BrokerError::Unavailable("the acknowledgement was lost".to_owned())));
        }
        Ok(())
    }

    fn subscribe(&self, group: &str, topics: &[String]) -> Result<Box<dyn Subscription>, BrokerError> {
        let inner = lock(&self.inner).subscribe(group, topics)?;
        Ok(Box::new(RepeatingSubscription {
            broker: Arc::clone(&self.inner),
            inner: Some(inner),
            group: group.to_owned(),
            topics: topics.to_vec(),
            deliveries: self.deliveries.clone(),
            receiver: self.receiver.clone(),
            copies: BTreeMap::new(),
        }))
    }

    fn retention(&self, topics: &[String]) -> Result<Option<Duration>, BrokerError> {
        lock(&self.inner).retention(topics)
    }
}

struct RepeatingSubscription {
    broker: Arc<Mutex<Box<dyn Broker>>>,
    /// None after a cut, until it connects again.
    inner: Option<Box<dyn Subscription>>,
    group: String,
    topics: Vec<String>,
    deliveries: Deliveries,
    receiver: String,
    /// The copies that were handed out and not acknowledged, by their positions.
    copies: BTreeMap<Position, u64>,
}

impl RepeatingSubscription {
    fn connected(&mut self) -> Result<&mut Box<dyn Subscription>, BrokerError> {
        let inner = match self.inner.take() {
            Some(inner) => inner,
            None => lock(&self.broker).subscribe(&self.group, &self.topics)?,
        };
        Ok(self.inner.insert(inner))
    }
}

impl Subscription for RepeatingSubscription {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Incoming>, BrokerError> {
        if self.deliveries.takes_cut(&self.receiver) {
            self.inner = None;
            self.copies.clear();
            return Err(BrokerError::Unavailable("the connection was cut".to_owned()));
        }
        let received = self.connected()?.poll(max, wait)?;
        let copies = received.iter().filter_map(|it| Some((it.position.clone(), copy_of(&it.message)?)));
        self.copies.extend(copies);
        Ok(received)
    }

    fn acknowledge(&mut self, positions: &[Position]) -> Result<(), BrokerError> {
        self.connected()?.acknowledge(positions)?;
        let copies = positions.iter().filter_map(|position| self.copies.remove(position));
        self.deliveries.acknowledge(&self.receiver, copies);
        Ok(())
    }

    fn caught_up(&mut self) -> Result<bool, BrokerError> {
        self.connected()?.caught_up()
    }

    fn backlog(&mut self) -> Result<Option<u64>, BrokerError> {
        self.connected()?.backlog()
    }
}

fn copy_of(message: &BrokerMessage) -> Option<u64> {
    message.header(COPY)?.parse().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
