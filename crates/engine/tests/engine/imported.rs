//! What a bridge imports: events in the name of a foreign system, about rows that do not live here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tradewind_engine::{
    CommandMessage, Entity, IMPORTED_SOURCES_MAX, InvalidSource, Limits, Message, Service, Settings, Stop,
    StoredAnswer,
    handlers::{Handlers, Moment, Rows},
    operator::Action,
    ports::{CommitError, Reader},
    tables::{CounterRow, DeadLetterRow, DeadLetterState, ImportedSubjectRow, ParkedRow},
};
use tradewind_events::{AnyEvent, Envelope, Event, EventKind, Id, KeyText, Registry, Value, id, row_key};
use tradewind_testkit::{Bridge, Import, MemoryBroker, MemoryStore, Plan, Running, Stage};

use crate::toy::{self, Counted, Happened, Image};

/// About a row whose key has two parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("shelf.filled", version = 1, about = shelf(name, place), key = name)]
struct Filled {
    name: Id,
    place: Id,
}

fn registry() -> Registry {
    Registry::new(toy::registry().kinds().copied().chain([EventKind::of::<Filled>("shelves")]))
}

fn bridge() -> tradewind_engine::AnyService {
    Bridge::service(&["bridge.far", "bridge.near", "bridge.shelves"]).expect("these are sources of a bridge")
}

fn stage() -> Stage {
    Stage::with([bridge(), toy::mirror_service()], registry(), Limits::default())
}

fn happened(name: &str) -> Happened {
    Happened { name: id(name), after: None }
}

/// Source, subject and number of each event that was said.
fn numbered(stage: &Stage) -> Vec<(String, String, u64)> {
    let said = stage.log().iter().map(|event| &event.envelope);
    said.map(|said| (said.source.to_string(), said.subject.to_string(), said.sequence)).collect()
}

fn entry(source: &str, subject: &str, sequence: u64) -> (String, String, u64) {
    (source.to_owned(), subject.to_owned(), sequence)
}

