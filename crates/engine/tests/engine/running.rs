//! The engine with its threads: several of them, split over stores and a broker, and stopped in the middle.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tradewind_engine::{
    CommandMessage, Context, Limits, StoredAnswer, TryOutcome, Worker,
    ports::{BrokerMessage, CommitError, Reader, StoreError},
    tables::{CounterRow, DeadLetterRow, InboxSegmentRow, ParkedRow, RelayRow},
};
use tradewind_events::{Id, id, row_key};
use tradewind_testkit::{BrokerFaults, MemoryBroker, MemoryStore, Plan, Running};

use crate::toy::{self, Count, Happened, Image, Ring, add};

fn tally(broker: &MemoryBroker, store: MemoryStore) -> Running {
    Plan {
        store,
        registry: toy::registry(),
        broker: Some(broker.clone()),
        hear: vec!["mirror".to_owned()],
        ..Plan::new("t", [toy::tally()])
    }
    .start()
}

fn mirror(broker: &MemoryBroker, store: MemoryStore) -> Running {
    Plan {
        store,
        registry: toy::registry(),
        broker: Some(broker.clone()),
        hear: vec!["tally".to_owned(), "far".to_owned()],
        ..Plan::new("m", [toy::mirror_service()])
    }
    .start()
}

#[test]
fn services_in_two_stores_hear_each_other_through_the_broker_once_and_in_order() {
    let broker = MemoryBroker::new();
    broker.set_faults(BrokerFaults { duplicates: 2, ..BrokerFaults::default() });
    let (tally, mirror) = (tally(&broker, MemoryStore::new()), mirror(&broker, MemoryStore::new()));
    for nth in 1..=50 {
        assert_eq!(tally.ask(add("a", 100)), Ok(nth * 100));
    }
    let image = mirror.wait_for::<Image>(id("a"), |image| image.total == 5_000);
    assert_eq!(image.heard, 50);
    let counter = mirror.wait_for::<CounterRow>(row_key(&["mirror", "tally"]), |counter| counter.handled == 50);
    assert_eq!((counter.parked, counter.dead), (0, 0));
}

#[test]
fn what_was_committed_and_not_published_is_published_after_a_restart() {
    let broker = MemoryBroker::new();
    broker.set_faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    let first = tally(&broker, MemoryStore::new());
    first.ask(add("a", 1)).unwrap();
    first.ask(add("a", 1)).unwrap();
    let store = first.stop();
    assert_eq!(broker.published("test.tally"), []);

    broker.set_faults(BrokerFaults::default());
    let (again, mirror) = (tally(&broker, store), mirror(&broker, MemoryStore::new()));
    assert_eq!(mirror.wait_for::<Image>(id("a"), |image| image.total == 2).heard, 2);
    // What it hears from the mirror is in its log as well.
    again.wait_for_quietly::<RelayRow>(row_key(&["broker"]), |row| row.segment >= 2);
}

#[test]
fn a_lost_acknowledgement_repeats_events_and_the_inbox_drops_them() {
    let broker = MemoryBroker::new();
    broker.set_faults(BrokerFaults { acknowledgement_lost: true, ..BrokerFaults::default() });
    let (first, heard) = (tally(&broker, MemoryStore::new()), mirror(&broker, MemoryStore::new()));
    first.ask(add("a", 1)).unwrap();
    heard.wait_for::<Image>(id("a"), |image| image.total == 1);
    broker.set_faults(BrokerFaults::default());
    first.ask(add("a", 1)).unwrap();
    assert_eq!(heard.wait_for::<Image>(id("a"), |image| image.total == 2).heard, 2);
    assert!(broker.published("test.tally").len() > 2);
    assert_eq!(heard.store().rows(<InboxSegmentRow as tradewind_engine::Entity>::TABLE).len(), 2);
}

/// Sends so many commands at once, and waits until all are committed.
fn add_many(engine: &Running, count: usize) {
    for _ in 0..count {
        let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
        let message = CommandMessage::new(add("a", 1), context, |_| StoredAnswer::default());
        engine.handle().submit(message).expect("it is not full");
    }
    let all = i64::try_from(count).expect("a small number");
    engine.wait_for::<Count>(id("a"), |counted| counted.total == all);
}

