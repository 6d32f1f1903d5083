//! A customer is deleted: nothing personal of theirs is kept, however many orders they had.

use tradewind_events::{CancelledBy, id, identity::UserDeleted};
use tradewind_orders::{Customer, CustomerPiece, ORDERS_A_PIECE_MAX, Order, OrderState, Orders, PlaceOrder, PlacedBy};

use crate::world::*;

fn delete(world: &mut World, user: &str) {
    world.hear(UserDeleted { user_id: id(user), email: "ada@example.org".to_owned().into() });
}

fn personal(world: &World) -> usize {
    let orders = world.rows::<Order>();
    orders.iter().filter(|order| order.shipping_address().is_some() || order.billing_address().is_some()).count()
}

#[test]
fn the_orders_of_a_deleted_customer_keep_no_address_and_no_other_order_changes() {
    let mut world = World::new();
    world.place(PlaceOrder { billing_address: Some(address("Oslo")), ..order_one() }).unwrap();
    world.place(PlaceOrder { customer_id: id("user-2"), ..order_of(lines()) }).unwrap();
    world.clear();
    delete(&mut world, "user-1");
    delete(&mut world, "user-1");
    let order = world.order();
    assert_eq!((order.shipping_address(), order.billing_address(), order.fingerprint()), (None, None, None));
    assert_eq!(personal(&world), 1);
    assert_eq!(world.said_names(), ["order.cancelled"]);
}

#[test]
fn the_orders_of_a_deleted_customer_end_unless_their_goods_have_left() {
    for (state, ends, said) in [
        (OrderState::Placed, OrderState::Cancelled, &["order.cancelled"][..]),
        (OrderState::Priced, OrderState::Cancelled, &["order.cancelled"]),
        (OrderState::Validated, OrderState::Cancelled, &["order.cancelled"]),
        (OrderState::Paid, OrderState::Cancelled, &["order.cancelled"]),
        (OrderState::Confirmed, OrderState::Cancelling, &["order.cancel_requested"]),
        (OrderState::Cancelling, OrderState::Cancelling, &[]),
        (OrderState::Dispatched, OrderState::Dispatched, &[]),
        (OrderState::Completed, OrderState::Completed, &[]),
    ] {
        let mut world = World::at(state);
        delete(&mut world, "user-1");
        let order = world.order();
        assert_eq!((order.state(), order.shipping_address()), (ends, None), "{state}");
        assert_eq!(world.said_names(), said, "{state}");
        if !said.is_empty() {
            let by = (order.cancel_by(), order.cancel_reason().map(AsRef::as_ref));
            assert_eq!(by, (Some(CancelledBy::System), Some("customer_deleted")), "{state}");
        }
    }
}

#[test]
fn where_shipping_takes_nothing_back_a_confirmed_order_of_a_deleted_customer_goes_on() {
    let mut world = World::without_recall();
    world.bring_to(OrderState::Confirmed);
    delete(&mut world, "user-1");
    assert_eq!((world.state(), world.order().shipping_address()), (OrderState::Confirmed, None));
    assert!(world.said_names().is_empty());
}

#[test]
fn orders_without_an_address_that_a_deleted_customer_has_not_paid_end_too() {
    let mut world = World::with(Orders { unpaid_orders_max: 50, ..Orders::default() });
    let unpaid = PlaceOrder { by: PlacedBy::Customer, shipping_address: None, ..order_of(lines()) };
    for _ in 0..50 {
        world.place(unpaid.clone()).unwrap();
    }
    delete(&mut world, "user-1");
    assert!(world.rows::<Order>().iter().all(|order| order.state() == OrderState::Cancelled));
    let customer: Customer = world.row(id("user-1")).unwrap();
    assert!(customer.unpaid().is_empty());
}

#[test]
fn many_orders_are_listed_in_pieces_of_bounded_size_and_all_are_erased() {
    for count in [ORDERS_A_PIECE_MAX, ORDERS_A_PIECE_MAX + 1, 3 * ORDERS_A_PIECE_MAX + 1] {
        let mut world = World::new();
        for _ in 0..count {
            world.place(order_of(lines())).unwrap();
        }
        let pieces = world.rows::<CustomerPiece>();
        assert_eq!(pieces.len(), (count - 1) / ORDERS_A_PIECE_MAX);
        assert!(pieces.iter().all(|piece| piece.order_ids().len() == ORDERS_A_PIECE_MAX));
        assert_eq!(personal(&world), count);
        delete(&mut world, "user-1");
        assert_eq!(personal(&world), 0);
        assert!(world.rows::<CustomerPiece>().is_empty());
        let customer: Customer = world.row(id("user-1")).unwrap();
        assert_eq!((customer.order_ids().len(), customer.pieces()), (0, 0));
        assert!(world.rows::<Order>().iter().all(|order| order.state() == OrderState::Cancelled));
    }
}

#[test]
fn a_deleted_customer_places_nothing() {
    let mut world = World::new();
    delete(&mut world, "user-1");
    assert_eq!(world.place(order_one()).unwrap_err().code(), "customer_deleted");
    assert!(world.rows::<Order>().is_empty());
    world.place(PlaceOrder { customer_id: id("user-2"), ..order_one() }).unwrap();
}
