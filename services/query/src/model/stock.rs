//! How much there is of a SKU at a location, and how low that is.

use std::collections::BTreeMap;

use tradewind_engine::Entity;
use tradewind_events::{Id, LowLevel, StockLevel, Timestamp};

use crate::Query;

/// The stock of one SKU at one location, in units.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Query, table = "stock_view", key = (sku, location_id))]
pub struct StockView {
    pub sku: Id,
    pub location_id: Id,
    pub product_id: Id,
    pub on_hand: i64,
    pub reserved: i64,
    pub available: i64,
    /// How low it is; none when it is not, or when inventory never told a threshold.
    pub low_level: Option<LowLevel>,
    /// Of the stock, as inventory counts its changes: tells old from new.
    pub stock_version: u64,
    pub changed_at: Timestamp,
    /// What inventory last told of each level: the number of its event, and the threshold in units. Between two
    /// warnings nothing is told, so how low a stock is that rises again is worked out from these.
    #[column(json)]
    pub thresholds: BTreeMap<LowLevel, (u64, i64)>,
    pub since_segment: u64,
}

impl StockView {
    /// A stock as it was told first.
    pub fn opened(told: &StockLevel, at: Timestamp, segment: u64) -> Self {
        Self {
            sku: told.sku.clone(),
            location_id: told.location_id.clone(),
            product_id: told.product_id.clone(),
            on_hand: told.on_hand,
            reserved: told.reserved,
            available: told.available,
            low_level: None,
            stock_version: told.version,
            changed_at: at,
            thresholds: BTreeMap::new(),
            since_segment: segment,
        }
    }

    /// The stock as it was at some version: an older one than is known changes nothing.
    pub fn level(&mut self, told: &StockLevel, at: Timestamp, segment: u64) {
        self.since_segment = self.since_segment.min(segment);
        self.changed_at = self.changed_at.max(at);
        if told.version >= self.stock_version {
            self.product_id = told.product_id.clone();
            (self.on_hand, self.reserved, self.available) = (told.on_hand, told.reserved, told.available);
            self.stock_version = told.version;
        }
        self.weigh();
    }

    /// Inventory warns: the event of this number names the threshold of a level.
    pub fn low(&mut self, level: LowLevel, threshold: i64, sequence: u64) {
        let told = (sequence, threshold);
        let known = self.thresholds.entry(level).or_insert(told);
        *known = told.max(*known);
        self.weigh();
    }

    fn weigh(&mut self) {
        let reached = self.thresholds.iter().filter(|(_, (_, threshold))| self.available <= *threshold);
        self.low_level = reached.map(|(level, _)| *level).max();
    }
}
