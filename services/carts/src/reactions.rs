//! What carts does when it hears of goods, orders and customers, and when a cart's time is over.

use tradewind_engine::{Outcome, Stop, Uow};
use tradewind_events::{
    Id, Price, Product, ProductStatus, Variant,
    catalog::{
        PriceChanged, ProductArchived, ProductCreated, ProductPublished, ProductUnpublished, ProductUpdated,
        VariantCreated, VariantDiscontinued, VariantUpdated,
    },
    identity::UserDeleted,
    orders::{OrderPlaced, OrderRejected},
};

use crate::{Cart, CartOrder, CartOrderState, CartState, Carts, Customer, EXPIRE, KnownProduct, KnownSku};

pub fn know_created(uow: &mut Uow<Carts>, created: &ProductCreated) -> Outcome {
    know_product(uow, &created.product)
}

pub fn know_updated(uow: &mut Uow<Carts>, updated: &ProductUpdated) -> Outcome {
    know_product(uow, &updated.product)
}

pub fn know_published(uow: &mut Uow<Carts>, published: &ProductPublished) -> Outcome {
    know_product(uow, &published.product)
}

pub fn know_unpublished(uow: &mut Uow<Carts>, unpublished: &ProductUnpublished) -> Outcome {
    know_product(uow, &unpublished.product)
}

pub fn know_archived(uow: &mut Uow<Carts>, archived: &ProductArchived) -> Outcome {
    know_status(uow, &archived.product_id, ProductStatus::Archived)
}

pub fn know_new_variant(uow: &mut Uow<Carts>, created: &VariantCreated) -> Outcome {
    know_variants(uow, &created.product_id, std::slice::from_ref(&created.variant))
}

pub fn know_variant(uow: &mut Uow<Carts>, updated: &VariantUpdated) -> Outcome {
    know_variants(uow, &updated.product_id, std::slice::from_ref(&updated.variant))
}

pub fn know_discontinued(uow: &mut Uow<Carts>, discontinued: &VariantDiscontinued) -> Outcome {
    let known = uow.get::<KnownSku>(&discontinued.sku)?;
    let mut sku = known.unwrap_or_else(|| KnownSku::unheard(&discontinued.sku, &discontinued.product_id));
    sku.discontinue();
    uow.put(sku);
    Ok(())
}

pub fn know_price(uow: &mut Uow<Carts>, changed: &PriceChanged) -> Outcome {
    let known = uow.get::<KnownSku>(&changed.sku)?;
    let sku = known.unwrap_or_else(|| KnownSku::unheard(&changed.sku, &changed.product_id));
    hear_price(uow, sku, &changed.new_price);
    Ok(())
}

/// An order was placed from a cart: that ends the cart. An order that has been rejected already never counted.
pub fn close(uow: &mut Uow<Carts>, placed: &OrderPlaced) -> Outcome {
    let Some(mut cart) = cart_of(uow, placed.cart_id.as_ref(), &placed.customer_id)? else { return Ok(()) };
    if uow.get::<CartOrder>(&placed.order_id)?.is_some() {
        return Ok(());
    }
    uow.put(CartOrder::placed(placed.order_id.clone(), cart.cart_id().clone()));
    if let Some(checked_out) = cart.order_placed(&placed.order_id, &placed.customer_id) {
        let_go(uow, &cart)?;
        uow.emit(checked_out);
    }
    uow.put(cart);
    Ok(())
}

/// The order of a cart was rejected: the cart is open again, for another order.
pub fn reopen(uow: &mut Uow<Carts>, rejected: &OrderRejected) -> Outcome {
    let order = &rejected.order;
    let Some(mut cart) = cart_of(uow, order.cart_id.as_ref(), &order.customer_id)? else { return Ok(()) };
    let known = uow.get::<CartOrder>(&order.order_id)?;
    let counted = match known.map(|order| order.state()) {
        Some(CartOrderState::Rejected) => return Ok(()),
        Some(CartOrderState::Placed) => true,
        None => false,
    };
    uow.put(CartOrder::rejected(order.order_id.clone(), cart.cart_id().clone()));
    if cart.order_rejected(&order.order_id, counted) {
        let mut customer =
            uow.get::<Customer>(&order.customer_id)?.unwrap_or_else(|| Customer::unheard(&order.customer_id));
        if customer.open(cart.cart_id()).is_ok() {
            cart.touch(uow.now().plus(uow.settings().cart_ttl));
            uow.set_timer(&EXPIRE, cart.cart_id(), cart.expires_at());
            uow.put(customer);
        } else if let Some(expired) = cart.expire() {
            // Its customer is gone, or has opened as many others meanwhile as one can have.
            uow.emit(expired);
        }
    }
    uow.put(cart);
    Ok(())
}

