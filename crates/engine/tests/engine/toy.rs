//! Two small services: `tally` counts what it is told, `mirror` repeats what it hears, with every way to fail.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tradewind_engine::{
    Answer, AnyService, Command, Entity, Finished, Job, Limits, OrRefuse, Outcome, Refusal, Service, Settings, Stop,
    Timer, Uow,
};
use tradewind_events::{Event, EventKind, Id, Registry, Timestamp, id, row_key};
use tradewind_testkit::Stage;

pub struct Tally;
pub struct Mirror;

impl Settings for Tally {
    const SERVICE: &'static str = "tally";
}
impl Settings for Mirror {
    const SERVICE: &'static str = "mirror";
}

#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Tally, table = "tally", key = name)]
pub struct Count {
    pub name: Id,
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(owner = Mirror, table = "image", key = name)]
pub struct Image {
    pub name: Id,
    pub total: i64,
    pub heard: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("tally.counted", version = 1, about = tally(name), key = name)]
pub struct Counted {
    pub name: Id,
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("image.changed", version = 1, about = image(name), key = name)]
pub struct Changed {
    pub name: Id,
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("far.happened", version = 1, about = far(name), key = name)]
pub struct Happened {
    pub name: Id,
    /// Wait for the image of this name.
    pub after: Option<Id>,
}

#[derive(Debug, Clone, Command)]
#[command(owner = Tally, name = "add", answer = i64, key = name)]
pub struct Add {
    pub name: Id,
    pub amount: i64,
}

pub fn add(name: &str, amount: i64) -> Add {
    Add { name: id(name), amount }
}

#[derive(Debug, Clone, Command)]
#[command(owner = Tally, name = "remind", key = name)]
pub struct Remind {
    pub name: Id,
    pub at: Option<Timestamp>,
}

#[derive(Debug, Clone, Command)]
#[command(owner = Tally, name = "ring", key = name)]
pub struct Ring {
    pub name: Id,
}

/// A job outside.
pub struct Bell;

impl Job for Bell {
    type Owner = Tally;
    type Request = i64;
    type Reply = i64;
    const NAME: &'static str = "bell";
}

pub const TOO_SMALL: Refusal = Refusal::invalid("too_small", "The amount is not positive.");
pub const POISON: i64 = 13;
pub const ENDLESS: i64 = 1_000;
/// A total of which nobody can be reminded.
pub const UNLUCKY: i64 = 17;
/// A reply to the bell that is too early for a count that nobody has begun.
pub const EARLY: i64 = 99;
pub const REMINDER: Timer<Tally> = Timer::new("reminder");

fn count(uow: &mut Uow<Tally>, add: &Add) -> Answer<i64> {
    Some(()).filter(|()| add.amount > 0).or_refuse(|| TOO_SMALL.problem().at("amount"))?;
    let mut count = uow.get::<Count>(&add.name)?.unwrap_or_else(|| Count { name: add.name.clone(), total: 0 });
    count.total = count.total.checked_add(add.amount).ok_or_else(|| Stop::broken("the total overflows"))?;
    uow.emit(Counted { name: add.name.clone(), total: count.total });
    let total = count.total;
    uow.put(count);
    Ok(total)
}

#[expect(clippy::unnecessary_wraps, reason = "a command answers")]
fn remind(uow: &mut Uow<Tally>, remind: &Remind) -> Answer<()> {
    match remind.at {
        Some(at) => uow.set_timer(&REMINDER, &remind.name, at),
        None => uow.cancel_timer(&REMINDER, &remind.name),
    }
    Ok(())
}

fn reminded(uow: &mut Uow<Tally>, name: &Id) -> Outcome {
    if uow.get::<Count>(name)?.is_some_and(|count| count.total == UNLUCKY) {
        return Err(Stop::broken("seventeen is no number"));
    }
    count(uow, &Add { name: name.clone(), amount: 1 }).map(|_| ())
}

#[expect(clippy::unnecessary_wraps, reason = "a command answers")]
fn ring(uow: &mut Uow<Tally>, ring: &Ring) -> Answer<()> {
    uow.request_job::<Bell>(&ring.name, &7);
    Ok(())
}

fn rang(uow: &mut Uow<Tally>, bell: &Finished<Bell>) -> Outcome {
    assert_ne!(bell.reply, POISON, "the bell is broken");
    if bell.reply == EARLY {
        uow.wait_for::<Count>(&bell.key)?;
    }
    count(uow, &Add { name: bell.key.clone(), amount: bell.reply }).map(|_| ())
}

fn mirror(uow: &mut Uow<Mirror>, counted: &Counted) -> Outcome {
    let before = uow.get::<Image>(&counted.name)?;
    let heard = before.map_or(0, |image| image.heard) + 1;
    uow.put(Image { name: counted.name.clone(), total: counted.total, heard });
    uow.emit(Changed { name: counted.name.clone(), total: counted.total });
    assert_ne!(counted.total, POISON, "thirteen");
    Ok(())
}

/// Hears what it says itself, without an end for one number.
fn echo(uow: &mut Uow<Mirror>, changed: &Changed) -> Outcome {
    if changed.total == ENDLESS {
        uow.load::<Image>(&changed.name)?;
        uow.emit(changed.clone());
    }
    Ok(())
}

fn happen(uow: &mut Uow<Mirror>, happened: &Happened) -> Outcome {
    if let Some(after) = &happened.after {
        uow.wait_for::<Image>(after)?;
    }
    if happened.name == id("wanderer") {
        let elsewhere = uow.new_id();
        uow.get::<Image>(row_key(&[&format!("{elsewhere}.x")]))?;
    }
    if happened.name.as_str().starts_with("nowhere") {
        return Err(Stop::broken("nowhere is no place"));
    }
    let heard = uow.get::<Image>(&happened.name)?.map_or(0, |image| image.heard) + 1;
    uow.put(Image { name: happened.name.clone(), total: 0, heard });
    Ok(())
}

pub fn services() -> [AnyService; 2] {
    [tally(), mirror_service()]
}

pub fn tally() -> AnyService {
    Service::new(Tally)
        .owns::<Count>()
        .command(count)
        .command(remind)
        .command(ring)
        .timer(REMINDER, reminded)
        .finished(rang)
        .build()
}

pub fn mirror_service() -> AnyService {
    Service::new(Mirror).owns::<Image>().on(mirror).on(echo).on(happen).build()
}

/// The same, but it does not hear what it says itself.
pub fn quiet_mirror() -> AnyService {
    Service::new(Mirror).owns::<Image>().on(mirror).on(happen).build()
}

pub fn registry() -> Registry {
    Registry::new([
        EventKind::of::<Counted>("tally"),
        EventKind::of::<Changed>("mirror"),
        EventKind::of::<Happened>("far"),
    ])
}

pub fn stage() -> Stage {
    Stage::with(services(), registry(), Limits::default())
}

/// Nothing stays in memory from one batch to the next.
pub fn forgetful_stage() -> Stage {
    Stage::with(services(), registry(), Limits { cache_bytes_max: 0, ..Limits::default() })
}

pub fn text(bytes: &Arc<[u8]>) -> &str {
    std::str::from_utf8(bytes).expect("a message is JSON")
}
