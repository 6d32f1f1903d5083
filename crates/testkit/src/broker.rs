//! A broker in memory: topics that keep everything, consumer groups, and faults on demand. It plays either kind of the
//! real ones: a log with marks, or queues that hand out one by one.

mod groups;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tradewind_engine::ports::{Broker, BrokerError, BrokerMessage, Gap, Gaps, Incoming, Position, Subscription};

use groups::{Group, Membership};

/// What is larger is refused.
pub const MEMORY_BODY_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Shared by its clones.
#[derive(Clone, Default)]
pub struct MemoryBroker(Arc<(Mutex<State>, Condvar)>);

/// After whom it behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BrokerKind {
    /// As Kafka: a new group hears the past, a message keeps its position, and after a lost connection all comes again
    /// from the first message that is not acknowledged.
    #[default]
    Log,
    /// As RabbitMQ: a new group hears what comes from then on, a delivery has a position of its own, only what is not
    /// acknowledged comes again, and a message that no group would hear is refused.
    Queues,
}

/// What goes wrong, until it is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own, and any of them come together")]
pub struct BrokerFaults {
    /// Nobody reaches it, and nothing is written.
    pub down: bool,
    /// Publishing fails, although everything is written.
    pub acknowledgement_lost: bool,
    /// Publishing writes and acknowledges this many at a time, and fails with the others.
    pub taken_at_a_time: Option<usize>,
    /// Every message is delivered this often more.
    pub duplicates: u32,
    /// Acknowledging what was received fails.
    pub acknowledging_fails: bool,
    /// Publishing does not return, and nothing is written.
    pub hangs: bool,
}

/// Which messages are refused.
pub type Refuses = Arc<dyn Fn(&BrokerMessage) -> bool + Send + Sync>;

#[derive(Default)]
struct State {
    kind: BrokerKind,
    refuses: Option<Refuses>,
    topics: BTreeMap<String, Vec<BrokerMessage>>,
    groups: BTreeMap<String, Group>,
    retention: Option<Duration>,
    faults: BrokerFaults,
    members: u64,
    publish_calls: usize,
    returned: u64,
    /// By group.
    gaps: BTreeMap<String, Vec<Gap>>,
}

impl BrokerKind {
    /// What the real ones have no place for.
    fn cannot_carry(self, message: &BrokerMessage) -> Option<&'static str> {
        let mut names = BTreeSet::new();
        match self {
            Self::Log if message.routing_key.is_some() => Some("a routing key"),
            Self::Log if !message.properties.are_absent() => Some("a property"),
            Self::Log if message.headers.iter().any(|(_, value)| !value.is_plain()) => Some("a typed header"),
            Self::Queues if message.body.is_none() => Some("a body that is absent"),
            Self::Queues if !message.headers.iter().all(|(name, _)| names.insert(name)) => Some("a header twice"),
            Self::Log | Self::Queues => None,
        }
    }
}

impl MemoryBroker {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn of(kind: BrokerKind) -> Self {
        let broker = Self::default();
        broker.state().kind = kind;
        broker
    }

    pub fn set_faults(&self, faults: BrokerFaults) {
        self.state().faults = faults;
        self.0.1.notify_all();
    }

    /// From now on these messages are refused, and no others.
    pub fn refuse(&self, refuses: Option<Refuses>) {
        self.state().refuses = refuses;
    }

    /// From now on it says that it no longer has what this group is to receive next. The group receives nothing until that
    /// is skipped.
    pub fn lose(&self, group: &str, gap: Gap) {
        self.state().gaps.entry(group.to_owned()).or_default().push(gap);
        self.0.1.notify_all();
    }

    /// How long it says that it keeps messages.
    pub fn set_retention(&self, retention: Duration) {
        self.state().retention = Some(retention);
    }

    /// Everything that was published to a topic.
    pub fn published(&self, topic: &str) -> Vec<BrokerMessage> {
        self.state().topics.get(topic).cloned().unwrap_or_default()
    }

