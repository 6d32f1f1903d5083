//! What shoppers ask of carts.

use tradewind_engine::{Answer, Command, OrRefuse, Outcome, Problem, Stop, Uow};
use tradewind_events::{CartSnapshot, Currency, Id, Line};

use crate::{
    Cart, CartOrder, CartOrderState, CartState, Carts, Customer, EXPIRE, KnownProduct, KnownSku, Who,
    model::{
        CART_CHANGED, CART_CURRENCY_CHANGED, CART_NOT_FOUND, CART_SIGNING_UNAVAILABLE, CARTS_NOT_MERGEABLE,
        NOT_FOR_SALE, unit_price,
    },
    reactions::let_go,
};

/// Opens an empty cart.
#[derive(Debug, Clone, Command)]
#[command(owner = Carts, name = "create_cart", answer = Cart)]
pub struct CreateCart {
    /// Whose; none for an anonymous cart, which belongs to whoever knows its id.
    pub customer_id: Option<Id>,
}

/// Puts so many more of a SKU into a cart.
#[derive(Debug, Clone, Command)]
#[command(owner = Carts, name = "add_line", answer = Cart, key = cart_id)]
pub struct AddLine {
    pub cart_id: Id,
    pub who: Who,
    pub sku: Id,
    pub quantity: u32,
}

/// Says how many of a SKU there are in a cart; not zero, that is what removing is for.
#[derive(Debug, Clone, Command)]
#[command(owner = Carts, name = "set_quantity", answer = Cart, key = cart_id)]
pub struct SetQuantity {
    pub cart_id: Id,
    pub who: Who,
    pub sku: Id,
    pub quantity: u32,
}

/// Takes a SKU out of a cart.
#[derive(Debug, Clone, Command)]
#[command(owner = Carts, name = "remove_line", answer = Cart, key = cart_id)]
pub struct RemoveLine {
    pub cart_id: Id,
    pub who: Who,
    pub sku: Id,
}

/// Deletes an open cart with what is in it: the customer's own, or an anonymous one.
#[derive(Debug, Clone, Command)]
#[command(owner = Carts, name = "delete_cart", key = cart_id)]
pub struct DeleteCart {
    pub cart_id: Id,
    pub who: Who,
}

/// Moves what is in an anonymous cart into a customer's: they have signed in.
#[derive(Debug, Clone, Command)]
#[command(owner = Carts, name = "merge_carts", answer = Cart, key = into_cart_id)]
pub struct MergeCarts {
    /// The anonymous one; it ends with this.
    pub cart_id: Id,
    pub into_cart_id: Id,
    pub who: Who,
}

/// Prices a cart and signs what is in it. The cart stays open until an order is placed with the answer; asked again
/// before anything changed, the answer names the same order.
#[derive(Debug, Clone, Command)]
#[command(owner = Carts, name = "checkout", answer = CartSnapshot, key = cart_id)]
pub struct Checkout {
    pub cart_id: Id,
    pub who: Who,
    /// What the shopper has seen; another revision is refused. None takes the cart as it is.
    pub revision: Option<u64>,
}

pub fn create_cart(uow: &mut Uow<Carts>, create: &CreateCart) -> Answer<Cart> {
    let cart_id = uow.new_id();
    if let Some(customer_id) = &create.customer_id {
        let mut customer = uow.get::<Customer>(customer_id)?.unwrap_or_else(|| Customer::unheard(customer_id));
        customer.open(&cart_id)?;
        uow.put(customer);
    }
    let cart = Cart::create(cart_id, create.customer_id.clone(), uow.settings().currency, uow.now());
    Ok(keep(uow, cart))
}

pub fn add_line(uow: &mut Uow<Carts>, add: &AddLine) -> Answer<Cart> {
    let mut cart = changeable(uow, &add.cart_id, &add.who)?;
    let (product_id, unit_price_minor) = price(uow, &cart, &add.sku)?;
    cart.add(&Line {
        product_id,
        sku: add.sku.clone(),
        quantity: add.quantity,
        unit_price_minor: Some(unit_price_minor),
        location_id: None,
        reservation_id: None,
    })?;
    Ok(keep(uow, cart))
}

pub fn set_quantity(uow: &mut Uow<Carts>, set: &SetQuantity) -> Answer<Cart> {
    let mut cart = changeable(uow, &set.cart_id, &set.who)?;
    let (_, unit_price_minor) = price(uow, &cart, &set.sku)?;
    cart.set_quantity(&set.sku, set.quantity, unit_price_minor)?;
    Ok(keep(uow, cart))
}

pub fn remove_line(uow: &mut Uow<Carts>, remove: &RemoveLine) -> Answer<Cart> {
    let mut cart = changeable(uow, &remove.cart_id, &remove.who)?;
    cart.remove(&remove.sku)?;
    Ok(keep(uow, cart))
}

pub fn delete_cart(uow: &mut Uow<Carts>, delete: &DeleteCart) -> Answer<()> {
    let mut cart = cart(uow, &delete.cart_id, &delete.who)?;
    let deleted = cart.delete()?;
    let_go(uow, &cart)?;
    uow.put(cart);
    uow.emit(deleted);
    Ok(())
}

pub fn merge_carts(uow: &mut Uow<Carts>, merge: &MergeCarts) -> Answer<Cart> {
    if merge.cart_id == merge.into_cart_id {
        return Err(CARTS_NOT_MERGEABLE.because("a cart is not merged into itself").at("into_cart_id").into());
    }
    let mut merged = cart(uow, &merge.cart_id, &merge.who)?;
    let mut into = cart(uow, &merge.into_cart_id, &merge.who)?;
    follow_currency(uow, &mut merged)?;
    follow_currency(uow, &mut into)?;
    into.merge(&mut merged)?;
    uow.cancel_timer(&EXPIRE, merged.cart_id());
    uow.put(merged);
    Ok(if into.state() == CartState::Open { keep(uow, into) } else { into })
}

