//! The life of an order's claim on stock. Whatever comes early is kept in the claim's row, whatever comes twice or
//! late changes nothing.

use std::{collections::BTreeMap, sync::Arc};

use tradewind_engine::{Events, Outcome, Stop, Uow};
use tradewind_events::{
    Id, Line, OrderSummary,
    orders::{OrderCancelled, OrderPriced, OrderRejected},
    payments::{PaymentAuthorized, PaymentFailed, PaymentRequested},
};

use super::pick::pick;
use crate::{
    EXPIRE, Inventory,
    model::{Claim, Ended, Reservation, Stock, StockItem, ttl_of},
};

/// How one piece of a claim moves its stock.
type Move = fn(&mut Stock, &mut StockItem, i64, &Claim) -> Events;

/// The order is priced: hold all of its lines or none.
pub fn reserve(uow: &mut Uow<Inventory>, priced: &OrderPriced) -> Outcome {
    let mut claim = claim_of(uow, &priced.order)?;
    if !claim.is_open() {
        return Ok(());
    }
    match pick(uow, &priced.lines)? {
        Ok(lines) => {
            let ttl = ttl_of(priced.reservation_ttl_seconds, uow.settings().reservation_ttl);
            let (id, expires_at) = (uow.new_id(), uow.now().plus(ttl));
            let made = claim.hold(priced, id, lines, expires_at);
            move_stock(uow, &claim, Stock::reserve)?;
            uow.set_timer(&EXPIRE, claim.order_id(), made.expires_at);
            uow.emit(made);
            if claim.is_paid() {
                sell(uow, &mut claim)?;
            }
        }
        Err((reason, short)) => {
            let (refused, commit_refused) = claim.refuse(&priced.order, reason, short);
            uow.emit(refused);
            if let Some(commit_refused) = commit_refused {
                uow.emit(commit_refused);
            }
        }
    }
    uow.put(claim);
    Ok(())
}

/// Somebody outside is asked for the money: the claim gets its time once more, within the order's deadline.
pub fn extend(uow: &mut Uow<Inventory>, requested: &PaymentRequested) -> Outcome {
    let mut claim = claim_of(uow, &requested.order)?;
    let (now, ttl) = (uow.now(), uow.settings().reservation_ttl);
    if let Some(expires_at) = claim.extend(now, ttl) {
        uow.set_timer(&EXPIRE, claim.order_id(), expires_at);
    }
    uow.put(claim);
    Ok(())
}

/// The order is paid: commit its claim, or say why not.
pub fn commit(uow: &mut Uow<Inventory>, paid: &PaymentAuthorized) -> Outcome {
    let mut claim = claim_of(uow, &paid.order)?;
    sell(uow, &mut claim)?;
    uow.put(claim);
    Ok(())
}

/// A failed payment is an end of its order.
pub fn release_failed(uow: &mut Uow<Inventory>, failed: &PaymentFailed) -> Outcome {
    end(uow, &failed.order, "payment_failed")
}

pub fn release_rejected(uow: &mut Uow<Inventory>, rejected: &OrderRejected) -> Outcome {
    end(uow, &rejected.order, "order_rejected")
}

pub fn release_cancelled(uow: &mut Uow<Inventory>, cancelled: &OrderCancelled) -> Outcome {
    end(uow, &cancelled.order, "order_cancelled")
}

/// The time of a claim may be over.
pub fn expire(uow: &mut Uow<Inventory>, order_id: &Id) -> Outcome {
    let mut claim = uow.load::<Reservation>(order_id)?;
    let now = uow.now();
    if let Some(expired) = claim.expire(now) {
        move_stock(uow, &claim, Stock::expire)?;
        uow.emit(expired);
        uow.put(claim);
    }
    Ok(())
}

fn claim_of(uow: &mut Uow<Inventory>, order: &Arc<OrderSummary>) -> Result<Reservation, Stop> {
    let claim = uow.get::<Reservation>(&order.order_id)?;
    Ok(claim.unwrap_or_else(|| Reservation::unheard(order)))
}

fn sell(uow: &mut Uow<Inventory>, claim: &mut Reservation) -> Outcome {
    match claim.paid() {
        Err(refused) => uow.emit(refused),
        Ok(None) => {}
        Ok(Some(committed)) => {
            move_stock(uow, claim, Stock::commit)?;
            uow.cancel_timer(&EXPIRE, claim.order_id());
            uow.emit(committed);
        }
    }
    Ok(())
}

/// An end is remembered, even of an order that nothing was known of.
fn end(uow: &mut Uow<Inventory>, order: &Arc<OrderSummary>, reason: &str) -> Outcome {
    let mut claim = claim_of(uow, order)?;
    match claim.ended(reason) {
        Ended::Nothing => {}
        Ended::Released(released) => {
            move_stock(uow, &claim, Stock::release)?;
            uow.cancel_timer(&EXPIRE, claim.order_id());
            uow.emit(released);
        }
        Ended::Restocked(restocked) => {
            move_stock(uow, &claim, Stock::restock)?;
            uow.emit(restocked);
        }
    }
    uow.put(claim);
    Ok(())
}

/// Moves the stock of every piece of a claim.
fn move_stock(uow: &mut Uow<Inventory>, reservation: &Reservation, how: Move) -> Outcome {
    let claim = reservation.claim().ok_or_else(|| Stop::broken("nothing was ever held"))?;
    let lines = reservation.lines();
    let items = uow.get_all::<StockItem>(lines.iter().map(|line| &line.sku));
    let place = |line: &Line| line.location_id.clone().map(|location| (line.sku.clone(), location));
    let stocks = uow.get_all::<Stock>(lines.iter().filter_map(place));
    let mut items: BTreeMap<Id, StockItem> =
        items?.into_iter().flatten().map(|item| (item.sku().clone(), item)).collect();
    for (line, stock) in lines.iter().zip(stocks?) {
        let mut stock = stock.ok_or_else(|| Stop::broken(format!("the stock of {} is gone", line.sku)))?;
        let item = items.get_mut(&line.sku).ok_or_else(|| Stop::broken(format!("{} is gone", line.sku)))?;
        uow.emit_all(how(&mut stock, item, i64::from(line.quantity), &claim));
        uow.put(stock);
    }
    for item in items.into_values() {
        uow.put(item);
    }
    Ok(())
}
