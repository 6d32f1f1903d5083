//! The events of an order as they stand in the log. Where they stand is told by the read model; the timeline over HTTP
//! and `tradewind story` read them here, so both tell the same.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_engine::{
    Entity, LogPosition,
    ports::{List, Reader, StoreError},
};
use tradewind_events::{AsKey, Envelope, Value};
use tradewind_query::{OrderView, TimelineRest};

/// Where the events of an order are that come after this place of the log, at most so many, in the order of the log.
pub fn places_after(
    reader: &dyn Reader,
    order: &OrderView,
    after: Option<LogPosition>,
    limit: usize,
) -> Result<Vec<LogPosition>, StoreError> {
    let mut places: Vec<LogPosition> =
        order.timeline.iter().filter(|address| Some(*address) > after).take(limit).collect();
    if order.timeline_full && places.len() < limit {
        let after = after.max(order.timeline.last());
        places.extend(rest_after(reader, order, after, limit - places.len())?);
    }
    Ok(places)
}

/// The same of those events that the row of the order does not keep.
fn rest_after(
    reader: &dyn Reader,
    order: &OrderView,
    after: Option<LogPosition>,
    limit: usize,
) -> Result<Vec<LogPosition>, StoreError> {
    let corrupt = |what: String| StoreError::Corrupt(what);
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let mut list = List::of(TimelineRest::TABLE, limit).equal("order_id", Value::Text(order.order_id.shared()));
    if let Some(after) = after {
        list = list.after(Value::Null, (&order.order_id, &TimelineRest::place(after)).as_key());
    }
    let rows = reader.list(&list)?.into_iter().map(|row| {
        let row = TimelineRest::from_row(&row.values).map_err(|error| corrupt(error.to_string()))?;
        row.address().ok_or_else(|| corrupt(format!("{} is no place in the log", row.place)))
    });
    rows.collect()
}

/// The events at these places of the log of a store, in the order of the log.
pub fn events_at(
    reader: &dyn Reader,
    store: &str,
    places: impl IntoIterator<Item = LogPosition>,
) -> Result<Vec<(LogPosition, Envelope)>, StoreError> {
    let damaged = |error: &dyn std::fmt::Display| StoreError::Corrupt(error.to_string());
    let registry = tradewind_events::registry();
    let mut by_segment = BTreeMap::<u64, BTreeSet<u32>>::new();
    for LogPosition { segment, index } in places {
        by_segment.entry(segment).or_default().insert(index);
    }
    let mut events = Vec::new();
    for (number, indexes) in by_segment {
        let segment = reader.segments(number, 1)?.into_iter().find(|segment| segment.number == number);
        let segment = segment.ok_or_else(|| damaged(&format_args!("segment {number} of the log is not there")))?;
        let indexes: Vec<u32> = indexes.into_iter().collect();
        let found = segment.decode_at(&indexes, store, &registry).map_err(|error| damaged(&error))?;
        events.extend(found.into_iter().map(|event| (event.position, event.envelope)));
    }
    Ok(events)
}
