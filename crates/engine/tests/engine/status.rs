//! The status of a running engine: it never looks idle while something is on its way.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use tradewind_engine::{
    CommandMessage, Context, EngineTime, Handle, Limits, Parts, Setup, StoredAnswer,
    ports::{Commit, CommitError, Writer},
};
use tradewind_events::id;
use tradewind_testkit::{CountedIds, ManualClock, MemoryStore};

use crate::toy::{self, add};

/// Looks at the status while its commit stands in the store and the engine does not know of it yet.
struct Looking<W> {
    writer: W,
    engine: Arc<OnceLock<Handle>>,
    /// Commits for which no batch was shown.
    unseen: Arc<AtomicUsize>,
}

impl<W: Writer> Writer for Looking<W> {
    fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        self.writer.commit(commit)?;
        if self.engine.wait().status().in_flight == 0 {
            self.unseen.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[test]
fn a_batch_is_shown_as_in_flight_before_its_commit_stands() {
    let (store, engine, unseen) = (MemoryStore::new(), Arc::new(OnceLock::new()), Arc::new(AtomicUsize::new(0)));
    let (epoch, writer) = store.own();
    let writer = Looking { writer, engine: Arc::clone(&engine), unseen: Arc::clone(&unseen) };
    let setup = Setup {
        store_name: "looked-at".into(),
        epoch,
        services: vec![toy::tally()],
        registry: toy::registry(),
        reader: Arc::new(store),
        clock: EngineTime::new(Arc::new(ManualClock::default())),
        ids: Box::new(CountedIds::new("id")),
        limits: Limits::default(),
        observer: Arc::new(()),
        log_remote: false,
    };
    let parts = Parts { writer: Box::new(writer), workers: Vec::new(), brokers: Vec::new() };
    let handle = Handle::start(setup, parts).unwrap();
    assert!(engine.set(handle.clone()).is_ok());
    for _ in 0..2_000 {
        let (sender, answered) = mpsc::channel();
        let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
        let message = CommandMessage::new(add("a", 1), context, |_| StoredAnswer::default());
        let reply = move |answer: Result<_, _>| sender.send(answer.is_ok()).expect("the test waits for its answer");
        handle.submit(message.reply(reply)).unwrap();
        assert_eq!(answered.recv(), Ok(true));
    }
    assert_eq!((handle.stop(), unseen.load(Ordering::Relaxed)), (None, 0));
}
