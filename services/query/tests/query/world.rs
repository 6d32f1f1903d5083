//! A store that holds query alone: every event comes from another store, at a time of one's choice.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{AnyService, Entity, LogPosition, ports::Reader, segment::Segment};
use tradewind_events::{
    AsKey, Currency, Envelope, Event, Id, Line, Lines, OrderSummary, PaymentMethod, Timestamp, id, registry, row_key,
    samples::Sample,
};
use tradewind_query::{
    OrderView, Query,
    rebuild::{self, Difference, ReadModels, Rows},
};
use tradewind_testkit::Stage;

pub struct World {
    pub stage: Stage,
    /// When the next event happens.
    pub now: Timestamp,
    told: u64,
}

/// 2026-01-31T12:00:00Z.
pub const NOON: Timestamp = Timestamp::from_millis(1_769_860_800_000);
pub const MINUTE: Duration = Duration::from_mins(1);
pub const DAY: Duration = Duration::from_hours(24);

impl World {
    pub fn new() -> Self {
        Self::beside([])
    }

    /// With other services in its store.
    pub fn beside(services: impl IntoIterator<Item = AnyService>) -> Self {
        let all = services.into_iter().chain([tradewind_query::service(Query).into()]);
        Self { stage: Stage::new(all), now: NOON, told: 0 }
    }

    /// The event happens, a minute after the one before it.
    pub fn tell<E: Event>(&mut self, event: E) -> &mut Self {
        let envelope = self.envelope(event);
        self.deliver(envelope)
    }

    /// An event that happens now and is delivered later, or never.
    pub fn envelope<E: Event>(&mut self, event: E) -> Envelope {
        self.told += 1;
        self.now = self.now.plus(MINUTE);
        Envelope { time: self.now, ..self.stage.envelope(&format!("event-{}", self.told), event) }
    }

    pub fn deliver(&mut self, envelope: Envelope) -> &mut Self {
        self.stage.hear_envelope(envelope);
        self
    }

    pub fn row<E: Entity>(&self, key: impl AsKey) -> Option<E> {
        self.stage.row(key)
    }

    pub fn order(&self) -> OrderView {
        self.row(row_key(&["order-1"])).expect("the order is known")
    }

    /// Nothing failed, and everything can be made again.
    pub fn check(&self) {
        assert_eq!(self.stage.dead_letters(), []);
        assert_eq!(self.stage.parked(), []);
        assert_eq!(self.differences(), []);
    }

    /// The log of the store.
    pub fn log(&self) -> Vec<(LogPosition, Arc<Envelope>)> {
        let segments = self.stage.store().segments(1, u32::MAX).expect("the store in memory can be read");
        let read =
            |segment: &Segment| segment.decode("stage", &registry()).expect("a segment is read as it was written");
        segments.iter().flat_map(read).map(|event| (event.position, Arc::new(event.envelope))).collect()
    }

    pub fn differences(&self) -> Vec<Difference> {
        let log = self.log();
        let mut rebuilt = ReadModels::of(log.iter().map(|(address, envelope)| (*address, envelope)));
        assert_eq!(rebuilt.failed, []);
        let tables = rebuild::tables();
        tables
            .into_iter()
            .flat_map(|table| rebuild::compare(table, &self.live(table), &rebuilt.take_rows(table).collect(), 0).0)
            .collect()
    }

    pub fn live(&self, table: &'static tradewind_engine::Table) -> Rows {
        let rows = self.stage.store().rows(table);
        rows.into_iter().map(|row| (rebuild::key_of(table, &row.values).expect("a key"), row.values)).collect()
    }
}

pub fn eur() -> Currency {
    "EUR".parse().expect("EUR is a currency")
}

/// The summary of order-1 before it is quoted.
pub fn unquoted() -> Arc<OrderSummary> {
    Arc::new(OrderSummary {
        items_total_minor: None,
        discount_minor: None,
        shipping_minor: None,
        tax_minor: None,
        total_minor: None,
        ..OrderSummary::sample()
    })
}

/// The summary of order-1: 59.36 EUR in all.
pub fn quoted() -> Arc<OrderSummary> {
    Arc::new(OrderSummary::sample())
}

pub fn paid_by(method: PaymentMethod) -> Arc<OrderSummary> {
    Arc::new(OrderSummary { payment_method: method, ..OrderSummary::sample() })
}

/// The lines of order-1 as they were placed.
pub fn unpriced() -> Lines {
    [Line { unit_price_minor: None, location_id: None, reservation_id: None, ..Line::sample() }].into_iter().collect()
}

/// The lines of order-1 with their final prices.
pub fn priced() -> Lines {
    [Line { location_id: None, reservation_id: None, ..Line::sample() }].into_iter().collect()
}

pub fn order_1() -> Id {
    id("order-1")
}
