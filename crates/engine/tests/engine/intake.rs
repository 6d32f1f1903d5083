//! What waits for a batch: a backlog of received events takes nothing from commands.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tradewind_engine::{
    CommandMessage, Core, EngineTime, Entity, Formed, Limits, Message, Observer, Receipt, Received, Setup,
    StoredAnswer,
    ports::{CommitError, Position, Reader},
    tables::InboxRow,
};
use tradewind_events::id;
use tradewind_testkit::{CountedIds, ManualClock, MemoryStore, Stage};

use crate::toy::{self, Happened, Image, add};

/// More than ten batches.
const BACKLOG: usize = 10_000;

/// A stage on which so many received events wait.
fn backlog(events: usize, limits: Limits) -> Stage {
    let mut stage = Stage::with(toy::services(), toy::registry(), limits);
    for nth in 0..events {
        let happened = Happened { name: id(&format!("n{}", nth % 100)), after: None };
        let envelope = Arc::new(stage.envelope(&format!("far-{nth}"), happened));
        stage.accept(Message::Received(Received { envelope, receipt: None }));
    }
    stage
}

/// Sends a command. The counter tells how many were answered.
fn send(stage: &mut Stage, answered: &Arc<AtomicUsize>) {
    let (context, answered) = (stage.context(), Arc::clone(answered));
    let message = CommandMessage::new(add("a", 1), context, |_| StoredAnswer::default());
    stage.accept(Message::Command(message.reply(move |answer| {
        assert!(answer.is_ok());
        answered.fetch_add(1, Ordering::Relaxed);
    })));
}

#[test]
fn a_command_is_in_the_next_batch_though_thousands_of_received_events_wait() {
    let mut stage = backlog(BACKLOG, Limits::default());
    let answered = Arc::new(AtomicUsize::new(0));
    send(&mut stage, &answered);
    stage.step();
    assert_eq!(answered.load(Ordering::Relaxed), 1);
    assert!(stage.core().waiting() > BACKLOG / 2, "the backlog is not handled yet");
    stage.run();
    let handled: u32 = stage.rows::<Image>().iter().map(|image| image.heard).sum();
    assert!(handled as usize >= BACKLOG);
}

#[test]
fn received_events_make_progress_though_more_commands_wait_than_a_batch_takes() {
    let mut stage = backlog(1, Limits { batch_messages_max: 2, ..Limits::default() });
    let answered = Arc::new(AtomicUsize::new(0));
    (0..10).for_each(|_| send(&mut stage, &answered));
    stage.step();
    assert_eq!((answered.load(Ordering::Relaxed), stage.core().waiting()), (1, 9));
}

#[test]
fn a_backlog_of_received_events_does_not_refuse_commands() {
    let limits = Limits { intake_max: 100, ..Limits::default() };
    let mut stage = backlog(100, limits);
    assert!(!stage.core().is_full(), "commands have a share of their own");
    let answered = Arc::new(AtomicUsize::new(0));
    (0..100).for_each(|_| send(&mut stage, &answered));
    assert!(stage.core().is_full());
}

#[test]
fn messages_of_a_refused_batch_keep_their_order_and_their_line() {
    let mut stage = backlog(4, Limits { batch_messages_max: 2, ..Limits::default() });
    let totals = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..4 {
        let (context, totals) = (stage.context(), Arc::clone(&totals));
        let message = CommandMessage::new(add("a", 1), context, |_| StoredAnswer::default());
        stage.accept(Message::Command(message.reply(move |answer| {
            let total = answer.expect("it is not refused").typed.expect("it is no replay");
            totals.lock().expect("no test has panicked").push(*total.downcast::<i64>().expect("a total"));
        })));
    }
    stage.fail_next_commit(CommitError::Constraint { table: "image".to_owned(), reason: "a test".to_owned() });
    stage.run();
    let segments = stage.store().segments(1, u32::MAX).expect("the store in memory can be read");
    let logged = segments.iter().flat_map(|segment| segment.read("stage").expect("the log can be read"));
    let received: Vec<String> =
        logged.filter(|event| event.remote).map(|event| event.envelope.id.as_str().to_owned()).collect();
    assert_eq!(received, ["far-0", "far-1", "far-2", "far-3"]);
    assert_eq!(*totals.lock().expect("no test has panicked"), [1, 2, 3, 4]);
}

/// Counts the events that nobody consumes.
#[derive(Default)]
struct Unconsumed(AtomicUsize);

impl Observer for Unconsumed {
    fn unconsumed(&self, event: &'static str) {
        assert_eq!(event, "far.happened");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Receives an event in a store where only `tally` lives, and gives its receipts and the rows of the inbox.
fn received(log_remote: bool, unconsumed: &Arc<Unconsumed>) -> (Vec<Receipt>, usize) {
    let store = MemoryStore::new();
    let (epoch, mut writer) = store.own();
    let mut core = Core::new(Setup {
        store_name: "t".into(),
        epoch,
        services: vec![toy::tally()],
        registry: toy::registry(),
        reader: Arc::new(store.clone()),
        clock: EngineTime::new(Arc::new(ManualClock::default())),
        ids: Box::new(CountedIds::new("id")),
        limits: Limits::default(),
        observer: Arc::clone(unconsumed) as Arc<dyn Observer>,
        log_remote,
    })
    .expect("the store in memory can be read");
    let envelope = Arc::new(toy::stage().envelope("far-1", Happened { name: id("a"), after: None }));
    let receipt = Some(Receipt { subscription: 0, position: Position("1".to_owned()), bytes: 1 });
    core.accept(Message::Received(Received { envelope, receipt }));
    let settled = match core.form().expect("the store in memory can be read") {
        Formed::Nothing => panic!("it is taken"),
        Formed::Unchanged => core.settled(),
        Formed::Batch(sealed) => {
            sealed.write(&mut writer).expect("the store takes it");
            core.committed()
        }
    };
    (settled.into_iter().flat_map(|batch| batch.receipts).collect(), store.rows(InboxRow::TABLE).len())
}

#[test]
fn an_event_that_no_service_consumes_is_acknowledged_and_counted_and_not_kept() {
    let unconsumed = Arc::new(Unconsumed::default());
    let (receipts, inbox) = received(false, &unconsumed);
    assert_eq!((receipts.len(), inbox, unconsumed.0.load(Ordering::Relaxed)), (1, 0, 1));
    // Where the log has it, it must not be logged twice.
    let (receipts, inbox) = received(true, &unconsumed);
    assert_eq!((receipts.len(), inbox, unconsumed.0.load(Ordering::Relaxed)), (1, 1, 1));
}
