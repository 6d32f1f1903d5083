//! Workers of several kinds: one whose calls hang takes nothing from the others, and no stop waits for it for ever.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use tradewind_engine::{
    Answer, AnyService, Command, Entity, Finished, Job, Limits, Outcome, Service, Settings, TryOutcome, Uow, Worker,
    tables::{JobRow, JobState},
};
use tradewind_events::{Id, id};
use tradewind_testkit::{MemoryStore, Plan, Running};

use crate::toy::{self, Count, Ring};

/// Has a gong, a job of another kind than the toy's bell.
struct Tower;

impl Settings for Tower {
    const SERVICE: &'static str = "tower";
}

#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Tower, table = "stroke", key = name)]
struct Stroke {
    name: Id,
}

#[derive(Debug, Clone, Command)]
#[command(owner = Tower, name = "strike", key = name)]
struct Strike {
    name: Id,
}

struct Gong;

impl Job for Gong {
    type Owner = Tower;
    type Request = ();
    type Reply = ();
    const NAME: &'static str = "gong";
}

#[expect(clippy::unnecessary_wraps, reason = "a command answers")]
fn strike(uow: &mut Uow<Tower>, strike: &Strike) -> Answer<()> {
    uow.request_job::<Gong>(&strike.name, &());
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every handler")]
fn struck(uow: &mut Uow<Tower>, gong: &Finished<Gong>) -> Outcome {
    uow.put(Stroke { name: gong.key.clone() });
    Ok(())
}

fn tower() -> AnyService {
    Service::new(Tower).owns::<Stroke>().command(strike).finished(struck).build()
}

struct Striker;

impl Worker for Striker {
    fn kind(&self) -> &'static str {
        "gong"
    }

    fn run(&self, _key: &Id, _request: &str, _attempt: u32) -> TryOutcome {
        TryOutcome::Done("null".to_owned())
    }
}

/// Does not come back until the test lets it go.
struct Hanging {
    begun: AtomicUsize,
    begins: mpsc::Sender<()>,
    let_go: Mutex<mpsc::Receiver<()>>,
}

impl Worker for Hanging {
    fn kind(&self) -> &'static str {
        "bell"
    }

    fn run(&self, _key: &Id, _request: &str, _attempt: u32) -> TryOutcome {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.begins.send(()).unwrap_or_default();
        // Until the other end is dropped.
        self.let_go.lock().unwrap_or_else(PoisonError::into_inner).recv().unwrap_or_default();
        TryOutcome::Unknown("no answer".to_owned())
    }
}

/// The worker, what it tells when a call begins, and what holds its calls.
fn hanging() -> (Arc<Hanging>, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (begins, begun) = mpsc::channel();
    let (hold, let_go) = mpsc::channel();
    let worker = Hanging { begun: AtomicUsize::new(0), begins, let_go: Mutex::new(let_go) };
    (Arc::new(worker), begun, hold)
}

fn start(store: MemoryStore, workers: Vec<Arc<dyn Worker>>) -> Running {
    Plan {
        store,
        registry: toy::registry(),
        limits: Limits { jobs_stop_wait: Duration::ZERO, ..Limits::default() },
        workers,
        ..Plan::new("t", toy::services().into_iter().chain([tower()]))
    }
    .start()
}

fn rings(running: &Running, count: usize) {
    for nth in 0..count {
        running.ask(Ring { name: id(&format!("r{nth}")) }).expect("it can be asked for");
    }
}

/// Patient enough for a slow machine; a call that never begins fails the test.
fn wait_for(begun: &mpsc::Receiver<()>, calls: usize) {
    for _ in 0..calls {
        begun.recv_timeout(Duration::from_secs(20)).expect("the call begins");
    }
}

#[test]
fn a_kind_whose_calls_hang_takes_nothing_from_the_others() {
    let (worker, begun, hold) = hanging();
    let running = start(MemoryStore::new(), vec![worker, Arc::new(Striker)]);
    rings(&running, 40);
    wait_for(&begun, 8);
    for nth in 0..40 {
        let name = id(&format!("s{nth}"));
        running.ask(Strike { name: name.clone() }).unwrap();
        running.wait_for_quietly::<Stroke>(name, |_| true);
    }
    drop(hold);
}

#[test]
fn a_stop_does_not_wait_for_a_call_that_hangs_and_begins_none_that_waits_in_line() {
    let (worker, begun, hold) = hanging();
    let running = start(MemoryStore::new(), vec![Arc::clone(&worker) as Arc<dyn Worker>]);
    rings(&running, 20);
    wait_for(&begun, 8);
    running.stop();
    drop(hold);
    while Arc::strong_count(&worker) > 1 {
        std::thread::yield_now();
    }
    assert_eq!(worker.begun.load(Ordering::SeqCst), 8);
}

#[test]
fn a_job_that_nobody_does_here_waits_and_says_so() {
    let (worker, _begun, hold) = hanging();
    let running = start(MemoryStore::new(), vec![worker]);
    running.ask(Strike { name: id("s") }).unwrap();
    let job = running.wait_for_quietly::<JobRow>(id("s"), |job| job.last_error.is_some());
    assert_eq!(job.state, JobState::Waiting);
    assert_eq!(job.last_error.as_deref(), Some("nobody does jobs of kind gong here"));
    drop(hold);
}

/// Notes the keys that it is asked under.
struct Noting(mpsc::Sender<Id>);

impl Worker for Noting {
    fn kind(&self) -> &'static str {
        "bell"
    }

    fn run(&self, key: &Id, request: &str, _attempt: u32) -> TryOutcome {
        self.0.send(key.clone()).unwrap_or_default();
        TryOutcome::Done(request.to_owned())
    }
}

#[test]
fn a_call_that_hung_at_a_stop_is_asked_again_after_the_start_under_its_key() {
    let (worker, begun, hold) = hanging();
    let running = start(MemoryStore::new(), vec![worker]);
    rings(&running, 1);
    wait_for(&begun, 1);
    let store = running.stop();
    let (keys, asked) = mpsc::channel();
    let again = start(store, vec![Arc::new(Noting(keys))]);
    assert_eq!(again.wait_for::<Count>(id("r0"), |_| true).total, 7);
    drop(hold);
    assert_eq!(again.stop().rows(<Count as Entity>::TABLE).len(), 1);
    assert_eq!(asked.iter().collect::<Vec<_>>(), [id("r0")]);
}
