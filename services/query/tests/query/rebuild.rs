//! A read model that is made again from the log is the live one, row by row, whatever happened in between; and it is
//! the same whatever order the facts were handled in.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use tradewind_engine::{LogPosition, operator::Action};
use tradewind_events::{
    AnyEvent, CancelledBy, Envelope, Id, KeyText, Line, Lines, LowLevel, OrderSummary, Price, Product, ProductStatus,
    StockLevel, Timestamp, Variant, VariantStatus,
    carts::CartCheckedOut,
    catalog::{
        CategoryDeleted, CategoryUpdated, PriceChanged, ProductArchived, ProductUpdated, QuoteIssued,
        VariantDiscontinued, VariantUpdated,
    },
    id,
    inventory::{
        ReservationCommitted, ReservationExpired, ReservationMade, ReservationRestocked, StockChanged, StockLow,
    },
    orders::{
        OrderCancelRequested, OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, OrderPriced, OrderRejected,
    },
    payments::{PaymentAuthorized, PaymentCaptureFailed, PaymentCaptured, PaymentRefunded, PaymentVoided},
    registry,
    samples::Sample,
    shipping::{ShipmentAllocated, ShipmentDispatched, ShipmentReleaseRefused, ShipmentReleased},
};
use tradewind_query::rebuild::{self, Difference, DifferenceKind, ReadModels};
use tradewind_testkit::{Bridge, Import};

use super::world::{NOON, World};

/// What a made-up event says, in small numbers that often meet.
#[derive(Debug, Clone, Copy)]
struct Choice {
    kind: u8,
    order: u8,
    one: u8,
    other: u8,
    minute: u8,
    /// Unique among the events of a run.
    number: u64,
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    let choice = (0..KINDS, 0..2_u8, 0..3_u8, 0..3_u8, 0..60_u8);
    prop::collection::vec(choice, 1..60).prop_flat_map(|choices| {
        let numbers: Vec<u64> = (1..=choices.len() as u64).collect();
        (Just(choices), Just(numbers).prop_shuffle()).prop_map(|(choices, numbers)| {
            let with = |((kind, order, one, other, minute), number)| Choice { kind, order, one, other, minute, number };
            choices.into_iter().zip(numbers).map(with).collect()
        })
    })
}

const KINDS: u8 = 32;

impl Choice {
    fn id(self, what: &str) -> Id {
        id(&format!("{what}-{}", self.one))
    }

    fn amount_minor(self) -> i64 {
        i64::from(self.other) * 100
    }

    fn order(self) -> Arc<OrderSummary> {
        Arc::new(OrderSummary {
            order_id: id(&format!("order-{}", self.order)),
            customer_id: self.id("user"),
            total_minor: (self.other > 0).then(|| self.amount_minor()),
            cart_id: (self.one > 0).then(|| self.id("cart")),
            ..OrderSummary::sample()
        })
    }

    fn lines(self) -> Lines {
        let unit_price_minor = (self.other > 0).then(|| self.amount_minor());
        [Line { sku: self.id("SKU"), unit_price_minor, ..Line::sample() }].into_iter().collect()
    }

    fn stock(self) -> StockLevel {
        StockLevel {
            sku: self.id("SKU"),
            product_id: id("product-0"),
            version: self.number,
            on_hand: i64::from(self.other),
            reserved: 0,
            available: i64::from(self.other),
            ..StockLevel::sample()
        }
    }

    fn variant(self) -> Variant {
        let status = if self.other == 0 { VariantStatus::Discontinued } else { VariantStatus::Active };
        let (variant_id, sku, price) = (self.id("variant"), self.id("SKU"), self.price());
        Variant { variant_id, sku, status, price, ..Variant::sample() }
    }

    fn price(self) -> Price {
        Price { amount_minor: self.amount_minor(), ..Price::sample() }
    }

    fn product(self) -> Product {
        Product {
            product_id: id("product-0"),
            name: format!("Name {}", self.number).into(),
            status: ProductStatus::Published,
            category_ids: [self.id("category"), id(&format!("category-{}", self.other))].into(),
            variants: if self.other == 2 { Arc::from([]) } else { [self.variant()].into() },
            ..Product::sample()
        }
    }

    fn at(self) -> Timestamp {
        NOON.plus(Duration::from_secs(u64::from(self.minute) * 60))
    }

    fn event(self) -> Arc<dyn AnyEvent> {
        match self.kind {
            0..16 => self.order_event(),
            16..24 => self.money_or_goods_event(),
            _ => self.shelf_event(),
        }
    }

