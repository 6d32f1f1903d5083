//! Prepaid accounts of customers: one a customer and currency, and a row that knows which ones a customer has.

use std::sync::Arc;

use tradewind_engine::{Entity, injected};
use tradewind_events::{
    AmountOverflow, Column, ColumnError, ColumnKind, Currency, Id, TextEnum, Timestamp, Value,
    payments::{AccountClosed, AccountCredited, AccountDebited, AccountOpened},
    plus,
};

use super::{
    Posting,
    ledger::{Book, CUSTOMER, Totals},
    reason,
};
use crate::Payments;

/// In so many currencies a customer has accounts at most.
pub const ACCOUNT_CURRENCIES_MAX: usize = 32;

/// A prepaid account.
///
/// Its balance is what the customer can spend. Money held for an order has left it for [`house::HELD`], and comes
/// back if the order ends.
///
/// [`house::HELD`]: super::house::HELD
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Payments, table = "account", key = (customer_id, currency))]
pub struct Account {
    customer_id: Id,
    currency: Currency,
    #[column(copy)]
    state: AccountState,
    debits_minor: i64,
    credits_minor: i64,
    /// Counts its entries in the ledger.
    entries: u64,
    /// Of this customer in the house's account of held money.
    held_minor: i64,
    /// Orders that money is held for.
    holds: u32,
    /// What is owed to its customer, who is deleted: an operator pays it out by other means. It stands in
    /// [`house::PAYABLE`].
    ///
    /// [`house::PAYABLE`]: super::house::PAYABLE
    payable_minor: i64,
    /// Since when something is.
    owed_since: Option<Timestamp>,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum AccountState {
    #[text("open")]
    Open,
    /// Its customer is deleted: it takes no new hold, and closes with the last one.
    #[text("closing")]
    Closing,
    #[text("closed")]
    Closed,
}

/// A customer, as far as accounts go: which ones there are, and whether there may be more.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Payments, table = "account_holder", key = customer_id)]
pub struct AccountHolder {
    customer_id: Id,
    currencies: Currencies,
    deleted: bool,
}

/// Currencies in the order in which their accounts were opened; in a column, their codes with spaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Currencies(Arc<[Currency]>);

impl Account {
    /// The name of a customer's account, as entries of the ledger say it.
    pub fn book_of(customer_id: &Id) -> Arc<str> {
        format!("customer/{customer_id}").into()
    }

    pub fn open(customer_id: Id, currency: Currency, now: Timestamp) -> (Self, AccountOpened) {
        let opened = AccountOpened { customer_id: customer_id.clone(), currency, balance_minor: 0 };
        let account = Self {
            customer_id,
            currency,
            state: AccountState::Open,
            debits_minor: 0,
            credits_minor: 0,
            entries: 0,
            held_minor: 0,
            holds: 0,
            payable_minor: 0,
            owed_since: None,
            opened_at: now,
            closed_at: None,
        };
        (account, opened)
    }

    /// What can be spent; neither total is negative, so it cannot overflow.
    pub const fn balance_minor(&self) -> i64 {
        self.credits_minor - self.debits_minor
    }

    /// Why an amount cannot be held, if it cannot.
    pub fn refuses(&self, amount_minor: i64) -> Option<&'static str> {
        let held_minor = if injected("balance-spent-twice") { self.held_minor } else { 0 };
        match self.state {
            AccountState::Closing | AccountState::Closed => Some(reason::ACCOUNT_CLOSED),
            AccountState::Open if self.balance_minor() + held_minor < amount_minor => Some(reason::INSUFFICIENT_FUNDS),
            AccountState::Open => None,
        }
    }

    /// Money of it is set aside for an order.
    pub fn hold(&mut self, amount_minor: i64) {
        self.held_minor += amount_minor;
        self.holds += 1;
    }

    /// The hold of an order is over: taken, or come back.
    pub fn unhold(&mut self, amount_minor: i64) {
        self.held_minor -= amount_minor;
        self.holds -= 1;
    }

    /// Money has come into it by this posting.
    pub fn credited(&self, posting: &Posting) -> AccountCredited {
        AccountCredited {
            customer_id: self.customer_id.clone(),
            currency: self.currency,
            amount_minor: posting.amount_minor(),
            balance_minor: self.balance_minor(),
            cause: Arc::clone(posting.cause()),
            order_id: posting.order_id().cloned(),
        }
    }

