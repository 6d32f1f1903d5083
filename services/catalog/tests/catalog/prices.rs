//! Prices: set, scheduled, taken back, and in effect when their time comes.

use std::time::Duration;

use tradewind_catalog::{
    PRICE_MINOR_MAX, REASON_BYTES_MAX, SCHEDULED_PRICES_MAX, Variant,
    commands::{ArchiveProduct, CancelPrice, DiscontinueVariant, SetPrice},
};
use tradewind_events::{
    Timestamp,
    catalog::{PriceChanged, VariantUpdated},
};

use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn set(amount_minor: i64) -> SetPrice {
    SetPrice { sku: id("SKU-1"), amount_minor, currency: eur(), effective_at: None, reason: None }
}

fn set_at(amount_minor: i64, effective_at: Timestamp) -> SetPrice {
    SetPrice { effective_at: Some(effective_at), ..set(amount_minor) }
}

/// The old and the new amount of each change that was said.
fn changes(stage: &Stage) -> Vec<(i64, i64)> {
    let said = stage.said::<PriceChanged>();
    said.iter()
        .map(|said| (said.old_price.as_ref().map_or(0, |old| old.amount_minor), said.new_price.amount_minor))
        .collect()
}

#[test]
fn a_price_of_now_is_told_at_once_with_the_old_one_and_the_reason() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    stage.advance(HOUR);
    let answer = stage.follow(SetPrice { reason: Some("sale".into()), ..set(80) });
    let [changed] = &stage.said::<PriceChanged>()[..] else { panic!("{:?}", stage.said_names()) };
    assert_eq!(changed.new_price, answer);
    assert_eq!((answer.amount_minor, answer.effective_at), (80, stage.committed_at()));
    assert_eq!(changed.old_price.as_ref().unwrap().amount_minor, 100);
    assert_eq!((&*changed.name, changed.reason.as_deref()), ("Tea", Some("sale")));
    stage.is_clean();
}

#[test]
fn a_price_that_holds_already_says_nothing() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let before = stage.row::<Variant>(id("SKU-1")).unwrap().price();
    assert_eq!(stage.follow(set(100)), before);
    assert_eq!(stage.said_names(), [""; 0]);
}

#[test]
fn a_past_moment_is_now() {
    let mut stage = stage();
    stage.advance(HOUR);
    stage.sells("product-1", "SKU-1", 100);
    let answer = stage.follow(set_at(80, Timestamp::from_millis(1)));
    assert_eq!(answer.effective_at, stage.committed_at());
    assert_eq!(changes(&stage), [(100, 80)]);
}

#[test]
fn a_scheduled_price_is_told_as_a_change_of_the_variant_and_as_a_price_when_its_moment_comes() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let at = stage.now().plus(HOUR);
    let answer = stage.follow(SetPrice { reason: Some("sale".into()), ..set_at(80, at) });
    assert_eq!(stage.said_names(), ["variant.updated"]);
    let [VariantUpdated { variant, changes: told, .. }] = &stage.said()[..] else { panic!() };
    assert_eq!((variant.price.amount_minor, &*told[0].field), (100, "scheduled_prices"));
    stage.advance(Duration::from_mins(59));
    assert_eq!(changes(&stage), []);
    stage.advance(Duration::from_mins(1));
    let [changed] = &stage.said::<PriceChanged>()[..] else { panic!("{:?}", stage.said_names()) };
    assert_eq!((&changed.new_price, changed.reason.as_deref()), (&answer, Some("sale")));
    assert_eq!(changed.new_price.effective_at, at);
    stage.clear();
    stage.advance(HOUR);
    assert_eq!(stage.said_names(), [""; 0]);
    assert!(stage.row::<Variant>(id("SKU-1")).unwrap().scheduled().is_empty());
    stage.is_clean();
}

#[test]
fn scheduled_prices_take_effect_in_the_order_of_their_moments_also_after_a_stop() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let now = stage.now();
    stage.follow(set_at(70, now.plus(3 * HOUR)));
    stage.follow(set_at(80, now.plus(HOUR)));
    stage.follow(set_at(90, now.plus(2 * HOUR)));
    stage.clear();
    stage.advance(HOUR);
    assert_eq!(changes(&stage), [(100, 80)]);
    stage.advance(5 * HOUR);
    assert_eq!(changes(&stage), [(100, 80), (80, 90), (90, 70)]);
    stage.is_clean();
}

