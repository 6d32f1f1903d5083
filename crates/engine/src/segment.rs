//! The event log: one segment a commit.
//!
//! A segment holds blocks of at most [`SEGMENT_BLOCK_BYTES_MAX`] bytes of events, each compressed alone as a frame of
//! Zstandard (RFC 8878), and a directory. An event is its length (u32, little endian), a JSON array `[name, version,
//! source, subject, key, time_ms, sequence, correlation_id, causation_id, traceparent, remote_id]` and, right behind the
//! array, its data as JSON: they are read once, as what they are, and not first to find where they end. Its id is its
//! position; only what was received from another store carries its own as `remote_id`. The directory is an array of `(first
//! index, offset, bytes when plain)`, u32 each, little endian.

use std::{borrow::Cow, io, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tradewind_events::{Envelope, Id, KeyText, RawEnvelope, Registry, SPEC_VERSION, Subject, Timestamp};

use crate::{
    LogPosition,
    indexes::{index_of, is_number},
};
pub use crate::{
    indexes::{INDEXES_MAX, Indexes},
    packing::{compress, decompress},
};

/// The most that one block holds before compression; a larger event has a block of its own. Half of it would pack a
/// tenth worse; whoever looks for one event unpacks its whole block.
pub const SEGMENT_BLOCK_BYTES_MAX: usize = 256 * 1024;

/// Room that a block has from the beginning, in bytes: what some orders say at once.
const BLOCK_ROOM: usize = 64 * 1024;

/// The longest event that is written, in bytes of JSON with its envelope. Brokers take 1 MB.
pub const SEGMENT_EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

const DIRECTORY_ENTRY_BYTES: usize = 12;

/// Room that is taken before events are read: a damaged count must not take all memory.
const EVENTS_EXPECTED_MAX: usize = 4_096;

/// The events of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Counts from 1, without a gap.
    pub number: u64,
    pub committed_at: Timestamp,
    pub events: u32,
    pub directory: Vec<u8>,
    pub blocks: Vec<u8>,
}

/// An event in the log: decoded, or with its data as they stand there, which are not looked into.
#[derive(Debug, Clone)]
pub struct LogEvent<E = Envelope> {
    pub position: LogPosition,
    /// It was said by another store and is here for rebuilding; the relay passes over it.
    pub remote: bool,
    pub envelope: E,
}

/// The log cannot be read: it was damaged or written by something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment} of the log cannot be read: {reason}")]
pub struct SegmentError {
    pub segment: u64,
    pub reason: String,
}

/// The id of an event of our own: where it stands.
pub fn event_id(store: &str, position: LogPosition) -> Id {
    use std::fmt::Write;
    let mut text = String::with_capacity(store.len() + 16);
    // Writing to a string does not fail.
    let _written = write!(text, "{store}-{}-{}", position.segment, position.index);
    Id::new(text).unwrap_or_else(|_| unreachable!("a store's name is short and visible"))
}

/// The reverse of [`event_id`], for events of this store.
pub fn event_position(store: &str, id: &Id) -> Option<LogPosition> {
    let (segment, index) = id.as_str().strip_prefix(store)?.strip_prefix('-')?.split_once('-')?;
    let position = LogPosition { segment: segment.parse().ok()?, index: index.parse().ok()? };
    // A number has other texts as well.
    (event_id(store, position) == *id).then_some(position)
}

/// `STORE-SEGMENT` and the index of an event whose id is [`event_id`] of whatever store: the id is both, with a dash
/// between them. None for an id of any other form, for a number with leading zeros, and for an index beyond
/// [`INDEXES_MAX`].
pub(crate) fn segment_of(event_id: &Id) -> Option<(Id, u16)> {
    let (segment, index) = event_id.as_str().rsplit_once('-')?;
    let (store, number) = segment.rsplit_once('-')?;
    let is_ours = !store.is_empty() && number != "0" && is_number(number);
    let index = index_of(index).filter(|_| is_ours)?;
    Some((Id::new(segment).ok()?, index))
}

