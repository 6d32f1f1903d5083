//! Orders: the life of one order, and the only service that says how it ended.
//! Not here: what things cost (catalog), and who holds stock, goods and money for an order (inventory, shipping,
//! payments): they act on what orders says, and orders acts on what they say.

mod commands;
mod model;
mod reactions;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tradewind_engine::{Refusal, Service, Settings, Timer};
use tradewind_events::Currency;

pub use commands::{Basket, CancelAccepted, CancelOrder, OrderAccepted, PlaceOrder, PlacedBy};
pub use model::{
    ADDRESS_FIELD_CHARS_MAX, ALREADY_DISPATCHED, CANCEL_REASON_CHARS_MAX, CANNOT_RECALL, CONTRACT_CANNOT_CARRY,
    CURRENCY_NOT_SOLD, CUSTOMER_DELETED, Customer, CustomerPiece, EMPTY_ORDER, INVALID_ADDRESS, INVALID_CANCEL_REASON,
    INVALID_ORDER_LINES, INVALID_RESERVATION_TTL, INVALID_SIGNED_CART, Lost, ORDER_EXISTS, ORDER_FINAL,
    ORDER_NOT_FOUND, ORDERS_A_PIECE_MAX, Order, OrderState, RESERVATION_TTL_SECONDS_MAX, Refund, SIGNED_CART_EXPIRED,
    Step, TOO_MANY_UNPAID_ORDERS, owed_step,
};

/// How orders is configured.
#[derive(Clone)]
pub struct Orders {
    /// What the shop sells in.
    pub currency: Currency,
    /// What is not confirmed by then is cancelled. Never less than the time for which stock is held.
    pub order_deadline: Duration,
    /// How long inventory holds stock unpaid, where an order does not say it.
    pub reservation_ttl: Duration,
    /// So many orders that a customer placed may wait for somebody outside to pay them, at the same time.
    /// At most [`UNPAID_ORDERS_MAX_MAX`].
    pub unpaid_orders_max: usize,
    /// What carts signs with. Empty: no signed cart is taken.
    pub cart_secret: Arc<[u8]>,
    /// Whether shipping answers a request to stop a confirmed order. Not where it is another system whose contract
    /// has no word for it.
    pub shipping_can_recall: bool,
    /// The largest price or total that every contract in use can carry exactly, in minor units.
    pub amount_minor_max: i64,
}

impl Settings for Orders {
    const SERVICE: &'static str = "orders";
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            currency: "EUR".parse().expect("EUR is a currency"),
            order_deadline: Duration::from_mins(30),
            reservation_ttl: Duration::from_mins(15),
            unpaid_orders_max: 20,
            cart_secret: Arc::from([]),
            shipping_can_recall: true,
            amount_minor_max: i64::MAX,
        }
    }
}

impl Orders {
    /// How long an order may take to be confirmed: not less than its stock may be held.
    fn deadline(&self, reservation_ttl_seconds: Option<u32>) -> Duration {
        let asked = reservation_ttl_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        self.order_deadline.max(asked.unwrap_or(self.reservation_ttl))
    }
}

/// The most that [`Orders::unpaid_orders_max`] can be: an order that is placed may look at so many others.
pub const UNPAID_ORDERS_MAX_MAX: usize = 100;

/// Ends what is not confirmed in time; by order.
const DEADLINE: Timer<Orders> = Timer::new("deadline");

/// Lets further orders of a deleted customer go; by customer.
const ERASE: Timer<Orders> = Timer::new("erase");

/// Every reason for which a command is refused here.
pub const PROBLEMS: &[Refusal] = &[
    ALREADY_DISPATCHED,
    CANNOT_RECALL,
    CONTRACT_CANNOT_CARRY,
    CURRENCY_NOT_SOLD,
    CUSTOMER_DELETED,
    EMPTY_ORDER,
    INVALID_ADDRESS,
    INVALID_CANCEL_REASON,
    INVALID_ORDER_LINES,
    INVALID_RESERVATION_TTL,
    INVALID_SIGNED_CART,
    ORDER_EXISTS,
    ORDER_FINAL,
    ORDER_NOT_FOUND,
    SIGNED_CART_EXPIRED,
    TOO_MANY_UNPAID_ORDERS,
];

pub fn service(settings: Orders) -> Service<Orders> {
    Service::new(settings)
        .owns::<Order>()
        .owns::<Refund>()
        .owns::<Customer>()
        .owns::<CustomerPiece>()
        .command(commands::place_order)
        .command(commands::cancel_order)
        .on(reactions::price) // quote.issued
        .on(reactions::lose_quote) // quote.refused
        .on(reactions::pass_reservation) // reservation.made
        .on(reactions::lose_reservation) // reservation.refused
        .on(reactions::pass_commit) // reservation.committed
        .on(reactions::lose_commit) // reservation.commit_refused
        .on(reactions::lose_released_stock) // reservation.released
        .on(reactions::lose_expired_stock) // reservation.expired
        .on(reactions::note_restocked) // reservation.restocked
        .on(reactions::pass_shipment) // shipment.allocated
        .on(reactions::lose_shipment) // shipment.refused
        .on(reactions::note_ready) // shipment.ready
        .on(reactions::end_released) // shipment.released
        .on(reactions::go_on) // shipment.release_refused
        .on(reactions::dispatch) // shipment.dispatched
        .on(reactions::deliver) // shipment.delivered
        .on(reactions::note_requested) // payment.requested
        .on(reactions::pass_payment) // payment.authorized
        .on(reactions::lose_payment) // payment.failed
        .on(reactions::note_captured) // payment.captured
        .on(reactions::lose_capture) // payment.capture_failed
        .on(reactions::lose_hold) // payment.voided
        .on(reactions::refund) // payment.refunded
        .on(reactions::note_refund_failed) // payment.refund_failed
        .on(reactions::forget_customer) // user.deleted
        .timer(DEADLINE, reactions::expire)
        .timer(ERASE, reactions::forget_more)
}
