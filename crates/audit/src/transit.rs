//! What is between the stores: events that one store has published and another has not received.
//!
//! Copies of different moments are compared key by key. What all stores have for one key fits together if two things
//! hold: every copy has received each event of the key that the copy of its producer has published, and no copy has
//! received one that the copy of its producer does not have yet. The rows are then those of a moment that the shop can
//! have been in, with nothing of this key in flight (a consistent cut with empty channels). Any other key is set aside.
//! The inbox says which events a store has received; where it may have forgotten some, the counters say how many.

use std::{collections::VecDeque, time::Duration};

use rustc_hash::{FxHashMap, FxHashSet};
use tradewind_engine::{
    Entity, LogPosition,
    ports::{Direction, List, Reader},
    segment::{INDEXES_MAX, Segment, event_id},
    tables::{InboxRow, InboxSegmentRow},
};
use tradewind_events::{AsKey, Envelope, Id, Key, KeyText, Timestamp};

use crate::{Audit, AuditError, Report, facts::Facts, read_row};

/// How much the clocks of two stores may differ. An event that was published later than the oldest entry of an inbox, by
/// more than this, was received later than that entry, if ever: the inbox has not forgotten it.
const CLOCK_DIFFERENCE_MAX: Duration = Duration::from_hours(24);

/// An event needs an operator if it has not arrived, and others have that were published later by more than this. Between
/// two keys a broker keeps no order, but it does not leave one behind for so long.
pub const DELIVERY_MAX: Duration = Duration::from_hours(1);

/// Pairs of a consumer and a source that are told apart, one bit each. The last bit stands for all further pairs: an event
/// that is in flight for one of them is taken to be in flight for all.
const PAIRS_MAX: usize = 128;

/// Follows the events of all logs to their consumers in other stores.
pub struct Transit<'a> {
    audit: &'a Audit<'a>,
    /// For each store: an event that was published later cannot have been forgotten by its inbox. `None`: it is empty.
    remembers_from: Vec<Option<Timestamp>>,
    pairs: Vec<Pair<'a>>,
    listeners: FxHashMap<KeyText, FxHashMap<&'static str, Vec<Listener>>>,
    /// Keys of events that are not in the inbox of a consumer.
    missing: FxHashMap<Id, Bits>,
    /// Keys of events that were published after the copy of their store was made.
    moved: FxHashSet<Id>,
}

/// A consumer of the events of one source, in another store.
struct Pair<'a> {
    /// The place of the consumer's store in the audit.
    store: usize,
    consumer: &'a str,
    source: KeyText,
    /// The place of the source's store.
    producer: usize,
    /// Events that the consumer handles, up to a position that was read after all copies were made.
    published: u64,
    /// What the consumer accounts for.
    taken: u64,
    /// Not in the inbox, which cannot have forgotten them.
    young: Missing,
    /// Not in the inbox, which may have forgotten them.
    old: Missing,
    /// The last of these, in the order of the log: no event that is much younger was received so far.
    last: VecDeque<Last>,
}

/// Events that are not in an inbox.
#[derive(Default)]
struct Missing {
    events: u64,
    overdue: u64,
    /// The first overdue one.
    first: Option<LogPosition>,
}

/// An event that is not in an inbox.
struct Last {
    at: Timestamp,
    position: LogPosition,
    is_young: bool,
}

/// Which pairs miss an event of one key, a bit each.
#[derive(Default)]
struct Bits {
    young: u128,
    old: u128,
}

/// The consumers of one event in one store.
struct Listener {
    store: usize,
    pairs: Vec<usize>,
}

/// What the other stores have received of some segments of a store.
pub struct Received {
    producer: usize,
    /// For each store, by segment.
    stores: Vec<FxHashMap<u64, InboxSegmentRow>>,
}

/// Which events of a pair are in flight.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InFlight {
    None,
    Young,
    /// Some of those that are not in the inbox. It is not known which.
    Any,
}