#[derive(Serialize)]
struct Meta<'a>(
    &'a str,
    u16,
    &'a str,
    &'a str,
    &'a Id,
    i64,
    u64,
    &'a Id,
    Option<&'a Id>,
    Option<&'a str>,
    Option<&'a Id>,
);

/// [`Meta`] as it is read: an array too, whose elements have names here.
#[derive(Deserialize)]
struct StoredMeta<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    version: u16,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    key: Id,
    time: i64,
    sequence: u64,
    correlation_id: Id,
    causation_id: Option<Id>,
    traceparent: Option<Arc<str>>,
    remote_id: Option<Id>,
}

/// An event as it stands in an unpacked block.
struct StoredEvent<'a> {
    id: Id,
    remote: bool,
    meta: StoredMeta<'a>,
    /// JSON.
    data: &'a str,
}

/// Writes a segment.
pub struct SegmentBuilder {
    block: Vec<u8>,
    block_first: u32,
    events: u32,
    directory: Vec<u8>,
    blocks: Vec<u8>,
}

impl Default for SegmentBuilder {
    fn default() -> Self {
        let block = Vec::with_capacity(BLOCK_ROOM);
        Self { block, block_first: 0, events: 0, directory: Vec::new(), blocks: Vec::new() }
    }
}

impl SegmentBuilder {
    /// Appends an event; it gets the next index.
    pub fn push(&mut self, envelope: &Envelope, remote: bool) -> Result<(), serde_json::Error> {
        let start = self.block.len();
        self.block.extend([0; 4]);
        let subject = envelope.subject.to_string();
        let meta = Meta(
            envelope.event.name(),
            envelope.event.version(),
            &envelope.source,
            &subject,
            &envelope.key,
            envelope.time.as_millis(),
            envelope.sequence,
            &envelope.correlation_id,
            envelope.causation_id.as_ref(),
            envelope.traceparent.as_deref(),
            remote.then_some(&envelope.id),
        );
        serde_json::to_writer(&mut self.block, &meta)?;
        envelope.event.encode(&mut self.block)?;
        let bytes = self.block.len() - start - 4;
        if bytes > SEGMENT_EVENT_BYTES_MAX {
            self.block.truncate(start);
            return Err(serde::ser::Error::custom(format_args!("{bytes} bytes are more than an event may have")));
        }
        let bytes = u32::try_from(bytes).map_err(serde::ser::Error::custom)?;
        self.block[start..start + 4].copy_from_slice(&bytes.to_le_bytes());
        self.events += 1;
        if start > 0 && self.block.len() > SEGMENT_BLOCK_BYTES_MAX {
            let next = self.block.split_off(start);
            self.events -= 1;
            self.close_block().map_err(serde_json::Error::io)?;
            self.block.extend(next);
            self.events += 1;
        }
        Ok(())
    }

    pub fn events(&self) -> u32 {
        self.events
    }

    fn close_block(&mut self) -> io::Result<()> {
        let plain = u32::try_from(self.block.len()).unwrap_or(u32::MAX);
        let offset = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        for number in [self.block_first, offset, plain] {
            self.directory.extend(number.to_le_bytes());
        }
        self.blocks.extend(compress(&self.block)?);
        self.block.clear();
        self.block_first = self.events;
        Ok(())
    }

    /// The segment, or `None` when nothing was said.
    ///
    /// Fails where memory is at its end, as [`SegmentBuilder::push`] does.
    pub fn finish(mut self, number: u64, committed_at: Timestamp) -> Result<Option<Segment>, serde_json::Error> {
        if self.events == 0 {
            return Ok(None);
        }
        self.close_block().map_err(serde_json::Error::io)?;
        Ok(Some(Segment { number, committed_at, events: self.events, directory: self.directory, blocks: self.blocks }))
    }
}

