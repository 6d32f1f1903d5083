//! The engine runs the handlers of services and commits their changes. It has messages, the unit of work, the batch
//! loop, the inbox, the relay, timers, jobs, parked messages, dead letters, and the ports to stores and brokers. It
//! knows no domain.
//!
//! A service uses [`Service`], [`Uow`], [`Entity`] and [`Stop`]. `crates/server` and the test kit run the engine.

// The derives name this crate by its full name, also from inside it.
extern crate self as tradewind_engine;

mod bug;
mod cache;
mod core;
mod due;
mod entity;
mod gate;
pub mod handlers;
mod indexes;
mod limits;
mod message;
mod observe;
pub mod operator;
mod packing;
pub mod ports;
mod relay;
mod replay;
mod reruns;
mod retention;
mod routing;
mod runtime;
pub mod segment;
mod service;
mod stop;
mod subscriber;
pub mod tables;
mod time;
mod trace;
mod uow;
mod work;

#[cfg(feature = "injected-bugs")]
pub use bug::inject;
pub use bug::injected;
pub use core::{BROKERS_MAX, Committed, Core, Formed, Logged, Sealed, Setup};
pub(crate) use entity::RowRef;
pub use entity::{AnyEntity, ColumnDef, Entity, EntityRef, StoredRow, Table};
pub use gate::{Gate, Handling};
pub use limits::{Backoff, BrokerLimits, EVENT_BYTES_MAX, IMPORTED_SOURCES_MAX, Limits};
pub use message::{
    AnyAnswer, Cause, Command, EventCause, Events, Finished, Idempotency, Job, LogPosition, StoredAnswer, Timer,
};
pub use observe::{BatchFigures, Direction, Handled, Observer};
pub use relay::{RefusedEvent, Relay, RelayBuffer, RelayOrder, RelaySetup, RelayStep};
pub use replay::Replay;
pub use retention::Retention;
pub use routing::{NoTopic, Routing};
pub use runtime::{
    BACKLOG_EVERY, BrokerLag, BrokerParts, BrokerStatus, ConsumerLag, Drain, Handle, Lag, OTHER_SOURCE, Parts, Status,
    Worker,
};
pub use segment::LogEvent;
pub use service::{AnyService, InvalidSource, Reaction, Service, Settings};
pub use stop::{AMOUNT_TOO_LARGE, Answer, OrRefuse, Outcome, Problem, Refusal, RefusalKind, Stop};
pub use subscriber::{Admission, Subscriber, SubscriberSetup, SubscriberStep};
pub use time::{EngineTime, Moment, SLEW_PARTS};
pub use trace::{HandleStep, MessageKind, Span, Step, TraceContext, Tracer};
pub use tradewind_macros::{Command, Entity};
pub use uow::{Emitted, UnitOfWork, Uow};
pub use work::{
    Answered, Audit, CommandMessage, Context, Message, Prune, Receipt, Received, Reply, TriedJob, TryOutcome,
    Undecodable,
};
