//! What becomes of messages that cannot be handled: nothing is lost, and nothing stops the loop.

use std::time::Duration;

use tradewind_engine::{
    CommandMessage, Limits, Message, StoredAnswer,
    operator::{Action, Operator},
    ports::{CommitError, Reader},
    tables::{CounterRow, DeadLetterKind},
};
use tradewind_events::{id, row_key};
use tradewind_testkit::{MemoryStore, Stage};

use crate::toy::{self, Changed, Count, ENDLESS, Happened, Image, POISON, add};

fn happened(name: &str, after: Option<&str>) -> Happened {
    Happened { name: id(name), after: after.map(id) }
}

#[test]
fn a_handler_that_panics_leaves_no_trace_and_its_message_is_a_dead_letter() {
    let mut stage = toy::stage();
    assert_eq!(stage.ask(add("a", POISON)), Ok(POISON));
    // The command stands; what the second service had written before it panicked does not.
    assert_eq!(stage.row::<Count>(id("a")).unwrap().total, POISON);
    assert_eq!(stage.row::<Image>(id("a")), None);
    assert_eq!(stage.said::<Changed>(), []);
    let [dead] = &stage.dead_letters()[..] else { panic!("one dead letter") };
    assert_eq!((&*dead.consumer, &*dead.name, dead.kind), ("mirror", "tally.counted", DeadLetterKind::Event));
    assert!(dead.reason.contains("thirteen"), "{}", dead.reason);
    assert!(toy::text(&dead.message).contains(r#""type":"tally.counted""#));
    assert_eq!(stage.ask(add("b", 1)), Ok(1));
    assert_eq!(stage.row::<Image>(id("b")).unwrap().total, 1);
}

#[test]
fn a_chain_without_an_end_is_cut_and_kept() {
    let mut stage = toy::stage();
    stage.ask(add("a", ENDLESS)).unwrap();
    assert_eq!(stage.said::<Changed>().len(), 64);
    let [dead] = &stage.dead_letters()[..] else { panic!("one dead letter") };
    assert!(dead.reason.contains("64"), "{}", dead.reason);
}

#[test]
fn an_event_that_is_delivered_twice_has_one_effect() {
    let mut stage = toy::forgetful_stage();
    stage.hear_as("e1", happened("a", None));
    stage.hear_as("e1", happened("a", None));
    stage.hear_as("e2", happened("a", None));
    assert_eq!(stage.row::<Image>(id("a")).unwrap().heard, 2);
}

#[test]
fn an_early_event_is_parked_and_handled_as_soon_as_its_fact_is_there() {
    let mut stage = toy::stage();
    stage.hear(happened("late", Some("a")));
    assert_eq!(stage.row::<Image>(id("late")), None);
    assert_eq!(stage.parked().len(), 1);
    stage.ask(add("a", 1)).unwrap();
    assert_eq!(stage.row::<Image>(id("late")).unwrap().heard, 1);
    assert_eq!((stage.parked().len(), stage.dead_letters().len()), (0, 0));
    stage.advance(Duration::from_hours(2));
    assert_eq!(stage.row::<Image>(id("late")).unwrap().heard, 1);
}

#[test]
fn a_parked_event_is_retried_with_backoff_and_is_a_dead_letter_after_its_deadline() {
    let mut stage = toy::stage();
    stage.hear(happened("late", Some("never")));
    let first = stage.parked()[0].clone();
    stage.advance(Duration::from_secs(10));
    let later = stage.parked()[0].clone();
    assert!(later.attempts > first.attempts && later.due_at > stage.now());
    for _ in 0..200 {
        stage.advance(Duration::from_secs(30));
    }
    assert_eq!(stage.parked(), []);
    let [dead] = &stage.dead_letters()[..] else { panic!("one dead letter") };
    assert!(dead.reason.contains("image never"), "{}", dead.reason);
}

#[test]
fn what_is_parked_is_found_again_after_a_restart() {
    let store = MemoryStore::new();
    let services = || [toy::mirror_service()];
    let mut stage = Stage::over(store.clone(), services(), toy::registry(), Limits::default());
    stage.hear(happened("late", Some("a")));
    drop(stage);
    let mut stage = Stage::over(store, services(), toy::registry(), Limits::default());
    stage.hear_as("other", happened("a", None));
    assert_eq!(stage.row::<Image>(id("late")).unwrap().heard, 1);
    assert_eq!(stage.parked(), []);
}

#[test]
fn a_broken_event_of_another_store_is_a_dead_letter_once() {
    let mut stage = toy::stage();
    stage.hear_as("e1", happened("nowhere", None));
    stage.hear_as("e1", happened("nowhere", None));
    assert_eq!(stage.dead_letters().len(), 1);
}

#[test]
fn an_event_from_outside_that_claims_to_be_our_own_is_a_dead_letter() {
    let mut stage = toy::stage();
    let forged = stage.envelope("forged", toy::Counted { name: id("a"), total: 1_000_000 });
    stage.hear_envelope(forged);
    assert_eq!(stage.row::<Image>(id("a")), None);
    assert_eq!(stage.dead_letters().len(), 1);
}

#[test]
fn a_handler_that_asks_for_other_rows_each_time_it_runs_does_not_hang_the_loop() {
    let mut stage = toy::stage();
    stage.hear(happened("wanderer", None));
    let [dead] = &stage.dead_letters()[..] else { panic!("one dead letter") };
    assert!(dead.reason.contains("other rows each time"), "{}", dead.reason);
    assert_eq!(stage.ask(add("a", 1)), Ok(1));
}

/// The store refuses what comes next for no reason of its own.
fn refuse_once(store: &MemoryStore) {
    let reason = "for no reason".to_owned();
    store.fail_next_commit(CommitError::Constraint { table: "image".to_owned(), reason });
}

#[test]
fn a_heard_event_that_the_store_refused_is_in_the_log_and_is_handled_when_it_is_sent_again() {
    let mut stage = toy::stage();
    refuse_once(stage.store());
    let heard = stage.hear(happened("a", None));
    let [dead] = &stage.dead_letters()[..] else { panic!("one dead letter") };
    let segment = stage.store().segments(dead.segment, 1).unwrap().remove(0);
    let logged = segment.decode_at(&[dead.segment_index], "stage", &toy::registry()).unwrap().remove(0);
    assert_eq!((logged.envelope.id, logged.remote), (heard, true));
    stage.operate(Action::Redrive { dead_letter: dead.id.clone() }).unwrap();
    assert_eq!(stage.row::<Image>(id("a")).unwrap().heard, 1);
}

#[test]
fn the_books_know_a_parked_event_that_the_store_refused_as_dead() {
    let mut stage = toy::stage();
    let books = |stage: &Stage| {
        let counter: CounterRow = stage.row(row_key(&["mirror", "far"])).unwrap();
        (counter.handled, counter.parked, counter.dead)
    };
    stage.operate(Action::Pause { consumer: id("mirror"), reason: "a test".into() }).unwrap();
    stage.hear(happened("a", None));
    assert_eq!(books(&stage), (0, 1, 0));
    let resume = Operator { actor: "operator".into(), action: Action::Resume { consumer: id("mirror") } };
    let (store, context) = (stage.store().clone(), stage.context());
    // What is parked comes with the commit after this one.
    let resume = CommandMessage::operator(resume, context, |_| StoredAnswer::default());
    stage.accept(Message::Command(resume.reply(move |_| refuse_once(&store))));
    stage.run();
    assert_eq!(books(&stage), (0, 0, 1));
    let [dead] = &stage.dead_letters()[..] else { panic!("one dead letter") };
    stage.operate(Action::Redrive { dead_letter: dead.id.clone() }).unwrap();
    assert_eq!(books(&stage), (1, 0, 0));
}

/// However an event of another store becomes a dead letter, the books know of it.
#[test]
fn the_books_count_as_many_dead_letters_as_there_are() {
    type Way = (&'static str, fn(&mut Stage));
    let ways: [Way; 5] = [
        ("its handler fails", |stage| {
            stage.hear(happened("nowhere", None));
        }),
        ("the store refuses it", |stage| {
            refuse_once(stage.store());
            stage.hear(happened("a", None));
        }),
        ("what it waits for does not come", |stage| {
            stage.hear(happened("late", Some("never")));
            stage.advance(Limits::default().park_deadline);
        }),
        ("the store refuses it when its fact is there", |stage| {
            stage.hear(happened("late", Some("a")));
            let (store, context) = (stage.store().clone(), stage.context());
            let add = CommandMessage::new(add("a", 1), context, |_| StoredAnswer::default());
            stage.accept(Message::Command(add.reply(move |_| refuse_once(&store))));
            stage.run();
            stage.advance(Limits::default().park_deadline);
        }),
        ("it fails again when it is sent again", |stage| {
            stage.hear(happened("nowhere", None));
            let dead_letter = stage.dead_letters()[0].id.clone();
            stage.operate(Action::Redrive { dead_letter }).unwrap();
        }),
    ];
    for (way, dies) in ways {
        let mut stage = toy::stage();
        dies(&mut stage);
        let counter: CounterRow = stage.row(row_key(&["mirror", "far"])).unwrap();
        let there = (stage.dead_letters().len() as u64, stage.parked().len() as u64);
        assert_eq!((counter.dead, counter.parked), there, "{way}");
        assert_eq!(there.0 + counter.handled, 1, "{way}");
    }
}
