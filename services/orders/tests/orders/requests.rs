//! A request that is sent twice places one order; a customer holds stock unpaid within bounds.

use std::{sync::Arc, time::Duration};

use tradewind_events::{PaymentMethod, id, identity::UserDeleted};
use tradewind_orders::{Basket, CancelOrder, Order, OrderState, Orders, PlaceOrder, PlacedBy};

use crate::world::*;

/// Every field of a request changed, alone.
fn others() -> Vec<(&'static str, PlaceOrder)> {
    let named = |lines| Basket::Lines { order_id: Some(id("order-1")), currency: None, lines };
    let of_lines = |lines| PlaceOrder { basket: named(lines), ..order_one() };
    let street =
        Arc::new(tradewind_events::Address { street: "Side Street 9".to_owned().into(), ..(*address("Riga")).clone() });
    let state =
        Arc::new(tradewind_events::Address { state: Some("Vidzeme".to_owned().into()), ..(*address("Riga")).clone() });
    vec![
        ("customer", PlaceOrder { customer_id: id("user-2"), ..order_one() }),
        ("method", PlaceOrder { payment_method: PaymentMethod::External, ..order_one() }),
        ("city", PlaceOrder { shipping_address: Some(address("Oslo")), ..order_one() }),
        ("street", PlaceOrder { shipping_address: Some(street), ..order_one() }),
        ("state", PlaceOrder { shipping_address: Some(state), ..order_one() }),
        ("no address", PlaceOrder { shipping_address: None, ..order_one() }),
        ("billing address", PlaceOrder { billing_address: Some(address("Riga")), ..order_one() }),
        ("which address", PlaceOrder { shipping_address: None, billing_address: Some(address("Riga")), ..order_one() }),
        ("time", PlaceOrder { reservation_ttl_seconds: Some(900), ..order_one() }),
        ("quantity", of_lines(vec![line("SKU-1", 3, None), line("SKU-2", 1, None)].into())),
        ("expected price", of_lines(priced_lines())),
        ("fewer lines", of_lines(vec![line("SKU-1", 2, None)].into())),
    ]
}

#[test]
fn the_same_id_with_any_other_field_is_another_order_however_far_the_order_is() {
    for state in [OrderState::Placed, OrderState::Priced, OrderState::Confirmed, OrderState::Completed] {
        let mut world = World::at(state);
        assert!(!world.place(order_one()).unwrap().is_new);
        for (what, other) in others() {
            let refused = world.place(other).expect_err(what);
            assert_eq!(refused.code(), "order_exists", "{what} while {state}");
        }
        assert_eq!(world.rows::<Order>().len(), 1);
    }
}

#[test]
fn once_its_personal_data_are_erased_no_request_is_taken_for_that_of_the_order() {
    let mut world = World::at(OrderState::Completed);
    world.hear(UserDeleted { user_id: id("user-1"), email: "ada@example.org".to_owned().into() });
    for place in [order_one(), PlaceOrder { shipping_address: None, ..order_one() }] {
        assert_eq!(world.place(place).unwrap_err().code(), "order_exists");
    }
}

#[test]
fn a_customer_holds_stock_no_longer_than_the_shop_does_by_itself() {
    let mut world = World::with(Orders { reservation_ttl: Duration::from_mins(10), ..Orders::default() });
    let place = |by, seconds| PlaceOrder { by, reservation_ttl_seconds: Some(seconds), ..order_of(lines()) };
    world.place(place(PlacedBy::Customer, 600)).unwrap();
    let refused = world.place(place(PlacedBy::Customer, 601)).unwrap_err();
    assert_eq!(
        (refused.code(), refused.field.as_deref()),
        ("invalid_reservation_ttl", Some("reservation_ttl_seconds"))
    );
    world.place(place(PlacedBy::Shop, 601)).unwrap();
}

#[test]
fn a_customer_has_a_bounded_number_of_unpaid_orders_and_the_shop_may_place_more() {
    let mut world = World::with(Orders { unpaid_orders_max: 3, ..Orders::default() });
    let by = |by, payment_method| PlaceOrder { by, payment_method, shipping_address: None, ..order_of(lines()) };
    let card = || by(PlacedBy::Customer, PaymentMethod::Card);
    world.place(PlaceOrder { by: PlacedBy::Customer, ..order_one() }).unwrap();
    world.place(card()).unwrap();
    let third = world.place(by(PlacedBy::Customer, PaymentMethod::External)).unwrap();
    assert_eq!(world.place(card()).unwrap_err().code(), "too_many_unpaid_orders");
    // What is sent twice is not placed twice.
    assert!(!world.place(PlaceOrder { by: PlacedBy::Customer, ..order_one() }).unwrap().is_new);
    world.place(by(PlacedBy::Shop, PaymentMethod::Card)).unwrap();
    // A balance pays or fails at once.
    world.place(by(PlacedBy::Customer, PaymentMethod::Balance)).unwrap();
    world.place(PlaceOrder { customer_id: id("user-2"), ..card() }).unwrap();

    // One is cancelled, then one is paid: each makes room for one more.
    world.ask(CancelOrder { order_id: third.order_id, customer: None, reason: None }).unwrap();
    world.place(card()).unwrap();
    assert_eq!(world.place(card()).unwrap_err().code(), "too_many_unpaid_orders");
    for part in [quoted, reserved, allocated, authorized] {
        part(&mut world);
    }
    assert_eq!(world.state(), OrderState::Paid);
    world.place(card()).unwrap();
    assert_eq!(world.place(card()).unwrap_err().code(), "too_many_unpaid_orders");
}
