//! The catalog opens and closes what is stocked.

use tradewind_events::{
    Product, ProductStatus, Variant, VariantStatus,
    catalog::{ProductArchived, ProductCreated, VariantCreated, VariantDiscontinued},
    id,
    inventory::{ReservationRefusal, ReservationRefused, StockCreated},
    row_key,
    samples::Sample,
};
use tradewind_inventory::{ArchivedProduct, Location, ReservationState, StockItem};

use crate::world::{World, variant};

fn created(status: ProductStatus, skus: &[&str]) -> ProductCreated {
    let variants: Vec<Variant> = skus.iter().map(|sku| variant(sku)).collect();
    ProductCreated { product: Product { status, variants: variants.into(), ..Product::sample() } }
}

fn discontinued(sku: &str) -> VariantDiscontinued {
    VariantDiscontinued { product_id: id("product-1"), variant_id: id(&format!("variant-{sku}")), sku: id(sku) }
}

fn archived() -> ProductArchived {
    ProductArchived { product_id: id("product-1"), name: "Tea".into(), reason: "discontinued".into() }
}

/// Why the claim of a new order on one unit is refused; `None` when it is held.
fn refusal(world: &mut World, order: &str, sku: &str) -> Option<ReservationRefusal> {
    world.stage.clear();
    world.prices(order, &[(sku, 1)]);
    world.stage.said::<ReservationRefused>().pop().map(|refused| refused.reason)
}

#[test]
fn each_variant_of_a_new_product_is_stocked_with_nothing_at_the_main_location() {
    let mut world = World::new();
    world.stage.hear(created(ProductStatus::Draft, &["SKU-1", "SKU-2"]));
    assert_eq!(world.stage.said_names(), ["stock.created", "stock.created"]);
    let said = world.stage.said::<StockCreated>();
    let level = &said[0].stock;
    assert_eq!((level.sku.as_str(), level.location_id.as_str(), level.version), ("SKU-1", "main", 1));
    assert_eq!((level.on_hand, level.reserved, level.available, level.available_everywhere), (0, 0, 0, 0));
    assert_eq!(world.stage.rows::<Location>(), [Location::main()]);
    assert_eq!(world.counts("SKU-2"), (0, 0));
    world.audit();
}

#[test]
fn a_product_or_variant_that_is_told_twice_is_stocked_once() {
    let mut world = World::new();
    world.stage.hear(created(ProductStatus::Draft, &["SKU-1"]));
    world.receives("SKU-1", "main", 5);
    world.stage.clear();
    world.stage.hear(created(ProductStatus::Draft, &["SKU-1"]));
    world.opens("SKU-1");
    assert_eq!(world.stage.said_names(), [""; 0]);
    assert_eq!(world.counts("SKU-1"), (5, 0));
    world.audit();
}

#[test]
fn a_location_that_is_named_main_already_stays_as_it_is() {
    let mut world = World::new();
    world.has_location("main", 7);
    world.opens("SKU-1");
    assert_eq!(world.stage.row::<Location>(row_key(&["main"])).unwrap().priority(), 7);
    world.audit();
}

#[test]
fn a_discontinued_variant_takes_no_new_claim_and_keeps_those_that_it_has() {
    let mut world = World::with(&[("SKU-1", 5)]);
    world.prices("order-1", &[("SKU-1", 2)]);
    world.stage.hear(discontinued("SKU-1"));
    world.stage.hear(discontinued("SKU-1"));
    assert_eq!(refusal(&mut world, "order-2", "SKU-1"), Some(ReservationRefusal::InvalidItems));
    world.pays("order-1");
    assert_eq!(world.state("order-1"), Some(ReservationState::Committed));
    assert_eq!(world.counts("SKU-1"), (3, 0));
    world.audit();
}

#[test]
fn a_variant_that_was_discontinued_before_it_was_heard_of_is_stocked_and_closed() {
    let mut world = World::new();
    world.stage.hear(discontinued("SKU-1"));
    assert_eq!(world.stage.said_names(), [""; 0]);
    assert!(!world.stage.row::<StockItem>(row_key(&["SKU-1"])).unwrap().is_stocked());
    world.opens("SKU-1");
    assert_eq!(world.stage.said_names(), ["stock.created"]);
    world.receives("SKU-1", "main", 5);
    assert_eq!(refusal(&mut world, "order-1", "SKU-1"), Some(ReservationRefusal::InvalidItems));
    world.audit();
}

#[test]
fn a_variant_that_is_created_as_discontinued_is_closed() {
    let mut world = World::new();
    let variant = Variant { status: VariantStatus::Discontinued, ..variant("SKU-1") };
    world.stage.hear(VariantCreated { product_id: id("product-1"), variant });
    world.receives("SKU-1", "main", 5);
    assert_eq!(refusal(&mut world, "order-1", "SKU-1"), Some(ReservationRefusal::InvalidItems));
    world.audit();
}

#[test]
fn an_archived_product_takes_no_new_claim_whenever_that_is_heard() {
    let tell: [fn(&mut World); 3] = [
        |world| {
            world.opens("SKU-1");
            world.stage.hear(archived());
            world.stage.hear(archived());
        },
        |world| {
            world.stage.hear(archived());
            world.opens("SKU-1");
        },
        |world| drop(world.stage.hear(created(ProductStatus::Archived, &["SKU-1"]))),
    ];
    for tell in tell {
        let mut world = World::new();
        tell(&mut world);
        world.receives("SKU-1", "main", 5);
        assert_eq!(refusal(&mut world, "order-1", "SKU-1"), Some(ReservationRefusal::InvalidItems));
        assert_eq!(world.stage.rows::<ArchivedProduct>().len(), 1);
        world.audit();
    }
}