#[test]
fn segments_that_wait_are_published_together() {
    let broker = MemoryBroker::new();
    broker.set_faults(BrokerFaults { hangs: true, ..BrokerFaults::default() });
    let tally = Plan {
        limits: Limits { batch_messages_max: 1, ..Limits::default() },
        registry: toy::registry(),
        broker: Some(broker.clone()),
        ..Plan::new("t", [toy::tally()])
    }
    .start();
    add_many(&tally, 300);
    assert_eq!(tally.store().last_segment(), Ok(300));
    broker.set_faults(BrokerFaults::default());
    tally.wait_for_quietly::<RelayRow>(row_key(&["broker"]), |row| row.segment == 300);
    assert_eq!(broker.published("test.tally").len(), 300);
    assert!(broker.publish_calls() <= 3, "{} calls", broker.publish_calls());
}

#[test]
fn a_subscription_goes_on_though_its_acknowledgements_fail() {
    let broker = MemoryBroker::new();
    broker.set_faults(BrokerFaults { acknowledging_fails: true, ..BrokerFaults::default() });
    let (tally, mirror) = (tally(&broker, MemoryStore::new()), mirror(&broker, MemoryStore::new()));
    for nth in 1..=3 {
        tally.ask(add("a", 1)).unwrap();
        mirror.wait_for::<Image>(id("a"), |image| image.total == nth);
    }
    assert_eq!(broker.owed("m"), 3);
    broker.set_faults(BrokerFaults::default());
    broker.wait_until_settled("m");
}

#[test]
fn a_stop_ends_though_the_broker_does_not_answer() {
    let broker = MemoryBroker::new();
    broker.set_faults(BrokerFaults { hangs: true, ..BrokerFaults::default() });
    let tally = tally(&broker, MemoryStore::new());
    tally.ask(add("a", 1)).unwrap();
    broker.wait_until_called(1);
    tally.stop();
}

#[test]
fn a_stop_ends_though_the_broker_refuses_everything() {
    let broker = MemoryBroker::new();
    broker.set_faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    let tally = tally(&broker, MemoryStore::new());
    add_many(&tally, 100);
    broker.wait_until_called(1);
    tally.stop();
    assert_eq!(broker.published("test.tally"), []);
}

#[test]
fn a_stop_acknowledges_what_it_has_committed_and_saves_how_far_it_has_published() {
    let broker = MemoryBroker::new();
    let (tally, mirror) = (tally(&broker, MemoryStore::new()), mirror(&broker, MemoryStore::new()));
    for nth in 1..=200 {
        assert_eq!(tally.ask(add("a", 1)), Ok(nth));
    }
    mirror.wait_for::<Image>(id("a"), |image| image.total > 0);
    let store = mirror.stop();
    let rows = store.rows(<InboxSegmentRow as tradewind_engine::Entity>::TABLE);
    let segments = rows.iter().map(|row| <InboxSegmentRow as tradewind_engine::Entity>::from_row(&row.values).unwrap());
    let handled: usize = segments.map(|row| row.indexes.iter().count()).sum();
    assert_eq!(broker.owed("m"), 200 - handled);

    tally.wait_for_quietly::<RelayRow>(row_key(&["broker"]), |row| row.segment > 0);
    let store = tally.stop();
    let rows = store.rows(<RelayRow as tradewind_engine::Entity>::TABLE);
    let mark = <RelayRow as tradewind_engine::Entity>::from_row(&rows[0].values).unwrap().segment;
    let segments = store.segments(1, u32::try_from(mark).unwrap()).unwrap();
    let emitted: usize =
        segments.iter().map(|it| it.read("t").unwrap().iter().filter(|event| !event.remote).count()).sum();
    assert_eq!(broker.published("test.tally").len(), emitted);
}

#[test]
fn a_backlog_at_the_broker_does_not_refuse_commands() {
    let broker = MemoryBroker::new();
    let body = toy::stage().envelope("e", Happened { name: id("b"), after: None }).to_json().unwrap();
    let text = String::from_utf8(body).unwrap();
    for nth in 0..50_000 {
        let body = text.replace("\"id\":\"e\"", &format!("\"id\":\"e{nth}\"")).into_bytes();
        broker.inject(BrokerMessage::new("test.far", body).with_key("b"));
    }
    let both = Plan {
        registry: toy::registry(),
        broker: Some(broker.clone()),
        hear: vec!["far".to_owned()],
        limits: Limits { intake_max: 400, ..Limits::default() },
        ..Plan::new("m", toy::services())
    }
    .start();
    let mut asked = 0;
    while broker.owed("m") > 0 {
        asked += 1;
        assert_eq!(both.ask(add("a", 1)), Ok(asked), "a backlog of {}", broker.owed("m"));
    }
    assert!(asked > 0, "the backlog was gone before a command was sent");
}

