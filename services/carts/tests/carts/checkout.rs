//! Checkout: the signed snapshot, once for each content of a cart.

use std::time::Duration;

use tradewind_carts::CartState;
use tradewind_events::Timestamp;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn a_checkout_is_signed_and_leaves_the_cart_open() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    assert!(snapshot.verify(SECRET));
    assert_eq!((&snapshot.cart_id, &snapshot.customer_id), (cart.cart_id(), &id("ada")));
    assert_eq!((snapshot.version, snapshot.currency), (cart.revision(), eur()));
    assert_eq!(snapshot.lines[0].unit_price_minor, Some(100));
    assert_eq!(snapshot.expires_at, stage.committed_at().plus(15 * MINUTE));
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::Open);
    assert_eq!(stage.said_names(), [""; 0]);
    stage.is_clean();
}

#[test]
fn a_checkout_that_is_repeated_is_the_same_byte_for_byte() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    stage.advance(14 * MINUTE);
    assert_eq!(stage.follow(checkout(&cart)), snapshot);
    stage.advance(MINUTE);
    let renewed = stage.follow(checkout(&cart));
    assert_eq!((&renewed.order_id, renewed.version), (&snapshot.order_id, snapshot.version));
    assert_eq!(renewed.expires_at, stage.committed_at().plus(15 * MINUTE));
    assert!(renewed.verify(SECRET));
}

#[test]
fn one_order_id_stands_for_one_content() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let first = stage.follow(checkout(&cart));
    stage.follow(add(&cart, "SKU-1", 1));
    let second = stage.follow(checkout(&cart));
    assert_ne!(second.order_id, first.order_id);
    assert!(second.version > first.version);
    stage.advance(MINUTE);
    let cheaper = repriced(&stage, "SKU-1", 80);
    stage.hear(cheaper);
    let third = stage.follow(checkout(&cart));
    assert_eq!(third.lines[0].unit_price_minor, Some(80));
    assert_ne!(third.order_id, second.order_id);
    assert!(third.version > second.version);
    stage.is_clean();
}

#[test]
fn a_checkout_of_another_revision_than_the_shopper_saw_is_refused() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let seen = Some(cart.revision());
    stage.follow(Checkout { revision: seen, ..checkout(&cart) });
    stage.follow(add(&cart, "SKU-1", 1));
    assert_eq!(stage.refusal(Checkout { revision: seen, ..checkout(&cart) }), "cart_changed at revision");
}

#[test]
fn an_empty_or_anonymous_cart_is_not_checked_out() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let empty = stage.follow(CreateCart { customer_id: Some(id("ada")) });
    assert_eq!(stage.refusal(checkout(&empty)), "cart_empty");
    let nobodys = stage.follow(CreateCart { customer_id: None });
    stage.follow(add(&nobodys, "SKU-1", 1));
    assert_eq!(stage.refusal(checkout(&nobodys)), "cart_anonymous");
}

#[test]
fn without_a_secret_nothing_is_signed() {
    let mut stage = Stage::new([service(Carts::default()).into()]);
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    assert_eq!(stage.refusal(checkout(&cart)), "cart_signing_unavailable");
}

#[test]
fn a_cart_outlives_its_snapshot() {
    let settings = Carts { cart_ttl: MINUTE, snapshot_ttl: 2 * MINUTE, secret: SECRET.into(), ..Carts::default() };
    let mut stage = Stage::new([service(settings).into()]);
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    let kept: Timestamp = stage.cart(cart.cart_id()).expires_at();
    assert!(kept >= snapshot.expires_at);
}
