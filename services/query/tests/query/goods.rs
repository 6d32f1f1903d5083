//! Products and categories, as customers find them.

use tradewind_events::{
    Price, Product, ProductStatus, StockLevel, Variant, VariantStatus,
    catalog::{
        CategoryCreated, CategoryDeleted, CategoryUpdated, PriceChanged, ProductArchived, ProductBackInStock,
        ProductCreated, ProductOutOfStock, ProductPublished, ProductUnpublished, ProductUpdated, VariantCreated,
        VariantDiscontinued, VariantUpdated,
    },
    id,
    inventory::StockChanged,
    row_key,
    samples::Sample,
};
use tradewind_query::{Availability, CategoryView, ProductCategory, ProductView};

use super::world::{MINUTE, NOON, World, eur};

fn tea(status: ProductStatus) -> Product {
    Product { status, created_at: NOON, ..Product::sample() }
}

fn variant(number: u32, amount_minor: i64) -> Variant {
    Variant {
        variant_id: id(&format!("variant-{number}")),
        sku: id(&format!("SKU-{number}")),
        price: Price { amount_minor, ..Price::sample() },
        ..Variant::sample()
    }
}

fn created() -> ProductCreated {
    ProductCreated { product: tea(ProductStatus::Draft) }
}

fn product(world: &World) -> ProductView {
    world.row(row_key(&["product-1"])).expect("the product is known")
}

fn available(sku: &str, location: &str, version: u64, available: i64) -> StockChanged {
    let stock = StockLevel {
        sku: id(sku),
        location_id: id(location),
        version,
        on_hand: available,
        reserved: 0,
        available,
        ..StockLevel::sample()
    };
    StockChanged { stock, ..StockChanged::sample() }
}

#[test]
fn a_product_is_shown_as_catalog_tells_it() {
    let mut world = World::new();
    world.tell(created());
    assert_eq!(product(&world).status, Some(ProductStatus::Draft));
    world.tell(ProductPublished { product: tea(ProductStatus::Published) });
    let shown = product(&world);
    assert_eq!((&*shown.name, &*shown.description, shown.brand.as_deref()), ("Tea", "Green, loose.", Some("Leaf")));
    assert_eq!((shown.status, &*shown.skus), (Some(ProductStatus::Published), "SKU-1"));
    assert_eq!((shown.currency, shown.price_min_minor, shown.price_max_minor), (Some(eur()), Some(2_499), Some(2_499)));
    assert_eq!((shown.created_at, shown.updated_at), (NOON, NOON.plus(2 * MINUTE)));
    assert_eq!(shown.variants.len(), 1);
    world.tell(ProductUnpublished { product: tea(ProductStatus::Unpublished) });
    assert_eq!(product(&world).status, Some(ProductStatus::Unpublished));
    world.tell(ProductArchived::sample());
    assert_eq!(product(&world).status, Some(ProductStatus::Archived));
    world.check();
}

#[test]
fn its_price_range_is_that_of_its_active_variants_in_one_currency() {
    let mut world = World::new();
    let foreign = Variant {
        price: Price { currency: "USD".parse().unwrap(), amount_minor: 1, ..Price::sample() },
        ..variant(4, 0)
    };
    world.tell(created());
    world.tell(VariantCreated { product_id: id("product-1"), variant: variant(2, 900) });
    world.tell(VariantCreated { product_id: id("product-1"), variant: variant(3, 5_000) });
    world.tell(VariantCreated { product_id: id("product-1"), variant: foreign });
    let range = |world: &World| (product(world).price_min_minor, product(world).price_max_minor);
    assert_eq!(range(&world), (Some(900), Some(5_000)));
    assert_eq!(&*product(&world).skus, "SKU-1 SKU-2 SKU-3 SKU-4");
    world.tell(VariantDiscontinued { variant_id: id("variant-3"), sku: id("SKU-3"), ..Sample::sample() });
    assert_eq!(range(&world), (Some(900), Some(2_499)));
    let cheaper = Price { amount_minor: 100, ..Price::sample() };
    world.tell(PriceChanged { new_price: cheaper, ..Sample::sample() });
    assert_eq!(range(&world), (Some(100), Some(900)));
    world.tell(VariantUpdated { variant: variant(2, 950), ..Sample::sample() });
    assert_eq!(range(&world), (Some(100), Some(950)));
    world.check();
}

#[test]
fn what_comes_late_does_not_take_the_place_of_what_is_newer() {
    let mut world = World::new();
    world.tell(created());
    let renamed = Product {
        name: "Old name".into(),
        variants: [variant(1, 1), variant(2, 2)].into(),
        ..tea(ProductStatus::Draft)
    };
    let late = world.envelope(ProductUpdated { product: renamed, changes: [].into() });
    let new_price = Price { amount_minor: 777, ..Price::sample() };
    world.tell(PriceChanged { new_price, ..Sample::sample() });
    world.tell(VariantCreated { product_id: id("product-1"), variant: variant(3, 3) });
    world.tell(VariantDiscontinued { variant_id: id("variant-2"), sku: id("SKU-2"), ..Sample::sample() });
    world.deliver(late);
    let shown = product(&world);
    assert_eq!(&*shown.name, "Old name", "nothing newer has named it");
    let variants: Vec<_> = shown
        .variants
        .iter()
        .map(|variant| (variant.sku.as_str(), variant.price.amount_minor, variant.status))
        .collect();
    assert_eq!(
        variants,
        [
            ("SKU-1", 777, VariantStatus::Active),
            ("SKU-2", 2, VariantStatus::Discontinued),
            ("SKU-3", 3, VariantStatus::Active)
        ]
    );
    let older = world.envelope(ProductUpdated { product: tea(ProductStatus::Draft), changes: [].into() });
    world.tell(ProductPublished { product: Product { name: "New name".into(), ..tea(ProductStatus::Published) } });
    world.deliver(older);
    assert_eq!((&*product(&world).name, product(&world).status), ("New name", Some(ProductStatus::Published)));
    world.check();
}

