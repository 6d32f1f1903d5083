//! Commands, their cascade, and their answers.

use tradewind_engine::{
    CommandMessage, Idempotency, Limits, Message, StoredAnswer,
    ports::{CommitError, Reader},
    tables::IdempotencyRow,
};
use tradewind_events::{KeyText, id};
use tradewind_testkit::{MemoryStore, Stage};

use crate::toy::{self, Add, Count, Image, add};

#[test]
fn a_command_and_all_that_follows_from_it_are_one_segment() {
    let mut stage = toy::stage();
    assert_eq!(stage.ask(add("a", 2)), Ok(2));
    assert_eq!(stage.said_names(), ["tally.counted", "image.changed"]);
    assert_eq!(stage.row::<Image>(id("a")).map(|image| image.total), Some(2));
    assert_eq!(stage.store().last_segment(), Ok(1));

    let [counted, changed] = stage.log() else { panic!("two events were said") };
    assert_eq!(counted.envelope.id.as_str(), "stage-1-0");
    assert_eq!(counted.envelope.causation_id, Some(id("request-1")));
    assert_eq!(changed.envelope.causation_id, Some(counted.envelope.id.clone()));
    assert_eq!(changed.envelope.correlation_id, id("request-1"));
    assert_eq!(&*changed.envelope.source, "mirror");
}

#[test]
fn events_of_one_subject_are_numbered_from_one_across_commits_and_restarts() {
    let store = MemoryStore::new();
    for round in 0..3 {
        let mut stage = Stage::over(store.clone(), toy::services(), toy::registry(), Limits::default());
        stage.ask(add("a", 1)).unwrap();
        stage.ask(add("b", 1)).unwrap();
        let sequences: Vec<_> = stage.log().iter().map(|event| event.envelope.sequence).collect();
        assert_eq!(sequences, vec![round + 1; 4]);
    }
    let log: Vec<_> =
        store.segments(1, 100).unwrap().iter().flat_map(|segment| segment.read("stage").unwrap()).collect();
    assert_eq!(log.len(), 12);
    assert_eq!(log[11].envelope.sequence, 3);
}

#[test]
fn a_refused_command_changes_nothing_and_names_the_field() {
    let mut stage = toy::stage();
    let problem = stage.ask(add("a", 0)).unwrap_err();
    assert_eq!((problem.code(), problem.field.as_deref()), ("too_small", Some("amount")));
    assert_eq!(stage.row::<Count>(id("a")), None);
    assert_eq!(stage.store().last_segment(), Ok(0));
}

#[test]
fn a_command_that_meets_a_defect_changes_nothing_and_is_told_no_details() {
    let mut stage = toy::stage();
    stage.ask(add("a", 1)).unwrap();
    let problem = stage.ask(add("a", i64::MAX)).unwrap_err();
    assert_eq!(problem.code(), "internal");
    assert!(!problem.detail.contains("overflow"), "{problem}");
    assert_eq!((stage.row::<Count>(id("a")).unwrap().total, stage.dead_letters()), (1, Vec::new()));
    assert_eq!(stage.ask(add("a", 1)), Ok(2));
}

#[test]
fn rows_that_are_not_in_memory_are_loaded_and_the_handlers_run_again() {
    let mut stage = toy::forgetful_stage();
    for nth in 1..=5 {
        assert_eq!(stage.ask(add("a", 1)), Ok(nth));
        stage.ask(add("b", 1)).unwrap();
    }
    assert_eq!(stage.row::<Image>(id("a")), Some(Image { name: id("a"), total: 5, heard: 5 }));
}

#[test]
fn messages_of_one_key_keep_their_order_while_rows_are_loaded() {
    let mut stage = toy::forgetful_stage();
    stage.ask(add("a", 1)).unwrap();
    for amount in 1..=20 {
        let context = stage.context();
        stage.accept(Message::Command(CommandMessage::new(add("a", amount), context, |_| StoredAnswer::default())));
    }
    stage.clear();
    stage.run();
    let totals: Vec<_> = stage.said::<toy::Counted>().iter().map(|counted| counted.total).collect();
    let mut sorted = totals.clone();
    sorted.sort_unstable();
    assert_eq!(totals, sorted);
    assert_eq!(totals.last(), Some(&211));
}

