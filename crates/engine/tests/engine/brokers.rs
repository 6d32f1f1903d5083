//! Several brokers at one store: each has a relay with its own mark, a subscription with its own brake, and its own topics.

mod receiving;

use std::{sync::Arc, time::Duration};

use tradewind_engine::{
    BROKERS_MAX, BrokerLimits, BrokerParts, CommandMessage, Core, EngineTime, Entity, Limits, Routing, Setup, Status,
    StoredAnswer,
    operator::Action,
    ports::{BrokerMessage, Reader, StoreError},
    tables::{DeadLetterRow, DeadLetterState, RelayRow},
};
use tradewind_events::{Id, KeyText, id, row_key};
use tradewind_testkit::{BrokerFaults, CountedIds, ManualClock, MemoryBroker, MemoryStore, Plan, Running};

use crate::{
    brake::operates,
    toy::{self, Counted, Happened, add},
};

/// Brokers with the names `broker` and `second`.
#[derive(Default)]
struct Two {
    first: MemoryBroker,
    second: MemoryBroker,
}

fn named(name: &str, broker: &MemoryBroker, routing: Routing) -> BrokerParts {
    let name = KeyText::new(name).expect("a name");
    BrokerParts { name, ..BrokerParts::only(broker.clone(), routing, "t") }
}

fn down() -> BrokerFaults {
    BrokerFaults { down: true, ..BrokerFaults::default() }
}

fn hangs() -> BrokerFaults {
    BrokerFaults { hangs: true, ..BrokerFaults::default() }
}

impl Two {
    /// The tally publishes at both, and receives nothing.
    fn tally(&self, store: MemoryStore) -> Running {
        self.publishes(store, Routing::by_source("test"))
    }

    fn publishes(&self, store: MemoryStore, second: Routing) -> Running {
        Plan {
            store,
            registry: toy::registry(),
            broker: Some(self.first.clone()),
            others: vec![named("second", &self.second, second)],
            ..Plan::new("t", [toy::tally()])
        }
        .start()
    }

    /// The mirror hears the tally through the first, and `far` through the second.
    fn mirror(&self, store: MemoryStore) -> Running {
        Plan {
            store,
            registry: toy::registry(),
            broker: Some(self.first.clone()),
            hear: vec!["tally".to_owned()],
            others: vec![named("second", &self.second, Routing::by_source("test").consume(["far"]))],
            limits: Limits { dead_letters_a_minute_max: 3, ..Limits::default() },
            ..Plan::new("t", [toy::mirror_service()])
        }
        .start()
    }

    /// An event of the tally comes through the first broker.
    fn counts(&self, event_id: &str, total: i64) {
        inject(&self.first, event_id, "test.tally", total);
    }
}

fn inject(broker: &MemoryBroker, event_id: &str, topic: &str, total: i64) {
    let body = match topic {
        "test.far" => toy::stage().envelope(event_id, Happened { name: id(event_id), after: None }).to_json(),
        _ => toy::stage().envelope(event_id, Counted { name: id("a"), total }).to_json(),
    };
    broker.inject(BrokerMessage::new(topic, body.expect("JSON")).with_key(event_id));
}

/// The totals that a broker was given, in their order.
fn totals(broker: &MemoryBroker) -> Vec<i64> {
    let total = |message: &BrokerMessage| {
        let body: serde_json::Value = serde_json::from_slice(message.body()).expect("JSON");
        body["data"]["total"].as_i64().expect("a number")
    };
    broker.published("test.tally").iter().map(total).collect()
}

fn adds(engine: &Running, totals: std::ops::RangeInclusive<i64>) {
    for total in totals {
        assert_eq!(engine.ask(add("a", 1)), Ok(total));
    }
}

fn is_published(engine: &Running, broker: &str, segment: u64) {
    engine.wait_for_quietly::<RelayRow>(row_key(&[broker]), |row| row.segment == segment);
}

fn marks(engine: &Running) -> Vec<u64> {
    engine.handle().status().brokers.iter().map(|broker| broker.published_segment).collect()
}

fn letters(engine: &Running) -> Vec<DeadLetterRow> {
    let rows = engine.store().rows(DeadLetterRow::TABLE);
    rows.iter().map(|row| DeadLetterRow::from_row(&row.values).expect("a dead letter")).collect()
}