#[test]
fn an_archived_product_stays_archived() {
    let mut world = World::new();
    let late = world.envelope(ProductPublished { product: tea(ProductStatus::Published) });
    world.tell(ProductArchived::sample());
    assert_eq!((product(&world).status, &*product(&world).name), (Some(ProductStatus::Archived), "Tea"));
    world.deliver(late);
    assert_eq!(product(&world).status, Some(ProductStatus::Archived));
    world.check();
}

#[test]
fn a_product_is_listed_by_its_categories_with_its_status() {
    let mut world = World::new();
    let within =
        |ids: &[&str], status| Product { category_ids: ids.iter().map(|one| id(one)).collect(), ..tea(status) };
    world.tell(ProductCreated { product: within(&["a", "b"], ProductStatus::Draft) });
    world.tell(ProductPublished { product: within(&["b", "c"], ProductStatus::Published) });
    let listed: Vec<_> = world.stage.rows::<ProductCategory>();
    let listed: Vec<_> = listed.iter().map(|row| (row.category_id.as_str(), row.status)).collect();
    assert_eq!(listed, [("b", Some(ProductStatus::Published)), ("c", Some(ProductStatus::Published))]);
    world.tell(ProductArchived::sample());
    assert!(world.stage.rows::<ProductCategory>().iter().all(|row| row.status == Some(ProductStatus::Archived)));
    world.check();
}

#[test]
fn a_product_is_in_stock_while_an_active_variant_is_available_somewhere() {
    let mut world = World::new();
    let availability = |world: &World| product(world).availability;
    world.tell(created());
    world.tell(VariantCreated { product_id: id("product-1"), variant: variant(2, 900) });
    assert_eq!(availability(&world), Availability::Unknown);
    world.tell(available("SKU-1", "here", 1, 0));
    assert_eq!(availability(&world), Availability::OutOfStock);
    world.tell(available("SKU-1", "here", 2, 5)).tell(available("SKU-1", "there", 3, 5));
    assert_eq!(availability(&world), Availability::InStock);
    world.tell(available("SKU-1", "here", 4, 0));
    assert_eq!(availability(&world), Availability::InStock);
    world.tell(available("SKU-1", "there", 5, 0)).tell(available("SKU-1", "there", 4, 9));
    assert_eq!(availability(&world), Availability::OutOfStock);
    world.tell(available("SKU-2", "here", 1, 1));
    assert_eq!(availability(&world), Availability::InStock);
    world.tell(VariantDiscontinued { variant_id: id("variant-2"), sku: id("SKU-2"), ..Sample::sample() });
    assert_eq!(availability(&world), Availability::OutOfStock);
    world.tell(ProductOutOfStock::sample()).tell(ProductBackInStock::sample());
    assert_eq!(availability(&world), Availability::OutOfStock, "catalog's own word adds nothing to the stock");
    world.check();
}

#[test]
fn stock_may_be_heard_of_before_its_product() {
    let mut world = World::new();
    world.tell(available("SKU-1", "here", 1, 3));
    assert_eq!((product(&world).status, product(&world).availability), (None, Availability::Unknown));
    world.tell(created());
    assert_eq!(
        (product(&world).status, product(&world).availability, product(&world).created_at),
        (Some(ProductStatus::Draft), Availability::InStock, NOON)
    );
    world.check();
}

#[test]
fn a_variant_or_its_price_may_be_heard_of_before_its_product() {
    let mut world = World::new();
    let whole = world.envelope(created());
    world.tell(PriceChanged::sample());
    world.tell(VariantDiscontinued { variant_id: id("variant-9"), sku: id("SKU-9"), ..Sample::sample() });
    assert_eq!((product(&world).status, product(&world).price_min_minor), (None, Some(2_299)));
    world.deliver(whole);
    assert_eq!((product(&world).status, product(&world).price_min_minor), (Some(ProductStatus::Draft), Some(2_299)));
    world.check();
}

#[test]
fn a_category_is_as_it_was_told_last_and_stays_deleted() {
    let mut world = World::new();
    let category = |world: &World| world.row::<CategoryView>(row_key(&["category-1"])).unwrap();
    world.tell(CategoryCreated { name: "Tea".into(), parent_id: None, ..Sample::sample() });
    let late = world.envelope(CategoryUpdated { name: "Older".into(), ..Sample::sample() });
    world.tell(CategoryUpdated { name: "Teas".into(), parent_id: Some(id("drinks")), ..Sample::sample() });
    assert_eq!((&*category(&world).name, category(&world).parent_id), ("Teas", Some(id("drinks"))));
    world.deliver(late);
    assert_eq!(&*category(&world).name, "Teas");
    let late = world.envelope(CategoryUpdated::sample());
    world.tell(CategoryDeleted::sample());
    world.deliver(late);
    assert!(category(&world).deleted);
    world.check();
}
