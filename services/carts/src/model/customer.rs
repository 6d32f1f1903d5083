//! The open carts of a customer: what must be found when the customer is gone.

use std::sync::Arc;

use tradewind_engine::{Entity, Problem, Refusal};
use tradewind_events::Id;

use crate::Carts;

/// The most open carts of one customer.
pub const OPEN_CARTS_MAX: usize = 20;

pub const TOO_MANY_CARTS: Refusal =
    Refusal::conflict("too_many_carts", "The customer has as many open carts as one can have.");
pub const CART_CUSTOMER_DELETED: Refusal =
    Refusal::conflict("cart_customer_deleted", "The customer of the cart is gone.");

/// A customer who has or had a cart, or is gone: that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Carts, table = "cart_customer", key = customer_id)]
pub struct Customer {
    customer_id: Id,
    #[column(json)]
    open_carts: Arc<[Id]>,
    deleted: bool,
}

impl Customer {
    pub fn unheard(customer_id: &Id) -> Self {
        Self { customer_id: customer_id.clone(), open_carts: Arc::default(), deleted: false }
    }

    /// A cart of theirs is open from now on.
    pub fn open(&mut self, cart_id: &Id) -> Result<(), Problem> {
        if self.deleted {
            return Err(CART_CUSTOMER_DELETED.problem());
        }
        if self.open_carts.len() >= OPEN_CARTS_MAX {
            return Err(TOO_MANY_CARTS.because(format!("a customer has at most {OPEN_CARTS_MAX} open carts")));
        }
        self.open_carts = self.open_carts.iter().chain([cart_id]).cloned().collect();
        Ok(())
    }

    /// A cart of theirs is not open any more.
    pub fn close(&mut self, cart_id: &Id) {
        self.open_carts = self.open_carts.iter().filter(|other| *other != cart_id).cloned().collect();
    }

    /// They are gone. The carts that were open are given back.
    pub fn delete(&mut self) -> Arc<[Id]> {
        self.deleted = true;
        std::mem::take(&mut self.open_carts)
    }
}
