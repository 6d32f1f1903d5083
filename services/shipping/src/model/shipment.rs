//! The shipment of one order.

use std::sync::Arc;

use tradewind_engine::{Entity, Problem, Refusal, injected};
use tradewind_events::{
    Address, Id, Lines, OrderSummary, TextEnum, Timestamp,
    inventory::ReservationMade,
    orders::OrderPriced,
    shipping::{
        ShipmentAllocated, ShipmentDelivered, ShipmentDispatched, ShipmentReady, ShipmentRefused,
        ShipmentReleaseRefused, ShipmentReleased,
    },
};

use crate::Shipping;

/// The longest name of a carrier or tracking code, in characters.
pub const TEXT_CHARS_MAX: usize = 200;

pub const INVALID_DISPATCH: Refusal =
    Refusal::invalid("invalid_dispatch", "A shipment cannot be dispatched like this.");
pub const SHIPMENT_NOT_FOUND: Refusal = Refusal::not_found("shipment_not_found", "There is no shipment of this order.");
pub const SHIPMENT_NOT_READY: Refusal =
    Refusal::conflict("shipment_not_ready", "Only a shipment that is ready can be dispatched.");
pub const SHIPMENT_NOT_DISPATCHED: Refusal =
    Refusal::conflict("shipment_not_dispatched", "Only a shipment that is on its way can be delivered.");

/// The one shipment of an order.
///
/// The row also keeps what came before the shipment could be allocated, and that an order ended before that.
/// Invariant: goods leave only when paid: what is or was dispatched has been confirmed and captured.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact that may come first, and a column to read")]
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Shipping, table = "shipment", key = order_id)]
pub struct Shipment {
    order_id: Id,
    /// None: nothing was ever allocated.
    shipment_id: Option<Id>,
    #[column(copy)]
    state: ShipmentState,
    #[column(flat)]
    summary: Arc<OrderSummary>,
    /// What is sent, and from which location as soon as that is known.
    lines: Lines,
    /// Where it goes. None: nobody said it, nothing is going there any more, or the customer is deleted.
    address: Option<Arc<Address>>,
    /// The customer is deleted: the address is kept only until the goods have left, or stay for good.
    forget_address: bool,
    /// `order.priced` has been heard.
    priced: bool,
    /// `reservation.made` has been heard.
    #[column(no_accessor)]
    reserved: bool,
    /// `order.confirmed` has been heard.
    confirmed: bool,
    /// `payment.captured` has been heard.
    captured: bool,
    carrier: Option<Arc<str>>,
    tracking: Option<Arc<str>>,
    /// When it came into its state.
    changed_at: Timestamp,
}

/// `allocated → ready → dispatched → delivered`; `allocated | ready → released`; or `refused`; or only `ended`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum ShipmentState {
    /// Something was heard of the order, but not yet all that an allocation needs.
    #[text("unheard")]
    Unheard,
    /// The order ended before anything was allocated.
    #[text("ended")]
    Ended,
    #[text("refused")]
    Refused,
    #[text("allocated")]
    Allocated,
    #[text("ready")]
    Ready,
    #[text("dispatched")]
    Dispatched,
    #[text("delivered")]
    Delivered,
    #[text("released")]
    Released,
}

use ShipmentState::{Allocated, Delivered, Dispatched, Ended, Ready, Refused, Released, Unheard};

impl Shipment {
    /// An order of which nothing was known.
    pub fn unheard(order: &Arc<OrderSummary>, now: Timestamp) -> Self {
        Self {
            order_id: order.order_id.clone(),
            shipment_id: None,
            state: Unheard,
            summary: Arc::clone(order),
            lines: Lines::default(),
            address: None,
            forget_address: false,
            priced: false,
            reserved: false,
            confirmed: false,
            captured: false,
            carrier: None,
            tracking: None,
            changed_at: now,
        }
    }

    /// What the order wants, and where it goes, is not known yet, and nothing has ended it.
    pub fn wants_plan(&self) -> bool {
        self.state == Unheard && !self.priced
    }

    /// The lines of the reservation say from where: they are better than those of the order, whichever came first.
    pub fn plan(&mut self, priced: &OrderPriced) {
        self.priced = true;
        self.summary = Arc::clone(&priced.order);
        self.address.clone_from(&priced.shipping_address);
        if self.lines.is_empty() {
            self.lines = priced.lines.clone();
        }
    }

    /// The customer was deleted before the address came: it is kept only until the goods have left, or stay for good.
    pub fn forget_later(&mut self) {
        self.forget_address = true;
    }

    /// The customer is deleted. Goods that may still leave keep their address until they do: orders ends the order, but
    /// until that is heard nobody must send them nowhere. `false` when nothing changes.
    pub fn forget(&mut self) -> bool {
        if self.address.is_none() {
            return false;
        }
        if matches!(self.state, Unheard | Allocated | Ready) {
            return !std::mem::replace(&mut self.forget_address, true);
        }
        self.address.take().is_some()
    }

    /// The goods are claimed.
    pub fn reserved(&mut self, made: &ReservationMade) {
        if self.state != Unheard || self.reserved {
            return;
        }
        self.reserved = true;
        if !made.lines.is_empty() {
            self.lines = made.lines.clone();
        }
    }

