//! Staff puts money into a customer's account.

use std::sync::Arc;

use tradewind_engine::{AMOUNT_TOO_LARGE, Answer, Command, Uow};
use tradewind_events::{Currency, Id, plus};

use crate::{
    Payments,
    model::{Account, AccountHolder, CUSTOMER_NOT_FOUND, check_amount, check_text, house},
    reactions::{Move, Party, open, transfer},
};

/// The most that one credit brings, in minor units: far from where totals overflow.
pub const CREDIT_MINOR_MAX: i64 = 1_000_000_000_000;

/// Money came for a customer, or is given. The first credit in a currency opens the account. A customer who registers has
/// a holder's row: unless customers of other systems are taken, who has none does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Command)]
#[command(owner = Payments, name = "credit_account", answer = Account, key = customer_id)]
pub struct CreditAccount {
    pub customer_id: Id,
    pub currency: Currency,
    /// 1 to [`CREDIT_MINOR_MAX`].
    pub amount_minor: i64,
    /// In one word or two: `top_up`, `goodwill`. It stands in the event and the ledger.
    pub cause: Arc<str>,
    /// What shows it: a bank statement, a ticket.
    pub reference: Option<Arc<str>>,
    pub actor: Arc<str>,
}

pub fn credit_account(uow: &mut Uow<Payments>, credit: &CreditAccount) -> Answer<Account> {
    check_amount(credit.amount_minor)?;
    if credit.amount_minor > CREDIT_MINOR_MAX {
        return Err(AMOUNT_TOO_LARGE
            .because(format!("one credit brings at most {CREDIT_MINOR_MAX} minor units"))
            .at("amount_minor")
            .into());
    }
    check_text(&credit.cause, "cause")?;
    credit.reference.as_ref().map_or(Ok(()), |reference| check_text(reference, "reference"))?;
    let CreditAccount { customer_id, currency, .. } = credit;
    if !uow.settings().foreign_customers && uow.get::<AccountHolder>(customer_id)?.is_none() {
        return Err(CUSTOMER_NOT_FOUND.because(format!("No customer {customer_id} is registered.")).into());
    }
    let mut account = open(uow, customer_id, *currency)?;
    plus(account.credits_minor(), credit.amount_minor)?;
    let what = Move {
        amount_minor: credit.amount_minor,
        currency: credit.currency,
        cause: &credit.cause,
        order_id: None,
        reference: credit.reference.clone(),
        actor: Some(credit.actor.clone()),
    };
    let posting = transfer(uow, Party::House(&house::FUNDING), Party::Customer(&mut account), what)?;
    uow.emit(account.credited(&posting));
    uow.put(account.clone());
    Ok(account)
}
