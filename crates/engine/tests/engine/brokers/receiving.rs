//! Subscriptions at several brokers: each with its own brake and pause, and one inbox for all.

use std::time::Duration;

use tradewind_engine::{
    CommandMessage, Idempotency, Limits, Routing, StoredAnswer,
    operator::Action,
    ports::BrokerMessage,
    tables::{ConsumerRow, DeadLetterRow, IdempotencyRow},
};
use tradewind_events::{KeyText, id, row_key};
use tradewind_testkit::{BrokerFaults, ManualClock, MemoryStore, Plan};

use super::{Two, down, inject, letters, named, tries};
use crate::{
    brake::operates,
    toy::{self, Counted, Image, add},
};

#[test]
fn a_subscription_that_is_paused_leaves_the_other_receiving() {
    let two = Two::default();
    let mirror = two.mirror(MemoryStore::new());
    operates(&mirror, Action::Pause { consumer: id("second"), reason: "a test".into() });
    let status = mirror.wait_for_status(|status| status.brokers[1].paused);
    assert!(status.brokers[1].receives && !status.brokers[0].paused);

    // Over a restart as well: no poll is under way then.
    let mirror = two.mirror(mirror.stop());
    inject(&two.second, "far-1-0", "test.far", 0);
    for total in 1..=3 {
        two.counts(&format!("tally-{total}-0"), total);
        mirror.wait_for::<Image>(id("a"), |image| image.total == total);
    }
    two.first.wait_until_settled("t");
    let brokers = mirror.handle().status().brokers;
    assert_eq!((brokers[0].paused, brokers[1].paused), (false, true));
    assert_eq!((two.second.owed("t"), mirror.row::<Image>(id("far-1-0"))), (1, None));

    operates(&mirror, Action::Resume { consumer: id("second") });
    mirror.wait_for_quietly::<Image>(id("far-1-0"), |image| image.heard == 1);
    two.second.wait_until_settled("t");
    mirror.wait_for_status(|status| !status.brokers[1].paused);
}

#[test]
fn what_was_paused_and_is_configured_no_more_can_be_resumed_and_not_paused_again() {
    let two = Two::default();
    let mirror = two.mirror(MemoryStore::new());
    operates(&mirror, Action::Pause { consumer: id("second"), reason: "a test".into() });
    let alone = Plan { store: mirror.stop(), registry: toy::registry(), ..Plan::new("t", [toy::mirror_service()]) };
    let alone = alone.start();
    operates(&alone, Action::Resume { consumer: id("second") });
    assert!(!alone.row::<ConsumerRow>(row_key(&["second"])).expect("a row").paused);
    let pause = Action::Pause { consumer: id("second"), reason: "a test".into() };
    assert_eq!(tries(&alone, pause).unwrap_err().code(), "consumer_unknown");
    let unknown = Action::Resume { consumer: id("third") };
    assert_eq!(tries(&alone, unknown).unwrap_err().code(), "consumer_unknown");
}

#[test]
fn a_flood_of_messages_that_cannot_be_decoded_pauses_only_the_subscription_that_receives_it() {
    let two = Two::default();
    for _ in 0..10 {
        two.second.inject(BrokerMessage::new("test.far", "{ no JSON"));
    }
    let mirror = two.mirror(MemoryStore::new());
    mirror.wait_for_quietly::<ConsumerRow>(row_key(&["second"]), |row| row.paused);
    two.counts("tally-1-0", 1);
    mirror.wait_for::<Image>(id("a"), |image| image.total == 1);
    assert_eq!(mirror.row::<ConsumerRow>(row_key(&["broker"])), None);
    let letters = letters(&mirror);
    assert!(letters.iter().all(|letter| &*letter.consumer == "second" && letter.broker.as_deref() == Some("second")));
    assert_eq!(letters.len(), 4, "three within a minute, and the one that paused it");
    let status = mirror.wait_for_status(|status| status.brokers[1].paused);
    assert!(!status.brokers[0].paused);
}

#[test]
fn one_position_at_two_brokers_is_two_messages_and_each_can_be_sent_again() {
    let two = Two::default();
    let mirror = Plan {
        registry: toy::registry(),
        broker: Some(two.first.clone()),
        hear: vec!["tally".to_owned()],
        others: vec![named("second", &two.second, Routing::by_source("test").consume(["tally"]))],
        ..Plan::new("t", [toy::mirror_service()])
    }
    .start();
    for broker in [&two.first, &two.second] {
        broker.inject(BrokerMessage::new("test.tally", "{ no JSON").with_header("ce_id", "1"));
        broker.wait_until_settled("t");
    }
    mirror.wait_for_rows::<DeadLetterRow>(2);
    let mut of: Vec<_> = letters(&mirror).iter().map(|letter| letter.consumer.to_string()).collect();
    of.sort();
    assert_eq!(of, ["broker", "second"]);
    for (nth, letter) in letters(&mirror).into_iter().enumerate() {
        let envelope = toy::stage().envelope(&format!("tally-{}-0", nth + 1), Counted { name: id("a"), total: 7 });
        let message = envelope.to_json().expect("JSON").into();
        operates(&mirror, Action::EditAndRedrive { dead_letter: letter.id, message });
    }
    assert_eq!(mirror.wait_for::<Image>(id("a"), |image| image.heard == 2).total, 7);
}

