//! How the engine is doing, at a glance.

use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::{RefusedEvent, operator::Action};
use tradewind_events::{Id, Timestamp};

use super::{ActionView, Reason, operate};
use crate::http::{Call, Failure, Json, Okay, Path, Sent};

/// The engine, now.
#[derive(Serialize, JsonSchema)]
pub struct StatusView {
    now: Timestamp,
    /// Messages that wait for a commit.
    waiting: usize,
    /// Commits that are formed and not durable yet.
    commits_in_flight: usize,
    parked: usize,
    /// The last commit with events.
    segment: u64,
    /// The last one that the broker has acknowledged.
    published_segment: u64,
    /// How many such commits the broker has not acknowledged.
    unpublished_segments: u64,
    /// Why deadlines are held, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadlines_held: Option<String>,
    /// An event that the broker refuses. Nothing behind it is published until the broker takes it, or it is set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_event: Option<RefusedEventView>,
}

/// An event that the broker refuses.
#[derive(Serialize, JsonSchema)]
pub struct RefusedEventView {
    event_id: Id,
    /// The topic that it is to be published to.
    topic: String,
    /// The size of its message.
    bytes: usize,
    /// What the broker says.
    reason: String,
}

pub async fn read(call: Call) -> Result<Okay<StatusView>, Failure> {
    let status = call.engine.status();
    Ok(Okay(StatusView {
        now: call.clock().now(),
        waiting: status.waiting,
        commits_in_flight: status.in_flight,
        parked: status.parked,
        segment: status.segment,
        published_segment: status.published_segment,
        unpublished_segments: status.segment.saturating_sub(status.published_segment),
        deadlines_held: status.deadlines_held.map(str::to_owned),
        refused_event: status.refused.map(RefusedEventView::from),
    }))
}

pub async fn confirm_clock(call: Call) -> Result<Sent<Okay<ActionView>>, Failure> {
    operate(&call, Action::ConfirmClock { clock: tradewind_events::id("clock") }).await
}

pub async fn set_aside(
    call: Call,
    Path(event): Path<Id>,
    Json(Reason { reason }): Json<Reason>,
) -> Result<Sent<Okay<ActionView>>, Failure> {
    operate(&call, Action::SetAside { event, reason: reason.into() }).await
}

impl From<RefusedEvent> for RefusedEventView {
    fn from(event: RefusedEvent) -> Self {
        Self { event_id: event.event_id, topic: event.topic, bytes: event.bytes, reason: event.reason }
    }
}
