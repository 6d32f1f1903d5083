//! What somebody may ask of orders.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{Answer, Command, OrRefuse, Outcome, Problem, Uow};
use tradewind_events::{Address, CancelledBy, CartSnapshot, Currency, Id, Lines, PaymentMethod, Timestamp};

use crate::{
    Customer, DEADLINE, Order, OrderState, Orders,
    model::{
        CANCEL_REASON_CHARS_MAX, CUSTOMER_DELETED, INVALID_CANCEL_REASON, INVALID_RESERVATION_TTL, INVALID_SIGNED_CART,
        NewOrder, ORDER_EXISTS, ORDER_NOT_FOUND, SIGNED_CART_EXPIRED, TOO_MANY_UNPAID_ORDERS,
    },
    reactions,
};

/// Somebody wants to buy.
#[derive(Debug, Clone)]
pub struct PlaceOrder {
    pub by: PlacedBy,
    /// Whose order it is. A signed cart must be theirs.
    pub customer_id: Id,
    pub basket: Basket,
    pub payment_method: PaymentMethod,
    pub shipping_address: Option<Arc<Address>>,
    pub billing_address: Option<Arc<Address>>,
    /// How long stock is held unpaid; absent: as configured. A customer can ask for less, not for more.
    pub reservation_ttl_seconds: Option<u32>,
}

/// Who sends a request for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacedBy {
    /// The customer: how long and how often stock is held unpaid has a bound.
    Customer,
    /// Staff or a service client, for the customer.
    Shop,
}

/// What somebody wants to buy.
#[derive(Debug, Clone)]
pub enum Basket {
    Lines {
        /// Absent: a new one.
        order_id: Option<Id>,
        /// Absent: that of the shop.
        currency: Option<Currency>,
        /// A price that a line names must be the one of the quote.
        lines: Lines,
    },
    /// A cart as carts signed it. It names its order: placed again, it is the same one.
    Cart(Arc<CartSnapshot>),
}

/// The order is there, or was there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderAccepted {
    pub order_id: Id,
    pub customer_id: Id,
    pub status: OrderState,
    pub placed_at: Timestamp,
    /// Cancelled if it is not confirmed by then.
    pub deadline_at: Timestamp,
    /// Whether this request placed it.
    pub is_new: bool,
}

/// Somebody wants an order ended.
#[derive(Debug, Clone, Command)]
#[command(owner = Orders, name = "cancel_order", answer = CancelAccepted, key = order_id)]
pub struct CancelOrder {
    pub order_id: Id,
    /// On behalf of this customer; an operator's wish when absent.
    pub customer: Option<Id>,
    pub reason: Option<Arc<str>>,
}

/// The cancellation is done, or shipping was asked and its answer is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelAccepted {
    pub order_id: Id,
    /// `cancelled` or `cancelling`.
    pub status: OrderState,
    pub is_done: bool,
}

impl Command for PlaceOrder {
    type Owner = Orders;
    type Answer = OrderAccepted;
    const NAME: &'static str = "place_order";

    fn key(&self) -> Option<&Id> {
        match &self.basket {
            Basket::Lines { order_id, .. } => order_id.as_ref(),
            Basket::Cart(cart) => Some(&cart.order_id),
        }
    }
}

/// Writes the order down and arms its deadline; catalog quotes it next.
pub fn place_order(uow: &mut Uow<Orders>, place: &PlaceOrder) -> Answer<OrderAccepted> {
    let order_id = place.key().cloned().unwrap_or_else(|| uow.new_id());
    let new = wanted(place, order_id, uow.settings())?;
    let (early, customer) = (uow.get::<Order>(&new.order_id), uow.get::<Customer>(&new.customer_id));
    let (early, customer) = (early?, customer?);
    if let Some(order) = early.as_ref().filter(|order| order.state() != OrderState::Unheard) {
        return match order.is_the_same(&new) {
            Some(true) => Ok(accepted(order, false)),
            Some(false) => Err(ORDER_EXISTS.problem().into()),
            None => Err(ORDER_EXISTS.because("Its personal data were erased: no request can be compared.").into()),
        };
    }
    if let Basket::Cart(cart) = &place.basket
        && cart.is_expired(uow.now())
    {
        return Err(SIGNED_CART_EXPIRED.because(format!("It was good until {}.", cart.expires_at)).at("cart").into());
    }
    if customer.as_ref().is_some_and(|customer| customer.deleted_at().is_some()) {
        return Err(CUSTOMER_DELETED.problem().into());
    }
    note_customer(uow, place.by, customer, &new)?;
    let (order, said) = Order::place(early, new, uow.settings(), uow.now());
    uow.emit_all(said);
    if order.state().is_open() {
        uow.set_timer(&DEADLINE, order.order_id(), order.deadline_at());
    }
    let answer = accepted(&order, true);
    uow.put(order);
    Ok(answer)
}

