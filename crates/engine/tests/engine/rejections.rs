//! A key or a row that the store rejects is the fault of the message that needs it, and of no other.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::{Deserialize, Serialize, Serializer};
use tradewind_engine::{
    Answer, Command, CommandMessage, Committed, Context, Core, EngineTime, Entity, Finished, Formed, Job, Limits,
    Message, Observer, Outcome, Received, Service, Settings, Setup, StoredAnswer, Uow,
    ports::{Reader, StoreError, Writer},
    tables::{CounterRow, DeadLetterRow, InboxRow, JobRow},
};
use tradewind_events::{Envelope, Event, EventKind, Id, KeyText, Registry, Timestamp, Value, id, row_key};
use tradewind_testkit::{CountedIds, ManualClock, MemoryStore, WatchedReader};

struct Shelf;

impl Settings for Shelf {
    const SERVICE: &'static str = "shelf";
}

#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Shelf, table = "box", key = box_id)]
struct Crate {
    box_id: Id,
    filled: i64,
}

#[derive(Debug, Clone, Command)]
#[command(owner = Shelf, name = "fill", answer = i64, key = box_id)]
struct Fill {
    box_id: Id,
    /// Looks before it writes.
    looks: bool,
}

fn fill(uow: &mut Uow<Shelf>, fill: &Fill) -> Answer<i64> {
    let known = if fill.looks { uow.get::<Crate>(&fill.box_id)? } else { None };
    let filled = known.map_or(0, |known| known.filled) + 1;
    uow.put(Crate { box_id: fill.box_id.clone(), filled });
    Ok(filled)
}

/// A parcel that has to be weighed elsewhere.
#[derive(Deserialize)]
struct Parcel {
    /// JSON has no way to write it.
    broken: bool,
}

impl Serialize for Parcel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.broken { Err(serde::ser::Error::custom("it is broken")) } else { serializer.serialize_unit() }
    }
}

struct Weigh;

impl Job for Weigh {
    type Owner = Shelf;
    type Request = Parcel;
    type Reply = i64;
    const NAME: &'static str = "weigh";
}

#[derive(Debug, Clone, Command)]
#[command(owner = Shelf, name = "ship", key = box_id)]
struct Ship {
    box_id: Id,
    broken: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "a command answers")]
fn ship(uow: &mut Uow<Shelf>, ship: &Ship) -> Answer<()> {
    uow.request_job::<Weigh>(&ship.box_id, &Parcel { broken: ship.broken });
    uow.put(Crate { box_id: ship.box_id.clone(), filled: 1 });
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "a reaction may fail")]
fn weighed(uow: &mut Uow<Shelf>, finished: &Finished<Weigh>) -> Outcome {
    uow.put(Crate { box_id: finished.key.clone(), filled: finished.reply });
    Ok(())
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event("lid.closed", version = 1, about = lid(box_id), key = box_id)]
struct Closed {
    box_id: Id,
}

fn close(uow: &mut Uow<Shelf>, closed: &Closed) -> Outcome {
    let known = uow.get::<Crate>(&closed.box_id)?;
    uow.put(Crate { box_id: closed.box_id.clone(), filled: known.map_or(0, |known| known.filled) + 10 });
    Ok(())
}

