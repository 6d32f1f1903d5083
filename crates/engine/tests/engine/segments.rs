//! The log's format: what is written is read, and damage is seen.

use std::sync::Arc;

use proptest::prelude::*;
use tradewind_engine::segment::{SEGMENT_BLOCK_BYTES_MAX, Segment, SegmentBuilder, event_id, event_position};
use tradewind_events::{Envelope, Event, KeyText, Registry, Timestamp, id};

use crate::toy::{Counted, registry};

fn envelope(name: &str, total: i64) -> Envelope {
    let event = Counted { name: id(name), total };
    Envelope {
        id: id("elsewhere-1"),
        source: KeyText::literal("tally"),
        subject: Event::subject(&event),
        key: event.name.clone(),
        time: Timestamp::from_millis(total),
        sequence: 7,
        correlation_id: id("c"),
        causation_id: Some(id("cause")),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        event: Arc::new(event),
    }
}

fn segment(events: &[(String, i64, bool)]) -> Segment {
    let mut builder = SegmentBuilder::default();
    for (name, total, heard) in events {
        builder.push(&envelope(name, *total), *heard).expect("an event is a wire type");
    }
    builder.finish(9, Timestamp::from_millis(5)).expect("it can be encoded").expect("something was said")
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_order(events in proptest::collection::vec(("[!-~]{1,64}", any::<i64>(), any::<bool>()), 1..200), pick in any::<prop::sample::Index>()) {
        let segment = segment(&events);
        let raw = segment.read("s").unwrap();
        let read = segment.decode("s", &registry()).unwrap();
        prop_assert_eq!((raw.len(), read.len()), (events.len(), events.len()));
        for (nth, ((event, raw), (name, total, heard))) in read.into_iter().zip(raw).zip(&events).enumerate() {
            let nth = u32::try_from(nth).unwrap();
            prop_assert_eq!((event.position.segment, event.position.index, event.remote), (9, nth, *heard));
            let expected = if *heard { id("elsewhere-1") } else { event_id("s", event.position) };
            let envelope = event.envelope;
            prop_assert_eq!(&envelope.id, &expected);
            prop_assert_eq!(envelope.sequence, 7);
            let json = envelope.to_json().unwrap();
            prop_assert_eq!(String::from_utf8(json).unwrap(), serde_json::to_string(&raw.envelope).unwrap());
            let counted = envelope.event.as_any().downcast_ref::<Counted>().unwrap();
            prop_assert_eq!((counted.name.as_str(), counted.total), (name.as_str(), *total));
        }
        let index = u32::try_from(pick.index(events.len())).unwrap();
        let [one] = &segment.decode_at(&[index], "s", &registry()).unwrap()[..] else { panic!("one event") };
        prop_assert_eq!(one.position.index, index);
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic(
        events in proptest::collection::vec(("[a-z]{1,20}", any::<i64>(), any::<bool>()), 1..50),
        hit in any::<prop::sample::Index>(), value in any::<u8>(), in_directory in any::<bool>(),
    ) {
        let mut segment = segment(&events);
        let bytes = if in_directory { &mut segment.directory } else { &mut segment.blocks };
        let place = hit.index(bytes.len());
        bytes[place] = value;
        // A changed byte may still be a valid log; it must only never take the reader down.
        prop_assert!(segment.read("s").map_or(true, |read| read.len() == events.len()));
    }
}

#[test]
fn an_event_that_nobody_knows_is_named_with_its_place() {
    let segment = segment(&[("a".into(), 1, false), ("b".into(), 2, false)]);
    let error = segment.decode("s", &Registry::default()).unwrap_err().to_string();
    assert_eq!(error, r#"segment 9 of the log cannot be read: event 0: no event is named "tally.counted""#);
    assert_eq!(segment.read("s").unwrap().len(), 2, "it can be read all the same");
}

#[test]
fn a_count_that_is_damaged_takes_no_memory() {
    let good = segment(&[("a".into(), 1, false), ("b".into(), 2, false)]);
    for events in [0, 1, 3, u32::MAX] {
        let damaged = Segment { events, ..good.clone() };
        assert_eq!(damaged.read("s").unwrap_err().segment, 9, "{events}");
    }
}

#[test]
fn an_event_is_never_read_at_another_place_than_its_own() {
    let good = segment(&[("a".into(), 1, false), ("b".into(), 2, false)]);
    for first in [1, 2, u32::MAX] {
        let mut damaged = Segment { events: u32::MAX, ..good.clone() };
        damaged.directory[..4].copy_from_slice(&u32::to_le_bytes(first));
        assert!(damaged.read("s").is_err(), "{first}");
        // Of the places that are asked for, none is beyond what can be counted.
        assert!(
            damaged.decode_at(&[u32::MAX - 1, u32::MAX], "s", &registry()).map_or(true, |read| read.is_empty()),
            "{first}"
        );
    }
}

#[test]
fn a_segment_has_blocks_of_bounded_size_and_packs_what_repeats() {
    let events: Vec<_> = (0..5_000).map(|nth| (format!("order-{nth}"), nth, false)).collect();
    let segment = segment(&events);
    let blocks = segment.directory.len() / 12;
    let plain: usize = (0..blocks)
        .map(|block| {
            let bytes = &segment.directory[block * 12 + 8..block * 12 + 12];
            usize::try_from(u32::from_le_bytes(bytes.try_into().unwrap())).unwrap()
        })
        .inspect(|plain| assert!(*plain <= SEGMENT_BLOCK_BYTES_MAX))
        .sum();
    assert!(blocks > 1 && segment.blocks.len() * 3 < plain, "{} of {plain} bytes", segment.blocks.len());
}

#[test]
fn an_event_id_is_its_address() {
    let position = tradewind_engine::LogPosition { segment: 12, index: 3 };
    assert_eq!(event_id("k3-f9", position).as_str(), "k3-f9-12-3");
    assert_eq!(event_position("k3-f9", &id("k3-f9-12-3")), Some(position));
    for other in ["k3-12-3", "x-12-3", "k3-f9-12", "k3-f9-a-b", "k3-f9-012-3", "k3-f9-12-+3"] {
        assert_eq!(event_position("k3-f9", &id(other)), None, "{other}");
    }
}
