//! From where the lines of an order are taken: all of them, or none and why.

use tradewind_events::{
    LINES_MAX, Line, Lines, ORDER_PIECES_MAX, QUANTITY_MAX, id,
    inventory::{Insufficient, ReservationMade, ReservationRefusal, ReservationRefused, StockChanged},
    orders::OrderPriced,
    row_key,
};
use tradewind_inventory::{
    LINE_PIECES_MAX, LOCATIONS_PER_SKU_MAX, Reservation,
    ReservationState::{Active, Refused},
    UpdateLocation,
};

use crate::world::{World, line, pieces};

#[test]
fn all_lines_are_held_or_none() {
    let mut world = World::with(&[("SKU-1", 5), ("SKU-2", 1)]);
    world.prices("order-1", &[("SKU-1", 2), ("SKU-2", 3)]);
    assert_eq!(world.stage.said_names(), ["reservation.refused"]);
    let refused = world.stage.said::<ReservationRefused>().remove(0);
    assert_eq!(refused.reason, ReservationRefusal::Insufficient);
    let short = Insufficient { sku: id("SKU-2"), product_id: id("product-1"), requested: Some(3), available: Some(1) };
    assert_eq!(*refused.insufficient, [short]);
    assert_eq!((world.counts("SKU-1"), world.counts("SKU-2")), ((5, 0), (1, 0)));
    world.audit();
}

#[test]
fn two_lines_of_one_sku_are_looked_at_together() {
    let mut world = World::with(&[("SKU-1", 5)]);
    world.prices("order-1", &[("SKU-1", 3), ("SKU-1", 3)]);
    let refused = world.stage.said::<ReservationRefused>().remove(0);
    assert_eq!((refused.insufficient[0].requested, refused.insufficient[0].available), (Some(6), Some(5)));
    world.prices("order-2", &[("SKU-1", 3), ("SKU-1", 2)]);
    assert_eq!(world.stage.said::<ReservationMade>()[0].lines.len(), 1);
    assert_eq!(world.counts("SKU-1"), (5, 5));
    world.audit();
}

#[test]
fn the_last_unit_goes_to_one_of_two_orders() {
    let mut world = World::with(&[("SKU-1", 1)]);
    world.prices("order-1", &[("SKU-1", 1)]);
    world.prices("order-2", &[("SKU-1", 1)]);
    assert_eq!((world.state("order-1"), world.state("order-2")), (Some(Active), Some(Refused)));
    world.rejects("order-1");
    world.prices("order-3", &[("SKU-1", 1)]);
    assert_eq!(world.state("order-3"), Some(Active));
    world.audit();
}

#[test]
fn lines_that_cannot_be_are_refused_with_the_sku_to_blame() {
    let mut world = World::with(&[("SKU-1", 5), ("SKU-2", 5)]);
    let product = |product: &str| Line { product_id: id(product), ..line("SKU-1", 1) };
    let price = |price| Line { unit_price_minor: Some(price), ..line("SKU-1", 1) };
    let many: Vec<_> = (0..=LINES_MAX).map(|nth| line(&format!("SKU-{nth}"), 1)).collect();
    let bad: [(Vec<_>, &[&str]); 8] = [
        (vec![], &[]),
        (many, &[]),
        (vec![line("SKU-1", 1), line("SKU-9", 1), line("SKU-8", 1)], &["SKU-9", "SKU-8"]),
        (vec![line("SKU-2", 9), line("SKU-9", 1)], &["SKU-9"]),
        (vec![line("SKU-2", 1), line("SKU-1", 0)], &["SKU-1"]),
        (vec![line("SKU-1", QUANTITY_MAX), line("SKU-1", 1)], &["SKU-1"]),
        (vec![product("product-1"), product("product-2")], &["SKU-1"]),
        (vec![price(1), price(2)], &["SKU-1"]),
    ];
    for (nth, (lines, blamed)) in bad.into_iter().enumerate() {
        world.stage.clear();
        let order = format!("order-{nth}");
        let priced = OrderPriced { lines: Lines::from(lines), ..world.priced(&order, &[]) };
        world.stage.hear(priced);
        assert_eq!(world.stage.said_names(), ["reservation.refused"], "{order}");
        let refused = world.stage.said::<ReservationRefused>().remove(0);
        assert_eq!(refused.reason, ReservationRefusal::InvalidItems, "{order}");
        let told: Vec<_> = refused.insufficient.iter().map(|told| (told.sku.as_str(), told.available)).collect();
        assert_eq!(told, blamed.iter().map(|sku| (*sku, None)).collect::<Vec<_>>(), "{order}");
    }
    world.audit();
}

#[test]
fn a_line_is_served_by_priority_and_split_only_where_it_must_be() {
    let mut world = World::with(&[("SKU-1", 3)]);
    for (location, priority) in [("north", 200), ("south", 50), ("west", 50)] {
        world.has_location(location, priority);
        world.receives("SKU-1", location, 3);
    }
    world.stage.clear();
    world.prices("order-1", &[("SKU-1", 2)]);
    world.prices("order-2", &[("SKU-1", 6)]);
    world.prices("order-3", &[("SKU-1", 5)]);
    let made = world.stage.said::<ReservationMade>();
    let piece = |location: &str, quantity| ("SKU-1".to_owned(), location.to_owned(), quantity);
    assert_eq!(pieces(&made[0].lines), [piece("south", 2)]);
    assert_eq!(pieces(&made[1].lines), [piece("south", 1), piece("west", 3), piece("main", 2)]);
    let ids: Vec<_> = made[1].lines.iter().map(|line| line.reservation_id.clone().unwrap()).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2] && !ids.contains(&made[1].reservation_id));
    let refused = world.stage.said::<ReservationRefused>().remove(0);
    assert_eq!(refused.insufficient[0].available, Some(4));
    world.pays("order-2");
    world.cancels("order-2");
    world.cancels("order-1");
    assert_eq!(world.stage.said::<StockChanged>().last().unwrap().stock.available_everywhere, 12);
    world.audit();
}