#[test]
fn an_event_that_both_deliver_has_its_effect_once() {
    let two = Two::default();
    let mirror = Plan {
        registry: toy::registry(),
        broker: Some(two.first.clone()),
        hear: vec!["tally".to_owned()],
        others: vec![named("second", &two.second, Routing::nothing().subscribe("test.tally"))],
        ..Plan::new("t", [toy::mirror_service()])
    }
    .start();
    for nth in 101..=120 {
        inject(&two.first, &format!("tally-{nth}-0"), "test.tally", nth);
        inject(&two.second, &format!("tally-{nth}-0"), "test.tally", nth);
    }
    two.first.wait_until_settled("t");
    two.second.wait_until_settled("t");
    mirror.wait_for_quietly::<Image>(id("a"), |image| image.heard == 20);
    // The mirror publishes at the first only.
    mirror.wait_for_status(|status| status.published_segment == status.segment);
    assert_eq!(two.second.published("test.mirror"), []);
    assert!(two.first.published("test.mirror").len() >= 20);
}

#[test]
fn the_inbox_forgets_nothing_while_one_of_the_brokers_may_repeat() {
    let (two, clock) = (Two::default(), ManualClock::default());
    let plan = |store| Plan {
        store,
        clock: clock.clone(),
        registry: toy::registry(),
        broker: Some(two.first.clone()),
        hear: vec!["far".to_owned()],
        others: vec![named("second", &two.second, Routing::by_source("test").consume(["far"]))],
        limits: Limits { broker_stop_wait: Duration::from_millis(1), ..Limits::default() },
        ..Plan::new("t", toy::services())
    };
    let first = plan(MemoryStore::new()).start();
    // Its answer is forgotten with what is old in the inbox: so it is seen that retention has looked.
    let context = tradewind_engine::Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
    let idempotency = Idempotency { scope: KeyText::literal("s"), key: id("k"), fingerprint: "f".into() };
    let command = CommandMessage::new(add("a", 1), context, |_| StoredAnswer::default());
    assert!(first.answer_to(command.idempotent(Some(idempotency))).is_ok());
    two.second.set_faults(BrokerFaults { acknowledging_fails: true, ..BrokerFaults::default() });
    inject(&two.second, "far-7-3", "test.far", 0);
    first.wait_for_quietly::<Image>(id("far-7-3"), |image| image.heard == 1);
    let store = first.stop();
    assert_eq!(two.second.owed("t"), 1, "it is committed and not acknowledged");

    two.second.set_faults(down());
    clock.advance(Limits::default().inbox_kept + Duration::from_hours(1));
    let again = plan(store).start();
    again.wait_for_rows::<IdempotencyRow>(0);
    // The first broker is up, and has nothing to repeat.
    inject(&two.first, "far-8-0", "test.far", 0);
    again.wait_for_quietly::<Image>(id("far-8-0"), |image| image.heard == 1);
    two.first.wait_until_settled("t");
    two.second.set_faults(BrokerFaults::default());
    inject(&two.second, "far-9-0", "test.far", 0);
    again.wait_for_quietly::<Image>(id("far-9-0"), |image| image.heard == 1);
    two.second.wait_until_settled("t");
    assert_eq!(again.row::<Image>(id("far-7-3")).expect("it was received").heard, 1);
}

#[test]
fn deadlines_wait_for_every_subscription_that_is_behind() {
    let two = Two::default();
    two.second.set_faults(down());
    let mirror = two.mirror(MemoryStore::new());
    two.counts("tally-1-0", 1);
    mirror.wait_for::<Image>(id("a"), |image| image.total == 1);
    two.first.wait_until_settled("t");
    assert!(mirror.handle().status().deadlines_held.is_some());
    two.second.set_faults(BrokerFaults::default());
    mirror.wait_for_status(|status| status.deadlines_held.is_none());
}

#[test]
#[should_panic(expected = "the broker second: it keeps messages for")]
fn an_inbox_that_forgets_before_one_of_the_brokers_does_is_refused() {
    let two = Two::default();
    two.second.set_retention(Limits::default().inbox_kept * 2);
    two.mirror(MemoryStore::new());
}
