//! What time it is, and how to wait for a time.

use std::time::Duration;

use tradewind_events::Timestamp;

/// The clock. A test's is moved by hand, a simulation's by the simulator.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// How long a thread may sleep until `at`; `None` when only [`Clock::on_jump`] will tell.
    fn until(&self, at: Timestamp) -> Option<Duration>;

    /// Calls back whenever the time jumps by hand. A real clock never does.
    fn on_jump(&self, wake: Box<dyn Fn() + Send + Sync>);
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the clock is read")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn until(&self, at: Timestamp) -> Option<Duration> {
        Some(at.since(self.now()))
    }

    fn on_jump(&self, _wake: Box<dyn Fn() + Send + Sync>) {}
}
