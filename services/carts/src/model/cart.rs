//! A cart: `open → checked_out | expired | merged | deleted`; `checked_out → open` when its order is rejected.
//!
//! Checking out leaves the cart open: it mints an order id for this revision and signs what is in it. The cart is
//! checked out when its order is heard of. One order id stands for one content: whatever changes a line (also a new
//! price) makes a new revision, and the next checkout mints another id.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{Entity, Problem, Refusal, RefusalKind};
use tradewind_events::{
    CartSnapshot, Currency, Id, LINES_MAX, Line, Lines, QUANTITY_MAX, TextEnum, Timestamp,
    carts::{CartCheckedOut, CartDeleted, CartExpired},
};

use crate::Carts;

pub const CART_NOT_FOUND: Refusal = Refusal::not_found("cart_not_found", "There is no such cart.");
pub const CART_CLOSED: Refusal = Refusal::conflict("cart_closed", "The cart cannot be changed any more.");
pub const CART_CHANGED: Refusal = Refusal::conflict("cart_changed", "The cart has changed since it was read.");
pub const CART_CURRENCY_CHANGED: Refusal =
    Refusal::conflict("cart_currency_changed", "The shop sells in another currency than that of the cart.");
pub const CART_EMPTY: Refusal = Refusal::conflict("cart_empty", "There is nothing in the cart.");
pub const CART_FULL: Refusal = Refusal::conflict("cart_full", "The cart has as many lines as it can have.");
pub const CART_QUANTITY: Refusal = Refusal::invalid("cart_quantity", "The quantity of a line is out of bounds.");
pub const CART_LINE_NOT_FOUND: Refusal =
    Refusal::not_found("cart_line_not_found", "There is no line of this SKU in the cart.");
pub const CART_ANONYMOUS: Refusal =
    Refusal::conflict("cart_anonymous", "The cart is nobody's: it can be merged, but not checked out.");
pub const CARTS_NOT_MERGEABLE: Refusal =
    Refusal::conflict("carts_not_mergeable", "Only an anonymous cart can be merged into a customer's.");
pub const CART_SIGNING_UNAVAILABLE: Refusal = Refusal::new(
    "cart_signing_unavailable",
    RefusalKind::Unavailable,
    "No cart can be checked out: no secret is configured.",
);

/// Lines that somebody may order.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Carts, table = "cart", key = cart_id)]
pub struct Cart {
    cart_id: Id,
    /// None: whoever knows the id may use it.
    customer_id: Option<Id>,
    #[column(copy)]
    state: CartState,
    /// Counts the changes of its lines, from 1; a snapshot calls it version.
    revision: u64,
    currency: Currency,
    /// At the prices that were last seen.
    lines: Lines,
    /// Minted at the first checkout of this revision.
    order_id: Option<Id>,
    /// Of the last snapshot of this revision.
    snapshot_expires_at: Option<Timestamp>,
    /// Orders that were placed from it and not rejected.
    orders: u32,
    expires_at: Timestamp,
    merged_into: Option<Id>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum CartState {
    #[text("open")]
    Open,
    #[text("checked_out")]
    CheckedOut,
    #[text("expired")]
    Expired,
    #[text("merged")]
    Merged,
    /// As if it were not there; the row stays for orders that were placed from it.
    #[text("deleted")]
    Deleted,
}

/// On whose behalf a command comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// May use every cart.
    Staff,
    /// May use their own carts, and anonymous ones that they know.
    Customer(Id),
    /// Somebody who is not signed in: may use anonymous carts that they know.
    Anyone,
}

impl Cart {
    pub fn create(cart_id: Id, customer_id: Option<Id>, currency: Currency, expires_at: Timestamp) -> Self {
        Self {
            cart_id,
            customer_id,
            state: CartState::Open,
            revision: 1,
            currency,
            lines: Lines::default(),
            order_id: None,
            snapshot_expires_at: None,
            orders: 0,
            expires_at,
            merged_into: None,
        }
    }

