//! The story of an order of a shop that is asked over HTTP: of a gateway, or of the process where `query` lives, which
//! has the events of all stores.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tradewind_engine::LogPosition;
use tradewind_events::{
    CancelledBy, Currency, Envelope, Id, KeyText, Lines, PaymentMethod, RawEnvelope, Registry, SPEC_VERSION, Timestamp,
};
use tradewind_query::{OrderStatus, OrderView};

use super::super::{
    CliError,
    desk::{Desk, encoded},
};
use crate::{client::ClientError, story::Story};

/// What of an order is personal, and stands in no story.
const PERSONAL: [&str; 2] = ["shipping_address", "billing_address"];

/// What a story shows of an order.
#[derive(Deserialize)]
struct Order {
    order_id: Id,
    customer_id: Id,
    status: OrderStatus,
    settled: bool,
    currency: Currency,
    total_minor: Option<i64>,
    payment_method: PaymentMethod,
    lines: Lines,
    placed_at: Option<Timestamp>,
    payment: Option<Payment>,
    reason: Option<Arc<str>>,
    cancelled_by: Option<CancelledBy>,
}

#[derive(Deserialize)]
struct Payment {
    payment_id: Option<Id>,
    refunded_minor: i64,
}

/// An event of a timeline.
#[derive(Deserialize)]
struct Event {
    event_id: Id,
    name: String,
    version: u16,
    source: KeyText,
    subject: String,
    time: Timestamp,
    sequence: u64,
    correlation_id: Id,
    causation_id: Option<Id>,
    data: Value,
}

/// The story of an order, and the order as the shop shows it, without what is personal.
pub async fn read(desk: &mut Desk, order_id: &Id) -> Result<(Story, Value), CliError> {
    let path = format!("/v1/orders/{}", encoded(order_id.as_str()));
    let mut shown: Value = desk.get(&path).await?;
    if let Some(fields) = shown.as_object_mut() {
        fields.retain(|name, _| !PERSONAL.contains(&name.as_str()));
    }
    let order = Order::deserialize(&shown).map_err(|error| unreadable(&path, &error))?;
    let path = format!("{path}/events");
    let events: Vec<Event> = desk.list(&path, &[], usize::MAX).await?.typed(&path)?;
    let registry = tradewind_events::registry();
    let envelope = |event: Event| event.envelope(order_id, &registry).map_err(|reason| unreadable(&path, &reason));
    let events = events.into_iter().map(envelope).collect::<Result<_, _>>()?;
    Ok((Story::of(order.view(), events), shown))
}

fn unreadable(path: &str, reason: &dyn std::fmt::Display) -> CliError {
    ClientError::Unreadable { path: path.to_owned(), reason: reason.to_string() }.into()
}

impl Order {
    fn view(self) -> OrderView {
        let began_at = self.placed_at.unwrap_or_default();
        let payment = self.payment;
        OrderView {
            customer_id: Some(self.customer_id),
            status: Some(self.status),
            settled: self.settled,
            currency: Some(self.currency),
            total_minor: self.total_minor,
            payment_method: Some(self.payment_method),
            lines: self.lines,
            placed_at: self.placed_at,
            refunded_minor: payment.as_ref().map_or(0, |payment| payment.refunded_minor),
            payment_id: payment.and_then(|payment| payment.payment_id),
            reason: self.reason,
            cancelled_by: self.cancelled_by,
            ..OrderView::unheard(self.order_id, began_at, LogPosition { segment: 0, index: 0 })
        }
    }
}

impl Event {
    /// `key`: the events of an order have its id.
    fn envelope(self, key: &Id, registry: &Registry) -> Result<Envelope, String> {
        let data: Box<RawValue> = serde_json::value::to_raw_value(&self.data).map_err(|error| error.to_string())?;
        let raw = RawEnvelope {
            specversion: SPEC_VERSION.to_owned(),
            id: self.event_id,
            name: self.name,
            version: self.version,
            source: self.source,
            subject: self.subject,
            key: key.clone(),
            time: self.time,
            sequence: self.sequence,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            traceparent: None,
            data,
        };
        raw.decode(registry).map_err(|error| error.to_string())
    }
}
