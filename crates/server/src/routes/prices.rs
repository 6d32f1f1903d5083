//! Prices: what a variant costs, and what it will cost.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_catalog::{
    VARIANT_NOT_FOUND, Variant,
    commands::{CancelPrice, SetPrice},
};
use tradewind_events::{Currency, Id, Price, ScheduledPrice, Timestamp};

use crate::http::{Call, Done, Failure, Json, Okay, Path, Sent};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPrice {
    /// In minor units.
    amount_minor: i64,
    currency: Currency,
    /// Now, when it is absent or past.
    #[serde(default)]
    effective_at: Option<Timestamp>,
    /// For people.
    #[serde(default)]
    reason: Option<Arc<str>>,
}

/// The prices of a variant.
#[derive(Serialize, JsonSchema)]
pub struct Prices {
    sku: Id,
    /// What one costs now.
    price: Price,
    /// The next one first.
    scheduled: Vec<ScheduledPrice>,
}

pub async fn list(call: Call, Path(sku): Path<Id>) -> Result<Okay<Prices>, Failure> {
    let unknown = || VARIANT_NOT_FOUND.because(format!("there is no variant {sku}"));
    let variant = call.load::<Variant>(&sku).await?.ok_or_else(unknown)?;
    // A price holds from its moment on, also when it was not told yet.
    let now = call.clock().now();
    let later = variant.scheduled().iter().filter(|scheduled| scheduled.price.effective_at > now);
    Ok(Okay(Prices { price: variant.price_at(now, call.config.currency), scheduled: later.cloned().collect(), sku }))
}

pub async fn set(call: Call, Path(sku): Path<Id>, Json(new): Json<NewPrice>) -> Result<Sent<Okay<Price>>, Failure> {
    let NewPrice { amount_minor, currency, effective_at, reason } = new;
    let set = SetPrice { sku, amount_minor, currency, effective_at, reason };
    call.submit(set, |price| Okay(price.clone())).await
}

pub async fn cancel(call: Call, Path((sku, price_id)): Path<(Id, Id)>) -> Result<Sent<Done>, Failure> {
    call.submit(CancelPrice { sku, price_id }, |()| Done).await
}
