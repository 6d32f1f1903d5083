//! Timers: armed, moved, disarmed, and found again.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{
    Limits, Message, Receipt, Received,
    operator::Action,
    ports::{Position, Reader},
    tables::{AuditRow, DeadLetterKind, TimerRow},
};
use tradewind_events::{Timestamp, id};
use tradewind_testkit::{MemoryStore, Stage};

use crate::toy::{self, Count, Happened, Remind, UNLUCKY, add};

fn remind(stage: &mut Stage, name: &str, after_secs: Option<u64>) -> Timestamp {
    let at = stage.now().plus(Duration::from_secs(after_secs.unwrap_or(0)));
    stage.ask(Remind { name: id(name), at: after_secs.map(|_| at) }).expect("a reminder is never refused");
    at
}

const HOUR_MS: i64 = 3_600_000;

fn fired(stage: &Stage, name: &str) -> i64 {
    stage.row::<Count>(id(name)).map_or(0, |count| count.total)
}

#[test]
fn a_timer_that_falls_due_during_a_stop_waits_for_the_next_start() {
    let mut stage = toy::stage();
    let at = remind(&mut stage, "a", Some(600));
    stage.core().stop();
    assert!(stage.core().next_due() > at, "nobody looks for it");
    stage.advance_to(at);
    assert_eq!((fired(&stage, "a"), stage.rows::<TimerRow>().len()), (0, 1));
}

#[test]
fn a_timer_fires_once_when_it_is_due_and_not_before() {
    let mut stage = toy::forgetful_stage();
    let at = remind(&mut stage, "a", Some(600));
    stage.advance_to(Timestamp::from_millis(at.as_millis() - 1));
    assert_eq!(fired(&stage, "a"), 0);
    stage.advance_to(at);
    assert_eq!(fired(&stage, "a"), 1);
    stage.advance(Duration::from_mins(10));
    assert_eq!((fired(&stage, "a"), stage.rows::<TimerRow>().len()), (1, 0));
}

#[test]
fn a_timer_can_be_moved_both_ways_and_disarmed() {
    let mut stage = toy::stage();
    remind(&mut stage, "later", Some(10));
    remind(&mut stage, "later", Some(30));
    remind(&mut stage, "sooner", Some(30));
    remind(&mut stage, "sooner", Some(10));
    remind(&mut stage, "never", Some(10));
    remind(&mut stage, "never", None);
    stage.advance(Duration::from_secs(20));
    assert_eq!([fired(&stage, "later"), fired(&stage, "sooner"), fired(&stage, "never")], [0, 1, 0]);
    stage.advance(Duration::from_secs(20));
    assert_eq!([fired(&stage, "later"), fired(&stage, "sooner"), fired(&stage, "never")], [1, 1, 0]);
}

#[test]
fn timers_are_found_again_after_a_restart() {
    let store = MemoryStore::new();
    let mut stage = Stage::over(store.clone(), toy::services(), toy::registry(), Limits::default());
    remind(&mut stage, "a", Some(30));
    drop(stage);
    let mut stage = Stage::over(store, toy::services(), toy::registry(), Limits::default());
    stage.advance(Duration::from_secs(31));
    assert_eq!(fired(&stage, "a"), 1);
}

/// Rows hold moments also where nothing was said.
#[test]
fn engine_time_does_not_go_back_over_a_restart_behind_a_commit_without_events() {
    let store = MemoryStore::new();
    let mut stage = Stage::over(store.clone(), toy::services(), toy::registry(), Limits::default());
    stage.advance(Duration::from_hours(2));
    remind(&mut stage, "a", Some(30));
    let asked_at = stage.committed_at();
    assert_eq!(store.last_segment(), Ok(0), "nothing was said");
    drop(stage);
    // Its clock shows what that of the first one showed at its start.
    let mut stage = Stage::over(store, toy::services(), toy::registry(), Limits::default());
    assert_eq!(stage.now(), asked_at);
    stage.advance(Duration::from_secs(29));
    assert_eq!(fired(&stage, "a"), 0);
    stage.advance(Duration::from_secs(3));
    assert_eq!(fired(&stage, "a"), 1);
}

#[test]
fn a_jump_of_the_clock_holds_deadlines_until_it_is_confirmed() {
    let mut stage = toy::stage();
    remind(&mut stage, "a", Some(30));
    stage.jump(5 * HOUR_MS);
    assert_eq!(fired(&stage, "a"), 0);
    assert_eq!(stage.core().deadlines_held(), Some("the clock has jumped"));
    stage.operate(Action::ConfirmClock { clock: id("clock") }).unwrap();
    assert_eq!((fired(&stage, "a"), stage.rows::<AuditRow>().len()), (1, 1));
}

#[test]
fn deadlines_go_on_by_themselves_when_a_clock_that_has_jumped_comes_back() {
    let mut stage = toy::stage();
    remind(&mut stage, "a", Some(30));
    let before = stage.now();
    stage.jump(5 * HOUR_MS);
    assert_eq!(stage.core().deadlines_held(), Some("the clock has jumped"));
    assert!(stage.now().since(before) < Duration::from_secs(1));
    // What is armed meanwhile is armed by engine time, too.
    remind(&mut stage, "b", Some(60));
    stage.jump(-5 * HOUR_MS);
    assert_eq!((stage.core().deadlines_held(), fired(&stage, "a")), (None, 0));
    stage.advance(Duration::from_secs(30));
    assert_eq!((fired(&stage, "a"), fired(&stage, "b")), (1, 0));
    stage.advance(Duration::from_secs(30));
    assert_eq!(fired(&stage, "b"), 1);
}

