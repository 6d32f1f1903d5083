//! Much that is due at once: it is read once, page by page, and everything else goes on meanwhile.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tradewind_engine::{
    CommandMessage, Context, Core, EngineTime, Entity, Formed, Limits, Message, Setup, StoredAnswer, StoredRow, Table,
    TriedJob, TryOutcome,
    ports::{Commit, List, Phrase, Reader, RowChange, RowWrite, StoreError, Writer},
    segment::Segment,
    tables::{JobRow, JobState, TimerRow},
};
use tradewind_events::{Key, KeyText, Timestamp, id};
use tradewind_testkit::{CountedIds, ManualClock, MemoryStore};

use crate::toy::{self, Bell, Count, add};

/// A page of the window.
const PAGE: usize = 500;

/// A store that counts what is listed.
#[derive(Clone, Default)]
struct Counted {
    store: MemoryStore,
    lists: Arc<AtomicUsize>,
    rows: Arc<AtomicUsize>,
}

impl Counted {
    fn read(&self) -> (usize, usize) {
        (self.lists.load(Ordering::Relaxed), self.rows.load(Ordering::Relaxed))
    }
}

impl Reader for Counted {
    fn load(&self, table: &'static Table, keys: &[Key]) -> Result<Vec<Option<StoredRow>>, StoreError> {
        self.store.load(table, keys)
    }
    fn list(&self, list: &List) -> Result<Vec<StoredRow>, StoreError> {
        let rows = self.store.list(list)?;
        if [TimerRow::TABLE.name, JobRow::TABLE.name].contains(&list.table.name) && !rows.is_empty() {
            self.lists.fetch_add(1, Ordering::Relaxed);
            self.rows.fetch_add(rows.len(), Ordering::Relaxed);
        }
        Ok(rows)
    }
    fn search(&self, list: &List, phrases: &[Phrase], offset: u32) -> Result<Vec<StoredRow>, StoreError> {
        self.store.search(list, phrases, offset)
    }
    fn segments(&self, from: u64, limit: u32) -> Result<Vec<Segment>, StoreError> {
        self.store.segments(from, limit)
    }
    fn last_segment(&self) -> Result<u64, StoreError> {
        self.store.last_segment()
    }
    fn last_commit_at(&self) -> Result<Timestamp, StoreError> {
        self.store.last_commit_at()
    }
}

struct Bench {
    core: Core,
    writer: Box<dyn Writer>,
    reader: Counted,
}

impl Bench {
    /// An engine over a store that holds these rows.
    fn over<E: Entity>(limits: Limits, rows: impl IntoIterator<Item = E>) -> Self {
        let reader = Counted::default();
        let (epoch, mut writer) = reader.store.own();
        let insert = |row: E| RowChange {
            table: E::TABLE,
            key: row.key(),
            write: RowWrite::Insert(StoredRow { values: row.to_row(), version: 1, events: 0 }),
        };
        let rows = rows.into_iter().map(insert).collect();
        writer.commit(&Commit { epoch, at: Timestamp::default(), rows, segment: None }).expect("new rows");
        let core = Core::new(Setup {
            store_name: "due".into(),
            epoch,
            services: toy::services().into(),
            registry: toy::registry(),
            reader: Arc::new(reader.clone()),
            clock: EngineTime::new(Arc::new(ManualClock::default())),
            ids: Box::new(CountedIds::new("id")),
            limits,
            observer: Arc::new(()),
            log_remote: false,
        })
        .expect("the store in memory can be read");
        Self { core, writer: Box::new(writer), reader }
    }

    /// One batch; `false` when there is nothing to do.
    fn batch(&mut self) -> bool {
        match self.core.form().expect("the store in memory can be read") {
            Formed::Nothing => return false,
            Formed::Unchanged => drop(self.core.settled()),
            Formed::Batch(sealed) => {
                self.writer.commit(&sealed.encode().expect("it can be encoded")).expect("the store takes it");
                self.core.committed();
            }
        }
        true
    }

    fn counts(&self) -> Vec<Count> {
        self.reader.store.rows(Count::TABLE).iter().map(|row| Count::from_row(&row.values).expect("a row")).collect()
    }
}

fn overdue() -> Timestamp {
    Timestamp::from_millis(ManualClock::default().now().as_millis() - 60_000)
}

#[test]
fn timers_of_one_millisecond_beyond_any_page_fire_once_each_while_commands_are_taken() {
    let timers = (0..20_000).map(|nth| TimerRow {
        service: KeyText::literal("tally"),
        name: KeyText::literal("reminder"),
        key: id(&format!("n{nth}")),
        due_at: overdue(),
        correlation_id: id("c"),
        attempts: 0,
    });
    let mut bench = Bench::over(Limits { intake_max: 2_000, ..Limits::default() }, timers);
    let mut commands = 0;
    while bench.batch() && commands < 100 {
        assert!(!bench.core.is_full(), "timers take no place from commands");
        let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
        let command = CommandMessage::new(add("command", 2), context, |_| StoredAnswer::default());
        bench.core.accept(Message::Command(command));
        commands += 1;
    }
    let counts = bench.counts();
    let fired = counts.iter().filter(|count| count.name != id("command")).collect::<Vec<_>>();
    assert!(fired.iter().all(|count| count.total == 1));
    assert_eq!((fired.len(), bench.reader.store.rows(TimerRow::TABLE).len()), (20_000, 0));
    assert_eq!(counts.iter().find(|count| count.name == id("command")).map(|count| count.total), Some(2 * commands));
    assert_eq!(bench.reader.read(), (20_000 / PAGE, 20_000));
}

#[test]
fn a_backlog_of_jobs_of_which_few_may_run_is_read_as_they_are_handed_out() {
    let jobs = (0..30_000_u32).map(|nth| JobRow {
        id: id(&format!("j{nth}")),
        service: "tally".into(),
        kind: <Bell as tradewind_engine::Job>::NAME.into(),
        request: "7".into(),
        state: JobState::Waiting,
        attempts: 0,
        due_at: overdue(),
        asked_at: overdue(),
        last_error: None,
        correlation_id: id("c"),
        traceparent: None,
    });
    let mut bench = Bench::over(Limits { jobs_running_max: 4, ..Limits::default() }, jobs);
    let mut out = Vec::new();
    // The provider hangs: the loop turns, and reads nothing more.
    for _ in 0..50 {
        out.extend(bench.core.take_jobs().expect("the store in memory can be read"));
        bench.batch();
    }
    assert_eq!((out.len(), bench.reader.read()), (4, (1, PAGE)));
    let mut done = BTreeSet::new();
    while done.len() < 2_000 {
        for job in out.drain(..) {
            assert!(done.insert(job.id.clone()), "{} is handed out twice", job.id);
            let outcome = TryOutcome::Done("1".to_owned());
            bench.core.accept(Message::Tried(TriedJob { id: job.id.clone(), outcome }));
        }
        bench.batch();
        out = bench.core.take_jobs().expect("the store in memory can be read");
    }
    let (_, rows) = bench.reader.read();
    assert!(rows <= done.len() + out.len() + PAGE, "{rows} rows were read for {} jobs", done.len());
}