    /// How often it was asked to publish.
    pub fn publish_calls(&self) -> usize {
        self.state().publish_calls
    }

    /// Waits until it was asked to publish so often.
    pub fn wait_until_called(&self, calls: usize) {
        let fewer = |state: &mut State| state.publish_calls < calls;
        let waited = self.0.1.wait_timeout_while(self.state(), PATIENCE, fewer).unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.1.timed_out(), "nobody publishes");
    }

    /// Messages that this group has not acknowledged.
    pub fn owed(&self, group: &str) -> usize {
        let state = self.state();
        state.groups.get(group).map_or(0, |group| group.owed(&state.topics))
    }

    /// Waits until the group has acknowledged everything that there is.
    pub fn wait_until_settled(&self, group: &str) {
        let owed = |state: &mut State| state.groups.get(group).is_none_or(|group| group.owed(&state.topics) > 0);
        let waited = self.0.1.wait_timeout_while(self.state(), PATIENCE, owed).unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.1.timed_out(), "{group} has not acknowledged everything");
    }

    /// The connections of a group break: what it has not acknowledged is delivered again.
    pub fn disconnect(&self, group: &str) {
        let mut state = self.state();
        let kind = state.kind;
        if let Some(group) = state.groups.get_mut(group) {
            group.give_back(kind, None);
        }
        drop(state);
        self.0.1.notify_all();
    }

    /// The connections of all groups break.
    pub fn disconnect_all(&self) {
        let groups: Vec<String> = self.state().groups.keys().cloned().collect();
        for group in groups {
            self.disconnect(&group);
        }
    }

    /// A message that no engine has published.
    pub fn inject(&self, message: BrokerMessage) {
        self.state().topics.entry(message.topic.clone()).or_default().push(message);
        self.0.1.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn reached(&self) -> Result<(), BrokerError> {
        if self.faults.down { Err(BrokerError::Unavailable("it is down".to_owned())) } else { Ok(()) }
    }

    fn take(&mut self, message: &BrokerMessage) -> Result<(), BrokerError> {
        if message.body().len() > MEMORY_BODY_BYTES_MAX {
            return Err(BrokerError::Refused(format!("a body of {} bytes is too large", message.body().len())));
        }
        if self.refuses.as_ref().is_some_and(|refuses| refuses(message)) {
            return Err(BrokerError::Refused("such messages are refused".to_owned()));
        }
        if let Some(what) = self.kind.cannot_carry(message) {
            return Err(BrokerError::Refused(format!("{what} cannot be carried")));
        }
        let heard = self.groups.values().any(|group| group.hears(&message.topic));
        if self.kind == BrokerKind::Queues && !heard {
            self.returned += 1;
            return Err(BrokerError::Refused(format!("nobody hears {}", message.topic)));
        }
        self.topics.entry(message.topic.clone()).or_default().push(message.clone());
        Ok(())
    }
}

impl Broker for MemoryBroker {
    fn publish(&mut self, messages: &[BrokerMessage]) -> Result<(), (usize, BrokerError)> {
        let mut state = self.state();
        state.publish_calls += 1;
        self.0.1.notify_all();
        let hangs = |state: &mut State| state.faults.hangs;
        state = self.0.1.wait_while(state, hangs).unwrap_or_else(PoisonError::into_inner);
        state.reached().map_err(|error| (0, error))?;
        let taken = state.faults.taken_at_a_time.unwrap_or(usize::MAX);
        let mut outcome = Ok(());
        for (count, message) in messages.iter().enumerate() {
            let full = || BrokerError::Unavailable("it has taken enough".to_owned());
            let written = if count < taken { state.take(message) } else { Err(full()) };
            if let Err(error) = written {
                outcome = Err((count, error));
                break;
            }
        }
        if state.faults.acknowledgement_lost {
            outcome = Err((0, BrokerError::Unavailable("the acknowledgement was lost".to_owned())));
        }
        drop(state);
        self.0.1.notify_all();
        outcome
    }

