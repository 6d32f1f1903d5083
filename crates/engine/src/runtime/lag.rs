//! How far the consumers of a store are behind: what is parked for them, what is received and not committed, and what waits
//! at a broker. Figures only: nothing that a shop does depends on it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Deref,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustc_hash::FxHashMap;
use tradewind_events::{AsKey, KeyText, Registry, Timestamp};

use crate::{
    AnyService, Core, Entity, Message, Routing,
    core::ParkedPile,
    ports::{BrokerError, Reader, StoreError},
    tables::ConsumerRow,
};

/// How often a subscription is asked how much waits for it.
pub const BACKLOG_EVERY: Duration = Duration::from_secs(5);

/// What drains is measured over so long.
const DRAIN_WINDOW: Duration = Duration::from_mins(1);

/// Stands for all sources that this build and its configuration do not name, so that their number is bounded.
pub const OTHER_SOURCE: &str = "other";

/// How far a store is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// Of each service with each source that it consumes, in the order of their names.
    pub consumers: Vec<ConsumerLag>,
    /// Of the brokers from which something is received, in the order in which they are configured.
    pub brokers: Vec<BrokerLag>,
}

/// How far a service is behind with the events of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerLag {
    pub consumer: &'static str,
    /// A service, `BRIDGE.ROLE` or [`OTHER_SOURCE`].
    pub source: String,
    /// Events that this store has and the service has not handled: received and not committed, or parked.
    pub messages: usize,
    /// No event that happened earlier is unhandled: the time of the oldest of `messages`, or where some may wait at the
    /// broker [`BrokerLag::waits_since`], whichever is earlier. None when there is nothing to handle.
    pub since: Option<Timestamp>,
}

/// What waits at a broker, and on its way from there into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerLag {
    pub name: KeyText,
    /// Messages that are received and not committed.
    pub uncommitted: usize,
    /// Messages that wait at the broker, as it last told, and those that the brake of a paused subscription keeps back; none
    /// when the broker cannot tell.
    pub backlog: Option<u64>,
    /// Some may wait there. Everything that happened before is received: the time of the newest event that was received,
    /// or when the broker last had nothing more, whichever is later.
    pub waits_since: Option<Timestamp>,
    /// An estimate of how long it takes until nothing waits, from the last minute; none before there is one.
    pub drain: Option<Drain>,
}

/// How what waits becomes less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// It does not.
    Never,
    /// So fast that nothing waits after this time.
    Within(Duration),
}

/// What there is to know about the lag of a store.
pub(super) struct Lags {
    /// The services of this store that consume an event, by its name.
    consumers: FxHashMap<&'static str, Vec<&'static str>>,
    /// Each service with each source of events that it consumes.
    listed: BTreeSet<(&'static str, &'static str)>,
    /// Sources that are shown by their names.
    sources: BTreeSet<String>,
    parked: Mutex<(u64, Vec<ParkedPile>)>,
}

