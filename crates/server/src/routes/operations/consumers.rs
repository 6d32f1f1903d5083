//! Consumers: the services as hearers of events, and the subscriptions at brokers. A service that is paused has what it
//! would hear parked for it; what a paused subscription would receive stays at its broker.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use tradewind_engine::{
    BrokerStatus, ConsumerLag, Entity, Lag,
    operator::{Action, UNAVAILABLE},
    ports::{BrokerError, Gap, List},
    tables::ConsumerRow,
};
use tradewind_events::{Id, Timestamp};

use super::{ActionView, Reason, operate};
use crate::{
    http::{Call, Failure, Json, Okay, Path, Sent},
    services,
};

/// Consumers that are listed because they are or were paused, at most.
const CONSUMERS_MAX: u32 = 1_000;

/// Gaps that one act names in the audit trail; it counts those beyond.
const GAPS_NAMED_MAX: usize = 100;

/// A consumer: a service of this store, or the subscription at the broker of this name.
#[derive(Serialize, JsonSchema)]
pub struct ConsumerView {
    name: String,
    kind: ConsumerKind,
    /// Of a service: what it would receive is parked. Of a subscription: messages stay at the broker.
    paused: bool,
    /// Why it was paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Since when it is paused or runs again.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// Messages that wait for it: for a service what is received or parked, for a subscription what waits at the broker.
    /// Absent where the broker cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<u64>,
    /// No event that happened earlier waits for it; absent when none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    behind_since: Option<Timestamp>,
    /// Of a service: the sources of events that wait for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    sources: Vec<SourceView>,
    /// Of a subscription: events that it has not received and that the broker no longer has. It receives nothing until an
    /// operator skips them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    gaps: Vec<GapView>,
}

/// Events that a broker no longer has, and that were not received.
#[derive(Serialize, JsonSchema)]
pub struct GapView {
    /// Where, as the broker names it.
    place: String,
    /// How many are missing; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u64>,
    /// What is missing, and why.
    reason: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ConsumerKind {
    Service,
    Subscription,
}

/// Events of one source that wait for a service.
#[derive(Serialize, JsonSchema)]
pub struct SourceView {
    /// The service that emits them; `other` stands for all sources that the shop does not know.
    source: String,
    /// Those that are received or parked.
    waiting: u64,
    /// No event of the source that happened earlier waits: here, or at the broker.
    behind_since: Timestamp,
}

/// All consumers.
#[derive(Serialize, JsonSchema)]
pub struct ConsumersView {
    items: Vec<ConsumerView>,
}

pub async fn list(call: Call) -> Result<Okay<ConsumersView>, Failure> {
    let rows = call.list::<ConsumerRow>(List::of(ConsumerRow::TABLE, CONSUMERS_MAX)).await?;
    let (lag, status) = (call.engine.lag(), call.engine.status());
    let is_service = |row: &&ConsumerRow| services::NAMES.contains(&&*row.name);
    // Those of brokers that are configured no more are listed while they have a row: one that is paused can be resumed.
    let rows_of_brokers = rows.iter().filter(|row| !is_service(row)).map(|row| row.name.as_str());
    let configured = lag.brokers.iter().map(|broker| broker.name.as_str());
    let subscriptions: BTreeSet<&str> = configured.chain(rows_of_brokers).collect();
    let row = |name: &str| rows.iter().find(|row| &*row.name == name);
    let services = call.services.iter().map(|name| ConsumerView::of_service(name, row(name), &lag));
    let subscriptions = subscriptions.iter().map(|name| {
        let broker = status.brokers.iter().find(|broker| &*broker.name == *name);
        ConsumerView::of_subscription(name, row(name), (&lag, broker))
    });
    Ok(Okay(ConsumersView { items: services.chain(subscriptions).collect() }))
}

impl ConsumerView {
    fn of_service(name: &str, row: Option<&ConsumerRow>, lag: &Lag) -> Self {
        let behind = lag.consumers.iter().filter(|lag| lag.consumer == name);
        let sources: Vec<SourceView> = behind.filter_map(SourceView::of).collect();
        Self {
            waiting: Some(sources.iter().map(|source| source.waiting).sum()),
            behind_since: sources.iter().map(|source| source.behind_since).min(),
            sources,
            ..Self::of(name, ConsumerKind::Service, row)
        }
    }

