//! The payment of an order: how it stands; what whoever authorizes from outside says of it; what staff does with it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{Entity, ports::List};
use tradewind_events::{Currency, Id, PaymentMethod, Timestamp, Value};
use tradewind_payments::{
    Payment, Refund, Surplus,
    commands::{AuthorizeExternal, CapturePayment, ExternalAuthorization, FailExternal, RefundPayment, Via},
    model::{PAYMENT_NOT_FOUND, PaymentState, RefundState, SurplusState},
};

use crate::http::{Call, Failure, Json, Okay, OnItsWay, Page, PageOf, Path, Sent};

/// Refunds, and as many rows of surplus, that are shown with a payment; the others follow on pages of their own.
const PARTS_SHOWN_MAX: u32 = 100;

/// The payment of an order. Amounts are in minor units of `currency`.
#[derive(Serialize, JsonSchema)]
pub struct PaymentView {
    order_id: Id,
    payment_id: Id,
    state: PaymentState,
    method: PaymentMethod,
    currency: Currency,
    /// What the order costs; zero until it is validated.
    amount_minor: i64,
    authorized_minor: i64,
    captured_minor: i64,
    refunded_minor: i64,
    /// Of refunds that are under way or owed.
    returning_minor: i64,
    /// What the provider, or whoever else authorized, calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Id>,
    /// Why it failed or was refused, else why the order ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Arc<str>>,
    /// Since when a hold cannot be let go.
    #[serde(skip_serializing_if = "Option::is_none")]
    owed_since: Option<Timestamp>,
    created_at: Timestamp,
    changed_at: Timestamp,
}

/// A payment with all that went back.
#[derive(Serialize, JsonSchema)]
pub struct PaymentDetails {
    #[serde(flatten)]
    payment: PaymentView,
    refunds: Vec<RefundDetails>,
    /// There are more refunds: the cursor for `/v1/orders/{order_id}/payment/refunds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    refunds_cursor: Option<String>,
    /// Money that came for no reason. It is no part of the payment, and goes back.
    surpluses: Vec<SurplusDetails>,
    /// There is more: the cursor for `/v1/orders/{order_id}/payment/surpluses`.
    #[serde(skip_serializing_if = "Option::is_none")]
    surpluses_cursor: Option<String>,
}

/// A part or all of what was taken goes back.
#[derive(Serialize, JsonSchema)]
pub struct RefundDetails {
    order_id: Id,
    refund_id: Id,
    state: RefundState,
    amount_minor: i64,
    currency: Currency,
    reason: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_reason: Option<Arc<str>>,
    /// Refused for good, and not settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    owed_since: Option<Timestamp>,
    requested_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    refunded_at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
pub struct SurplusDetails {
    /// What whoever holds it calls it.
    reference: Id,
    state: SurplusState,
    amount_minor: i64,
    currency: Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    owed_since: Option<Timestamp>,
    came_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    returned_at: Option<Timestamp>,
}

/// The money of an order is held by you.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authorization {
    /// What you call it. The same one again changes nothing.
    reference: Id,
    amount_minor: i64,
    currency: Currency,
}

