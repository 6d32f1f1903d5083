//! What becomes of the carts of customers who leave, and how many one may have open.

use tradewind_carts::{CartState, Customer, OPEN_CARTS_MAX};
use tradewind_events::{carts::CartExpired, identity::UserDeleted};

use super::*;

fn deleted(user_id: &str) -> UserDeleted {
    UserDeleted { user_id: id(user_id), email: "ada@example.org".to_owned().into() }
}

#[test]
fn the_open_carts_of_a_customer_who_is_gone_expire_and_no_other_opens() {
    let mut stage = stage();
    let create = |customer: &str| CreateCart { customer_id: Some(id(customer)) };
    let (one, other) = (stage.follow(create("ada")), stage.follow(create("ada")));
    let eves = stage.follow(create("eve"));
    stage.hear(deleted("ada"));
    stage.hear(deleted("ada"));
    let expired: Vec<Id> = stage.said::<CartExpired>().into_iter().map(|said| said.cart_id).collect();
    assert_eq!(expired, [one.cart_id().clone(), other.cart_id().clone()]);
    assert_eq!(stage.cart(one.cart_id()).state(), CartState::Expired);
    assert_eq!(stage.cart(eves.cart_id()).state(), CartState::Open);
    assert_eq!(stage.refusal(create("ada")), "cart_customer_deleted");
    let ada = stage.row::<Customer>(id("ada")).unwrap();
    assert!(ada.deleted() && ada.open_carts().is_empty());
    stage.is_clean();
}

#[test]
fn a_customer_who_is_gone_before_they_had_a_cart_gets_none() {
    let mut stage = stage();
    stage.hear(deleted("ada"));
    assert_eq!(stage.refusal(CreateCart { customer_id: Some(id("ada")) }), "cart_customer_deleted");
    stage.is_clean();
}

#[test]
fn a_customer_has_a_bounded_number_of_open_carts() {
    let mut stage = stage();
    let create = || CreateCart { customer_id: Some(id("ada")) };
    for _ in 0..OPEN_CARTS_MAX {
        stage.follow(create());
    }
    assert_eq!(stage.refusal(create()), "too_many_carts");
    stage.follow(CreateCart { customer_id: Some(id("eve")) });
    stage.advance(Carts::default().cart_ttl);
    stage.follow(create());
    stage.is_clean();
}