#[test]
fn what_a_broker_has_acknowledged_before_it_failed_is_not_published_again() {
    let broker = MemoryBroker::new();
    broker.set_faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    let first = tally(&broker, MemoryStore::new());
    for _ in 0..300 {
        let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
        let message = CommandMessage::new(add("a", 100), context, |_| StoredAnswer::default());
        first.handle().submit(message).unwrap();
    }
    let store = first.stop();
    broker.set_faults(BrokerFaults { taken_at_a_time: Some(120), ..BrokerFaults::default() });
    let (_again, heard) = (tally(&broker, store), mirror(&broker, MemoryStore::new()));
    assert_eq!(heard.wait_for::<Image>(id("a"), |image| image.total == 30_000).heard, 300);
    assert_eq!(broker.published("test.tally").len(), 300);
}

#[test]
fn an_engine_that_is_full_still_acknowledges_what_it_has_kept() {
    let broker = MemoryBroker::new();
    let full = Plan {
        registry: toy::registry(),
        broker: Some(broker.clone()),
        hear: vec!["far".to_owned()],
        limits: Limits { parked_max: 1, ..Limits::default() },
        ..Plan::new("m", [toy::mirror_service()])
    }
    .start();
    let too_early = Happened { name: id("a"), after: Some(id("b")) };
    let body = toy::stage().envelope("e1", too_early).to_json().unwrap();
    broker.inject(BrokerMessage::new("test.far", body).with_key("a"));
    broker.wait_until_settled("m");
    assert_eq!(full.store().rows(<ParkedRow as tradewind_engine::Entity>::TABLE).len(), 1);
    assert_eq!(full.ask(add("a", 1)).unwrap_err().code(), "unavailable");
}

#[test]
#[should_panic(expected = "let it remember longer")]
fn an_inbox_that_forgets_before_the_broker_does_is_refused() {
    let broker = MemoryBroker::new();
    broker.set_retention(Limits::default().inbox_kept * 2);
    mirror(&broker, MemoryStore::new());
}

#[test]
fn messages_that_were_not_acknowledged_come_again_after_a_crash_and_change_nothing() {
    let broker = MemoryBroker::new();
    let (first, heard) = (tally(&broker, MemoryStore::new()), mirror(&broker, MemoryStore::new()));
    first.ask(add("a", 1)).unwrap();
    heard.wait_for::<Image>(id("a"), |image| image.total == 1);
    broker.disconnect("m");
    let store = heard.stop();
    broker.disconnect("m");
    let heard = mirror(&broker, store);
    first.ask(add("a", 1)).unwrap();
    assert_eq!(heard.wait_for::<Image>(id("a"), |image| image.total == 2).heard, 2);
}

#[test]
fn bytes_that_nobody_understands_are_kept_as_they_came_and_the_stream_goes_on() {
    let broker = MemoryBroker::new();
    let undecodable = BrokerMessage::new("test.tally", "{ not json").with_key([255, 0]).with_header("h", [254]);
    broker.inject(undecodable.clone());
    let (first, heard) = (tally(&broker, MemoryStore::new()), mirror(&broker, MemoryStore::new()));
    first.ask(add("a", 1)).unwrap();
    heard.wait_for::<Image>(id("a"), |image| image.total == 1);
    let rows = heard.store().rows(<DeadLetterRow as tradewind_engine::Entity>::TABLE);
    let dead = <DeadLetterRow as tradewind_engine::Entity>::from_row(&rows[0].values).unwrap();
    assert_eq!((&*dead.message, dead.position.as_deref()), (b"{ not json".as_slice(), Some("test.tally/0")));
    let record: BrokerMessage = serde_json::from_str(dead.record.as_deref().unwrap()).unwrap();
    assert_eq!(BrokerMessage { body: Some(dead.message.to_vec()), ..record }, undecodable);
}

