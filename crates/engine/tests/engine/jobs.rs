//! Jobs: asked for in a commit, tried outside, and their outcome handled once.

use std::time::Duration;

use tradewind_engine::{
    TryOutcome,
    operator::Action,
    tables::{AuditRow, JobRow, JobState},
};
use tradewind_events::id;

use crate::toy::{self, Bell, Count, EARLY, POISON, Ring, add};

#[test]
fn a_job_is_done_under_its_key_and_its_outcome_is_handled_once() {
    let mut stage = toy::forgetful_stage();
    stage.ask(Ring { name: id("a") }).unwrap();
    assert_eq!(stage.jobs::<Bell>(), [(id("a"), 7)]);
    stage.finish::<Bell>(&id("a"), &3);
    stage.finish::<Bell>(&id("a"), &3);
    assert_eq!(stage.row::<Count>(id("a")).unwrap().total, 3);
    assert_eq!(stage.jobs::<Bell>(), []);
}

#[test]
fn asking_for_a_job_that_waits_changes_nothing() {
    let mut stage = toy::stage();
    stage.ask(Ring { name: id("a") }).unwrap();
    stage.try_job(&id("a"), TryOutcome::Unknown("timeout".into()));
    let before = stage.rows::<JobRow>();
    stage.ask(Ring { name: id("a") }).unwrap();
    assert_eq!(stage.rows::<JobRow>(), before);
}

#[test]
fn a_job_that_is_due_at_a_stop_keeps_nobody_busy() {
    let mut stage = toy::stage();
    stage.ask(Ring { name: id("a") }).unwrap();
    let now = stage.core().clock().now();
    assert!(stage.core().next_due() <= now, "the job is due");
    stage.core().stop();
    assert!(stage.core().next_due() > now, "nothing else is");
    assert_eq!(stage.core().take_jobs().unwrap().len(), 0);
}

#[test]
fn an_unknown_outcome_is_asked_again_with_backoff_until_it_is_owed() {
    let mut stage = toy::stage();
    stage.ask(Ring { name: id("a") }).unwrap();
    assert_eq!(stage.core().take_jobs().unwrap().len(), 1);
    assert_eq!(stage.core().take_jobs().unwrap().len(), 0);
    stage.try_job(&id("a"), TryOutcome::Unknown("timeout".into()));
    assert_eq!(stage.core().take_jobs().unwrap().len(), 0);
    for attempt in 2..=12 {
        stage.advance(Duration::from_secs(301));
        assert_eq!(stage.core().take_jobs().unwrap().len(), 1, "attempt {attempt}");
        stage.try_job(&id("a"), TryOutcome::Unknown("timeout".into()));
    }
    stage.advance(Duration::from_secs(301));
    assert_eq!(stage.core().take_jobs().unwrap().len(), 0);
    let [job] = &stage.rows::<JobRow>()[..] else { panic!("the job stays") };
    assert_eq!((job.state, job.attempts, job.last_error.as_deref()), (JobState::Exhausted, 12, Some("timeout")));

    stage.operate(Action::RetryJob { job: id("a") }).unwrap();
    assert_eq!(stage.core().take_jobs().unwrap().len(), 1);
    stage.finish::<Bell>(&id("a"), &1);
    assert_eq!(stage.row::<Count>(id("a")).unwrap().total, 1);
}

#[test]
fn jobs_do_not_wait_until_a_clock_that_went_back_has_caught_up() {
    let mut stage = toy::stage();
    stage.jump(-3_600_000);
    stage.ask(Ring { name: id("a") }).unwrap();
    assert_eq!(stage.core().take_jobs().unwrap().len(), 1);
    stage.try_job(&id("a"), TryOutcome::Unknown("timeout".into()));
    stage.advance(Duration::from_secs(1));
    assert_eq!(stage.core().take_jobs().unwrap().len(), 1);
}

#[test]
fn a_job_that_is_asked_for_again_while_it_is_tried_is_tried_again_after_that() {
    let mut stage = toy::stage();
    stage.ask(Ring { name: id("a") }).unwrap();
    assert_eq!(stage.core().take_jobs().unwrap().len(), 1);
    stage.operate(Action::SettleJob { job: id("a"), reply: "4".into(), reason: "seen".into() }).unwrap();
    stage.ask(Ring { name: id("a") }).unwrap();
    assert_eq!(stage.core().take_jobs().unwrap().len(), 0);
    stage.try_job(&id("a"), TryOutcome::Unknown("timeout".into()));
    stage.advance(Duration::from_secs(1));
    assert_eq!(stage.core().take_jobs().unwrap().len(), 1);
}

#[test]
fn an_operator_can_settle_a_job_and_the_trail_says_so() {
    let mut stage = toy::stage();
    stage.ask(Ring { name: id("a") }).unwrap();
    let settle = Action::SettleJob { job: id("a"), reply: "4".into(), reason: "seen at the provider".into() };
    stage.operate(settle.clone()).unwrap();
    assert_eq!(stage.row::<Count>(id("a")).unwrap().total, 4);
    assert_eq!(stage.operate(settle).unwrap_err().code(), "job_not_found");
    let [audit] = &stage.rows::<AuditRow>()[..] else { panic!("one action was taken") };
    assert_eq!((&*audit.action, &*audit.target, &*audit.actor), ("job.settle", "a", "operator"));
    assert!(audit.detail.contains("seen at the provider"));
}

#[test]
fn a_job_whose_outcome_cannot_be_handled_is_owed_with_the_reason() {
    let mut stage = toy::stage();
    stage.ask(Ring { name: id("a") }).unwrap();
    stage.finish::<Bell>(&id("a"), &POISON);
    let [job] = &stage.rows::<JobRow>()[..] else { panic!("the job stays") };
    assert_eq!(job.state, JobState::Exhausted);
    assert!(job.last_error.as_deref().unwrap().contains("the bell is broken"));
}

#[test]
fn a_job_whose_outcome_is_too_early_is_done_again_under_its_key() {
    let mut stage = toy::stage();
    stage.ask(Ring { name: id("a") }).unwrap();
    assert_eq!(stage.core().take_jobs().unwrap().len(), 1);
    stage.finish::<Bell>(&id("a"), &EARLY);
    assert_eq!((stage.row::<Count>(id("a")), stage.core().take_jobs().unwrap().len()), (None, 0));
    stage.ask(add("a", 1)).unwrap();
    stage.advance(Duration::from_secs(301));
    assert_eq!(stage.core().take_jobs().unwrap().len(), 1);
    stage.finish::<Bell>(&id("a"), &EARLY);
    assert_eq!(stage.row::<Count>(id("a")).unwrap().total, 1 + EARLY);
    assert_eq!((stage.jobs::<Bell>(), stage.dead_letters()), (Vec::new(), Vec::new()));
}

#[test]
fn a_job_that_was_put_forward_and_done_is_not_done_again_at_its_old_time() {
    let mut stage = toy::stage();
    stage.ask(Ring { name: id("a") }).unwrap();
    assert_eq!(stage.core().take_jobs().unwrap().len(), 1);
    stage.try_job(&id("a"), TryOutcome::Unknown("timeout".into()));
    stage.operate(Action::RetryJob { job: id("a") }).unwrap();
    assert_eq!(stage.core().take_jobs().unwrap().len(), 1);
    stage.finish::<Bell>(&id("a"), &1);
    stage.advance(Duration::from_secs(30));
    assert_eq!(stage.core().take_jobs().unwrap().len(), 0);
}
