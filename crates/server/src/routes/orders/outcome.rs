//! How an order stands, for whoever prefers to wait: looked up when the answer goes out, and kept nowhere.

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_events::{CancelledBy, Id};
use tradewind_orders::{ALREADY_DISPATCHED, Order, OrderState, Step};

use crate::http::{Call, Failure, Sent, Wait};

/// How an order stands.
#[derive(Serialize, JsonSchema)]
pub struct OutcomeView {
    status: OrderState,
    /// What was waited for has come. Otherwise the time was over first.
    decided: bool,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Arc<str>>,
    /// The check that was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_by: Option<CancelledBy>,
    /// A wish to cancel it came too late, and why: `already_dispatched`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_refused: Option<&'static str>,
}

/// The order that a stored answer is about.
#[derive(Deserialize)]
struct About {
    order_id: Id,
}

/// Adds the outcome to an answer, if the client prefers to wait for it: once it is decided, or when the time is over.
/// What is kept under the idempotency key stays as it is.
pub async fn add<A>(
    call: &Call,
    Wait(wait): Wait,
    sent: Sent<A>,
    decided: impl Fn(&Order) -> bool,
) -> Result<Sent<A>, Failure> {
    let Some(wait) = wait else { return Ok(sent) };
    let About { order_id } = serde_json::from_slice(sent.body())
        .map_err(|error| Failure::internal("reading an answer that was kept", &error))?;
    let Some(outcome) = wait_for(call, &order_id, wait, decided).await? else { return Ok(sent) };
    Ok(sent.map_body(|body| with_outcome(body, &outcome)))
}

async fn wait_for(
    call: &Call,
    order_id: &Id,
    wait: Duration,
    is_decided: impl Fn(&Order) -> bool,
) -> Result<Option<OutcomeView>, Failure> {
    let give_up_at = call.clock().now().plus(wait);
    let mut place = None;
    loop {
        // Watched before the row is read, so that nothing is missed between the two.
        let mut watch = call.hub.watch(order_id);
        let Some(order) = call.load::<Order>(order_id).await? else { return Ok(None) };
        let decided = is_decided(&order);
        if decided || call.stopping.is_stopping() || call.clock().now() >= give_up_at {
            return Ok(Some(OutcomeView::of(&order, decided)));
        }
        // What is decided at once needs no place. Without one it is as if the time were over: to wait is a preference.
        place = place.or_else(|| call.begins_to_wait());
        if place.is_none() {
            return Ok(Some(OutcomeView::of(&order, decided)));
        }
        call.news(&mut watch, give_up_at).await;
    }
}

/// A JSON object with one more member at its end.
fn with_outcome(mut body: Vec<u8>, outcome: &OutcomeView) -> Vec<u8> {
    if body.pop() == Some(b'}') {
        body.extend_from_slice(br#","outcome":"#);
        // Texts and names: there is nothing that JSON cannot hold.
        let outcome = serde_json::to_vec(outcome);
        body.extend(outcome.unwrap_or_else(|error| panic!("an outcome cannot be written as JSON: {error}")));
        body.push(b'}');
    }
    body
}

impl OutcomeView {
    fn of(order: &Order, decided: bool) -> Self {
        let rejected = order.state() == OrderState::Rejected;
        let cancelled = order.state() == OrderState::Cancelled;
        let reason = if rejected { order.lost_reason() } else { order.cancel_reason() };
        Self {
            status: order.state(),
            decided,
            reason: reason.filter(|_| order.state().has_ended()).cloned(),
            step: order.lost().filter(|_| rejected).map(tradewind_orders::Lost::step),
            cancelled_by: order.cancel_by().filter(|_| cancelled),
            cancel_refused: order.cancel_was_refused().then_some(ALREADY_DISPATCHED.code),
        }
    }
}
