//! The clock of the engines that tests run. A test passes with a clock that stands still while a batch is open, and with
//! one that moves.

use tradewind_memory::ManualClock;

use crate::mode::is_on;

/// Set to `moves`, it makes the clock of every engine of the test kit move inside open batches.
pub const CLOCK_VARIABLE: &str = "TRADEWIND_CLOCK";

/// Whether the tests run with clocks that move inside a batch.
///
/// # Panics
/// When the variable has another value than `moves`.
pub fn clock_moves() -> bool {
    is_on(CLOCK_VARIABLE, "moves")
}

/// A manual clock, which moves inside open batches if the tests run so.
pub fn manual_clock() -> ManualClock {
    let clock = ManualClock::default();
    clock.move_in_batches(clock_moves());
    clock
}
