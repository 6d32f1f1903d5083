//! An order is placed: what may stand in one, and its first row.

use std::sync::Arc;

use tradewind_engine::{AMOUNT_TOO_LARGE, Events, Problem};
use tradewind_events::{
    Address, Currency, Fingerprint, Id, InvalidLines, Line, Lines, OrderSummary, PaymentMethod, TextEnum, Timestamp,
    orders::OrderPlaced, plus, times,
};

use super::{
    CONTRACT_CANNOT_CARRY, CURRENCY_NOT_SOLD, EMPTY_ORDER, INVALID_ADDRESS, INVALID_ORDER_LINES,
    INVALID_RESERVATION_TTL, Order, OrderState, Quote, owed_step,
};
use crate::Orders;

/// The longest line of an address, in characters.
pub const ADDRESS_FIELD_CHARS_MAX: usize = 200;

/// The longest time for which an order may ask stock to be held unpaid, in seconds: a day.
pub const RESERVATION_TTL_SECONDS_MAX: u32 = 86_400;

/// What somebody wants to buy.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOrder {
    pub order_id: Id,
    pub customer_id: Id,
    pub currency: Currency,
    pub lines: Lines,
    /// The cart that it comes from, with its version.
    pub cart: Option<(Id, u64)>,
    pub payment_method: PaymentMethod,
    pub shipping_address: Option<Arc<Address>>,
    pub billing_address: Option<Arc<Address>>,
    pub reservation_ttl_seconds: Option<u32>,
}

impl NewOrder {
    /// It holds something that must go when its customer is deleted.
    pub fn is_personal(&self) -> bool {
        self.shipping_address.is_some() || self.billing_address.is_some()
    }

    /// Nothing but the payment of somebody outside ends the time for which it holds stock.
    pub fn waits_for_payment(&self) -> bool {
        self.payment_method != PaymentMethod::Balance
    }

    /// The same for the same request, with all that the customer wants.
    pub fn fingerprint(&self) -> Arc<str> {
        let mut fingerprint = Fingerprint::default();
        fingerprint.text(self.customer_id.as_str());
        fingerprint.text(self.currency.as_str());
        fingerprint.text(self.payment_method.as_str());
        fingerprint.number(self.lines.len() as u64);
        for line in &self.lines {
            fingerprint.text(line.product_id.as_str());
            fingerprint.text(line.sku.as_str());
            fingerprint.number(line.quantity.into());
            let price_minor = line.unit_price_minor.map(i64::cast_unsigned);
            fingerprint.option(price_minor, Fingerprint::number);
        }
        fingerprint.option(self.cart.as_ref(), |fingerprint, (cart_id, version)| {
            fingerprint.text(cart_id.as_str());
            fingerprint.number(*version);
        });
        for address in [&self.shipping_address, &self.billing_address] {
            fingerprint.option(address.as_deref(), add_address);
        }
        fingerprint.option(self.reservation_ttl_seconds, |fingerprint, seconds| fingerprint.number(seconds.into()));
        fingerprint.finish()
    }

    /// The same with one line a SKU, or what is wrong with it. Where stock is taken from is not the customer's to say.
    pub fn checked(self, settings: &Orders) -> Result<Self, Problem> {
        if self.currency != settings.currency {
            let sold = settings.currency;
            return Err(CURRENCY_NOT_SOLD.because(format!("The shop sells in {sold}.")).at("currency"));
        }
        if let Some(seconds) = self.reservation_ttl_seconds
            && !(1..=RESERVATION_TTL_SECONDS_MAX).contains(&seconds)
        {
            let detail = format!("Stock is held for 1 to {RESERVATION_TTL_SECONDS_MAX} seconds, not {seconds}.");
            return Err(INVALID_RESERVATION_TTL.because(detail).at("reservation_ttl_seconds"));
        }
        check_address(self.shipping_address.as_deref(), "shipping_address")?;
        check_address(self.billing_address.as_deref(), "billing_address")?;
        let lines = checked_lines(&self.lines, settings)?;
        Ok(Self { lines, ..self })
    }
}

fn checked_lines(lines: &Lines, settings: &Orders) -> Result<Lines, Problem> {
    if lines.is_empty() {
        return Err(EMPTY_ORDER.problem().at("lines"));
    }
    let mut sum_minor = 0;
    for (nth, line) in lines.iter().enumerate() {
        let price_minor = line.unit_price_minor.unwrap_or(0);
        if price_minor < 0 {
            let detail = format!("The price of {} is negative.", line.sku);
            return Err(INVALID_ORDER_LINES.because(detail).at(format!("lines[{nth}].unit_price_minor")));
        }
        sum_minor = times(price_minor, line.quantity)
            .and_then(|price| plus(sum_minor, price))
            .map_err(|overflow| AMOUNT_TOO_LARGE.because(overflow).at("lines"))?;
    }
    if sum_minor > settings.amount_minor_max {
        let detail = format!("The lines cost more than {} minor units.", settings.amount_minor_max);
        return Err(CONTRACT_CANNOT_CARRY.because(detail).at("lines"));
    }
    let merged = lines.merged().map_err(|error| {
        let field = field_at_fault(lines, &error);
        INVALID_ORDER_LINES.because(error).at(field)
    })?;
    Ok(merged.iter().map(|line| Line { location_id: None, reservation_id: None, ..line.clone() }).collect())
}

