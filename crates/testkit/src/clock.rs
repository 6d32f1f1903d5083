//! The clock of the engines that tests run. A test passes with a clock that stands still while a batch is open, and with
//! one that moves.

use tradewind_memory::ManualClock;

/// Set to `moves`, it makes the clock of every engine of the test kit move inside open batches.
pub const CLOCK_VARIABLE: &str = "TRADEWIND_CLOCK";

/// Whether the tests run with clocks that move inside a batch.
///
/// # Panics
/// When the variable has another value than `moves`.
#[expect(clippy::disallowed_methods, reason = "it is how tests are run, and no setting of a shop")]
pub fn clock_moves() -> bool {
    match std::env::var(CLOCK_VARIABLE).as_deref() {
        Ok("moves") => true,
        Ok(other) => panic!("{CLOCK_VARIABLE} is `moves` or absent, not {other:?}"),
        Err(_) => false,
    }
}

/// A manual clock, which moves inside open batches if the tests run so.
pub fn manual_clock() -> ManualClock {
    let clock = ManualClock::default();
    clock.move_in_batches(clock_moves());
    clock
}
