//! Why a service makes dead letters, as far as the engine can tell without knowing the domain: how many unrelated causes
//! there are. Many of them within a minute mean that the service is broken, and it is paused. One order, one request or
//! one customer whose messages fail again and again is one cause: it must not stop the service for all others.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use tradewind_events::{Envelope, Id, Timestamp};

use crate::{
    StoredAnswer,
    operator::{Action, Operator},
    work::{CommandMessage, Context, Item, Message},
};

/// Causes are counted over this time.
const CAUSES_WINDOW: Duration = Duration::from_mins(1);

/// What tells a failure from unrelated ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailureCause {
    /// On whose behalf: the party of the event, or its key where it names none.
    party: Id,
    /// The request that it follows from.
    correlation_id: Option<Id>,
}

impl FailureCause {
    /// An event could not be handled.
    pub fn of(envelope: &Envelope) -> Self {
        let party = envelope.event.party().unwrap_or(&envelope.key).clone();
        Self { party, correlation_id: Some(envelope.correlation_id.clone()) }
    }

    /// An event could not be handled, and not even be read: only its key is known.
    pub fn key(key: &Id) -> Self {
        Self { party: key.clone(), correlation_id: None }
    }

    /// A timer could not fire. It does not say on whose behalf it was set, so all timers of one name are one cause.
    pub fn timer(service: &str, name: &str) -> Option<Self> {
        Some(Self { party: Id::new(format!("{service}.{name}")).ok()?, correlation_id: None })
    }
}

/// The causes of the dead letters of every service.
pub(super) struct DeadLetters {
    /// [`crate::Limits::dead_letters_a_minute_max`].
    causes_max: u32,
    /// Dead letters of batches that are not durable count: a service that is broken is paused at once.
    known: BTreeMap<&'static str, Causes>,
    durable: BTreeMap<&'static str, Causes>,
    /// Services that are about to be paused.
    pausing: BTreeSet<&'static str>,
}

/// A cause, and when it was counted.
pub(super) struct Counted {
    consumer: &'static str,
    cause: FailureCause,
    at: Timestamp,
}

/// The causes of the dead letters of one service within a minute.
#[derive(Clone, Default)]
struct Causes {
    since: Timestamp,
    count: u32,
    /// Parties and requests of the causes that were counted: two for each at most, so [`Self::count`] bounds them.
    seen: HashSet<Id>,
}

impl Causes {
    /// Counts a cause unless it has something in common with one that was counted. Whether more than `max` are counted:
    /// then counting begins anew.
    fn exceed(&mut self, cause: FailureCause, now: Timestamp, max: u32) -> bool {
        if now.since(self.since) >= CAUSES_WINDOW {
            *self = Self { since: now, ..Self::default() };
        }
        let FailureCause { party, correlation_id } = cause;
        if self.seen.contains(&party) || correlation_id.as_ref().is_some_and(|id| self.seen.contains(id)) {
            return false;
        }
        self.count += 1;
        let exceeds = self.count > max;
        if exceeds {
            *self = Self::default();
        } else {
            self.seen.insert(party);
            self.seen.extend(correlation_id);
        }
        exceeds
    }
}

impl DeadLetters {
    pub fn new(causes_max: u32) -> Self {
        let (known, durable, pausing) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { causes_max, known, durable, pausing }
    }

    /// A service that runs has made a dead letter. When its dead letters have too many unrelated causes, gives the message
    /// that pauses it: most likely the service is broken, not the messages.
    pub fn add(
        &mut self,
        consumer: &'static str,
        cause: FailureCause,
        at: Timestamp,
        counted: &mut Vec<Counted>,
    ) -> Option<Item> {
        if self.pausing.contains(consumer) {
            return None;
        }
        counted.push(Counted { consumer, cause: cause.clone(), at });
        let max = self.causes_max;
        if !self.known.entry(consumer).or_default().exceed(cause, at, max) {
            return None;
        }
        self.pausing.insert(consumer);
        tracing::error!(consumer, "too many dead letters: the consumer is paused");
        let reason = format!("dead letters with more than {max} unrelated causes within a minute");
        Some(Item { by_engine: true, ..Item::new(pause_by_engine(consumer, reason.into())) })
    }

    /// A batch is durable, and so are its dead letters.
    pub fn committed(&mut self, counted: Vec<Counted>) {
        for Counted { consumer, cause, at } in counted {
            self.durable.entry(consumer).or_default().exceed(cause, at, self.causes_max);
        }
    }

    /// Batches were not applied: their dead letters do not count.
    pub fn reset(&mut self) {
        self.known.clone_from(&self.durable);
        self.pausing.clear();
    }

    /// A service is paused.
    pub fn paused(&mut self, consumer: &'static str) {
        self.pausing.remove(consumer);
    }
}

/// The engine itself pauses a consumer.
pub(crate) fn pause_by_engine(consumer: &str, reason: Arc<str>) -> Message {
    act(Action::Pause { consumer: tradewind_events::id(consumer), reason })
}

/// The engine itself resumes a consumer.
pub(super) fn resume_by_engine(consumer: &str) -> Message {
    act(Action::Resume { consumer: tradewind_events::id(consumer) })
}

fn act(action: Action) -> Message {
    let consumer = action.target().clone();
    let context = Context { request_id: consumer.clone(), correlation_id: consumer, traceparent: None };
    let operator = Operator { actor: "engine".into(), action };
    Message::Command(CommandMessage::operator(operator, context, |_| StoredAnswer::default()))
}

#[cfg(test)]
mod tests {
    use tradewind_events::id;

    use super::*;

    fn cause(party: &str, request: &str) -> FailureCause {
        FailureCause { party: id(party), correlation_id: Some(id(request)) }
    }

    #[test]
    fn causes_with_a_party_or_a_request_in_common_count_once_and_take_no_memory() {
        let (mut causes, now) = (Causes::default(), Timestamp::from_millis(1_000_000));
        for nth in 0..1_000 {
            assert!(!causes.exceed(cause("ada", &format!("r{nth}")), now, 3));
            assert!(!causes.exceed(cause(&format!("c{nth}"), "r0"), now, 3));
        }
        assert_eq!((causes.count, causes.seen.len()), (1, 2));
        assert!(!causes.exceed(cause("bob", "r-bob"), now, 3));
        assert!(!causes.exceed(cause("cyd", "r-cyd"), now, 3));
        assert_eq!(causes.seen.len(), 6);
        assert!(causes.exceed(cause("dan", "r-dan"), now, 3));
        assert_eq!((causes.count, causes.seen.len()), (0, 0), "a service that is resumed starts anew");
    }

    #[test]
    fn causes_are_forgotten_after_a_minute() {
        let (mut causes, now) = (Causes::default(), Timestamp::from_millis(1_000_000));
        for nth in 0..10 {
            let now = now.plus(CAUSES_WINDOW * nth);
            for party in ["ada", "bob", "cyd"] {
                assert!(!causes.exceed(cause(party, &format!("{party}-{nth}")), now, 3));
            }
        }
    }
}