/// The customer is gone: so are their open carts, and there will be no other.
pub fn forget(uow: &mut Uow<Carts>, deleted: &UserDeleted) -> Outcome {
    let known = uow.get::<Customer>(&deleted.user_id)?;
    let mut customer = known.unwrap_or_else(|| Customer::unheard(&deleted.user_id));
    let open_carts = customer.delete();
    uow.put(customer);
    for mut cart in uow.get_all::<Cart>(open_carts.iter())?.into_iter().flatten() {
        if let Some(expired) = cart.expire() {
            uow.cancel_timer(&EXPIRE, cart.cart_id());
            uow.put(cart);
            uow.emit(expired);
        }
    }
    Ok(())
}

/// Nobody has touched the cart for too long. The timer may be one that was to be moved.
pub fn expire(uow: &mut Uow<Carts>, cart_id: &Id) -> Outcome {
    let mut cart = uow.load::<Cart>(cart_id)?;
    if cart.state() == CartState::Open && cart.expires_at() > uow.now() {
        uow.set_timer(&EXPIRE, cart_id, cart.expires_at());
        return Ok(());
    }
    if let Some(expired) = cart.expire() {
        let_go(uow, &cart)?;
        uow.put(cart);
        uow.emit(expired);
    }
    Ok(())
}

fn know_product(uow: &mut Uow<Carts>, product: &Product) -> Outcome {
    // Both ask for their rows before the first that is missing stops the handler.
    let status = know_status(uow, &product.product_id, product.status);
    know_variants(uow, &product.product_id, &product.variants)?;
    status
}

fn know_status(uow: &mut Uow<Carts>, product_id: &Id, status: ProductStatus) -> Outcome {
    let sequence = sequence(uow);
    let mut product = uow.get::<KnownProduct>(product_id)?.unwrap_or_else(|| KnownProduct::unheard(product_id));
    if product.hear(status, sequence) {
        uow.put(product);
    }
    Ok(())
}

fn know_variants(uow: &mut Uow<Carts>, product_id: &Id, variants: &[Variant]) -> Outcome {
    let known = uow.get_all::<KnownSku>(variants.iter().map(|variant| &variant.sku))?;
    for (variant, known) in variants.iter().zip(known) {
        let mut sku = known.unwrap_or_else(|| KnownSku::unheard(&variant.sku, product_id));
        sku.hear_status(variant.status);
        hear_price(uow, sku, &variant.price);
    }
    Ok(())
}

fn hear_price(uow: &mut Uow<Carts>, mut sku: KnownSku, price: &Price) {
    let sequence = sequence(uow);
    sku.hear_price(price, sequence, uow.now());
    uow.put(sku);
}

/// The number of the event that is heard, among those of its product.
fn sequence(uow: &Uow<Carts>) -> u64 {
    uow.cause().event.as_ref().map_or(0, |event| event.envelope().sequence)
}

/// The cart that an order came from. Who places an order may name any cart: only their own is believed.
fn cart_of(uow: &mut Uow<Carts>, cart_id: Option<&Id>, customer_id: &Id) -> Result<Option<Cart>, Stop> {
    let Some(cart_id) = cart_id else { return Ok(None) };
    let cart = uow.get::<Cart>(cart_id)?;
    Ok(cart.filter(|cart| cart.customer_id() == Some(customer_id)))
}

/// The cart is not open any more: nothing is left to expire, and its customer may open another.
pub(crate) fn let_go(uow: &mut Uow<Carts>, cart: &Cart) -> Outcome {
    uow.cancel_timer(&EXPIRE, cart.cart_id());
    if let Some(customer_id) = cart.customer_id()
        && let Some(mut customer) = uow.get::<Customer>(customer_id)?
    {
        customer.close(cart.cart_id());
        uow.put(customer);
    }
    Ok(())
}