#[test]
fn a_full_engine_refuses_and_a_stopping_one_finishes_what_it_accepted() {
    let plan = Plan {
        registry: toy::registry(),
        limits: Limits { intake_max: 0, ..Limits::default() },
        ..Plan::new("t", toy::services())
    };
    let full = plan.start();
    assert_eq!(full.ask(add("a", 1)).unwrap_err().code(), "unavailable");
    full.stop();

    let running = Plan { registry: toy::registry(), ..Plan::new("t", toy::services()) }.start();
    let answered = Arc::new(AtomicU32::new(0));
    for _ in 0..500 {
        let answered = Arc::clone(&answered);
        let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
        let message = CommandMessage::new(add("a", 1), context, |_| StoredAnswer::default()).reply(move |answer| {
            assert!(answer.is_ok());
            answered.fetch_add(1, Ordering::Relaxed);
        });
        running.handle().submit(message).unwrap();
    }
    let handle = running.handle().clone();
    let store = running.stop();
    assert_eq!(answered.load(Ordering::Relaxed), 500);
    let rows = store.rows(<Count as tradewind_engine::Entity>::TABLE);
    assert_eq!(rows[0].values[1], tradewind_events::Value::Int(500));
    let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
    let late = CommandMessage::new(add("a", 1), context, |_| StoredAnswer::default());
    assert_eq!(handle.submit(late).unwrap_err().code(), "unavailable");
}

#[test]
fn a_store_that_fails_stops_the_engine_and_answers_nobody_with_success() {
    let running = Plan { registry: toy::registry(), ..Plan::new("t", toy::services()) }.start();
    running.ask(add("a", 1)).unwrap();
    running.store().fail_next_commit(CommitError::Store(StoreError::Full("no space".to_owned())));
    assert_eq!(running.ask(add("a", 1)).unwrap_err().code(), "unavailable");
    let handle = running.handle().clone();
    let store = running.stop();
    assert!(handle.status().stopped.unwrap().contains("no space"));
    assert_eq!(store.last_segment(), Ok(1));
}

#[test]
fn an_owner_whose_store_was_taken_over_stops() {
    let store = MemoryStore::new();
    let plan = || Plan { store: store.clone(), registry: toy::registry(), ..Plan::new("t", toy::services()) };
    let old = plan().start();
    old.ask(add("a", 1)).unwrap();
    let new = plan().start();
    assert_eq!(old.ask(add("a", 1)).unwrap_err().code(), "unavailable");
    assert_eq!(new.ask(add("a", 1)), Ok(2));
    assert!(old.handle().stop().unwrap().contains("another process"));
}

/// Knows nothing at first, and panics once.
struct Ringer(AtomicU32);

impl Worker for Ringer {
    fn kind(&self) -> &'static str {
        "bell"
    }

    fn run(&self, _key: &Id, request: &str, attempt: u32) -> TryOutcome {
        assert_eq!(attempt, self.0.fetch_add(1, Ordering::Relaxed) + 1);
        match attempt {
            1 => TryOutcome::Unknown("no answer".to_owned()),
            2 => panic!("the bell fell down"),
            _ => TryOutcome::Done(request.to_owned()),
        }
    }
}

#[test]
fn a_worker_is_asked_again_under_the_same_key_until_it_knows() {
    let plan = Plan {
        registry: toy::registry(),
        workers: vec![Arc::new(Ringer(AtomicU32::new(0)))],
        ..Plan::new("t", toy::services())
    };
    let clock = plan.clock.clone();
    let running = plan.start();
    running.ask(Ring { name: id("a") }).unwrap();
    for attempts in 1..=2 {
        running.wait_for_quietly::<tradewind_engine::tables::JobRow>(id("a"), |job| job.attempts == attempts);
        clock.advance(std::time::Duration::from_secs(2));
    }
    assert_eq!(running.wait_for::<Count>(id("a"), |count| count.total == 7).total, 7);
}

#[test]
fn an_engine_whose_relay_has_panicked_stops_and_says_why() {
    let broker = MemoryBroker::new();
    broker.refuse(Some(Arc::new(|_| panic!("a defect of the client"))));
    let tally = tally(&broker, MemoryStore::new());
    tally.ask(add("a", 1)).unwrap();
    broker.wait_until_called(1);
    let expected = "the relay thread has panicked: a defect of the client";
    assert_eq!(tally.handle().stop().as_deref(), Some(expected));
    assert_eq!(tally.ask(add("a", 1)).unwrap_err().code(), "unavailable");
}