impl<'a> Transit<'a> {
    pub fn new(audit: &'a Audit<'a>) -> Result<Self, AuditError> {
        let mut remembers_from = Vec::new();
        for store in audit.stores {
            let segments = oldest::<InboxSegmentRow>(store.reader, |row| row.received_at)?;
            let others = oldest::<InboxRow>(store.reader, |row| row.received_at)?;
            let oldest = segments.into_iter().chain(others).min();
            remembers_from.push(oldest.map(|oldest| oldest.plus(CLOCK_DIFFERENCE_MAX)));
        }
        Ok(Self {
            audit,
            remembers_from,
            pairs: Vec::new(),
            listeners: FxHashMap::default(),
            missing: FxHashMap::default(),
            moved: FxHashSet::default(),
        })
    }

    /// Looks what the other stores have received of these segments of a store.
    pub fn received(&self, producer: usize, segments: &[Segment]) -> Result<Received, AuditError> {
        let name = self.audit.stores[producer].name;
        let keys: Vec<Key> = segments.iter().map(|segment| InboxSegmentRow::key_of(name, segment.number)).collect();
        let mut stores = Vec::with_capacity(self.audit.stores.len());
        for (nth, store) in self.audit.stores.iter().enumerate() {
            let mut by_segment = FxHashMap::default();
            if nth != producer && store.has_inbox {
                let rows = store.reader.load(InboxSegmentRow::TABLE, &keys)?;
                for (segment, row) in segments.iter().zip(rows) {
                    if let Some(row) = row {
                        by_segment.insert(segment.number, read_row::<InboxSegmentRow>(&row)?);
                    }
                }
            }
            stores.push(by_segment);
        }
        Ok(Received { producer, stores })
    }

    /// Takes the next event of a log. `is_later`: it was published after the copy of its store was made.
    pub fn follow(
        &mut self,
        envelope: &Envelope,
        position: LogPosition,
        received: &Received,
        is_later: bool,
    ) -> Result<(), AuditError> {
        if is_later {
            self.moved.insert(envelope.key.clone());
        }
        let (source, name) = (&envelope.source, envelope.event.name());
        if self.listeners.get(source).is_none_or(|names| !names.contains_key(name)) {
            let listeners = self.find_listeners(received.producer, source, name);
            self.listeners.entry(source.clone()).or_default().insert(name, listeners);
        }
        for listener in &self.listeners[source][name] {
            let is_received = received.has(self.audit, listener.store, position, &envelope.id)?;
            let is_young = self.remembers_from[listener.store].is_some_and(|from| from < envelope.time);
            for number in &listener.pairs {
                let pair = &mut self.pairs[*number];
                pair.published += 1;
                if is_received {
                    pair.has_received(envelope.time);
                } else {
                    let bits = self.missing.entry(envelope.key.clone()).or_default();
                    *(if is_young { &mut bits.young } else { &mut bits.old }) |= bit(*number);
                    pair.misses(Last { at: envelope.time, position, is_young });
                }
            }
        }
        Ok(())
    }

    /// The consumers of an event in other stores.
    fn find_listeners(&mut self, producer: usize, source: &KeyText, name: &str) -> Vec<Listener> {
        let mut listeners = Vec::new();
        for (store, view) in self.audit.stores.iter().enumerate().filter(|(nth, _)| *nth != producer) {
            let consumers = view.has_inbox.then(|| view.consumers(name)).into_iter().flatten();
            let pairs: Vec<usize> = consumers.map(|consumer| self.pair(store, consumer, source, producer)).collect();
            if !pairs.is_empty() {
                listeners.push(Listener { store, pairs });
            }
        }
        listeners
    }

    /// The place of a pair, which is made when it is first asked for.
    fn pair(&mut self, store: usize, consumer: &'a str, source: &KeyText, producer: usize) -> usize {
        let known = self.pairs.iter().position(|pair| pair.is_of(store, consumer, source));
        known.unwrap_or_else(|| {
            self.pairs.push(Pair {
                store,
                consumer,
                source: source.clone(),
                producer,
                published: 0,
                taken: 0,
                young: Missing::default(),
                old: Missing::default(),
                last: VecDeque::new(),
            });
            self.pairs.len() - 1
        })
    }

    /// How many events of a source were published that a consumer handles, which accounts for so many.
    pub fn published(&mut self, store: usize, consumer: &str, source: &str, taken: u64) -> u64 {
        let pair = self.pairs.iter_mut().find(|pair| pair.is_of(store, consumer, source));
        pair.map_or(0, |pair| {
            pair.taken = taken;
            pair.published
        })
    }

