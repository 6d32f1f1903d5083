//! An order is placed, goes through the saga, or is refused.

use std::{sync::Arc, time::Duration};

use tradewind_engine::Problem;
use tradewind_events::{
    Address, CartSnapshot, Check, LINES_MAX, Line, QUANTITY_MAX,
    catalog::QuoteIssued,
    id,
    orders::{OrderCompleted, OrderConfirmed, OrderPlaced, OrderPriced, OrderValidated},
};
use tradewind_orders::{ADDRESS_FIELD_CHARS_MAX, Basket, OrderState, Orders, PlaceOrder, RESERVATION_TTL_SECONDS_MAX};

use crate::world::*;

const SECRET: &[u8] = b"between carts and orders";

fn shop_with_carts() -> World {
    World::with(Orders { cart_secret: SECRET.into(), ..Orders::default() })
}

fn snapshot(world: &World) -> CartSnapshot {
    CartSnapshot {
        cart_id: id("cart-1"),
        order_id: id("order-1"),
        customer_id: id("user-1"),
        version: 3,
        currency: "EUR".parse().expect("EUR is a currency"),
        lines: priced_lines(),
        expires_at: world.now().plus(Duration::from_mins(10)),
        signature: "".into(),
    }
}

fn order_from(cart: CartSnapshot) -> PlaceOrder {
    PlaceOrder { basket: Basket::Cart(Arc::new(cart)), ..order_of(lines()) }
}

#[test]
fn an_order_is_placed_under_a_new_id_and_has_a_deadline() {
    let mut world = World::new();
    let accepted = world.place(order_of(lines())).unwrap();
    let placed: OrderPlaced = world.only();
    assert_eq!(accepted.order_id, placed.order_id);
    assert_eq!((accepted.status, accepted.is_new), (OrderState::Placed, true));
    assert_eq!(accepted.deadline_at, world.committed_at().plus(Duration::from_mins(30)));
    assert_eq!(placed.lines, lines());
    assert_eq!(placed.shipping_address, Some(address("Riga")));
    let other = world.place(order_of(lines())).unwrap();
    assert_ne!(other.order_id, accepted.order_id);
}

#[test]
fn an_order_goes_through_the_saga_and_says_each_step() {
    let mut world = World::new();
    world.place(order_one()).unwrap();
    let deadline = world.order().deadline_at();
    quoted(&mut world);
    let quoted_at = world.committed_at();
    let priced: OrderPriced = world.only();
    assert_eq!((priced.order, priced.lines, priced.deadline), (summary(), priced_lines(), deadline));
    assert_eq!(priced.shipping_address, Some(address("Riga")));

    reserved(&mut world);
    let reserved_at = world.committed_at();
    assert_eq!(world.state(), OrderState::Priced);
    allocated(&mut world);
    let allocated_at = world.committed_at();
    let validated: OrderValidated = world.only();
    assert_eq!((validated.reservation_id, validated.shipment_id), (id("reservation-1"), id("shipment-1")));
    let check =
        |name: &str, passed_at, reference: &str| Check { name: name.into(), passed_at, reference: reference.into() };
    let checks = [
        check("quote", quoted_at, "order-1"),
        check("reservation", reserved_at, "reservation-1"),
        check("shipment", allocated_at, "shipment-1"),
    ];
    assert_eq!(*validated.checks, checks);

    authorized(&mut world);
    assert_eq!(world.state(), OrderState::Paid);
    committed(&mut world);
    let confirmed: OrderConfirmed = world.only();
    assert_eq!(confirmed.payment_id, id("payment-1"));

    captured(&mut world);
    ready(&mut world);
    dispatched(&mut world);
    assert_eq!(world.state(), OrderState::Dispatched);
    delivered(&mut world);
    let completed: OrderCompleted = world.only();
    assert_eq!((completed.lines, completed.completed_at), (priced_lines(), world.committed_at()));
    let saga = ["order.placed", "order.priced", "order.validated", "order.confirmed", "order.completed"];
    assert_eq!(world.said_names(), saga);
}

#[test]
fn lines_of_one_sku_are_merged_and_where_stock_is_taken_from_is_not_the_customers_to_say() {
    let mut world = World::new();
    let here = Line { location_id: Some(id("location-1")), ..line("SKU-1", 2, None) };
    world.place(order_of(vec![here, line("SKU-2", 1, None), line("SKU-1", 3, None)].into())).unwrap();
    let placed: OrderPlaced = world.only();
    assert_eq!(placed.lines, vec![line("SKU-1", 5, None), line("SKU-2", 1, None)].into());
}

