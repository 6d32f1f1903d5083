//! What is looked for in the store, and what cannot be there.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tradewind_engine::{
    Answer, Command, CommandMessage, Context, Core, EngineTime, Entity, Formed, Limits, Message, Outcome, Service,
    Settings, Setup, StoredAnswer, Uow,
    ports::{List, Reader, Writer},
};
use tradewind_events::{Event, EventKind, Id, Registry, id};
use tradewind_testkit::{CountedIds, ManualClock, MemoryStore, WatchedReader};

struct Author;
/// Keeps a note for every event that it hears, under the event's id.
struct Clerk;

impl Settings for Author {
    const SERVICE: &'static str = "author";
}
impl Settings for Clerk {
    const SERVICE: &'static str = "clerk";
}

#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Author, table = "page", key = page_id)]
struct Page {
    page_id: Id,
}

#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Clerk, table = "note", key = event_id)]
struct Note {
    event_id: Id,
    times: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event("page.written", version = 1, about = page(page_id), key = page_id)]
struct Written {
    page_id: Id,
}

#[derive(Debug, Clone, Command)]
#[command(owner = Author, name = "write", key = page_id)]
struct Write {
    page_id: Id,
}

#[expect(clippy::unnecessary_wraps, reason = "a command answers")]
fn write(uow: &mut Uow<Author>, write: &Write) -> Answer<()> {
    uow.put(Page { page_id: write.page_id.clone() });
    uow.emit(Written { page_id: write.page_id.clone() });
    Ok(())
}

fn note(uow: &mut Uow<Clerk>, _written: &Written) -> Outcome {
    let event_id = uow.cause().id.clone();
    let known = uow.get::<Note>(&event_id)?;
    uow.put(Note { event_id, times: known.map_or(0, |note| note.times) + 1 });
    Ok(())
}

#[test]
fn a_row_under_the_id_of_an_event_that_was_just_said_is_not_looked_for() {
    let (store, tables) = (MemoryStore::new(), Arc::new(Mutex::new(Vec::new())));
    let (epoch, mut writer) = store.own();
    let asked_for = Arc::clone(&tables);
    let reader = WatchedReader::new(store.clone(), move |table, keys| {
        asked_for.lock().expect("no test has panicked").extend(keys.iter().map(|_| table.name));
        Ok(())
    });
    let mut core = Core::new(Setup {
        store_name: "office".into(),
        epoch,
        services: vec![
            Service::new(Author).owns::<Page>().command(write).build(),
            Service::new(Clerk).owns::<Note>().on(note).build(),
        ],
        registry: Registry::new([EventKind::of::<Written>("author")]),
        reader: Arc::new(reader),
        clock: EngineTime::new(Arc::new(ManualClock::default())),
        ids: Box::new(CountedIds::new("id")),
        limits: Limits::default(),
        observer: Arc::new(()),
        log_remote: false,
    })
    .expect("the store in memory can be read");
    for nth in 0..5 {
        tables.lock().expect("no test has panicked").clear();
        for page in ["left", "right"] {
            let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
            let write = Write { page_id: id(&format!("{page}-{nth}")) };
            core.accept(Message::Command(CommandMessage::new(write, context, |()| StoredAnswer::default())));
        }
        let Formed::Batch(sealed) = core.form().expect("the store in memory can be read") else { panic!("a batch") };
        writer.commit(&sealed.encode().expect("it can be encoded")).expect("the store takes it");
        core.committed();
        assert_eq!(*tables.lock().expect("no test has panicked"), ["page", "page"], "somebody else chose their names");
    }
    let notes = store.list(&List::of(Note::TABLE, 100)).expect("the store in memory can be read");
    assert_eq!(notes.len(), 10);
}
