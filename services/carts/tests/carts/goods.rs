//! What carts knows of goods and prices, from the events of catalog in any order.

use std::time::Duration;

use tradewind_carts::{KnownProduct, KnownSku};
use tradewind_events::{
    Envelope,
    catalog::{
        ProductArchived, ProductUnpublished, ProductUpdated, VariantCreated, VariantDiscontinued, VariantUpdated,
    },
};

use super::*;

fn archived(sku: &str) -> ProductArchived {
    ProductArchived { product_id: product_id(sku), name: "Tea".into(), reason: "gone".into() }
}

fn discontinued(sku: &str) -> VariantDiscontinued {
    VariantDiscontinued { product_id: product_id(sku), variant_id: id(&format!("variant-of-{sku}")), sku: id(sku) }
}

fn unit_price(stage: &mut Stage, sku: &str) -> Option<i64> {
    let cart = stage.follow(CreateCart { customer_id: None });
    let cart = stage.follow(add(&cart, sku, 1));
    cart.lines()[0].unit_price_minor
}

#[test]
fn what_is_not_for_sale_is_not_put_into_a_cart() {
    let mut stage = stage();
    let cart = stage.follow(CreateCart { customer_id: Some(id("ada")) });
    let refusal = |stage: &mut Stage| stage.refusal(add(&cart, "SKU-1", 1));
    assert_eq!(refusal(&mut stage), "not_for_sale at sku");
    let draft = product(&stage, "SKU-1", 100, ProductStatus::Draft);
    stage.hear(ProductCreated { product: draft });
    assert_eq!(refusal(&mut stage), "not_for_sale at sku");
    let published = product(&stage, "SKU-1", 100, ProductStatus::Published);
    stage.hear(ProductPublished { product: published });
    stage.follow(add(&cart, "SKU-1", 1));
    let unpublished = product(&stage, "SKU-1", 100, ProductStatus::Unpublished);
    stage.hear(ProductUnpublished { product: unpublished });
    assert_eq!(refusal(&mut stage), "not_for_sale at sku");
    assert_eq!(stage.refusal(checkout(&cart)), "not_for_sale at lines[0]");
    let published = product(&stage, "SKU-1", 100, ProductStatus::Published);
    stage.hear(ProductPublished { product: published });
    stage.follow(checkout(&cart));
    stage.hear(discontinued("SKU-1"));
    assert_eq!(refusal(&mut stage), "not_for_sale at sku");
    assert_eq!(stage.refusal(checkout(&cart)), "not_for_sale at lines[0]");
    stage.is_clean();
}

#[test]
fn an_archived_product_is_not_for_sale_whatever_comes_late() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let late = product(&stage, "SKU-1", 100, ProductStatus::Published);
    let late = stage.envelope("late", ProductUpdated { product: late, changes: [].into() });
    stage.hear(archived("SKU-1"));
    stage.hear_envelope(late);
    let cart = stage.follow(CreateCart { customer_id: None });
    assert_eq!(stage.refusal(add(&cart, "SKU-1", 1)), "not_for_sale at sku");
    stage.is_clean();
}

#[test]
fn a_price_in_another_currency_is_not_for_sale() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    stage.advance(Duration::from_secs(1));
    let mut dollars = repriced(&stage, "SKU-1", 90);
    dollars.new_price.currency = "USD".parse().unwrap();
    stage.hear(dollars);
    let cart = stage.follow(CreateCart { customer_id: None });
    assert_eq!(stage.refusal(add(&cart, "SKU-1", 1)), "not_for_sale at sku");
}

#[test]
fn a_variant_counts_as_soon_as_it_is_heard_of() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let (variant, product_id) = (variant(&stage, "SKU-2", 250), product_id("SKU-1"));
    stage.hear(VariantCreated { product_id: product_id.clone(), variant: variant.clone() });
    assert_eq!(unit_price(&mut stage, "SKU-2"), Some(250));
    let ended = Variant { status: VariantStatus::Discontinued, ..variant };
    stage.hear(VariantUpdated { product_id, variant: ended, changes: [].into() });
    let cart = stage.follow(CreateCart { customer_id: None });
    assert_eq!(stage.refusal(add(&cart, "SKU-2", 1)), "not_for_sale at sku");
    stage.is_clean();
}

