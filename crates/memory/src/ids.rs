//! Ids that count: the same run mints the same ids.

use tradewind_engine::ports::Ids;
use tradewind_events::{Id, Timestamp};

/// `PREFIX-0000000001` and so on. Two stores of one world need two prefixes.
pub struct CountedIds {
    prefix: String,
    minted: u64,
}

impl CountedIds {
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), minted: 0 }
    }
}

impl Ids for CountedIds {
    fn next(&mut self, _now: Timestamp) -> Id {
        self.minted += 1;
        tradewind_events::id(&format!("{}-{:010}", self.prefix, self.minted))
    }
}
