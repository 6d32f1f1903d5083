//! Timers: what services will do, and when.

use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::{
    Entity,
    ports::{Direction, List},
    tables::TimerRow,
};
use tradewind_events::{Id, Timestamp};

use crate::http::{Call, Failure, Okay, Page, PageOf};

/// A timer that is armed.
#[derive(Serialize, JsonSchema)]
pub struct TimerView {
    service: String,
    name: String,
    /// What it is about.
    key: Id,
    due_at: Timestamp,
    /// How often it came too early for its handler.
    attempts: u32,
}

/// What is due first.
pub async fn list(call: Call, page: Page) -> Result<Okay<PageOf<TimerView>>, Failure> {
    let list = List::of(TimerRow::TABLE, page.limit).order_by("due_at", Direction::Ascending);
    let view = |row: TimerRow| TimerView {
        service: row.service.to_string(),
        name: row.name.to_string(),
        key: row.key,
        due_at: row.due_at,
        attempts: row.attempts,
    };
    call.page(&page, list, view).await
}