    fn order_event(self) -> Arc<dyn AnyEvent> {
        let (order, lines) = (self.order(), self.lines());
        match self.kind {
            0 => Arc::new(OrderPlaced {
                order_id: order.order_id.clone(),
                customer_id: order.customer_id.clone(),
                lines,
                ..Sample::sample()
            }),
            1 => Arc::new(OrderPriced { order, lines, deadline: self.at(), ..Sample::sample() }),
            2 | 3 => Arc::new(OrderConfirmed { order, lines, payment_id: self.id("payment"), ..Sample::sample() }),
            4 => Arc::new(OrderRejected { order, reason: self.id("reason").shared(), ..Sample::sample() }),
            5 | 6 => Arc::new(OrderCancelled {
                order,
                lines,
                cancelled_at: self.at(),
                cancelled_by: if self.one == 0 { CancelledBy::Customer } else { CancelledBy::System },
                refund_amount_minor: self.amount_minor(),
                ..Sample::sample()
            }),
            7 => Arc::new(OrderCompleted { order, lines, completed_at: self.at(), ..Sample::sample() }),
            8 | 9 => Arc::new(OrderCancelRequested { order, ..Sample::sample() }),
            10 => Arc::new(QuoteIssued { order, lines }),
            11 => Arc::new(ReservationMade { order, reservation_id: self.id("reservation"), ..Sample::sample() }),
            12 => Arc::new(ReservationCommitted { order, ..Sample::sample() }),
            13 => Arc::new(ReservationExpired { order, ..Sample::sample() }),
            14 => Arc::new(ReservationRestocked { order, ..Sample::sample() }),
            _ => Arc::new(CartCheckedOut {
                cart_id: self.id("cart"),
                order_id: order.order_id.clone(),
                customer_id: order.customer_id.clone(),
            }),
        }
    }

    fn money_or_goods_event(self) -> Arc<dyn AnyEvent> {
        let (order, amount_minor) = (self.order(), self.amount_minor());
        match self.kind {
            16 => Arc::new(PaymentAuthorized { order, amount_minor, ..Sample::sample() }),
            17 => Arc::new(PaymentCaptured { order, amount_minor, captured_at: self.at(), ..Sample::sample() }),
            18 => Arc::new(PaymentCaptureFailed { order, ..Sample::sample() }),
            // One refund has one amount, whatever else is contradictory.
            19 => Arc::new(PaymentRefunded {
                order,
                refund_id: self.id("refund"),
                amount_minor: i64::from(self.one) * 50,
                ..Sample::sample()
            }),
            20 => Arc::new(PaymentVoided { order, amount_minor, ..Sample::sample() }),
            21 => Arc::new(ShipmentAllocated { order, shipment_id: self.id("shipment"), ..Sample::sample() }),
            22 => Arc::new(ShipmentDispatched {
                order,
                carrier: (self.one > 0).then(|| self.id("carrier").shared()),
                ..Sample::sample()
            }),
            _ if self.one == 0 => Arc::new(ShipmentReleased { order, ..Sample::sample() }),
            _ => Arc::new(ShipmentReleaseRefused { order, ..Sample::sample() }),
        }
    }

    fn shelf_event(self) -> Arc<dyn AnyEvent> {
        let product_id = id("product-0");
        match self.kind {
            24 | 25 => Arc::new(ProductUpdated { product: self.product(), ..Sample::sample() }),
            26 if self.one == 0 => Arc::new(ProductArchived { product_id, ..Sample::sample() }),
            26 => Arc::new(VariantUpdated { product_id, variant: self.variant(), ..Sample::sample() }),
            27 => Arc::new(PriceChanged {
                product_id,
                variant_id: self.id("variant"),
                sku: self.id("SKU"),
                new_price: self.price(),
                ..Sample::sample()
            }),
            28 if self.other == 0 => {
                Arc::new(VariantDiscontinued { product_id, variant_id: self.id("variant"), sku: self.id("SKU") })
            }
            28 if self.other == 1 => Arc::new(CategoryDeleted { category_id: self.id("category"), ..Sample::sample() }),
            28 => Arc::new(CategoryUpdated {
                category_id: self.id("category"),
                name: format!("Name {}", self.number).into(),
                parent_id: None,
            }),
            29 => Arc::new(StockLow {
                stock: self.stock(),
                threshold: i64::from(self.minute % 3),
                level: if self.minute > 30 { LowLevel::Warning } else { LowLevel::Critical },
            }),
            _ => Arc::new(StockChanged { stock: self.stock(), ..Sample::sample() }),
        }
    }

    fn envelope(self) -> Envelope {
        let event = self.event();
        Envelope {
            id: id(&format!("event-{}", self.number)),
            source: KeyText::literal(registry().get(event.name()).expect("it is an event of ours").source),
            subject: event.subject(),
            key: event.key().clone(),
            time: self.at(),
            sequence: self.number,
            correlation_id: event.key().clone(),
            causation_id: None,
            traceparent: None,
            event,
        }
    }
}

