//! Looks for damage in what the shop keeps and nobody reads, so that it is known while there still is a good backup.

use std::{future::pending, sync::Arc, time::Duration};

use tradewind_engine::ports::StoreError;

use crate::shop::Shop;

/// Between two parts: a megabyte each, so a gigabyte takes a minute, and the disk has time for the shop.
const PART_EVERY: Duration = Duration::from_millis(60);

/// From the end of one pass to the next. The first is at the start.
const PASS_EVERY: Duration = Duration::from_hours(24);

/// Runs until the shop stops. What it finds is logged, makes the shop not ready, and is in its figures.
pub async fn keep_scrubbed(shop: Shop) {
    loop {
        pass(&shop).await;
        shop.alarm.until(shop.clock().now().plus(PASS_EVERY), pending()).await;
    }
}

async fn pass(shop: &Shop) {
    let mut from = 0;
    loop {
        match part(shop, from).await {
            Ok(Some(next)) => from = next,
            Ok(None) => return tracing::debug!("the store has no damage"),
            Err(error) => return tracing::error!(%error, "a look at the whole store has found damage"),
        }
        shop.alarm.until(shop.clock().now().plus(PART_EVERY), pending()).await;
    }
}

/// Off the threads that serve requests.
async fn part(shop: &Shop, from: u64) -> Result<Option<u64>, StoreError> {
    let reader = Arc::clone(shop.engine.reader());
    let looked = tokio::task::spawn_blocking(move || reader.scrub(from));
    looked.await.unwrap_or_else(|panic| Err(StoreError::Unusable(panic.to_string())))
}
