//! Consumers: the services as hearers of events. One that is paused has what it would hear parked for it.

use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::{
    operator::{Action, BROKER_CONSUMER},
    tables::ConsumerRow,
};
use tradewind_events::{Id, KeyText, Timestamp};

use super::{ActionView, Reason, operate};
use crate::{
    http::{Call, Failure, Json, Okay, Path, Sent},
    services,
};

/// A consumer.
#[derive(Serialize, JsonSchema)]
pub struct ConsumerView {
    name: String,
    paused: bool,
    /// Why it was paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Since when it is paused or runs again.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
}

/// All consumers.
#[derive(Serialize, JsonSchema)]
pub struct ConsumersView {
    items: Vec<ConsumerView>,
}

pub async fn list(call: Call) -> Result<Okay<ConsumersView>, Failure> {
    // The subscriptions are listed once they were paused.
    let names = services::NAMES.into_iter().chain([BROKER_CONSUMER]);
    let rows = call.load_all::<ConsumerRow>(names.clone().map(KeyText::literal)).await?;
    let names = names.filter(|name| *name != BROKER_CONSUMER || rows.iter().any(|row| &*row.name == *name));
    let view = |name: &str| {
        let row = rows.iter().find(|row| &*row.name == name);
        ConsumerView {
            name: name.to_owned(),
            paused: row.is_some_and(|row| row.paused),
            reason: row.and_then(|row| row.reason.as_deref().map(str::to_owned)),
            since: row.map(|row| row.since),
        }
    };
    Ok(Okay(ConsumersView { items: names.map(view).collect() }))
}

pub async fn pause(
    call: Call,
    Path(consumer): Path<Id>,
    Json(Reason { reason }): Json<Reason>,
) -> Result<Sent<Okay<ActionView>>, Failure> {
    operate(&call, Action::Pause { consumer, reason: reason.into() }).await
}

pub async fn resume(call: Call, Path(consumer): Path<Id>) -> Result<Sent<Okay<ActionView>>, Failure> {
    operate(&call, Action::Resume { consumer }).await
}
