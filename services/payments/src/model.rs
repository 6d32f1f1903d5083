//! What payments owns, and how it changes: pure. No transition loads, asks or posts anything; it says what happened.

mod account;
mod ledger;
mod payment;
mod provider;
mod refund;
mod surplus;

pub use account::{ACCOUNT_CURRENCIES_MAX, Account, AccountHolder, AccountState, Currencies};
pub use ledger::{Book, CUSTOMER, Entry, HouseAccount, Movement, Posting, Side, cause, house, post};
pub use payment::{Charge, Held, Holder, Payment, PaymentState, Step, reason};
pub use provider::{Ask, AskProvider, Verdict, verdict};
pub use refund::{Refund, RefundState};
pub use surplus::{Surplus, SurplusState};

use tradewind_engine::{Problem, Refusal};

pub const ACCOUNT_CLOSED: Refusal =
    Refusal::conflict("account_closed", "The customer was deleted: the account takes no money any more.");
pub const ACCOUNT_CURRENCIES: Refusal =
    Refusal::conflict("account_currencies", "The customer has accounts in as many currencies as there can be.");
pub const AMOUNT_NOT_POSITIVE: Refusal =
    Refusal::invalid("amount_not_positive", "An amount of money to move is at least 1 minor unit.");
pub const PAYMENT_NOT_FOUND: Refusal =
    Refusal::not_found("payment_not_found", "No payment of this order has been asked for.");
pub const PAYMENT_NOT_EXTERNAL: Refusal =
    Refusal::conflict("payment_not_external", "The order is not paid by somebody outside.");
pub const PAYMENT_AMOUNT_DIFFERS: Refusal =
    Refusal::invalid("payment_amount_differs", "The amount or currency is not that of the order.");
pub const PAYMENT_NOT_PENDING: Refusal =
    Refusal::conflict("payment_not_pending", "The money is held or taken already: it cannot fail any more.");
pub const CAPTURE_NOT_DUE: Refusal =
    Refusal::conflict("capture_not_due", "Only a refused capture of a confirmed order is started once more.");
pub const NOT_COMPLETED: Refusal =
    Refusal::conflict("not_completed", "An order that is not completed is cancelled, not refunded.");
pub const NOT_CAPTURED: Refusal = Refusal::conflict("not_captured", "No money was taken that could be given back.");
pub const ORDER_ENDED: Refusal =
    Refusal::conflict("order_ended", "The order was rejected or cancelled: its money goes back by itself.");
pub const REFUND_TOO_LARGE: Refusal =
    Refusal::invalid("refund_too_large", "The refund is larger than what was taken and not given back.");
pub const REFUND_UNDER_WAY: Refusal =
    Refusal::conflict("refund_under_way", "Another refund of the order is under way: one goes after the other.");
pub const REFUND_ID_TAKEN: Refusal =
    Refusal::conflict("refund_id_taken", "The refund id was used for another refund of this order.");
pub const NOTHING_OWED: Refusal = Refusal::conflict("nothing_owed", "Nothing of this kind is owed.");
pub const SETTLEMENT_TOO_LARGE: Refusal =
    Refusal::invalid("settlement_too_large", "More would be settled than is owed.");
pub const CUSTOMER_NOT_FOUND: Refusal = Refusal::not_found("customer_not_found", "There is no such customer.");
pub const TEXT_LENGTH: Refusal = Refusal::invalid("text_length", "A text is missing or too long.");

/// Every refusal of payments.
pub const PROBLEMS: &[Refusal] = &[
    ACCOUNT_CLOSED,
    ACCOUNT_CURRENCIES,
    AMOUNT_NOT_POSITIVE,
    PAYMENT_NOT_FOUND,
    PAYMENT_NOT_EXTERNAL,
    PAYMENT_AMOUNT_DIFFERS,
    PAYMENT_NOT_PENDING,
    CAPTURE_NOT_DUE,
    NOT_COMPLETED,
    NOT_CAPTURED,
    ORDER_ENDED,
    REFUND_TOO_LARGE,
    REFUND_UNDER_WAY,
    REFUND_ID_TAKEN,
    NOTHING_OWED,
    SETTLEMENT_TOO_LARGE,
    CUSTOMER_NOT_FOUND,
    TEXT_LENGTH,
];

/// The longest cause of a credit, reason of a refund or a failure, and reference, in characters.
pub const TEXT_CHARS_MAX: usize = 500;

/// A text that people wrote: there, and not too long.
pub fn check_text(text: &str, field: &'static str) -> Result<(), Problem> {
    let chars = text.chars().count();
    if text.trim().is_empty() || chars > TEXT_CHARS_MAX {
        return Err(TEXT_LENGTH.because(format!("it has 1 to {TEXT_CHARS_MAX} characters, not {chars}")).at(field));
    }
    Ok(())
}

/// An amount that moves.
pub fn check_amount(amount_minor: i64) -> Result<(), Problem> {
    if amount_minor < 1 {
        return Err(AMOUNT_NOT_POSITIVE.because(format!("{amount_minor} is less than 1")).at("amount_minor"));
    }
    Ok(())
}
