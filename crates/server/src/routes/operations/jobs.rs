//! Jobs outside: calls of the payment provider, mails. What is asked for may hold personal data, so it is not shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{
    Entity,
    operator::Action,
    ports::{Direction, List},
    tables::{JobRow, JobState},
};
use tradewind_events::{FreeJson, Id, TextEnum, Timestamp, Value};

use super::{ActionView, operate};
use crate::http::{Call, Failure, Json, Okay, Page, PageOf, Path, Query, Sent};

#[derive(Deserialize, JsonSchema)]
pub struct JobQuery {
    /// waiting or exhausted. Default exhausted: an operator owes a decision on these.
    #[serde(default)]
    state: Option<JobState>,
}

/// A job that is not done, or not known to be.
#[derive(Serialize, JsonSchema)]
pub struct JobView {
    /// The idempotency key under which the world knows it.
    id: Id,
    service: String,
    kind: String,
    state: JobState,
    attempts: u32,
    due_at: Timestamp,
    asked_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    correlation_id: Id,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// How the job ended, as its worker would have said it.
    reply: FreeJson,
    /// For the audit trail; no personal data.
    reason: String,
}

/// What is due first.
pub async fn list(call: Call, page: Page, Query(query): Query<JobQuery>) -> Result<Okay<PageOf<JobView>>, Failure> {
    let state = query.state.unwrap_or(JobState::Exhausted);
    let list = List::of(JobRow::TABLE, page.limit)
        .equal("state", Value::Text(state.as_str().into()))
        .order_by("due_at", Direction::Ascending);
    let view = |row: JobRow| JobView {
        id: row.id,
        service: row.service.to_string(),
        kind: row.kind.to_string(),
        state: row.state,
        attempts: row.attempts,
        due_at: row.due_at,
        asked_at: row.asked_at,
        last_error: row.last_error.as_deref().map(str::to_owned),
        correlation_id: row.correlation_id,
    };
    call.page(&page, list, view).await
}

/// It gets new attempts, under its key.
pub async fn retry(call: Call, Path(job): Path<Id>) -> Result<Sent<Okay<ActionView>>, Failure> {
    operate(&call, Action::RetryJob { job }).await
}

pub async fn settle(
    call: Call,
    Path(job): Path<Id>,
    Json(settlement): Json<Settlement>,
) -> Result<Sent<Okay<ActionView>>, Failure> {
    let (reply, reason) = (settlement.reply.get().into(), settlement.reason.into());
    operate(&call, Action::SettleJob { job, reply, reason }).await
}