impl Segment {
    /// Every event, in order, as it stands here. `store` is the store's name, which stands in the ids.
    pub fn read(&self, store: &str) -> Result<Vec<LogEvent<RawEnvelope>>, SegmentError> {
        self.every(store, raw)
    }

    /// Every event, in order, decoded, and upcast if it is of an older version.
    pub fn decode(&self, store: &str, registry: &Registry) -> Result<Vec<LogEvent>, SegmentError> {
        self.every(store, |event| decoded(event, registry))
    }

    /// The events at these places, decoded; only their blocks are unpacked. Places that are not there are left out.
    pub fn decode_at(&self, indexes: &[u32], store: &str, registry: &Registry) -> Result<Vec<LogEvent>, SegmentError> {
        let mut found = Vec::with_capacity(indexes.len());
        let blocks = self.blocks()?;
        for (nth, block) in blocks.iter().enumerate() {
            let end = blocks.get(nth + 1).map_or(self.events, |next| next.first);
            if indexes.iter().any(|index| (block.first..end).contains(index)) {
                self.read_block(block, |index, bytes| {
                    if indexes.contains(&index) {
                        found.push(self.event(index, bytes, store, |event| decoded(event, registry))?);
                    }
                    Ok(())
                })?;
            }
        }
        Ok(found)
    }

    fn every<E>(
        &self,
        store: &str,
        make: impl Fn(StoredEvent<'_>) -> Result<E, String>,
    ) -> Result<Vec<LogEvent<E>>, SegmentError> {
        let mut events = Vec::with_capacity(usize::try_from(self.events).unwrap_or(0).min(EVENTS_EXPECTED_MAX));
        for block in self.blocks()? {
            if usize::try_from(block.first).ok() != Some(events.len()) {
                return Err(self.damaged("a block does not begin where the one before it ends"));
            }
            self.read_block(&block, |index, bytes| {
                events.push(self.event(index, bytes, store, &make)?);
                Ok(())
            })?;
        }
        if events.len() == usize::try_from(self.events).unwrap_or(usize::MAX) {
            Ok(events)
        } else {
            Err(self.damaged(format_args!("{} events where {} were written", events.len(), self.events)))
        }
    }

    fn event<E>(
        &self,
        index: u32,
        bytes: &[u8],
        store: &str,
        make: impl FnOnce(StoredEvent<'_>) -> Result<E, String>,
    ) -> Result<LogEvent<E>, SegmentError> {
        let position = LogPosition { segment: self.number, index };
        let stored = StoredEvent::parse(bytes, position, store);
        let event = stored.and_then(|event| Ok(LogEvent { position, remote: event.remote, envelope: make(event)? }));
        event.map_err(|reason| self.damaged(format_args!("event {index}: {reason}")))
    }

    fn blocks(&self) -> Result<Vec<Block>, SegmentError> {
        if !self.directory.len().is_multiple_of(DIRECTORY_ENTRY_BYTES) {
            return Err(self.damaged("the directory is cut off"));
        }
        let mut blocks: Vec<Block> = self
            .directory
            .chunks_exact(DIRECTORY_ENTRY_BYTES)
            .map(|entry| Block {
                first: number(&entry[..4]),
                offset: number(&entry[4..8]),
                plain: number(&entry[8..]),
                end: 0,
            })
            .collect();
        let mut end = u32::try_from(self.blocks.len()).unwrap_or(u32::MAX);
        for block in blocks.iter_mut().rev() {
            block.end = end;
            end = block.offset;
        }
        Ok(blocks)
    }

    fn plain(&self, block: &Block) -> Result<Vec<u8>, SegmentError> {
        let range =
            usize::try_from(block.offset).unwrap_or(usize::MAX)..usize::try_from(block.end).unwrap_or(usize::MAX);
        let packed = self.blocks.get(range).ok_or_else(|| self.damaged("a block is cut off"))?;
        let plain = usize::try_from(block.plain).unwrap_or(usize::MAX);
        // A larger claim is damage, not a reason to take memory.
        if plain > SEGMENT_EVENT_BYTES_MAX + SEGMENT_BLOCK_BYTES_MAX {
            return Err(self.damaged("a block claims an impossible size"));
        }
        let unpacked = decompress(packed, plain).map_err(|error| self.damaged(error))?;
        if unpacked.len() == plain { Ok(unpacked) } else { Err(self.damaged("a block is shorter than it claims")) }
    }

    /// Hands every event of a block on, with its index.
    fn read_block(
        &self,
        block: &Block,
        mut each: impl FnMut(u32, &[u8]) -> Result<(), SegmentError>,
    ) -> Result<(), SegmentError> {
        let plain = self.plain(block)?;
        let mut rest = plain.as_slice();
        let mut index = block.first;
        while let Some((length, tail)) = rest.split_at_checked(4) {
            if index >= self.events {
                return Err(self.damaged(format_args!("more events than the {} that were written", self.events)));
            }
            let length = usize::try_from(number(length)).unwrap_or(usize::MAX);
            let (event, tail) = tail.split_at_checked(length).ok_or_else(|| self.damaged("an event is cut off"))?;
            each(index, event)?;
            index += 1;
            rest = tail;
        }
        if rest.is_empty() { Ok(()) } else { Err(self.damaged("a block has a loose end")) }
    }

    fn damaged(&self, reason: impl std::fmt::Display) -> SegmentError {
        SegmentError { segment: self.number, reason: format!("{reason}") }
    }
}

struct Block {
    first: u32,
    offset: u32,
    end: u32,
    plain: u32,
}

fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_le_bytes)
}

