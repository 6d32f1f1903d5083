//! What can be asked of inventory: where it stocks, how much there is, when it counts as low.

use std::sync::Arc;

use tradewind_engine::{Answer, Command, OrRefuse, Uow};
use tradewind_events::{AdjustmentType, Id, StockLevel, id};

use crate::{
    Inventory,
    model::{
        LOCATION_EXISTS, LOCATION_NOT_FOUND, Location, MAIN_LOCATION, STOCK_NOT_FOUND, Stock, StockItem, Thresholds,
    },
};

/// Opens a place that can hold stock.
#[derive(Debug, Clone, Command)]
#[command(owner = Inventory, name = "create_location", answer = Location)]
pub struct CreateLocation {
    /// None: a new one.
    pub location_id: Option<Id>,
    pub name: Arc<str>,
    /// Claims are served from the lowest number first; none: [`crate::MAIN_PRIORITY`].
    pub priority: Option<u32>,
}

/// Changes a place; what is not given stays.
#[derive(Debug, Clone, Command)]
#[command(owner = Inventory, name = "update_location", answer = Location, key = location_id)]
pub struct UpdateLocation {
    pub location_id: Id,
    pub name: Option<Arc<str>>,
    pub priority: Option<u32>,
}

/// Adds to or takes off what is on hand. At a location where the SKU was not stocked, it is from now on.
#[derive(Debug, Clone, Command)]
#[command(owner = Inventory, name = "adjust_stock", answer = StockLevel, key = sku)]
pub struct AdjustStock {
    pub sku: Id,
    /// None: the main location.
    pub location_id: Option<Id>,
    /// Of what is on hand, in units.
    pub delta: i64,
    pub adjustment_type: AdjustmentType,
    pub reason: Option<Arc<str>>,
    /// Of a paper outside: a delivery note, a count.
    pub reference: Option<Arc<str>>,
    /// What happened outside: `purchase_order_received`.
    pub source: Option<Arc<str>>,
    /// Who does it.
    pub actor: Option<Arc<str>>,
}

/// Says when a stock counts as low; a level that is not given has no threshold any more.
#[derive(Debug, Clone, Command)]
#[command(owner = Inventory, name = "set_thresholds", answer = Stock, key = sku)]
pub struct SetThresholds {
    pub sku: Id,
    /// None: the main location.
    pub location_id: Option<Id>,
    pub thresholds: Thresholds,
}

pub fn create_location(uow: &mut Uow<Inventory>, create: &CreateLocation) -> Answer<Location> {
    let location_id = create.location_id.clone().unwrap_or_else(|| uow.new_id());
    if uow.get::<Location>(&location_id)?.is_some() {
        return Err(LOCATION_EXISTS.because(format!("{location_id} is there already")).at("location_id").into());
    }
    let location = Location::new(location_id, &create.name, create.priority)?;
    uow.put(location.clone());
    Ok(location)
}

pub fn update_location(uow: &mut Uow<Inventory>, update: &UpdateLocation) -> Answer<Location> {
    let mut location = uow
        .get::<Location>(&update.location_id)?
        .or_refuse(|| LOCATION_NOT_FOUND.because(format!("there is no location {}", update.location_id)))?;
    location.update(update.name.as_ref(), update.priority)?;
    uow.put(location.clone());
    Ok(location)
}

pub fn adjust_stock(uow: &mut Uow<Inventory>, adjust: &AdjustStock) -> Answer<StockLevel> {
    let location_id = adjust.location_id.clone().unwrap_or_else(|| id(MAIN_LOCATION));
    let mut item = uow
        .get::<StockItem>(&adjust.sku)?
        .filter(StockItem::is_stocked)
        .or_refuse(|| STOCK_NOT_FOUND.because(format!("no product with the SKU {} is known", adjust.sku)).at("sku"))?;
    let mut stock = match uow.get::<Stock>((&adjust.sku, &location_id))? {
        Some(stock) => stock,
        None => open_here(uow, &mut item, location_id)?,
    };
    uow.emit_all(stock.adjust(&mut item, adjust)?);
    let level = stock.level(&item);
    uow.put(stock);
    uow.put(item);
    Ok(level)
}

/// Opens a row of stock at a further location, which must be there.
fn open_here(uow: &mut Uow<Inventory>, item: &mut StockItem, location_id: Id) -> Answer<Stock> {
    uow.get::<Location>(&location_id)?
        .or_refuse(|| LOCATION_NOT_FOUND.because(format!("there is no location {location_id}")).at("location_id"))?;
    item.room_for_location()?;
    let (stock, created) = Stock::open(item, location_id);
    uow.emit(created);
    Ok(stock)
}

pub fn set_thresholds(uow: &mut Uow<Inventory>, set: &SetThresholds) -> Answer<Stock> {
    let location_id = set.location_id.clone().unwrap_or_else(|| id(MAIN_LOCATION));
    let mut stock = uow
        .get::<Stock>((&set.sku, &location_id))?
        .or_refuse(|| STOCK_NOT_FOUND.because(format!("{} is not stocked at {location_id}", set.sku)))?;
    let item = uow.load::<StockItem>(&set.sku)?;
    if let Some(low) = stock.set_thresholds(&item, set.thresholds)? {
        uow.emit(low);
    }
    uow.put(stock.clone());
    Ok(stock)
}