impl Lags {
    pub fn new<'a>(core: &Core, registry: &Registry, routings: impl Iterator<Item = &'a Routing>) -> Self {
        let mut consumers: FxHashMap<&'static str, Vec<&'static str>> = FxHashMap::default();
        let mut listed = BTreeSet::new();
        for kind in registry.kinds() {
            let is_consumer = |service: &&AnyService| {
                service.reactions.iter().any(|it| it.event.is_none_or(|only| only == kind.name))
            };
            for service in core.services().iter().filter(is_consumer) {
                consumers.entry(kind.name).or_default().push(service.name);
                listed.insert((service.name, kind.source));
            }
        }
        let mut sources: BTreeSet<String> = registry.kinds().map(|kind| kind.source.to_owned()).collect();
        let imported = core.services().iter().flat_map(|service| &service.sources);
        sources.extend(imported.map(ToString::to_string));
        sources.extend(routings.flat_map(Routing::sources).map(str::to_owned));
        Self { consumers, listed, sources, parked: Mutex::new((u64::MAX, Vec::new())) }
    }

    /// Looks at what is parked now.
    pub fn take(&self, core: &Core) {
        let (version, parked) = &mut *self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(piles) = core.parked_piles(version) {
            *parked = piles;
        }
    }

    pub fn read<'a, D: Deref<Target = Deliveries>>(&self, brokers: impl Iterator<Item = (&'a KeyText, D)>) -> Lag {
        let mut found: BTreeMap<(&'static str, &str), (usize, Option<Timestamp>)> = BTreeMap::new();
        found.extend(self.listed.iter().map(|of| (*of, (0, None))));
        let mut add = |consumer: &'static str, source: &str, messages: usize, since: Timestamp| {
            let source = self.sources.get(source).map_or(OTHER_SOURCE, String::as_str);
            let lag = found.entry((consumer, source)).or_default();
            *lag = (lag.0 + messages, Some(lag.1.map_or(since, |before| before.min(since))));
        };
        for pile in &self.parked.lock().unwrap_or_else(PoisonError::into_inner).1 {
            add(pile.consumer, &pile.source, pile.messages, pile.oldest);
        }
        let mut lags = Vec::new();
        for (name, deliveries) in brokers.filter(|(_, deliveries)| deliveries.receives) {
            for ((source, event), (messages, oldest)) in deliveries.uncommitted() {
                for consumer in self.consumers.get(event).into_iter().flatten() {
                    add(consumer, source, messages, oldest);
                }
            }
            for (consumer, source) in self.listed.iter().filter(|(_, source)| deliveries.delivers(source)) {
                if let Some(since) = deliveries.waits_since(Some(source)) {
                    add(consumer, source, 0, since);
                }
            }
            lags.push(BrokerLag {
                name: name.clone(),
                uncommitted: deliveries.uncommitted.len(),
                backlog: deliveries.backlog,
                waits_since: deliveries.waits_since(None),
                drain: deliveries.drain(),
            });
        }
        let lag = |((consumer, source), (messages, since)): ((&'static str, &str), (usize, Option<Timestamp>))| {
            ConsumerLag { consumer, source: source.to_owned(), messages, since }
        };
        Lag { consumers: found.into_iter().map(lag).collect(), brokers: lags }
    }
}

/// What has come from one broker, and what waits there.
pub(super) struct Deliveries {
    receives: bool,
    /// Received and not committed, in the order in which they came: none of what is no event. Bounded as
    /// [`crate::BrokerLimits::received_max`] says.
    uncommitted: VecDeque<Option<Out>>,
    /// Sources that it delivers, each with the time of its newest event since the broker had nothing more.
    newest: BTreeMap<String, Option<Timestamp>>,
    /// There may be more at the broker.
    may_wait: bool,
    /// When the broker had nothing more, the last time that it was known.
    nothing_at: Timestamp,
    backlog: Option<u64>,
    /// The monotonic time from which the broker is asked again.
    ask_at: Duration,
    /// How much waited, by monotonic time; over [`DRAIN_WINDOW`].
    samples: VecDeque<(Duration, u64)>,
}

struct Out {
    source: KeyText,
    event: &'static str,
    time: Timestamp,
}

impl Deliveries {
    /// All that happened before `nothing_at` is taken to be received.
    pub fn new(routing: &Routing, nothing_at: Timestamp) -> Self {
        Self {
            receives: routing.subscribes(),
            uncommitted: VecDeque::new(),
            newest: routing.sources().map(|source| (source.to_owned(), None)).collect(),
            may_wait: routing.subscribes(),
            nothing_at,
            backlog: None,
            ask_at: Duration::ZERO,
            samples: VecDeque::new(),
        }
    }

    pub fn receives(&self) -> bool {
        self.receives
    }

    /// A poll for at most `max` messages has given so many.
    pub fn polled(&mut self, max: usize, answer: Result<usize, ()>, now: Timestamp) {
        match answer {
            Ok(0) if max > 0 => self.has_nothing(now),
            // What the broker has told when it was asked stands.
            Ok(0) => self.may_wait |= self.backlog != Some(0),
            Ok(_) => self.may_wait = true,
            Err(()) => (self.may_wait, self.backlog) = (true, None),
        }
    }

    /// These messages go to the core.
    pub fn receive(&mut self, messages: &[Message]) {
        for message in messages.iter().filter(|message| message.is_received()) {
            let Message::Received(received) = message else {
                self.uncommitted.push_back(None);
                continue;
            };
            let envelope = &received.envelope;
            if let Some(newest) = self.newest.get_mut(&*envelope.source) {
                *newest = (*newest).max(Some(envelope.time));
            }
            let (source, event, time) = (envelope.source.clone(), envelope.event.name(), envelope.time);
            self.uncommitted.push_back(Some(Out { source, event, time }));
        }
    }

