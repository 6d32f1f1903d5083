//! What the inbox remembers of received events, and for how long.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use proptest::prelude::*;
use tradewind_engine::{
    CommandMessage, Context, Core, EngineTime, Entity, Formed, Idempotency, Limits, Message, Receipt, Received,
    Retention, Setup, StoredAnswer, Subscriber, SubscriberSetup, SubscriberStep,
    ports::{Broker, BrokerMessage, Clock, CommitError, Subscription, Writer},
    tables::{DeadLetterRow, IdempotencyRow, InboxRow, InboxSegmentRow},
};
use tradewind_events::{KeyText, Value, id, row_key};
use tradewind_testkit::{BrokerFaults, BrokerKind, CountedIds, ManualClock, MemoryBroker, MemoryStore, Plan, Running};

use crate::toy::{self, Happened, Image, add};

/// A core that receives events of another store. Each makes an image of its own, which counts how often it took effect.
struct Bench {
    core: Core,
    retention: Retention,
    store: MemoryStore,
    writer: Box<dyn Writer>,
    clock: ManualClock,
    limits: Limits,
    /// What was ever delivered.
    heard: BTreeSet<String>,
    /// To be acknowledged.
    receipts: Vec<Receipt>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Self::over(MemoryStore::new(), ManualClock::default(), limits)
    }

    fn over(store: MemoryStore, clock: ManualClock, limits: Limits) -> Self {
        let (epoch, writer) = store.own();
        let core = Core::new(Setup {
            store_name: "t".into(),
            epoch,
            services: toy::services().into(),
            registry: toy::registry(),
            reader: Arc::new(store.clone()),
            clock: EngineTime::new(Arc::new(clock.clone())),
            ids: Box::new(CountedIds::new(&format!("id{epoch}"))),
            limits: limits.clone(),
            observer: Arc::new(()),
            log_remote: false,
        })
        .expect("the store in memory can be read");
        let retention = Retention::new(Arc::new(store.clone()), &limits);
        let (heard, receipts) = (BTreeSet::new(), Vec::new());
        Self { core, retention, store, writer: Box::new(writer), clock, limits, heard, receipts }
    }

    /// The process ends, whatever it was doing, and another one starts. The broker knows of no acknowledgement.
    fn restarts(&mut self) {
        let heard = std::mem::take(&mut self.heard);
        *self = Self::over(self.store.clone(), self.clock.clone(), self.limits.clone());
        for event_id in &heard {
            self.hears(event_id);
        }
    }

    fn hears(&mut self, event_id: &str) {
        self.heard.insert(event_id.to_owned());
        let event = Happened { name: id(&format!("of:{event_id}")), after: None };
        let envelope = Arc::new(toy::stage().envelope(event_id, event));
        self.core.accept(Message::Received(Received { envelope, receipt: None }));
    }

    /// Takes in what waits, in one batch if it has room. `false` when nothing was done.
    fn turns(&mut self) -> bool {
        let settled = match self.core.form().expect("the store in memory can be read") {
            Formed::Nothing => return false,
            Formed::Unchanged => self.core.settled(),
            Formed::Batch(sealed) => match sealed.write(&mut *self.writer) {
                Ok(()) => self.core.committed(),
                Err(error) => {
                    // Not even a dead letter could be written.
                    if self.core.failed(error).is_err() {
                        self.restarts();
                    }
                    return true;
                }
            },
        };
        if settled.iter().any(tradewind_engine::Committed::pruned) {
            self.retention.committed();
        }
        self.receipts.extend(settled.into_iter().flat_map(|batch| batch.receipts));
        true
    }

    fn finishes(&mut self) {
        while self.turns() {}
    }

    fn refuses(&self) {
        let (table, reason) = ("(any)".to_owned(), "simulated".to_owned());
        self.store.fail_next_commit(CommitError::Constraint { table, reason });
    }

    /// Forgets what is old.
    fn forgets(&mut self) {
        if let Some(prune) = self.retention.look(self.core.clock().now()) {
            self.core.accept(Message::Prune(prune));
        }
        self.finishes();
    }

    fn rows<E: Entity>(&self) -> Vec<E> {
        self.store.rows(E::TABLE).iter().map(|row| E::from_row(&row.values).expect("a row can be read")).collect()
    }

    /// Each event took effect once, or is one dead letter.
    fn judges(&self) {
        let images = self.rows::<Image>().into_iter().map(|image| (image.name.to_string(), image.heard));
        let dead = self.rows::<DeadLetterRow>().into_iter().map(|dead| (dead.message_key.to_string(), 1));
        let mut happened: Vec<(String, u32)> = images.chain(dead).collect();
        happened.sort();
        let once: Vec<(String, u32)> = self.heard.iter().map(|event_id| (format!("of:{event_id}"), 1)).collect();
        assert_eq!(happened, once);
    }

    /// What stands in the inbox: segments with their ranges, and ids.
    fn inbox(&self) -> Vec<String> {
        let segments = self.store.rows(InboxSegmentRow::TABLE).into_iter().map(|row| match &row.values[..] {
            [Value::Text(segment), Value::Text(indexes), _] => format!("{segment}: {indexes}"),
            other => panic!("{other:?}"),
        });
        segments.chain(self.rows::<InboxRow>().into_iter().map(|row| row.event_id.to_string())).collect()
    }
}

