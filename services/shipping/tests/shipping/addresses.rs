//! Where shipments go is personal: it is kept as long as it is needed, and not after its customer is deleted.

use tradewind_events::{orders::OrderPriced, row_key};
use tradewind_shipping::{Customer, CustomerPiece, PIECE_ORDERS_MAX, Shipment, ShipmentState};

use crate::world::{
    Fact::{CancelRequested, Cancelled, Captured, Confirmed, Deliver, Dispatch, Priced, Reserved},
    World, address, priced, reserved,
};

/// Orders of which an address is kept.
fn addressed(world: &World) -> usize {
    world.stage.rows::<Shipment>().into_iter().filter(|shipment| shipment.address().is_some()).count()
}

#[test]
fn a_shipment_keeps_its_address_while_goods_may_go_there() {
    let mut world = World::after(&[Priced, Reserved, Confirmed, Captured, Dispatch, Deliver]);
    assert_eq!(world.shipment("order-1").address(), Some(&address("DE")));
    world.deletes("user-1");
    assert_eq!(world.shipment("order-1").address(), None);
    world.audit();
}

#[test]
fn where_nothing_goes_any_more_is_not_kept() {
    for facts in [&[Priced, Cancelled][..], &[Priced, Reserved, Cancelled], &[Priced, CancelRequested]] {
        let world = World::after(facts);
        assert_eq!(addressed(&world), 0, "{facts:?}");
        world.audit();
    }
}

#[test]
fn goods_of_a_deleted_customer_never_leave_without_their_address_and_it_goes_with_them() {
    for facts in [&[Priced][..], &[Priced, Reserved], &[Priced, Reserved, Confirmed, Captured]] {
        let mut world = World::after(facts);
        world.deletes("user-1");
        world.deletes("user-1");
        assert_eq!(world.shipment("order-1").address(), Some(&address("DE")), "{facts:?}");
        // Orders asks for them, or the order ends; or somebody was faster and has sent them.
        for last in [&[CancelRequested][..], &[Cancelled]] {
            let mut world = World::after(facts);
            world.deletes("user-1");
            for fact in last {
                world.tell(*fact).unwrap();
            }
            assert_eq!(addressed(&world), 0, "{facts:?} {last:?}");
            world.audit();
        }
        for fact in [Priced, Reserved, Confirmed, Captured] {
            world.tell(fact).unwrap();
        }
        assert_eq!((world.state("order-1"), addressed(&world)), (ShipmentState::Ready, 1));
        world.tell(Dispatch).unwrap();
        assert_eq!(addressed(&world), 0);
        world.tell(Deliver).unwrap();
        world.audit();
    }
}

#[test]
fn a_deleted_customers_addresses_are_erased_and_those_of_others_stay() {
    let mut world = World::new();
    for order in ["order-1", "order-2"] {
        world.stage.hear(priced(order));
        world.stage.hear(reserved(order));
    }
    let mut other = priced("order-3");
    let mut summary = (*other.order).clone();
    summary.customer_id = tradewind_events::id("user-2");
    other.order = summary.into();
    world.stage.hear(other);
    for fact in [Confirmed, Captured, Dispatch] {
        world.tell(fact).unwrap();
    }
    for _ in 0..2 {
        world.deletes("user-1");
        assert_eq!(world.shipment("order-1").address(), None);
        assert!(world.shipment("order-2").forget_address() && !world.shipment("order-3").forget_address());
        assert_eq!(addressed(&world), 2);
    }
    world.audit();
}

#[test]
fn the_address_of_an_order_that_is_heard_of_after_its_customer_was_deleted_is_kept_until_it_ends() {
    let mut world = World::new();
    world.deletes("user-1");
    for fact in [Priced, Reserved] {
        world.tell(fact).unwrap();
    }
    assert_eq!((addressed(&world), world.state("order-1")), (1, ShipmentState::Allocated));
    assert!(world.stage.row::<Customer>(row_key(&["user-1"])).unwrap().orders().is_empty());
    world.tell(Cancelled).unwrap();
    assert_eq!(addressed(&world), 0);
    world.audit();
}

#[test]
fn an_order_is_noted_once_and_only_with_an_address() {
    let mut world = World::new();
    world.stage.hear(priced("order-1"));
    world.stage.hear(priced("order-1"));
    world.stage.hear(OrderPriced { shipping_address: None, ..priced("order-2") });
    assert_eq!(world.stage.row::<Customer>(row_key(&["user-1"])).unwrap().orders().len(), 1);
    world.audit();
}

#[test]
fn however_many_orders_a_customer_had_all_addresses_are_erased() {
    let orders = 3 * PIECE_ORDERS_MAX + 1;
    let mut world = World::new();
    for nth in 0..orders {
        world.stage.hear(priced(&format!("order-{nth}")));
    }
    assert_eq!((addressed(&world), world.stage.rows::<CustomerPiece>().len()), (orders, 3));
    assert!(world.stage.rows::<CustomerPiece>().iter().all(|piece| piece.orders().len() == PIECE_ORDERS_MAX));
    world.deletes("user-1");
    world.stage.run();
    assert_eq!(world.stage.rows::<CustomerPiece>().len(), 0);
    assert!(world.stage.rows::<Shipment>().iter().all(Shipment::forget_address));
    let customer = world.stage.row::<Customer>(row_key(&["user-1"])).unwrap();
    assert!(customer.deleted() && customer.orders().is_empty() && customer.pieces() == 0);
    world.audit();
}
