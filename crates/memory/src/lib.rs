//! What a simulated shop stands on: a store in memory that keeps what was committed and nothing else, a clock that
//! stands still until it is moved, ids that replay, charges of a payment provider. The test kit hands the first three on to
//! tests.

mod charge;
mod clock;
mod ids;
mod store;
mod watched;

pub use charge::ProviderCharge;
pub use clock::{BATCH_STEP, Creep, ManualClock};
pub use ids::CountedIds;
pub use store::{MemoryStore, MemoryWriter, Rule};
pub use watched::WatchedReader;
