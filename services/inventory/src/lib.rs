//! Inventory: how much there is of each SKU at which location, and which order has a claim on it.
//! Not here: what a thing costs (catalog), how it travels (shipping).

mod commands;
mod model;
mod reactions;

use std::time::Duration;

use tradewind_engine::{Refusal, Service, Settings, Timer};

pub use commands::{AdjustStock, CreateLocation, SetThresholds, UpdateLocation};
pub use model::{
    ArchivedProduct, INVALID_ADJUSTMENT, INVALID_LOCATION, INVALID_THRESHOLDS, LINE_PIECES_MAX, LOCATION_EXISTS,
    LOCATION_NOT_FOUND, LOCATIONS_PER_SKU_MAX, Location, MAIN_LOCATION, MAIN_PRIORITY, NAME_CHARS_MAX, ON_HAND_MAX,
    Reservation, ReservationState, STOCK_NOT_FOUND, STOCK_RESERVED, STOCK_TOO_LOW, Stock, StockItem, TEXT_CHARS_MAX,
    TOO_MANY_LOCATIONS, Thresholds,
};

/// Configuration, and the name of the service.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// How long stock is held unpaid, where the order does not say it: 15 minutes.
    pub reservation_ttl: Duration,
}

impl Settings for Inventory {
    const SERVICE: &'static str = "inventory";
}

impl Default for Inventory {
    fn default() -> Self {
        Self { reservation_ttl: Duration::from_mins(15) }
    }
}

/// Lets a claim go that was not paid in time; by order.
const EXPIRE: Timer<Inventory> = Timer::new("expire");

/// Every reason for which a command is refused here.
pub const PROBLEMS: &[Refusal] = &[
    INVALID_ADJUSTMENT,
    INVALID_LOCATION,
    INVALID_THRESHOLDS,
    LOCATION_EXISTS,
    LOCATION_NOT_FOUND,
    STOCK_NOT_FOUND,
    STOCK_RESERVED,
    STOCK_TOO_LOW,
    TOO_MANY_LOCATIONS,
];

pub fn service(settings: Inventory) -> Service<Inventory> {
    Service::new(settings)
        .owns::<Location>()
        .owns::<Stock>()
        .owns::<StockItem>()
        .owns::<ArchivedProduct>()
        .owns::<Reservation>()
        .command(commands::create_location)
        .command(commands::update_location)
        .command(commands::adjust_stock)
        .command(commands::set_thresholds)
        .on(reactions::open_product) // product.created
        .on(reactions::open_variant) // variant.created
        .on(reactions::close_product) // product.archived
        .on(reactions::close_variant) // variant.discontinued
        .on(reactions::reserve) // order.priced
        .on(reactions::extend) // payment.requested
        .on(reactions::commit) // payment.authorized
        .on(reactions::release_failed) // payment.failed
        .on(reactions::release_rejected) // order.rejected
        .on(reactions::release_cancelled) // order.cancelled
        .timer(EXPIRE, reactions::expire)
}
