//! Payments: the money of orders. Holds, captures, voids and refunds it; keeps prepaid accounts and the books.
//! Not here: what an order costs (catalog), whether it stands (orders).

pub mod commands;
pub mod model;
mod reactions;

use std::{sync::Arc, time::Duration};

use tradewind_engine::{Service, Settings};
use tradewind_events::Currency;

pub use model::{Account, AccountHolder, AskProvider, HouseAccount, PROBLEMS, Payment, Posting, Refund, Surplus};

/// How payments is run.
#[derive(Debug, Clone)]
pub struct Payments {
    /// Of the shop: a customer who registers gets an account in it.
    pub currency: Currency,
    /// The payment provider's name, as the books call it.
    pub provider: Arc<str>,
    /// Money is credited also to a customer who never registered here: customers of another system.
    pub foreign_customers: bool,
    /// Whether shipping can take a shipment back. Where it cannot, a confirmed order is refunded, not cancelled.
    pub shipping_recalls: bool,
    /// How soon a provider who has not decided is asked again, at the soonest and at the latest. Between the two it
    /// is asked after as long again as it has taken already.
    pub undecided_wait_min: Duration,
    pub undecided_wait_max: Duration,
}

impl Settings for Payments {
    const SERVICE: &'static str = "payments";
}

impl Default for Payments {
    fn default() -> Self {
        Self {
            currency: "EUR".parse().expect("EUR is a currency"),
            provider: "simulator".into(),
            foreign_customers: true,
            shipping_recalls: true,
            undecided_wait_min: Duration::from_secs(30),
            undecided_wait_max: Duration::from_hours(1),
        }
    }
}

pub fn service(settings: Payments) -> Service<Payments> {
    Service::new(settings)
        .owns::<Account>()
        .owns::<AccountHolder>()
        .owns::<HouseAccount>()
        .owns::<Posting>()
        .owns::<Payment>()
        .owns::<Refund>()
        .owns::<Surplus>()
        .command(commands::credit_account)
        .command(commands::authorize_external)
        .command(commands::fail_external)
        .command(commands::provider_callback)
        .command(commands::capture_payment)
        .command(commands::refund_payment)
        .command(commands::retry_owed)
        .command(commands::settle_owed)
        .command(commands::settle_payable)
        .on(reactions::open_account) // user.registered
        .on(reactions::close_accounts) // user.deleted
        .on(reactions::hold) // order.validated
        .on(reactions::capture) // order.confirmed
        .on(reactions::complete) // order.completed
        .on(reactions::end_rejected) // order.rejected
        .on(reactions::end_cancelled) // order.cancelled
        .finished(reactions::answered) // of the payment provider
}
