//! The order's row: the set of facts heard of it, and what it is because of them. Pure.
//!
//! `place` makes one, `hear` takes a fact in, `steps` go forward, `end` has the ways out, `owed` says what is to come.

mod customer;
mod end;
mod hear;
mod owed;
mod place;
mod quote;
mod steps;

use std::sync::Arc;

use tradewind_engine::{Entity, Refusal};
use tradewind_events::{Address, CancelledBy, Id, Lines, OrderSummary, TextEnum, Timestamp};

use crate::Orders;

pub use customer::{Customer, CustomerPiece, ORDERS_A_PIECE_MAX};
pub use hear::{Fact, Lost};
pub use owed::{Step, owed_step};
pub use place::{ADDRESS_FIELD_CHARS_MAX, NewOrder, RESERVATION_TTL_SECONDS_MAX};
pub use quote::Quote;

/// The longest reason that somebody may give for a cancellation, in characters.
pub const CANCEL_REASON_CHARS_MAX: usize = 200;

/// One order, with every fact heard of it and when.
///
/// Each fact is taken once, in whatever order they come; the state is what the set of them makes it. Received of before
/// it was placed, the row keeps the facts as `unheard`.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Orders, table = "order", key = order_id)]
pub struct Order {
    order_id: Id,
    #[column(copy)]
    state: OrderState,
    #[column(flat)]
    summary: Arc<OrderSummary>,
    lines: Lines,
    shipping_address: Option<Arc<Address>>,
    billing_address: Option<Arc<Address>>,
    reservation_ttl_seconds: Option<u32>,
    /// Of the signed cart that it was placed from.
    cart_version: Option<u64>,
    /// Of the request that placed it; none: it was not placed yet, or what is personal in it was erased.
    fingerprint: Option<Arc<str>>,
    placed_at: Timestamp,
    deadline_at: Timestamp,

    quoted_at: Option<Timestamp>,

    reservation_id: Option<Id>,
    reserved_at: Option<Timestamp>,
    committed_at: Option<Timestamp>,
    /// Inventory holds nothing for it any more.
    stock_freed_at: Option<Timestamp>,

    shipment_id: Option<Id>,
    allocated_at: Option<Timestamp>,
    ready_at: Option<Timestamp>,
    dispatched_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
    /// Shipping holds nothing for it any more.
    shipment_freed_at: Option<Timestamp>,
    /// Shipping has answered that the goods are gone.
    release_refused_at: Option<Timestamp>,

    payment_id: Option<Id>,
    /// Somebody outside was asked for the money.
    payment_requested_at: Option<Timestamp>,
    authorized_at: Option<Timestamp>,
    /// In minor units, as all amounts.
    authorized_minor: Option<i64>,
    captured_at: Option<Timestamp>,
    voided_at: Option<Timestamp>,
    /// The last refund.
    refunded_at: Option<Timestamp>,
    refunded_minor: i64,
    /// Payments could not give money back; an operator has to.
    refund_failed_at: Option<Timestamp>,

    /// The check that was lost last.
    #[column(copy)]
    lost: Option<Lost>,
    lost_reason: Option<Arc<str>>,
    /// Who cancelled it, or asked shipping to stop it.
    #[column(copy)]
    cancel_by: Option<CancelledBy>,
    cancel_reason: Option<Arc<str>>,
    /// When it was completed, rejected or cancelled.
    final_at: Option<Timestamp>,
    /// Since when another service owes the next step; none while it waits for people, for parcels or for nobody.
    waits_since: Option<Timestamp>,
}

/// `placed → priced → validated → paid → confirmed → dispatched → completed`; `confirmed | dispatched ⇄ cancelling`;
/// `confirmed | cancelling → cancelled`; before `confirmed` → `rejected | cancelled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum OrderState {
    /// Facts came, but nobody has placed it here.
    #[text("unheard")]
    Unheard,
    #[text("placed")]
    Placed,
    /// Its prices are final.
    #[text("priced")]
    Priced,
    /// Stock is reserved and the shipment allocated.
    #[text("validated")]
    Validated,
    /// The money is held.
    #[text("paid")]
    Paid,
    /// It stands: the stock is sold too.
    #[text("confirmed")]
    Confirmed,
    #[text("dispatched")]
    Dispatched,
    /// Shipping was asked to stop it.
    #[text("cancelling")]
    Cancelling,
    #[text("completed")]
    Completed,
    #[text("rejected")]
    Rejected,
    #[text("cancelled")]
    Cancelled,
}

