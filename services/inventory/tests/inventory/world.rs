//! The world of these tests: a shop whose inventory is the real one, and whose other services are played.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use tradewind_engine::{Limits, Problem, tables::TimerRow};
use tradewind_events::{
    AdjustmentType, CancelledBy, Id, Line, Lines, OrderSummary, PaymentMethod, StockCause, StockLevel, Timestamp,
    Variant,
    catalog::VariantCreated,
    id,
    inventory::{StockChanged, StockCreated},
    orders::{OrderCancelled, OrderPriced, OrderRejected},
    payments::{PaymentAuthorized, PaymentFailed, PaymentRequested},
    row_key,
    samples::Sample,
};
use tradewind_inventory::{
    AdjustStock, CreateLocation, Inventory, Reservation, ReservationState, Stock, StockItem, service,
};
use tradewind_testkit::Stage;

/// As configured by default.
pub const TTL: Duration = Duration::from_mins(15);

/// Of an order, from when it is priced.
pub const DEADLINE: Duration = Duration::from_mins(30);

pub struct World {
    pub stage: Stage,
}

impl World {
    pub fn new() -> Self {
        // Hours pass in these tests without a message.
        let limits = Limits { clock_jump_max: Duration::MAX, ..Limits::default() };
        let services = [service(Inventory::default()).into()];
        Self { stage: Stage::with(services, tradewind_events::registry(), limits) }
    }

    /// A world with so many of each SKU at the main location.
    pub fn with(stock: &[(&str, i64)]) -> Self {
        let mut world = Self::new();
        for (sku, quantity) in stock {
            world.opens(sku);
            if *quantity > 0 {
                world.receives(sku, "main", *quantity);
            }
        }
        world.stage.clear();
        world
    }

    pub fn opens(&mut self, sku: &str) {
        self.stage.hear(VariantCreated { product_id: id("product-1"), variant: variant(sku) });
    }

    pub fn has_location(&mut self, location: &str, priority: u32) {
        let create =
            CreateLocation { location_id: Some(id(location)), name: location.into(), priority: Some(priority) };
        self.stage.ask(create).expect("the location is new");
    }

    pub fn receives(&mut self, sku: &str, location: &str, quantity: i64) -> StockLevel {
        self.adjusts(sku, location, quantity, AdjustmentType::Restock).expect("the location is there")
    }

    pub fn adjusts(
        &mut self,
        sku: &str,
        location: &str,
        delta: i64,
        adjustment_type: AdjustmentType,
    ) -> Result<StockLevel, Problem> {
        self.stage.ask(AdjustStock {
            sku: id(sku),
            location_id: Some(id(location)),
            delta,
            adjustment_type,
            reason: None,
            reference: None,
            source: None,
            actor: None,
        })
    }

    pub fn prices(&mut self, order: &str, lines: &[(&str, u32)]) {
        let priced = self.priced(order, lines);
        self.stage.hear(priced);
    }

    pub fn priced(&self, order: &str, lines: &[(&str, u32)]) -> OrderPriced {
        OrderPriced {
            order: summary(order),
            lines: lines.iter().map(|(sku, quantity)| line(sku, *quantity)).collect(),
            deadline: self.stage.now().plus(DEADLINE),
            shipping_address: None,
            billing_address: None,
            reservation_ttl_seconds: None,
        }
    }

    pub fn requests_payment(&mut self, order: &str) {
        let (order, method) = (summary(order), PaymentMethod::External);
        self.stage.hear(PaymentRequested { payment_id: id("payment-1"), order, method });
    }

    pub fn pays(&mut self, order: &str) {
        self.stage.hear(PaymentAuthorized { payment_id: id("payment-1"), order: summary(order), amount_minor: 5_936 });
    }

    pub fn fails_to_pay(&mut self, order: &str) {
        let (order, reason, failed_at) = (summary(order), "declined".into(), self.stage.now());
        self.stage.hear(PaymentFailed { payment_id: id("payment-1"), order, reason, failed_at });
    }

    pub fn rejects(&mut self, order: &str) {
        self.stage.hear(OrderRejected { order: summary(order), ..OrderRejected::sample() });
    }

    pub fn cancels(&mut self, order: &str) {
        let cancelled_by = CancelledBy::Customer;
        self.stage.hear(OrderCancelled { order: summary(order), cancelled_by, ..OrderCancelled::sample() });
    }

    pub fn state(&self, order: &str) -> Option<ReservationState> {
        self.stage.row::<Reservation>(id(order)).map(|claim| claim.state())
    }

    pub fn expires_at(&self, order: &str) -> Timestamp {
        self.stage.row::<Reservation>(id(order)).and_then(|claim| claim.expires_at()).expect("something is or was held")
    }

    pub fn stock(&self, sku: &str, location: &str) -> Stock {
        self.stage.row::<Stock>(row_key(&[sku, location])).expect("the SKU is stocked there")
    }

