//! A broker in memory: topics that keep everything, consumer groups with marks, and faults on demand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tradewind_engine::ports::{Broker, BrokerError, Incoming, Outgoing, Position, Subscription};

/// Shared by its clones.
#[derive(Clone, Default)]
pub struct MemoryBroker(Arc<(Mutex<State>, Condvar)>);

/// What goes wrong, until it is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerFaults {
    /// Publishing fails, and nothing is written.
    pub down: bool,
    /// Publishing fails, although everything is written.
    pub acknowledgement_lost: bool,
    /// Every message is delivered this often more.
    pub duplicates: u32,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, Vec<Outgoing>>,
    groups: BTreeMap<String, Group>,
    faults: BrokerFaults,
}

#[derive(Default)]
struct Group {
    /// By topic: the next message to hand out.
    next: BTreeMap<String, usize>,
    /// Handed out and not acknowledged.
    out: BTreeSet<Position>,
}

impl MemoryBroker {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn set_faults(&self, faults: BrokerFaults) {
        self.state().faults = faults;
        self.0.1.notify_all();
    }

    /// Everything that was published to a topic.
    pub fn published(&self, topic: &str) -> Vec<Outgoing> {
        self.state().topics.get(topic).cloned().unwrap_or_default()
    }

    /// Messages that this group has not acknowledged.
    pub fn owed(&self, group: &str) -> usize {
        let state = self.state();
        let Some(group) = state.groups.get(group) else { return 0 };
        let waiting = |(topic, next): (&String, &usize)| state.topics.get(topic).map_or(0, |all| all.len() - next);
        group.out.len() + group.next.iter().map(waiting).sum::<usize>()
    }

    /// The connection of a group breaks: what it has not acknowledged is delivered again.
    pub fn disconnect(&self, group: &str) {
        let mut state = self.state();
        if let Some(group) = state.groups.get_mut(group) {
            for position in std::mem::take(&mut group.out) {
                if let Some((topic, offset)) = split(&position) {
                    let next = group.next.entry(topic.to_owned()).or_default();
                    *next = (*next).min(offset);
                }
            }
        }
        drop(state);
        self.0.1.notify_all();
    }

    /// A message that no engine has published.
    pub fn inject(&self, message: Outgoing) {
        self.state().topics.entry(message.topic.clone()).or_default().push(message);
        self.0.1.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn split(position: &Position) -> Option<(&str, usize)> {
    let (topic, offset) = position.0.rsplit_once('/')?;
    Some((topic, offset.parse().ok()?))
}

impl Broker for MemoryBroker {
    fn publish(&mut self, messages: &[Outgoing]) -> Result<(), (usize, BrokerError)> {
        let mut state = self.state();
        if state.faults.down {
            return Err((0, BrokerError("it is down".to_owned())));
        }
        for message in messages {
            state.topics.entry(message.topic.clone()).or_default().push(message.clone());
        }
        let lost = state.faults.acknowledgement_lost;
        drop(state);
        self.0.1.notify_all();
        if lost { Err((0, BrokerError("the acknowledgement was lost".to_owned()))) } else { Ok(()) }
    }

    fn subscribe(&self, group: &str, topics: &[String]) -> Result<Box<dyn Subscription>, BrokerError> {
        let mut state = self.state();
        let known = state.groups.entry(group.to_owned()).or_default();
        for topic in topics {
            known.next.entry(topic.clone()).or_default();
        }
        drop(state);
        Ok(Box::new(MemorySubscription { broker: self.clone(), group: group.to_owned() }))
    }
}

struct MemorySubscription {
    broker: MemoryBroker,
    group: String,
}

impl MemorySubscription {
    fn take(&self, max: usize) -> Vec<Incoming> {
        let mut state = self.broker.state();
        let State { topics, groups, faults } = &mut *state;
        let Some(group) = groups.get_mut(&self.group) else { return Vec::new() };
        let mut taken = Vec::new();
        for (topic, next) in &mut group.next {
            let Some(messages) = topics.get(topic) else { continue };
            while *next < messages.len() && taken.len() < max {
                let message = &messages[*next];
                let position = Position(format!("{topic}/{next}"));
                let incoming = Incoming {
                    topic: topic.clone(),
                    key: Some(message.key.clone()),
                    headers: message.headers.clone(),
                    body: message.body.clone(),
                    position: position.clone(),
                };
                for _ in 0..=faults.duplicates {
                    taken.push(incoming.clone());
                }
                group.out.insert(position);
                *next += 1;
            }
        }
        taken
    }
}

impl Subscription for MemorySubscription {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Incoming>, BrokerError> {
        let taken = self.take(max);
        if !taken.is_empty() || wait.is_zero() {
            return Ok(taken);
        }
        let state = self.broker.state();
        let waited = self.broker.0.1.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
        drop(waited);
        Ok(self.take(max))
    }

    fn acknowledge(&mut self, positions: &[Position]) -> Result<(), BrokerError> {
        let mut state = self.broker.state();
        if let Some(group) = state.groups.get_mut(&self.group) {
            for position in positions {
                group.out.remove(position);
            }
        }
        Ok(())
    }
}
