//! The story of an order: what happened to it, in which order, and what caused what. Not here: how it is shown.

mod facts;
mod merge;

use std::{collections::BTreeMap, fmt, time::Duration};

use tradewind_engine::{
    Entity,
    ports::{Reader, StoreError},
};
use tradewind_events::{Envelope, Event, Id, Key, notifications::NotificationQueued};
use tradewind_query::OrderView;

use crate::{
    services,
    timeline::{events_at, places_after},
};

pub use facts::facts;
use merge::in_causal_order;

/// An order with all that was told of it.
pub struct Story {
    pub order: OrderView,
    /// In the order of the log. Events of another store come after their causes, too.
    pub chapters: Vec<Chapter>,
}

/// An event of the story.
pub struct Chapter {
    pub envelope: Envelope,
    /// Since the first one.
    pub after: Duration,
    pub cause: Cause,
    /// What it says, in a few words. Nothing personal is in them.
    pub facts: String,
}

/// What caused an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// An event of this story, by its number from 1.
    Event(usize),
    /// A time that had come: the timer's name.
    Timer(Id),
    /// An answer from outside: what was asked for.
    Answer(String),
    /// A request of a client, or a message of another store.
    Request(Id),
    Unknown,
}

impl Story {
    /// Reads it from a store; `None` when the store has not heard of the order.
    pub fn read(reader: &dyn Reader, store: &str, order_id: &Id) -> Result<Option<Self>, StoreError> {
        let Some(row) = reader.load(OrderView::TABLE, &[Key::from(order_id)])?.pop().flatten() else {
            return Ok(None);
        };
        let order = OrderView::from_row(&row.values).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let places = places_after(reader, &order, None, usize::MAX)?;
        let events = events_at(reader, store, places)?;
        Ok(Some(Self::of(order, events.into_iter().map(|(_, envelope)| envelope).collect())))
    }

    /// The story of these events, which are all that there are, in any order.
    pub fn of(order: OrderView, events: Vec<Envelope>) -> Self {
        let events = in_causal_order(events);
        let numbers = Numbers::of(&events);
        let began_at = events.iter().map(|event| event.time).min();
        let chapters = events.into_iter().map(|envelope| Chapter {
            after: began_at.map_or(Duration::ZERO, |began_at| envelope.time.since(began_at)),
            cause: cause(&order, &envelope, &numbers),
            facts: facts(&envelope),
            envelope,
        });
        Self { chapters: chapters.collect(), order }
    }
}

/// The numbers of the events of a story, from 1.
struct Numbers {
    by_id: BTreeMap<Id, usize>,
    /// Of the events that queued a notification, by the notification: what its worker tells follows from it.
    queued: BTreeMap<Key, usize>,
}

impl Numbers {
    fn of(events: &[Envelope]) -> Self {
        let numbered = || events.iter().zip(1..);
        let queued = numbered().filter(|(event, _)| event.event.name() == NotificationQueued::NAME);
        Self {
            queued: queued.map(|(event, number)| (event.subject.key.clone(), number)).collect(),
            by_id: numbered().map(|(event, number)| (event.id.clone(), number)).collect(),
        }
    }

    fn cause_of(&self, envelope: &Envelope) -> Option<usize> {
        let tells_of_a_job = envelope.subject.kind == "notification" && envelope.sequence > 1;
        let queued = tells_of_a_job.then(|| self.queued.get(&envelope.subject.key)).flatten();
        queued.or_else(|| self.by_id.get(envelope.causation_id.as_ref()?)).copied()
    }
}

fn cause(order: &OrderView, envelope: &Envelope, numbers: &Numbers) -> Cause {
    if let Some(number) = numbers.cause_of(envelope) {
        return Cause::Event(number);
    }
    let Some(id) = &envelope.causation_id else { return Cause::Unknown };
    let is_timer = id.as_str().split_once('.').is_some_and(|(service, _)| services::NAMES.contains(&service));
    if is_timer {
        return Cause::Timer(id.clone());
    }
    // The keys under which the provider is asked begin with the payment's id; that of the hold is the id alone.
    let asked = order.payment_id.as_ref().and_then(|payment_id| id.as_str().strip_prefix(payment_id.as_str()));
    let what = asked.and_then(|rest| if rest.is_empty() { Some("authorize") } else { rest.split('.').nth(1) });
    if let Some(what) = what {
        return Cause::Answer(format!("the payment provider, asked to {what}"));
    }
    Cause::Request(id.clone())
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(number) => write!(f, "event {number}"),
            Self::Timer(name) => write!(f, "timer {name}"),
            Self::Answer(who) => write!(f, "answer of {who}"),
            Self::Request(id) => write!(f, "request {id}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