fn refused(status: &Status, broker: usize) -> Option<&Id> {
    status.brokers[broker].refused.as_ref().map(|event| &event.event_id)
}

/// The second broker refuses the event of this total.
fn refuses(broker: &MemoryBroker, total: i64) {
    let wanted = format!("\"total\":{total}}}");
    let is_it = move |message: &BrokerMessage| String::from_utf8_lossy(message.body()).contains(&wanted);
    broker.refuse(Some(Arc::new(is_it)));
}

#[test]
fn a_broker_that_is_down_holds_back_no_other_and_loses_nothing() {
    for fault in [down(), hangs()] {
        let two = Two::default();
        two.second.set_faults(fault);
        let tally = two.tally(MemoryStore::new());
        adds(&tally, 1..=50);
        is_published(&tally, "broker", 50);
        assert_eq!((marks(&tally), tally.handle().status().published_segment), (vec![50, 0], 0));
        assert_eq!((totals(&two.first), totals(&two.second)), ((1..=50).collect(), vec![]));

        two.second.set_faults(BrokerFaults::default());
        is_published(&tally, "second", 50);
        assert_eq!(totals(&two.second), (1..=50).collect::<Vec<i64>>());
        assert_eq!(tally.handle().status().published_segment, 50);
        assert_eq!(totals(&two.first).len(), 50);
    }
}

#[test]
fn what_does_not_fit_into_the_memory_of_one_broker_is_read_from_the_log_for_it_alone() {
    let two = Two::default();
    two.second.set_faults(hangs());
    let limits = BrokerLimits { relay_bytes_max: 1, ..BrokerLimits::from(&Limits::default()) };
    let second = named("second", &two.second, Routing::by_source("test"));
    let tally = Plan {
        registry: toy::registry(),
        broker: Some(two.first.clone()),
        others: vec![BrokerParts { limits: Some(limits), ..second }],
        ..Plan::new("t", [toy::tally()])
    }
    .start();
    adds(&tally, 1..=20);
    is_published(&tally, "broker", 20);
    two.second.set_faults(BrokerFaults::default());
    is_published(&tally, "second", 20);
    assert_eq!(totals(&two.second), (1..=20).collect::<Vec<i64>>());
}

#[test]
fn an_event_that_one_broker_refuses_is_set_aside_and_redriven_there_alone() {
    let two = Two::default();
    refuses(&two.second, 2);
    let tally = two.tally(MemoryStore::new());
    adds(&tally, 1..=3);
    is_published(&tally, "broker", 3);
    let status = tally.wait_for_status(|status| refused(status, 1).is_some());
    assert_eq!((refused(&status, 0), totals(&two.second)), (None, vec![1]));

    let event = refused(&status, 1).expect("it is refused").clone();
    operates(&tally, Action::SetAside { event, reason: "a test".into() });
    is_published(&tally, "second", 3);
    assert_eq!(totals(&two.second), [1, 3]);
    let set_aside = letters(&tally);
    let [letter] = &*set_aside else { panic!("{set_aside:?}") };
    assert_eq!((&*letter.consumer, letter.broker.as_deref()), ("relay", Some("second")));

    // The order outlives the process, and is for this broker only.
    two.second.set_faults(down());
    operates(&tally, Action::Redrive { dead_letter: letter.id.clone() });
    let store = tally.stop();
    two.second.refuse(None);
    two.second.set_faults(BrokerFaults::default());
    let tally = two.tally(store);
    tally.wait_for_quietly::<DeadLetterRow>(letter.id.clone(), |row| row.state == DeadLetterState::Redriven);
    assert_eq!((totals(&two.first), totals(&two.second)), (vec![1, 2, 3], vec![1, 3, 2]));
}

#[test]
fn an_event_that_both_refuse_is_a_dead_letter_of_each() {
    let two = Two::default();
    refuses(&two.first, 1);
    refuses(&two.second, 1);
    let tally = two.tally(MemoryStore::new());
    adds(&tally, 1..=2);
    let status = tally.wait_for_status(|status| refused(status, 0).is_some() && refused(status, 1).is_some());
    let event = refused(&status, 0).expect("it is refused").clone();
    operates(&tally, Action::SetAside { event, reason: "a test".into() });
    is_published(&tally, "broker", 2);
    is_published(&tally, "second", 2);
    let mut of: Vec<_> = letters(&tally).iter().filter_map(|letter| letter.broker.clone()).collect();
    of.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    assert_eq!(of, [KeyText::literal("broker"), KeyText::literal("second")]);
    assert_eq!((totals(&two.first), totals(&two.second)), (vec![2], vec![2]));
}

