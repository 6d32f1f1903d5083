//! A shop that has done a million orders: as fast as a fresh one, how large in memory, how large on the disk.

use super::{MB, absolute, compared, float, violations_of};
use crate::{
    Failure,
    line::{Line, Target},
    pairs::{Turn, by_turns},
    run::World,
    store,
};

pub fn aged(world: &mut World) -> Result<Vec<Line>, Failure> {
    let (old, old_life) = world.shop()?;
    let (fresh, fresh_life) = world.shop()?;
    let mut done_by_old = world.load(&old, world.scale.aged, &[])?.confirmed;
    let memory = old_life.resident_bytes()?;
    let mut done_by_fresh = 0;
    let medians = by_turns(world.scale.pairs, |turn| {
        let (shop, done) = match turn {
            Turn::Baseline => (&fresh, &mut done_by_fresh),
            Turn::Ours => (&old, &mut done_by_old),
        };
        let loaded = world.load(shop, world.scale.http, &[])?;
        *done += loaded.confirmed;
        Ok(Some(loaded.ended_per_second()))
    })?;
    fresh_life.stop()?;
    old_life.stop()?;
    let violations = violations_of(&fresh, done_by_fresh)? + violations_of(&old, done_by_old)?;
    let disk = float(store::bytes(&old.store)) / float(done_by_old) / 1e3;
    let orders = ("orders", float(world.scale.aged));
    Ok(vec![
        Line { beside: vec![orders], violations, ..compared("aged", medians, Target::AtLeast(0.9)) },
        Line {
            beside: vec![orders],
            violations,
            ..absolute("memory_aged", float(memory) / MB, "MB", Target::AtMost(250.0))
        },
        Line { violations, ..absolute("disk", disk, "KB/order", Target::AtMost(3.0)) },
    ])
}
