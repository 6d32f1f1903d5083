//! The books. Every movement of money is one posting: two entries of one amount and currency, a debit and a credit, in
//! one row, so that neither is ever without the other. Postings are only ever added. Each account carries the totals
//! of its entries, so no balance is ever summed up.

use std::sync::Arc;

use tradewind_engine::Entity;
use tradewind_events::{AmountOverflow, Currency, Id, KeyText, TextEnum, Timestamp, minus, plus};

use super::Account;
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
    use tradewind_events::{InvalidKeyText, KeyText};

    /// Where the credits of staff come from.
    pub const FUNDING: KeyText = KeyText::literal("house/funding");
    /// Money of customers that is set aside for their orders.
    pub const HELD: KeyText = KeyText::literal("house/held");
    pub const REVENUE: KeyText = KeyText::literal("house/revenue");
    /// What is owed to customers whose accounts are closed.
    pub const PAYABLE: KeyText = KeyText::literal("house/payable");
    /// What operators gave back by other means.
    pub const SETTLEMENT: KeyText = KeyText::literal("house/settlement");
    /// What whoever authorizes `external` payments has taken for us.
    pub const EXTERNAL: KeyText = KeyText::literal("clearing/external");

    /// What a payment provider has taken for us.
    pub fn clearing(provider: &str) -> Result<KeyText, InvalidKeyText> {
        KeyText::new(format!("provider/{provider}"))
    }
}

/// An account of the house in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Payments, table = "house_account", key = (name, currency))]
pub struct HouseAccount {
    name: KeyText,
    currency: Currency,
    debits_minor: i64,
    credits_minor: i64,
    /// Counts its entries.
    entries: u64,
}

/// One movement of money, from one account to another. Of two accounts at most one is a customer's.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Payments, table = "posting", key = posting_id, transient)]
pub struct Posting {
    /// In the order of time.
    posting_id: Id,
    /// Whose account is one of the two; none where both are the house's.
    customer_id: Option<Id>,
    currency: Currency,
    amount_minor: i64,
    /// The account that the money leaves: [`CUSTOMER`] or the name of one of the house.
    debit: Arc<str>,
    /// Counts the entries of that account in this currency from 1.
    debit_number: u64,
    /// Of that account, after it: credits less debits.
    debit_balance_minor: i64,
    /// The account that it comes into, and the same of that.
    credit: Arc<str>,
    credit_number: u64,
    credit_balance_minor: i64,
    cause: Arc<str>,
    order_id: Option<Id>,
    reference: Option<Arc<str>>,
    /// Who moved it, where a person did.
    actor: Option<Arc<str>>,
    posted_at: Timestamp,
}

/// What a posting calls the account of its customer.
pub const CUSTOMER: &str = "customer";

/// One side of a posting, as its account sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `customer/` with the customer's id, or the name of an account of the house.
    pub account: Arc<str>,
    pub side: Side,
    pub number: u64,
    pub balance_minor: i64,
    /// The account of the other side.
    pub against: Arc<str>,
}

/// Why money moves, and who says so.
#[derive(Debug, Clone)]
pub struct Movement {
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
    /// As postings name it.
    fn book(&self) -> Arc<str>;
    /// Whose it is; none for the house.
    fn customer_id(&self) -> Option<&Id>;
    fn currency(&self) -> Currency;
    fn totals(&mut self) -> Totals<'_>;
}

/// What an account carries of its entries.
pub struct Totals<'a> {
    pub(super) debits_minor: &'a mut i64,
    pub(super) credits_minor: &'a mut i64,
    pub(super) entries: &'a mut u64,
}

/// Moves money from one account to another of the same currency.
pub fn post(from: &mut dyn Book, to: &mut dyn Book, what: Movement) -> Result<Posting, AmountOverflow> {
    debug_assert_eq!(from.currency(), to.currency(), "a posting is of one currency");
    debug_assert!(from.customer_id().is_none() || to.customer_id().is_none(), "a posting is of one customer");
    let (debit_number, debit_balance_minor) = enter(from.totals(), Side::Debit, what.amount_minor)?;
    let (credit_number, credit_balance_minor) = enter(to.totals(), Side::Credit, what.amount_minor)?;
    Ok(Posting {
        posting_id: what.posting_id,
        customer_id: from.customer_id().or(to.customer_id()).cloned(),
        currency: from.currency(),
        amount_minor: what.amount_minor,
        debit: from.book(),
        debit_number,
        debit_balance_minor,
        credit: to.book(),
        credit_number,
        credit_balance_minor,
        cause: what.cause,
        order_id: what.order_id,
        reference: what.reference,
        actor: what.actor,
        posted_at: what.posted_at,
    })
}

