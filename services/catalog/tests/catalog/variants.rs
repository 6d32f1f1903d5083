//! Variants: added, changed, discontinued.

use tradewind_catalog::commands::{DiscontinueVariant, NewVariant, UpdateVariant};
use tradewind_events::{
    Attributes, VariantStatus,
    catalog::{VariantCreated, VariantDiscontinued, VariantUpdated},
};

use super::*;

#[test]
fn a_further_variant_is_told_and_is_part_of_the_product_from_then_on() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let answer = stage.follow(add("product-1", "SKU-2"));
    let [VariantCreated { product_id, variant }] = &stage.said()[..] else { panic!("{:?}", stage.said_names()) };
    assert_eq!((product_id, variant), (&id("product-1"), &answer));
    let product = stage.follow(PublishProduct { product_id: id("product-1") });
    assert_eq!(skus(&product), [id("SKU-1"), id("SKU-2")]);
    stage.is_clean();
}

#[test]
fn a_variant_says_what_changed_and_nothing_when_nothing_did() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let update = UpdateVariant { sku: id("SKU-1"), attributes: [("grams", 250)].into_iter().collect() };
    stage.follow(update.clone());
    stage.follow(update);
    let [VariantUpdated { variant, changes, .. }] = &stage.said()[..] else { panic!("{:?}", stage.said_names()) };
    assert_eq!((&*changes[0].field, changes[0].new_value.get()), ("attributes.grams", "250"));
    assert_eq!(variant.attributes["grams"].get(), "250");
    stage.is_clean();
}

#[test]
fn a_discontinued_variant_stays_so_and_keeps_its_sku() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    for _ in 0..2 {
        let variant = stage.follow(DiscontinueVariant { sku: id("SKU-1") });
        assert_eq!(variant.status, VariantStatus::Discontinued);
    }
    assert_eq!(stage.said::<VariantDiscontinued>().len(), 1);
    let attributes = Attributes::default();
    assert_eq!(stage.refusal(UpdateVariant { sku: id("SKU-1"), attributes }), "variant_discontinued");
    assert_eq!(stage.refusal(add("product-1", "SKU-1")), "sku_taken at sku");
    stage.is_clean();
}

#[test]
fn a_variant_that_is_not_there_is_not_found() {
    let mut stage = stage();
    let attributes = Attributes::default();
    assert_eq!(stage.refusal(UpdateVariant { sku: id("SKU-1"), attributes }), "variant_not_found");
    assert_eq!(stage.refusal(DiscontinueVariant { sku: id("SKU-1") }), "variant_not_found");
}

#[test]
fn a_variant_out_of_bounds_names_its_field() {
    let mut stage = stage();
    let bad = |variant: NewVariant| new_product("product-1", vec![new_variant("SKU-1", 100), variant]);
    let negative = bad(new_variant("SKU-2", -1));
    assert_eq!(stage.refusal(negative), "invalid_price at variants[1].amount_minor");
    let dollars = bad(NewVariant { currency: "USD".parse().unwrap(), ..new_variant("SKU-2", 100) });
    assert_eq!(stage.refusal(dollars), "invalid_price at variants[1].currency");
    let nested =
        bad(NewVariant { attributes: Attributes::from_iter([("sizes", vec!["S", "M"])]), ..new_variant("SKU-2", 100) });
    assert_eq!(stage.refusal(nested), "invalid_product at variants[1].attributes.sizes");
}
