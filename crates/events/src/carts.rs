//! Events of carts.

use serde::{Deserialize, Serialize};

use crate::{Event, Id};

/// The cart was handed over as an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("cart.checked_out", version = 1, about = cart(cart_id), key = cart_id, party = customer_id)]
pub struct CartCheckedOut {
    pub cart_id: Id,
    pub order_id: Id,
    pub customer_id: Id,
}

/// The customer deleted the cart, or whoever knew the id of an anonymous one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("cart.deleted", version = 1, about = cart(cart_id), key = cart_id)]
pub struct CartDeleted {
    pub cart_id: Id,
}

/// Nobody touched the cart for too long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("cart.expired", version = 1, about = cart(cart_id), key = cart_id)]
pub struct CartExpired {
    pub cart_id: Id,
}
