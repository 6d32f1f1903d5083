//! A service is paused when it fails for many, not when many messages of one fail.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tradewind_engine::{
    AnyService, Entity, Limits, Outcome, Service, Settings, Stop, Timer, Uow, operator::Action, tables::ConsumerRow,
};
use tradewind_events::{Event, EventKind, Id, Registry, id};
use tradewind_testkit::Stage;

/// Fails whatever it is asked to do.
struct Clumsy;

impl Settings for Clumsy {
    const SERVICE: &'static str = "clumsy";
}

#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Clumsy, table = "shard", key = name)]
struct Shard {
    name: Id,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event("vase.handed", version = 1, about = vase(name), key = name, party = owner)]
struct Handed {
    name: Id,
    owner: Option<Id>,
    /// Drop it later.
    #[serde(default)]
    later: bool,
}

const DROP: Timer<Clumsy> = Timer::new("drop");

fn take(uow: &mut Uow<Clumsy>, handed: &Handed) -> Outcome {
    if handed.later {
        uow.set_timer(&DROP, &handed.name, uow.now().plus(Duration::from_secs(1)));
        return Ok(());
    }
    Err(Stop::broken(format!("{} is dropped", handed.name)))
}

fn drop_it(_uow: &mut Uow<Clumsy>, name: &Id) -> Outcome {
    Err(Stop::broken(format!("{name} is dropped")))
}

fn clumsy() -> AnyService {
    Service::new(Clumsy).owns::<Shard>().on(take).timer(DROP, drop_it).build()
}

fn stage() -> Stage {
    let limits = Limits { clock_jump_max: Duration::MAX, ..Limits::default() };
    Stage::with([clumsy()], Registry::new([EventKind::of::<Handed>("potter")]), limits)
}

/// A vase that follows from a request of its own, unless it is said otherwise.
struct Vase<'a> {
    name: &'a str,
    owner: Option<&'a str>,
    request: Option<&'a str>,
}

fn hand(stage: &mut Stage, nth: u32, vase: &Vase<'_>) {
    let handed = Handed { name: id(vase.name), owner: vase.owner.map(id), later: false };
    let mut envelope = stage.envelope(&format!("e{nth}"), handed);
    envelope.correlation_id = id(vase.request.unwrap_or(&format!("request-of-{nth}")));
    stage.hear_envelope(envelope);
}

fn is_paused(stage: &Stage) -> bool {
    stage.row::<ConsumerRow>(id("clumsy")).is_some_and(|row| row.paused)
}

#[test]
fn messages_of_one_key_do_not_pause_a_service_however_many_fail() {
    let mut stage = stage();
    for nth in 0..300 {
        hand(&mut stage, nth, &Vase { name: "ming", owner: None, request: None });
    }
    assert_eq!((stage.dead_letters().len(), is_paused(&stage)), (300, false));
}

#[test]
fn messages_of_one_request_do_not_pause_a_service_however_many_fail() {
    let mut stage = stage();
    for nth in 0..300 {
        hand(&mut stage, nth, &Vase { name: &format!("v{nth}"), owner: None, request: Some("r") });
    }
    assert_eq!((stage.dead_letters().len(), is_paused(&stage)), (300, false));
}

#[test]
fn messages_of_one_customer_do_not_pause_a_service_however_many_orders_fail() {
    let mut stage = stage();
    for nth in 0..300 {
        hand(&mut stage, nth, &Vase { name: &format!("v{nth}"), owner: Some("ada"), request: None });
    }
    assert_eq!((stage.dead_letters().len(), is_paused(&stage)), (300, false));
}

#[test]
fn failures_of_many_customers_pause_a_service_once_more_than_the_bound_are_unrelated() {
    let mut stage = stage();
    for nth in 0..110 {
        let owner = format!("o{nth}");
        hand(&mut stage, 2 * nth, &Vase { name: &format!("a{nth}"), owner: Some(&owner), request: None });
        hand(&mut stage, 2 * nth + 1, &Vase { name: &format!("b{nth}"), owner: Some(&owner), request: None });
        assert_eq!(is_paused(&stage), nth >= 100, "after {nth}");
    }
    // Two of each of a hundred owners, and the one that was too much. What came after it waits.
    assert_eq!((stage.dead_letters().len(), stage.parked().len()), (201, 19));
    let row = stage.row::<ConsumerRow>(id("clumsy")).unwrap();
    assert!(row.reason.unwrap().contains("more than 100 unrelated causes"));
}

#[test]
fn a_service_that_is_resumed_while_it_is_still_broken_is_paused_again() {
    let mut stage = stage();
    for round in 0..3 {
        for nth in 0..101 {
            let nth = 1_000 * round + nth;
            hand(&mut stage, nth, &Vase { name: &format!("v{nth}"), owner: None, request: None });
        }
        assert!(is_paused(&stage), "in round {round}");
        stage.operate(Action::Resume { consumer: id("clumsy") }).unwrap();
    }
}

#[test]
fn failures_that_are_rare_do_not_pause_a_service_though_their_sum_is_large() {
    let mut stage = stage();
    for nth in 0..400 {
        hand(&mut stage, nth, &Vase { name: &format!("v{nth}"), owner: None, request: None });
        stage.advance(Duration::from_secs(1));
    }
    assert_eq!((stage.dead_letters().len(), is_paused(&stage)), (400, false));
}

#[test]
fn timers_of_one_name_do_not_pause_a_service_however_many_fail() {
    let mut stage = stage();
    for nth in 0..300 {
        stage.hear(Handed { name: id(&format!("v{nth}")), owner: None, later: true });
    }
    stage.advance(Duration::from_secs(2));
    assert_eq!((stage.dead_letters().len(), is_paused(&stage)), (300, false));
}