#[test]
fn a_dead_letter_of_a_broker_that_is_not_configured_waits_for_it() {
    let two = Two::default();
    refuses(&two.second, 1);
    let tally = two.tally(MemoryStore::new());
    adds(&tally, 1..=1);
    let status = tally.wait_for_status(|status| refused(status, 1).is_some());
    let event = refused(&status, 1).expect("it is refused").clone();
    operates(&tally, Action::SetAside { event, reason: "a test".into() });
    let letter = letters(&tally)[0].id.clone();
    let store = tally.stop();

    let alone = Plan { store, registry: toy::registry(), broker: Some(two.first.clone()), ..tally_plan() }.start();
    let redrive = || Action::Redrive { dead_letter: letter.clone() };
    assert_eq!(tries(&alone, redrive()).unwrap_err().code(), "consumer_unknown");
    assert_eq!(letters(&alone)[0].state, DeadLetterState::Dead);
    let store = alone.stop();

    // Its routing may have changed: what cannot be published any more says so.
    let tally = two.publishes(store, Routing::nothing());
    operates(&tally, redrive());
    let row = tally.wait_for_quietly::<DeadLetterRow>(letter.clone(), |row| row.attempts == 2);
    assert_eq!((row.state, &*row.reason), (DeadLetterState::Dead, "events of tally are not published at this broker"));
}

fn tally_plan() -> Plan {
    Plan::new("t", [toy::tally()])
}

fn tries(engine: &Running, action: Action) -> Result<(), tradewind_engine::Problem> {
    let operator = tradewind_engine::operator::Operator { actor: "operator".into(), action };
    let context = tradewind_engine::Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
    engine.answer_to(CommandMessage::operator(operator, context, |_| StoredAnswer::default())).map(|_| ())
}

#[test]
fn sources_without_a_topic_are_passed_over_and_the_mark_moves() {
    let two = Two::default();
    let plan = |store, second| Plan {
        store,
        registry: toy::registry(),
        broker: Some(two.first.clone()),
        others: vec![named("second", &two.second, second)],
        ..Plan::new("t", toy::services())
    };
    let both = plan(MemoryStore::new(), Routing::nothing().publish("mirror", "images")).start();
    adds(&both, 1..=10);
    is_published(&both, "second", 10);
    is_published(&both, "broker", 10);
    let count = |broker: &MemoryBroker, topic: &str| broker.published(topic).len();
    assert_eq!((count(&two.first, "test.tally"), count(&two.first, "test.mirror")), (10, 10));
    assert_eq!((count(&two.second, "images"), count(&two.second, "test.tally")), (10, 0));

    // From the log as from memory, and with nothing at all to publish.
    let again = plan(both.stop(), Routing::nothing()).start();
    adds(&again, 11..=12);
    is_published(&again, "second", 12);
    assert_eq!(count(&two.second, "images"), 10);
    let third = named("third", &MemoryBroker::new(), Routing::nothing());
    let again = Plan { others: vec![third], ..plan(again.stop(), Routing::nothing()) }.start();
    is_published(&again, "third", 12);
}

#[test]
fn after_a_restart_each_goes_on_from_its_own_mark() {
    let two = Two::default();
    two.second.set_faults(down());
    let tally = two.tally(MemoryStore::new());
    adds(&tally, 1..=5);
    is_published(&tally, "broker", 5);
    let store = tally.stop();
    two.second.set_faults(BrokerFaults::default());
    let tally = two.tally(store);
    is_published(&tally, "second", 5);
    assert_eq!((totals(&two.first).len(), totals(&two.second).len()), (5, 5));

    // One that is configured no more keeps its mark, and goes on when it comes back; one that is new gets the whole log.
    let alone = Plan {
        store: tally.stop(),
        registry: toy::registry(),
        broker: Some(two.first.clone()),
        others: vec![named("third", &MemoryBroker::new(), Routing::by_source("test"))],
        ..tally_plan()
    };
    let alone = alone.start();
    adds(&alone, 6..=7);
    is_published(&alone, "third", 7);
    assert_eq!(totals(&two.second).len(), 5);
    let tally = two.tally(alone.stop());
    is_published(&tally, "second", 7);
    assert_eq!(totals(&two.second), (1..=7).collect::<Vec<i64>>());
}

