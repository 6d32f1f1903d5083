//! What inventory keeps, and the only ways in which it changes. A transition returns its events or a refusal; pure.

mod goods;
mod reservation;
mod shelves;
mod stock;

pub use goods::{
    ArchivedProduct, INVALID_LOCATION, LOCATION_EXISTS, LOCATION_NOT_FOUND, LOCATIONS_PER_SKU_MAX, Location,
    MAIN_LOCATION, MAIN_PRIORITY, NAME_CHARS_MAX, StockItem, TOO_MANY_LOCATIONS,
};
pub use reservation::{Claim, Ended, Reservation, ReservationState, ttl_of};
pub use shelves::{Bounds, LINE_PIECES_MAX, Refused, Shelves, allocate, insufficient};
pub use stock::{
    INVALID_ADJUSTMENT, INVALID_THRESHOLDS, ON_HAND_MAX, STOCK_NOT_FOUND, STOCK_RESERVED, STOCK_TOO_LOW, Stock,
    TEXT_CHARS_MAX, Thresholds,
};