impl OrderState {
    /// Placed and not yet confirmed: a lost check, the deadline or a wish ends it at once.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Placed | Self::Priced | Self::Validated | Self::Paid)
    }

    /// Confirmed, and not final: only shipping can end it.
    pub const fn stands(self) -> bool {
        matches!(self, Self::Confirmed | Self::Dispatched | Self::Cancelling)
    }

    /// It has ended without goods for money.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Rejected | Self::Cancelled)
    }

    /// It has its one outcome, and never leaves it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed) || self.has_ended()
    }
}

impl Order {
    /// A row for an order of which something was heard before it was placed.
    pub fn unheard(summary: &Arc<OrderSummary>, now: Timestamp) -> Self {
        Self {
            order_id: summary.order_id.clone(),
            state: OrderState::Unheard,
            summary: Arc::clone(summary),
            lines: Lines::default(),
            shipping_address: None,
            billing_address: None,
            reservation_ttl_seconds: None,
            cart_version: None,
            fingerprint: None,
            placed_at: now,
            deadline_at: now,
            quoted_at: None,
            reservation_id: None,
            reserved_at: None,
            committed_at: None,
            stock_freed_at: None,
            shipment_id: None,
            allocated_at: None,
            ready_at: None,
            dispatched_at: None,
            delivered_at: None,
            shipment_freed_at: None,
            release_refused_at: None,
            payment_id: None,
            payment_requested_at: None,
            authorized_at: None,
            authorized_minor: None,
            captured_at: None,
            voided_at: None,
            refunded_at: None,
            refunded_minor: 0,
            refund_failed_at: None,
            lost: None,
            lost_reason: None,
            cancel_by: None,
            cancel_reason: None,
            final_at: None,
            waits_since: None,
        }
    }

    /// Whether the goods are known to have left.
    pub fn has_left(&self) -> bool {
        self.dispatched_at.or(self.delivered_at).or(self.release_refused_at).is_some()
    }

    /// Whether a wish to cancel it came too late: the order goes on.
    pub fn cancel_was_refused(&self) -> bool {
        self.cancel_by.is_some()
            && self.release_refused_at.is_some()
            && matches!(self.state, OrderState::Confirmed | OrderState::Dispatched | OrderState::Completed)
    }
}

/// One refund of an order: each is told once.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Orders, table = "order_refund", key = (order_id, refund_id), transient)]
pub struct Refund {
    order_id: Id,
    refund_id: Id,
    amount_minor: i64,
    refunded_at: Timestamp,
}

impl Refund {
    pub fn told(order_id: Id, refund_id: Id, amount_minor: i64, refunded_at: Timestamp) -> Self {
        Self { order_id, refund_id, amount_minor, refunded_at }
    }
}

pub const ORDER_NOT_FOUND: Refusal = Refusal::not_found("order_not_found", "There is no such order.");
pub const EMPTY_ORDER: Refusal = Refusal::invalid("empty_order", "An order needs at least one line.");
pub const INVALID_ORDER_LINES: Refusal = Refusal::invalid("invalid_order_lines", "The lines cannot stand in an order.");
pub const CURRENCY_NOT_SOLD: Refusal =
    Refusal::invalid("currency_not_sold", "The shop does not sell in this currency.");
pub const INVALID_ADDRESS: Refusal = Refusal::invalid("invalid_address", "An address is not complete or too long.");
pub const INVALID_RESERVATION_TTL: Refusal =
    Refusal::invalid("invalid_reservation_ttl", "Stock cannot be held for such a time.");
pub const CONTRACT_CANNOT_CARRY: Refusal =
    Refusal::invalid("contract_cannot_carry", "A contract in use cannot carry such an amount exactly.");
pub const INVALID_SIGNED_CART: Refusal =
    Refusal::invalid("invalid_signed_cart", "The signed cart was not signed here, or is not this customer's.");
pub const SIGNED_CART_EXPIRED: Refusal =
    Refusal::conflict("signed_cart_expired", "The signed cart is too old to be placed.");
pub const ORDER_EXISTS: Refusal = Refusal::conflict("order_exists", "Another order was placed under this id.");
pub const TOO_MANY_UNPAID_ORDERS: Refusal =
    Refusal::conflict("too_many_unpaid_orders", "The customer has as many unpaid orders as there can be.");
pub const CUSTOMER_DELETED: Refusal = Refusal::conflict("customer_deleted", "This customer's account was deleted.");
pub const INVALID_CANCEL_REASON: Refusal =
    Refusal::invalid("invalid_cancel_reason", "The reason is empty or too long.");
pub const ALREADY_DISPATCHED: Refusal =
    Refusal::conflict("already_dispatched", "The goods have left: it is too late to cancel.");
pub const CANNOT_RECALL: Refusal =
    Refusal::conflict("cannot_recall", "A confirmed order cannot be stopped: shipping takes nothing back.");
pub const ORDER_FINAL: Refusal = Refusal::conflict("order_final", "The order has ended or is completed.");