#[test]
fn a_new_broker_gets_the_whole_log() {
    let (two, late) = (Two::default(), MemoryBroker::new());
    let tally = two.tally(MemoryStore::new());
    adds(&tally, 1..=5);
    let others = vec![named("late", &late, Routing::by_source("test"))];
    let store = tally.stop();
    let tally = Plan { store, registry: toy::registry(), others, ..tally_plan() }.start();
    is_published(&tally, "late", 5);
    assert_eq!(totals(&late), [1, 2, 3, 4, 5]);
}

#[test]
fn a_stop_waits_for_no_broker_that_does_not_answer_and_saves_the_mark_of_one_that_does() {
    for fault in [down(), hangs()] {
        let two = Two::default();
        let (third, fault) = (MemoryBroker::new(), &fault);
        let plan = Plan {
            registry: toy::registry(),
            broker: Some(two.first.clone()),
            others: vec![
                named("second", &two.second, Routing::by_source("test").consume(["far"])),
                named("third", &third, Routing::by_source("test").consume(["far"])),
            ],
            // The mark is saved at the end, or with the stop.
            limits: Limits { broker_stop_wait: Duration::from_millis(50), ..Limits::default() },
            ..Plan::new("t", [toy::tally()])
        };
        let tally = plan.start();
        two.first.set_faults(fault.clone());
        two.second.set_faults(fault.clone());
        adds(&tally, 1..=20);
        third.wait_until_called(1);
        two.first.wait_until_called(1);
        two.second.wait_until_called(1);
        let store = tally.stop();
        let rows = store.rows(RelayRow::TABLE);
        let rows: Vec<_> = rows.iter().map(|row| RelayRow::from_row(&row.values).expect("a mark")).collect();
        let mark = |name: &str| rows.iter().find(|row| &*row.name == name).map_or(0, |row| row.segment);
        assert_eq!((mark("broker"), mark("second")), (0, 0));
        assert_eq!(u64::try_from(totals(&third).len()), Ok(mark("third")), "one event a segment");
        assert_eq!(store.last_segment(), Ok(20));
        two.first.set_faults(BrokerFaults::default());
        two.second.set_faults(BrokerFaults::default());
    }
}

fn start(brokers: &[&str]) -> Result<Core, StoreError> {
    let store = MemoryStore::new();
    let (epoch, _) = store.own();
    let names: Vec<KeyText> = brokers.iter().map(|name| KeyText::new(*name).expect("a text")).collect();
    let setup = Setup {
        store_name: "t".into(),
        epoch,
        services: vec![toy::mirror_service()],
        registry: toy::registry(),
        reader: Arc::new(store),
        clock: EngineTime::new(Arc::new(ManualClock::default())),
        ids: Box::new(CountedIds::new("id")),
        limits: Limits::default(),
        observer: Arc::new(()),
        log_remote: false,
    };
    Core::with_brokers(setup, &names)
}

#[test]
fn brokers_need_names_of_their_own() {
    let refused = |names: &[&str]| match start(names) {
        Err(StoreError::Unusable(reason)) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{names:?} are taken"),
    };
    assert_eq!(refused(&["kafka", "kafka"]), "two brokers are named kafka: each needs a name of its own");
    // A service of this store, one of another store, and the consumer of what is set aside.
    for taken in ["mirror", "tally", "far", "relay"] {
        assert!(refused(&["kafka", taken]).contains("which is the name of another consumer"), "{taken}");
    }
    for text in ["Kafka", "1", "-a", "a b", "a.b", "ä", &"a".repeat(33)] {
        assert!(refused(&[text]).contains("lower-case letters"), "{text}");
    }
    let many: Vec<String> = (0..=BROKERS_MAX).map(|nth| format!("broker-{nth}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(refused(&many).contains("17 brokers are configured"));
    assert!(start(&many[1..]).is_ok() && start(&["broker", "a-2", &"a".repeat(32)]).is_ok());
}

#[test]
#[should_panic(expected = "the broker second: no topic is named for the events of far")]
fn a_source_that_is_consumed_needs_a_topic() {
    Two::default().publishes(MemoryStore::new(), Routing::nothing().consume(["far"]));
}
