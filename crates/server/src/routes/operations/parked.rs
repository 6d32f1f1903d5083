//! Messages that wait: for a fact of another key, or for their consumer to be resumed.

use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::{
    Entity,
    operator::Action,
    ports::List,
    tables::{ParkedReason, ParkedRow},
};
use tradewind_events::{Id, Timestamp};

use super::{ActionView, operate};
use crate::http::{Call, Failure, Okay, Page, PageOf, Path, Sent};

/// A parked message.
#[derive(Serialize, JsonSchema)]
pub struct ParkedView {
    id: Id,
    consumer: String,
    event_id: Id,
    event: String,
    message_key: Id,
    reason: ParkedReason,
    /// The row that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    attempts: u32,
    due_at: Timestamp,
    /// After this it is a dead letter.
    deadline: Timestamp,
    parked_at: Timestamp,
}

/// In the order in which they were parked.
pub async fn list(call: Call, page: Page) -> Result<Okay<PageOf<ParkedView>>, Failure> {
    let view = |row: ParkedRow| ParkedView {
        id: row.id,
        consumer: row.consumer.to_string(),
        event_id: row.event_id,
        event: row.event.to_string(),
        message_key: row.message_key,
        reason: row.reason,
        waits_for: row.waits_for.as_deref().map(str::to_owned),
        attempts: row.attempts,
        due_at: row.due_at,
        deadline: row.deadline,
        parked_at: row.parked_at,
    };
    call.page(&page, List::of(ParkedRow::TABLE, page.limit), view).await
}

pub async fn retry(call: Call, Path(parked): Path<Id>) -> Result<Sent<Okay<ActionView>>, Failure> {
    operate(&call, Action::RetryParked { parked }).await
}
