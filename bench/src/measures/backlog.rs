//! Orders over HTTP, while events of another store arrive.

use std::time::Duration;

use super::{MB, compared, float, violations_in};
use crate::{
    Failure, complain, host,
    line::{Line, Target},
    pairs::{Turn, by_turns, median},
    registrations::SOURCE,
    run::World,
    server::{Life, Shop},
    shop::services,
    store,
};

/// The longest that the rest of the events may take after the last order, and how often it is looked.
const REST_MAX: Duration = Duration::from_mins(15);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A shop that has identity in another store. A million users have registered there, and for each payments opens an account,
/// notifications keeps an address, and the log takes both events.
pub fn backlog(world: &mut World) -> Result<Vec<Line>, Failure> {
    let events = world.scale.backlog;
    let (identity, identity_life) = world.shop()?;
    let (quiet, quiet_life) = part(world, &identity, 0)?;
    let (busy, busy_life) = part(world, &identity, events)?;
    busy_life.pause()?;
    let (mut confirmed, mut refused, mut memory) = ([0; 2], 0, 0);
    let (mut heard, mut heard_in, mut p99s) = (0, Duration::ZERO, Vec::new());
    let medians = by_turns(world.scale.pairs, |turn| {
        if turn == Turn::Baseline {
            let loaded = world.load(&quiet, world.scale.http, &[])?;
            confirmed[0] += loaded.confirmed;
            refused += loaded.others;
            return Ok(Some(loaded.ended_per_second()));
        }
        busy_life.resume()?;
        let (before, start) = (store::registered(&busy.store)?, host::now());
        let loaded = world.load(&busy, world.scale.http, &[])?;
        let (after, took) = (store::registered(&busy.store)?, start.elapsed());
        memory = memory.max(busy_life.resident_bytes()?);
        busy_life.pause()?;
        confirmed[1] += loaded.confirmed;
        refused += loaded.others;
        (heard, heard_in) = (heard + after - before, heard_in + took);
        p99s.push(loaded.p99_micros / 1e3);
        if after == events {
            complain("all events had arrived before the load ended: the turn does not count");
            return Ok(None);
        }
        Ok(Some(loaded.ended_per_second()))
    })?;
    busy_life.resume()?;
    let (before, start) = (store::registered(&busy.store)?, host::now());
    let all = || store::registered(&busy.store).is_ok_and(|heard| heard == events);
    host::until_every(LOOK_EVERY, REST_MAX, all);
    let (after, took) = (store::registered(&busy.store)?, start.elapsed());
    busy_life.stop()?;
    quiet_life.stop()?;
    identity_life.stop()?;
    let violations = violations_of_part(&quiet, confirmed[0])? + violations_of_part(&busy, confirmed[1])?;
    let beside = vec![
        ("p99 ms", median(p99s)),
        ("refused", float(refused)),
        ("MB in memory", float(memory) / MB),
        ("events during the load", float(heard)),
        ("events/s during it", float(heard) / heard_in.as_secs_f64()),
        ("events/s after it", float(after - before) / took.as_secs_f64()),
        ("events in all", float(after)),
    ];
    let violations = violations + refused + (events - after);
    Ok(vec![Line { beside, violations, ..compared("backlog", medians, Target::AtLeast(0.5)) }])
}

/// What identity has published is not in the store of a part.
fn violations_of_part(shop: &Shop, confirmed: u64) -> Result<u64, Failure> {
    let services: Vec<_> = services().into_iter().filter(|service| service.name != SOURCE).collect();
    violations_in(&store::audit_of(&shop.store, &services)?, shop, confirmed)
}

/// The part without identity, at whose broker so many events wait.
fn part(world: &mut World, identity: &Shop, events: u64) -> Result<(Shop, Life), Failure> {
    world.new_shop()?.in_world(&["--backlog", &events.to_string()])?.open_beside(identity)
}