    /// Money has left it by this posting.
    pub fn debited(&self, posting: &Posting) -> AccountDebited {
        AccountDebited {
            customer_id: self.customer_id.clone(),
            currency: self.currency,
            amount_minor: posting.amount_minor(),
            balance_minor: self.balance_minor(),
            cause: Arc::clone(posting.cause()),
            order_id: posting.order_id().cloned(),
        }
    }

    /// Its customer is gone.
    pub fn customer_deleted(&mut self) {
        if self.state == AccountState::Open {
            self.state = AccountState::Closing;
        }
    }

    /// Whether nothing keeps it from closing any more.
    pub fn can_close(&self) -> bool {
        self.state == AccountState::Closing && self.holds == 0
    }

    /// Money for its customer is set aside that cannot come into the account any more.
    pub fn owe(&mut self, amount_minor: i64, now: Timestamp) -> Result<(), AmountOverflow> {
        self.payable_minor = plus(self.payable_minor, amount_minor)?;
        self.owed_since.get_or_insert(now);
        Ok(())
    }

    /// An operator has paid out a part or all of what is owed: the caller has looked.
    pub fn paid_out(&mut self, amount_minor: i64) {
        self.payable_minor -= amount_minor;
        if self.payable_minor == 0 {
            self.owed_since = None;
        }
    }

    /// It is empty by now; `left_minor` was in it.
    pub fn close(&mut self, left_minor: i64, now: Timestamp) -> AccountClosed {
        self.state = AccountState::Closed;
        self.closed_at = Some(now);
        AccountClosed { customer_id: self.customer_id.clone(), currency: self.currency, balance_minor: left_minor }
    }
}

impl Book for Account {
    fn book(&self) -> Arc<str> {
        CUSTOMER.into()
    }
    fn customer_id(&self) -> Option<&Id> {
        Some(&self.customer_id)
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

impl AccountHolder {
    pub fn new(customer_id: Id) -> Self {
        Self { customer_id, currencies: Currencies::default(), deleted: false }
    }

    /// The customer has one more account; `false` when there are too many.
    #[must_use]
    pub fn add(&mut self, currency: Currency) -> bool {
        self.currencies.add(currency)
    }

    /// The customer is gone: there will be no other account.
    pub fn customer_deleted(&mut self) {
        self.deleted = true;
    }
}

impl Currencies {
    pub fn iter(&self) -> impl Iterator<Item = Currency> {
        self.0.iter().copied()
    }

    pub fn contains(&self, currency: Currency) -> bool {
        self.0.contains(&currency)
    }

    /// With one more; `false` when there are too many.
    #[must_use]
    fn add(&mut self, currency: Currency) -> bool {
        if self.0.len() >= ACCOUNT_CURRENCIES_MAX {
            return false;
        }
        self.0 = self.iter().chain([currency]).collect();
        true
    }
}

impl Column for Currencies {
    const KIND: ColumnKind = ColumnKind::Text;
    fn to_value(&self) -> Value {
        let codes: Vec<&str> = self.0.iter().map(Currency::as_str).collect();
        Value::Text(codes.join(" ").into())
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        let codes = String::from_value(value)?;
        let currencies: Result<Arc<[Currency]>, _> = codes.split_whitespace().map(str::parse).collect();
        currencies.map(Self).map_err(|error| ColumnError(error.to_string()))
    }
    fn weight(&self) -> usize {
        self.0.len() * size_of::<Currency>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_one_column_of_text() {
        let mut currencies = Currencies::default();
        assert_eq!(Currencies::from_value(&currencies.to_value()), Ok(currencies.clone()));
        assert!(currencies.add("EUR".parse().unwrap()) && currencies.add("USD".parse().unwrap()));
        assert_eq!(currencies.to_value(), Value::Text("EUR USD".into()));
        assert_eq!(Currencies::from_value(&currencies.to_value()), Ok(currencies));
        assert!(Currencies::from_value(&Value::Text("EUR usd".into())).is_err());
    }

    #[test]
    fn there_is_a_bound_of_currencies() {
        let mut currencies = Currencies::default();
        let codes = ('A'..='Z').flat_map(|first| ('A'..='Z').map(move |second| format!("A{first}{second}")));
        for code in codes.take(ACCOUNT_CURRENCIES_MAX) {
            assert!(currencies.add(code.parse().unwrap()));
        }
        assert!(!currencies.add("ZZZ".parse().unwrap()));
    }
}
