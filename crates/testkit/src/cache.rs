//! The cache of the engines that tests run. A test passes with rows in memory and without them.

use tradewind_engine::Limits;

/// Set to `forget`, it makes every engine of the test kit forget its rows before each message.
pub const CACHE_VARIABLE: &str = "TRADEWIND_CACHE";

/// Whether the tests run with caches that forget.
///
/// # Panics
/// When the variable has another value than `forget`.
#[expect(clippy::disallowed_methods, reason = "it is how tests are run, and no setting of a shop")]
pub fn cache_forgets() -> bool {
    match std::env::var(CACHE_VARIABLE).as_deref() {
        Ok("forget") => true,
        Ok(other) => panic!("{CACHE_VARIABLE} is `forget` or absent, not {other:?}"),
        Err(_) => false,
    }
}

/// These limits, with a cache that forgets if the tests run so.
pub(crate) fn limits(mut limits: Limits) -> Limits {
    limits.cache_forgets |= cache_forgets();
    limits
}
