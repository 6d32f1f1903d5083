//! Prices: set one now or for later, take one back that waits.

use std::sync::Arc;

use tradewind_engine::{Answer, Command, Uow};
use tradewind_events::{Currency, Id, Price, Timestamp};

use super::variant::both;
use crate::{
    Catalog, TAKE_EFFECT, Variant,
    model::{price, reason},
};

/// Sets what a variant costs, from now on or from a later moment on. The answer is the price as it stands there; a
/// variant that costs as much already keeps the price that it has.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "set_price", answer = Price, key = sku)]
pub struct SetPrice {
    pub sku: Id,
    pub amount_minor: i64,
    pub currency: Currency,
    /// Absent or past: now. It replaces a scheduled price of the same moment.
    pub effective_at: Option<Timestamp>,
    pub reason: Option<Arc<str>>,
}

/// Takes a scheduled price back.
#[derive(Debug, Clone, Command)]
#[command(owner = Catalog, name = "cancel_price", key = sku)]
pub struct CancelPrice {
    pub sku: Id,
    pub price_id: Id,
}

pub fn set_price(uow: &mut Uow<Catalog>, set: &SetPrice) -> Answer<Price> {
    price(set.amount_minor, set.currency, uow.settings().currency, "")?;
    if let Some(given) = &set.reason {
        reason(given)?;
    }
    let (product, mut variant) = both(uow, &set.sku)?;
    product.editable()?;
    let effective_at = set.effective_at.unwrap_or_default().max(uow.now());
    let new = Price { price_id: uow.new_id(), amount_minor: set.amount_minor, currency: set.currency, effective_at };
    let answer = if effective_at > uow.now() {
        let scheduled = variant.schedule(new.clone(), set.reason.clone())?;
        if let Some(updated) = scheduled {
            uow.emit(updated);
        }
        new
    } else {
        let said = variant.set_price(&product, new, set.reason.clone())?;
        uow.emit_all(said);
        variant.price()
    };
    arm(uow, &variant);
    uow.put(variant);
    Ok(answer)
}

pub fn cancel_price(uow: &mut Uow<Catalog>, cancel: &CancelPrice) -> Answer<()> {
    let (product, mut variant) = both(uow, &cancel.sku)?;
    // What has come due is not taken back, even if its timer is late.
    let said = variant.take_effect(&product, uow.now(), uow.settings().currency);
    uow.emit_all(said);
    let rescheduled = variant.cancel_price(&cancel.price_id)?;
    if let Some(updated) = rescheduled {
        uow.emit(updated);
    }
    arm(uow, &variant);
    uow.put(variant);
    Ok(())
}

/// Sets the timer to the next scheduled price, if there is one.
pub(crate) fn arm(uow: &mut Uow<Catalog>, variant: &Variant) {
    match variant.next_price_at() {
        Some(at) => uow.set_timer(&TAKE_EFFECT, variant.sku(), at),
        None => uow.cancel_timer(&TAKE_EFFECT, variant.sku()),
    }
}