    /// On hand and reserved, at the main location.
    pub fn counts(&self, sku: &str) -> (i64, i64) {
        let stock = self.stock(sku, "main");
        (stock.on_hand(), stock.reserved())
    }

    /// The changes since the last `clear`: cause, order or type, change of what is on hand.
    pub fn changes(&self) -> Vec<(StockCause, i64)> {
        self.stage.said::<StockChanged>().into_iter().map(|change| (change.cause, change.delta)).collect()
    }

    /// Names of what was said about reservations since the last `clear`.
    pub fn said_of_claims(&self) -> Vec<&'static str> {
        self.stage.said_names().into_iter().filter(|name| name.starts_with("reservation.")).collect()
    }

    /// What the books must say at every moment.
    pub fn audit(&self) {
        assert_eq!(self.stage.dead_letters(), []);
        assert_eq!(self.stage.parked(), []);
        let waiting: Vec<Id> = self.stage.rows::<TimerRow>().into_iter().map(|timer| timer.key).collect();
        let active =
            self.stage.rows::<Reservation>().into_iter().filter(|claim| claim.state() == ReservationState::Active);
        assert_eq!(
            waiting,
            active.map(|claim| claim.order_id().clone()).collect::<Vec<_>>(),
            "each active claim has its timer"
        );
        let mut held: BTreeMap<(Id, Id), i64> = BTreeMap::new();
        for claim in self.stage.rows::<Reservation>() {
            for line in claim.lines().iter().filter(|_| claim.state() == ReservationState::Active) {
                let place = (line.sku.clone(), line.location_id.clone().expect("a claim says from where"));
                *held.entry(place).or_default() += i64::from(line.quantity);
            }
        }
        let mut available: BTreeMap<Id, i64> = BTreeMap::new();
        for stock in self.stage.rows::<Stock>() {
            let holds: RangeInclusive<i64> = 0..=stock.on_hand();
            assert!(holds.contains(&stock.reserved()), "{stock:?}");
            assert_eq!(
                stock.on_hand(),
                stock.received() - stock.committed() + stock.restocked() + stock.adjusted(),
                "{stock:?}"
            );
            let claimed = held.remove(&(stock.sku().clone(), stock.location_id().clone()));
            assert_eq!(stock.reserved(), claimed.unwrap_or(0), "{stock:?}");
            *available.entry(stock.sku().clone()).or_default() += stock.available();
        }
        assert!(held.is_empty(), "claims on stock that is not there: {held:?}");
        for item in self.stage.rows::<StockItem>() {
            assert_eq!(item.available(), available.remove(item.sku()).unwrap_or(0), "{item:?}");
        }
    }

    /// Everything that was ever said about stock, one after another: each event follows from the one before it, also
    /// in its sum over all locations.
    pub fn audit_log(&self) {
        let mut levels: BTreeMap<(Id, Id), StockLevel> = BTreeMap::new();
        let mut versions: BTreeMap<Id, u64> = BTreeMap::new();
        for logged in self.stage.log() {
            let event = logged.envelope.event.as_any();
            let (level, delta) = match (event.downcast_ref::<StockCreated>(), event.downcast_ref::<StockChanged>()) {
                (Some(created), _) => (&created.stock, 0),
                (_, Some(changed)) => (&changed.stock, changed.delta),
                _ => continue,
            };
            let place = (level.sku.clone(), level.location_id.clone());
            let before = levels.insert(place, level.clone());
            assert_eq!(level.on_hand, before.map_or(0, |before| before.on_hand) + delta, "{level:?}");
            assert_eq!(level.available, level.on_hand - level.reserved, "{level:?}");
            let everywhere: i64 =
                levels.iter().filter(|((sku, _), _)| *sku == level.sku).map(|(_, level)| level.available).sum();
            assert_eq!(level.available_everywhere, everywhere, "{level:?}");
            let version = versions.insert(level.sku.clone(), level.version);
            assert_eq!(level.version, version.unwrap_or(0) + 1, "{level:?}");
        }
    }
}

pub fn summary(order: &str) -> Arc<OrderSummary> {
    Arc::new(OrderSummary { order_id: id(order), ..OrderSummary::sample() })
}

pub fn variant(sku: &str) -> Variant {
    Variant { sku: id(sku), variant_id: id(&format!("variant-{sku}")), ..Variant::sample() }
}

pub fn line(sku: &str, quantity: u32) -> Line {
    Line { sku: id(sku), quantity, location_id: None, reservation_id: None, ..Line::sample() }
}

/// SKU, location and quantity of each piece.
pub fn pieces(lines: &Lines) -> Vec<(String, String, u32)> {
    let text = |id: &Id| id.to_string();
    lines
        .iter()
        .map(|line| (text(&line.sku), line.location_id.as_ref().map(text).unwrap_or_default(), line.quantity))
        .collect()
}
