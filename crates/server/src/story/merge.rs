//! The story of an order from the logs of several stores: every event once, causes before what they led to.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::Arc,
};

use tradewind_engine::{
    Entity, LogEvent, LogPosition,
    ports::{Reader, StoreError},
};
use tradewind_events::{Envelope, Id, Key, Timestamp};
use tradewind_query::{OrderView, order_of, rebuild::ReadModels};

use super::Story;

/// Segments read at a time.
const SEGMENTS: u32 = 64;

/// When its producer emitted an event: the time and, of the same time, the place in its log. Events of one source are in
/// this order.
type Moment = (Timestamp, LogPosition);

impl Story {
    /// Reads it from the logs of several stores, each with its name; `None` when none of them knows the order. It takes time
    /// with the length of the logs.
    pub fn merged(stores: &[(&str, &dyn Reader)], order_id: &Id) -> Result<Option<Self>, StoreError> {
        let mut found = BTreeMap::new();
        for (name, reader) in stores {
            gather(name, *reader, order_id, &mut found)?;
        }
        let events = in_causal_order(found.into_values().collect());
        let mut models = ReadModels::default();
        for (segment, envelope) in (1..).zip(&events) {
            models.hear(LogPosition { segment, index: 0 }, Arc::new(envelope.clone()));
        }
        let row = models.take_row(OrderView::TABLE, &Key::from(order_id));
        let order = row.map(|row| OrderView::from_row(&row)).transpose();
        let order = order.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(order.map(|order| Self::of(order, events)))
    }
}

/// Finds the events of an order in one log. What came from a store that is looked at too is found in both.
fn gather(
    name: &str,
    reader: &dyn Reader,
    order_id: &Id,
    found: &mut BTreeMap<Id, Envelope>,
) -> Result<(), StoreError> {
    let registry = tradewind_events::registry();
    let mut from = 1;
    loop {
        let segments = reader.segments(from, SEGMENTS)?;
        let Some(last) = segments.last() else { return Ok(()) };
        from = last.number + 1;
        for segment in &segments {
            let events = segment.decode(name, &registry).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            for LogEvent { envelope, .. } in events {
                if order_of(&*envelope.event).as_ref() == Some(order_id) {
                    found.insert(envelope.id.clone(), envelope);
                }
            }
        }
    }
}

/// Where an event stands in the log of its producer, if that is a store of ours: its id is `STORE-SEGMENT-INDEX`.
fn place_of(event_id: &Id) -> Option<LogPosition> {
    let mut parts = event_id.as_str().rsplit('-');
    let (index, segment) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(LogPosition { segment, index })
}

/// When the producer of an event emitted it. An event of another system has no place.
fn moment(event: &Envelope) -> Moment {
    (event.time, place_of(&event.id).unwrap_or(LogPosition { segment: 0, index: 0 }))
}

/// The earliest first, but none before its cause or before what its source had emitted earlier.
pub(super) fn in_causal_order(mut events: Vec<Envelope>) -> Vec<Envelope> {
    events.sort_by_key(moment);
    let numbers: BTreeMap<&Id, usize> = events.iter().zip(0..).map(|(event, nth)| (&event.id, nth)).collect();
    let mut last_of_source: BTreeMap<&str, usize> = BTreeMap::new();
    let mut waits_for = vec![0_usize; events.len()];
    let mut then: Vec<Vec<usize>> = vec![Vec::new(); events.len()];
    for (nth, event) in events.iter().enumerate() {
        let cause = event.causation_id.as_ref().and_then(|cause| numbers.get(cause)).copied();
        let before = last_of_source.insert(&event.source, nth);
        let earlier: BTreeSet<usize> = cause.into_iter().chain(before).collect();
        for earlier in earlier {
            waits_for[nth] += 1;
            then[earlier].push(nth);
        }
    }
    // Their numbers are in the order of their moments.
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..events.len()).filter(|nth| waits_for[*nth] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(events.len());
    while let Some(Reverse(nth)) = ready.pop() {
        order.push(nth);
        for later in &then[nth] {
            waits_for[*later] -= 1;
            if waits_for[*later] == 0 {
                ready.push(Reverse(*later));
            }
        }
    }
    // A clock that was set back can make a circle of them: nothing is left out.
    order.extend((0..events.len()).filter(|nth| waits_for[*nth] > 0));
    let mut events: Vec<Option<Envelope>> = events.into_iter().map(Some).collect();
    order.into_iter().filter_map(|nth| events[nth].take()).collect()
}
