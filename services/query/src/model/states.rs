//! The names of states, as read models show them. Declared from earlier to later: a later one supersedes an earlier
//! one, whichever is heard first.

use tradewind_events::TextEnum;

/// Of an order, as a person sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TextEnum)]
pub enum OrderStatus {
    #[text("placed")]
    Placed,
    #[text("priced")]
    Priced,
    #[text("validated")]
    Validated,
    #[text("paid")]
    Paid,
    #[text("confirmed")]
    Confirmed,
    /// Shipping is asked whether it can still be stopped.
    #[text("cancelling")]
    Cancelling,
    #[text("dispatched")]
    Dispatched,
    #[text("completed")]
    Completed,
    #[text("rejected")]
    Rejected,
    #[text("cancelled")]
    Cancelled,
}

/// How an order ended that was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TextEnum)]
pub enum Ending {
    #[text("rejected")]
    Rejected,
    #[text("cancelled")]
    Cancelled,
}

/// Of the stock of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TextEnum)]
pub enum ReservationState {
    #[text("active")]
    Active,
    #[text("refused")]
    Refused,
    #[text("expired")]
    Expired,
    #[text("released")]
    Released,
    #[text("committed")]
    Committed,
    #[text("restocked")]
    Restocked,
}

/// Of the money of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TextEnum)]
pub enum PaymentState {
    #[text("requested")]
    Requested,
    #[text("failed")]
    Failed,
    #[text("authorized")]
    Authorized,
    #[text("capture_failed")]
    CaptureFailed,
    #[text("captured")]
    Captured,
    /// All that was captured went back.
    #[text("refunded")]
    Refunded,
    /// The customer is not charged.
    #[text("voided")]
    Voided,
}

/// Of the goods of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TextEnum)]
pub enum ShipmentState {
    #[text("allocated")]
    Allocated,
    #[text("ready")]
    Ready,
    #[text("refused")]
    Refused,
    #[text("released")]
    Released,
    #[text("dispatched")]
    Dispatched,
    #[text("delivered")]
    Delivered,
}

/// Whether a product can be had at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum Availability {
    /// Nobody has told of any stock of it.
    #[text("unknown")]
    Unknown,
    #[text("in_stock")]
    InStock,
    #[text("out_of_stock")]
    OutOfStock,
}
