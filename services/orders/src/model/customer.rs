//! Which orders of a customer hold something personal, for the day when that must go, and which are unpaid. In pieces
//! of bounded size.

use std::sync::Arc;

use tradewind_engine::Entity;
use tradewind_events::{Id, KeyText, Timestamp};

use crate::Orders;

/// How many orders of a customer one row lists at most. The row is written with each of them, so it stays small.
pub const ORDERS_A_PIECE_MAX: usize = 20;

/// A customer's latest orders that hold something personal; the ones before stand in full pieces.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Orders, table = "order_customer", key = customer_id)]
pub struct Customer {
    customer_id: Id,
    #[column(json)]
    order_ids: Arc<[Id]>,
    /// How many full pieces there are, numbered from 1.
    pieces: u32,
    /// Orders that the customer placed and that somebody outside has to pay; some may be paid or ended by now.
    #[column(json)]
    unpaid: Arc<[Id]>,
    /// Nothing personal of theirs is kept, and they place nothing, from then on.
    deleted_at: Option<Timestamp>,
}

/// A full list of a customer's orders.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Orders, table = "order_customer_piece", key = (customer_id, piece), transient)]
pub struct CustomerPiece {
    customer_id: Id,
    /// Its number, in decimal.
    piece: KeyText,
    #[column(json)]
    order_ids: Arc<[Id]>,
}

impl Customer {
    pub fn new(customer_id: &Id) -> Self {
        Self {
            customer_id: customer_id.clone(),
            order_ids: Arc::from([]),
            pieces: 0,
            unpaid: Arc::from([]),
            deleted_at: None,
        }
    }

    /// Lists one more order. When the list is full, what it held becomes a piece.
    pub fn add(&mut self, order_id: &Id) -> Option<CustomerPiece> {
        let full = (self.order_ids.len() >= ORDERS_A_PIECE_MAX).then(|| {
            self.pieces += 1;
            let order_ids = std::mem::replace(&mut self.order_ids, Arc::from([]));
            CustomerPiece { customer_id: self.customer_id.clone(), piece: self.last_piece(), order_ids }
        });
        self.order_ids = self.order_ids.iter().chain([order_id]).cloned().collect();
        full
    }

    /// The customer is gone: the orders of the list, to be erased. `None` when that was heard before.
    pub fn delete(&mut self, now: Timestamp) -> Option<Arc<[Id]>> {
        if self.deleted_at.is_some() {
            return None;
        }
        self.deleted_at = Some(now);
        Some(std::mem::replace(&mut self.order_ids, Arc::from([])))
    }

    /// Lists one more order that is to be paid.
    pub fn add_unpaid(&mut self, order_id: &Id) {
        self.unpaid = self.unpaid.iter().chain([order_id]).cloned().collect();
    }

    /// Some of the unpaid orders have been paid or ended: these are left.
    pub fn keep_unpaid(&mut self, left: impl Iterator<Item = Id>) {
        self.unpaid = left.collect();
    }

    /// Takes some of the unpaid orders off their list, at most a piece of them.
    pub fn take_unpaid(&mut self) -> Arc<[Id]> {
        let (first, rest) = self.unpaid.split_at(self.unpaid.len().min(ORDERS_A_PIECE_MAX));
        let (first, rest) = (first.into(), rest.into());
        self.unpaid = rest;
        first
    }

    /// Orders are listed, and those of a deleted customer are to be let go.
    pub fn has_more(&self) -> bool {
        self.pieces > 0 || !self.unpaid.is_empty()
    }

    /// What the last full piece listed has been erased.
    pub fn drop_piece(&mut self) {
        self.pieces -= 1;
    }

    /// The number of the last full piece.
    pub fn last_piece(&self) -> KeyText {
        self.pieces.into()
    }
}
