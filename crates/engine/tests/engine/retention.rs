//! What was kept long enough is forgotten, faster than more of it comes, and nothing younger is.

use std::{sync::Arc, time::Duration};

use tradewind_engine::{
    CommandMessage, Context, Core, EngineTime, Entity, Formed, Idempotency, Limits, Message, Prune, Retention, Sealed,
    Setup, StoredAnswer, StoredRow,
    ports::{Commit, Reader, RowChange, RowWrite, Writer},
    tables::{IdempotencyRow, InboxRow},
};
use tradewind_events::{KeyText, Timestamp, id};
use tradewind_testkit::{CountedIds, ManualClock, MemoryStore};

use crate::toy::{self, add};

struct Bench {
    core: Core,
    retention: Retention,
    store: MemoryStore,
    epoch: u64,
    writer: Box<dyn Writer>,
    clock: ManualClock,
    writing: Option<Sealed>,
    asked: u64,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let (store, clock) = (MemoryStore::new(), ManualClock::default());
        let (epoch, writer) = store.own();
        let retention = Retention::new(Arc::new(store.clone()), &limits);
        let core = Core::new(Setup {
            store_name: "old".into(),
            epoch,
            services: toy::services().into(),
            registry: toy::registry(),
            reader: Arc::new(store.clone()),
            clock: EngineTime::new(Arc::new(clock.clone())),
            ids: Box::new(CountedIds::new("id")),
            limits,
            observer: Arc::new(()),
            log_remote: false,
        })
        .expect("the store in memory can be read");
        Self { core, retention, store, epoch, writer: Box::new(writer), clock, writing: None, asked: 0 }
    }

    fn now(&self) -> Timestamp {
        self.core.clock().now()
    }

    fn holds(&mut self, rows: impl Iterator<Item = InboxRow>) {
        let insert = |row: InboxRow| RowChange {
            table: InboxRow::TABLE,
            key: row.key(),
            write: RowWrite::Insert(StoredRow { values: row.to_row(), version: 1, events: 0 }),
        };
        let rows = rows.map(insert).collect();
        let commit = Commit { epoch: self.epoch, at: Timestamp::default(), rows, segment: None };
        self.writer.commit(&commit).expect("new rows");
    }

    fn asks(&mut self) {
        self.asked += 1;
        let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
        let (scope, key) = (KeyText::literal("s"), id(&format!("k{}", self.asked)));
        let command =
            CommandMessage::new(add(&format!("n{}", self.asked % 5), 14), context, |_| StoredAnswer::default());
        let idempotency = Idempotency { scope, key, fingerprint: "f".into() };
        self.core.accept(Message::Command(command.idempotent(Some(idempotency))));
    }

    /// Looks for what is old, as often as it may, and makes a batch while the one before is written.
    fn turns(&mut self) -> Option<Prune> {
        let prune = self.retention.look(self.now());
        if let Some(prune) = &prune {
            self.core.accept(Message::Prune(prune.clone()));
        }
        self.core.extend(usize::MAX).expect("the store in memory can be read");
        let mut settled = Vec::new();
        if let Some(sealed) = self.writing.take() {
            self.writer.commit(&sealed.encode().expect("it can be encoded")).expect("the store takes it");
            settled.extend(self.core.committed());
        }
        match self.core.close() {
            Formed::Nothing => {}
            Formed::Unchanged => settled.extend(self.core.settled()),
            Formed::Batch(sealed) => self.writing = Some(sealed),
        }
        if settled.iter().any(tradewind_engine::Committed::pruned) {
            self.retention.committed();
        }
        prune
    }

    fn is_idle(&self) -> bool {
        self.core.waiting() == 0 && self.core.in_flight() == 0 && self.retention.next_at() > self.now()
    }
}

/// A build for tests forgets 16,000 rows a second.
const ROWS: usize = 100_000;

#[test]
fn a_backlog_of_old_rows_is_forgotten_and_no_younger_one() {
    let limits = Limits::default();
    let (kept, rows_max) = (limits.inbox_kept, 4 * limits.batch_messages_max);
    let answers_kept = limits.idempotency_kept;
    let mut bench = Bench::new(limits);
    let now = bench.now();
    let row = |name: &str, nth: i64, received_at_ms: i64| InboxRow {
        event_id: id(&format!("{name}{nth}")),
        received_at: Timestamp::from_millis(received_at_ms),
    };
    let first_kept_ms = now.as_millis() - i64::try_from(kept.as_millis()).unwrap();
    // Ten in a millisecond: the last ones are as old as may be.
    bench.holds((0..i64::try_from(ROWS).unwrap()).map(|nth| row("old", nth, first_kept_ms - 1 - nth / 10)));
    bench.holds((0..1_000).map(|nth| row("kept", nth, first_kept_ms + nth)));
    let mut forgotten = 0;
    while !bench.is_idle() {
        if let Some(prune) = bench.turns() {
            assert!(prune.inbox.len() <= rows_max && prune.idempotency.is_empty());
            forgotten += prune.inbox.len();
        }
    }
    assert_eq!((forgotten, bench.store.rows(InboxRow::TABLE).len()), (ROWS, 1_000));
    // It looks again when the next one is old; a millisecond alone is not worth it.
    assert_eq!(bench.retention.next_at(), now.plus(Duration::from_secs(1)));
    bench.clock.advance(Duration::from_secs(10));
    while !bench.is_idle() {
        bench.turns();
    }
    assert_eq!(bench.store.rows(InboxRow::TABLE).len(), 0);
    // Whatever comes now is not old before that.
    assert_eq!(bench.retention.next_at(), bench.now().plus(answers_kept).plus(Duration::from_millis(1)));
}

#[test]
fn answers_are_forgotten_faster_than_they_come_while_every_batch_is_full() {
    let kept = Duration::from_hours(1);
    let limits = Limits { batch_messages_max: 20, idempotency_kept: kept, ..Limits::default() };
    let mut bench = Bench::new(limits);
    // Ten seconds a batch of 20 messages: 7,200 answers are younger than an hour.
    for turn in 0..1_500 {
        while bench.core.waiting() < 60 {
            bench.asks();
        }
        let now = bench.now();
        for key in bench.turns().into_iter().flat_map(|prune| prune.idempotency) {
            let row = bench.store.load(IdempotencyRow::TABLE, &[key]).unwrap().pop().flatten().expect("it is there");
            let row = IdempotencyRow::from_row(&row.values).unwrap();
            assert!(now.since(row.created_at) > kept);
        }
        bench.clock.advance(Duration::from_secs(10));
        if turn % 50 == 0 {
            let rows = bench.store.rows(IdempotencyRow::TABLE).len();
            assert!(rows <= 7_200 + 100, "{rows} answers are kept after {turn} batches");
        }
    }
    assert!(bench.asked > 25_000);
}