/// The number of the new entry, and the balance after it.
fn enter(totals: Totals<'_>, side: Side, amount_minor: i64) -> Result<(u64, i64), AmountOverflow> {
    let Totals { debits_minor, credits_minor, entries } = totals;
    match side {
        Side::Debit => *debits_minor = plus(*debits_minor, amount_minor)?,
        Side::Credit => *credits_minor = plus(*credits_minor, amount_minor)?,
    }
    *entries += 1;
    Ok((*entries, minus(*credits_minor, *debits_minor)?))
}

impl Posting {
    /// The debit and the credit.
    pub fn entries(&self) -> [Entry; 2] {
        let (debit, credit) = (self.account(&self.debit), self.account(&self.credit));
        [
            Entry {
                account: Arc::clone(&debit),
                side: Side::Debit,
                number: self.debit_number,
                balance_minor: self.debit_balance_minor,
                against: Arc::clone(&credit),
            },
            Entry {
                account: credit,
                side: Side::Credit,
                number: self.credit_number,
                balance_minor: self.credit_balance_minor,
                against: debit,
            },
        ]
    }

    fn account(&self, name: &Arc<str>) -> Arc<str> {
        match &self.customer_id {
            Some(customer_id) if **name == *CUSTOMER => Account::book_of(customer_id),
            _ => Arc::clone(name),
        }
    }
}

impl HouseAccount {
    /// Without an entry.
    pub fn new(name: KeyText, currency: Currency) -> Self {
        Self { name, currency, debits_minor: 0, credits_minor: 0, entries: 0 }
    }

    /// Credits less debits; neither is negative, so it cannot overflow.
    pub const fn balance_minor(&self) -> i64 {
        self.credits_minor - self.debits_minor
    }
}

impl Book for HouseAccount {
    fn book(&self) -> Arc<str> {
        self.name.shared()
    }
    fn customer_id(&self) -> Option<&Id> {
        None
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

    fn movement(amount_minor: i64) -> Movement {
        Movement {
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
        post(&mut held, &mut revenue, movement(100)).unwrap();
        let posting = post(&mut held, &mut revenue, movement(30)).unwrap();
        assert_eq!((posting.amount_minor, posting.customer_id.as_ref()), (30, None));
        let [debit, credit] = posting.entries();
        assert_eq!((debit.side, debit.balance_minor, debit.number), (Side::Debit, -130, 2));
        assert_eq!((credit.side, credit.balance_minor, credit.number), (Side::Credit, 130, 2));
        assert_eq!((&*debit.account, &*credit.account), (&*house::HELD, &*house::REVENUE));
        assert_eq!((&*debit.against, &*credit.against), (&*house::REVENUE, &*house::HELD));
        assert_eq!(held.balance_minor() + revenue.balance_minor(), 0);
    }

    #[test]
    fn an_entry_names_the_account_of_its_customer() {
        let eur = "EUR".parse().unwrap();
        let (mut account, _) = Account::open(id("ada"), eur, Timestamp::default());
        let posting = post(&mut HouseAccount::new(house::FUNDING, eur), &mut account, movement(30)).unwrap();
        assert_eq!((&posting.customer_id, &*posting.credit), (&Some(id("ada")), CUSTOMER));
        let [debit, credit] = posting.entries();
        assert_eq!((&*debit.against, &*credit.account), ("customer/ada", "customer/ada"));
        assert_eq!((&*credit.against, credit.balance_minor), (&*house::FUNDING, 30));
    }

    #[test]
    fn an_account_that_is_too_full_takes_no_posting() {
        let eur = "EUR".parse().unwrap();
        let (mut held, mut revenue) = (HouseAccount::new(house::HELD, eur), HouseAccount::new(house::REVENUE, eur));
        post(&mut held, &mut revenue, movement(i64::MAX)).unwrap();
        assert_eq!(post(&mut held, &mut revenue, movement(1)), Err(AmountOverflow));
    }
}