/// Keys that a store rejects, each with its table.
type Rejected = Arc<Mutex<BTreeSet<(&'static str, String)>>>;

/// Counts rows that cannot be used.
#[derive(Default)]
struct Unusable(Mutex<Vec<&'static str>>);

impl Observer for Unusable {
    fn row_unusable(&self, table: &'static str) {
        self.0.lock().expect("no test has panicked").push(table);
    }
}

struct Bench {
    core: Core,
    clock: ManualClock,
    unusable: Arc<Unusable>,
    writer: Box<dyn Writer>,
    store: MemoryStore,
    rejected: Rejected,
    told: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        Self::over(MemoryStore::new())
    }

    fn over(store: MemoryStore) -> Self {
        let (epoch, writer) = store.own();
        let rejected = Rejected::default();
        let rejects = Arc::clone(&rejected);
        let reader = WatchedReader::new(store.clone(), move |table, keys| {
            let rejected = rejects.lock().expect("no test has panicked");
            let hit = keys.iter().any(|key| rejected.contains(&(table.name, key.as_str().to_owned())));
            if hit { Err(StoreError::Rejected("it cannot be bound".to_owned())) } else { Ok(()) }
        });
        let (clock, unusable) = (ManualClock::default(), Arc::<Unusable>::default());
        let core = Core::new(Setup {
            store_name: "shelf".into(),
            epoch,
            services: vec![
                Service::new(Shelf).owns::<Crate>().command(fill).command(ship).finished(weighed).on(close).build(),
            ],
            registry: Registry::new([EventKind::of::<Closed>("far")]),
            reader: Arc::new(reader),
            clock: EngineTime::new(Arc::new(clock.clone())),
            ids: Box::new(CountedIds::new("id")),
            limits: Limits::default(),
            observer: Arc::clone(&unusable) as Arc<dyn Observer>,
            log_remote: false,
        });
        let core = core.expect("the store can be read");
        Self { core, clock, unusable, writer: Box::new(writer), store, rejected, told: Arc::default() }
    }

    fn rejects(&self, table: &'static str, key: &str) {
        self.rejected.lock().expect("no test has panicked").insert((table, key.to_owned()));
    }

    fn asks(&mut self, box_id: &str, looks: bool) {
        self.sends(box_id, Fill { box_id: id(box_id), looks });
    }

    fn sends<C: Command>(&mut self, box_id: &str, command: C) {
        let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
        let (told, name) = (Arc::clone(&self.told), box_id.to_owned());
        let message = CommandMessage::new(command, context, |_| StoredAnswer::default());
        self.core.accept(Message::Command(message.reply(move |answer| {
            let answer = answer.map_or_else(|problem| problem.code(), |_| "done");
            told.lock().expect("no test has panicked").push(format!("{name} {answer}"));
        })));
    }

    fn hears(&mut self, event_id: &str, box_id: &str) {
        let event = Closed { box_id: id(box_id) };
        let envelope = Envelope {
            id: id(event_id),
            source: KeyText::literal("far"),
            subject: Event::subject(&event),
            key: id(box_id),
            time: Timestamp::default(),
            sequence: 1,
            correlation_id: id("r"),
            causation_id: None,
            traceparent: None,
            event: Arc::new(event),
        };
        self.core.accept(Message::Received(Received { envelope: Arc::new(envelope), receipt: None }));
    }

    fn finishes(&mut self) {
        while let Formed::Batch(sealed) = self.core.form().expect("a rejected row is no failed store") {
            self.writer.commit(&sealed.encode().expect("it can be encoded")).expect("the store takes it");
            self.core.committed().iter_mut().for_each(Committed::answer);
        }
        // What changed nothing is settled as well.
        self.core.settled().iter_mut().for_each(Committed::answer);
    }

    /// The jobs that are due.
    fn jobs(&mut self) -> Vec<Id> {
        let jobs = self.core.take_jobs().expect("a rejected row is no failed store");
        jobs.iter().map(|job| job.id.clone()).collect()
    }

    fn told(&self) -> Vec<String> {
        let mut told = std::mem::take(&mut *self.told.lock().expect("no test has panicked"));
        told.sort();
        told
    }

    fn rows<E: Entity>(&self) -> Vec<E> {
        let rows = self.store.rows(E::TABLE);
        rows.iter().map(|row| E::from_row(&row.values).expect("a row")).collect()
    }
}

#[test]
fn only_the_command_that_needs_a_rejected_row_fails() {
    let mut bench = Bench::new();
    bench.rejects("box", "bad");
    for (box_id, looks) in [("a", true), ("bad", true), ("b", true), ("bad", false), ("c", false)] {
        bench.asks(box_id, looks);
    }
    bench.finishes();
    assert_eq!(bench.told(), ["a done", "b done", "bad internal", "bad internal", "c done"]);
    assert_eq!(bench.rows::<Crate>().len(), 3);
    // It was rejected for the moment.
    bench.rejected.lock().unwrap().clear();
    bench.asks("bad", true);
    bench.finishes();
    assert_eq!(bench.told(), ["bad done"]);
}

#[test]
fn an_event_that_needs_a_rejected_row_is_a_dead_letter() {
    let mut bench = Bench::new();
    bench.rejects("box", "bad");
    bench.hears("far-1", "bad");
    bench.hears("far-2", "good");
    bench.finishes();
    assert_eq!(bench.rows::<Crate>(), [Crate { box_id: id("good"), filled: 10 }]);
    let dead = bench.rows::<DeadLetterRow>();
    assert_eq!((dead.len(), dead[0].event_id.as_ref()), (1, Some(&id("far-1"))));
    assert!(dead[0].reason.contains("box bad cannot be loaded: it cannot be bound"), "{}", dead[0].reason);
    assert_eq!(bench.rows::<InboxRow>().len(), 2);
}

#[test]
fn an_event_whose_own_rows_are_rejected_is_kept_all_the_same() {
    let rows =
        [("far-1", "inbox", "far-1"), ("far-1-0", "inbox_segment", "far-1"), ("far-1", "counter", "shelf\u{1f}far")];
    for (event_id, table, key) in rows {
        let mut bench = Bench::new();
        bench.rejects(table, key);
        bench.hears(event_id, "good");
        bench.asks("a", true);
        bench.finishes();
        assert_eq!(bench.told(), ["a done"], "{table}");
        let dead = bench.rows::<DeadLetterRow>();
        assert_eq!((dead.len(), dead[0].event_id.as_ref()), (1, Some(&id(event_id))), "{table}");
        assert!(dead[0].reason.contains("cannot be loaded"), "{}", dead[0].reason);
        assert!(!dead[0].message.is_empty(), "what came is kept");
        // It is in the books, unless they are what cannot be read.
        let counted: Vec<u64> = bench.rows::<CounterRow>().iter().map(|counter| counter.dead).collect();
        assert_eq!(counted, if table == "counter" { vec![] } else { vec![1] }, "{table}");
    }
}

#[test]
fn a_job_that_cannot_be_written_or_looked_up_fails_its_handler() {
    let mut bench = Bench::new();
    bench.rejects("job", "b");
    for (box_id, broken) in [("a", true), ("b", false), ("c", false)] {
        bench.sends(box_id, Ship { box_id: id(box_id), broken });
    }
    bench.finishes();
    assert_eq!(bench.told(), ["a internal", "b internal", "c done"]);
    let jobs = bench.rows::<JobRow>();
    assert_eq!((jobs.len(), &*jobs[0].request), (1, "null"));
    assert_eq!(bench.rows::<Crate>().len(), 1);
}

#[test]
fn a_job_whose_old_row_cannot_be_read_is_not_dropped() {
    let mut bench = Bench::new();
    bench.sends("a", Ship { box_id: id("a"), broken: false });
    bench.finishes();
    let mut row = bench.store.rows(JobRow::TABLE).remove(0);
    row.values[4] = Value::Text("nowhere".into());
    bench.store.tamper(JobRow::TABLE, &row_key(&["a"]), Some(row));
    // What is in memory is still good; a start finds only what is stored.
    let store = std::mem::take(&mut bench.store);
    let mut bench = Bench::over(store);
    bench.sends("a", Ship { box_id: id("a"), broken: false });
    bench.finishes();
    assert_eq!(bench.told(), ["a internal"]);
}

#[test]
fn a_job_whose_row_is_rejected_for_a_moment_is_counted_and_handed_out_later() {
    let mut bench = Bench::new();
    for box_id in ["a", "b"] {
        bench.sends(box_id, Ship { box_id: id(box_id), broken: false });
    }
    bench.finishes();
    bench.rejects("job", "a");
    assert_eq!(bench.jobs(), [id("b")]);
    assert_eq!(*bench.unusable.0.lock().unwrap(), ["job"]);
    bench.rejected.lock().unwrap().clear();
    bench.clock.advance(Duration::from_secs(4));
    assert!(bench.jobs().is_empty());
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.jobs(), [id("a")]);
}