    /// So many of the first are committed.
    pub fn commit(&mut self, messages: usize) {
        self.uncommitted.drain(..messages.min(self.uncommitted.len()));
    }

    /// Whether the broker is to be asked at this monotonic time; not again before [`BACKLOG_EVERY`].
    pub fn asks(&mut self, now: Duration) -> bool {
        let asks = self.ask_at <= now;
        if asks {
            self.ask_at = now + BACKLOG_EVERY;
        }
        asks
    }

    /// What the broker has answered, at this time and monotonic time.
    pub fn told(&mut self, answer: Result<Option<u64>, BrokerError>, now: Timestamp, monotonic: Duration) {
        self.backlog = answer.unwrap_or_else(|error| {
            tracing::debug!(%error, "the broker does not tell how much waits");
            None
        });
        let Some(backlog) = self.backlog else {
            self.samples.clear();
            return;
        };
        if backlog == 0 {
            self.has_nothing(now);
        }
        while self.samples.front().is_some_and(|(at, _)| monotonic.saturating_sub(*at) > DRAIN_WINDOW) {
            self.samples.pop_front();
        }
        let waiting = backlog.saturating_add(u64::try_from(self.uncommitted.len()).unwrap_or(u64::MAX));
        self.samples.push_back((monotonic, waiting));
    }

    fn has_nothing(&mut self, now: Timestamp) {
        (self.may_wait, self.nothing_at) = (false, now);
        self.newest.values_mut().for_each(|newest| *newest = None);
    }

    fn delivers(&self, source: &str) -> bool {
        self.newest.contains_key(source)
    }

    /// From when on events may wait there: those of one source, or any. A broker hands out in about the order in which it
    /// got them, so the newest event that came from it says how far it is; where none came of this source, of any.
    fn waits_since(&self, source: Option<&str>) -> Option<Timestamp> {
        if !self.may_wait {
            return None;
        }
        let of_source = source.and_then(|source| *self.newest.get(source)?);
        let newest = of_source.or_else(|| self.newest.values().flatten().max().copied());
        Some(newest.map_or(self.nothing_at, |newest| newest.max(self.nothing_at)))
    }

