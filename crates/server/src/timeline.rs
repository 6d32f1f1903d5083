//! The events of an order as they stand in the log. Where they stand is told by the read model; the timeline over HTTP
//! and `tradewind story` read them here, so both tell the same.

use std::collections::{BTreeMap, BTreeSet};

use tradewind_engine::{
    Address,
    ports::{Reader, StoreError},
};
use tradewind_events::Envelope;

/// The events at these places of the log of a store, in the order of the log.
pub fn events_at(
    reader: &dyn Reader,
    store: &str,
    places: impl IntoIterator<Item = Address>,
) -> Result<Vec<(Address, Envelope)>, StoreError> {
    let damaged = |error: &dyn std::fmt::Display| StoreError::Corrupt(error.to_string());
    let registry = tradewind_events::registry();
    let mut by_segment = BTreeMap::<u64, BTreeSet<u32>>::new();
    for Address { segment, index } in places {
        by_segment.entry(segment).or_default().insert(index);
    }
    let mut events = Vec::new();
    for (number, indexes) in by_segment {
        let segment = reader.segments(number, 1)?.into_iter().find(|segment| segment.number == number);
        let segment = segment.ok_or_else(|| damaged(&format_args!("segment {number} of the log is not there")))?;
        let indexes: Vec<u32> = indexes.into_iter().collect();
        let found = segment.decode_at(&indexes, store, &registry).map_err(|error| damaged(&error))?;
        events.extend(found.into_iter().map(|event| (event.address, event.envelope)));
    }
    Ok(events)
}
