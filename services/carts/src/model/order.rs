//! The orders that carts has heard of: each counts once, and one that ended before it was heard of is not counted.

use tradewind_engine::Entity;
use tradewind_events::{Id, TextEnum};

use crate::Carts;

/// An order that was placed from a cart.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Carts, table = "cart_order", key = order_id)]
pub struct CartOrder {
    order_id: Id,
    cart_id: Id,
    #[column(copy)]
    state: CartOrderState,
}

impl CartOrder {
    pub fn placed(order_id: Id, cart_id: Id) -> Self {
        Self { order_id, cart_id, state: CartOrderState::Placed }
    }

    pub fn rejected(order_id: Id, cart_id: Id) -> Self {
        Self { order_id, cart_id, state: CartOrderState::Rejected }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum CartOrderState {
    #[text("placed")]
    Placed,
    /// Final; perhaps heard before `placed`.
    #[text("rejected")]
    Rejected,
}
