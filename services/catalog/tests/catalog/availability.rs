//! What is out of stock everywhere, and what is back: from the events of inventory, in any order.

use tradewind_catalog::Availability;
use tradewind_events::{
    StockLevel,
    catalog::{ProductBackInStock, ProductOutOfStock},
    inventory::{StockDepleted, StockReplenished},
};

use super::*;

fn stock(location_id: &str, version: u64, everywhere: i64) -> StockLevel {
    StockLevel {
        sku: id("SKU-1"),
        product_id: id("product-1"),
        location_id: id(location_id),
        version,
        on_hand: everywhere,
        reserved: 0,
        available: everywhere,
        available_everywhere: everywhere,
    }
}

fn depleted(location_id: &str, version: u64) -> StockDepleted {
    StockDepleted { stock: stock(location_id, version, 0) }
}

fn replenished(location_id: &str, version: u64) -> StockReplenished {
    StockReplenished { stock: stock(location_id, version, 7) }
}

#[test]
fn the_first_stock_of_a_sku_is_no_return() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    stage.hear(replenished("north", 1));
    assert_eq!(stage.said_names(), [""; 0]);
    stage.is_clean();
}

#[test]
fn a_sku_is_out_of_stock_when_no_location_has_it_and_back_when_one_has() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    stage.hear(replenished("north", 1));
    stage.hear(replenished("south", 1));
    stage.hear(depleted("north", 2));
    assert_eq!(stage.said_names(), [""; 0]);
    stage.hear(depleted("south", 2));
    let [out] = &stage.said::<ProductOutOfStock>()[..] else { panic!("{:?}", stage.said_names()) };
    assert_eq!((&out.location_id, out.available_everywhere), (&id("south"), 0));
    stage.hear(replenished("north", 3));
    stage.hear(replenished("south", 3));
    let [back] = &stage.said::<ProductBackInStock>()[..] else { panic!("{:?}", stage.said_names()) };
    assert_eq!((&back.location_id, back.available_everywhere), (&id("north"), 7));
    stage.is_clean();
}

#[test]
fn what_is_heard_twice_or_late_changes_nothing() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    stage.hear(replenished("north", 1));
    stage.hear(replenished("north", 3));
    stage.hear(depleted("north", 2));
    assert_eq!(stage.said_names(), [""; 0], "the location was replenished again after that");
    stage.hear(depleted("north", 4));
    stage.hear(depleted("north", 4));
    stage.hear(replenished("north", 3));
    assert_eq!(stage.said_names(), ["product.out_of_stock"]);
    stage.is_clean();
}

#[test]
fn a_depletion_that_is_heard_first_counts() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    stage.hear(depleted("north", 2));
    stage.hear(replenished("north", 1));
    assert_eq!(stage.said_names(), ["product.out_of_stock"]);
    stage.is_clean();
}

#[test]
fn stock_of_a_sku_that_is_not_sold_here_is_kept_and_not_told() {
    let mut stage = stage();
    stage.hear(replenished("north", 1));
    stage.hear(depleted("north", 2));
    assert_eq!(stage.said_names(), [""; 0]);
    assert!(stage.row::<Availability>(id("SKU-1")).unwrap().out_of_stock());
    stage.sells("product-1", "SKU-1", 100);
    stage.hear(replenished("north", 3));
    assert_eq!(stage.said_names(), ["product.back_in_stock"]);
    stage.is_clean();
}
