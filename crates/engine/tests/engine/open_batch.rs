//! A batch that stays open while another is written: it grows, stands on what is written, and falls with it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tradewind_engine::{
    CommandMessage, Committed, Context, Core, EngineTime, Entity, Formed, Limits, Message, Sealed, Setup, StoredAnswer,
    ports::{CommitError, Writer},
};
use tradewind_events::id;
use tradewind_testkit::{CountedIds, ManualClock, MemoryStore};

use crate::toy::{self, Count, Remind, add};

/// The loop's core by hand, with a store.
struct Bench {
    store: MemoryStore,
    writer: Box<dyn Writer>,
    core: Core,
    clock: ManualClock,
    /// What whoever asked was told: totals, or codes of problems.
    told: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let store = MemoryStore::new();
        let (epoch, writer) = store.own();
        let clock = ManualClock::default();
        let core = Core::new(Setup {
            store_name: "open".into(),
            epoch,
            services: vec![toy::tally(), toy::mirror_service()],
            registry: toy::registry(),
            reader: Arc::new(store.clone()),
            clock: EngineTime::new(Arc::new(clock.clone())),
            ids: Box::new(CountedIds::new("id")),
            limits,
            observer: Arc::new(()),
            log_remote: false,
        });
        let core = core.expect("the store can be read");
        Self { store, writer: Box::new(writer), core, clock, told: Arc::default() }
    }

    fn asks(&mut self, name: &str, amount: i64) {
        let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
        let told = Arc::clone(&self.told);
        let message = CommandMessage::new(add(name, amount), context, |total: &i64| StoredAnswer {
            status: 200,
            location: None,
            body: total.to_string().into_bytes(),
        });
        let message = message.reply(move |answer| {
            let text = match answer {
                Ok(answered) => String::from_utf8(answered.stored.body).expect("a number"),
                Err(problem) => problem.code().to_owned(),
            };
            told.lock().expect("no test has panicked").push(text);
        });
        self.core.accept(Message::Command(message));
    }

    fn reminds(&mut self, name: &str, after: Duration) {
        let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
        let remind = Remind { name: id(name), at: Some(self.core.clock().now().plus(after)) };
        self.core.accept(Message::Command(CommandMessage::new(remind, context, |()| StoredAnswer::default())));
    }

    fn extends(&mut self) {
        self.core.extend(1).expect("the store can be read");
    }

    fn closes(&mut self) -> Sealed {
        let Formed::Batch(sealed) = self.core.close() else { panic!("a batch is open") };
        sealed
    }

    fn writes(&mut self, sealed: &Sealed) -> Result<(), CommitError> {
        self.writer.commit(&sealed.encode().expect("it can be encoded"))
    }

    fn settles(&mut self) {
        self.core.committed().iter_mut().for_each(Committed::answer);
    }

    /// Until nothing waits any more.
    fn finishes(&mut self) {
        while let Formed::Batch(sealed) = self.core.form().expect("the store can be read") {
            match self.writes(&sealed) {
                Ok(()) => self.settles(),
                Err(error) => self.core.failed(error).expect("a message is at fault"),
            }
        }
    }

    fn totals(&self) -> Vec<(String, i64)> {
        let rows = self.store.rows(Count::TABLE);
        let counts = rows.iter().map(|row| Count::from_row(&row.values).expect("a count"));
        counts.map(|count| (count.name.to_string(), count.total)).collect()
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().expect("no test has panicked").clone()
    }
}

#[test]
fn a_batch_grows_while_another_is_written_and_stands_on_it() {
    let mut bench = Bench::new(Limits::default());
    bench.asks("a", 1);
    bench.extends();
    let first = bench.closes();
    for amount in [2, 3, 4] {
        bench.asks("a", amount);
        bench.extends();
    }
    assert_eq!((bench.core.waiting(), bench.core.in_flight()), (0, 2));
    assert_eq!(bench.told(), [""; 0], "nobody is told of what is not durable");
    bench.writes(&first).unwrap();
    bench.settles();
    let second = bench.closes();
    assert_eq!((first.messages(), second.messages()), (1, 3));
    bench.writes(&second).unwrap();
    bench.settles();
    assert_eq!(bench.told(), ["1", "3", "6", "10"]);
    assert_eq!(bench.totals(), [("a".to_owned(), 10)]);
    assert_eq!(bench.core.in_flight(), 0);
}