#[test]
fn a_changed_priority_counts_from_the_next_claim_on() {
    let mut world = World::with(&[("SKU-1", 3)]);
    world.has_location("north", 200);
    world.receives("SKU-1", "north", 3);
    let update = UpdateLocation { location_id: id("north"), name: None, priority: Some(1) };
    world.stage.ask(update).unwrap();
    world.prices("order-1", &[("SKU-1", 1)]);
    assert_eq!(world.stock("SKU-1", "north").reserved(), 1);
    world.audit();
}

#[test]
fn whatever_is_available_of_a_sku_can_be_sold_however_many_locations_have_it() {
    let mut world = World::with(&[("SKU-1", 1)]);
    for nth in 1..LOCATIONS_PER_SKU_MAX {
        world.has_location(&format!("location-{nth}"), 1);
        world.receives("SKU-1", &format!("location-{nth}"), 1);
    }
    let all = u32::try_from(LOCATIONS_PER_SKU_MAX).unwrap();
    world.prices("order-1", &[("SKU-1", all + 1)]);
    let refused = world.stage.said::<ReservationRefused>().remove(0);
    assert_eq!(refused.insufficient[0].available, Some(i64::from(all)));
    world.prices("order-2", &[("SKU-1", all)]);
    assert_eq!(world.stage.row::<Reservation>(id("order-2")).unwrap().lines().len(), LOCATIONS_PER_SKU_MAX);
    world.cancels("order-2");
    world.audit();
}

#[test]
fn where_priority_would_take_too_many_locations_the_largest_serve() {
    let mut world = World::with(&[("SKU-1", 1)]);
    for nth in 1..=LINE_PIECES_MAX {
        world.has_location(&format!("location-{nth}"), 1);
        world.receives("SKU-1", &format!("location-{nth}"), 1);
    }
    world.has_location("far", 999);
    world.receives("SKU-1", "far", 50);
    world.stage.clear();
    let first = u32::try_from(LINE_PIECES_MAX).unwrap();
    world.prices("order-1", &[("SKU-1", first)]);
    let made = world.stage.said::<ReservationMade>().remove(0);
    assert_eq!(made.lines.len(), LINE_PIECES_MAX);
    assert!(pieces(&made.lines).iter().all(|(_, location, _)| location != "far"));
    world.cancels("order-1");
    world.stage.clear();
    world.prices("order-2", &[("SKU-1", first + 30)]);
    assert_eq!(pieces(&world.stage.said::<ReservationMade>()[0].lines), [("SKU-1".into(), "far".into(), first + 30)]);
    world.audit();
}

#[test]
fn an_order_comes_from_a_bounded_number_of_locations_and_is_told_what_one_order_can_get() {
    let locations = 3;
    let skus: Vec<String> = (0..LINES_MAX).map(|nth| format!("SKU-{nth}")).collect();
    let mut world = World::with(&skus.iter().map(|sku| (sku.as_str(), 1)).collect::<Vec<_>>());
    for nth in 1..locations {
        world.has_location(&format!("location-{nth}"), 1);
        for sku in &skus {
            world.receives(sku, &format!("location-{nth}"), 1);
        }
    }
    world.stage.clear();
    let wanted = |quantity| skus.iter().map(|sku| (sku.as_str(), quantity)).collect::<Vec<_>>();
    world.prices("order-1", &wanted(3));
    let refused = world.stage.said::<ReservationRefused>().remove(0);
    assert_eq!((refused.reason, refused.insufficient.len()), (ReservationRefusal::TooManyLocations, LINES_MAX));
    assert!(refused.insufficient.iter().all(|short| short.available == Some(2)), "{:?}", refused.insufficient[0]);
    // What is not there at all is told as that.
    world.prices("order-0", &wanted(4));
    assert_eq!(world.stage.said::<ReservationRefused>()[1].reason, ReservationRefusal::Insufficient);
    world.prices("order-2", &wanted(2));
    assert_eq!(world.stage.row::<Reservation>(id("order-2")).unwrap().lines().len(), ORDER_PIECES_MAX);
    world.cancels("order-2");
    world.audit();
}

#[test]
fn the_largest_order_is_held_and_let_go_whole() {
    let skus: Vec<String> = (0..LINES_MAX).map(|nth| format!("SKU-{nth}")).collect();
    let stock: Vec<(&str, i64)> = skus.iter().map(|sku| (sku.as_str(), i64::from(QUANTITY_MAX))).collect();
    let mut world = World::with(&stock);
    let lines: Vec<(&str, u32)> = skus.iter().map(|sku| (sku.as_str(), QUANTITY_MAX)).collect();
    world.prices("order-1", &lines);
    assert_eq!(world.stage.row::<Reservation>(row_key(&["order-1"])).unwrap().lines().len(), LINES_MAX);
    world.cancels("order-1");
    assert_eq!(world.counts("SKU-499"), (i64::from(QUANTITY_MAX), 0));
    world.audit();
}
