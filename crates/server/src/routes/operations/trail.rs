//! The audit trail: what operators did, and why.

use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::{
    Entity,
    ports::{Direction, List},
    tables::AuditRow,
};
use tradewind_events::{Id, Timestamp};

use crate::http::{Call, Failure, Okay, Page, PageOf};

/// One action.
#[derive(Serialize, JsonSchema)]
pub struct AuditView {
    id: Id,
    at: Timestamp,
    /// A user id, `cli` or `engine`.
    actor: String,
    action: String,
    target: String,
    detail: serde_json::Value,
}

/// The newest first.
pub async fn list(call: Call, page: Page) -> Result<Okay<PageOf<AuditView>>, Failure> {
    let list = List { direction: Direction::Descending, ..List::of(AuditRow::TABLE, page.limit) };
    let view = |row: AuditRow| AuditView {
        id: row.id,
        at: row.at,
        actor: row.actor.to_string(),
        action: row.action.to_string(),
        target: row.target.to_string(),
        detail: serde_json::from_str(&row.detail).unwrap_or_else(|_| row.detail.to_string().into()),
    };
    call.page(&page, list, view).await
}
