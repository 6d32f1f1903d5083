//! What a batch that the store refuses has come to counts for nothing, and what is run again counts once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tradewind_engine::{
    CommandMessage, Context, Core, EngineTime, Entity, Formed, Handled, Limits, Message, Observer, Setup, StoredAnswer,
    ports::{CommitError, Writer},
    tables::{AuditRow, ConsumerRow, DeadLetterRow},
};
use tradewind_events::{Value, id};
use tradewind_testkit::{CountedIds, ManualClock, MemoryStore};

use crate::toy::{self, Count, POISON, add};

/// Dead letters, and handlers that were done.
#[derive(Default)]
struct Seen {
    dead: AtomicUsize,
    done: AtomicUsize,
}

impl Observer for Seen {
    fn handled(&self, _: &'static str, _: &'static str, _: std::time::Duration, how: Handled) {
        match how {
            Handled::Dead => self.dead.fetch_add(1, Ordering::Relaxed),
            Handled::Done => self.done.fetch_add(1, Ordering::Relaxed),
            Handled::Refused | Handled::Parked => 0,
        };
    }
}

/// Asks for all of these in one batch, and runs until all is settled.
fn asked(store: &MemoryStore, dead_letters_a_minute_max: u32, commands: &[(&str, i64)]) -> (usize, usize) {
    let (epoch, mut writer) = store.own();
    let seen = Arc::new(Seen::default());
    let mut core = Core::new(Setup {
        store_name: "refused".into(),
        epoch,
        services: toy::services().into(),
        registry: toy::registry(),
        reader: Arc::new(store.clone()),
        clock: EngineTime::new(Arc::new(ManualClock::default())),
        ids: Box::new(CountedIds::new("id")),
        limits: Limits { dead_letters_a_minute_max, ..Limits::default() },
        observer: Arc::clone(&seen) as Arc<dyn Observer>,
        log_remote: false,
    })
    .expect("the store in memory can be read");
    for (name, amount) in commands {
        let context = Context {
            request_id: id(&format!("r-{name}")),
            correlation_id: id(&format!("r-{name}")),
            traceparent: None,
        };
        core.accept(Message::Command(CommandMessage::new(add(name, *amount), context, |_| StoredAnswer::default())));
    }
    loop {
        match core.form().expect("the store in memory can be read") {
            Formed::Nothing => break,
            Formed::Unchanged => drop(core.settled()),
            Formed::Batch(sealed) => match writer.commit(&sealed.encode().expect("it can be encoded")) {
                Ok(()) => drop(core.committed()),
                Err(error) => core.failed(error).expect("a message is at fault"),
            },
        }
    }
    (seen.dead.load(Ordering::Relaxed), seen.done.load(Ordering::Relaxed))
}

fn refuse(store: &MemoryStore, times: u32) {
    for _ in 0..times {
        let reason = "simulated".to_owned();
        store.fail_next_commit(CommitError::Constraint { table: "(any)".to_owned(), reason });
    }
}

#[test]
fn dead_letters_and_handlers_of_a_batch_that_is_run_in_halves_count_once() {
    let store = MemoryStore::new();
    refuse(&store, 3);
    let commands = [("a", 1), ("b", POISON), ("c", 1), ("d", 1), ("e", POISON), ("f", 1), ("g", 1), ("h", 1)];
    // A command, and the two that hear of it; of the poisoned ones only the command.
    assert_eq!(asked(&store, 100, &commands), (2, 6 * 3 + 2));
    assert_eq!(store.rows(DeadLetterRow::TABLE).len(), 2);
}

#[test]
fn dead_letters_that_never_become_durable_pause_nobody() {
    let store = MemoryStore::new();
    store.rule(Count::TABLE.name, |row| {
        let is_bad = matches!(&row.values[0], Value::Text(name) if name.starts_with("bad"));
        is_bad.then(|| "bad".to_owned())
    });
    // Each is refused alone, and with it what it has led to.
    let commands = [("bad1", POISON), ("bad2", POISON), ("bad3", POISON), ("good", 1)];
    assert_eq!(asked(&store, 1, &commands), (0, 3));
    assert_eq!((store.rows(DeadLetterRow::TABLE).len(), store.rows(ConsumerRow::TABLE).len()), (0, 0));
}

#[test]
fn a_service_is_paused_once_although_its_batch_is_run_again() {
    let store = MemoryStore::new();
    refuse(&store, 1);
    let commands = [("a", POISON), ("b", POISON), ("c", POISON), ("d", POISON), ("e", 1), ("f", 1)];
    asked(&store, 1, &commands);
    assert_eq!((store.rows(ConsumerRow::TABLE).len(), store.rows(AuditRow::TABLE).len()), (1, 1));
}