#[derive(Serialize, JsonSchema)]
pub struct Authorized {
    payment: PaymentView,
    /// Nobody waited for this money: it is asked back, and the payment is as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    surplus: Option<SurplusDetails>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentFailure {
    reason: Arc<str>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRefund {
    /// The same one again changes nothing; a new one when absent.
    #[serde(default)]
    refund_id: Option<Id>,
    /// All that is left when absent.
    #[serde(default)]
    amount_minor: Option<i64>,
    reason: Arc<str>,
}

pub async fn read(call: Call, Path(order_id): Path<Id>) -> Result<Okay<PaymentDetails>, Failure> {
    let payment = payment_of(&call, &order_id).await?;
    let first = Page::first(PARTS_SHOWN_MAX);
    let (refunds, surpluses) =
        (refunds_of(&call, &order_id, &first).await?, surpluses_of(&call, &order_id, &first).await?);
    Ok(Okay(PaymentDetails {
        payment: PaymentView::from(&payment),
        refunds: refunds.items,
        refunds_cursor: refunds.next_cursor,
        surpluses: surpluses.items,
        surpluses_cursor: surpluses.next_cursor,
    }))
}

/// All of them, a page at a time.
pub async fn refunds(call: Call, Path(order_id): Path<Id>, page: Page) -> Result<Okay<PageOf<RefundDetails>>, Failure> {
    payment_of(&call, &order_id).await?;
    refunds_of(&call, &order_id, &page).await.map(Okay)
}

/// All of it, a page at a time.
pub async fn surpluses(
    call: Call,
    Path(order_id): Path<Id>,
    page: Page,
) -> Result<Okay<PageOf<SurplusDetails>>, Failure> {
    payment_of(&call, &order_id).await?;
    surpluses_of(&call, &order_id, &page).await.map(Okay)
}

/// The payment of an order that they may see.
async fn payment_of(call: &Call, order_id: &Id) -> Result<Payment, Failure> {
    let payment = call.load::<Payment>(order_id).await?;
    let payment = payment.filter(|payment| payment.state() != PaymentState::Unheard);
    let payment = payment.ok_or_else(|| PAYMENT_NOT_FOUND.problem())?;
    call.owned_by(&payment.order().customer_id, PAYMENT_NOT_FOUND)?;
    Ok(payment)
}

async fn refunds_of(call: &Call, order_id: &Id, page: &Page) -> Result<PageOf<RefundDetails>, Failure> {
    let list = List::of(Refund::TABLE, page.limit).equal("order_id", Value::Text(order_id.shared()));
    call.page(page, list, |refund: Refund| RefundDetails::from(&refund)).await.map(|Okay(page)| page)
}

async fn surpluses_of(call: &Call, order_id: &Id, page: &Page) -> Result<PageOf<SurplusDetails>, Failure> {
    let list = List::of(Surplus::TABLE, page.limit).equal("order_id", Value::Text(order_id.shared()));
    call.page(page, list, |surplus: Surplus| SurplusDetails::from(&surplus)).await.map(|Okay(page)| page)
}

pub async fn authorize(
    call: Call,
    Path(order_id): Path<Id>,
    Json(held): Json<Authorization>,
) -> Result<Sent<Okay<Authorized>>, Failure> {
    let Authorization { reference, amount_minor, currency } = held;
    let authorize = AuthorizeExternal { order_id, reference, amount_minor, currency, via: Via::Api };
    let view = |told: &ExternalAuthorization| {
        let surplus = told.surplus.as_ref().map(SurplusDetails::from);
        Okay(Authorized { payment: PaymentView::from(&told.payment), surplus })
    };
    call.submit(authorize, view).await
}

pub async fn fail(
    call: Call,
    Path(order_id): Path<Id>,
    Json(failure): Json<PaymentFailure>,
) -> Result<Sent<Okay<PaymentView>>, Failure> {
    let fail = FailExternal { order_id, reason: failure.reason };
    call.submit(fail, |payment| Okay(PaymentView::from(payment))).await
}

pub async fn capture(call: Call, Path(order_id): Path<Id>) -> Result<Sent<OnItsWay<PaymentView>>, Failure> {
    let view = |payment: &Payment| OnItsWay {
        is_done: payment.state() != PaymentState::Capturing,
        body: PaymentView::from(payment),
    };
    call.submit(CapturePayment { order_id }, view).await
}

pub async fn refund(
    call: Call,
    Path(order_id): Path<Id>,
    Json(new): Json<NewRefund>,
) -> Result<Sent<OnItsWay<RefundDetails>>, Failure> {
    let actor = call.user_id()?.shared();
    let NewRefund { refund_id, amount_minor, reason } = new;
    let refund = RefundPayment { order_id, refund_id, amount_minor, reason, actor };
    let view = |refund: &Refund| OnItsWay {
        is_done: refund.state() != RefundState::Refunding,
        body: RefundDetails::from(refund),
    };
    call.submit(refund, view).await
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        Self {
            order_id: payment.order_id().clone(),
            payment_id: payment.payment_id().clone(),
            state: payment.state(),
            method: payment.order().payment_method,
            currency: payment.order().currency,
            amount_minor: payment.amount_minor(),
            authorized_minor: payment.authorized_minor(),
            captured_minor: payment.captured_minor(),
            refunded_minor: payment.refunded_minor(),
            returning_minor: payment.returning_minor(),
            reference: payment.reference().cloned(),
            reason: payment.reason().cloned(),
            owed_since: payment.owed_since(),
            created_at: payment.created_at(),
            changed_at: payment.changed_at(),
        }
    }
}

impl From<&Refund> for RefundDetails {
    fn from(refund: &Refund) -> Self {
        Self {
            order_id: refund.order_id().clone(),
            refund_id: refund.refund_id().clone(),
            state: refund.state(),
            amount_minor: refund.amount_minor(),
            currency: refund.currency(),
            reason: Arc::clone(refund.reason()),
            refused_reason: refund.refused_reason().cloned(),
            owed_since: refund.owed_since(),
            requested_at: refund.requested_at(),
            refunded_at: refund.refunded_at(),
        }
    }
}

impl From<&Surplus> for SurplusDetails {
    fn from(surplus: &Surplus) -> Self {
        Self {
            reference: surplus.reference().clone(),
            state: surplus.state(),
            amount_minor: surplus.amount_minor(),
            currency: surplus.currency(),
            owed_since: surplus.owed_since(),
            came_at: surplus.came_at(),
            returned_at: surplus.returned_at(),
        }
    }
}
