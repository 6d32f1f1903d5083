//! What becomes of a cart with its order.

use tradewind_carts::{CartOrder, CartOrderState, CartState, Customer, OPEN_CARTS_MAX, commands::RemoveLine};
use tradewind_events::{carts::CartCheckedOut, identity::UserDeleted};

use super::*;

#[test]
fn a_cart_is_checked_out_when_its_order_is_heard_of() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    stage.hear(placed(&snapshot));
    stage.hear(placed(&snapshot));
    let expected =
        CartCheckedOut { cart_id: cart.cart_id().clone(), order_id: snapshot.order_id.clone(), customer_id: id("ada") };
    assert_eq!(stage.said::<CartCheckedOut>(), [expected]);
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::CheckedOut);
    assert_eq!(stage.refusal(add(&cart, "SKU-1", 1)), "cart_closed");
    let remove = RemoveLine { cart_id: cart.cart_id().clone(), who: ada(), sku: id("SKU-1") };
    assert_eq!(stage.refusal(remove), "cart_closed");
    assert!(stage.row::<Customer>(id("ada")).unwrap().open_carts().is_empty());
    stage.is_clean();
}

#[test]
fn a_shopper_who_lost_the_answer_gets_the_same_order_again_at_the_same_price() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    stage.hear(placed(&snapshot));
    let dearer = repriced(&stage, "SKU-1", 120);
    stage.hear(dearer);
    assert_eq!(stage.follow(checkout(&cart)), snapshot);
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::CheckedOut);
}

#[test]
fn a_cart_whose_order_is_rejected_is_open_again_for_another_order() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    stage.hear(placed(&snapshot));
    stage.hear(rejected(&snapshot));
    stage.hear(rejected(&snapshot));
    let reopened = stage.cart(cart.cart_id());
    assert_eq!((reopened.state(), reopened.orders()), (CartState::Open, 0));
    assert!(reopened.revision() > snapshot.version);
    assert_eq!(**stage.row::<Customer>(id("ada")).unwrap().open_carts(), std::slice::from_ref(cart.cart_id())[..]);
    let next = stage.follow(checkout(&cart));
    assert_ne!(next.order_id, snapshot.order_id);
    stage.hear(placed(&snapshot));
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::Open, "the rejected order is heard of late");
    stage.hear(placed(&next));
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::CheckedOut);
    stage.is_clean();
}

#[test]
fn an_order_that_is_rejected_before_it_is_heard_of_leaves_the_cart_open_with_another_id_to_come() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    stage.hear(rejected(&snapshot));
    stage.hear(placed(&snapshot));
    assert_eq!(stage.said_names(), [""; 0]);
    let open = stage.cart(cart.cart_id());
    assert_eq!((open.state(), open.order_id(), open.orders()), (CartState::Open, None, 0));
    assert_ne!(stage.follow(checkout(&cart)).order_id, snapshot.order_id);
    let order = stage.row::<CartOrder>(&snapshot.order_id).unwrap();
    assert_eq!(order.state(), CartOrderState::Rejected);
    stage.is_clean();
}

#[test]
fn an_order_of_an_older_revision_ends_the_cart_too() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let old = stage.follow(checkout(&cart));
    stage.follow(add(&cart, "SKU-1", 1));
    let new = stage.follow(checkout(&cart));
    stage.hear(placed(&old));
    assert_eq!(stage.said::<CartCheckedOut>()[0].order_id, old.order_id);
    assert_eq!(stage.refusal(checkout(&cart)), "cart_closed", "the last checkout is not what was ordered");
    // The shopper places the other snapshot all the same: the cart is open again only when both are rejected.
    stage.hear(placed(&new));
    assert_eq!(stage.said::<CartCheckedOut>().len(), 1);
    stage.hear(rejected(&old));
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::CheckedOut);
    stage.hear(rejected(&new));
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::Open);
    stage.is_clean();
}

#[test]
fn orders_that_did_not_come_from_the_cart_change_nothing() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    stage.hear(OrderPlaced { cart_id: None, ..placed(&snapshot) });
    stage.hear(OrderPlaced { cart_id: Some(id("cart-9")), ..placed(&snapshot) });
    stage.hear(OrderPlaced { customer_id: id("eve"), ..placed(&snapshot) });
    let foreign = CartSnapshot { cart_id: id("cart-9"), ..snapshot.clone() };
    stage.hear(rejected(&foreign));
    stage.hear(rejected(&CartSnapshot { customer_id: id("eve"), ..snapshot.clone() }));
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::Open);
    assert_eq!(stage.follow(checkout(&cart)), snapshot);
    assert_eq!(stage.rows::<CartOrder>(), []);
    stage.is_clean();
}

#[test]
fn a_cart_that_cannot_open_again_expires() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    stage.hear(placed(&snapshot));
    for _ in 0..OPEN_CARTS_MAX {
        stage.follow(CreateCart { customer_id: Some(id("ada")) });
    }
    stage.clear();
    stage.hear(rejected(&snapshot));
    assert_eq!(stage.said_names(), ["cart.expired"]);
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::Expired);
    stage.is_clean();
}

#[test]
fn a_cart_of_a_customer_who_is_gone_does_not_open_again() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", 2);
    let snapshot = stage.follow(checkout(&cart));
    stage.hear(placed(&snapshot));
    stage.hear(UserDeleted { user_id: id("ada"), email: "ada@example.org".to_owned().into() });
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::CheckedOut);
    stage.hear(rejected(&snapshot));
    assert_eq!(stage.cart(cart.cart_id()).state(), CartState::Expired);
    stage.is_clean();
}