/// An event of another store is received by the subscription.
fn receive(stage: &mut Stage, nth: u64) {
    let envelope = stage.envelope(&format!("far-{nth}"), Happened { name: id("b"), after: None });
    let receipt = Receipt { subscription: 0, position: Position(nth.to_string()), bytes: 1 };
    stage.accept(Message::Received(Received { envelope: Arc::new(envelope), receipt: Some(receipt) }));
    stage.run();
}

#[test]
fn deadlines_wait_for_a_backlog_as_long_as_it_shrinks() {
    let mut stage = toy::stage();
    remind(&mut stage, "a", Some(30));
    stage.core().fell_behind(0);
    // Far longer than any fixed time after a start.
    for nth in 0..20 {
        stage.advance(Duration::from_secs(20));
        receive(&mut stage, nth);
    }
    assert_eq!((stage.core().deadlines_held(), fired(&stage, "a")), (Some("the consumers are catching up"), 0));
    stage.core().caught_up(0);
    stage.run();
    assert_eq!((stage.core().deadlines_held(), fired(&stage, "a")), (None, 1));
    // Once it has connected again, there may be another backlog.
    remind(&mut stage, "b", Some(10));
    stage.core().fell_behind(0);
    stage.advance(Duration::from_secs(29));
    assert_eq!(fired(&stage, "b"), 0);
    // Nothing is received any more.
    stage.advance(Duration::from_secs(1));
    assert_eq!((stage.core().deadlines_held(), fired(&stage, "b")), (None, 1));
}

#[test]
fn an_operator_releases_deadlines_that_wait_for_a_backlog() {
    let mut stage = toy::stage();
    remind(&mut stage, "a", Some(1));
    stage.core().fell_behind(0);
    stage.core().fell_behind(1);
    stage.advance(Duration::from_secs(2));
    assert_eq!(fired(&stage, "a"), 0);
    stage.operate(Action::ConfirmClock { clock: id("clock") }).unwrap();
    assert_eq!((fired(&stage, "a"), stage.core().deadlines_held()), (1, None));
    receive(&mut stage, 1);
    assert_eq!(stage.core().deadlines_held(), None, "it is told once, until a subscription connects again");
    stage.core().fell_behind(1);
    assert_eq!(stage.core().deadlines_held(), Some("the consumers are catching up"));
}

#[test]
fn time_that_passes_is_no_jump_however_much_it_is() {
    let mut stage = toy::stage();
    remind(&mut stage, "a", Some(30));
    stage.advance(Duration::from_hours(5));
    assert_eq!((stage.core().deadlines_held(), fired(&stage, "a")), (None, 1));
}

#[test]
fn timers_do_not_wait_until_a_clock_that_went_back_has_caught_up() {
    for (by_ms, back_ms) in [(0, -HOUR_MS), (HOUR_MS / 2, -HOUR_MS / 2)] {
        let mut stage = toy::stage();
        stage.jump(by_ms);
        remind(&mut stage, "a", Some(60));
        stage.jump(back_ms);
        remind(&mut stage, "b", Some(60));
        stage.advance(Duration::from_secs(59));
        assert_eq!((fired(&stage, "a"), fired(&stage, "b")), (0, 0));
        // Engine time is slower by 5 percent.
        stage.advance(Duration::from_secs(5));
        assert_eq!((fired(&stage, "a"), fired(&stage, "b")), (1, 1));
    }
}

#[test]
fn many_timers_fire_in_the_order_of_their_time() {
    let mut stage = toy::stage();
    for nth in [3_u64, 1, 2] {
        remind(&mut stage, &format!("t{nth}"), Some(nth));
    }
    stage.clear();
    stage.advance(Duration::from_secs(5));
    let names: Vec<_> = stage.said::<toy::Counted>().into_iter().map(|counted| counted.name).collect();
    assert_eq!(names, [id("t1"), id("t2"), id("t3")]);
}

#[test]
fn a_timer_whose_handler_fails_is_a_dead_letter_and_fires_once_it_is_redriven() {
    let mut stage = toy::stage();
    stage.ask(add("a", UNLUCKY)).unwrap();
    remind(&mut stage, "a", Some(30));
    stage.advance(Duration::from_secs(31));
    let [dead] = &stage.dead_letters()[..] else { panic!("one dead letter") };
    let of = (dead.kind, &*dead.consumer, &*dead.name, &*dead.message_key);
    assert_eq!(of, (DeadLetterKind::Timer, "tally", "reminder", "a"));
    assert!(dead.reason.contains("seventeen is no number"), "{}", dead.reason);
    assert_eq!((fired(&stage, "a"), stage.rows::<TimerRow>()), (UNLUCKY, Vec::new()));
    // What was wrong is mended.
    stage.ask(add("a", 1)).unwrap();
    let redrive = Action::Redrive { dead_letter: dead.id.clone() };
    stage.operate(redrive.clone()).unwrap();
    stage.advance(Duration::from_secs(1));
    assert_eq!((fired(&stage, "a"), stage.dead_letters()), (UNLUCKY + 2, Vec::new()));
    assert_eq!(stage.operate(redrive).unwrap_err().code(), "dead_letter_settled");
}

#[test]
fn time_does_not_go_back_over_a_restart() {
    let store = MemoryStore::new();
    let mut stage = Stage::over(store.clone(), toy::services(), toy::registry(), Limits::default());
    stage.advance(Duration::from_mins(30));
    stage.ask(toy::add("a", 1)).unwrap();
    let before = stage.log()[0].envelope.time;
    // The new stage's clock begins half an hour earlier.
    let mut stage = Stage::over(store, toy::services(), toy::registry(), Limits::default());
    stage.ask(toy::add("a", 1)).unwrap();
    assert_eq!(stage.log()[0].envelope.time, before);
}
