//! Prepaid accounts: what customers have, how it came and went, and money that staff puts in.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{
    Entity,
    ports::{Direction, List},
};
use tradewind_events::{Column, Currency, Id, Timestamp, Value};
use tradewind_payments::{
    Account, Posting,
    commands::CreditAccount,
    model::{ACCOUNT_CURRENCIES_MAX, AccountState, CUSTOMER, Side},
};

use crate::http::{Call, Failure, Json, Okay, Page, PageOf, Path, Sent};

/// An account of a customer in one currency.
#[derive(Serialize, JsonSchema)]
pub struct AccountView {
    user_id: Id,
    currency: Currency,
    state: AccountState,
    /// What can be spent.
    balance_minor: i64,
    /// Set aside for orders; it is not part of the balance.
    held_minor: i64,
    /// Owed to the customer, who was deleted.
    payable_minor: i64,
    opened_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
pub struct Accounts {
    items: Vec<AccountView>,
}

/// One side of one posting.
#[derive(Serialize, JsonSchema)]
pub struct EntryView {
    posting_id: Id,
    /// Counts the entries of the account from 1.
    number: u64,
    side: Side,
    amount_minor: i64,
    currency: Currency,
    /// Of the account, after it.
    balance_minor: i64,
    /// The account of the other side.
    against: Arc<str>,
    cause: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Arc<str>>,
    posted_at: Timestamp,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredit {
    amount_minor: i64,
    /// In one word or two: `top_up`, `goodwill`.
    cause: Arc<str>,
    /// What shows it: a bank statement, a ticket.
    #[serde(default)]
    reference: Option<Arc<str>>,
}

pub async fn list(call: Call, Path(user_id): Path<Id>) -> Result<Okay<Accounts>, Failure> {
    let most = u32::try_from(ACCOUNT_CURRENCIES_MAX).unwrap_or(u32::MAX);
    let list = List::of(Account::TABLE, most).equal("customer_id", Value::Text(user_id.shared()));
    let accounts: Vec<Account> = call.list(list).await?;
    Ok(Okay(Accounts { items: accounts.iter().map(AccountView::from).collect() }))
}

/// The newest first.
pub async fn entries(
    call: Call,
    Path((user_id, currency)): Path<(Id, Currency)>,
    page: Page,
) -> Result<Okay<PageOf<EntryView>>, Failure> {
    let mut list = List::of(Posting::TABLE, page.limit)
        .equal("customer_id", Value::Text(user_id.shared()))
        .equal("currency", currency.to_value());
    list.direction = Direction::Descending;
    call.page(&page, list, |posting| EntryView::of(&posting)).await
}

pub async fn credit(
    call: Call,
    Path((customer_id, currency)): Path<(Id, Currency)>,
    Json(new): Json<NewCredit>,
) -> Result<Sent<Okay<AccountView>>, Failure> {
    let actor = call.user_id()?.shared();
    let NewCredit { amount_minor, cause, reference } = new;
    let credit = CreditAccount { customer_id, currency, amount_minor, cause, reference, actor };
    call.submit(credit, |account| Okay(AccountView::from(account))).await
}

impl From<&Account> for AccountView {
    fn from(account: &Account) -> Self {
        Self {
            user_id: account.customer_id().clone(),
            currency: account.currency(),
            state: account.state(),
            balance_minor: account.balance_minor(),
            held_minor: account.held_minor(),
            payable_minor: account.payable_minor(),
            opened_at: account.opened_at(),
            closed_at: account.closed_at(),
        }
    }
}

impl EntryView {
    /// The side of the customer.
    fn of(posting: &Posting) -> Self {
        let [debit, credit] = posting.entries();
        let entry = if **posting.debit() == *CUSTOMER { debit } else { credit };
        Self {
            posting_id: posting.posting_id().clone(),
            number: entry.number,
            side: entry.side,
            amount_minor: posting.amount_minor(),
            currency: posting.currency(),
            balance_minor: entry.balance_minor,
            against: entry.against,
            cause: Arc::clone(posting.cause()),
            order_id: posting.order_id().cloned(),
            reference: posting.reference().cloned(),
            posted_at: posting.posted_at(),
        }
    }
}