/// The last line of the SKU at fault: the one that is too much, or differs from those before it.
fn field_at_fault(lines: &Lines, error: &InvalidLines) -> String {
    let (sku, member) = match error {
        InvalidLines::TooMany { .. } => return "lines".to_owned(),
        InvalidLines::Quantity { sku } => (sku, "quantity"),
        InvalidLines::ProductsDiffer { sku } => (sku, "product_id"),
        InvalidLines::PricesDiffer { sku } => (sku, "unit_price_minor"),
    };
    let nth = lines.iter().rposition(|line| line.sku == *sku).unwrap_or(0);
    format!("lines[{nth}].{member}")
}

fn check_address(address: Option<&Address>, field: &str) -> Result<(), Problem> {
    let Some(address) = address else { return Ok(()) };
    let members = [
        ("street", Some(&address.street)),
        ("city", Some(&address.city)),
        ("state", address.state.as_ref()),
        ("zip", Some(&address.zip)),
        ("country", Some(&address.country)),
    ];
    for (member, text) in members {
        let Some(text) = text else { continue };
        let text = text.expose();
        if text.trim().is_empty() || text.chars().count() > ADDRESS_FIELD_CHARS_MAX {
            let detail = format!("The {member} has 1 to {ADDRESS_FIELD_CHARS_MAX} characters.");
            return Err(INVALID_ADDRESS.because(detail).at(format!("{field}.{member}")));
        }
    }
    Ok(())
}

fn add_address(fingerprint: &mut Fingerprint, address: &Address) {
    let Address { street, city, state, zip, country } = address;
    for text in [street, city, zip, country] {
        fingerprint.text(text.expose());
    }
    fingerprint.option(state.as_ref(), |fingerprint, state| fingerprint.text(state.expose()));
}

impl Order {
    /// The order is there. What was heard of it before counts from now on.
    pub fn place(early: Option<Self>, new: NewOrder, settings: &Orders, now: Timestamp) -> (Self, Events) {
        let fingerprint = Some(new.fingerprint());
        let (cart_id, cart_version) = new.cart.unzip();
        let summary = Arc::new(OrderSummary {
            order_id: new.order_id.clone(),
            customer_id: new.customer_id,
            currency: new.currency,
            items_total_minor: None,
            discount_minor: None,
            shipping_minor: None,
            tax_minor: None,
            total_minor: None,
            payment_method: new.payment_method,
            cart_id,
        });
        let early = early.unwrap_or_else(|| Self::unheard(&summary, now));
        let quote = early.quoted_at.map(|_| Quote { order: Arc::clone(&early.summary), lines: early.lines.clone() });
        let mut order = Self {
            state: OrderState::Placed,
            summary,
            lines: new.lines,
            shipping_address: new.shipping_address,
            billing_address: new.billing_address,
            reservation_ttl_seconds: new.reservation_ttl_seconds,
            cart_version,
            fingerprint,
            placed_at: now,
            deadline_at: now.plus(settings.deadline(new.reservation_ttl_seconds)),
            ..early
        };
        let mut said = Events::from(order.placed());
        if let Some(quote) = quote {
            order.take_quote(&quote, settings);
        }
        said.extend(order.advance(now));
        order.watch(owed_step(&order), now);
        (order, said)
    }

    fn placed(&self) -> OrderPlaced {
        OrderPlaced {
            order_id: self.order_id.clone(),
            customer_id: self.summary.customer_id.clone(),
            currency: self.summary.currency,
            lines: self.lines.clone(),
            shipping_address: self.shipping_address.clone(),
            billing_address: self.billing_address.clone(),
            payment_method: self.summary.payment_method,
            cart_id: self.summary.cart_id.clone(),
            reservation_ttl_seconds: self.reservation_ttl_seconds,
        }
    }

    /// Whether the order was placed by this very request: then it was sent twice. `None`: its fingerprint was erased.
    pub fn is_the_same(&self, new: &NewOrder) -> Option<bool> {
        self.fingerprint.as_ref().map(|fingerprint| *fingerprint == new.fingerprint())
    }

    /// Erases what is about a person, and the fingerprint that was made of it. `false` when there was nothing.
    pub fn erase(&mut self) -> bool {
        let shipping = self.shipping_address.take();
        let erased = shipping.or(self.billing_address.take()).is_some();
        if erased {
            self.fingerprint = None;
        }
        erased
    }
}