    /// Whether they may know of this cart.
    pub fn is_open_to(&self, who: &Who) -> bool {
        if self.state == CartState::Deleted {
            return false;
        }
        match (who, &self.customer_id) {
            (Who::Staff, _) | (Who::Customer(_) | Who::Anyone, None) => true,
            (Who::Customer(customer_id), Some(owner_id)) => customer_id == owner_id,
            (Who::Anyone, Some(_)) => false,
        }
    }

    /// It was used: from now on it lives until then.
    pub fn touch(&mut self, expires_at: Timestamp) {
        self.expires_at = expires_at;
    }

    pub fn editable(&self) -> Result<(), Problem> {
        match self.state {
            CartState::Open => Ok(()),
            state => Err(CART_CLOSED.because(format!("the cart is {state}"))),
        }
    }

    /// Adds so many of a SKU, to the line that there is.
    pub fn add(&mut self, added: &Line) -> Result<(), Problem> {
        self.editable()?;
        let mut lines = self.lines.to_vec();
        absorb(&mut lines, added)?;
        self.revise(lines);
        Ok(())
    }

    /// Sets how many of a SKU there are, at the price of now. What is so already is no change.
    pub fn set_quantity(&mut self, sku: &Id, wanted: u32, unit_price_minor: i64) -> Result<(), Problem> {
        self.editable()?;
        let mut lines = self.lines.to_vec();
        let line = lines.iter_mut().find(|line| line.sku == *sku).ok_or_else(|| no_line(sku))?;
        line.quantity = quantity(sku, u64::from(wanted))?;
        line.unit_price_minor = Some(unit_price_minor);
        if lines[..] != self.lines[..] {
            self.revise(lines);
        }
        Ok(())
    }

    pub fn remove(&mut self, sku: &Id) -> Result<(), Problem> {
        self.editable()?;
        let lines: Vec<_> = self.lines.iter().filter(|line| line.sku != *sku).cloned().collect();
        if lines.len() == self.lines.len() {
            return Err(no_line(sku));
        }
        self.revise(lines);
        Ok(())
    }

    /// Takes in what is in an anonymous cart, which ends with it. Nothing happens when it was merged into this one.
    pub fn merge(&mut self, other: &mut Self) -> Result<(), Problem> {
        if other.state == CartState::Merged && other.merged_into.as_ref() == Some(&self.cart_id) {
            return Ok(());
        }
        if other.customer_id.is_some() || self.customer_id.is_none() {
            return Err(CARTS_NOT_MERGEABLE.because("an anonymous cart is merged into one that has a customer"));
        }
        self.editable()?;
        other.editable()?;
        let mut lines = self.lines.to_vec();
        for added in &other.lines {
            absorb(&mut lines, added)?;
        }
        if lines[..] != self.lines[..] {
            self.revise(lines);
        }
        other.state = CartState::Merged;
        other.merged_into = Some(self.cart_id.clone());
        Ok(())
    }

    /// Puts the prices of now on its lines; `prices_minor` are in their order.
    pub fn reprice(&mut self, prices_minor: &[i64]) {
        let priced = self.lines.iter().zip(prices_minor);
        let lines: Vec<_> =
            priced.map(|(line, price)| Line { unit_price_minor: Some(*price), ..line.clone() }).collect();
        if lines[..] != self.lines[..] {
            self.revise(lines);
        }
    }

