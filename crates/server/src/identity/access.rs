//! Whether an access token is good: a key of ours has signed it and it has not expired, and the session or service client
//! behind it has not ended. Nobody asks one of the two alone.

use std::time::Duration;

use super::{Bearer, InvalidToken};
use crate::{http::Failure, shop::Shop};

/// [`ended`] returns at most this long after the token expired or its key was retired.
const CHECKED_EVERY: Duration = Duration::from_secs(15);

/// Whom an access token speaks for. An error: it cannot be found out.
pub async fn check(shop: &Shop, token: &str) -> Result<Result<Bearer, InvalidToken>, Failure> {
    if shop.key_ring.may_lack_key_of(token) {
        shop.key_ring.fetch(shop).await;
    }
    match shop.key_ring.check(token, shop.clock().moment()) {
        Ok(bearer) => Ok(shop.revocations.check(shop, &bearer).await?.map(|()| bearer)),
        Err(invalid) => Ok(Err(invalid)),
    }
}

/// Returns when an access token is not good any more, or when that cannot be found out. For answers that go on.
pub async fn ended(shop: &Shop, token: &str) {
    let Ok(Ok(bearer)) = check(shop, token).await else { return };
    let Some(wait) = shop.revocations.wait(&bearer) else { return };
    loop {
        let mut ended = std::pin::pin!(wait.ended());
        // Whatever ends from here on is noticed, and what has ended before is found.
        ended.as_mut().enable();
        if !matches!(check(shop, token).await, Ok(Ok(_))) {
            return;
        }
        let next = shop.clock().now().plus(CHECKED_EVERY);
        tokio::select! {
            () = ended => {}
            () = shop.alarm.until(next, std::future::pending()) => {}
        }
    }
}
