//! The books. Every movement of money is one posting: two entries of one amount and currency, a debit and a credit.
//! Entries are only ever added. Each account carries the totals of its entries, so no balance is ever summed up.

use std::sync::Arc;

use tradewind_engine::Entity;
use tradewind_events::{AmountOverflow, Currency, Id, TextEnum, Timestamp, minus, plus};

use crate::Payments;

/// What a posting does to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum Side {
    /// Money leaves it.
    #[text("debit")]
    Debit,
    /// Money comes into it.
    #[text("credit")]
    Credit,
}

/// Why money moved, as entries and `account.*` events say it. Staff names the cause of a credit in its own words.
pub mod cause {
    pub const HOLD: &str = "hold";
    pub const CAPTURE: &str = "capture";
    pub const VOID: &str = "void";
    pub const REFUND: &str = "refund";
    /// The rest of an account that closed.
    pub const CLOSE: &str = "close";
    /// An operator gave back by other means what could not be refunded.
    pub const SETTLE: &str = "settle";
}

/// The house's own accounts, by name. Their balances are credits less debits, like those of customers: what is owed
/// to somebody is positive, what somebody owes the house is negative.
pub mod house {
    /// Where the credits of staff come from.
    pub const FUNDING: &str = "house/funding";
    /// Money of customers that is set aside for their orders.
    pub const HELD: &str = "house/held";
    pub const REVENUE: &str = "house/revenue";
    /// What is owed to customers whose accounts are closed.
    pub const PAYABLE: &str = "house/payable";
    /// What operators gave back by other means.
    pub const SETTLEMENT: &str = "house/settlement";
    /// What whoever authorizes `external` payments has taken for us.
    pub const EXTERNAL: &str = "clearing/external";

    /// What a payment provider has taken for us.
    pub fn clearing(provider: &str) -> String {
        format!("provider/{provider}")
    }
}

/// An account of the house in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Payments, table = "house_account", key = (name, currency))]
pub struct HouseAccount {
    pub name: Arc<str>,
    pub currency: Currency,
    pub debits_minor: i64,
    pub credits_minor: i64,
    /// Counts its entries.
    pub entries: u64,
}

/// One side of one posting. Pages of an account in time order: by key.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Payments, table = "ledger_entry", key = (account, posting_id), transient)]
pub struct LedgerEntry {
    /// `customer/` with the customer's id, or the name of an account of the house.
    pub account: Arc<str>,
    pub posting_id: Id,
    pub currency: Currency,
    /// Counts the entries of the account in this currency from 1.
    pub number: u64,
    pub side: Side,
    pub amount_minor: i64,
    /// Of the account, after it: credits less debits.
    pub balance_minor: i64,
    /// The account of the other side.
    pub against: Arc<str>,
    pub cause: Arc<str>,
    pub order_id: Option<Id>,
    pub reference: Option<Arc<str>>,
    /// Who moved it, where a person did.
    pub actor: Option<Arc<str>>,
    pub posted_at: Timestamp,
}

/// What the two entries of a posting have in common.
#[derive(Debug, Clone)]
pub struct Posting {
    pub posting_id: Id,
    pub amount_minor: i64,
    pub cause: Arc<str>,
    pub order_id: Option<Id>,
    pub reference: Option<Arc<str>>,
    pub actor: Option<Arc<str>>,
    pub posted_at: Timestamp,
}

/// Either side of a posting: an account of a customer or of the house.
pub trait Book {
    /// As entries name it.
    fn book(&self) -> Arc<str>;
    fn currency(&self) -> Currency;
    fn totals(&mut self) -> Totals<'_>;
}

/// What an account carries of its entries.
pub struct Totals<'a> {
    pub debits_minor: &'a mut i64,
    pub credits_minor: &'a mut i64,
    pub entries: &'a mut u64,
}

/// Moves money from one account to another of the same currency.
pub fn post(from: &mut dyn Book, to: &mut dyn Book, posting: &Posting) -> Result<[LedgerEntry; 2], AmountOverflow> {
    let debit = enter(from, to.book(), Side::Debit, posting)?;
    let credit = enter(to, from.book(), Side::Credit, posting)?;
    debug_assert_eq!(debit.currency, credit.currency, "a posting is of one currency");
    Ok([debit, credit])
}

fn enter(
    account: &mut dyn Book,
    against: Arc<str>,
    side: Side,
    posting: &Posting,
) -> Result<LedgerEntry, AmountOverflow> {
    let (name, currency) = (account.book(), account.currency());
    let totals = account.totals();
    let total = match side {
        Side::Debit => totals.debits_minor,
        Side::Credit => totals.credits_minor,
    };
    *total = plus(*total, posting.amount_minor)?;
    *totals.entries += 1;
    let number = *totals.entries;
    let totals = account.totals();
    let balance_minor = minus(*totals.credits_minor, *totals.debits_minor)?;
    Ok(LedgerEntry {
        account: name,
        posting_id: posting.posting_id.clone(),
        currency,
        number,
        side,
        amount_minor: posting.amount_minor,
        balance_minor,
        against,
        cause: Arc::clone(&posting.cause),
        order_id: posting.order_id.clone(),
        reference: posting.reference.clone(),
        actor: posting.actor.clone(),
        posted_at: posting.posted_at,
    })
}

impl HouseAccount {
    /// Without an entry.
    pub fn new(name: &str, currency: Currency) -> Self {
        Self { name: name.into(), currency, debits_minor: 0, credits_minor: 0, entries: 0 }
    }

    /// Credits less debits; neither is negative, so it cannot overflow.
    pub const fn balance_minor(&self) -> i64 {
        self.credits_minor - self.debits_minor
    }
}

impl Book for HouseAccount {
    fn book(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }
    fn currency(&self) -> Currency {
        self.currency
    }
    fn totals(&mut self) -> Totals<'_> {
        Totals {
            debits_minor: &mut self.debits_minor,
            credits_minor: &mut self.credits_minor,
            entries: &mut self.entries,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tradewind_events::id;

    fn posting(amount_minor: i64) -> Posting {
        Posting {
            posting_id: id("posting"),
            amount_minor,
            cause: cause::CAPTURE.into(),
            order_id: None,
            reference: None,
            actor: None,
            posted_at: Timestamp::default(),
        }
    }

    #[test]
    fn a_posting_is_balanced_and_carries_the_balances_after_it() {
        let eur = "EUR".parse().unwrap();
        let (mut held, mut revenue) = (HouseAccount::new(house::HELD, eur), HouseAccount::new(house::REVENUE, eur));
        post(&mut held, &mut revenue, &posting(100)).unwrap();
        let [debit, credit] = post(&mut held, &mut revenue, &posting(30)).unwrap();
        assert_eq!((debit.side, debit.amount_minor, debit.balance_minor, debit.number), (Side::Debit, 30, -130, 2));
        assert_eq!((credit.side, credit.amount_minor, credit.balance_minor), (Side::Credit, 30, 130));
        assert_eq!((&*debit.against, &*credit.against), (house::REVENUE, house::HELD));
        assert_eq!(held.balance_minor() + revenue.balance_minor(), 0);
    }

    #[test]
    fn an_account_that_is_too_full_takes_no_posting() {
        let eur = "EUR".parse().unwrap();
        let (mut held, mut revenue) = (HouseAccount::new(house::HELD, eur), HouseAccount::new(house::REVENUE, eur));
        post(&mut held, &mut revenue, &posting(i64::MAX)).unwrap();
        assert_eq!(post(&mut held, &mut revenue, &posting(1)), Err(AmountOverflow));
    }
}