fn cold() -> Limits {
    Limits { cache_bytes_max: 0, cache_forgets: true, ..Limits::default() }
}

#[test]
fn events_of_a_segment_share_a_row_in_whatever_order_they_come() {
    let mut bench = Bench::new(Limits::default());
    for event_id in ["far-7-2", "far-7-0", "far-8-0", "far-7-5", "far-7-2", "far-7-1", "far-7-0"] {
        bench.hears(event_id);
    }
    bench.finishes();
    assert_eq!(bench.inbox(), ["far-7: 0-2,5", "far-8: 0"]);
    // In other batches, and in another process.
    bench.restarts();
    for event_id in ["far-7-5", "far-7-4", "far-7-3", "far-7-3", "far-8-0"] {
        bench.hears(event_id);
        bench.turns();
    }
    assert_eq!(bench.inbox(), ["far-7: 0-5", "far-8: 0"]);
    bench.judges();
}

#[test]
fn an_id_that_only_looks_like_one_of_a_segment_has_a_row_of_its_own() {
    let of_segments = ["far-7-3", "far-7-0", "far-7-16383", "far-18446744073709551616-3", "k3-f9-7-3", "---7-3"];
    let others = [
        "far-7-03",
        "far-07-3",
        "far-7-+3",
        "far-+7-3",
        "far-0-3",
        "far-7-16384",
        "far-7-65539",
        "far-7-4294967299",
        "far-7-18446744073709551619",
        "far-7-3-",
        "far-7-",
        "far--3",
        "far-3",
        "7-3",
        "-7-3",
        "3",
        "far-7-3x",
        "far-7-3.0",
        "019a0000-0000-7000-8000-000000000003",
        "019a0000-0000-7000-8000-123456789012",
    ];
    for limits in [Limits::default(), cold()] {
        let mut bench = Bench::new(limits);
        for _ in 0..2 {
            for event_id in of_segments.iter().chain(&others) {
                bench.hears(event_id);
            }
            bench.finishes();
        }
        bench.judges();
        let segments = ["---7: 3", "far-18446744073709551616: 3", "far-7: 0,3,16383", "k3-f9-7: 3"];
        assert_eq!(bench.inbox()[..4], segments);
        let ids: BTreeSet<String> = bench.inbox().split_off(4).into_iter().collect();
        assert_eq!(ids, others.map(str::to_owned).into());
    }
}

/// What can happen to the events of two segments.
#[derive(Debug, Clone)]
enum Step {
    Hears(u8, u16),
    Turns,
    Refuses,
    Restarts,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..3_u8, 0..7_u16).prop_map(|(segment, index)| Step::Hears(segment, index)),
        3 => Just(Step::Turns),
        2 => Just(Step::Refuses),
        1 => Just(Step::Restarts),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever comes in whatever order, over batches that are refused and halved, and over restarts.
    #[test]
    fn an_event_takes_effect_once(
        steps in proptest::collection::vec(step(), 0..60),
        batch_messages_max in prop_oneof![Just(1_usize), Just(3), Just(1_024)],
        forgets in any::<bool>(),
    ) {
        let limits = if forgets { cold() } else { Limits::default() };
        let mut bench = Bench::new(Limits { batch_messages_max, ..limits });
        for step in steps {
            match step {
                Step::Hears(segment, index) => bench.hears(&format!("far-{segment}-{index}")),
                Step::Turns => {
                    bench.turns();
                }
                Step::Refuses => {
                    bench.refuses();
                    bench.turns();
                }
                Step::Restarts => bench.restarts(),
            }
        }
        bench.finishes();
        bench.judges();
        let indexes = bench.rows::<InboxSegmentRow>().into_iter().flat_map(|row| {
            row.indexes.iter().map(|index| format!("{}-{index}", row.segment)).collect::<Vec<_>>()
        });
        prop_assert_eq!(&indexes.collect::<BTreeSet<_>>(), &bench.heard);
        prop_assert_eq!(bench.rows::<InboxRow>().len(), 0);
    }
}