#[test]
fn a_service_declares_a_bounded_set_of_sources_that_begin_with_its_name() {
    let refused = |source: &str| Bridge::service(&[source]).err().expect("this is no source of a bridge").to_string();
    for form in ["bridge", "bridge.", ".far", "bridge.far.off", "bridge..far"] {
        assert_eq!(refused(form), format!("{form:?} is not BRIDGE.ROLE, two names with one dot between"));
    }
    assert_eq!(refused("tally.far"), "tally.far does not begin with the name of its service, bridge");
    let roles = |count: usize| {
        let sources: Vec<String> = (0..count).map(|nth| format!("bridge.role{nth}")).collect();
        Bridge::service(&sources.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(roles(IMPORTED_SOURCES_MAX).unwrap().sources.len(), IMPORTED_SOURCES_MAX);
    assert_eq!(roles(IMPORTED_SOURCES_MAX + 1).err(), Some(InvalidSource::TooMany { service: "bridge" }));
    assert_eq!(Bridge::service(&["bridge.far", "bridge.far"]).unwrap().sources.len(), 1);
}

#[test]
#[should_panic(expected = "bridge.far has a dot in its name")]
fn a_service_is_not_named_like_the_role_of_a_bridge() {
    struct Far;
    impl Settings for Far {
        const SERVICE: &'static str = "bridge.far";
    }
    drop(Service::new(Far));
}

#[test]
fn an_imported_event_is_logged_and_handled_in_the_same_commit() {
    let mut stage = stage();
    stage.ask(Import::of("far", happened("a"))).unwrap();
    assert_eq!(numbered(&stage), [entry("bridge.far", "far/a", 1)]);
    assert_eq!(stage.row::<Image>(id("a")).unwrap().heard, 1);
    assert_eq!(stage.store().last_segment(), Ok(1));
    let logged = stage.store().segments(1, 1).unwrap().remove(0).decode("stage", &registry()).unwrap().remove(0);
    assert_eq!((logged.remote, &*logged.envelope.source, logged.envelope.sequence), (false, "bridge.far", 1));
    assert_eq!((logged.envelope.id.as_str(), logged.envelope.causation_id), ("stage-1-0", Some(id("request-1"))));
    // Nothing went from store to store.
    assert_eq!(stage.rows::<CounterRow>(), []);
}

#[test]
fn imported_events_are_numbered_by_source_and_subject_across_batches_and_restarts() {
    let mut stage = stage();
    stage.ask(Import::of("far", happened("a"))).unwrap();
    let together: Vec<Arc<dyn AnyEvent>> =
        vec![Arc::new(happened("a")), Arc::new(happened("b")), Arc::new(happened("a"))];
    stage.ask(Import { source: Bridge::source("far"), events: together }).unwrap();
    stage.ask(Import::of("near", happened("a"))).unwrap();
    let mut expected = vec![
        entry("bridge.far", "far/a", 1),
        entry("bridge.far", "far/a", 2),
        entry("bridge.far", "far/b", 1),
        entry("bridge.far", "far/a", 3),
        entry("bridge.near", "far/a", 1),
    ];
    assert_eq!(numbered(&stage), expected);
    let store = stage.store().clone();
    drop(stage);
    // Without a row in memory.
    let limits = Limits { cache_bytes_max: 0, cache_forgets: true, ..Limits::default() };
    let mut stage = Stage::over(store, [bridge(), toy::mirror_service()], registry(), limits);
    for _ in 0..2 {
        stage.ask(Import::of("far", happened("a"))).unwrap();
    }
    expected = vec![entry("bridge.far", "far/a", 4), entry("bridge.far", "far/a", 5)];
    assert_eq!(numbered(&stage), expected);
    let counted: Vec<(String, String)> = stage
        .rows::<ImportedSubjectRow>()
        .into_iter()
        .map(|row| (row.source.to_string(), row.subject.to_string()))
        .collect();
    assert_eq!(counted, [("bridge.far", "far/a"), ("bridge.far", "far/b"), ("bridge.near", "far/a")].map(both));
}

fn both((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

#[test]
fn what_is_broken_or_refused_takes_no_number() {
    let mut stage = stage();
    stage.ask(Import::of("far", happened("a"))).unwrap();
    let problem = stage.ask(Import::of("elsewhere", happened("a"))).unwrap_err();
    assert_eq!(problem.code(), "internal");
    stage.fail_next_commit(CommitError::Constraint { table: "image".into(), reason: "a test".into() });
    stage.ask(Import::of("far", happened("a"))).unwrap_err();
    stage.ask(Import::of("far", happened("a"))).unwrap();
    assert_eq!(numbered(&stage), [entry("bridge.far", "far/a", 1), entry("bridge.far", "far/a", 2)]);
    assert_eq!(stage.rows::<ImportedSubjectRow>().len(), 1);
}

#[test]
fn an_event_as_a_source_that_is_not_declared_is_a_defect_of_the_handler() {
    let mut handlers = Handlers::new(bridge());
    let mut ask = |role: &str| handlers.ask(&Rows::new(), Moment::default(), &Import::of(role, happened("a")));
    let Err(Stop::Broken(reason)) = ask("elsewhere") else { panic!("it is broken") };
    assert_eq!(reason, "far.happened is emitted as bridge.elsewhere, which is not declared");
    let (done, ()) = ask("far").unwrap();
    let said: Vec<_> = done.said.into_iter().map(|said| (said.source, said.sequence)).collect();
    assert_eq!(said, [(Some(Bridge::source("far")), 1)]);
}

#[test]
fn a_subject_that_is_too_long_for_a_key_is_counted_like_others() {
    let mut stage = stage();
    let filled = |place: &str| Filled { name: id(&"%".repeat(64)), place: id(&place.repeat(64)) };
    for place in ["%", "/", "%", "a"] {
        stage.ask(Import::of("shelves", filled(place))).unwrap();
    }
    let numbers: Vec<u64> = numbered(&stage).into_iter().map(|(.., sequence)| sequence).collect();
    assert_eq!(numbers, [1, 1, 2, 1]);
    assert_eq!(stage.rows::<ImportedSubjectRow>().len(), 3);
}

/// The envelope of an imported event as another store has published it.
fn published(stage: &mut Stage, nth: u64, event: Happened) -> Envelope {
    let envelope = stage.envelope(&format!("b-{nth}-0"), event);
    Envelope { source: Bridge::source("far"), sequence: nth, ..envelope }
}

#[test]
fn a_store_refuses_what_its_own_bridge_emits_and_takes_that_of_another() {
    let mut own = stage();
    let envelope = published(&mut own, 1, happened("a"));
    own.hear_envelope(envelope.clone());
    let [dead] = &own.dead_letters()[..] else { panic!("one dead letter") };
    assert_eq!((&*dead.consumer, &*dead.reason), ("mirror", "bridge.far is emitted by this store itself"));
    assert_eq!(own.rows::<CounterRow>(), []);

    let mut other = Stage::with([toy::mirror_service()], registry(), Limits::default());
    other.hear_envelope(envelope);
    assert_eq!(other.row::<Image>(id("a")).unwrap().heard, 1);
    let counter: CounterRow = other.row(row_key(&["mirror", "bridge.far"])).unwrap();
    assert_eq!((counter.handled, counter.dead), (1, 0));
    assert_eq!(other.rows::<ImportedSubjectRow>(), [], "it numbers nothing that another store emits");
}

/// Handled, parked, dead and discarded events of one source.
fn books(stage: &Stage, source: &str) -> [u64; 4] {
    let counter: CounterRow = stage.row(row_key(&["mirror", source])).expect("it is counted");
    [counter.handled, counter.parked, counter.dead, counter.discarded]
}

/// The store after an event of this source was parked, and its row became what a row of an earlier version or damage is.
fn parked(source: &KeyText, damage: &[(&str, Value)]) -> MemoryStore {
    let mut stage = Stage::with([toy::mirror_service()], registry(), Limits::default());
    stage.operate(Action::Pause { consumer: id("mirror"), reason: "a test".into() }).expect("it is known");
    let envelope = published(&mut stage, 1, happened("a"));
    stage.hear_envelope(Envelope { source: source.clone(), ..envelope });
    assert_eq!(books(&stage, source), [0, 1, 0, 0]);
    let mut row = stage.store().rows(ParkedRow::TABLE).remove(0);
    for (column, value) in damage {
        row.values[ParkedRow::TABLE.position(column).expect("there is one")] = value.clone();
    }
    let key = ParkedRow::from_row(&row.values).expect("it can be read").key();
    stage.store().tamper(ParkedRow::TABLE, &key, Some(row));
    stage.store().clone()
}

#[test]
fn what_waits_is_counted_under_the_source_that_it_came_from_though_it_cannot_be_read_any_more() {
    let unreadable = ("message", Value::Text("nothing".into()));
    let (imported, own) = (Bridge::source("far"), KeyText::literal("far"));
    // Rows of earlier versions do not name their source.
    let earlier = ("source", Value::Null);
    for (source, damage) in [(imported, vec![unreadable.clone()]), (own, vec![unreadable, earlier])] {
        let store = parked(&source, &damage);
        let mut stage = Stage::over(store, [toy::mirror_service()], registry(), Limits::default());
        stage.operate(Action::Resume { consumer: id("mirror") }).unwrap();
        assert_eq!(books(&stage, &source), [0, 0, 1, 0]);
        let [dead] = &stage.dead_letters()[..] else { panic!("one dead letter") };
        let dead_letter = dead.id.clone();
        stage.operate(Action::Discard { dead_letter, reason: "a test".into() }).unwrap();
        assert_eq!(books(&stage, &source), [0, 0, 0, 1]);
        assert_eq!(stage.rows::<CounterRow>().len(), 1, "no other source is counted");
    }
}

#[test]
fn what_an_earlier_version_has_parked_is_handled_and_counted() {
    let source = KeyText::literal("far");
    let store = parked(&source, &[("source", Value::Null)]);
    let mut stage = Stage::over(store, [toy::mirror_service()], registry(), Limits::default());
    stage.operate(Action::Resume { consumer: id("mirror") }).unwrap();
    assert_eq!(books(&stage, &source), [1, 0, 0, 0]);
}

#[test]
fn a_dead_letter_that_an_operator_has_given_another_source_stays_in_the_books_of_the_first() {
    let mut stage = Stage::with([toy::mirror_service()], registry(), Limits::default());
    let envelope = published(&mut stage, 1, happened("nowhere"));
    stage.hear_envelope(envelope);
    assert_eq!(books(&stage, "bridge.far"), [0, 0, 1, 0]);
    let dead: DeadLetterRow = stage.dead_letters().remove(0);
    assert_eq!(dead.source, Some(Bridge::source("far")));
    let edited = toy::text(&dead.message).replace("nowhere", "a").replace("bridge.far", "far");
    stage.operate(Action::EditAndRedrive { dead_letter: dead.id, message: edited.into_bytes().into() }).unwrap();
    assert_eq!(books(&stage, "bridge.far"), [1, 0, 0, 0]);
    assert_eq!(stage.row::<Image>(id("a")).unwrap().heard, 1);
    assert!(stage.rows::<DeadLetterRow>().iter().all(|row| row.state == DeadLetterState::Redriven));
}

fn running(name: &str, services: Vec<tradewind_engine::AnyService>, broker: &MemoryBroker, hear: &[&str]) -> Running {
    Plan {
        store: MemoryStore::new(),
        registry: registry(),
        broker: Some(broker.clone()),
        hear: hear.iter().map(ToString::to_string).collect(),
        ..Plan::new(name, services)
    }
    .start()
}

#[test]
fn imported_events_reach_the_other_stores_on_the_topic_of_their_source() {
    let broker = MemoryBroker::new();
    let dock = running("dock", vec![bridge()], &broker, &[]);
    let mirror = running("m", vec![toy::mirror_service()], &broker, &["bridge.far"]);
    for _ in 0..3 {
        dock.ask(Import::of("far", happened("a"))).unwrap();
    }
    assert_eq!(mirror.wait_for::<Image>(id("a"), |image| image.heard == 3).heard, 3);
    let counter = mirror.wait_for::<CounterRow>(row_key(&["mirror", "bridge.far"]), |counter| counter.handled == 3);
    assert_eq!((counter.parked, counter.dead), (0, 0));
    let published = broker.published("test.bridge.far");
    let sequences: Vec<String> = published
        .iter()
        .map(|message| {
            let body: serde_json::Value = serde_json::from_slice(message.body()).expect("JSON");
            assert_eq!((&body["source"], &body["subject"]), (&"bridge.far".into(), &"far/a".into()));
            body["sequence"].as_str().expect("a sequence is text").to_owned()
        })
        .collect();
    assert_eq!(sequences, ["1", "2", "3"]);
}

#[test]
fn one_batch_imports_from_several_messages() {
    let mut stage = stage();
    for _ in 0..3 {
        let import =
            CommandMessage::new(Import::of("far", happened("a")), stage.context(), |()| StoredAnswer::default());
        stage.accept(Message::Command(import));
    }
    stage.run();
    assert_eq!(stage.store().last_segment(), Ok(1));
    let numbers: Vec<u64> = numbered(&stage).into_iter().map(|(.., sequence)| sequence).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(stage.row::<Image>(id("a")).unwrap().heard, 3);
}

/// A subject of one's own and one of a bridge are two, though they are named alike.
#[test]
fn a_foreign_subject_has_numbers_of_its_own_beside_a_row_of_the_same_name() {
    let services = [bridge(), toy::tally(), toy::mirror_service()];
    let mut stage = Stage::with(services, registry(), Limits::default());
    stage.ask(toy::add("a", 1)).unwrap();
    stage.ask(Import::of("near", Counted { name: id("a"), total: 7 })).unwrap();
    stage.ask(toy::add("a", 1)).unwrap();
    let counted: Vec<_> = numbered(&stage).into_iter().filter(|(_, subject, _)| subject == "tally/a").collect();
    assert_eq!(
        counted,
        [entry("tally", "tally/a", 1), entry("bridge.near", "tally/a", 1), entry("tally", "tally/a", 2)]
    );
    assert_eq!(KeyText::new("tally/a").unwrap(), stage.rows::<ImportedSubjectRow>()[0].subject);
}
