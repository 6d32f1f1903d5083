//! A shop in which every service but orders is played by the test.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use tradewind_engine::Problem;
use tradewind_events::{
    Address, Event, Line, Lines, OrderSummary, PaymentMethod, Timestamp,
    catalog::{QuoteIssued, QuoteRefused},
    id,
    inventory::{
        ReservationCommitRefused, ReservationCommitted, ReservationExpired, ReservationMade, ReservationRefusal,
        ReservationRefused, ReservationReleased, ReservationRestocked,
    },
    payments::{
        PaymentAuthorized, PaymentCaptureFailed, PaymentCaptured, PaymentFailed, PaymentRefundFailed, PaymentRefunded,
        PaymentRequested, PaymentVoided,
    },
    row_key,
    shipping::{
        ShipmentAllocated, ShipmentDelivered, ShipmentDispatched, ShipmentReady, ShipmentRefused,
        ShipmentReleaseRefused, ShipmentReleased,
    },
};
use tradewind_orders::{
    Basket, CancelAccepted, CancelOrder, Order, OrderAccepted, OrderState, Orders, PlaceOrder, PlacedBy, service,
};
use tradewind_testkit::Stage;

/// What another service does in an order, as its event.
pub type Part = fn(&mut World);

pub const TOTAL_MINOR: i64 = 2_300;

pub struct World {
    stage: Stage,
    /// How many messages this test means to be dead letters.
    dead: usize,
}

impl Deref for World {
    type Target = Stage;
    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Stage {
        &mut self.stage
    }
}

/// A test that passes has left nothing undone.
impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.stage.dead_letters().len(), self.dead);
            assert_eq!(self.stage.parked(), []);
        }
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(Orders::default())
    }

    pub fn with(settings: Orders) -> Self {
        Self { stage: Stage::new([service(settings).into()]), dead: 0 }
    }

    /// Where shipping takes nothing back.
    pub fn without_recall() -> Self {
        Self::with(Orders { shipping_can_recall: false, ..Orders::default() })
    }

    /// With `order-1` in this state, and nothing said yet.
    pub fn at(state: OrderState) -> Self {
        let mut world = Self::new();
        world.bring_to(state);
        world
    }

    /// Places `order-1` and has everybody do their part up to this state.
    pub fn bring_to(&mut self, state: OrderState) {
        self.place(order_one()).expect("it can be placed");
        let parts: [(OrderState, Part); 6] = [
            (OrderState::Placed, quoted),
            (OrderState::Priced, |world| {
                reserved(world);
                allocated(world);
            }),
            (OrderState::Validated, authorized),
            (OrderState::Paid, committed),
            (OrderState::Confirmed, |world| {
                captured(world);
                ready(world);
                dispatched(world);
            }),
            (OrderState::Dispatched, delivered),
        ];
        for (reached, part) in parts {
            if self.state() == state {
                break;
            }
            if reached == OrderState::Confirmed && state == OrderState::Cancelling {
                self.cancel_as_customer().expect("it can be asked for");
                break;
            }
            part(self);
        }
        assert_eq!(self.state(), state);
        self.clear();
    }

    pub fn place(&mut self, place: PlaceOrder) -> Result<OrderAccepted, Problem> {
        self.ask(place)
    }

    pub fn cancel(&mut self, customer: Option<&str>) -> Result<CancelAccepted, Problem> {
        self.ask(CancelOrder { order_id: id("order-1"), customer: customer.map(id), reason: None })
    }

    pub fn cancel_as_customer(&mut self) -> Result<CancelAccepted, Problem> {
        self.cancel(Some("user-1"))
    }

    pub fn cancel_as_operator(&mut self) -> Result<CancelAccepted, Problem> {
        self.cancel(None)
    }

    pub fn order(&self) -> Order {
        self.row(row_key(&["order-1"])).expect("order-1 is there")
    }

    pub fn state(&self) -> OrderState {
        self.order().state()
    }

    /// Why the message that has just died did.
    pub fn last_dead(&mut self) -> String {
        self.dead += 1;
        let letters = self.dead_letters();
        assert_eq!(letters.len(), self.dead);
        letters[self.dead - 1].reason.to_string()
    }

    /// The one event of a type that was said.
    pub fn only<E: Event + Clone>(&self) -> E {
        let mut said = self.said::<E>();
        assert_eq!(said.len(), 1, "{said:?}");
        said.remove(0)
    }
}

pub fn line(sku: &str, quantity: u32, unit_price_minor: Option<i64>) -> Line {
    let product_id = id(&format!("product-of-{sku}"));
    Line { product_id, sku: id(sku), quantity, unit_price_minor, location_id: None, reservation_id: None }
}

pub fn lines() -> Lines {
    vec![line("SKU-1", 2, None), line("SKU-2", 1, None)].into()
}

pub fn priced_lines() -> Lines {
    vec![line("SKU-1", 2, Some(1_000)), line("SKU-2", 1, Some(250))].into()
}

pub fn address(city: &str) -> Arc<Address> {
    let text = |text: &str| text.to_owned().into();
    Arc::new(Address {
        street: text("Main Street 1"),
        city: text(city),
        state: None,
        zip: text("1000"),
        country: text("DE"),
    })
}

/// An order of `user-1` for these lines.
pub fn order_of(lines: Lines) -> PlaceOrder {
    PlaceOrder {
        by: PlacedBy::Shop,
        customer_id: id("user-1"),
        basket: Basket::Lines { order_id: None, currency: None, lines },
        payment_method: PaymentMethod::Card,
        shipping_address: Some(address("Riga")),
        billing_address: None,
        reservation_ttl_seconds: None,
    }
}

