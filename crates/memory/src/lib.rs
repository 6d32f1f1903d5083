//! What a simulated shop stands on: a store in memory that keeps what was committed and nothing else, a clock that
//! stands still until it is moved, ids that replay. The test kit hands them on to tests.

mod clock;
mod ids;
mod store;

pub use clock::ManualClock;
pub use ids::CountedIds;
pub use store::{MemoryStore, MemoryWriter, Rule};
