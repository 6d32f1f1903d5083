//! When this event, do that: customers come and go, orders go on and end, the provider answers.

mod accounts;
mod books;
mod orders;
mod provider;
mod steps;

pub(crate) use accounts::open;
pub use accounts::{close_accounts, open_account};
pub(crate) use books::{Move, Party, transfer};
pub use orders::{capture, complete, end_cancelled, end_rejected, hold};
pub use provider::answered;
pub(crate) use steps::{
    ask, captured, go_on, held, refund, refund_done, surplus_done, surplus_of, told_reason, undo_done,
};
