//! The saga of one order as pure rules: its facts in every order, twice, early and late.

mod every_order;
mod quotes;

use std::sync::Arc;

use tradewind_engine::Events;
use tradewind_events::{Id, Line, Lines, OrderSummary, PaymentMethod, TextEnum, Timestamp, catalog::QuoteIssued, id};

use crate::{
    Lost, Order, Orders,
    model::{Fact, NewOrder, Quote},
};

const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);
const TOTAL_MINOR: i64 = 2_300;

fn line(sku: &str, quantity: u32, unit_price_minor: Option<i64>) -> Line {
    let product_id = id(&format!("product-of-{sku}"));
    Line { product_id, sku: id(sku), quantity, unit_price_minor, location_id: None, reservation_id: None }
}

fn new_order() -> NewOrder {
    NewOrder {
        order_id: id("order-1"),
        customer_id: id("user-1"),
        currency: "EUR".parse().unwrap(),
        lines: vec![line("SKU-1", 2, None), line("SKU-2", 1, None)].into(),
        cart: None,
        payment_method: PaymentMethod::Card,
        shipping_address: None,
        billing_address: None,
        reservation_ttl_seconds: None,
    }
}

fn summary(amounts_minor: Option<[i64; 5]>) -> Arc<OrderSummary> {
    let amount = |nth: usize| amounts_minor.map(|amounts| amounts[nth]);
    Arc::new(OrderSummary {
        order_id: id("order-1"),
        customer_id: id("user-1"),
        currency: "EUR".parse().unwrap(),
        items_total_minor: amount(0),
        discount_minor: amount(1),
        shipping_minor: amount(2),
        tax_minor: amount(3),
        total_minor: amount(4),
        payment_method: PaymentMethod::Card,
        cart_id: None,
    })
}

fn quoted_lines() -> Lines {
    vec![line("SKU-1", 2, Some(1_000)), line("SKU-2", 1, Some(250))].into()
}

fn quote_issued() -> QuoteIssued {
    QuoteIssued { order: summary(Some([2_250, 100, 50, 100, TOTAL_MINOR])), lines: quoted_lines() }
}

fn quoted() -> Fact {
    Fact::Quoted(Quote::try_from(&quote_issued()).unwrap())
}

fn authorized(amount_minor: i64) -> Fact {
    Fact::Authorized { payment_id: id("payment-1"), amount_minor, currency: "EUR".parse().unwrap() }
}

fn lost(lost: Lost) -> Fact {
    Fact::Lost { lost, reason: lost.as_str().into() }
}

/// All that an order needs to be completed.
fn passing() -> Vec<Fact> {
    vec![
        quoted(),
        Fact::Reserved { reservation_id: id("reservation-1") },
        Fact::Allocated { shipment_id: id("shipment-1") },
        authorized(TOTAL_MINOR),
        Fact::Committed,
        Fact::Captured { payment_id: id("payment-1") },
        Fact::Dispatched,
        Fact::Delivered,
    ]
}

fn placed(settings: &Orders) -> Order {
    Order::place(None, new_order(), settings, NOW).0
}

/// An order that has heard so many of the passing facts.
fn after(facts: usize, settings: &Orders) -> Order {
    let mut order = placed(settings);
    for fact in &passing()[..facts] {
        order.hear(fact, settings, NOW);
    }
    order
}

fn names(events: &Events) -> Vec<&'static str> {
    events.iter().map(|event| event.name()).collect()
}

fn later(minutes: u64) -> Timestamp {
    NOW.plus(std::time::Duration::from_mins(minutes))
}

fn refund_id() -> Id {
    id("refund-1")
}
