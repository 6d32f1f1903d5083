//! A customer is deleted: nothing personal of theirs is kept, however many orders they had.

use tradewind_events::{id, identity::UserDeleted};
use tradewind_orders::{Customer, CustomerPiece, ORDERS_A_PIECE_MAX, Order, OrderState, PlaceOrder};

use crate::world::*;

fn delete(world: &mut World, user: &str) {
    world.hear(UserDeleted { user_id: id(user), email: "ada@example.org".to_owned().into() });
}

fn personal(world: &World) -> usize {
    let orders = world.rows::<Order>();
    orders.iter().filter(|order| order.shipping_address.is_some() || order.billing_address.is_some()).count()
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
    assert_eq!((order.shipping_address, order.billing_address), (None, None));
    assert_eq!(order.state, OrderState::Placed);
    assert_eq!(personal(&world), 1);
    assert!(world.said_names().is_empty());
    quoted(&mut world);
    assert_eq!(world.said_names(), ["order.priced"]);
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
        assert!(pieces.iter().all(|piece| piece.order_ids.len() == ORDERS_A_PIECE_MAX));
        assert_eq!(personal(&world), count);
        delete(&mut world, "user-1");
        assert_eq!(personal(&world), 0);
        assert!(world.rows::<CustomerPiece>().is_empty());
        let customer: Customer = world.row(id("user-1")).unwrap();
        assert_eq!((customer.order_ids.len(), customer.pieces), (0, 0));
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