/// Lists the order with its customer if it holds something personal or waits to be paid. Refuses one unpaid order too
/// many of those that the customer places.
fn note_customer(uow: &mut Uow<Orders>, by: PlacedBy, known: Option<Customer>, new: &NewOrder) -> Outcome {
    let counts = by == PlacedBy::Customer && new.waits_for_payment();
    if !counts && !new.is_personal() {
        return Ok(());
    }
    let mut customer = known.unwrap_or_else(|| Customer::new(&new.customer_id));
    if counts {
        let unpaid_max = uow.settings().unpaid_orders_max;
        if customer.unpaid().len() >= unpaid_max {
            // Only now is it looked up which of them are still unpaid: in between each order costs nothing.
            let orders = uow.get_all::<Order>(customer.unpaid().iter())?.into_iter().flatten();
            customer.keep_unpaid(orders.filter(Order::is_unpaid).map(|order| order.order_id().clone()));
        }
        if customer.unpaid().len() >= unpaid_max {
            let detail = format!("{unpaid_max} orders of the customer are not paid yet: pay or cancel one of them.");
            return Err(TOO_MANY_UNPAID_ORDERS.because(detail).into());
        }
        customer.add_unpaid(&new.order_id);
    }
    if new.is_personal()
        && let Some(full) = customer.add(&new.order_id)
    {
        uow.put(full);
    }
    uow.put(customer);
    Ok(())
}

/// What the basket says, checked.
fn wanted(place: &PlaceOrder, order_id: Id, settings: &Orders) -> Result<NewOrder, Problem> {
    let (currency, lines, cart) = match &place.basket {
        Basket::Lines { currency, lines, .. } => (currency.unwrap_or(settings.currency), lines.clone(), None),
        Basket::Cart(cart) => {
            if settings.cart_secret.is_empty() || !cart.verify(&settings.cart_secret) {
                return Err(INVALID_SIGNED_CART.because("The signature is not one of this shop.").at("cart.signature"));
            }
            if cart.customer_id != place.customer_id {
                return Err(INVALID_SIGNED_CART.because("The cart is another customer's.").at("cart.customer_id"));
            }
            (cart.currency, cart.lines.clone(), Some((cart.cart_id.clone(), cart.version)))
        }
    };
    if place.by == PlacedBy::Customer
        && let Some(seconds) = place.reservation_ttl_seconds
        && Duration::from_secs(seconds.into()) > settings.reservation_ttl
    {
        let most = settings.reservation_ttl.as_secs();
        let detail = format!("`reservation_ttl_seconds` of a customer's order must be at most {most}, not {seconds}.");
        return Err(INVALID_RESERVATION_TTL.because(detail).at("reservation_ttl_seconds"));
    }
    let new = NewOrder {
        order_id,
        customer_id: place.customer_id.clone(),
        currency,
        lines,
        cart,
        payment_method: place.payment_method,
        shipping_address: place.shipping_address.clone(),
        billing_address: place.billing_address.clone(),
        reservation_ttl_seconds: place.reservation_ttl_seconds,
    };
    new.checked(settings)
}

fn accepted(order: &Order, is_new: bool) -> OrderAccepted {
    OrderAccepted {
        order_id: order.order_id().clone(),
        customer_id: order.summary().customer_id.clone(),
        status: order.state(),
        placed_at: order.placed_at(),
        deadline_at: order.deadline_at(),
        is_new,
    }
}

/// Ends what is not confirmed at once; has shipping asked for what is.
pub fn cancel_order(uow: &mut Uow<Orders>, cancel: &CancelOrder) -> Answer<CancelAccepted> {
    let (by, usual) = match cancel.customer {
        Some(_) => (CancelledBy::Customer, "customer_request"),
        None => (CancelledBy::Operator, "operator_request"),
    };
    let reason = cancel.reason.clone().unwrap_or_else(|| usual.into());
    if reason.trim().is_empty() || reason.chars().count() > CANCEL_REASON_CHARS_MAX {
        let detail = format!("A reason has 1 to {CANCEL_REASON_CHARS_MAX} characters.");
        return Err(INVALID_CANCEL_REASON.because(detail).at("reason").into());
    }
    let mut order = uow
        .get::<Order>(&cancel.order_id)?
        .filter(|order| order.state() != OrderState::Unheard)
        .filter(|order| cancel.customer.as_ref().is_none_or(|customer| *customer == order.summary().customer_id))
        .or_refuse(|| ORDER_NOT_FOUND.because(format!("There is no order {}.", cancel.order_id)))?;
    let before = order.state();
    let said = order.cancel((by, reason), uow.settings(), uow.now())?;
    let is_done = order.state() == OrderState::Cancelled;
    let answer = CancelAccepted { order_id: order.order_id().clone(), status: order.state(), is_done };
    reactions::save(uow, before, order, said);
    Ok(answer)
}