    /// Tells what is in flight, and which keys that concerns. `is_whole`: for each store, whether all events that it has ever
    /// published are in its log.
    pub fn conclude(self, is_whole: &[bool], facts: &mut Facts, report: &mut Report) {
        let (mut young, mut old) = (0, 0);
        for (number, pair) in self.pairs.iter().enumerate() {
            let in_flight = if is_whole[pair.producer] { pair.in_flight() } else { InFlight::Young };
            young |= if in_flight == InFlight::None { 0 } else { bit(number) };
            old |= if in_flight == InFlight::Any { bit(number) } else { 0 };
            report.in_flight += match in_flight {
                InFlight::None => 0,
                InFlight::Young => pair.young.events,
                InFlight::Any => pair.published.saturating_sub(pair.taken),
            };
            if let Some((events, first)) = pair.overdue(in_flight) {
                let first = event_id(self.audit.stores[pair.producer].name, first);
                let store = self.audit.stores[pair.store].name;
                let detail = format!("not arrived, although later ones have: {events}, the first is {first}");
                report.of(store).owe("delivery", format!("{} → {}", pair.source, pair.consumer), detail);
            }
        }
        let touched = |bits: &Bits| bits.young & young != 0 || bits.old & old != 0;
        facts.set_aside(self.moved);
        facts.set_aside(self.missing.into_iter().filter(|(_, bits)| touched(bits)).map(|(key, _)| key));
    }
}

impl Pair<'_> {
    fn is_of(&self, store: usize, consumer: &str, source: &str) -> bool {
        self.store == store && self.consumer == consumer && *self.source == *source
    }

    fn in_flight(&self) -> InFlight {
        let in_flight = self.published.saturating_sub(self.taken);
        if in_flight == 0 {
            // All were received, whatever the inbox has forgotten.
            InFlight::None
        } else if self.young.events >= in_flight {
            InFlight::Young
        } else {
            InFlight::Any
        }
    }

    /// How many events are overdue, and the first of them.
    fn overdue(&self, in_flight: InFlight) -> Option<(u64, LogPosition)> {
        let old = match in_flight {
            InFlight::None => return None,
            InFlight::Young => 0,
            // The others were received and forgotten.
            InFlight::Any => self.published.saturating_sub(self.taken).saturating_sub(self.young.events),
        };
        let old = old.min(self.old.overdue);
        let first = if old > 0 { self.old.first } else { self.young.first };
        Some((self.young.overdue + old, first?))
    }

    fn misses(&mut self, event: Last) {
        let missing = if event.is_young { &mut self.young } else { &mut self.old };
        missing.events += 1;
        self.last.push_back(event);
    }

    /// An event of this time was received: what was published much earlier is overdue.
    fn has_received(&mut self, at: Timestamp) {
        while let Some(event) = self.last.pop_front_if(|event| event.at.plus(DELIVERY_MAX) < at) {
            let missing = if event.is_young { &mut self.young } else { &mut self.old };
            missing.overdue += 1;
            missing.first.get_or_insert(event.position);
        }
    }
}

impl Received {
    fn has(&self, audit: &Audit<'_>, store: usize, position: LogPosition, id: &Id) -> Result<bool, AuditError> {
        match u16::try_from(position.index).ok().filter(|index| *index < INDEXES_MAX) {
            Some(index) => Ok(self.stores[store].get(&position.segment).is_some_and(|row| row.indexes.contains(index))),
            // It has a row of its own.
            None => Ok(audit.stores[store].reader.load(InboxRow::TABLE, &[id.as_key()])?.pop().flatten().is_some()),
        }
    }
}

fn bit(pair: usize) -> u128 {
    1 << pair.min(PAIRS_MAX - 1)
}

/// When the oldest entry of a part of an inbox was received.
fn oldest<E: Entity>(
    reader: &dyn Reader,
    received_at: impl Fn(E) -> Timestamp,
) -> Result<Option<Timestamp>, AuditError> {
    let list = List::of(E::TABLE, 1).order_by("received_at", Direction::Ascending);
    reader.list(&list)?.first().map(|row| Ok(received_at(read_row::<E>(row)?))).transpose()
}
