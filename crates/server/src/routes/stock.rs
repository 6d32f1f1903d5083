//! Stock: how much there is of a SKU at which location, and what is low. Its history are the events `stock.adjusted` and
//! `stock.changed`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{
    Entity,
    ports::{Direction, List},
};
use tradewind_events::{AdjustmentType, Column, Id, LowLevel, StockLevel, Timestamp, Value};
use tradewind_inventory::{self as inventory, AdjustStock, STOCK_NOT_FOUND, SetThresholds, Stock, StockItem};
use tradewind_query::StockView as LowRow;

use crate::http::{Call, Failure, Json, Okay, Page, PageOf, Path, Query, Sent};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdjustment {
    /// `main` when it is absent. Where the SKU was not stocked, it is from now on.
    #[serde(default)]
    location_id: Option<Id>,
    /// Units that come in, or go when it is negative.
    delta: i64,
    adjustment_type: AdjustmentType,
    #[serde(default)]
    reason: Option<Arc<str>>,
    /// Of a paper outside: a delivery note, a count.
    #[serde(default)]
    reference: Option<Arc<str>>,
    /// What happened outside: `purchase_order_received`.
    #[serde(default)]
    source: Option<Arc<str>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewThresholds {
    /// `main` when it is absent.
    #[serde(default)]
    location_id: Option<Id>,
    #[serde(default)]
    warning: Option<i64>,
    #[serde(default)]
    urgent: Option<i64>,
    #[serde(default)]
    critical: Option<i64>,
}

/// A SKU over all its locations, in units.
#[derive(Serialize, JsonSchema)]
pub struct StockOfSku {
    sku: Id,
    product_id: Id,
    /// The sum over all locations.
    available: i64,
    /// It is not sold any more: nothing of it is promised to orders.
    discontinued: bool,
    /// Where it is stocked, in the order in which that began.
    items: Vec<StockView>,
}

/// A SKU at one location, in units.
#[derive(Serialize, JsonSchema)]
pub struct StockView {
    location_id: Id,
    on_hand: i64,
    /// Of `on_hand`, what orders have a claim on.
    reserved: i64,
    /// `on_hand − reserved`.
    available: i64,
    /// All that ever came in.
    received: i64,
    /// All that was ever sold.
    committed: i64,
    /// All that was sold and came back.
    restocked: i64,
    /// The sum of all other adjustments.
    adjusted: i64,
    thresholds: ThresholdsView,
    /// The number of its last change among the changes of its SKU.
    version: u64,
}

/// A stock is low when so much or less is available. A level that is absent is never reached.
#[derive(Serialize, JsonSchema)]
pub struct ThresholdsView {
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    urgent: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    critical: Option<i64>,
}

/// A SKU at a location where it is low, in units.
#[derive(Serialize, JsonSchema)]
pub struct LowStockView {
    sku: Id,
    location_id: Id,
    product_id: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<LowLevel>,
    on_hand: i64,
    reserved: i64,
    available: i64,
    changed_at: Timestamp,
}

#[derive(Deserialize, JsonSchema)]
pub struct LowQuery {
    /// All levels when it is absent.
    #[serde(default)]
    level: Option<LowLevel>,
}

pub async fn read(call: Call, Path(sku): Path<Id>) -> Result<Okay<StockOfSku>, Failure> {
    let item = call.load::<StockItem>(&sku).await?.filter(StockItem::is_stocked);
    let item = item.ok_or_else(|| STOCK_NOT_FOUND.because(format!("no product with the SKU {sku} is known")))?;
    let rows: Vec<Stock> = call.load_all(item.locations().iter().map(|location_id| (&sku, location_id))).await?;
    Ok(Okay(StockOfSku {
        product_id: item.product_id().clone(),
        available: item.available(),
        discontinued: item.discontinued(),
        items: rows.iter().map(StockView::from).collect(),
        sku,
    }))
}

pub async fn adjust(
    call: Call,
    Path(sku): Path<Id>,
    Json(wanted): Json<NewAdjustment>,
) -> Result<Sent<Okay<StockLevel>>, Failure> {
    let adjust = AdjustStock {
        sku,
        location_id: wanted.location_id,
        delta: wanted.delta,
        adjustment_type: wanted.adjustment_type,
        reason: wanted.reason,
        reference: wanted.reference,
        source: wanted.source,
        actor: Some(call.user_id()?.shared()),
    };
    call.submit(adjust, |level| Okay(level.clone())).await
}

pub async fn set_thresholds(
    call: Call,
    Path(sku): Path<Id>,
    Json(wanted): Json<NewThresholds>,
) -> Result<Sent<Okay<StockView>>, Failure> {
    let NewThresholds { location_id, warning, urgent, critical } = wanted;
    let thresholds = inventory::Thresholds { warning, urgent, critical };
    call.submit(SetThresholds { sku, location_id, thresholds }, |stock| Okay(StockView::from(stock))).await
}

pub async fn low(
    call: Call,
    Query(wanted): Query<LowQuery>,
    page: Page,
) -> Result<Okay<PageOf<LowStockView>>, Failure> {
    let list = List::of(LowRow::TABLE, page.limit);
    let list = match wanted.level {
        Some(level) => list.equal("low_level", level.to_value()),
        // What is not low has no level. By their names, critical comes first.
        None => list.at_least("low_level", Value::Text("".into())).order_by("low_level", Direction::Ascending),
    };
    call.page(&page, list, |stock: LowRow| LowStockView::from(&stock)).await
}

impl From<&Stock> for StockView {
    fn from(stock: &Stock) -> Self {
        let inventory::Thresholds { warning, urgent, critical } = stock.thresholds();
        Self {
            location_id: stock.location_id().clone(),
            on_hand: stock.on_hand(),
            reserved: stock.reserved(),
            available: stock.available(),
            received: stock.received(),
            committed: stock.committed(),
            restocked: stock.restocked(),
            adjusted: stock.adjusted(),
            thresholds: ThresholdsView { warning, urgent, critical },
            version: stock.changes(),
        }
    }
}

impl From<&LowRow> for LowStockView {
    fn from(stock: &LowRow) -> Self {
        Self {
            sku: stock.sku.clone(),
            location_id: stock.location_id.clone(),
            product_id: stock.product_id.clone(),
            level: stock.low_level,
            on_hand: stock.on_hand,
            reserved: stock.reserved,
            available: stock.available,
            changed_at: stock.changed_at,
        }
    }
}