/// Where two ways to the same read models differ.
fn unlike(mut one: ReadModels, mut other: ReadModels) -> Vec<Difference> {
    assert_eq!((&one.failed, &other.failed), (&vec![], &vec![]));
    let unlike =
        |table| rebuild::compare(table, &one.take_rows(table).collect(), &other.take_rows(table).collect(), 0).0;
    rebuild::tables().into_iter().flat_map(unlike).collect()
}

proptest! {
    #[test]
    fn the_order_and_number_of_tellings_leaves_no_trace(
        (choices, handled) in choices().prop_flat_map(|choices| {
            let places: Vec<usize> = (0..choices.len()).chain((0..choices.len()).step_by(3)).collect();
            (Just(choices), Just(places).prop_shuffle())
        })
    ) {
        let log: Vec<(LogPosition, Arc<Envelope>)> = choices
            .iter()
            .zip(0_u32..)
            .map(|(choice, nth)| (LogPosition { segment: u64::from(nth / 4 + 1), index: nth % 4 }, Arc::new(choice.envelope())))
            .collect();
        let in_order = ReadModels::of(log.iter().map(|(address, envelope)| (*address, envelope)));
        let shuffled = ReadModels::of(handled.iter().map(|nth| (log[*nth].0, &log[*nth].1)));
        prop_assert_eq!(unlike(in_order, shuffled), vec![]);
    }

    #[test]
    fn a_rebuilt_read_model_equals_the_live_one(choices in choices()) {
        let mut world = World::new();
        for choice in choices {
            world.deliver(choice.envelope());
        }
        world.check();
    }
}

#[test]
fn what_was_heard_while_query_was_paused_is_in_the_rebuilt_read_model_too() {
    let mut world = World::new();
    world.tell(OrderPlaced::sample());
    world.stage.operate(Action::Pause { consumer: id("query"), reason: "test".into() }).unwrap();
    world.tell(OrderConfirmed::sample()).tell(OrderCompleted::sample());
    assert_eq!(world.order().timeline.len(), 1);
    let lacking = world.differences();
    assert!(
        lacking.iter().any(
            |difference| matches!(&difference.kind, DifferenceKind::Columns(columns) if columns.contains(&"status"))
        )
    );
    assert!(
        lacking.iter().any(|difference| difference.kind == DifferenceKind::Missing && difference.table == "sales_day")
    );
    world.stage.operate(Action::Resume { consumer: id("query") }).unwrap();
    assert_eq!(world.order().timeline.len(), 3);
    world.check();
}

#[test]
fn what_a_bridge_has_imported_is_in_the_read_models_and_in_the_rebuilt_ones() {
    let here = Bridge::service(&["bridge.orders", "bridge.shipping"]).unwrap();
    let mut world = World::beside([here]);
    world.stage.ask(Import::of("orders", OrderPlaced::sample())).unwrap();
    world.stage.ask(Import::of("shipping", ShipmentAllocated::sample())).unwrap();
    world.stage.ask(Import::of("orders", OrderConfirmed::sample())).unwrap();
    assert_eq!(world.order().timeline.len(), 3);
    // The bridge of another store plays payments.
    let envelope = world.envelope(PaymentAuthorized::sample());
    world.deliver(Envelope { source: KeyText::literal("far.payments"), ..envelope });
    let sources: Vec<_> = world.log().into_iter().map(|(_, envelope)| envelope.source.to_string()).collect();
    assert_eq!(sources, ["bridge.orders", "bridge.shipping", "bridge.orders", "far.payments"]);
    assert_eq!(world.order().timeline.len(), 4);
    world.check();
}

#[test]
fn a_row_that_knows_of_events_that_are_gone_is_frozen() {
    let mut world = World::new();
    world.tell(OrderPlaced::sample()).tell(OrderPlaced { order_id: id("order-2"), ..Sample::sample() });
    let table = rebuild::tables().into_iter().find(|table| table.name == "order_view").unwrap();
    let log = world.log();
    let mut rest = ReadModels::of(log.iter().skip(1).map(|(address, envelope)| (*address, envelope)));
    let oldest = log[1].0.segment;
    let rest = rest.take_rows(table).collect();
    assert_eq!(rebuild::compare(table, &world.live(table), &rest, oldest), (vec![], 1));
    let (differences, frozen) = rebuild::compare(table, &world.live(table), &rest, 0);
    assert_eq!((differences.len(), frozen), (1, 0));
    assert_eq!(differences[0].kind, DifferenceKind::Surplus);
}

#[test]
fn every_read_model_says_since_when_it_knows() {
    for table in rebuild::tables() {
        assert!(table.position(rebuild::SINCE_SEGMENT).is_some(), "{}", table.name);
    }
}
