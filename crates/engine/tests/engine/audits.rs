//! What is known before an answer goes out, and what the audit trail says of commands.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use tradewind_engine::{Audit, CommandMessage, Context, Entity, Idempotency, StoredAnswer, tables::AuditRow};
use tradewind_events::id;
use tradewind_testkit::{MemoryBroker, Plan, Running};

use crate::toy::{self, Image, add};

fn audit(reason: Option<&str>) -> Audit {
    let (actor, action, target) = ("user-1".into(), "tally.add".into(), "/tallies/a".into());
    Audit { actor, action, target, reason: reason.map(Into::into) }
}

fn message(amount: i64, location: Option<&str>) -> CommandMessage {
    let context = Context { request_id: id("request"), correlation_id: id("request"), traceparent: None };
    let answer = StoredAnswer { status: 200, location: location.map(str::to_owned), body: Vec::new() };
    CommandMessage::new(add("a", amount), context, move |_| answer.clone())
}

fn trail(running: &Running) -> Vec<[String; 4]> {
    let rows = running.store().rows(AuditRow::TABLE);
    let rows = rows.iter().map(|row| AuditRow::from_row(&row.values).expect("a row of the trail"));
    rows.map(|row| [row.actor, row.action, row.target, row.detail].map(|text| text.to_string())).collect()
}

#[test]
fn a_command_that_is_audited_leaves_a_row_with_its_effect_and_one_that_is_refused_or_repeated_none() {
    let running = Plan { registry: toy::registry(), ..Plan::new("t", toy::services()) }.start();
    let key = Idempotency { scope: tradewind_events::KeyText::literal("a"), key: id("once"), fingerprint: "f".into() };
    for _ in 0..2 {
        let message = message(1, None).idempotent(Some(key.clone())).audited(Some(audit(Some("repair"))));
        running.answer_to(message).unwrap();
    }
    running.answer_to(message(1, Some("/tallies/new")).audited(Some(audit(None)))).unwrap();
    running.answer_to(message(1, None)).unwrap();
    assert!(running.answer_to(message(-100, None).audited(Some(audit(None)))).is_err());
    let row = |target: &str, detail: &str| ["user-1", "tally.add", target, detail].map(str::to_owned);
    assert_eq!(trail(&running), [row("/tallies/a", r#"{"reason":"repair"}"#), row("/tallies/new", "{}")]);
}

#[test]
fn every_event_of_a_commit_is_known_before_it_is_answered() {
    let running = Plan { registry: toy::registry(), ..Plan::new("t", toy::services()) }.start();
    let known = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&known);
    running.handle().before_answers(Box::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    let mut last = 0;
    for _ in 0..50 {
        let (told, tell) = mpsc::channel();
        let seen = Arc::clone(&known);
        let reply = message(1, None).reply(move |_| told.send(seen.load(Ordering::SeqCst)).unwrap());
        running.handle().submit(reply).unwrap();
        let now = tell.recv().unwrap();
        assert!(now > last, "the event of this commit is known");
        last = now;
    }
}

#[test]
fn an_event_of_another_store_is_known_where_it_is_not_logged() {
    let broker = MemoryBroker::new();
    let tally = Plan {
        registry: toy::registry(),
        broker: Some(broker.clone()),
        hear: vec!["mirror".to_owned()],
        ..Plan::new("t", [toy::tally()])
    };
    let mirror = Plan {
        registry: toy::registry(),
        broker: Some(broker),
        hear: vec!["tally".to_owned()],
        ..Plan::new("m", [toy::mirror_service()])
    };
    let mirror = mirror.start();
    let (told, tell) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    mirror.handle().before_answers(Box::new(move |envelope| {
        drop(told.lock().unwrap().send((envelope.source.to_string(), envelope.event.name())));
    }));
    let tally = tally.start();
    tally.ask(add("a", 1)).unwrap();
    mirror.wait_for::<Image>(id("a"), |image| image.heard == 1);
    // The row is in the store a moment before that.
    let mut known = std::iter::from_fn(|| tell.recv_timeout(std::time::Duration::from_secs(20)).ok());
    assert!(known.any(|(source, _)| source == "tally"));
}
