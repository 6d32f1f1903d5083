//! Orders that are under way: which step is owed, and by whom.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{
    Entity,
    ports::{Direction, List},
};
use tradewind_events::{Id, Timestamp, Value};
use tradewind_orders::{Order, OrderState, owed_step};

use crate::http::{Call, Failure, Okay, Page, PageOf, Query};

#[derive(Deserialize, JsonSchema)]
pub struct SagaQuery {
    /// Only those that have waited for at least so many seconds.
    #[serde(default)]
    waiting_seconds: u32,
}

/// An order that waits for a service.
#[derive(Serialize, JsonSchema)]
pub struct SagaView {
    order_id: Id,
    status: OrderState,
    placed_at: Timestamp,
    deadline_at: Timestamp,
    waits_since: Option<Timestamp>,
    /// The step that is owed.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// A service, `external` or `operator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    owed_by: Option<&'static str>,
}

/// The longest wait first.
pub async fn list(call: Call, page: Page, Query(query): Query<SagaQuery>) -> Result<Okay<PageOf<SagaView>>, Failure> {
    let waited = Duration::from_secs(query.waiting_seconds.into());
    let since = call.clock().now().as_millis() - i64::try_from(waited.as_millis()).unwrap_or(i64::MAX);
    let list = List::of(Order::TABLE, page.limit)
        .at_most("waits_since", Value::Int(since))
        .order_by("waits_since", Direction::Ascending);
    call.page(&page, list, |order| SagaView::of(&order)).await
}

impl SagaView {
    fn of(order: &Order) -> Self {
        let owed = owed_step(order);
        Self {
            step: owed.map(|(step, _)| step.to_string()),
            owed_by: owed.map(|(_, by)| by),
            order_id: order.order_id().clone(),
            status: order.state(),
            placed_at: order.placed_at(),
            deadline_at: order.deadline_at(),
            waits_since: order.waits_since(),
        }
    }
}
