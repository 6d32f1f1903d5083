//! Two carts become one.

use tradewind_carts::{CartState, commands::MergeCarts};
use tradewind_events::{LINES_MAX, QUANTITY_MAX};

use super::*;

fn merge(from: &Cart, into: &Cart) -> MergeCarts {
    MergeCarts { cart_id: from.cart_id().clone(), into_cart_id: into.cart_id().clone(), who: ada() }
}

fn nobodys(stage: &mut Stage, sku: &str, quantity: u32) -> Cart {
    let cart = stage.follow(CreateCart { customer_id: None });
    stage.follow(add(&cart, sku, quantity))
}

#[test]
fn an_anonymous_cart_is_merged_into_the_customers_line_by_line() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    stage.knows("SKU-2", 250);
    let hers = stage.cart_with("SKU-1", 2);
    let other = nobodys(&mut stage, "SKU-1", 3);
    stage.follow(add(&other, "SKU-2", 1));
    let merged = stage.follow(merge(&other, &hers));
    let lines: Vec<_> = merged.lines().iter().map(|line| (line.sku.as_str(), line.quantity)).collect();
    assert_eq!(lines, [("SKU-1", 5), ("SKU-2", 1)]);
    assert!(merged.revision() > hers.revision());
    let ended = stage.cart(other.cart_id());
    assert_eq!((ended.state(), ended.merged_into()), (CartState::Merged, Some(hers.cart_id())));
    let again = stage.follow(merge(&other, &hers));
    let mut kept = merged;
    kept.touch(again.expires_at());
    assert_eq!(again, kept, "a second time it changes nothing but how long the cart is kept");
    assert_eq!(stage.refusal(add(&other, "SKU-1", 1)), "cart_closed");
    stage.advance(Carts::default().cart_ttl);
    assert_eq!(stage.said_names(), ["cart.expired"], "only hers");
    stage.is_clean();
}

#[test]
fn a_merge_makes_a_new_revision_for_the_next_checkout() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let hers = stage.cart_with("SKU-1", 2);
    let before = stage.follow(checkout(&hers));
    let other = nobodys(&mut stage, "SKU-1", 1);
    stage.follow(merge(&other, &hers));
    assert_ne!(stage.follow(checkout(&hers)).order_id, before.order_id);
}

#[test]
fn only_an_anonymous_cart_is_merged_and_only_into_a_customers() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let (one, other) = (stage.cart_with("SKU-1", 1), stage.cart_with("SKU-1", 1));
    assert_eq!(stage.refusal(merge(&one, &other)), "carts_not_mergeable");
    assert_eq!(stage.refusal(merge(&one, &one)), "carts_not_mergeable at into_cart_id");
    let (first, second) = (nobodys(&mut stage, "SKU-1", 1), nobodys(&mut stage, "SKU-1", 1));
    assert_eq!(stage.refusal(merge(&first, &second)), "carts_not_mergeable");
    let eves = stage.follow(CreateCart { customer_id: Some(id("eve")) });
    assert_eq!(stage.refusal(merge(&first, &eves)), "cart_not_found");
    stage.follow(merge(&first, &one));
    assert_eq!(stage.refusal(merge(&first, &other)), "cart_closed", "it was merged into another");
    let snapshot = stage.follow(checkout(&one));
    stage.hear(placed(&snapshot));
    assert_eq!(stage.refusal(merge(&second, &one)), "cart_closed");
    stage.is_clean();
}

#[test]
fn a_merge_that_would_leave_the_bounds_changes_neither_cart() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let hers = stage.cart_with("SKU-1", QUANTITY_MAX);
    let other = nobodys(&mut stage, "SKU-1", 1);
    assert_eq!(stage.refusal(merge(&other, &hers)), "cart_quantity at quantity");
    assert_eq!(stage.cart(other.cart_id()).state(), CartState::Open);
    assert_eq!(stage.cart(hers.cart_id()).lines(), hers.lines());
    let wide = stage.follow(CreateCart { customer_id: None });
    for nth in 2..=LINES_MAX + 1 {
        stage.knows(&format!("SKU-{nth}"), 100);
        stage.follow(add(&wide, &format!("SKU-{nth}"), 1));
    }
    assert_eq!(stage.refusal(merge(&wide, &hers)), "cart_full");
}