fn keyed(stage: &mut Stage, command: Add, fingerprint: &str) -> CommandMessage {
    let context = stage.context();
    let idempotency =
        Idempotency { scope: KeyText::literal("u1 POST /x"), key: id("k1"), fingerprint: fingerprint.into() };
    let render =
        |total: &i64| StoredAnswer { status: 201, location: None, body: format!("total {total}").into_bytes() };
    CommandMessage::new(command, context, render).idempotent(Some(idempotency))
}

#[test]
fn an_idempotency_key_replays_the_answer_byte_for_byte_without_a_second_effect() {
    let mut stage = toy::forgetful_stage();
    let message = keyed(&mut stage, add("a", 5), "f");
    let first = stage.answer_to(message).unwrap();
    stage.ask(add("a", 1)).unwrap();
    let message = keyed(&mut stage, add("a", 5), "f");
    let again = stage.answer_to(message).unwrap();
    assert_eq!((first.is_replay(), again.is_replay()), (false, true));
    assert_eq!(first.stored, again.stored);
    assert_eq!(again.stored.body, b"total 5");
    assert_eq!(stage.row::<Count>(id("a")).unwrap().total, 6);
}

#[test]
fn an_idempotency_key_with_another_body_is_refused_and_a_refusal_is_not_stored() {
    let mut stage = toy::stage();
    let message = keyed(&mut stage, add("a", -1), "bad");
    assert_eq!(stage.answer_to(message).err().unwrap().code(), "too_small");
    assert_eq!(stage.rows::<IdempotencyRow>(), []);
    let message = keyed(&mut stage, add("a", 5), "good");
    stage.answer_to(message).unwrap();
    let message = keyed(&mut stage, add("a", 6), "other");
    assert_eq!(stage.answer_to(message).err().unwrap().code(), "idempotency_key_reused");
    assert_eq!(stage.row::<Count>(id("a")).unwrap().total, 5);
}

#[test]
fn a_refused_commit_is_reduced_to_the_one_bad_message() {
    let mut stage = toy::stage();
    stage.store().rule("tally", |row| (row.values[1] == tradewind_events::Value::Int(99)).then(|| "no 99".to_owned()));
    for nth in 0..16 {
        let context = stage.context();
        let command = add(&format!("n{nth}"), if nth == 11 { 99 } else { 1 });
        stage.accept(Message::Command(CommandMessage::new(command, context, |_| StoredAnswer::default())));
    }
    stage.run();
    assert_eq!(stage.rows::<Count>().len(), 15);
    assert_eq!(stage.row::<Count>(id("n11")), None);
    let next = stage.store().last_segment().unwrap();
    let numbers: Vec<_> = stage.store().segments(1, 100).unwrap().iter().map(|segment| segment.number).collect();
    assert_eq!(numbers, (1..=next).collect::<Vec<_>>());
    // Whoever sent it is told, and the loop goes on.
    assert_eq!(stage.ask(add("again", 99)).unwrap_err().code(), "internal");
    assert_eq!(stage.ask(add("again", 1)), Ok(1));
}

#[test]
fn a_failed_commit_answers_nobody_and_is_tried_again_from_what_the_store_has() {
    let mut stage = toy::stage();
    stage.ask(add("a", 1)).unwrap();
    stage.fail_next_commit(CommitError::Constraint { table: "tally".into(), reason: "passing".into() });
    // Alone in its batch, the message is held to be the bad one.
    assert_eq!(stage.ask(add("a", 1)).unwrap_err().code(), "internal");
    assert_eq!(stage.ask(add("a", 1)), Ok(2));
    let sequences: Vec<_> = stage.said::<toy::Counted>().iter().map(|counted| counted.total).collect();
    assert_eq!(sequences, [1, 2]);
}

#[test]
#[should_panic(expected = "own a table tally")]
fn two_entities_cannot_share_a_table() {
    Stage::with([toy::tally(), toy::tally()], toy::registry(), Limits::default());
}
