//! Handlers whose rows are not in memory do the same as those whose rows are.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde::{Deserialize, Serialize};
use tradewind_engine::{
    Answer, AnyService, Command, CommandMessage, Context, Core, EngineTime, Entity, Formed, Limits, Message, Outcome,
    Service, Settings, Setup, Stop, StoredAnswer, Uow, ports::Writer,
};
use tradewind_events::{Event, EventKind, Id, Registry, id};
use tradewind_testkit::{CountedIds, ManualClock, Stage, WatchedReader};

/// Walks along a chain of rows, one after the other.
struct Walker;

impl Settings for Walker {
    const SERVICE: &'static str = "walker";
}

#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Walker, table = "stone", key = name)]
struct Stone {
    name: Id,
    next: Option<Id>,
    visits: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event("stone.visited", version = 1, about = stone(name), key = name)]
struct Visited {
    name: Id,
    from: Id,
}

#[derive(Debug, Clone, Command)]
#[command(owner = Walker, name = "lay")]
struct Lay {
    stones: u32,
}

/// Visits the last stone.
#[derive(Debug, Clone, Command)]
#[command(owner = Walker, name = "walk", answer = u32)]
struct Walk {
    from: Id,
}

/// Tells of a stone without having looked at it.
#[derive(Debug, Clone, Command)]
#[command(owner = Walker, name = "claim")]
struct Claim {
    name: Id,
}

fn stone(nth: u32) -> Id {
    id(&format!("stone-{nth}"))
}

#[expect(clippy::unnecessary_wraps, reason = "a command answers")]
fn lay(uow: &mut Uow<Walker>, lay: &Lay) -> Answer<()> {
    for nth in 0..lay.stones {
        let next = (nth + 1 < lay.stones).then(|| stone(nth + 1));
        uow.put(Stone { name: stone(nth), next, visits: 0 });
    }
    Ok(())
}

fn end_of(uow: &mut Uow<Walker>, from: &Id) -> Result<(Stone, u32), Stop> {
    let (mut here, mut steps) = (uow.load::<Stone>(from)?, 0);
    while let Some(next) = &here.next {
        (here, steps) = (uow.load::<Stone>(next)?, steps + 1);
    }
    Ok((here, steps))
}

fn walk(uow: &mut Uow<Walker>, walk: &Walk) -> Answer<u32> {
    let (mut last, steps) = end_of(uow, &walk.from)?;
    last.visits += 1;
    uow.emit(Visited { name: last.name.clone(), from: walk.from.clone() });
    uow.put(last);
    Ok(steps)
}

#[expect(clippy::unnecessary_wraps, reason = "a command answers")]
fn claim(uow: &mut Uow<Walker>, claim: &Claim) -> Answer<()> {
    uow.emit(Visited { name: claim.name.clone(), from: claim.name.clone() });
    Ok(())
}

/// Walks the same way again.
fn follow(uow: &mut Uow<Walker>, visited: &Visited) -> Outcome {
    end_of(uow, &visited.from).map(|_| ())
}

fn walker() -> AnyService {
    Service::new(Walker).owns::<Stone>().command(lay).command(walk).command(claim).on(follow).build()
}

fn registry() -> Registry {
    Registry::new([EventKind::of::<Visited>("walker")])
}

fn cold() -> Limits {
    Limits { cache_forgets: true, ..Limits::default() }
}

/// A stage over a way of so many stones that are not in memory.
fn over(stones: u32, limits: Limits) -> Stage {
    let mut stage = Stage::with([walker()], registry(), Limits::default());
    stage.ask(Lay { stones }).expect("stones can be laid");
    Stage::over(stage.store().clone(), [walker()], registry(), limits)
}

#[test]
fn a_handler_that_reads_row_by_row_ends_however_many_of_them_must_be_loaded() {
    let small = Limits { cache_bytes_max: 1_000, ..Limits::default() };
    for limits in [Limits::default(), small, Limits { cache_bytes_max: 0, ..Limits::default() }, cold()] {
        let mut stage = over(300, limits);
        for visits in 1..=2 {
            assert_eq!(stage.ask(Walk { from: stone(0) }), Ok(299));
            assert_eq!(stage.row::<Stone>(stone(299)).unwrap().visits, visits);
        }
        assert_eq!(stage.dead_letters(), []);
    }
}

