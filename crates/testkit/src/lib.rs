//! The world that tests run in: a store and a broker in memory with faults, a clock moved by hand, ids that replay,
//! and the conformance suites that every adapter passes. The engine and the services in it are the real ones.

mod bridge;
mod broker;
pub mod broker_suite;
mod cache;
mod clock;
mod mode;
mod proxy;
mod repeating;
mod running;
mod stage;
pub mod store_suite;

pub use bridge::{Bridge, Import};
pub use broker::{BrokerFaults, BrokerKind, MEMORY_BODY_BYTES_MAX, MemoryBroker, Refuses};
pub use cache::{CACHE_VARIABLE, cache_forgets};
pub use clock::{CLOCK_VARIABLE, clock_moves, manual_clock};
pub use proxy::{Direction, PROXY_CONNECTIONS_MAX, Proxy};
pub use repeating::{Bindings, COPIES, Deliveries, RepeatingBroker};
pub use running::{Plan, Running};
pub use stage::Stage;
pub use tradewind_memory::{CountedIds, ManualClock, MemoryStore, WatchedReader};
