//! The ports: what the engine needs of the world. Each has a real adapter and one in memory for tests.

mod broker;
mod clock;
mod ids;
mod store;

pub use broker::{
    Broker, BrokerError, BrokerMessage, Bytes, Gap, Gaps, HeaderValue, Incoming, Position, Properties, Subscription,
};
pub use clock::{Clock, Reading, SystemClock};
pub use ids::{Ids, UuidV7};
pub use store::{
    Commit, CommitError, Direction, List, Phrase, Reader, RowChange, RowWrite, SEGMENT_BLOCK_BYTES_MAX, StoreError,
    WORDS, Writer,
};