#[test]
fn the_deadline_is_never_before_the_stock_is_free_again() {
    let settings = Orders { order_deadline: Duration::from_mins(5), ..Orders::default() };
    let mut world = World::with(settings);
    for (asked_seconds, minutes) in [(None, 15), (Some(60), 5), (Some(3_600), 60)] {
        let place = PlaceOrder { reservation_ttl_seconds: asked_seconds, ..order_of(lines()) };
        let accepted = world.place(place).unwrap();
        assert_eq!(accepted.deadline_at, world.committed_at().plus(Duration::from_mins(minutes)));
        assert_eq!(world.only::<OrderPlaced>().reservation_ttl_seconds, asked_seconds);
        world.clear();
    }
}

fn refused(world: &mut World, place: PlaceOrder) -> (String, String) {
    let problem: Problem = world.place(place).expect_err("it cannot be placed");
    assert!(world.said_names().is_empty());
    (problem.code().to_owned(), problem.field.clone().unwrap_or_default().into_owned())
}

#[test]
fn lines_that_cannot_stand_in_an_order_are_refused_and_the_one_at_fault_is_named() {
    let many = (0..=LINES_MAX).map(|nth| line(&format!("SKU-{nth}"), 1, None)).collect();
    let other_product = Line { product_id: id("another"), ..line("SKU-1", 1, None) };
    let cases = [
        (vec![].into(), "empty_order", "lines"),
        (many, "invalid_order_lines", "lines"),
        (vec![line("SKU-1", 0, None)].into(), "invalid_order_lines", "lines[0].quantity"),
        (vec![line("SKU-1", QUANTITY_MAX + 1, None)].into(), "invalid_order_lines", "lines[0].quantity"),
        (
            vec![line("SKU-1", QUANTITY_MAX, None), line("SKU-2", 1, None), line("SKU-1", 1, None)].into(),
            "invalid_order_lines",
            "lines[2].quantity",
        ),
        (vec![line("SKU-1", 1, None), other_product].into(), "invalid_order_lines", "lines[1].product_id"),
        (
            vec![line("SKU-1", 1, Some(1)), line("SKU-1", 1, Some(2))].into(),
            "invalid_order_lines",
            "lines[1].unit_price_minor",
        ),
        (vec![line("SKU-1", 1, Some(-1))].into(), "invalid_order_lines", "lines[0].unit_price_minor"),
        (vec![line("SKU-1", 2, Some(i64::MAX))].into(), "amount_too_large", "lines"),
    ];
    let mut world = World::new();
    for (lines, code, field) in cases {
        assert_eq!(refused(&mut world, order_of(lines)), (code.to_owned(), field.to_owned()));
    }
    let most: Vec<_> = (0..LINES_MAX).map(|nth| line(&format!("SKU-{nth}"), QUANTITY_MAX, None)).collect();
    world.place(order_of(most.into())).unwrap();
}

#[test]
fn a_currency_an_address_or_a_time_that_cannot_be_is_refused() {
    let mut world = World::new();
    let dollars = Basket::Lines { order_id: None, currency: Some("USD".parse().unwrap()), lines: lines() };
    let place = PlaceOrder { basket: dollars, ..order_of(lines()) };
    assert_eq!(refused(&mut world, place), ("currency_not_sold".into(), "currency".into()));

    let long = "x".repeat(ADDRESS_FIELD_CHARS_MAX + 1);
    for city in [" ", &long] {
        let place = PlaceOrder { shipping_address: Some(address(city)), ..order_of(lines()) };
        assert_eq!(refused(&mut world, place), ("invalid_address".into(), "shipping_address.city".into()));
    }
    let stateless = Address { state: Some(String::new().into()), ..(*address("Riga")).clone() };
    let place = PlaceOrder { billing_address: Some(Arc::new(stateless)), ..order_of(lines()) };
    assert_eq!(refused(&mut world, place), ("invalid_address".into(), "billing_address.state".into()));

    for seconds in [0, RESERVATION_TTL_SECONDS_MAX + 1] {
        let place = PlaceOrder { reservation_ttl_seconds: Some(seconds), ..order_of(lines()) };
        assert_eq!(refused(&mut world, place), ("invalid_reservation_ttl".into(), "reservation_ttl_seconds".into()));
    }
    world
        .place(PlaceOrder { reservation_ttl_seconds: Some(RESERVATION_TTL_SECONDS_MAX), ..order_of(lines()) })
        .unwrap();
}

#[test]
fn an_amount_that_a_contract_cannot_carry_is_refused_when_it_is_known() {
    let mut world = World::with(Orders { amount_minor_max: 2_250, ..Orders::default() });
    world.place(order_of(priced_lines())).unwrap();
    world.clear();
    let dearer = vec![line("SKU-1", 2, Some(1_126))].into();
    assert_eq!(refused(&mut world, order_of(dearer)), ("contract_cannot_carry".into(), "lines".into()));
}

