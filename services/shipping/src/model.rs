//! What shipping keeps, and the only ways in which it changes. A transition returns its event or a refusal; pure.

mod customer;
mod shipment;

pub use customer::{Customer, CustomerPiece, PIECE_ORDERS_MAX};
pub use shipment::{
    INVALID_DISPATCH, SHIPMENT_NOT_DISPATCHED, SHIPMENT_NOT_FOUND, SHIPMENT_NOT_READY, Shipment, ShipmentState,
    TEXT_CHARS_MAX,
};
