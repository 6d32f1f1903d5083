//! Consumers: the services as hearers of events. One that is paused has what it would hear parked for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{operator::Action, tables::ConsumerRow};
use tradewind_events::{Id, KeyText, Timestamp};

use super::{ActionView, operate};
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// For the audit trail; no personal data.
    reason: String,
}

/// The consumer that stands for the subscriptions at brokers. It is listed once it was paused.
const SUBSCRIPTIONS: &str = "broker";

pub async fn list(call: Call) -> Result<Okay<ConsumersView>, Failure> {
    let names = services::NAMES.into_iter().chain([SUBSCRIPTIONS]);
    let rows = call.load_all::<ConsumerRow>(names.clone().map(KeyText::literal)).await?;
    let names = names.filter(|name| *name != SUBSCRIPTIONS || rows.iter().any(|row| &*row.name == *name));
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
    Json(Pause { reason }): Json<Pause>,
) -> Result<Sent<Okay<ActionView>>, Failure> {
    operate(&call, Action::Pause { consumer, reason: reason.into() }).await
}

pub async fn resume(call: Call, Path(consumer): Path<Id>) -> Result<Sent<Okay<ActionView>>, Failure> {
    operate(&call, Action::Resume { consumer }).await
}