#[test]
fn a_job_that_was_put_off_or_is_gone_since_it_was_found_due_is_not_handed_out() {
    let mut bench = Bench::new();
    assert!(bench.jobs().is_empty(), "what is due soon has been read");
    for box_id in ["late", "gone", "lost"] {
        bench.sends(box_id, Ship { box_id: id(box_id), broken: false });
    }
    bench.finishes();
    let store = bench.store.clone();
    let changed = |key: &str, column: usize, value: Value| {
        let key = row_key(&[key]);
        let mut row = store.load(JobRow::TABLE, std::slice::from_ref(&key)).unwrap().remove(0).unwrap();
        row.values[column] = value;
        store.tamper(JobRow::TABLE, &key, Some(row));
    };
    let later = bench.core.clock().now().plus(Duration::from_secs(10)).as_millis();
    changed("late", JobRow::TABLE.position("due_at").unwrap(), Value::Int(later));
    changed("lost", JobRow::TABLE.position("state").unwrap(), Value::Text("exhausted".into()));
    store.tamper(JobRow::TABLE, &row_key(&["gone"]), None);
    assert!(bench.jobs().is_empty());
    bench.clock.advance(Duration::from_secs(10));
    assert_eq!(bench.jobs(), [id("late")]);
    assert!(bench.unusable.0.lock().unwrap().is_empty());
}
