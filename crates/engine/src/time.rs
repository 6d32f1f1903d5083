//! Engine time: the one time by which everything in a process is judged. It never goes back.
//!
//! It advances with the monotonic clock and follows the wall clock:
//! - The wall clock is ahead by at most `clock_jump_max`: engine time adopts it.
//! - The wall clock is ahead by more: engine time does not adopt it, and deadlines are held. The hold ends when an
//!   operator confirms the jump, which makes engine time jump, or when the wall clock comes back by itself.
//! - The wall clock went back: engine time goes on, a little slower ([`SLEW_PARTS`]), until the wall clock has caught up.
//!
//! Rows, timers, jobs and everything in memory that compares moments use engine time. What leaves the process (the
//! times in an access token, in a signature, in a mail) uses [`Moment::wall`].

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tradewind_events::Timestamp;

use crate::{
    injected,
    ports::{Clock, Reading, SystemClock},
};

/// While engine time is ahead of the wall clock, it loses one part in so many: 5 percent. One hour takes 20 hours.
pub const SLEW_PARTS: u32 = 20;

/// Why deadlines are held after a jump of the wall clock.
pub(crate) const JUMPED: &str = "the clock has jumped";

/// The bound until the engine has given its own.
const JUMP_MAX: Duration = Duration::from_hours(1);

/// How far the wall clock must have gone back for a warning.
const BEHIND_TOLD_NS: i128 = 1_000_000_000;

const NS_PER_MS: i128 = 1_000_000;

/// Engine time. Clones share it: the engine, the server and the workers of a process read the same one.
#[derive(Clone)]
pub struct EngineTime(Arc<Shared>);

/// Engine time and wall clock at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub engine: Timestamp,
    /// The wall clock, or engine time while the wall clock is ahead of it: a jump that is not adopted shows nowhere.
    pub wall: Timestamp,
}

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// What the last reading has found.
    jumped: AtomicBool,
    listeners: Mutex<Vec<Arc<dyn Fn() + Send + Sync>>>,
}

struct State {
    jump_max_ns: i128,
    /// Engine time at the last reading, in nanoseconds since 1970.
    now_ns: i128,
    /// The monotonic clock at the last reading.
    monotonic: Duration,
    /// The operator was told that the wall clock is behind.
    behind: bool,
}

/// The clocks of the operating system.
impl Default for EngineTime {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl EngineTime {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let Reading { wall, monotonic } = clock.read();
        let state = State { jump_max_ns: ns(JUMP_MAX), now_ns: ns_of(wall), monotonic, behind: false };
        let shared = Arc::new(Shared {
            clock,
            state: Mutex::new(state),
            jumped: AtomicBool::new(false),
            listeners: Mutex::default(),
        });
        let moved = Arc::downgrade(&shared);
        shared.clock.on_jump(Box::new(move || {
            if let Some(shared) = moved.upgrade() {
                shared.wake();
            }
        }));
        Self(shared)
    }

    /// To be called once, by the engine: engine time does not go back over a restart either, and the time for which
    /// the process did not run is no jump.
    pub(crate) fn begin(&self, jump_max: Duration, last_commit: Timestamp) {
        let mut state = self.0.state();
        state.jump_max_ns = ns(jump_max);
        let Reading { wall, monotonic } = self.0.clock.read();
        state.monotonic = monotonic;
        state.now_ns = state.now_ns.max(ns_of(wall)).max(ns_of(last_commit));
    }

    /// Engine time.
    pub fn now(&self) -> Timestamp {
        self.moment().engine
    }

    /// The time for what leaves the process.
    pub fn wall(&self) -> Timestamp {
        self.moment().wall
    }

    pub fn moment(&self) -> Moment {
        let shared = &*self.0;
        let mut state = shared.state();
        let reading = shared.clock.read();
        let jumped = state.go_on(&reading);
        let engine = state.now();
        let told = state.tell_behind(&reading);
        drop(state);
        if let Some(behind) = told {
            tell_behind(behind);
        }
        if shared.jumped.load(Ordering::Relaxed) != jumped {
            shared.jumped.store(jumped, Ordering::Relaxed);
            tell_jumped(jumped, &reading, engine);
        }
        Moment { engine, wall: reading.wall.min(engine) }
    }