    /// By source and event: how many, and the time of the oldest.
    fn uncommitted(&self) -> BTreeMap<(&str, &'static str), (usize, Timestamp)> {
        let mut found: BTreeMap<(&str, &'static str), (usize, Timestamp)> = BTreeMap::new();
        for Out { source, event, time } in self.uncommitted.iter().flatten() {
            let entry = found.entry((&**source, *event)).or_insert((0, *time));
            *entry = (entry.0 + 1, entry.1.min(*time));
        }
        found
    }

    /// As since the time within the window when most waited.
    fn drain(&self) -> Option<Drain> {
        let (at, waiting) = *self.samples.back()?;
        if waiting == 0 {
            return Some(Drain::Within(Duration::ZERO));
        }
        let (since, most) = *self.samples.iter().max_by_key(|(_, waiting)| *waiting)?;
        if self.samples.len() < 2 {
            return None;
        }
        let (took, less) = (at.saturating_sub(since).as_millis(), u128::from(most - waiting));
        let left = (u128::from(waiting) * took).checked_div(less);
        Some(left.map_or(Drain::Never, |left| Drain::Within(millis(left))))
    }
}

fn millis(millis: u128) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// From when on events may wait at this broker when the store is opened: what it has received stands in its commits. While
/// the subscription was paused it received nothing.
pub(super) fn waits_since(core: &Core, broker: &KeyText, reader: &dyn Reader) -> Result<Timestamp, StoreError> {
    let now = core.clock().now();
    let last = reader.last_commit_at()?;
    // A store without a commit has received nothing, and misses nothing that it could know of.
    let last = if last == Timestamp::default() { now } else { last };
    let row = reader.load(ConsumerRow::TABLE, &[broker.as_key()])?.pop().flatten();
    let row = row.and_then(|row| ConsumerRow::from_row(&row.values).ok()).filter(|row| row.paused);
    Ok(row.map_or(last, |row| last.min(row.since)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn deliveries() -> Deliveries {
        Deliveries::new(&Routing::by_source("test").consume(["far", "near"]), at(1_000))
    }

    fn came(deliveries: &mut Deliveries, source: &str, time: i64) {
        deliveries.polled(500, Ok(1), at(time + 1));
        *deliveries.newest.get_mut(source).unwrap() = Some(at(time));
    }

    #[test]
    fn nothing_waits_once_a_poll_for_messages_gives_none() {
        let mut deliveries = deliveries();
        assert_eq!(deliveries.waits_since(None), Some(at(1_000)), "what came while it was down is not known");
        deliveries.polled(500, Ok(0), at(2_000));
        assert_eq!((deliveries.waits_since(None), deliveries.waits_since(Some("far"))), (None, None));
        // A poll that takes nothing does not say that there is nothing.
        deliveries.polled(0, Ok(0), at(3_000));
        assert_eq!(deliveries.waits_since(Some("far")), Some(at(2_000)));
        deliveries.polled(500, Ok(0), at(4_000));
        deliveries.polled(500, Err(()), at(5_000));
        assert_eq!(deliveries.waits_since(Some("far")), Some(at(4_000)));
    }

    #[test]
    fn the_newest_event_of_a_source_says_how_far_the_broker_is() {
        let mut deliveries = deliveries();
        came(&mut deliveries, "far", 1_500);
        assert_eq!(deliveries.waits_since(Some("far")), Some(at(1_500)));
        assert_eq!(deliveries.waits_since(Some("near")), Some(at(1_500)), "where none came of it, any does");
        came(&mut deliveries, "near", 1_200);
        assert_eq!(deliveries.waits_since(Some("near")), Some(at(1_200)));
        assert_eq!(deliveries.waits_since(None), Some(at(1_500)));
        // An event that is older than what is known to be received says nothing.
        came(&mut deliveries, "near", 500);
        assert_eq!(deliveries.waits_since(Some("near")), Some(at(1_000)));
    }

    #[test]
    fn a_broker_that_says_that_nothing_waits_is_believed_until_it_says_something_else() {
        let mut deliveries = deliveries();
        deliveries.told(Ok(Some(0)), at(2_000), Duration::ZERO);
        deliveries.polled(0, Ok(0), at(3_000));
        assert_eq!(deliveries.waits_since(None), None);
        deliveries.told(Ok(Some(1)), at(4_000), Duration::from_secs(5));
        deliveries.polled(0, Ok(0), at(4_000));
        assert_eq!(deliveries.waits_since(None), Some(at(2_000)));
        let unavailable = BrokerError::Unavailable("down".to_owned());
        deliveries.told(Err(unavailable), at(5_000), Duration::from_secs(10));
        assert_eq!((deliveries.backlog, deliveries.drain()), (None, None));
    }

    #[test]
    fn a_broker_is_asked_at_once_and_then_every_few_seconds() {
        let mut deliveries = deliveries();
        assert!(deliveries.asks(Duration::ZERO) && !deliveries.asks(Duration::from_secs(4)));
        assert!(deliveries.asks(BACKLOG_EVERY) && !deliveries.asks(BACKLOG_EVERY));
    }

    #[test]
    fn the_time_to_drain_is_measured_from_when_most_waited() {
        let mut deliveries = deliveries();
        let mut second = 0;
        let mut told = |waiting: u64| {
            deliveries.told(Ok(Some(waiting)), at(0), Duration::from_secs(second));
            second += 5;
            assert!(deliveries.samples.len() <= 13, "a minute of them is kept");
            deliveries.drain()
        };
        assert_eq!(told(100), None, "one moment says nothing");
        assert_eq!(told(1_000), Some(Drain::Never));
        assert_eq!(told(900), Some(Drain::Within(Duration::from_secs(45))));
        assert_eq!(told(500), Some(Drain::Within(Duration::from_secs(10))));
        assert_eq!(told(0), Some(Drain::Within(Duration::ZERO)));
        for _ in 0..20 {
            told(7);
        }
        assert_eq!(told(7), Some(Drain::Never));
    }

    #[test]
    fn what_is_committed_waits_no_longer_whatever_it_was() {
        let mut deliveries = deliveries();
        deliveries.uncommitted.extend([None, None]);
        deliveries.commit(1);
        assert_eq!(deliveries.uncommitted.len(), 1);
        deliveries.commit(5);
        assert!(deliveries.uncommitted.is_empty() && deliveries.uncommitted().is_empty());
    }
}
