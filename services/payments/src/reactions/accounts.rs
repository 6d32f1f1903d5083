//! Accounts of customers: opened when they come, closed when they go and nothing is held for them any more.

use tradewind_engine::{Outcome, Stop, Uow};
use tradewind_events::{
    Currency, Id,
    identity::{UserDeleted, UserRegistered},
};

use super::books;
use crate::{
    Payments,
    model::{ACCOUNT_CLOSED, ACCOUNT_CURRENCIES, Account, AccountHolder},
};

/// A customer gets an account in the shop's currency. Others open with their first credit.
pub fn open_account(uow: &mut Uow<Payments>, registered: &UserRegistered) -> Outcome {
    let currency = uow.settings().currency;
    let holder = uow.get::<AccountHolder>(&registered.user_id)?;
    // The end of a customer may be heard of first.
    if holder.is_some_and(|holder| holder.deleted() || holder.currencies().contains(currency)) {
        return Ok(());
    }
    let account = open(uow, &registered.user_id, currency)?;
    uow.put(account);
    Ok(())
}

/// The customer is gone: every account closes, now or with the last hold.
pub fn close_accounts(uow: &mut Uow<Payments>, deleted: &UserDeleted) -> Outcome {
    let holder = uow.get::<AccountHolder>(&deleted.user_id)?;
    let mut holder = holder.unwrap_or_else(|| AccountHolder::new(deleted.user_id.clone()));
    if holder.deleted() {
        return Ok(());
    }
    holder.customer_deleted();
    let keys = holder.currencies().iter().map(|currency| (deleted.user_id.clone(), currency));
    for mut account in uow.load_all::<Account>(keys)? {
        account.customer_deleted();
        books::close_if_due(uow, &mut account)?;
        uow.put(account);
    }
    uow.put(holder);
    Ok(())
}

/// The customer's account in a currency, opened when there is none yet. Refuses a customer who is gone.
pub(crate) fn open(uow: &mut Uow<Payments>, customer_id: &Id, currency: Currency) -> Result<Account, Stop> {
    let holder = uow.get::<AccountHolder>(customer_id)?;
    let mut holder = holder.unwrap_or_else(|| AccountHolder::new(customer_id.clone()));
    if holder.deleted() {
        return Err(ACCOUNT_CLOSED.because(format!("customer {customer_id} was deleted")).into());
    }
    if holder.currencies().contains(currency) {
        return uow.load::<Account>((customer_id, currency));
    }
    if !holder.add(currency) {
        return Err(ACCOUNT_CURRENCIES.problem().at("currency").into());
    }
    let (account, opened) = Account::open(customer_id.clone(), currency, uow.now());
    uow.emit(opened);
    uow.put(holder);
    Ok(account)
}