    /// For durations that are measured often. It has nothing to do with the wall clock.
    pub fn monotonic(&self) -> Duration {
        self.0.clock.monotonic()
    }

    /// See [`Clock::batch_goes_on`].
    pub(crate) fn batch_goes_on(&self) {
        self.0.clock.batch_goes_on();
    }

    /// Whether the wall clock is ahead by more than it may jump, as the last reading has found.
    pub fn has_jumped(&self) -> bool {
        self.0.jumped.load(Ordering::Relaxed)
    }

    /// An operator has looked at the wall clock, and it is right: engine time jumps.
    pub fn confirm(&self) {
        let mut state = self.0.state();
        let wall = self.0.clock.wall();
        state.now_ns = state.now_ns.max(ns_of(wall));
        drop(state);
        self.moment();
        self.0.wake();
    }

    /// How long a thread may sleep until engine time is `at`; then it looks again. `None` when only
    /// [`EngineTime::on_jump`] tells.
    pub fn until(&self, at: Timestamp) -> Option<Duration> {
        self.0.clock.sleep(self.wait_for(at))
    }

    /// How much time passes until engine time is `at`, if nobody sets the wall clock.
    pub fn wait_for(&self, at: Timestamp) -> Duration {
        let Moment { engine, wall } = self.moment();
        let wait = at.since(engine);
        // Slower, but no slower than until the wall clock is there.
        let slower = wait / (SLEW_PARTS - 1) + Duration::from_nanos(1);
        if wait.is_zero() { wait } else { wait.saturating_add(slower.min(engine.since(wall))) }
    }

    /// Calls back whenever engine time may have jumped.
    pub fn on_jump(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(wake.into());
    }
}

impl fmt::Debug for EngineTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EngineTime").field(&self.moment()).finish()
    }
}

impl Moment {
    /// When both show the same.
    pub const fn at(time: Timestamp) -> Self {
        Self { engine: time, wall: time }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for wake in listeners {
            wake();
        }
    }
}

impl State {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.now_ns.div_euclid(NS_PER_MS)).unwrap_or(i64::MAX))
    }

    /// Takes a reading; `true` when the wall clock is ahead by more than it may jump.
    fn go_on(&mut self, reading: &Reading) -> bool {
        let (wall, elapsed) = (ns_of(reading.wall), ns(reading.monotonic.saturating_sub(self.monotonic)));
        self.monotonic = self.monotonic.max(reading.monotonic);
        if injected("time-goes-back") {
            self.now_ns = wall;
            return false;
        }
        let on = self.now_ns.saturating_add(elapsed);
        let jumped = wall.saturating_sub(on) > self.jump_max_ns;
        self.now_ns = if jumped {
            on
        } else if wall >= on {
            wall
        } else {
            (on - elapsed / i128::from(SLEW_PARTS)).max(wall)
        };
        jumped
    }

    /// By how much the wall clock is behind, when that is to be told; zero when it has caught up.
    fn tell_behind(&mut self, reading: &Reading) -> Option<Duration> {
        let gap = self.now_ns - ns_of(reading.wall);
        let behind = if self.behind { gap >= NS_PER_MS } else { gap >= BEHIND_TOLD_NS };
        (std::mem::replace(&mut self.behind, behind) != behind).then(|| {
            let millis = u64::try_from(gap / NS_PER_MS).unwrap_or(0);
            Duration::from_millis(if behind { millis } else { 0 })
        })
    }
}

fn tell_behind(behind: Duration) {
    if behind.is_zero() {
        tracing::info!("the wall clock has caught up with engine time");
    } else {
        let behind_ms = u64::try_from(behind.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(
            behind_ms,
            "the wall clock went back: engine time goes on, slower by 5 percent until it is there"
        );
    }
}

fn tell_jumped(jumped: bool, reading: &Reading, engine: Timestamp) {
    if jumped {
        let (wall, engine) = (reading.wall.to_string(), engine.to_string());
        tracing::warn!(wall, engine, "the wall clock has jumped: deadlines are held until an operator confirms it");
    } else {
        tracing::info!("deadlines are not held any more: the wall clock is back, or its jump was confirmed");
    }
}

fn ns(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

fn ns_of(at: Timestamp) -> i128 {
    i128::from(at.as_millis()) * NS_PER_MS
}
