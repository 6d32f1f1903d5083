//! Whether anything of a SKU is available anywhere, from what inventory says of each location.
//!
//! Inventory says `stock.depleted` and `stock.replenished` when a location's available stock reaches and leaves zero.
//! Each carries the version of the stock row, so an old fact that comes late is told from a new one; the locations are
//! counted, so the order in which two of them are heard of does not matter either.

use tradewind_engine::{Entity, Events};
use tradewind_events::{
    Id, StockLevel,
    catalog::{ProductBackInStock, ProductOutOfStock},
};

use super::Product;
use crate::Catalog;

/// One SKU over all locations.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Catalog, table = "availability", key = sku)]
pub struct Availability {
    sku: Id,
    /// Locations where something is available.
    locations: u32,
    /// A SKU of which nothing was heard yet is not out of stock: what was never there cannot come back.
    out_of_stock: bool,
}

/// The whole stock of a SKU reached zero, or left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockTurn {
    OutOfStock,
    BackInStock,
}

/// One SKU at one location.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Catalog, table = "location_availability", key = (sku, location_id))]
pub struct LocationAvailability {
    sku: Id,
    location_id: Id,
    /// The version of the stock row that it was heard with.
    stock_version: u64,
    available: bool,
}

impl LocationAvailability {
    pub fn unheard(stock: &StockLevel) -> Self {
        let (sku, location_id) = (stock.sku.clone(), stock.location_id.clone());
        Self { sku, location_id, stock_version: 0, available: false }
    }

    /// Takes the fact over and says what was so before; `None` when the fact is old.
    pub fn hear(&mut self, stock: &StockLevel, available: bool) -> Option<bool> {
        if stock.version <= self.stock_version {
            return None;
        }
        self.stock_version = stock.version;
        Some(std::mem::replace(&mut self.available, available))
    }
}

impl Availability {
    pub fn unheard(sku: &Id) -> Self {
        Self { sku: sku.clone(), locations: 0, out_of_stock: false }
    }

    /// A location has something now.
    pub fn replenish(&mut self, had_something: bool) -> Option<StockTurn> {
        self.locations += u32::from(!had_something);
        std::mem::replace(&mut self.out_of_stock, false).then_some(StockTurn::BackInStock)
    }

    /// A location has nothing now.
    pub fn deplete(&mut self, had_something: bool) -> Option<StockTurn> {
        self.locations = self.locations.saturating_sub(u32::from(had_something));
        if self.locations > 0 || std::mem::replace(&mut self.out_of_stock, true) {
            return None;
        }
        Some(StockTurn::OutOfStock)
    }
}

impl StockTurn {
    /// As it is told of a product. `stock` is what caused it.
    pub fn told(self, product: &Product, stock: &StockLevel) -> Events {
        let (product_id, sku) = (product.product_id().clone(), stock.sku.clone());
        let location_id = stock.location_id.clone();
        match self {
            Self::OutOfStock => ProductOutOfStock { product_id, sku, location_id, available_everywhere: 0 }.into(),
            Self::BackInStock => {
                let available_everywhere = stock.available_everywhere;
                ProductBackInStock { product_id, sku, location_id, available_everywhere }.into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn stock(location_id: usize, version: u64) -> StockLevel {
        StockLevel {
            sku: tradewind_events::id("SKU-1"),
            product_id: tradewind_events::id("product-1"),
            location_id: tradewind_events::id(&format!("location-{location_id}")),
            version,
            on_hand: 0,
            reserved: 0,
            available: 0,
            available_everywhere: 0,
        }
    }

    proptest! {
        #[test]
        fn in_any_order_and_however_often_the_facts_come_the_last_of_each_location_decides(
            // Locations take turns: odd versions replenish, even ones deplete.
            counts in prop::collection::vec(1..6_u64, 1..4),
            picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..40),
        ) {
            let mut facts: Vec<(usize, u64)> = vec![];
            for (location, count) in counts.iter().enumerate() {
                facts.extend((1..=*count).map(|version| (location, version)));
            }
            let in_order = facts.clone();
            for (one, other) in picks {
                let (one, other) = (one.index(facts.len()), other.index(facts.len()));
                facts.swap(one, other);
            }
            // All of them once more: duplicates.
            facts.extend(in_order);
            let mut everywhere = Availability::unheard(&tradewind_events::id("SKU-1"));
            let mut here: BTreeMap<usize, LocationAvailability> = BTreeMap::new();
            let mut last_turn = None;
            for (location, version) in facts {
                let stock = stock(location, version);
                let row = here.entry(location).or_insert_with(|| LocationAvailability::unheard(&stock));
                let available = version % 2 == 1;
                let Some(had_something) = row.hear(&stock, available) else { continue };
                let turn =
                    if available { everywhere.replenish(had_something) } else { everywhere.deplete(had_something) };
                prop_assert!(turn.is_none() || turn != last_turn, "said twice: {:?}", turn);
                last_turn = turn.or(last_turn);
            }
            let available_at = counts.iter().filter(|count| *count % 2 == 1).count();
            prop_assert_eq!(everywhere.locations as usize, available_at);
            prop_assert_eq!(everywhere.out_of_stock, available_at == 0);
            prop_assert_eq!(last_turn == Some(StockTurn::OutOfStock), available_at == 0);
        }
    }
}
