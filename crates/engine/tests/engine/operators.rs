//! What operators do: pause and resume, redrive, edit, discard.

use tradewind_engine::{
    Limits, Message, Undecodable,
    operator::Action,
    ports::{BrokerMessage, Incoming, Position, Reader},
    tables::{AuditRow, CounterRow, DeadLetterRow, DeadLetterState},
};
use tradewind_events::{id, row_key};
use tradewind_testkit::{MemoryStore, Stage};

use crate::toy::{self, Changed, Happened, Image, POISON, add};

#[test]
fn a_paused_consumer_hears_everything_in_order_when_it_is_resumed() {
    let store = MemoryStore::new();
    let mut stage = Stage::over(store.clone(), toy::services(), toy::registry(), Limits::default());
    stage.operate(Action::Pause { consumer: id("mirror"), reason: "repair".into() }).unwrap();
    for _ in 0..5 {
        stage.ask(add("a", 1)).unwrap();
    }
    assert_eq!((stage.row::<Image>(id("a")), stage.parked().len()), (None, 5));
    // It stays paused over a restart.
    let mut stage = Stage::over(store, toy::services(), toy::registry(), Limits::default());
    stage.ask(add("a", 1)).unwrap();
    assert_eq!(stage.parked().len(), 6);
    stage.clear();
    stage.operate(Action::Resume { consumer: id("mirror") }).unwrap();
    stage.run();
    let totals: Vec<_> = stage.said::<Changed>().into_iter().map(|changed| changed.total).collect();
    assert_eq!(totals, [1, 2, 3, 4, 5, 6]);
    assert_eq!((stage.parked().len(), stage.core().parked()), (0, 0));
    stage.ask(add("a", 1)).unwrap();
    assert_eq!(stage.row::<Image>(id("a")).unwrap().heard, 7);
}

#[test]
fn a_consumer_with_too_many_dead_letters_is_paused() {
    let limits = Limits { dead_letters_a_minute_max: 3, ..Limits::default() };
    let mut stage = Stage::with(toy::services(), toy::registry(), limits);
    for nth in 0..6 {
        stage.hear(Happened { name: id(&format!("nowhere-{nth}")), after: None });
        assert_eq!(stage.dead_letters().len(), (nth + 1).min(4), "after {nth}");
    }
    assert_eq!(stage.parked().len(), 2);
    let actors: Vec<_> = stage.rows::<AuditRow>().into_iter().map(|row| (row.actor, row.action)).collect();
    assert_eq!(actors, [("engine".into(), "consumer.pause".into())]);
}

#[test]
fn a_dead_letter_is_redriven_to_the_consumer_that_failed_at_most_once() {
    let mut stage = toy::stage();
    stage.ask(add("a", POISON)).unwrap();
    let dead = stage.dead_letters()[0].clone();
    // Still broken: it is dead again, with one more attempt.
    stage.operate(Action::Redrive { dead_letter: dead.id.clone() }).unwrap();
    assert_eq!(stage.dead_letters()[0].attempts, 2);

    let healthy = toy::text(&dead.message).replace("13}", "14}");
    let edit = Action::EditAndRedrive { dead_letter: dead.id.clone(), message: healthy.as_bytes().into() };
    stage.operate(edit).unwrap();
    assert_eq!(stage.row::<Image>(id("a")), Some(Image { name: id("a"), total: 14, heard: 1 }));
    assert_eq!(stage.dead_letters(), []);
    let rows = stage.rows::<DeadLetterRow>();
    assert_eq!(rows.iter().filter(|row| row.state == DeadLetterState::Redriven).count(), 2);
    assert!(rows.iter().any(|row| row.edited_from.as_ref() == Some(&dead.id)));

    let again = stage.operate(Action::Redrive { dead_letter: dead.id }).unwrap_err();
    assert_eq!(again.code(), "dead_letter_settled");
    assert_eq!(stage.row::<Image>(id("a")).unwrap().heard, 1);
}