    fn subscribe(&self, group: &str, topics: &[String]) -> Result<Box<dyn Subscription>, BrokerError> {
        let mut state = self.state();
        state.members += 1;
        let State { kind, topics: kept, groups, members, .. } = &mut *state;
        let membership = groups.entry(group.to_owned()).or_default().join(*kind, *members, topics, kept);
        drop(state);
        Ok(Box::new(MemorySubscription { broker: self.clone(), group: group.to_owned(), membership }))
    }

    fn retention(&self, _topics: &[String]) -> Result<Option<Duration>, BrokerError> {
        let state = self.state();
        state.reached()?;
        Ok(state.retention)
    }

    fn returned(&self) -> u64 {
        self.state().returned
    }

    fn gaps(&self) -> Option<Arc<dyn Gaps>> {
        Some(Arc::new(self.clone()))
    }
}

impl Gaps for MemoryBroker {
    fn of(&self, group: &str) -> Vec<Gap> {
        self.state().gaps.get(group).cloned().unwrap_or_default()
    }

    fn skip(&self, group: &str, gaps: &[Gap]) -> Result<(), BrokerError> {
        let mut state = self.state();
        state.reached()?;
        if state.gaps.get(group).is_none_or(|found| found != gaps) {
            return Err(BrokerError::Refused(format!("the gaps of {group} are others now")));
        }
        state.gaps.remove(group);
        Ok(())
    }
}

struct MemorySubscription {
    broker: MemoryBroker,
    group: String,
    membership: Membership,
}

impl MemorySubscription {
    fn group<T>(&mut self, act: impl FnOnce(&mut Group, &mut Membership, &State) -> T) -> Result<T, BrokerError> {
        let mut state = self.broker.state();
        state.reached()?;
        if let Some(gap) = state.gaps.get(&self.group).and_then(|gaps| gaps.first()) {
            return Err(BrokerError::Refused(gap.to_string()));
        }
        let mut group = state.groups.remove(&self.group).unwrap_or_default();
        let done = act(&mut group, &mut self.membership, &state);
        state.groups.insert(self.group.clone(), group);
        Ok(done)
    }

    fn take(&mut self, max: usize) -> Result<Vec<Incoming>, BrokerError> {
        self.group(|group, membership, state| {
            group.hand_out(membership, max, &state.topics, (state.kind, state.faults.duplicates))
        })
    }
}

impl Subscription for MemorySubscription {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<Incoming>, BrokerError> {
        let taken = self.take(max)?;
        if !taken.is_empty() || wait.is_zero() || max == 0 {
            return Ok(taken);
        }
        let shared = Arc::clone(&self.broker.0);
        let state = self.broker.state();
        let nothing = |state: &mut State| {
            !state.faults.down && state.groups.get(&self.group).is_none_or(|group| !group.has_more(&state.topics))
        };
        drop(shared.1.wait_timeout_while(state, wait, nothing).unwrap_or_else(PoisonError::into_inner));
        self.take(max)
    }

    fn acknowledge(&mut self, positions: &[Position]) -> Result<(), BrokerError> {
        if self.broker.state().faults.acknowledging_fails {
            return Err(BrokerError::Unavailable("it does not take acknowledgements".to_owned()));
        }
        self.group(|group, membership, _| group.acknowledge(membership, positions))?;
        self.broker.0.1.notify_all();
        Ok(())
    }

    fn caught_up(&mut self) -> Result<bool, BrokerError> {
        self.group(|group, membership, _| group.has_reached(membership))
    }

    fn backlog(&mut self) -> Result<Option<u64>, BrokerError> {
        self.group(|group, _, state| u64::try_from(group.waiting(&state.topics)).ok())
    }
}

/// A member that leaves gives back what it holds.
impl Drop for MemorySubscription {
    fn drop(&mut self) {
        let mut state = self.broker.state();
        let kind = state.kind;
        if let Some(group) = state.groups.get_mut(&self.group) {
            group.give_back(kind, Some(&self.membership));
        }
        drop(state);
        self.broker.0.1.notify_all();
    }
}
