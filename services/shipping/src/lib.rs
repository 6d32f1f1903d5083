//! Shipping: the one shipment of each order, from allocation to delivery, and where it goes.
//! Not here: from which location goods are claimed (inventory), whether an order stands (orders).

mod commands;
mod model;
mod reactions;

use std::sync::Arc;

use tradewind_engine::{Refusal, Service, Settings, Timer};

pub use commands::{DeliverShipment, DispatchShipment};
pub use model::{
    Customer, CustomerPiece, INVALID_DISPATCH, PIECE_ORDERS_MAX, SHIPMENT_NOT_DISPATCHED, SHIPMENT_NOT_FOUND,
    SHIPMENT_NOT_READY, Shipment, ShipmentState, TEXT_CHARS_MAX,
};

/// Configuration, and the name of the service.
#[derive(Debug, Clone, Default)]
pub struct Shipping {
    /// The countries that we ship to, as addresses write them, in upper or lower case. None: everywhere.
    pub countries: Vec<Arc<str>>,
}

impl Settings for Shipping {
    const SERVICE: &'static str = "shipping";
}

/// Erases a further piece of a deleted customer's addresses; by customer.
const ERASE: Timer<Shipping> = Timer::new("erase");

/// Every reason for which a command is refused here.
pub const PROBLEMS: &[Refusal] = &[INVALID_DISPATCH, SHIPMENT_NOT_DISPATCHED, SHIPMENT_NOT_FOUND, SHIPMENT_NOT_READY];

pub fn service(settings: Shipping) -> Service<Shipping> {
    Service::new(settings)
        .owns::<Shipment>()
        .owns::<Customer>()
        .owns::<CustomerPiece>()
        .command(commands::dispatch)
        .command(commands::deliver)
        .on(reactions::plan) // order.priced
        .on(reactions::allocate) // reservation.made
        .on(reactions::confirm) // order.confirmed
        .on(reactions::capture) // payment.captured
        .on(reactions::recall) // order.cancel_requested
        .on(reactions::release_failed) // payment.failed
        .on(reactions::release_rejected) // order.rejected
        .on(reactions::release_cancelled) // order.cancelled
        .on(reactions::forget_customer) // user.deleted
        .timer(ERASE, reactions::erase)
}
