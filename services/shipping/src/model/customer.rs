//! Which orders carry an address of a customer, so that a deleted customer's addresses are found.

use std::sync::Arc;

use tradewind_engine::Entity;
use tradewind_events::Id;

use crate::Shipping;

/// So many orders are named by one row, and so many addresses are erased by one message. The row is written with each order
/// that has an address, so it stays small.
pub const PIECE_ORDERS_MAX: usize = 20;

/// A customer whose addresses are or were kept. The latest orders stand here, earlier ones in pieces.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Shipping, table = "shipping_customer", key = customer_id)]
pub struct Customer {
    customer_id: Id,
    /// No address of theirs is kept any more.
    deleted: bool,
    #[column(json)]
    orders: Arc<[Id]>,
    /// How many pieces there are; they are numbered from 0.
    pieces: u32,
}

/// A full list of earlier orders of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Shipping, table = "shipping_customer_piece", key = (customer_id, piece))]
pub struct CustomerPiece {
    customer_id: Id,
    /// Its number, in decimal.
    piece: Id,
    #[column(json)]
    orders: Arc<[Id]>,
}

impl Customer {
    pub fn new(customer_id: Id) -> Self {
        Self { customer_id, deleted: false, orders: Arc::from([]), pieces: 0 }
    }

    /// Remembers an order. When the list was full, the piece that it becomes.
    pub fn add(&mut self, order_id: Id) -> Option<CustomerPiece> {
        let mut full = None;
        if self.orders.len() >= PIECE_ORDERS_MAX {
            let orders = std::mem::replace(&mut self.orders, Arc::from([]));
            full = Some(CustomerPiece { customer_id: self.customer_id.clone(), piece: number(self.pieces), orders });
            self.pieces += 1;
        }
        self.orders = self.orders.iter().cloned().chain([order_id]).collect();
        full
    }

    /// The customer is deleted: the orders whose addresses are to be erased first.
    pub fn delete(&mut self) -> Arc<[Id]> {
        self.deleted = true;
        std::mem::replace(&mut self.orders, Arc::from([]))
    }

    /// Takes the last piece off; the number under which it stands.
    pub fn take_piece(&mut self) -> Option<Id> {
        self.pieces = self.pieces.checked_sub(1)?;
        Some(number(self.pieces))
    }
}

fn number(piece: u32) -> Id {
    tradewind_events::id(&piece.to_string())
}
