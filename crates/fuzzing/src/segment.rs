//! Segments of the event log, as a damaged store might give them. A line with `events` or `bytes` says what follows:
//! events as JSON, one a line, from which a segment is made; or a segment's own bytes.

use tradewind_engine::{
    LogEvent,
    segment::{Segment, SegmentBuilder, compress, decompress},
};
use tradewind_events::{Envelope, Registry, Timestamp, registry};

use crate::{Check, envelope, line};

const STORE: &str = "store";
const NUMBER: u64 = 7;
const AT: Timestamp = Timestamp::from_millis(1_769_860_800_000);

pub fn start() -> Check {
    let registry = registry();
    Box::new(move |input| check(&registry, input))
}

fn check(registry: &Registry, input: &[u8]) {
    let segment = match line(input) {
        (b"events", events) => of_events(events),
        (b"bytes", bytes) => of_bytes(bytes),
        _ => return,
    };
    let events = match segment.read(STORE) {
        Ok(events) => events,
        Err(error) => return assert!(error.segment == NUMBER && !error.reason.is_empty()),
    };
    assert_eq!(events.len() as u64, u64::from(segment.events));
    let wanted: Vec<u32> = (0..segment.events).step_by(2).collect();
    let Ok(decoded) = segment.decode(STORE, registry) else { return };
    assert_eq!(decoded.len(), events.len());
    let found = segment.decode_at(&wanted, STORE, registry).expect("what can be read as a whole can be read in parts");
    let places: Vec<u32> = found.iter().map(|event| event.position.index).collect();
    assert_eq!(places, wanted);
    for (event, index) in found.iter().zip(&wanted) {
        assert_eq!(event.envelope.id, events[*index as usize].envelope.id);
    }
    assert_reads_as(&decoded, registry);
}

/// Written again, the events are the same.
fn assert_reads_as(events: &[LogEvent], registry: &Registry) {
    let mut builder = SegmentBuilder::default();
    for event in events {
        builder.push(&event.envelope, event.remote).expect("what was read can be written");
    }
    let segment = builder.finish(NUMBER, AT).expect("what was read can be written");
    let Some(segment) = segment else { return assert!(events.is_empty()) };
    let again = segment.decode(STORE, registry).expect("what was written can be read");
    assert_eq!(again.len(), events.len());
    for (again, event) in again.iter().zip(events) {
        assert_eq!(again.remote, event.remote);
        let json = |event: &LogEvent| event.envelope.to_json().expect("what was read can be written");
        assert_eq!(String::from_utf8_lossy(&json(again)), String::from_utf8_lossy(&json(event)));
    }
}

/// One block with these events, a line each.
fn of_events(text: &[u8]) -> Segment {
    let (mut plain, mut events) = (Vec::new(), 0);
    for event in text.split(|byte| *byte == b'\n').filter(|event| !event.is_empty()) {
        plain.extend(u32::try_from(event.len()).unwrap_or(u32::MAX).to_le_bytes());
        plain.extend(event);
        events += 1;
    }
    let size = u32::try_from(plain.len()).unwrap_or(u32::MAX);
    let directory = [0, 0, size].into_iter().flat_map(u32::to_le_bytes).collect();
    let blocks = compress(&plain).expect("memory is there");
    Segment { number: NUMBER, committed_at: AT, events, directory, blocks }
}

/// The number of events, the length of the directory, the directory, the blocks.
fn of_bytes(bytes: &[u8]) -> Segment {
    let (events, rest) = number(bytes);
    let (directory, rest) = number(rest);
    let (directory, blocks) = rest.split_at(rest.len().min(directory as usize));
    Segment { number: NUMBER, committed_at: AT, events, directory: directory.to_vec(), blocks: blocks.to_vec() }
}

fn number(bytes: &[u8]) -> (u32, &[u8]) {
    bytes.split_first_chunk().map_or((0, &[]), |(number, rest)| (u32::from_le_bytes(*number), rest))
}

pub fn seeds() -> Vec<Vec<u8>> {
    let samples = envelope::samples();
    let mut seeds: Vec<Vec<u8>> = samples.chunks(8).map(lines).collect();
    let small = segment(&samples[..4]);
    // Enough for several blocks.
    let large = segment(&samples.iter().cycle().take(300).cloned().collect::<Vec<_>>());
    seeds.extend([bytes_of(&small), bytes_of(&large)]);
    seeds
}

fn segment(envelopes: &[Envelope]) -> Segment {
    let mut builder = SegmentBuilder::default();
    for (number, envelope) in envelopes.iter().enumerate() {
        builder.push(envelope, number % 2 == 0).expect("a sample can be written");
    }
    builder.finish(NUMBER, AT).expect("samples can be written").expect("there are samples")
}

fn lines(envelopes: &[Envelope]) -> Vec<u8> {
    let segment = segment(envelopes);
    let plain = decompress(&segment.blocks, 1 << 20).expect("a block is whole");
    let mut seed = b"events\n".to_vec();
    let mut rest = plain.as_slice();
    while let Some((length, tail)) = rest.split_first_chunk() {
        let (event, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        seed.extend(event);
        seed.push(b'\n');
        rest = tail;
    }
    seed
}

fn bytes_of(segment: &Segment) -> Vec<u8> {
    let directory = u32::try_from(segment.directory.len()).expect("a directory is short");
    [b"bytes\n", &segment.events.to_le_bytes()[..], &directory.to_le_bytes(), &segment.directory, &segment.blocks]
        .concat()
}