#[test]
fn bytes_that_nobody_understood_are_heard_once_they_are_edited() {
    let mut stage = toy::stage();
    let message = BrokerMessage::new("t.far", "{");
    let incoming = Incoming { message, position: Position("t.far/0".to_owned()) };
    let reason = "no JSON".to_owned();
    stage.accept(Message::Undecodable(Box::new(Undecodable { incoming, reason, subscription: 0 })));
    stage.run();
    let dead = stage.dead_letters()[0].id.clone();
    let healthy = stage.envelope("e1", Happened { name: id("a"), after: None }).to_json().unwrap();
    stage.operate(Action::EditAndRedrive { dead_letter: dead, message: healthy.into() }).unwrap();
    assert_eq!(stage.row::<Image>(id("a")).unwrap().heard, 1);
    // It is in the inbox and in the log, like any other event of another store.
    stage.hear_as("e1", Happened { name: id("a"), after: None });
    assert_eq!(stage.row::<Image>(id("a")).unwrap().heard, 1);
    let segments = stage.store().segments(1, 10).unwrap();
    assert!(segments[0].read("stage").unwrap()[0].remote);
}

#[test]
fn a_dead_letter_in_binary_mode_is_redriven_with_its_headers_and_an_edit_of_it_without() {
    let mut stage = toy::stage();
    let binary = |stage: &mut Stage, event_id: &str| {
        let raw = stage.envelope(event_id, Happened { name: id("a"), after: None }).to_raw().unwrap();
        let attributes = serde_json::to_value(&raw).unwrap();
        let message = BrokerMessage::new("t.far", raw.data.get());
        let texts = attributes.as_object().unwrap().iter().filter(|(name, _)| *name != "data");
        texts.fold(message, |message, (name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            message.with_header(format!("ce_{name}"), text)
        })
    };
    for (nth, event_id) in ["e1", "e2"].into_iter().enumerate() {
        let incoming = Incoming { message: binary(&mut stage, event_id), position: Position(format!("t.far/{nth}")) };
        let reason = "an earlier build did not know the event".to_owned();
        stage.accept(Message::Undecodable(Box::new(Undecodable { incoming, reason, subscription: 0 })));
        stage.run();
    }
    let letters: Vec<_> = stage.dead_letters().into_iter().map(|row| row.id).collect();
    stage.operate(Action::Redrive { dead_letter: letters[0].clone() }).unwrap();
    assert_eq!(stage.row::<Image>(id("a")).unwrap().heard, 1);
    let edit = stage.envelope("e2", Happened { name: id("a"), after: None }).to_json().unwrap();
    stage.operate(Action::EditAndRedrive { dead_letter: letters[1].clone(), message: edit.into() }).unwrap();
    assert_eq!(stage.row::<Image>(id("a")).unwrap().heard, 2);
    assert_eq!(stage.dead_letters(), []);
}

#[test]
fn an_edit_that_cannot_be_read_is_refused_and_changes_nothing() {
    let mut stage = toy::stage();
    stage.ask(add("a", POISON)).unwrap();
    let dead = stage.dead_letters()[0].clone();
    let edit = Action::EditAndRedrive { dead_letter: dead.id.clone(), message: b"{}".as_slice().into() };
    assert_eq!(stage.operate(edit).unwrap_err().code(), "dead_letter_unreadable");
    assert_eq!(stage.dead_letters(), [dead]);
}

#[test]
fn a_discarded_dead_letter_is_kept_and_audited() {
    let mut stage = toy::stage();
    stage.ask(add("a", POISON)).unwrap();
    let dead = stage.dead_letters()[0].id.clone();
    stage.operate(Action::Discard { dead_letter: dead.clone(), reason: "a test".into() }).unwrap();
    assert_eq!(stage.dead_letters(), []);
    assert_eq!(stage.rows::<DeadLetterRow>()[0].state, DeadLetterState::Discarded);
    assert_eq!(&*stage.rows::<AuditRow>()[0].target, dead.as_str());
    let unknown = Action::Redrive { dead_letter: id("nothing") };
    assert_eq!(stage.operate(unknown).unwrap_err().code(), "dead_letter_not_found");
    let unknown = Action::Pause { consumer: id("nobody"), reason: "".into() };
    assert_eq!(stage.operate(unknown).unwrap_err().code(), "consumer_unknown");
}

#[test]
fn the_books_know_a_discarded_event_as_neither_handled_nor_dead() {
    let mut stage = toy::stage();
    stage.hear(Happened { name: id("nowhere"), after: None });
    let books = |stage: &Stage| {
        let counter: CounterRow = stage.row(row_key(&["mirror", "far"])).unwrap();
        (counter.handled, counter.dead, counter.discarded)
    };
    assert_eq!(books(&stage), (0, 1, 0));
    let dead = stage.dead_letters()[0].id.clone();
    stage.operate(Action::Discard { dead_letter: dead, reason: "a test".into() }).unwrap();
    assert_eq!(books(&stage), (0, 0, 1));
}
