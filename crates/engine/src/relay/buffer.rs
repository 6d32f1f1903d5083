//! What is committed and not published yet, in memory. It is bounded by bytes: what does not fit is counted only, and the
//! relay reads it from the log.

use std::{collections::VecDeque, sync::Arc};

use crate::{Logged, RelayOrder};

/// What the envelope of an event is taken to weigh, in bytes.
const ENVELOPE_BYTES: usize = 512;

/// Committed segments for a [`super::Relay`]: the batch loop adds them, the relay takes them.
pub struct RelayBuffer {
    /// Their numbers rise, and may have gaps.
    segments: VecDeque<BufferedSegment>,
    bytes: usize,
    bytes_max: usize,
    /// The last segment that is committed, buffered or not.
    committed: u64,
    orders: Vec<RelayOrder>,
}

/// A committed segment in memory.
#[derive(Clone)]
pub(super) struct BufferedSegment {
    pub number: u64,
    pub events: Arc<[Logged]>,
    pub bytes: usize,
}

impl RelayBuffer {
    /// `committed` is the last segment of the log; `bytes_max` bounds what is kept, as [`crate::Limits::relay_bytes_max`].
    pub fn new(committed: u64, bytes_max: usize) -> Self {
        Self { segments: VecDeque::new(), bytes: 0, bytes_max, committed, orders: Vec::new() }
    }

    /// A segment is committed. It is kept if it fits.
    pub fn push(&mut self, number: u64, events: &Arc<[Logged]>) {
        self.committed = number;
        if self.bytes >= self.bytes_max {
            return;
        }
        let bytes = events.iter().map(|event| ENVELOPE_BYTES + event.envelope.event.size()).sum();
        if self.bytes.saturating_add(bytes) <= self.bytes_max {
            self.bytes += bytes;
            self.segments.push_back(BufferedSegment { number, events: Arc::clone(events), bytes });
        }
    }

    /// An operator has decided, and that is committed.
    pub fn order(&mut self, orders: Vec<RelayOrder>) {
        self.orders.extend(orders);
    }

    pub(super) fn take_orders(&mut self) -> Vec<RelayOrder> {
        std::mem::take(&mut self.orders)
    }

    pub(super) fn has_orders(&self) -> bool {
        !self.orders.is_empty()
    }

    /// Bytes of the segments that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// Forgets what is published up to this segment.
    pub(super) fn forget(&mut self, published: u64) {
        while let Some(segment) = self.segments.pop_front_if(|segment| segment.number <= published) {
            self.bytes -= segment.bytes;
        }
    }

    /// The segments from this one on, up to the first gap.
    pub(super) fn from(&self, first: u64) -> impl Iterator<Item = &BufferedSegment> {
        let later = self.segments.iter().skip_while(move |segment| segment.number < first);
        (first..).zip(later).map_while(|(number, segment)| (segment.number == number).then_some(segment))
    }

    /// The first segment from this one on that is kept.
    pub(super) fn next_kept(&self, from: u64) -> Option<u64> {
        self.segments.iter().map(|segment| segment.number).find(|number| *number >= from)
    }
}