#[test]
fn a_segment_is_forgotten_when_its_newest_event_is_old() {
    let kept = Limits::default().inbox_kept;
    let mut bench = Bench::new(Limits::default());
    for event_id in ["far-7-0", "far-8-0", "foreign"] {
        bench.hears(event_id);
    }
    bench.turns();
    bench.clock.advance(kept);
    bench.hears("far-7-1");
    bench.turns();
    bench.forgets();
    assert_eq!(bench.inbox(), ["far-7: 0-1", "far-8: 0", "foreign"], "none is older than it is kept");
    bench.clock.advance(Duration::from_secs(2));
    bench.forgets();
    assert_eq!(bench.inbox(), ["far-7: 0-1"]);
    bench.clock.advance(kept);
    bench.forgets();
    assert_eq!(bench.inbox(), [""; 0]);
}

#[test]
fn a_segment_of_which_an_event_comes_while_it_is_found_to_be_old_stays() {
    let mut bench = Bench::new(Limits::default());
    for event_id in ["far-7-0", "far-8-0"] {
        bench.hears(event_id);
    }
    bench.turns();
    bench.clock.advance(Limits::default().inbox_kept + Duration::from_secs(1));
    let prune = bench.retention.look(bench.core.clock().now()).expect("both are old");
    assert_eq!((prune.inbox_segments.len(), prune.len()), (2, 2));
    bench.hears("far-7-1");
    bench.turns();
    bench.core.accept(Message::Prune(prune));
    bench.turns();
    assert_eq!(bench.inbox(), ["far-7: 0-1"]);
}

#[test]
fn a_row_of_a_segment_that_cannot_be_read_is_no_reason_to_repeat_or_to_drop_and_is_forgotten_in_time() {
    let mut bench = Bench::new(Limits::default());
    bench.hears("far-7-0");
    bench.turns();
    let mut row = bench.store.rows(InboxSegmentRow::TABLE).remove(0);
    row.values[1] = Value::Text("0-".into());
    bench.store.tamper(InboxSegmentRow::TABLE, &row_key(&["far-7"]), Some(row));
    bench.restarts();
    bench.hears("far-7-1");
    bench.finishes();
    assert_eq!(bench.rows::<Image>().len(), 1);
    let dead = bench.rows::<DeadLetterRow>();
    assert!(dead.len() == 2 && dead[0].reason.contains("inbox_segment far-7 cannot be read"), "{dead:?}");
    bench.clock.advance(Limits::default().inbox_kept + Duration::from_secs(1));
    bench.forgets();
    assert_eq!(bench.store.rows(InboxSegmentRow::TABLE).len(), 0);
}

#[test]
fn while_the_inbox_is_held_only_answers_are_forgotten() {
    let mut bench = Bench::new(Limits::default());
    for event_id in ["far-7-0", "foreign"] {
        bench.hears(event_id);
    }
    bench.turns();
    bench.retention.hold_inbox(true);
    bench.clock.advance(Limits::default().inbox_kept * 2);
    bench.forgets();
    assert_eq!(bench.inbox(), ["far-7: 0", "foreign"]);
    assert!(bench.retention.next_at() > bench.core.clock().now(), "it does not look again and again");
    bench.retention.hold_inbox(false);
    assert!(bench.retention.next_at() <= bench.core.clock().now(), "and looks as soon as it may");
    bench.forgets();
    assert_eq!(bench.inbox(), [""; 0]);
}

/// A core with its subscription, step by step.
struct Ear {
    bench: Bench,
    broker: MemoryBroker,
    subscription: Box<dyn Subscription>,
    subscriber: Subscriber,
}

impl Ear {
    fn new(kind: BrokerKind) -> Self {
        let (bench, broker) = (Bench::new(Limits::default()), MemoryBroker::of(kind));
        let subscription = broker.subscribe("t", &["test.far".to_owned()]).expect("the broker is there");
        let (limits, observer) = (Limits::default(), Arc::new(()));
        let subscriber = Subscriber::new(SubscriberSetup { number: 0, registry: toy::registry(), limits, observer });
        Self { bench, broker, subscription, subscriber }
    }

    /// The subscriber does what it can. What it receives is in line, and in no batch.
    fn steps(&mut self) {
        for _ in 0..10 {
            let now = self.bench.clock.monotonic();
            match self.subscriber.next(now, self.bench.core.admission()) {
                SubscriberStep::Acknowledge => {
                    let answer = self.subscription.acknowledge(self.subscriber.committed());
                    self.subscriber.acknowledged(answer, now);
                }
                SubscriberStep::Poll { max, .. } => {
                    let messages = self.subscription.poll(max, Duration::ZERO);
                    for message in self.subscriber.polled(messages, now) {
                        self.bench.core.accept(message);
                    }
                }
                SubscriberStep::AskCaughtUp => {
                    let answer = self.subscription.caught_up();
                    self.subscriber.caught_up(answer, now);
                }
                SubscriberStep::Wait { .. } | SubscriberStep::Release | SubscriberStep::Leave => break,
            }
            self.bench.retention.hold_inbox(self.subscriber.may_repeat());
        }
    }

