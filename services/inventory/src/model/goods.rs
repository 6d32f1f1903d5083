//! What is stocked and where: SKUs over all their locations, and the locations themselves.

use std::sync::Arc;

use tradewind_engine::{Entity, Problem, Refusal};
use tradewind_events::{Id, VariantStatus};

use crate::Inventory;

/// Where a SKU is stocked until somebody says otherwise; it is made on first need.
pub const MAIN_LOCATION: &str = "main";

/// The priority of a location that nobody gave one.
pub const MAIN_PRIORITY: u32 = 100;

/// The longest name of a location, in characters.
pub const NAME_CHARS_MAX: usize = 100;

/// At so many locations one SKU can be stocked: a claim looks at all of them.
pub const LOCATIONS_PER_SKU_MAX: usize = 100;

pub const INVALID_LOCATION: Refusal = Refusal::invalid("invalid_location", "A location cannot be like this.");
pub const LOCATION_EXISTS: Refusal = Refusal::conflict("location_exists", "There is a location with this id already.");
pub const LOCATION_NOT_FOUND: Refusal = Refusal::not_found("location_not_found", "There is no such location.");
pub const TOO_MANY_LOCATIONS: Refusal =
    Refusal::conflict("too_many_locations", "The SKU is stocked at as many locations as it can be.");

/// A place that holds stock.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Inventory, table = "location", key = location_id)]
pub struct Location {
    location_id: Id,
    name: Arc<str>,
    /// Claims are served from the lowest number first.
    priority: u32,
}

/// A SKU over all its locations.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Inventory, table = "stock_item", key = sku)]
pub struct StockItem {
    sku: Id,
    product_id: Id,
    /// The sum of `on_hand − reserved` over all its locations.
    available: i64,
    /// Counts the changes of its stock at any location; each row of stock has the number of its last one.
    changes: u64,
    /// No new claim is taken.
    discontinued: bool,
    /// Where it is stocked, in the order in which that began; none: only its end was heard of.
    #[column(json)]
    locations: Arc<[Id]>,
}

/// A product that is gone for good: no new claim is taken on any of its SKUs.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Inventory, table = "archived_product", key = product_id)]
pub struct ArchivedProduct {
    product_id: Id,
}

impl Location {
    pub fn main() -> Self {
        Self { location_id: tradewind_events::id(MAIN_LOCATION), name: "Main".into(), priority: MAIN_PRIORITY }
    }

    pub fn new(location_id: Id, name: &Arc<str>, priority: Option<u32>) -> Result<Self, Problem> {
        Ok(Self { location_id, name: checked_name(name)?, priority: priority.unwrap_or(MAIN_PRIORITY) })
    }

    /// What is not given stays.
    pub fn update(&mut self, name: Option<&Arc<str>>, priority: Option<u32>) -> Result<(), Problem> {
        if let Some(name) = name {
            self.name = checked_name(name)?;
        }
        self.priority = priority.unwrap_or(self.priority);
        Ok(())
    }
}

impl StockItem {
    /// A SKU of which nothing has been heard.
    pub fn unheard(sku: Id, product_id: Id) -> Self {
        Self { sku, product_id, available: 0, changes: 0, discontinued: false, locations: Arc::from([]) }
    }

    /// The catalog has it: its row of stock may be opened.
    pub fn is_stocked(&self) -> bool {
        !self.locations.is_empty()
    }

    /// The catalog says how it stands. A SKU that was discontinued stays so, whichever was heard first.
    pub fn heard(&mut self, status: VariantStatus) {
        self.discontinued |= status == VariantStatus::Discontinued;
    }

    /// The catalog has ended it.
    pub fn discontinue(&mut self) {
        self.discontinued = true;
    }

    /// It is stocked at a further location. Returns the number of this change.
    pub(super) fn stocked_at(&mut self, location_id: Id) -> u64 {
        self.locations = self.locations.iter().cloned().chain([location_id]).collect();
        self.moved(0)
    }

    /// Its stock changed at one of its locations: so many units more are available. Returns the number of this change.
    pub(super) fn moved(&mut self, available: i64) -> u64 {
        self.available += available;
        self.changes += 1;
        self.changes
    }

    pub fn room_for_location(&self) -> Result<(), Problem> {
        if self.locations.len() < LOCATIONS_PER_SKU_MAX {
            return Ok(());
        }
        Err(TOO_MANY_LOCATIONS.because(format!("{} is stocked at {LOCATIONS_PER_SKU_MAX} locations", self.sku)))
    }
}

impl ArchivedProduct {
    pub fn archived(product_id: Id) -> Self {
        Self { product_id }
    }
}

fn checked_name(name: &Arc<str>) -> Result<Arc<str>, Problem> {
    let chars = name.chars().count();
    if name.trim().is_empty() || chars > NAME_CHARS_MAX {
        return Err(INVALID_LOCATION.because(format!("a name has 1 to {NAME_CHARS_MAX} characters")).at("name"));
    }
    Ok(Arc::clone(name))
}
