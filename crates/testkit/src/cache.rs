//! The cache of the engines that tests run. A test passes with rows in memory and without them.

use tradewind_engine::Limits;

use crate::mode::is_on;

/// Set to `forget`, it makes every engine of the test kit forget its rows before each message.
pub const CACHE_VARIABLE: &str = "TRADEWIND_CACHE";

/// Whether the tests run with caches that forget.
///
/// # Panics
/// When the variable has another value than `forget`.
pub fn cache_forgets() -> bool {
    is_on(CACHE_VARIABLE, "forget")
}

/// These limits, with a cache that forgets if the tests run so.
pub(crate) fn limits(mut limits: Limits) -> Limits {
    limits.cache_forgets |= cache_forgets();
    limits
}