    /// What the shopper places, unsigned. Asked again before it is too late it is the same, byte for byte.
    pub fn snapshot(
        &mut self,
        mint: impl FnOnce() -> Id,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<CartSnapshot, Problem> {
        let customer_id = self.customer_id.clone().ok_or_else(|| CART_ANONYMOUS.problem())?;
        if self.lines.is_empty() {
            return Err(CART_EMPTY.problem());
        }
        let order_id = self.order_id.get_or_insert_with(mint).clone();
        let expires_at = self.snapshot_expires_at.filter(|at| *at > now).unwrap_or_else(|| now.plus(ttl));
        self.snapshot_expires_at = Some(expires_at);
        Ok(CartSnapshot {
            cart_id: self.cart_id.clone(),
            order_id,
            customer_id,
            version: self.revision,
            currency: self.currency,
            lines: self.lines.clone(),
            expires_at,
            signature: Arc::from(""),
        })
    }

    /// An order of any of its revisions was placed: that ends it, unless it has ended otherwise.
    pub fn order_placed(&mut self, order_id: &Id, customer_id: &Id) -> Option<CartCheckedOut> {
        self.orders = self.orders.saturating_add(1);
        if self.state != CartState::Open {
            return None;
        }
        self.state = CartState::CheckedOut;
        Some(CartCheckedOut {
            cart_id: self.cart_id.clone(),
            order_id: order_id.clone(),
            customer_id: customer_id.clone(),
        })
    }

    /// One of its orders was rejected; `counted` when it had been heard of. Its id is not used again. True when the
    /// cart is open again: no other of its orders stands.
    pub fn order_rejected(&mut self, order_id: &Id, counted: bool) -> bool {
        self.orders = self.orders.saturating_sub(u32::from(counted));
        let reopened = self.state == CartState::CheckedOut && self.orders == 0;
        if reopened {
            self.state = CartState::Open;
        }
        if reopened || self.order_id.as_ref() == Some(order_id) {
            let lines = self.lines.clone();
            self.revise(lines);
        }
        reopened
    }

    /// Moves an open cart into another currency, with the prices of its lines in it, in their order. A line without a
    /// price in that currency stays, unpriced: checkout names it.
    pub fn move_to(&mut self, currency: Currency, prices_minor: &[Option<i64>]) {
        let priced = self.lines.iter().zip(prices_minor);
        let lines: Vec<_> = priced.map(|(line, price)| Line { unit_price_minor: *price, ..line.clone() }).collect();
        self.currency = currency;
        self.revise(lines);
    }

    /// Whoever may use it wants it gone, with what is in it.
    pub fn delete(&mut self) -> Result<CartDeleted, Problem> {
        self.editable()?;
        self.state = CartState::Deleted;
        self.revise(Lines::default());
        Ok(CartDeleted { cart_id: self.cart_id.clone() })
    }

    /// Nobody needs it any more. `None` when it has ended.
    pub fn expire(&mut self) -> Option<CartExpired> {
        if self.state != CartState::Open {
            return None;
        }
        self.state = CartState::Expired;
        Some(CartExpired { cart_id: self.cart_id.clone() })
    }

    /// A new revision: what was checked out of the one before stands for that one only.
    fn revise(&mut self, lines: impl Into<Lines>) {
        self.lines = lines.into();
        self.revision += 1;
        self.order_id = None;
        self.snapshot_expires_at = None;
    }
}

/// One line a SKU, at the price of what came last.
fn absorb(lines: &mut Vec<Line>, added: &Line) -> Result<(), Problem> {
    quantity(&added.sku, u64::from(added.quantity))?;
    if let Some(line) = lines.iter_mut().find(|line| line.sku == added.sku) {
        line.quantity = quantity(&added.sku, u64::from(line.quantity) + u64::from(added.quantity))?;
        line.unit_price_minor = added.unit_price_minor;
        return Ok(());
    }
    if lines.len() >= LINES_MAX {
        return Err(full());
    }
    lines.push(added.clone());
    Ok(())
}

fn quantity(sku: &Id, wanted: u64) -> Result<u32, Problem> {
    let fits = u32::try_from(wanted).ok().filter(|quantity| (1..=QUANTITY_MAX).contains(quantity));
    fits.ok_or_else(|| {
        CART_QUANTITY.because(format!("the quantity of {sku} must be 1 to {QUANTITY_MAX}, not {wanted}")).at("quantity")
    })
}

fn full() -> Problem {
    CART_FULL.because(format!("a cart has at most {LINES_MAX} lines"))
}

fn no_line(sku: &Id) -> Problem {
    CART_LINE_NOT_FOUND.because(format!("there is no line of {sku} in the cart"))
}