    /// `reservation.made` has been heard.
    pub fn is_reserved(&self) -> bool {
        self.reserved
    }

    /// The order stands.
    pub fn order_confirmed(&mut self) {
        self.confirmed = true;
    }

    /// The money is taken.
    pub fn payment_captured(&mut self) {
        self.captured = true;
    }

    /// All that an allocation needs has been heard.
    pub fn is_planned(&self) -> bool {
        self.state == Unheard && self.priced && self.reserved
    }

    pub fn allocate(&mut self, shipment_id: Id, now: Timestamp) -> ShipmentAllocated {
        self.enter(Allocated, now);
        self.shipment_id = Some(shipment_id.clone());
        ShipmentAllocated { shipment_id, order: Arc::clone(&self.summary), lines: self.lines.clone() }
    }

    pub fn refuse(&mut self, reason: &str, now: Timestamp) -> ShipmentRefused {
        self.enter(Refused, now);
        ShipmentRefused { order: Arc::clone(&self.summary), lines: self.lines.clone(), reason: reason.into() }
    }

    /// The order stands and is paid for: the goods may leave.
    pub fn make_ready(&mut self, now: Timestamp) -> Option<ShipmentReady> {
        let shipment_id = self.shipment_id.clone()?;
        if self.state != Allocated || !self.confirmed || !self.captured {
            return None;
        }
        self.enter(Ready, now);
        Some(ShipmentReady { shipment_id, order: Arc::clone(&self.summary) })
    }

    /// Orders asks whether the goods can stay. Every question is answered: they can, also when nothing was or will be
    /// sent (`new_id` names the shipment that never was), until they have left.
    pub fn recall(
        &mut self,
        new_id: impl FnOnce() -> Id,
        reason: &str,
        now: Timestamp,
    ) -> Result<ShipmentReleased, ShipmentReleaseRefused> {
        let shipment_id = self.shipment_id.get_or_insert_with(new_id).clone();
        let order = Arc::clone(&self.summary);
        match self.state {
            Dispatched | Delivered => {
                Err(ShipmentReleaseRefused { shipment_id, order, reason: "already_dispatched".into() })
            }
            Unheard | Ended | Refused | Allocated | Ready | Released => {
                if self.state != Released {
                    self.enter(Released, now);
                }
                Ok(ShipmentReleased { shipment_id, order, lines: self.lines.clone(), reason: reason.into() })
            }
        }
    }

    /// The order has ended: the goods stay, unless they have left.
    pub fn ended(&mut self, reason: &str, now: Timestamp) -> Option<ShipmentReleased> {
        match (self.state, self.shipment_id.clone()) {
            (Unheard, _) if injected("end-forgotten") => None,
            (Unheard, _) => {
                self.enter(Ended, now);
                None
            }
            (Allocated | Ready, Some(shipment_id)) => {
                self.enter(Released, now);
                let (order, lines) = (Arc::clone(&self.summary), self.lines.clone());
                Some(ShipmentReleased { shipment_id, order, lines, reason: reason.into() })
            }
            _ => None,
        }
    }

    /// The goods leave.
    pub fn dispatch(
        &mut self,
        carrier: Option<Arc<str>>,
        tracking: Option<Arc<str>>,
        now: Timestamp,
    ) -> Result<ShipmentDispatched, Problem> {
        for (field, text) in [("carrier", &carrier), ("tracking", &tracking)] {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.chars().count() > TEXT_CHARS_MAX) {
                return Err(INVALID_DISPATCH.because(format!("1 to {TEXT_CHARS_MAX} characters")).at(field));
            }
        }
        let shipment_id = self.in_state(Ready, SHIPMENT_NOT_READY)?;
        self.enter(Dispatched, now);
        (self.carrier, self.tracking) = (carrier.clone(), tracking.clone());
        let (order, lines) = (Arc::clone(&self.summary), self.lines.clone());
        Ok(ShipmentDispatched { shipment_id, order, lines, carrier, tracking })
    }

    /// The goods have arrived.
    pub fn deliver(&mut self, now: Timestamp) -> Result<ShipmentDelivered, Problem> {
        let shipment_id = self.in_state(Dispatched, SHIPMENT_NOT_DISPATCHED)?;
        self.enter(Delivered, now);
        Ok(ShipmentDelivered { shipment_id, order: Arc::clone(&self.summary) })
    }

    fn in_state(&self, state: ShipmentState, refusal: Refusal) -> Result<Id, Problem> {
        let no_shipment = || SHIPMENT_NOT_FOUND.because(format!("nothing is allocated for order {}", self.order_id));
        let shipment_id = self.shipment_id.clone().ok_or_else(no_shipment)?;
        if self.state == state {
            return Ok(shipment_id);
        }
        Err(refusal.because(format!("the shipment of order {} is {}", self.order_id, self.state)))
    }

    /// Where nothing goes any more is not kept, nor where the goods of a deleted customer went.
    fn enter(&mut self, state: ShipmentState, now: Timestamp) {
        self.state = state;
        self.changed_at = now;
        let has_left = matches!(state, Dispatched | Delivered);
        if matches!(state, Ended | Refused | Released) || (has_left && self.forget_address) {
            self.address = None;
        }
    }
}