/// An order named `order-1`.
pub fn order_one() -> PlaceOrder {
    PlaceOrder {
        basket: Basket::Lines { order_id: Some(id("order-1")), currency: None, lines: lines() },
        ..order_of(lines())
    }
}

/// What rides along in every event about `order-1`.
pub fn summary() -> Arc<OrderSummary> {
    Arc::new(OrderSummary {
        order_id: id("order-1"),
        customer_id: id("user-1"),
        currency: "EUR".parse().expect("EUR is a currency"),
        items_total_minor: Some(2_250),
        discount_minor: Some(100),
        shipping_minor: Some(50),
        tax_minor: Some(100),
        total_minor: Some(TOTAL_MINOR),
        payment_method: PaymentMethod::Card,
        cart_id: None,
    })
}

pub fn noon() -> Timestamp {
    Timestamp::from_millis(1_769_860_800_000)
}

pub fn quoted(world: &mut World) {
    world.hear(QuoteIssued { order: summary(), lines: priced_lines() });
}

pub fn quote_refused(world: &mut World) {
    world.hear(QuoteRefused { order: summary(), unavailable: [].into(), changed: [].into() });
}

pub fn reserved(world: &mut World) {
    let reservation_id = id("reservation-1");
    world.hear(ReservationMade { reservation_id, order: summary(), lines: lines(), expires_at: noon() });
}

pub fn reservation_refused(world: &mut World) {
    let reason = ReservationRefusal::Insufficient;
    world.hear(ReservationRefused { order: summary(), reason, insufficient: [].into() });
}

pub fn committed(world: &mut World) {
    world.hear(ReservationCommitted { reservation_id: id("reservation-1"), order: summary(), lines: lines() });
}

pub fn commit_refused(world: &mut World) {
    world.hear(ReservationCommitRefused { reservation_id: None, order: summary(), reason: "expired".into() });
}

pub fn stock_released(world: &mut World) {
    let reservation_id = id("reservation-1");
    world.hear(ReservationReleased { reservation_id, order: summary(), lines: lines(), reason: "released".into() });
}

pub fn stock_expired(world: &mut World) {
    let reservation_id = id("reservation-1");
    world.hear(ReservationExpired { reservation_id, order: summary(), lines: lines(), expires_at: noon() });
}

pub fn restocked(world: &mut World) {
    let reservation_id = id("reservation-1");
    world.hear(ReservationRestocked { reservation_id, order: summary(), lines: lines(), reason: "ended".into() });
}

pub fn allocated(world: &mut World) {
    world.hear(ShipmentAllocated { shipment_id: id("shipment-1"), order: summary(), lines: lines() });
}

pub fn shipment_refused(world: &mut World) {
    world.hear(ShipmentRefused { order: summary(), lines: lines(), reason: "no_address".into() });
}

pub fn ready(world: &mut World) {
    world.hear(ShipmentReady { shipment_id: id("shipment-1"), order: summary() });
}

pub fn shipment_released(world: &mut World) {
    let shipment_id = id("shipment-1");
    world.hear(ShipmentReleased { shipment_id, order: summary(), lines: lines(), reason: "lost_parcel".into() });
}

pub fn release_refused(world: &mut World) {
    let shipment_id = id("shipment-1");
    world.hear(ShipmentReleaseRefused { shipment_id, order: summary(), reason: "already_dispatched".into() });
}

pub fn dispatched(world: &mut World) {
    let shipment_id = id("shipment-1");
    world.hear(ShipmentDispatched { shipment_id, order: summary(), lines: lines(), carrier: None, tracking: None });
}

pub fn delivered(world: &mut World) {
    world.hear(ShipmentDelivered { shipment_id: id("shipment-1"), order: summary() });
}

pub fn payment_requested(world: &mut World) {
    let method = PaymentMethod::External;
    world.hear(PaymentRequested { payment_id: id("payment-1"), order: summary(), method });
}

pub fn authorized(world: &mut World) {
    world.hear(PaymentAuthorized { payment_id: id("payment-1"), order: summary(), amount_minor: TOTAL_MINOR });
}

pub fn payment_failed(world: &mut World) {
    let payment_id = id("payment-1");
    world.hear(PaymentFailed { payment_id, order: summary(), reason: "declined".into(), failed_at: noon() });
}

pub fn captured(world: &mut World) {
    let payment_id = id("payment-1");
    world.hear(PaymentCaptured { payment_id, order: summary(), amount_minor: TOTAL_MINOR, captured_at: noon() });
}

pub fn capture_failed(world: &mut World) {
    let payment_id = id("payment-1");
    world.hear(PaymentCaptureFailed { payment_id, order: summary(), reason: "capture_declined".into() });
}

pub fn voided(world: &mut World) {
    world.hear(PaymentVoided { payment_id: id("payment-1"), order: summary(), amount_minor: TOTAL_MINOR });
}

pub fn refunded(world: &mut World, refund_id: &str, amount_minor: i64) {
    let (payment_id, refund_id) = (id("payment-1"), id(refund_id));
    let reason = "order_cancelled".into();
    world.hear(PaymentRefunded { payment_id, refund_id, order: summary(), amount_minor, reason });
}

pub fn refund_failed(world: &mut World, reference: Option<&str>) {
    let reference = reference.map(Into::into);
    world.hear(PaymentRefundFailed {
        payment_id: id("payment-1"),
        refund_id: None,
        reference,
        order: summary(),
        amount_minor: TOTAL_MINOR,
        reason: "refused".into(),
    });
}
