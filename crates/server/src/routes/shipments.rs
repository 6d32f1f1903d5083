//! Shipments, for those who send them: what waits, where it goes, that it has left, that it has arrived.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{
    Entity,
    ports::{Direction, List},
};
use tradewind_events::{Address, Id, Lines, TextEnum, Timestamp, Value};
use tradewind_shipping::{DeliverShipment, DispatchShipment, SHIPMENT_NOT_FOUND, Shipment, ShipmentState};

use crate::http::{Call, Failure, Json, Okay, Page, PageOf, Path, Query, Sent};

/// The one shipment of an order.
#[derive(Serialize, JsonSchema)]
pub struct ShipmentView {
    order_id: Id,
    /// Absent when nothing was ever allocated.
    #[serde(skip_serializing_if = "Option::is_none")]
    shipment_id: Option<Id>,
    customer_id: Id,
    state: ShipmentState,
    /// What is sent, and from where.
    lines: Lines,
    /// Absent when nobody said it, or nothing goes there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Arc<Address>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking: Option<Arc<str>>,
    /// When it came into its state.
    changed_at: Timestamp,
}

#[derive(Deserialize, JsonSchema)]
pub struct Filter {
    /// `ready` when absent: what can leave.
    #[serde(default)]
    state: Option<ShipmentState>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dispatch {
    #[serde(default)]
    carrier: Option<Arc<str>>,
    #[serde(default)]
    tracking: Option<Arc<str>>,
}

/// What has been in the state for longest comes first.
pub async fn list(call: Call, Query(filter): Query<Filter>, page: Page) -> Result<Okay<PageOf<ShipmentView>>, Failure> {
    let state = filter.state.unwrap_or(ShipmentState::Ready);
    let list = List::of(Shipment::TABLE, page.limit)
        .equal("state", Value::Text(state.as_str().into()))
        .order_by("changed_at", Direction::Ascending);
    call.page(&page, list, |shipment: Shipment| ShipmentView::from(&shipment)).await
}

pub async fn read(call: Call, Path(order_id): Path<Id>) -> Result<Okay<ShipmentView>, Failure> {
    let shipment = call.load::<Shipment>(&order_id).await?;
    let shipment = shipment.filter(|shipment| shipment.state() != ShipmentState::Unheard);
    let shipment = shipment.ok_or_else(|| SHIPMENT_NOT_FOUND.problem())?;
    Ok(Okay(ShipmentView::from(&shipment)))
}

pub async fn dispatch(
    call: Call,
    Path(order_id): Path<Id>,
    Json(dispatch): Json<Dispatch>,
) -> Result<Sent<Okay<ShipmentView>>, Failure> {
    let Dispatch { carrier, tracking } = dispatch;
    call.submit(DispatchShipment { order_id, carrier, tracking }, shown).await
}

pub async fn deliver(call: Call, Path(order_id): Path<Id>) -> Result<Sent<Okay<ShipmentView>>, Failure> {
    call.submit(DeliverShipment { order_id }, shown).await
}

fn shown(shipment: &Shipment) -> Okay<ShipmentView> {
    Okay(ShipmentView::from(shipment))
}

impl From<&Shipment> for ShipmentView {
    fn from(shipment: &Shipment) -> Self {
        Self {
            order_id: shipment.order_id().clone(),
            shipment_id: shipment.shipment_id().cloned(),
            customer_id: shipment.summary().customer_id.clone(),
            state: shipment.state(),
            lines: shipment.lines().clone(),
            address: shipment.address().cloned(),
            carrier: shipment.carrier().cloned(),
            tracking: shipment.tracking().cloned(),
            changed_at: shipment.changed_at(),
        }
    }
}