pub fn checkout(uow: &mut Uow<Carts>, checkout: &Checkout) -> Answer<CartSnapshot> {
    let Carts { secret, snapshot_ttl, .. } = uow.settings();
    if secret.is_empty() {
        return Err(CART_SIGNING_UNAVAILABLE.problem().into());
    }
    let mut cart = cart(uow, &checkout.cart_id, &checkout.who)?;
    if checkout.revision.is_some_and(|seen| seen != cart.revision()) {
        let detail = format!("the cart is at revision {}", cart.revision());
        return Err(CART_CHANGED.because(detail).at("revision").into());
    }
    if !is_ordered(uow, &cart)? {
        cart.editable()?;
        let ours = uow.settings().currency;
        if cart.currency() != ours {
            let detail = format!("the cart is in {}, and the shop sells in {ours} now: change a line", cart.currency());
            return Err(CART_CURRENCY_CHANGED.because(detail).into());
        }
        let prices_minor = prices(uow, &cart)?;
        cart.reprice(&prices_minor);
    }
    let now = uow.now();
    let snapshot = cart.snapshot(|| uow.new_id(), now, *snapshot_ttl)?;
    if cart.state() == CartState::Open {
        keep(uow, cart);
    } else {
        uow.put(cart);
    }
    Ok(snapshot.sign(secret))
}

/// A cart that they may know of.
fn cart(uow: &mut Uow<Carts>, cart_id: &Id, who: &Who) -> Result<Cart, Stop> {
    let known = uow.get::<Cart>(cart_id)?.filter(|cart| cart.is_open_to(who));
    known.or_refuse(|| CART_NOT_FOUND.because(format!("there is no cart {cart_id}")))
}

/// An open cart that they may change, in the currency of the shop.
fn changeable(uow: &mut Uow<Carts>, cart_id: &Id, who: &Who) -> Result<Cart, Stop> {
    let mut cart = cart(uow, cart_id, who)?;
    cart.editable()?;
    follow_currency(uow, &mut cart)?;
    Ok(cart)
}

/// Moves an open cart into the currency of the shop, which may have changed since it was opened. Checkout does not: the
/// customer is to see the new prices first.
fn follow_currency(uow: &mut Uow<Carts>, cart: &mut Cart) -> Outcome {
    let ours = uow.settings().currency;
    if cart.currency() == ours || cart.state() != CartState::Open {
        return Ok(());
    }
    let prices_minor: Vec<_> = offers(uow, cart, ours)?.into_iter().map(Result::ok).collect();
    cart.move_to(ours, &prices_minor);
    Ok(())
}

/// Writes an open cart that was touched: it is kept for its whole time again.
fn keep(uow: &mut Uow<Carts>, mut cart: Cart) -> Cart {
    let Carts { cart_ttl, snapshot_ttl, .. } = uow.settings();
    cart.touch(uow.now().plus(*cart_ttl.max(snapshot_ttl)));
    uow.set_timer(&EXPIRE, cart.cart_id(), cart.expires_at());
    uow.put(cart.clone());
    cart
}

/// Whether what was checked out last was ordered: a shopper who asks again gets the same again.
fn is_ordered(uow: &mut Uow<Carts>, cart: &Cart) -> Result<bool, Stop> {
    let (CartState::CheckedOut, Some(order_id)) = (cart.state(), cart.order_id()) else { return Ok(false) };
    Ok(uow.get::<CartOrder>(order_id)?.is_some_and(|order| order.state() == CartOrderState::Placed))
}

/// The product of a SKU, and its price of now.
fn price(uow: &mut Uow<Carts>, cart: &Cart, sku: &Id) -> Result<(Id, i64), Stop> {
    let known = uow.get::<KnownSku>(sku)?;
    let product = match &known {
        Some(known) => uow.get::<KnownProduct>(known.product_id())?,
        None => None,
    };
    let product_id = known.as_ref().map(|known| known.product_id().clone());
    let price = unit_price(known.as_ref(), product.as_ref(), cart.currency(), uow.now());
    let why = |problem: Problem| NOT_FOR_SALE.because(format!("{sku}: {}", problem.detail)).at("sku");
    let price_minor = price.map_err(why)?;
    Ok((product_id.ok_or_else(|| Stop::broken("an unknown SKU has a price"))?, price_minor))
}

/// The prices of now of all lines, in their order.
fn prices(uow: &mut Uow<Carts>, cart: &Cart) -> Result<Vec<i64>, Stop> {
    let mut prices_minor = Vec::with_capacity(cart.lines().len());
    for (nth, price) in offers(uow, cart, cart.currency())?.into_iter().enumerate() {
        let why = |problem: Problem| {
            let detail = format!("{}: {}", cart.lines()[nth].sku, problem.detail);
            NOT_FOR_SALE.because(detail).at(format!("lines[{nth}]"))
        };
        prices_minor.push(price.map_err(why)?);
    }
    Ok(prices_minor)
}

/// What each line costs now in this currency, or why it cannot be had in it.
fn offers(uow: &mut Uow<Carts>, cart: &Cart, currency: Currency) -> Result<Vec<Result<i64, Problem>>, Stop> {
    let skus = uow.get_all::<KnownSku>(cart.lines().iter().map(|line| &line.sku));
    let products = uow.get_all::<KnownProduct>(cart.lines().iter().map(|line| &line.product_id));
    let (skus, products, now) = (skus?, products?, uow.now());
    let both = skus.iter().zip(&products);
    Ok(both.map(|(sku, product)| unit_price(sku.as_ref(), product.as_ref(), currency, now)).collect())
}
