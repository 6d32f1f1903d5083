//! The world of these tests: a shop whose shipping is the real one, and whose other services are played.

use std::sync::Arc;

use tradewind_engine::Problem;
use tradewind_events::{
    Address, CancelledBy, Line, Lines, OrderSummary, id,
    identity::UserDeleted,
    inventory::ReservationMade,
    orders::{OrderCancelRequested, OrderCancelled, OrderConfirmed, OrderPriced, OrderRejected},
    payments::{PaymentCaptured, PaymentFailed},
    row_key,
    samples::Sample,
};
use tradewind_shipping::{DeliverShipment, DispatchShipment, Shipment, ShipmentState, Shipping, service};
use tradewind_testkit::Stage;

/// Whatever an order can hear, and what can be asked of its shipment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fact {
    Priced,
    Reserved,
    Confirmed,
    Captured,
    CancelRequested,
    PaymentFailed,
    Rejected,
    Cancelled,
    Dispatch,
    Deliver,
}

pub struct World {
    pub stage: Stage,
}

impl World {
    pub fn new() -> Self {
        Self::with(Shipping::default())
    }

    pub fn with(settings: Shipping) -> Self {
        Self { stage: Stage::new([service(settings).into()]) }
    }

    /// Tells order-1 a fact, or asks for its shipment; `Err` with the code of a refusal.
    pub fn tell(&mut self, fact: Fact) -> Result<(), &'static str> {
        let order = summary("order-1");
        match fact {
            Fact::Priced => self.stage.hear(priced("order-1")),
            Fact::Reserved => self.stage.hear(reserved("order-1")),
            Fact::Confirmed => self.stage.hear(OrderConfirmed { order, ..OrderConfirmed::sample() }),
            Fact::Captured => self.stage.hear(PaymentCaptured { order, ..PaymentCaptured::sample() }),
            Fact::CancelRequested => {
                let requested_by = CancelledBy::Customer;
                self.stage.hear(OrderCancelRequested { order, requested_by, reason: "changed my mind".into() })
            }
            Fact::PaymentFailed => self.stage.hear(PaymentFailed { order, ..PaymentFailed::sample() }),
            Fact::Rejected => self.stage.hear(OrderRejected { order, ..OrderRejected::sample() }),
            Fact::Cancelled => self.stage.hear(OrderCancelled { order, ..OrderCancelled::sample() }),
            Fact::Dispatch => {
                return self.dispatches(Some("DHL"), Some("JD014")).map(drop).map_err(|problem| problem.code());
            }
            Fact::Deliver => {
                let deliver = DeliverShipment { order_id: id("order-1") };
                return self.stage.ask(deliver).map(drop).map_err(|problem| problem.code());
            }
        };
        Ok(())
    }

    /// What order-1 has been told or asked, one after the other, each with success.
    pub fn after(facts: &[Fact]) -> Self {
        let mut world = Self::new();
        for fact in facts {
            world.tell(*fact).expect("what leads to a state succeeds");
        }
        world.stage.clear();
        world
    }

    pub fn dispatches(&mut self, carrier: Option<&str>, tracking: Option<&str>) -> Result<Shipment, Problem> {
        let (carrier, tracking) = (carrier.map(Arc::from), tracking.map(Arc::from));
        self.stage.ask(DispatchShipment { order_id: id("order-1"), carrier, tracking })
    }

    pub fn deletes(&mut self, customer: &str) {
        self.stage.hear(UserDeleted { user_id: id(customer), email: "ada@example.org".to_owned().into() });
    }

    pub fn shipment(&self, order: &str) -> Shipment {
        self.stage.row::<Shipment>(row_key(&[order])).expect("something was heard of the order")
    }

    pub fn state(&self, order: &str) -> ShipmentState {
        self.shipment(order).state()
    }

    /// What the books must say at every moment.
    pub fn audit(&self) {
        assert_eq!(self.stage.dead_letters(), []);
        assert_eq!(self.stage.parked(), []);
        for shipment in self.stage.rows::<Shipment>() {
            use ShipmentState::{Delivered, Dispatched, Ended, Ready, Refused, Released, Unheard};
            let left = matches!(shipment.state(), Ready | Dispatched | Delivered);
            let planned = shipment.priced() && shipment.is_reserved();
            assert!(!left || (planned && shipment.confirmed() && shipment.captured()), "{shipment:?}");
            let never = matches!(shipment.state(), Unheard | Ended | Refused);
            assert_eq!(shipment.shipment_id().is_none(), never, "{shipment:?}");
            let stays = matches!(shipment.state(), Ended | Refused | Released);
            let forgotten = shipment.forget_address() && matches!(shipment.state(), Dispatched | Delivered);
            assert!(!(stays || forgotten) || shipment.address().is_none(), "{shipment:?}");
        }
    }
}

pub fn summary(order: &str) -> Arc<OrderSummary> {
    Arc::new(OrderSummary { order_id: id(order), ..OrderSummary::sample() })
}

pub fn priced(order: &str) -> OrderPriced {
    OrderPriced {
        order: summary(order),
        lines: lines(None),
        shipping_address: Some(address("DE")),
        ..OrderPriced::sample()
    }
}

pub fn reserved(order: &str) -> ReservationMade {
    ReservationMade { order: summary(order), lines: lines(Some("north")), ..ReservationMade::sample() }
}

pub fn address(country: &str) -> Arc<Address> {
    Arc::new(Address { country: country.to_owned().into(), ..Address::sample() })
}

pub fn lines(location: Option<&str>) -> Lines {
    [Line { location_id: location.map(id), reservation_id: None, ..Line::sample() }].into_iter().collect()
}
