//! Where new ids come from.

use tradewind_events::{Id, Timestamp};

/// A source of ids that are unique for ever. A simulation's is seeded, so that a seed replays.
pub trait Ids: Send {
    /// A new id, in the order of `now` as far as possible: stores keep rows of one time together.
    fn next(&mut self, now: Timestamp) -> Id;
}

/// `UUIDv7` (RFC 9562): 48 bits of milliseconds, then randomness with a counter inside a millisecond.
#[derive(Default)]
pub struct UuidV7 {
    context: uuid::ContextV7,
}

impl Ids for UuidV7 {
    fn next(&mut self, now: Timestamp) -> Id {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let nanos = u32::try_from(millis % 1_000).unwrap_or(0) * 1_000_000;
        let at = uuid::Timestamp::from_unix(&self.context, millis / 1_000, nanos);
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text: &str = uuid::Uuid::new_v7(at).hyphenated().encode_lower(&mut text);
        tradewind_events::id(text)
    }
}
