//! Lines: added, changed, removed, priced.

use tradewind_carts::commands::{RemoveLine, SetQuantity};
use tradewind_events::{LINES_MAX, Line, QUANTITY_MAX};

use super::*;

fn set(cart: &Cart, sku: &str, quantity: u32) -> SetQuantity {
    SetQuantity { cart_id: cart.cart_id().clone(), who: ada(), sku: id(sku), quantity }
}

fn remove(cart: &Cart, sku: &str) -> RemoveLine {
    RemoveLine { cart_id: cart.cart_id().clone(), who: ada(), sku: id(sku) }
}

fn quantities(cart: &Cart) -> Vec<(&str, u32, Option<i64>)> {
    cart.lines().iter().map(|line| (line.sku.as_str(), line.quantity, line.unit_price_minor)).collect()
}

#[test]
fn lines_are_added_merged_by_sku_set_and_removed() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    stage.knows("SKU-2", 250);
    let cart = stage.cart_with("SKU-1", 2);
    let cart = stage.follow(add(&cart, "SKU-2", 1));
    let cart = stage.follow(add(&cart, "SKU-1", 3));
    assert_eq!(quantities(&cart), [("SKU-1", 5, Some(100)), ("SKU-2", 1, Some(250))]);
    assert_eq!((&cart.lines()[1].product_id, cart.revision()), (&product_id("SKU-2"), 4));
    let cart = stage.follow(set(&cart, "SKU-2", 7));
    let cart = stage.follow(set(&cart, "SKU-2", 7));
    assert_eq!((quantities(&cart)[1], cart.revision()), (("SKU-2", 7, Some(250)), 5));
    let cart = stage.follow(remove(&cart, "SKU-1"));
    assert_eq!(quantities(&cart), [("SKU-2", 7, Some(250))]);
    assert_eq!(stage.cart(cart.cart_id()), cart);
    stage.is_clean();
}

#[test]
fn a_quantity_out_of_bounds_is_refused_also_in_the_sum() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let cart = stage.cart_with("SKU-1", QUANTITY_MAX);
    for more in [0, 1, u32::MAX] {
        assert_eq!(stage.refusal(add(&cart, "SKU-1", more)), "cart_quantity at quantity");
    }
    for wanted in [0, QUANTITY_MAX + 1] {
        assert_eq!(stage.refusal(set(&cart, "SKU-1", wanted)), "cart_quantity at quantity");
    }
    stage.follow(set(&cart, "SKU-1", 1));
}

#[test]
fn a_line_that_is_not_there_is_not_found() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    stage.knows("SKU-2", 100);
    let cart = stage.cart_with("SKU-1", 1);
    assert_eq!(stage.refusal(set(&cart, "SKU-2", 1)), "cart_line_not_found");
    assert_eq!(stage.refusal(remove(&cart, "SKU-2")), "cart_line_not_found");
}

#[test]
fn a_cart_has_a_bounded_number_of_lines() {
    let mut stage = stage();
    stage.knows("SKU-0", 100);
    let cart = stage.cart_with("SKU-0", 1);
    for nth in 1..=LINES_MAX {
        stage.knows(&format!("SKU-{nth}"), 100);
    }
    for nth in 1..LINES_MAX {
        stage.follow(add(&cart, &format!("SKU-{nth}"), 1));
    }
    assert_eq!(stage.refusal(add(&cart, &format!("SKU-{LINES_MAX}"), 1)), "cart_full");
    let full = stage.follow(add(&cart, "SKU-0", 1));
    assert_eq!(full.lines().len(), LINES_MAX);
    let snapshot = stage.follow(checkout(&cart));
    assert_eq!(snapshot.lines.iter().map(|line: &Line| line.quantity).sum::<u32>(), 501);
}

#[test]
fn a_cart_is_only_for_its_customer_and_staff_and_an_anonymous_one_for_whoever_knows_it() {
    let mut stage = stage();
    stage.knows("SKU-1", 100);
    let hers = stage.cart_with("SKU-1", 1);
    for who in [Who::Anyone, Who::Customer(id("eve"))] {
        let (cart_id, sku) = (hers.cart_id().clone(), id("SKU-1"));
        let add = AddLine { cart_id: cart_id.clone(), who: who.clone(), sku: sku.clone(), quantity: 1 };
        assert_eq!(stage.refusal(add), "cart_not_found");
        let set = SetQuantity { cart_id: cart_id.clone(), who: who.clone(), sku: sku.clone(), quantity: 1 };
        assert_eq!(stage.refusal(set), "cart_not_found");
        let remove = RemoveLine { cart_id: cart_id.clone(), who: who.clone(), sku };
        assert_eq!(stage.refusal(remove), "cart_not_found");
        assert_eq!(stage.refusal(Checkout { cart_id, who, revision: None }), "cart_not_found");
    }
    stage.follow(AddLine { who: Who::Staff, ..add(&hers, "SKU-1", 1) });
    let nobodys = stage.follow(CreateCart { customer_id: None });
    for who in [Who::Anyone, ada(), Who::Staff] {
        stage.follow(AddLine { who, ..add(&nobodys, "SKU-1", 1) });
    }
    let lost = AddLine { cart_id: id("cart-9"), ..add(&hers, "SKU-1", 1) };
    assert_eq!(stage.refusal(lost), "cart_not_found");
}