#[test]
fn a_signed_cart_is_the_order_that_it_names_and_the_same_one_when_it_is_placed_again() {
    let mut world = shop_with_carts();
    let cart = snapshot(&world).sign(SECRET);
    let accepted = world.place(order_from(cart.clone())).unwrap();
    assert_eq!(accepted.order_id, id("order-1"));
    let placed: OrderPlaced = world.only();
    assert_eq!((placed.cart_id, placed.lines), (Some(id("cart-1")), priced_lines()));

    quoted(&mut world);
    world.clear();
    // Also when it is too old to be placed anew, and whatever became of the order.
    world.advance(Duration::from_mins(20));
    let again = world.place(order_from(cart)).unwrap();
    assert_eq!((again.order_id, again.status, again.is_new), (id("order-1"), OrderState::Priced, false));
    assert_eq!(again.placed_at, accepted.placed_at);
    assert!(world.said_names().is_empty());
}

#[test]
fn a_cart_that_is_forged_foreign_or_too_old_is_refused() {
    let mut world = shop_with_carts();
    let signed = snapshot(&world).sign(SECRET);
    let forged = CartSnapshot { lines: vec![line("SKU-1", 2, Some(1))].into(), ..signed.clone() };
    let other_secret = snapshot(&world).sign(b"another");
    for cart in [forged, other_secret, snapshot(&world)] {
        assert_eq!(refused(&mut world, order_from(cart)), ("invalid_signed_cart".into(), "cart.signature".into()));
    }
    let place = PlaceOrder { customer_id: id("user-2"), ..order_from(signed.clone()) };
    assert_eq!(refused(&mut world, place), ("invalid_signed_cart".into(), "cart.customer_id".into()));
    world.advance(Duration::from_mins(10));
    assert_eq!(refused(&mut world, order_from(signed)), ("signed_cart_expired".into(), "cart".into()));
}

#[test]
fn a_shop_without_a_cart_secret_takes_no_signed_cart() {
    let mut world = World::new();
    let cart = snapshot(&world).sign(b"");
    assert_eq!(refused(&mut world, order_from(cart)), ("invalid_signed_cart".into(), "cart.signature".into()));
}

#[test]
fn an_id_that_is_taken_by_another_order_is_refused() {
    let mut world = shop_with_carts();
    world.place(order_from(snapshot(&world).sign(SECRET))).unwrap();
    world.clear();
    let newer = CartSnapshot { version: 4, ..snapshot(&world) }.sign(SECRET);
    assert_eq!(refused(&mut world, order_from(newer)).0, "order_exists");
    assert_eq!(refused(&mut world, order_one()).0, "order_exists");

    let mut world = World::new();
    world.place(order_one()).unwrap();
    assert!(!world.place(order_one()).unwrap().is_new);
    world.clear();
    let other = PlaceOrder { customer_id: id("user-2"), ..order_one() };
    assert_eq!(refused(&mut world, other).0, "order_exists");
    let more = vec![line("SKU-1", 3, None), line("SKU-2", 1, None)].into();
    let other = PlaceOrder {
        basket: Basket::Lines { order_id: Some(id("order-1")), currency: None, lines: more },
        ..order_one()
    };
    assert_eq!(refused(&mut world, other).0, "order_exists");
}

#[test]
fn what_is_heard_of_an_order_before_it_is_placed_is_kept_and_counts_then() {
    let mut world = World::new();
    allocated(&mut world);
    quoted(&mut world);
    reserved(&mut world);
    assert_eq!(world.state(), OrderState::Unheard);
    assert!(world.said_names().is_empty());
    world.advance(Duration::from_hours(24));
    assert!(world.said_names().is_empty());
    let accepted = world.place(order_one()).unwrap();
    assert_eq!((accepted.status, accepted.is_new), (OrderState::Validated, true));
    assert_eq!(world.said_names(), ["order.placed", "order.priced", "order.validated"]);
    assert_eq!(world.only::<OrderPriced>().order, summary());
}

#[test]
fn a_second_quote_changes_nothing() {
    let mut world = World::at(OrderState::Priced);
    let lines = vec![line("SKU-1", 2, Some(1)), line("SKU-2", 1, Some(2_248))].into();
    world.hear(QuoteIssued { order: summary(), lines });
    assert_eq!(*world.order().lines(), priced_lines());
    assert!(world.said_names().is_empty());
}

#[test]
fn a_quote_that_does_not_add_up_is_a_dead_letter_and_the_order_still_waits() {
    let mut world = World::at(OrderState::Placed);
    world.hear(QuoteIssued { order: summary(), lines: vec![line("SKU-1", 2, Some(1_000))].into() });
    assert_eq!(world.last_dead(), "the items of the quote do not add up");
    assert_eq!(world.state(), OrderState::Placed);
}
