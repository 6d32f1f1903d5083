//! Stock, and the list of what is low.

use tradewind_engine::{
    Entity,
    ports::{List, Reader},
};
use tradewind_events::{
    LowLevel, StockLevel, Value, id,
    inventory::{StockAdjusted, StockChanged, StockCreated, StockDepleted, StockLow, StockReplenished},
    row_key,
    samples::Sample,
};
use tradewind_query::StockView;

use super::world::World;

fn level(version: u64, available: i64) -> StockLevel {
    StockLevel { version, on_hand: available + 2, reserved: 2, available, ..StockLevel::sample() }
}

fn changed(version: u64, available: i64) -> StockChanged {
    StockChanged { stock: level(version, available), ..StockChanged::sample() }
}

fn stock(world: &World) -> StockView {
    world.row(row_key(&["SKU-1", "location-1"])).expect("the stock is known")
}

#[test]
fn the_level_is_that_of_the_newest_version_whichever_event_told_it() {
    let mut world = World::new();
    world.tell(StockCreated { stock: level(1, 0) });
    world.tell(StockReplenished { stock: level(3, 8) }).tell(changed(2, 5));
    assert_eq!((stock(&world).available, stock(&world).on_hand, stock(&world).stock_version), (8, 10, 3));
    world.tell(StockAdjusted { stock: level(4, 6), ..StockAdjusted::sample() });
    world.tell(StockDepleted { stock: level(5, 0) });
    assert_eq!((stock(&world).available, stock(&world).reserved), (0, 2));
    world.check();
}

#[test]
fn a_stock_is_low_until_it_is_above_the_threshold_that_was_told() {
    let mut world = World::new();
    let low = |version, available, level_name, threshold| StockLow {
        stock: level(version, available),
        threshold,
        level: level_name,
    };
    world.tell(changed(1, 50));
    assert_eq!(stock(&world).low_level, None);
    world.tell(changed(2, 9)).tell(low(2, 9, LowLevel::Warning, 10));
    assert_eq!(stock(&world).low_level, Some(LowLevel::Warning));
    world.tell(changed(3, 2)).tell(low(3, 2, LowLevel::Critical, 2));
    assert_eq!(stock(&world).low_level, Some(LowLevel::Critical));
    world.tell(changed(4, 6));
    assert_eq!(stock(&world).low_level, Some(LowLevel::Warning), "above the one threshold, below the other");
    world.tell(changed(5, 11));
    assert_eq!(stock(&world).low_level, None);
    world.tell(low(6, 11, LowLevel::Warning, 20));
    assert_eq!(stock(&world).low_level, Some(LowLevel::Warning), "the threshold was raised");
    world.check();
}

#[test]
fn what_is_low_is_a_list() {
    let mut world = World::new();
    world.tell(changed(1, 50)).tell(StockLow {
        stock: StockLevel { sku: id("SKU-2"), ..level(1, 1) },
        threshold: 3,
        level: LowLevel::Urgent,
    });
    let list = List::of(StockView::TABLE, 10).equal("low_level", Value::Text("urgent".into()));
    let rows = world.stage.store().list(&list).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(StockView::from_row(&rows[0].values).unwrap().sku, id("SKU-2"));
}