#[test]
fn a_price_of_now_leaves_scheduled_ones_in_place() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let at = stage.now().plus(HOUR);
    stage.follow(set_at(80, at));
    stage.follow(set(90));
    stage.advance(HOUR);
    assert_eq!(changes(&stage), [(100, 90), (90, 80)]);
}

#[test]
fn a_scheduled_price_gives_way_to_another_of_its_moment() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let at = stage.now().plus(HOUR);
    stage.follow(set_at(80, at));
    stage.follow(set_at(70, at));
    stage.advance(HOUR);
    assert_eq!(changes(&stage), [(100, 70)]);
}

#[test]
fn a_scheduled_price_can_be_taken_back_until_its_moment() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    let now = stage.now();
    let first = stage.follow(set_at(80, now.plus(HOUR)));
    let second = stage.follow(set_at(70, now.plus(2 * HOUR)));
    let cancel = |price_id: &Id| CancelPrice { sku: id("SKU-1"), price_id: price_id.clone() };
    stage.follow(cancel(&first.price_id));
    assert_eq!(stage.refusal(cancel(&first.price_id)), "scheduled_price_not_found");
    stage.advance(2 * HOUR);
    assert_eq!(changes(&stage), [(100, 70)]);
    assert_eq!(stage.refusal(cancel(&second.price_id)), "scheduled_price_not_found");
    let third = stage.follow(set_at(60, now.plus(3 * HOUR)));
    stage.follow(cancel(&third.price_id));
    stage.advance(2 * HOUR);
    assert_eq!(changes(&stage), [(100, 70)]);
    stage.is_clean();
}

#[test]
fn nothing_is_said_of_prices_when_the_product_or_variant_has_ended() {
    let mut stage = stage();
    stage.sells("product-1", "SKU-1", 100);
    stage.sells("product-2", "SKU-2", 100);
    let at = stage.now().plus(HOUR);
    stage.follow(set_at(80, at));
    stage.follow(SetPrice { sku: id("SKU-2"), ..set_at(80, at) });
    stage.follow(ArchiveProduct { product_id: id("product-1"), reason: "gone".into() });
    stage.follow(DiscontinueVariant { sku: id("SKU-2") });
    stage.advance(2 * HOUR);
    assert_eq!(changes(&stage), []);
    assert_eq!(stage.refusal(set(80)), "product_archived");
    assert_eq!(stage.refusal(SetPrice { sku: id("SKU-2"), ..set(80) }), "variant_discontinued");
    stage.is_clean();
}

#[test]
fn each_bound_of_a_price_is_held_and_names_its_field() {
    let mut stage = stage();
    assert_eq!(stage.refusal(set(1)), "variant_not_found");
    stage.sells("product-1", "SKU-1", 100);
    assert_eq!(stage.refusal(set(-1)), "invalid_price at amount_minor");
    assert_eq!(stage.refusal(set(PRICE_MINOR_MAX + 1)), "invalid_price at amount_minor");
    let dollars = SetPrice { currency: "USD".parse().unwrap(), ..set(1) };
    assert_eq!(stage.refusal(dollars), "invalid_price at currency");
    let reason = Some("x".repeat(REASON_BYTES_MAX + 1).into());
    assert_eq!(stage.refusal(SetPrice { reason, ..set(1) }), "invalid_product at reason");
    stage.follow(set(0));
    stage.follow(set(PRICE_MINOR_MAX));
    let now = stage.now();
    for nth in 1..=SCHEDULED_PRICES_MAX {
        let at = now.plus(u32::try_from(nth).unwrap() * HOUR);
        stage.follow(set_at(1, at));
    }
    assert_eq!(stage.refusal(set_at(1, now.plus(100 * HOUR))), "too_many_scheduled_prices");
    stage.follow(set_at(2, now.plus(HOUR)));
}