#[test]
fn many_handlers_of_one_batch_end_though_each_forgets_what_others_have_loaded() {
    let mut stage = over(40, cold());
    for nth in 0..20 {
        let context = stage.context();
        let walk = Walk { from: stone(nth) };
        stage.accept(Message::Command(CommandMessage::new(walk, context, |_| StoredAnswer::default())));
    }
    stage.run();
    assert_eq!(stage.row::<Stone>(stone(39)).unwrap().visits, 20);
    assert_eq!((stage.said::<Visited>().len(), stage.dead_letters().len()), (20, 0));
}

#[test]
fn a_handler_that_looks_for_too_many_rows_fails_whether_they_are_in_memory_or_not() {
    // The command looks each stone up and writes the last; the reaction looks each up.
    for (stones, fits) in [(49, true), (50, false)] {
        for forgets in [false, true] {
            let mut stage =
                over(stones, Limits { handler_look_ups_max: 50, cache_forgets: forgets, ..Limits::default() });
            for _ in 0..2 {
                let refused = stage.ask(Walk { from: stone(0) }).map_err(|problem| problem.code());
                assert_eq!(refused, if fits { Ok(stones - 1) } else { Err("internal") }, "{stones} {forgets}");
            }
        }
    }
}

#[test]
fn an_event_about_a_row_that_was_not_read_fails_whether_it_is_in_memory_or_not() {
    for forgets in [false, true] {
        let mut stage = over(1, Limits { cache_forgets: forgets, ..Limits::default() });
        stage.ask(Walk { from: stone(0) }).unwrap();
        let problem = stage.ask(Claim { name: stone(0) }).unwrap_err();
        assert_eq!((problem.code(), stage.said::<Visited>().len()), ("internal", 1));
    }
}

/// How many rows are loaded in each of these batches of walks over ten stones, whose reactions walk again.
fn loaded(limits: Limits, batches: &[u32]) -> Vec<usize> {
    let store = over(10, Limits::default()).store().clone();
    let (epoch, mut writer) = store.own();
    let looked_for = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looked_for);
    let reader = WatchedReader::new(store, move |_, keys| {
        counted.fetch_add(keys.len(), Relaxed);
        Ok(())
    });
    let mut core = Core::new(Setup {
        store_name: "way".into(),
        epoch,
        services: vec![walker()],
        registry: registry(),
        reader: Arc::new(reader),
        clock: EngineTime::new(Arc::new(ManualClock::default())),
        ids: Box::new(CountedIds::new("id")),
        limits,
        observer: Arc::new(()),
        log_remote: false,
    })
    .expect("the store in memory can be read");
    looked_for.store(0, Relaxed);
    let batch = |walks: &u32| {
        for _ in 0..*walks {
            let context = Context { request_id: id("r"), correlation_id: id("r"), traceparent: None };
            let walk = Walk { from: stone(0) };
            core.accept(Message::Command(CommandMessage::new(walk, context, |_| StoredAnswer::default())));
        }
        let Formed::Batch(sealed) = core.form().expect("the store in memory can be read") else { panic!("a batch") };
        assert_eq!(sealed.messages(), *walks as usize);
        writer.commit(&sealed.encode().expect("it can be encoded")).expect("the store takes it");
        core.committed();
        looked_for.swap(0, Relaxed)
    };
    batches.iter().map(batch).collect()
}

#[test]
fn rows_are_kept_between_batches_or_forgotten_as_the_bound_says() {
    assert_eq!(loaded(Limits::default(), &[1, 1, 1]), [10, 0, 0]);
    assert_eq!(loaded(Limits { cache_bytes_max: 0, ..Limits::default() }, &[1, 1, 1]), [10, 10, 10]);
}

#[test]
fn a_cache_that_forgets_keeps_within_a_batch_only_what_is_written() {
    // The reaction finds the stone that the command has written, and loads the nine before it again.
    assert_eq!(loaded(cold(), &[1, 1]), [19, 19]);
    assert_eq!(loaded(Limits::default(), &[3, 3]), [10, 0]);
}

#[test]
fn a_batch_takes_no_further_message_beyond_the_rows_that_it_has_loaded() {
    let limits = Limits { batch_rows_max: 3, ..Limits::default() };
    let mut stage = over(10, limits);
    for nth in 0..10 {
        let context = stage.context();
        let walk = Walk { from: stone(nth) };
        stage.accept(Message::Command(CommandMessage::new(walk, context, |_| StoredAnswer::default())));
    }
    stage.run();
    assert_eq!((stage.row::<Stone>(stone(9)).unwrap().visits, stage.dead_letters().len()), (10, 0));
}