#[test]
fn a_price_counts_from_its_moment_on_even_if_it_is_heard_early() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let mut early = repriced(&stage, "SKU-1", 80);
    early.new_price.effective_at = stage.now().plus(Duration::from_mins(10));
    stage.hear(early);
    assert_eq!(unit_price(&mut stage, "SKU-1"), Some(100));
    stage.advance(Duration::from_mins(9));
    assert_eq!(unit_price(&mut stage, "SKU-1"), Some(100));
    stage.advance(Duration::from_mins(1));
    assert_eq!(unit_price(&mut stage, "SKU-1"), Some(80));
    stage.is_clean();
}

/// The life of a product, as catalog says it: at 100, published, at 90, another variant at 40, at 80, renamed, and the
/// other variant discontinued.
fn life(stage: &mut Stage) -> Vec<Envelope> {
    let mut said = vec![];
    let mut say = |stage: &mut Stage, envelope: Envelope| {
        said.push(envelope);
        stage.advance(Duration::from_secs(1));
    };
    let draft = product(stage, "SKU-1", 100, ProductStatus::Draft);
    let created = stage.envelope("life-1", ProductCreated { product: draft.clone() });
    say(stage, created);
    let mut now = Product { status: ProductStatus::Published, ..draft };
    let published = stage.envelope("life-2", ProductPublished { product: now.clone() });
    say(stage, published);
    let first = repriced(stage, "SKU-1", 90);
    let first = stage.envelope("life-3", first);
    say(stage, first);
    let other = Variant { variant_id: id("variant-2"), ..variant(stage, "SKU-2", 40) };
    let created = VariantCreated { product_id: product_id("SKU-1"), variant: other.clone() };
    let created = stage.envelope("life-4", created);
    say(stage, created);
    let second = repriced(stage, "SKU-1", 80);
    now.variants = [Variant { price: second.new_price.clone(), ..now.variants[0].clone() }, other].into();
    now.name = "Green tea".into();
    let second = stage.envelope("life-5", second);
    say(stage, second);
    let updated = stage.envelope("life-6", ProductUpdated { product: now, changes: [].into() });
    say(stage, updated);
    let ended = VariantDiscontinued { product_id: product_id("SKU-1"), variant_id: id("variant-2"), sku: id("SKU-2") };
    let ended = stage.envelope("life-7", ended);
    say(stage, ended);
    said
}

#[test]
fn in_any_order_and_however_often_a_product_is_heard_of_the_same_is_known_in_the_end() {
    // Each rotation of the life, forwards and backwards, and then all of it once more under new ids.
    for rotation in 0..7 {
        for backwards in [false, true] {
            let mut stage = stage();
            let mut said = life(&mut stage);
            said.rotate_left(rotation);
            if backwards {
                said.reverse();
            }
            let again: Vec<Envelope> = said.iter().rev().cloned().collect();
            for envelope in said {
                stage.hear_envelope(envelope);
            }
            for (nth, envelope) in again.into_iter().enumerate() {
                stage.hear_envelope(Envelope { id: id(&format!("again-{nth}")), ..envelope });
            }
            let product = stage.row::<KnownProduct>(product_id("SKU-1")).unwrap();
            assert_eq!((product.status(), product.sequence()), (ProductStatus::Published, 6));
            assert_eq!(unit_price(&mut stage, "SKU-1"), Some(80), "rotated by {rotation}, backwards: {backwards}");
            let other = stage.row::<KnownSku>(id("SKU-2")).unwrap();
            assert_eq!((other.discontinued(), other.unit_price_minor()), (true, Some(40)));
            stage.is_clean();
        }
    }
}

#[test]
fn a_late_event_brings_no_old_price_back() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    stage.advance(Duration::from_secs(1));
    let old = repriced(&stage, "SKU-1", 90);
    let old = stage.envelope("old", old);
    stage.advance(Duration::from_secs(1));
    let new = repriced(&stage, "SKU-1", 80);
    stage.hear(new);
    stage.hear_envelope(old);
    assert_eq!(unit_price(&mut stage, "SKU-1"), Some(80));
    // Also in one moment: the number of the event decides.
    let old = repriced(&stage, "SKU-1", 70);
    let old = stage.envelope("old-of-one-moment", old);
    let new = repriced(&stage, "SKU-1", 60);
    stage.hear(new);
    stage.hear_envelope(old);
    assert_eq!(unit_price(&mut stage, "SKU-1"), Some(60));
    stage.is_clean();
}
