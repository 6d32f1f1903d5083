//! Orders: placing one, looking at it, stopping it. What is placed is answered as soon as it is written down; whoever
//! prefers to wait hears how it went.

mod outcome;
mod view;

use std::{sync::Arc, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{
    Entity,
    ports::{Direction, List},
};
use tradewind_events::{
    Address, CartSnapshot, Currency, Id, Line, Lines, PaymentMethod, Personal, TextEnum, Timestamp, Value,
};
use tradewind_identity::model::{Role, User};
use tradewind_orders::{
    Basket, CancelAccepted, CancelOrder, ORDER_NOT_FOUND, Order, OrderAccepted, OrderState, PlaceOrder, PlacedBy,
};
use tradewind_payments::model::CUSTOMER_NOT_FOUND;
use tradewind_query::{OrderStatus, OrderView, RefundView};

use crate::http::{
    Call, Failure, Json, Okay, OnItsWay, Page, PageOf, Path, Query, Sent, There, Wait, WaitUntilFound, location,
    refusals::{BODY_INVALID, NOT_ALLOWED, QUERY_INVALID},
};

use outcome::OutcomeView;
pub use view::{OrderDetails, OrderItem, RefundPart};

/// From the first moment of a day to its last.
const DAY: Duration = Duration::from_millis(24 * 60 * 60 * 1_000 - 1);

/// Refunds that are shown with an order; the others follow on pages of their own.
const REFUNDS_SHOWN_MAX: u32 = 100;

/// What somebody wants to buy: `lines`, or a `cart` as its checkout has signed it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// Whose order it is; your own when absent. Only staff and service clients order for others.
    #[serde(default)]
    customer_id: Option<Id>,
    /// An id of another system, which passes through; a new one when absent. For staff and service clients.
    #[serde(default)]
    order_id: Option<Id>,
    /// That of the shop when absent.
    #[serde(default)]
    currency: Option<Currency>,
    #[serde(default)]
    lines: Option<Vec<NewLine>>,
    #[serde(default)]
    cart: Option<Arc<CartSnapshot>>,
    payment_method: PaymentMethod,
    #[serde(default)]
    shipping_address: Option<PostalAddress>,
    #[serde(default)]
    billing_address: Option<PostalAddress>,
    /// How long stock is held unpaid; absent: as configured. Only staff and service clients may ask for more than that.
    #[serde(default)]
    reservation_ttl_seconds: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLine {
    product_id: Id,
    sku: Id,
    quantity: u32,
    /// What you take it to cost, for one: the order is rejected if it costs something else by then.
    #[serde(default)]
    unit_price_minor: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostalAddress {
    street: Personal<String>,
    city: Personal<String>,
    #[serde(default)]
    state: Option<Personal<String>>,
    zip: Personal<String>,
    country: Personal<String>,
}

/// An order is written down. What becomes of it is told by the order itself, its events, or `outcome`.
#[derive(Serialize, JsonSchema)]
pub struct Acceptance {
    order_id: Id,
    customer_id: Id,
    /// When this was answered first.
    status: OrderState,
    placed_at: Timestamp,
    /// It is cancelled if it is not confirmed by then.
    deadline_at: Timestamp,
    /// How it stands now, with `Prefer: wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeView>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// In your words; it stands in the order and its events.
    #[serde(default)]
    reason: Option<Arc<str>>,
}

/// An order is cancelled, or shipping was asked whether it can still be stopped.
#[derive(Serialize, JsonSchema)]
pub struct CancellationAccepted {
    order_id: Id,
    /// `cancelled`, or `cancelling` when this was answered first.
    status: OrderState,
    /// How it stands now, with `Prefer: wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeView>,
}

#[derive(Deserialize, JsonSchema)]
pub struct Filter {
    /// Of this customer. Customers see their own orders, with or without it.
    #[serde(default)]
    customer_id: Option<Id>,
    /// In this status.
    #[serde(default)]
    status: Option<OrderStatus>,
    /// That began at this moment or later; a day counts from its beginning (UTC).
    #[serde(default)]
    from: Option<String>,
    /// That began at this moment or earlier; a day counts to its end (UTC).
    #[serde(default)]
    to: Option<String>,
}

pub async fn place(call: Call, wait: Wait, Json(new): Json<NewOrder>) -> Result<Sent<There<Acceptance>>, Failure> {
    let place = wanted(&call, new)?;
    known(&call, &place.customer_id).await?;
    let sent = call.submit(place, accepted).await?;
    outcome::add(&call, wait, sent, |order| !order.state().is_open()).await
}

/// What is to be placed, and whether whoever asks may.
fn wanted(call: &Call, new: NewOrder) -> Result<PlaceOrder, Failure> {
    let who = call.user()?;
    let customer_id = match new.customer_id {
        Some(customer_id) => customer_id,
        None if who.role == Role::Service => {
            return Err(BODY_INVALID.because("A service client says whose order it is.").at("customer_id"));
        }
        None => who.id.clone(),
    };
    call.owned_by(&customer_id, NOT_ALLOWED.refusal)?;
    if new.order_id.is_some() && who.role == Role::Customer {
        return Err(NOT_ALLOWED.because("Only staff and service clients bring an id for an order.").at("order_id"));
    }
    let basket = match (new.lines, new.cart) {
        (Some(lines), None) => Basket::Lines {
            order_id: new.order_id,
            currency: new.currency,
            lines: lines.into_iter().map(Line::from).collect::<Lines>(),
        },
        (None, Some(cart)) => match (new.order_id, new.currency) {
            (None, None) => Basket::Cart(cart),
            (Some(_), _) => return Err(BODY_INVALID.because("A signed cart names its order itself.").at("order_id")),
            (_, Some(_)) => return Err(BODY_INVALID.because("A signed cart has its currency.").at("currency")),
        },
        _ => return Err(BODY_INVALID.because("An order has either lines or a signed cart.").at("lines")),
    };
    let by = if who.role == Role::Customer { PlacedBy::Customer } else { PlacedBy::Shop };
    Ok(PlaceOrder {
        by,
        customer_id,
        basket,
        payment_method: new.payment_method,
        shipping_address: new.shipping_address.map(|address| Arc::new(address.into())),
        billing_address: new.billing_address.map(|address| Arc::new(address.into())),
        reservation_ttl_seconds: new.reservation_ttl_seconds,
    })
}

/// Whoever orders for somebody else must have the id right. Their own is right, and customers who are kept elsewhere are
/// not known here.
async fn known(call: &Call, customer_id: &Id) -> Result<(), Failure> {
    let kept_elsewhere = call.config.foreign_customers || !call.services.contains(&"identity");
    if kept_elsewhere || call.user_id()? == customer_id || call.load::<User>(customer_id).await?.is_some() {
        return Ok(());
    }
    Err(CUSTOMER_NOT_FOUND.because(format!("No customer {customer_id} is registered.")).at("customer_id").into())
}

fn accepted(told: &OrderAccepted) -> There<Acceptance> {
    let location = location("/v1/orders", &told.order_id);
    let body = Acceptance {
        order_id: told.order_id.clone(),
        customer_id: told.customer_id.clone(),
        status: told.status,
        placed_at: told.placed_at,
        deadline_at: told.deadline_at,
        outcome: None,
    };
    There { is_new: told.is_new, location, body }
}

pub async fn read(call: Call, wait: WaitUntilFound, Path(order_id): Path<Id>) -> Result<Okay<OrderDetails>, Failure> {
    call.until_found(wait, &order_id, || details(&call, &order_id)).await.map(Okay)
}

async fn details(call: &Call, order_id: &Id) -> Result<OrderDetails, Failure> {
    let (seen, order) = (call.load::<OrderView>(order_id).await?, call.load::<Order>(order_id).await?);
    let order = order.filter(|order| order.state() != OrderState::Unheard);
    let details = match seen.and_then(OrderDetails::of_view) {
        Some(details) => Some(details),
        // What was placed a moment ago has not come to another store yet.
        None => order.as_ref().and_then(OrderDetails::of_order),
    };
    // The same words as for an order of somebody else.
    let unknown = || ORDER_NOT_FOUND.problem();
    let mut details = details.ok_or_else(unknown)?;
    call.owned_by(details.customer_id(), ORDER_NOT_FOUND)?;
    details.add_refunds(refunds_of(call, order_id, &Page::first(REFUNDS_SHOWN_MAX)).await?);
    if let Some(order) = order.filter(|_| call.sees_personal(details.customer_id())) {
        details.add_addresses(&order);
    }
    Ok(details)
}

/// All of them, a page at a time.
pub async fn refunds(
    call: Call,
    wait: WaitUntilFound,
    Path(order_id): Path<Id>,
    page: Page,
) -> Result<Okay<PageOf<RefundPart>>, Failure> {
    call.until_found(wait, &order_id, || refund_page(&call, &order_id, &page)).await.map(Okay)
}

async fn refund_page(call: &Call, order_id: &Id, page: &Page) -> Result<PageOf<RefundPart>, Failure> {
    // The same words as for an order of somebody else.
    let unknown = || ORDER_NOT_FOUND.problem();
    let order = call.load::<OrderView>(order_id).await?.ok_or_else(unknown)?;
    call.owned_by(order.customer_id.as_ref().ok_or_else(unknown)?, ORDER_NOT_FOUND)?;
    refunds_of(call, order_id, page).await
}

async fn refunds_of(call: &Call, order_id: &Id, page: &Page) -> Result<PageOf<RefundPart>, Failure> {
    let list = List::of(RefundView::TABLE, page.limit).equal("order_id", Value::Text(order_id.shared()));
    call.page(page, list, RefundPart::of).await.map(|Okay(page)| page)
}

/// The newest first, whatever sort of id they have.
pub async fn list(call: Call, Query(filter): Query<Filter>, page: Page) -> Result<Okay<PageOf<OrderItem>>, Failure> {
    let who = call.user()?;
    let customer_id = match filter.customer_id {
        None if who.role == Role::Customer => Some(who.id.clone()),
        wanted => wanted,
    };
    call.owned_by(customer_id.as_ref().unwrap_or(&who.id), NOT_ALLOWED.refusal)?;
    let mut list = List::of(OrderView::TABLE, page.limit).order_by("began_at", Direction::Descending);
    if let Some(status) = filter.status {
        list = list.equal("status", Value::Text(status.as_str().into()));
    } else {
        // One that only others have spoken of was never placed: it has no status.
        list = list.at_least("status", Value::Text("".into()));
    }
    for (time, field) in [(&filter.from, "from"), (&filter.to, "to")] {
        let Some(time) = time else { continue };
        let at = Value::Int(moment(time, field)?.as_millis());
        list = if field == "from" { list.at_least("began_at", at) } else { list.at_most("began_at", at) };
    }
    if let Some(customer_id) = customer_id {
        list = list.equal("customer_id", Value::Text(customer_id.shared()));
    }
    call.page(&page, list, OrderItem::of).await
}

/// A moment, or a day: as `from` its first moment, as `to` its last.
fn moment(text: &str, field: &'static str) -> Result<Timestamp, Failure> {
    let day = || format!("{text}T00:00:00Z").parse::<Timestamp>().ok().filter(|at| at.day() == text);
    let last = |day: Timestamp| if field == "to" { day.plus(DAY) } else { day };
    let at = text.parse().ok().or_else(|| day().map(last));
    let detail = "It must be a moment such as 2026-01-31T12:00:00Z, or a day such as 2026-01-31.";
    at.ok_or_else(|| QUERY_INVALID.because(detail).at(field))
}

pub async fn cancel(
    call: Call,
    wait: Wait,
    Path(order_id): Path<Id>,
    Json(cancellation): Json<Cancellation>,
) -> Result<Sent<OnItsWay<CancellationAccepted>>, Failure> {
    let who = call.user()?;
    let customer = (who.role == Role::Customer).then(|| who.id.clone());
    let cancel = CancelOrder { order_id, customer, reason: cancellation.reason };
    let sent = call.submit(cancel, cancelling).await?;
    // The command has found that it is theirs.
    call.owned_by(&who.id, ORDER_NOT_FOUND)?;
    outcome::add(&call, wait, sent, |order| order.state() != OrderState::Cancelling).await
}

fn cancelling(told: &CancelAccepted) -> OnItsWay<CancellationAccepted> {
    let body = CancellationAccepted { order_id: told.order_id.clone(), status: told.status, outcome: None };
    OnItsWay { is_done: told.is_done, body }
}

impl From<NewLine> for Line {
    fn from(line: NewLine) -> Self {
        let NewLine { product_id, sku, quantity, unit_price_minor } = line;
        Self { product_id, sku, quantity, unit_price_minor, location_id: None, reservation_id: None }
    }
}

impl From<PostalAddress> for Address {
    fn from(address: PostalAddress) -> Self {
        let PostalAddress { street, city, state, zip, country } = address;
        Self { street, city, state, zip, country }
    }
}
