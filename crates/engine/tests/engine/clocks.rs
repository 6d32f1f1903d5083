//! Engine time over two clocks: it follows the wall clock ahead, and never goes back.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{EngineTime, Moment, SLEW_PARTS};
use tradewind_testkit::ManualClock;

const MINUTE_MS: i64 = 60_000;

fn clocks() -> (ManualClock, EngineTime) {
    let clock = ManualClock::default();
    let time = EngineTime::new(Arc::new(clock.clone()));
    (clock, time)
}

#[test]
fn engine_time_is_the_wall_clock_as_long_as_that_goes_on_and_follows_it_ahead() {
    let (clock, time) = clocks();
    for _ in 0..10 {
        clock.advance(Duration::from_millis(1_234));
        assert_eq!(time.moment(), Moment::at(clock.now()));
    }
    clock.jump(30 * MINUTE_MS);
    assert_eq!(time.moment(), Moment::at(clock.now()));
    assert!(!time.has_jumped());
}

#[test]
fn engine_time_goes_on_slower_when_the_wall_clock_went_back_until_that_has_caught_up() {
    let (clock, time) = clocks();
    let before = time.now();
    clock.jump(-MINUTE_MS);
    assert_eq!(time.moment(), Moment { engine: before, wall: clock.now() });
    for seconds in [1, 10, 100] {
        let began = time.now();
        clock.advance(Duration::from_secs(seconds));
        let (went_on, slower) = (time.now().since(began), Duration::from_secs(seconds) / SLEW_PARTS);
        assert_eq!(went_on + slower, Duration::from_secs(seconds));
    }
    // 60 s are caught up after 1,200.
    clock.advance(Duration::from_secs(1_200 - 111 - 1));
    assert!(time.now() > clock.now());
    clock.advance(Duration::from_secs(1));
    assert_eq!(time.moment(), Moment::at(clock.now()));
    clock.advance(Duration::from_secs(100));
    assert_eq!(time.moment(), Moment::at(clock.now()));
}

#[test]
fn how_long_a_wait_takes_is_known_exactly_also_while_engine_time_is_slower() {
    for (back_ms, wait) in [(0, 10), (MINUTE_MS, 19), (MINUTE_MS, 5_000), (100, 10)] {
        let (clock, time) = clocks();
        clock.jump(-back_ms);
        let at = time.now().plus(Duration::from_secs(wait));
        let takes = time.wait_for(at);
        clock.advance(takes.saturating_sub(Duration::from_millis(2)));
        assert!(time.now() < at, "{back_ms} {wait}");
        clock.advance(Duration::from_millis(3));
        assert!(time.now() >= at, "{back_ms} {wait}");
    }
}

#[test]
fn a_jump_that_is_too_far_is_adopted_when_it_is_confirmed_and_shows_nowhere_before() {
    let (clock, time) = clocks();
    let before = time.now();
    clock.jump(61 * MINUTE_MS);
    assert_eq!((time.moment(), time.has_jumped()), (Moment::at(before), true));
    clock.advance(Duration::from_secs(1));
    assert_eq!((time.moment(), time.has_jumped()), (Moment::at(before.plus(Duration::from_secs(1))), true));
    time.confirm();
    assert_eq!((time.moment(), time.has_jumped()), (Moment::at(clock.now()), false));
}

#[test]
fn a_clock_that_is_read_all_the_time_is_no_slower_than_one_that_is_read_once() {
    let (clock, time) = clocks();
    let before = time.now();
    clock.jump(-MINUTE_MS);
    clock.creep(Some(Box::new(|| Duration::from_micros(7))));
    while time.now().since(before) < Duration::from_millis(95) {}
    assert!(clock.true_time().since(before) <= Duration::from_millis(101));
}
