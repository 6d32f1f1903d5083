//! The clocks of the machine: the wall clock, which may jump either way, and the monotonic clock.

use std::{sync::LazyLock, time::Duration};

use tradewind_events::Timestamp;

/// The clocks. A test moves them by hand, a simulation by its schedule. Only [`crate::EngineTime`] reads them.
pub trait Clock: Send + Sync + 'static {
    /// Both clocks at one moment.
    fn read(&self) -> Reading;

    /// The monotonic clock alone: for a duration that is measured often.
    fn monotonic(&self) -> Duration {
        self.read().monotonic
    }

    /// The wall clock alone.
    fn wall(&self) -> Timestamp {
        self.read().wall
    }

    /// How long a thread sleeps at most before it looks at the clock again, when it waits for so much time to pass.
    /// `None` when only [`Clock::on_jump`] wakes it.
    fn sleep(&self, wait: Duration) -> Option<Duration>;

    /// Calls back whenever a clock is moved by hand. A real clock never does.
    fn on_jump(&self, wake: Box<dyn Fn() + Send + Sync>);

    /// The open batch is about to run another message. A test's clock may move then. A real clock does nothing.
    fn batch_goes_on(&self) {}
}

/// What the clocks of a machine show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub wall: Timestamp,
    /// The time since some moment in the past. It never goes back.
    pub monotonic: Duration,
}

/// The clocks of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The wall clock may be set while a thread sleeps, so a thread looks at it at least this often.
const SLEEP_MAX: Duration = Duration::from_mins(1);

#[expect(clippy::disallowed_methods, reason = "this is the one place where the clocks are read")]
static STARTED: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

impl Clock for SystemClock {
    fn read(&self) -> Reading {
        Reading { wall: self.wall(), monotonic: self.monotonic() }
    }

    fn monotonic(&self) -> Duration {
        STARTED.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place where the clocks are read")]
    fn wall(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep(&self, wait: Duration) -> Option<Duration> {
        Some(wait.min(SLEEP_MAX))
    }

    fn on_jump(&self, _wake: Box<dyn Fn() + Send + Sync>) {}
}
