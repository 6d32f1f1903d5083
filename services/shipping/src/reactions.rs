//! What shipping does when it hears of orders, claims, money and deleted customers. Whatever comes early is kept in the
//! shipment's row, whatever comes twice or late changes nothing.

use std::sync::Arc;

use tradewind_engine::{Outcome, Stop, Uow};
use tradewind_events::{
    Address, Id, OrderSummary,
    identity::UserDeleted,
    inventory::ReservationMade,
    orders::{OrderCancelRequested, OrderCancelled, OrderConfirmed, OrderPriced, OrderRejected},
    payments::{PaymentCaptured, PaymentFailed},
};

use crate::{
    ERASE, Shipping,
    model::{Customer, CustomerPiece, Shipment},
};

/// Why an address is refused.
const COUNTRY_NOT_SERVED: &str = "country_not_served";

/// The order is priced: what is wanted, and where it goes.
pub fn plan(uow: &mut Uow<Shipping>, priced: &OrderPriced) -> Outcome {
    let mut shipment = shipment_of(uow, &priced.order)?;
    if shipment.wants_plan() {
        note_address(uow, &mut shipment, priced)?;
        shipment.plan(priced);
    }
    advance(uow, shipment);
    Ok(())
}

/// The goods are claimed: with the order's wishes, a shipment can be allocated.
pub fn allocate(uow: &mut Uow<Shipping>, made: &ReservationMade) -> Outcome {
    let mut shipment = shipment_of(uow, &made.order)?;
    shipment.reserved(made);
    advance(uow, shipment);
    Ok(())
}

/// The order stands: once the money is taken too, the goods may leave.
pub fn confirm(uow: &mut Uow<Shipping>, confirmed: &OrderConfirmed) -> Outcome {
    let mut shipment = shipment_of(uow, &confirmed.order)?;
    shipment.order_confirmed();
    advance(uow, shipment);
    Ok(())
}

/// The money is taken: once the order stands too, the goods may leave.
pub fn capture(uow: &mut Uow<Shipping>, captured: &PaymentCaptured) -> Outcome {
    let mut shipment = shipment_of(uow, &captured.order)?;
    shipment.payment_captured();
    advance(uow, shipment);
    Ok(())
}

/// Orders asks whether the goods can stay; it is answered every time.
pub fn recall(uow: &mut Uow<Shipping>, requested: &OrderCancelRequested) -> Outcome {
    let mut shipment = shipment_of(uow, &requested.order)?;
    let now = uow.now();
    match shipment.recall(|| uow.new_id(), "cancel_requested", now) {
        Ok(released) => uow.emit(released),
        Err(refused) => uow.emit(refused),
    }
    uow.put(shipment);
    Ok(())
}

/// A failed payment is an end of its order.
pub fn release_failed(uow: &mut Uow<Shipping>, failed: &PaymentFailed) -> Outcome {
    end(uow, &failed.order, "payment_failed")
}

pub fn release_rejected(uow: &mut Uow<Shipping>, rejected: &OrderRejected) -> Outcome {
    end(uow, &rejected.order, "order_rejected")
}

pub fn release_cancelled(uow: &mut Uow<Shipping>, cancelled: &OrderCancelled) -> Outcome {
    end(uow, &cancelled.order, "order_cancelled")
}

/// A customer is deleted: their addresses are erased, those of goods that may still leave when they have left.
pub fn forget_customer(uow: &mut Uow<Shipping>, deleted: &UserDeleted) -> Outcome {
    let known = uow.get::<Customer>(&deleted.user_id)?;
    let mut customer = known.unwrap_or_else(|| Customer::new(deleted.user_id.clone()));
    let orders = customer.delete();
    erase_addresses(uow, &orders)?;
    erase_rest(uow, customer);
    Ok(())
}

/// A deleted customer had so many orders that some are left: the next piece of them.
pub fn erase(uow: &mut Uow<Shipping>, customer_id: &Id) -> Outcome {
    let mut customer = uow.load::<Customer>(customer_id)?;
    if let Some(number) = customer.take_piece() {
        let piece = uow.load::<CustomerPiece>((customer_id, &number))?;
        erase_addresses(uow, piece.orders())?;
        uow.delete(&piece);
    }
    erase_rest(uow, customer);
    Ok(())
}

fn shipment_of(uow: &mut Uow<Shipping>, order: &Arc<OrderSummary>) -> Result<Shipment, Stop> {
    let shipment = uow.get::<Shipment>(&order.order_id)?;
    Ok(shipment.unwrap_or_else(|| Shipment::unheard(order, uow.now())))
}

/// Whatever the facts allow now.
fn advance(uow: &mut Uow<Shipping>, mut shipment: Shipment) {
    let now = uow.now();
    if shipment.is_planned() {
        if serves(uow.settings(), shipment.address().map(AsRef::as_ref)) {
            let shipment_id = uow.new_id();
            uow.emit(shipment.allocate(shipment_id, now));
        } else {
            uow.emit(shipment.refuse(COUNTRY_NOT_SERVED, now));
        }
    }
    if let Some(ready) = shipment.make_ready(now) {
        uow.emit(ready);
    }
    uow.put(shipment);
}

/// An order without an address goes anywhere: whoever sends it knows where.
fn serves(settings: &Shipping, address: Option<&Address>) -> bool {
    let Some(address) = address.filter(|_| !settings.countries.is_empty()) else { return true };
    let country = address.country.expose().trim();
    settings.countries.iter().any(|served| served.eq_ignore_ascii_case(country))
}

/// An end is remembered, even of an order that nothing was known of.
fn end(uow: &mut Uow<Shipping>, order: &Arc<OrderSummary>, reason: &str) -> Outcome {
    let mut shipment = shipment_of(uow, order)?;
    if let Some(released) = shipment.ended(reason, uow.now()) {
        uow.emit(released);
    }
    uow.put(shipment);
    Ok(())
}

/// Notes the order with its customer, so that its address is found again. That of a deleted customer is kept only as long
/// as the goods may leave.
fn note_address(uow: &mut Uow<Shipping>, shipment: &mut Shipment, priced: &OrderPriced) -> Outcome {
    if priced.shipping_address.is_none() {
        return Ok(());
    }
    let OrderSummary { customer_id, order_id, .. } = &*priced.order;
    let known = uow.get::<Customer>(customer_id)?;
    let mut customer = known.unwrap_or_else(|| Customer::new(customer_id.clone()));
    if customer.deleted() {
        shipment.forget_later();
        return Ok(());
    }
    if let Some(full) = customer.add(order_id.clone()) {
        uow.put(full);
    }
    uow.put(customer);
    Ok(())
}

fn erase_addresses(uow: &mut Uow<Shipping>, orders: &[Id]) -> Outcome {
    for mut shipment in uow.get_all::<Shipment>(orders)?.into_iter().flatten() {
        if shipment.forget() {
            uow.put(shipment);
        }
    }
    Ok(())
}

/// What is left is for the timer, a piece at a time.
fn erase_rest(uow: &mut Uow<Shipping>, customer: Customer) {
    if customer.pieces() > 0 {
        uow.set_timer(&ERASE, customer.customer_id(), uow.now());
    }
    uow.put(customer);
}
