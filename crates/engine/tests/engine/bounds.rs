//! Bounds of a batch and of an event: what is too much waits for the next batch, or is refused.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tradewind_engine::{
    Answer, AnyService, Command, CommandMessage, Context, Core, EVENT_BYTES_MAX, EngineTime, Entity, Formed, Gate,
    Handling, Limits, Message, Outcome, Service, Settings, Setup, StoredAnswer, Uow, ports::Writer,
};
use tradewind_events::{Event, EventKind, Id, Registry, id};
use tradewind_testkit::{CountedIds, ManualClock, MemoryStore, Stage};

use crate::toy;

/// Says what it is told to, whatever its length.
struct Crier;
/// Repeats it, a thousand times.
struct Herald;

impl Settings for Crier {
    const SERVICE: &'static str = "crier";
}
impl Settings for Herald {
    const SERVICE: &'static str = "herald";
}

#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Crier, table = "voice", key = name)]
struct Voice {
    name: Id,
    text: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Herald, table = "banner", key = name)]
struct Banner {
    name: Id,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event("voice.cried", version = 1, about = voice(name), key = name)]
struct Cried {
    name: Id,
    text: Arc<str>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event("banner.shown", version = 1, about = banner(name), key = name)]
struct Shown {
    name: Id,
    text: String,
}

#[derive(Debug, Clone, Command)]
#[command(owner = Crier, name = "cry")]
struct Cry {
    /// A new one when absent, whose row need not be looked for.
    name: Option<Id>,
    text: Arc<str>,
}

fn cry(name: &str, text: &str) -> Cry {
    Cry { name: Some(id(name)), text: text.into() }
}

fn new_cry(text: &str) -> Cry {
    Cry { name: None, text: text.into() }
}

#[expect(clippy::unnecessary_wraps, reason = "a command answers")]
fn cries(uow: &mut Uow<Crier>, cry: &Cry) -> Answer<()> {
    let name = cry.name.clone().unwrap_or_else(|| uow.new_id());
    uow.put(Voice { name: name.clone(), text: Arc::clone(&cry.text) });
    uow.emit(Cried { name, text: Arc::clone(&cry.text) });
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every handler")]
fn repeats(uow: &mut Uow<Herald>, cried: &Cried) -> Outcome {
    uow.put(Banner { name: cried.name.clone() });
    uow.emit(Shown { name: cried.name.clone(), text: cried.text.repeat(1_000) });
    Ok(())
}

fn crier() -> AnyService {
    Service::new(Crier).owns::<Voice>().command(cries).build()
}

fn herald() -> AnyService {
    Service::new(Herald).owns::<Banner>().on(repeats).build()
}

fn registry() -> Registry {
    Registry::new([EventKind::of::<Cried>("crier"), EventKind::of::<Shown>("herald")])
}

fn stage() -> Stage {
    Stage::with([crier(), herald()], registry(), Limits::default())
}

/// Forms batches of these commands, and counts the events of each.
fn batches<C: Command>(
    services: impl IntoIterator<Item = AnyService>,
    clock: &ManualClock,
    limits: Limits,
    commands: impl IntoIterator<Item = C>,
) -> Vec<usize> {
    let store = MemoryStore::new();
    let (epoch, mut writer) = store.own();
    let mut core = Core::new(Setup {
        store_name: "bounds".into(),
        epoch,
        services: services.into_iter().collect(),
        registry: Registry::new(registry().kinds().chain(toy::registry().kinds()).copied()),
        reader: Arc::new(store),
        clock: EngineTime::new(Arc::new(clock.clone())),
        ids: Box::new(CountedIds::new("id")),
        limits,
        observer: Arc::new(()),
        log_remote: false,
    })
    .expect("the store in memory can be read");
    for command in commands {
        let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
        core.accept(Message::Command(CommandMessage::new(command, context, |_| StoredAnswer::default())));
    }
    let mut counts = Vec::new();
    while let Formed::Batch(sealed) = core.form().expect("the store in memory can be read") {
        counts.push(sealed.events());
        let commit = sealed.encode().expect("what services say can be encoded");
        writer.commit(&commit).expect("the store in memory takes it");
        core.committed();
    }
    counts
}

#[test]
fn a_batch_takes_no_further_message_beyond_its_bytes() {
    let limits = Limits { batch_bytes_max: 10_000, ..Limits::default() };
    // A row and an event of a thousand bytes each.
    let commands = (0..20).map(|_| new_cry(&"x".repeat(1_000)));
    assert_eq!(batches([crier()], &ManualClock::default(), limits, commands), [5, 5, 5, 5]);
}

#[test]
fn a_message_that_is_more_than_a_batch_is_one_by_itself() {
    let limits = Limits { batch_bytes_max: 10, ..Limits::default() };
    let commands = (0..3).map(|_| new_cry("much"));
    assert_eq!(batches([crier()], &ManualClock::default(), limits, commands), [1, 1, 1]);
}

/// Every handler takes a tenth of a second.
struct Slow(ManualClock);

impl Gate for Slow {
    fn before(&self, _handling: &Handling<'_>) {}

    fn after(&self, _handling: &Handling<'_>) {
        self.0.advance(std::time::Duration::from_millis(100));
    }
}

#[test]
fn a_batch_takes_no_further_message_beyond_its_time_but_finishes_its_cascade() {
    let clock = ManualClock::default();
    let before = clock.now();
    let slow: Arc<dyn Gate> = Arc::new(Slow(clock.clone()));
    let services = toy::services().map(|service| service.gated(&slow));
    let commands = (0..9).map(|nth| toy::add(&format!("n{nth}"), 1));
    // Two events follow from each of the three messages that have begun within a quarter of a second.
    assert_eq!(batches(services, &clock, Limits::default(), commands), [6, 6, 6]);
    assert!(clock.now().since(before) > 3 * Limits::default().batch_forming_max);
}

#[test]
fn a_command_whose_event_would_be_too_large_is_refused_and_changes_nothing() {
    let mut stage = Stage::with([crier()], registry(), Limits::default());
    let around = r#"{"name":"a","text":""}"#.len();
    let fits = "x".repeat(EVENT_BYTES_MAX - around);
    stage.ask(cry("a", &fits)).unwrap();
    assert_eq!(stage.said::<Cried>().len(), 1);
    // Escaped, a control character takes six bytes.
    for too_large in [format!("{fits}x"), "\u{1}".repeat(EVENT_BYTES_MAX / 6)] {
        let problem = stage.ask(cry("b", &too_large)).unwrap_err();
        assert_eq!(problem.code(), "event_too_large");
        assert!(problem.detail.starts_with("voice.cried has 9830"), "{}", problem.detail);
    }
    assert_eq!((stage.row::<Voice>(id("b")), stage.said::<Cried>().len()), (None, 1));
}

#[test]
fn a_reaction_whose_event_would_be_too_large_is_a_dead_letter_and_leaves_no_trace() {
    let mut stage = stage();
    stage.ask(cry("a", &"x".repeat(1_000))).unwrap();
    assert_eq!((stage.said_names(), stage.row::<Banner>(id("a"))), (vec!["voice.cried"], None));
    let [dead] = &stage.dead_letters()[..] else { panic!("one dead letter") };
    assert_eq!((&*dead.consumer, &*dead.name), ("herald", "voice.cried"));
    assert!(dead.reason.contains("event_too_large: banner.shown has 1000"), "{}", dead.reason);
    stage.ask(cry("b", "short")).unwrap();
    assert_eq!(stage.row::<Banner>(id("b")), Some(Banner { name: id("b") }));
}
