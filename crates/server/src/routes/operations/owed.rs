//! Money that must go back and was refused for good, or whose call has used up its attempts; and what is owed to deleted
//! customers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{
    Entity,
    ports::{Direction, List},
};
use tradewind_events::{Currency, Id, Timestamp, Value};
use tradewind_payments::{
    Account, Payment, Refund, Surplus,
    commands::{Owed, RetryOwed, SettleOwed, SettlePayable},
};

use crate::http::{Call, Failure, Json, Okay, Page, PageOf, Path, Sent};

/// Money that is owed.
#[derive(Serialize, JsonSchema)]
pub struct OwedView {
    order_id: Id,
    payment_id: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_id: Option<Id>,
    /// Of a surplus.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Id>,
    amount_minor: i64,
    currency: Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owed_since: Option<Timestamp>,
}

/// Which debt of an order: at most one of the two; neither is a hold that could not be let go.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Debt {
    #[serde(default)]
    refund_id: Option<Id>,
    /// Of a surplus.
    #[serde(default)]
    reference: Option<Id>,
}

/// The payment after the action.
#[derive(Serialize, JsonSchema)]
pub struct PaymentState {
    order_id: Id,
    payment_id: Id,
    state: String,
}

/// What is owed to a deleted customer: the rest of an account, and what came back after it was closed.
#[derive(Serialize, JsonSchema)]
pub struct PayableView {
    customer_id: Id,
    currency: Currency,
    /// In minor units.
    amount_minor: i64,
    /// Absent when nothing is owed any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    owed_since: Option<Timestamp>,
}

/// What was paid out by other means.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaidOut {
    currency: Currency,
    /// In minor units: all that is owed, or a part of it.
    amount_minor: i64,
}

pub async fn list_payables(call: Call, page: Page) -> Result<Okay<PageOf<PayableView>>, Failure> {
    call.page(&page, owed::<Account>(&page), |account| PayableView::from(&account)).await
}

/// The customer has the money.
pub async fn settle_payable(
    call: Call,
    Path(customer_id): Path<Id>,
    Json(paid): Json<PaidOut>,
) -> Result<Sent<Okay<PayableView>>, Failure> {
    let PaidOut { currency, amount_minor } = paid;
    let actor = call.user_id()?.shared();
    let settle = SettlePayable { customer_id, currency, amount_minor, actor };
    call.submit(settle, |account| Okay(PayableView::from(account))).await
}

pub async fn list_holds(call: Call, page: Page) -> Result<Okay<PageOf<OwedView>>, Failure> {
    let view = |row: Payment| OwedView {
        currency: row.order().currency,
        order_id: row.order_id().clone(),
        payment_id: row.payment_id().clone(),
        refund_id: None,
        reference: row.reference().cloned(),
        amount_minor: row.authorized_minor(),
        reason: row.reason().map(ToString::to_string),
        owed_since: row.owed_since(),
    };
    call.page(&page, owed::<Payment>(&page), view).await
}

pub async fn list_refunds(call: Call, page: Page) -> Result<Okay<PageOf<OwedView>>, Failure> {
    let view = |row: Refund| OwedView {
        order_id: row.order_id().clone(),
        payment_id: row.payment_id().clone(),
        refund_id: Some(row.refund_id().clone()),
        reference: None,
        amount_minor: row.amount_minor(),
        currency: row.currency(),
        reason: row.refused_reason().map(ToString::to_string),
        owed_since: row.owed_since(),
    };
    call.page(&page, owed::<Refund>(&page), view).await
}

pub async fn list_surplus(call: Call, page: Page) -> Result<Okay<PageOf<OwedView>>, Failure> {
    let view = |row: Surplus| OwedView {
        order_id: row.order_id().clone(),
        payment_id: row.payment_id().clone(),
        refund_id: None,
        reference: Some(row.reference().clone()),
        amount_minor: row.amount_minor(),
        currency: row.currency(),
        reason: row.refused_reason().map(ToString::to_string),
        owed_since: row.owed_since(),
    };
    call.page(&page, owed::<Surplus>(&page), view).await
}

/// The provider is asked once more.
pub async fn retry(
    call: Call,
    Path(order_id): Path<Id>,
    Json(debt): Json<Debt>,
) -> Result<Sent<Okay<PaymentState>>, Failure> {
    let owed = debt.owed();
    call.submit(RetryOwed { order_id, owed }, |payment| Okay(PaymentState::from(payment))).await
}

/// The money went back by other means.
pub async fn settle(
    call: Call,
    Path(order_id): Path<Id>,
    Json(debt): Json<Debt>,
) -> Result<Sent<Okay<PaymentState>>, Failure> {
    let (owed, actor) = (debt.owed(), call.user_id()?.shared());
    call.submit(SettleOwed { order_id, owed, actor }, |payment| Okay(PaymentState::from(payment))).await
}

/// The oldest debt first.
fn owed<E: Entity>(page: &Page) -> List {
    List::of(E::TABLE, page.limit).at_least("owed_since", Value::Int(0)).order_by("owed_since", Direction::Ascending)
}

impl Debt {
    fn owed(self) -> Owed {
        match (self.refund_id, self.reference) {
            (Some(refund_id), _) => Owed::Refund { refund_id },
            (None, Some(reference)) => Owed::Surplus { reference },
            (None, None) => Owed::Hold,
        }
    }
}

impl From<&Account> for PayableView {
    fn from(account: &Account) -> Self {
        Self {
            customer_id: account.customer_id().clone(),
            currency: account.currency(),
            amount_minor: account.payable_minor(),
            owed_since: account.owed_since(),
        }
    }
}

impl From<&Payment> for PaymentState {
    fn from(payment: &Payment) -> Self {
        Self {
            order_id: payment.order_id().clone(),
            payment_id: payment.payment_id().clone(),
            state: payment.state().to_string(),
        }
    }
}
