//! Time, as the server measures it too: for how long something lasts.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "an edge: no decision of the shop depends on it")]
pub fn now() -> Instant {
    Instant::now()
}
