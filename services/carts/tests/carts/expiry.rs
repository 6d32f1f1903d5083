//! Carts that nobody touches.

use std::time::Duration;

use tradewind_carts::CartState;
use tradewind_events::carts::CartExpired;

use super::*;

#[test]
fn a_cart_that_nobody_touches_expires() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let (hers, nobodys) = (stage.cart_with("SKU-1", 2), stage.follow(CreateCart { customer_id: None }));
    let ttl = Carts::default().cart_ttl;
    stage.advance(ttl);
    let mut expired: Vec<Id> = stage.said::<CartExpired>().into_iter().map(|said| said.cart_id).collect();
    expired.sort();
    let mut expected = [hers.cart_id().clone(), nobodys.cart_id().clone()];
    expected.sort();
    assert_eq!(expired, expected);
    assert_eq!(stage.cart(hers.cart_id()).state(), CartState::Expired);
    assert_eq!(stage.refusal(add(&hers, "SKU-1", 1)), "cart_closed");
    assert_eq!(stage.refusal(checkout(&hers)), "cart_closed");
    stage.clear();
    stage.advance(ttl);
    assert_eq!(stage.said_names(), [""; 0]);
    stage.is_clean();
}

#[test]
fn a_cart_that_is_touched_is_kept_for_its_whole_time_again() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let most = Duration::from_hours(29 * 24);
    stage.advance(most);
    stage.follow(add(&cart, "SKU-1", 1));
    stage.advance(most);
    stage.follow(checkout(&cart));
    stage.advance(most);
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::Open);
    stage.advance(Duration::from_hours(24));
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::Expired);
    stage.is_clean();
}

#[test]
fn a_cart_that_is_checked_out_does_not_expire_and_one_that_reopens_has_its_whole_time() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    stage.hear(placed(&snapshot));
    let ttl = Carts::default().cart_ttl;
    stage.advance(2 * ttl);
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::CheckedOut);
    stage.hear(rejected(&snapshot));
    stage.clear();
    stage.advance(ttl);
    assert_eq!(stage.said_names(), ["cart.expired"]);
    stage.is_clean();
}

#[test]
fn an_order_that_is_heard_of_after_the_cart_expired_leaves_it_so() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    stage.advance(Carts::default().cart_ttl);
    stage.hear(placed(&snapshot));
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::Expired);
    stage.hear(rejected(&snapshot));
    let expired = stage.cart(cart.cart_id());
    assert_eq!((expired.state(), expired.orders()), (CartState::Expired, 0));
    assert_eq!(stage.said_names(), ["cart.expired"]);
    stage.is_clean();
}
