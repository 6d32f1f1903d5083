//! How many rows a second a store takes, for batches of 64, 256 and 1,024 orders of 11 rows with one segment a batch:
//! `cargo run --release -p tradewind-sqlite --example commit_rate [directory]`.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tradewind_engine::{
    AnyEntity, Entity, StoredAnswer, StoredRow,
    ports::{Clock, Commit, Ids, List, Reader, RowChange, RowWrite, SystemClock, UuidV7, Writer},
    segment::Segment,
    tables::{AuditRow, CounterRow, IdempotencyRow, JobRow, JobState, TimerRow},
};
use tradewind_events::{Id, Key, KeyText, Timestamp};
use tradewind_sqlite::{Opened, Options, Sqlite};

const ORDERS: u32 = 32 * 1024;
const ROWS_AN_ORDER: u32 = 11;
/// What 15 compressed events take in the log.
const SEGMENT_BYTES_AN_ORDER: usize = 900;
/// More than a batch changes: a row is written once a commit, however often it changed.
const HOT_ROWS: usize = 4_096;
/// Rows that are read back.
const LOADED: u32 = 10_000;

/// Makes orders as a shop would: new rows in the order of time, and updates of hot ones.
struct Shop {
    ids: UuidV7,
    hot_versions: Vec<u64>,
    next_hot: usize,
    segment: u64,
    epoch: u64,
    request: Arc<str>,
    body: Arc<[u8]>,
}

fn main() {
    let directory = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    for batch in [1, 64, 256, 1024] {
        let path = directory.join(format!("commit_rate_{}_{batch}.db", std::process::id()));
        let options = Options::new("rate", ["orders"], SystemClock.wall());
        let opened = Sqlite::open(&path, &options).expect("the directory can be written");
        run(opened, batch, if batch == 1 { ORDERS / 16 } else { ORDERS });
        for end in ["", "-wal", "-shm", ".lock"] {
            let _removed = std::fs::remove_file(format!("{}{end}", path.display()));
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn run(Opened { mut writer, reader, meta, .. }: Opened, batch: u32, orders: u32) {
    let mut shop = Shop::new(meta.epoch);
    writer.commit(&shop.open()).expect("the first rows");
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..orders / batch {
        let commit = shop.orders(batch);
        took.push(timed(|| writer.commit(&commit).expect("a batch")));
    }
    let total: Duration = took.iter().sum();
    took.sort();
    let per_second = f64::from(orders) / total.as_secs_f64();
    let at = |hundredth: usize| took[(took.len() - 1) * hundredth / 100].as_secs_f64() * 1e3;
    println!(
        "batch {batch:>4}: {per_second:>7.0} orders/s {:>8.0} rows/s  commit ms p50 {:.2} p99 {:.2} max {:.2}",
        per_second * f64::from(ROWS_AN_ORDER),
        at(50),
        at(99),
        at(100),
    );
    let list = List::of(JobRow::TABLE, LOADED);
    let rows = reader.list(&list).expect("a page");
    let keys: Vec<Key> = rows.iter().map(|row| JobRow::from_row(&row.values).expect("a job").key()).collect();
    let loads = timed(|| {
        for chunk in keys.chunks(64) {
            reader.load(JobRow::TABLE, chunk).expect("rows");
        }
    });
    println!("            load by 64: {:.1} µs a row", loads.as_secs_f64() * 1e6 / f64::from(LOADED));
}

#[expect(clippy::disallowed_methods, reason = "this measures")]
fn timed(what: impl FnOnce()) -> Duration {
    let start = Instant::now();
    what();
    start.elapsed()
}

impl Shop {
    fn new(epoch: u64) -> Self {
        let request = format!("{{\"order\":\"{}\"}}", "x".repeat(280));
        Self {
            ids: UuidV7::default(),
            hot_versions: vec![1; HOT_ROWS],
            next_hot: 0,
            segment: 0,
            epoch,
            request: request.as_str().into(),
            body: request.as_bytes().into(),
        }
    }

    fn open(&mut self) -> Commit {
        let rows = (0..HOT_ROWS).map(|nth| insert(&counter(nth))).collect();
        Commit { epoch: self.epoch, at: SystemClock.wall(), rows, segment: None }
    }

    fn orders(&mut self, orders: u32) -> Commit {
        let at = SystemClock.wall();
        let mut rows = Vec::new();
        for _ in 0..orders {
            self.order(at, &mut rows);
        }
        for _ in 0..orders * 2 {
            let nth = self.next_hot;
            self.next_hot = (nth + 389) % HOT_ROWS;
            rows.push(self.update(nth));
        }
        self.segment += 1;
        let segment = Segment {
            number: self.segment,
            committed_at: at,
            events: orders * 15,
            directory: vec![0; 12],
            blocks: [7; SEGMENT_BYTES_AN_ORDER].repeat(usize::try_from(orders).expect("a batch is small")),
        };
        Commit { epoch: self.epoch, at, rows, segment: Some(segment) }
    }

    fn order(&mut self, at: Timestamp, rows: &mut Vec<RowChange>) {
        let order = self.ids.next(at);
        rows.push(insert(&IdempotencyRow {
            scope: KeyText::literal("shopper POST /orders"),
            key: order.clone(),
            fingerprint: "0123456789abcdef".into(),
            answer: StoredAnswer { status: 202, location: None, body: self.body.to_vec() },
            created_at: at,
        }));
        rows.push(insert(&TimerRow {
            service: KeyText::literal("orders"),
            name: KeyText::literal("deadline"),
            key: order.clone(),
            due_at: at,
            correlation_id: order.clone(),
            attempts: 0,
        }));
        for _ in 0..5 {
            rows.push(insert(&self.job(at, &order)));
        }
        for _ in 0..2 {
            rows.push(insert(&AuditRow {
                id: self.ids.next(at),
                at,
                actor: "shop".into(),
                action: "ledger".into(),
                target: order.shared(),
                detail: "{}".into(),
            }));
        }
    }

    fn job(&mut self, at: Timestamp, order: &Id) -> JobRow {
        JobRow {
            id: self.ids.next(at),
            service: "payments".into(),
            kind: "capture".into(),
            request: Arc::clone(&self.request),
            state: JobState::Waiting,
            attempts: 0,
            due_at: at,
            asked_at: at,
            last_error: None,
            correlation_id: order.clone(),
            traceparent: None,
        }
    }

    fn update(&mut self, nth: usize) -> RowChange {
        let row = counter(nth);
        let expected_version = self.hot_versions[nth];
        self.hot_versions[nth] += 1;
        let stored = StoredRow { values: row.row(), version: expected_version + 1, events: 0 };
        RowChange {
            table: CounterRow::TABLE,
            key: row.row_key(),
            write: RowWrite::Update { expected_version, row: stored },
        }
    }
}

fn counter(nth: usize) -> CounterRow {
    CounterRow::new(KeyText::new(format!("sku-{nth}")).expect("a name"), KeyText::literal("location"))
}

fn insert(row: &dyn AnyEntity) -> RowChange {
    let stored = StoredRow { values: row.row(), version: 1, events: 0 };
    RowChange { table: row.table(), key: row.row_key(), write: RowWrite::Insert(stored) }
}