    fn of_subscription(name: &str, row: Option<&ConsumerRow>, (lag, broker): (&Lag, Option<&BrokerStatus>)) -> Self {
        let behind = lag.brokers.iter().find(|lag| &*lag.name == name);
        Self {
            waiting: behind.and_then(|lag| lag.backlog),
            behind_since: behind.and_then(|lag| lag.waits_since),
            gaps: broker.into_iter().flat_map(|broker| broker.gaps.iter().map(GapView::of)).collect(),
            ..Self::of(name, ConsumerKind::Subscription, row)
        }
    }

    fn of(name: &str, kind: ConsumerKind, row: Option<&ConsumerRow>) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            paused: row.is_some_and(|row| row.paused),
            reason: row.and_then(|row| row.reason.as_deref().map(str::to_owned)),
            since: row.map(|row| row.since),
            waiting: None,
            behind_since: None,
            sources: Vec::new(),
            gaps: Vec::new(),
        }
    }
}

impl GapView {
    fn of(Gap { place, messages, reason }: &Gap) -> Self {
        Self { place: place.clone(), messages: *messages, reason: reason.clone() }
    }
}

impl SourceView {
    /// None when nothing waits.
    fn of(lag: &ConsumerLag) -> Option<Self> {
        let behind_since = lag.since?;
        let waiting = u64::try_from(lag.messages).unwrap_or(u64::MAX);
        Some(Self { source: lag.source.clone(), waiting, behind_since })
    }
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

/// Lets a subscription go on behind events that its broker no longer has. That stands in the audit trail before the broker
/// is told. If the broker cannot be told, the same request does it.
pub async fn skip_gaps(
    call: Call,
    Path(consumer): Path<Id>,
    Json(Reason { reason }): Json<Reason>,
) -> Result<Sent<Okay<ActionView>>, Failure> {
    let brokers = call.engine.status().brokers;
    let found = brokers.into_iter().find(|broker| *broker.name == *consumer.as_str());
    let gaps = found.map(|broker| broker.gaps).unwrap_or_default();
    let action = Action::SkipGaps { broker: consumer.clone(), gaps: named(&gaps).into(), reason: reason.into() };
    let done = operate(&call, action).await?;
    let engine = call.engine.clone();
    let skip = tokio::task::spawn_blocking(move || engine.skip_gaps(consumer.as_str(), &gaps));
    match skip.await {
        Ok(Ok(())) => Ok(done),
        Ok(Err(BrokerError::Unavailable(reason) | BrokerError::Refused(reason))) => {
            Err(UNAVAILABLE.because(format!("The gaps are not skipped. Send the request again. {reason}")).into())
        }
        Err(error) => Err(Failure::internal("skipping gaps", &error)),
    }
}

/// Gaps as the audit trail names them.
fn named(gaps: &[Gap]) -> String {
    let beyond = gaps.len().saturating_sub(GAPS_NAMED_MAX);
    let more = (beyond > 0).then(|| format!("and {beyond} more"));
    let named = gaps.iter().take(GAPS_NAMED_MAX).map(ToString::to_string);
    named.chain(more).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_gaps_are_named_and_the_others_are_counted() {
        let gap = |number: usize| Gap { place: String::new(), messages: None, reason: format!("gap {number}") };
        let gaps: Vec<Gap> = (1..=GAPS_NAMED_MAX + 3).map(gap).collect();
        assert!(named(&gaps).ends_with("; gap 100; and 3 more"), "{}", named(&gaps));
        assert_eq!(named(&gaps[..2]), "gap 1; gap 2");
        assert_eq!(named(&[]), "");
    }
}