    fn turns(&mut self) {
        self.bench.finishes();
        self.subscriber.commit(std::mem::take(&mut self.bench.receipts));
    }

    fn faults(&self, faults: BrokerFaults) {
        self.broker.set_faults(faults);
    }

    fn passes(&self, time: Duration) {
        self.bench.clock.advance(time);
    }
}

/// The process runs all the while, and what comes again is still in line when the subscriber has caught up.
#[test]
fn what_comes_again_after_an_outage_is_handled_before_the_inbox_forgets_it() {
    let long = Limits::default().inbox_kept + Duration::from_hours(1);
    let (polling, acknowledging) = (
        BrokerFaults { down: true, ..BrokerFaults::default() },
        BrokerFaults { acknowledging_fails: true, ..BrokerFaults::default() },
    );
    for kind in [BrokerKind::Log, BrokerKind::Queues] {
        for outage in [&polling, &acknowledging] {
            let mut ear = Ear::new(kind);
            ear.steps();
            assert!(!ear.subscriber.may_repeat(), "nothing was there");
            happens(&ear.broker, "far-7-0", "again");
            ear.steps();
            ear.faults(outage.clone());
            ear.turns();
            ear.steps();
            assert!(ear.subscriber.may_repeat());
            ear.passes(long);
            ear.steps();
            ear.bench.forgets();
            assert_eq!(ear.bench.inbox(), ["far-7: 0"]);

            ear.broker.disconnect("t");
            ear.faults(BrokerFaults::default());
            ear.passes(Duration::from_secs(10));
            ear.steps();
            assert!(!ear.subscriber.is_catching_up() && ear.subscriber.may_repeat());
            assert_eq!(ear.bench.core.waiting(), 1, "it has come again");
            // Old rows go before what is in line.
            ear.bench.forgets();
            ear.turns();
            assert_eq!(ear.bench.rows::<Image>().iter().map(|image| image.heard).collect::<Vec<_>>(), [1]);
            ear.steps();
            assert!(!ear.subscriber.may_repeat());
            ear.bench.forgets();
            assert_eq!((ear.bench.inbox().len(), ear.broker.owed("t")), (0, 0));
        }
    }
}

/// Both services in one store, which receives the events of `far`.
fn receiver(broker: &MemoryBroker, store: MemoryStore, clock: &ManualClock) -> Running {
    Plan {
        store,
        clock: clock.clone(),
        registry: toy::registry(),
        broker: Some(broker.clone()),
        hear: vec!["far".to_owned()],
        limits: Limits { broker_stop_wait: Duration::from_millis(1), ..Limits::default() },
        ..Plan::new("t", toy::services())
    }
    .start()
}

fn happens(broker: &MemoryBroker, event_id: &str, name: &str) {
    let event = Happened { name: id(name), after: None };
    let body = toy::stage().envelope(event_id, event).to_json().expect("JSON");
    broker.inject(BrokerMessage::new("test.far", body).with_key(name));
}

#[test]
fn after_an_outage_longer_than_it_is_kept_the_inbox_knows_what_comes_again() {
    for event_id in ["far-7-3", "foreign"] {
        let (broker, clock) = (MemoryBroker::new(), ManualClock::default());
        let first = receiver(&broker, MemoryStore::new(), &clock);
        // Its answer is forgotten with what is old in the inbox: so it is seen that retention has looked.
        let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
        let idempotency = Idempotency { scope: KeyText::literal("s"), key: id("k"), fingerprint: "f".into() };
        let command = CommandMessage::new(add("a", 1), context, |_| StoredAnswer::default());
        assert!(first.answer_to(command.idempotent(Some(idempotency))).is_ok());
        broker.set_faults(BrokerFaults { acknowledging_fails: true, ..BrokerFaults::default() });
        happens(&broker, event_id, "again");
        first.wait_for_quietly::<Image>(id("again"), |image| image.heard == 1);
        let store = first.stop();
        assert_eq!(broker.owed("t"), 1, "it is committed and not acknowledged");

        broker.set_faults(BrokerFaults { down: true, ..BrokerFaults::default() });
        clock.advance(Limits::default().inbox_kept + Duration::from_hours(1));
        let again = receiver(&broker, store, &clock);
        again.wait_for_rows::<IdempotencyRow>(0);
        broker.set_faults(BrokerFaults::default());
        happens(&broker, "far-9-0", "next");
        again.wait_for_quietly::<Image>(id("next"), |image| image.heard == 1);
        broker.wait_until_settled("t");
        assert_eq!(again.row::<Image>(row_key(&["again"])).map(|image| image.heard), Some(1), "{event_id}");
        // It has caught up: what is old may go.
        again.wait_for_rows::<InboxRow>(0);
        again.wait_for_rows::<InboxSegmentRow>(1);
    }
}
