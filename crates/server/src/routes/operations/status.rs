//! How the engine is doing, at a glance.

use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::{BrokerStatus, Drain, Lag, RefusedEvent, operator::Action};
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
    /// The last one that every broker has acknowledged.
    published_segment: u64,
    /// How many such commits at least one broker has not acknowledged.
    unpublished_segments: u64,
    /// Why deadlines are held, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadlines_held: Option<String>,
    /// An event that a broker refuses: of several, that of the first broker. Nothing behind it is published there until the
    /// broker takes it, or it is set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_event: Option<RefusedEventView>,
    /// How it is doing with each broker; absent without one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    brokers: Vec<BrokerView>,
}

/// A broker through which the services of other stores are reached.
#[derive(Serialize, JsonSchema)]
pub struct BrokerView {
    /// The consumer of what is received from it has this name.
    name: String,
    /// The last commit with events that it has acknowledged, as far as its routing publishes them there.
    published_segment: u64,
    /// How many such commits it has not acknowledged.
    unpublished_segments: u64,
    /// An event that it refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_event: Option<RefusedEventView>,
    /// Events of other stores are received from it.
    receives: bool,
    /// What it has stays there, until an operator resumes the consumer.
    paused: bool,
    /// Messages from it that are received and not committed yet.
    uncommitted_messages: usize,
    /// Messages that wait there for this store, as it said within the last seconds; absent where it cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog_messages: Option<u64>,
    /// No event that happened earlier waits there; absent while it has nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    behind_since: Option<Timestamp>,
    /// An estimate of the seconds until nothing waits; absent without one, and while what waits does not become less.
    #[serde(skip_serializing_if = "Option::is_none")]
    drains_in_seconds: Option<u64>,
}

/// An event that a broker refuses.
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
    let (status, lag) = (call.engine.status(), call.engine.lag());
    let segment = status.segment;
    let refused = status.brokers.iter().find_map(|broker| broker.refused.clone());
    Ok(Okay(StatusView {
        now: call.clock().now(),
        waiting: status.waiting,
        commits_in_flight: status.in_flight,
        parked: status.parked,
        segment,
        published_segment: status.published_segment,
        unpublished_segments: segment.saturating_sub(status.published_segment),
        deadlines_held: status.deadlines_held.map(str::to_owned),
        refused_event: refused.map(RefusedEventView::from),
        brokers: status.brokers.into_iter().map(|broker| BrokerView::of(broker, segment, &lag)).collect(),
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

impl BrokerView {
    fn of(broker: BrokerStatus, segment: u64, lag: &Lag) -> Self {
        let lag = lag.brokers.iter().find(|lag| lag.name == broker.name);
        Self {
            name: broker.name.to_string(),
            published_segment: broker.published_segment,
            unpublished_segments: segment.saturating_sub(broker.published_segment),
            refused_event: broker.refused.map(RefusedEventView::from),
            receives: broker.receives,
            paused: broker.paused,
            uncommitted_messages: lag.map_or(0, |lag| lag.uncommitted),
            backlog_messages: lag.and_then(|lag| lag.backlog),
            behind_since: lag.and_then(|lag| lag.waits_since),
            drains_in_seconds: lag.and_then(|lag| match lag.drain? {
                Drain::Never => None,
                Drain::Within(time) => Some(time.as_secs()),
            }),
        }
    }
}

impl From<RefusedEvent> for RefusedEventView {
    fn from(event: RefusedEvent) -> Self {
        Self { event_id: event.event_id, topic: event.topic, bytes: event.bytes, reason: event.reason }
    }
}
