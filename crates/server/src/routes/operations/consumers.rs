//! Consumers: the services as hearers of events, and the subscriptions at brokers. A service that is paused has what it
//! would hear parked for it; what a paused subscription would receive stays at its broker.

use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::{Entity, operator::Action, ports::List, tables::ConsumerRow};
use tradewind_events::{Id, Timestamp};

use super::{ActionView, Reason, operate};
use crate::{
    http::{Call, Failure, Json, Okay, Path, Sent},
    services,
};

/// Consumers that are listed because they are or were paused, at most.
const CONSUMERS_MAX: u32 = 1_000;

/// A consumer: a service, or the subscription at the broker of this name.
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
    let rows = call.list::<ConsumerRow>(List::of(ConsumerRow::TABLE, CONSUMERS_MAX)).await?;
    // The subscriptions are listed once they were paused.
    let is_service = |row: &&ConsumerRow| services::NAMES.contains(&&*row.name);
    let subscriptions = rows.iter().filter(|row| !is_service(row)).map(|row| row.name.as_str());
    // A service that lives in another store handles its events there.
    let names = call.services.iter().copied().chain(subscriptions);
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