impl<'a> StoredEvent<'a> {
    fn parse(bytes: &'a [u8], position: LogPosition, store: &str) -> Result<Self, String> {
        // Looked at once: what is read from a text need not be asked for its UTF-8 string by string.
        let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let mut array = serde_json::Deserializer::from_str(text).into_iter::<StoredMeta<'_>>();
        let mut meta = array.next().ok_or("it is empty")?.map_err(|error| error.to_string())?;
        let data = text.get(array.byte_offset()..).unwrap_or_default();
        let id = meta.remote_id.take();
        Ok(Self { remote: id.is_some(), id: id.unwrap_or_else(|| event_id(store, position)), meta, data })
    }
}

fn source(text: Cow<'_, str>) -> Result<KeyText, String> {
    KeyText::new(text).map_err(|error| format!("source: {error}"))
}

fn raw(StoredEvent { id, meta, data, .. }: StoredEvent<'_>) -> Result<RawEnvelope, String> {
    let data: &RawValue = serde_json::from_str(data).map_err(|error| error.to_string())?;
    Ok(RawEnvelope {
        specversion: SPEC_VERSION.to_owned(),
        id,
        name: meta.name.into_owned(),
        version: meta.version,
        source: source(meta.source)?,
        subject: meta.subject.into_owned(),
        key: meta.key,
        time: Timestamp::from_millis(meta.time),
        sequence: meta.sequence,
        correlation_id: meta.correlation_id,
        causation_id: meta.causation_id,
        traceparent: meta.traceparent,
        data: data.to_owned(),
    })
}

fn decoded(StoredEvent { id, meta, data, .. }: StoredEvent<'_>, registry: &Registry) -> Result<Envelope, String> {
    let event = registry.decode(&meta.name, meta.version, data).map_err(|error| error.to_string())?;
    let subject = Some(event.subject()).filter(|subject| subject.is(&meta.subject));
    let subject = subject.or_else(|| Subject::parse(&meta.subject));
    Ok(Envelope {
        id,
        source: source(meta.source)?,
        subject: subject.ok_or_else(|| format!("subject {:?}", meta.subject))?,
        key: meta.key,
        time: Timestamp::from_millis(meta.time),
        sequence: meta.sequence,
        correlation_id: meta.correlation_id,
        causation_id: meta.causation_id,
        traceparent: meta.traceparent,
        event,
    })
}
