//! The orders that carts has heard of: each counts once, and one that ended before it was heard of is not counted.

use tradewind_engine::Entity;
use tradewind_events::{Id, TextEnum};

use crate::Carts;

/// An order that was placed from a cart.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Carts, table = "cart_order", key = order_id)]
pub struct CartOrder {
    pub order_id: Id,
    pub cart_id: Id,
    pub state: CartOrderState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum CartOrderState {
    #[text("placed")]
    Placed,
    /// Final; perhaps heard before `placed`.
    #[text("rejected")]
    Rejected,
}