#[test]
fn one_message_is_taken_at_a_time_where_so_many_are_asked_for() {
    let mut bench = Bench::new(Limits::default());
    for name in ["a", "b", "c"] {
        bench.asks(name, 1);
    }
    bench.extends();
    assert_eq!(bench.core.waiting(), 2);
    assert_eq!(bench.closes().messages(), 1);
}

#[test]
fn a_full_batch_takes_nothing_more_until_it_is_closed() {
    let mut bench = Bench::new(Limits { batch_messages_max: 2, ..Limits::default() });
    for name in ["a", "b", "c"] {
        bench.asks(name, 1);
        bench.extends();
    }
    assert!(!bench.core.has_room());
    assert_eq!(bench.core.waiting(), 1);
    assert_eq!(bench.closes().messages(), 2);
    assert!(bench.core.has_room());
}

#[test]
fn an_open_batch_falls_with_the_one_below_it_and_each_message_counts_once() {
    let mut bench = Bench::new(Limits::default());
    bench.asks("a", 1);
    bench.asks("b", 1);
    bench.core.extend(usize::MAX).unwrap();
    let refused = bench.closes();
    for amount in [10, 100] {
        bench.asks("a", amount);
        bench.extends();
    }
    let reason = "passing".to_owned();
    bench.core.failed(CommitError::Constraint { table: "tally".into(), reason }).unwrap();
    assert_eq!((bench.core.in_flight(), bench.core.waiting()), (0, 4));
    assert!(bench.told().is_empty() && refused.messages() == 2);
    bench.finishes();
    // In the order in which they came.
    assert_eq!(bench.told(), ["1", "1", "11", "111"]);
    assert_eq!(bench.totals(), [("a".to_owned(), 111), ("b".to_owned(), 1)]);
}

#[test]
fn whoever_waits_in_an_open_batch_is_told_when_the_engine_ends() {
    let mut bench = Bench::new(Limits::default());
    bench.asks("a", 1);
    bench.extends();
    bench.asks("b", 1);
    bench.core.abandon("the disk is gone");
    assert_eq!(bench.told(), ["unavailable", "unavailable"]);
}

#[test]
fn handlers_of_a_batch_share_one_time_while_the_clock_moves() {
    let mut bench = Bench::new(Limits::default());
    bench.clock.move_in_batches(true);
    let opened_at = bench.clock.now();
    for name in ["a", "b", "c"] {
        bench.asks(name, 1);
        bench.extends();
    }
    let moved = bench.clock.now().since(opened_at);
    assert!(moved >= Duration::from_millis(3), "{moved:?}");
    let sealed = bench.closes();
    bench.writes(&sealed).unwrap();
    let committed = bench.core.committed();
    let times: Vec<_> = committed.iter().flat_map(|batch| &*batch.events).map(|said| said.envelope.time).collect();
    assert!(times.len() >= 3 && times.iter().all(|time| *time == opened_at), "{times:?}");
}

#[test]
fn a_timer_that_falls_due_while_a_batch_is_open_fires_in_the_next_one() {
    let limits = Limits { batch_forming_max: Duration::from_mins(1), ..Limits::default() };
    let mut bench = Bench::new(limits);
    bench.reminds("a", Duration::from_secs(4));
    bench.finishes();
    assert_eq!(bench.core.take_jobs().unwrap().len(), 0);
    bench.asks("b", 1);
    bench.extends();
    bench.clock.advance(Duration::from_secs(5));
    bench.asks("b", 1);
    bench.extends();
    // While the batch is open there is nothing to do for the timer, so nobody is called for it.
    assert!(bench.core.next_due() > bench.core.clock().now());
    let sealed = bench.closes();
    assert_eq!(sealed.messages(), 2, "the timer is not taken into a batch that is older");
    bench.writes(&sealed).unwrap();
    bench.settles();
    assert!(bench.core.next_due() <= bench.core.clock().now());
    bench.finishes();
    assert_eq!(bench.totals(), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
}
