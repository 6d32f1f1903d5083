//! A shop with one client or none.

use std::fs;

use super::{MB, absolute, compared, float, violations_of};
use crate::{
    Failure, commit_alone,
    line::{Line, Target},
    pairs::{Turn, by_turns, median},
    run::World,
};

/// The whole order: sent, settled, durable, answered.
pub fn idle_latency(world: &mut World) -> Result<Vec<Line>, Failure> {
    let (shop, life) = world.shop()?;
    let (file, alone) = (world.folder()?.join("alone.db"), world.scale.alone);
    let (mut confirmed, mut slow) = (0, Vec::new());
    let medians = by_turns(world.scale.pairs, |turn| match turn {
        Turn::Baseline => Ok(Some(commit_alone::median_seconds(&file, alone)? * 1e3)),
        Turn::Ours => {
            let loaded = shop.load(u64::from(alone), &["--concurrency", "1"])?;
            confirmed += loaded.confirmed;
            slow.push(loaded.p99_micros / 1e3);
            Ok(Some(loaded.p50_micros / 1e3))
        }
    })?;
    life.stop()?;
    let violations = violations_of(&shop, confirmed)?;
    let beside = vec![("p99 ms", median(slow))];
    let compared = compared("idle_latency", medians, Target::AtMost(4.0));
    Ok(vec![Line { unit: "ms", beside, violations, ..compared }])
}

/// After a start at which nobody signs in: that takes memory on purpose.
pub fn memory_idle(world: &mut World) -> Result<Vec<Line>, Failure> {
    let mut bytes = Vec::new();
    for _ in 0..world.scale.pairs {
        let (shop, life) = world.shop()?;
        life.stop()?;
        let life = shop.start()?;
        bytes.push(float(life.resident_bytes()?) / MB);
        life.stop()?;
    }
    Ok(vec![absolute("memory_idle", median(bytes), "MB", Target::AtMost(40.0))])
}

pub fn binary(world: &mut World) -> Result<Vec<Line>, Failure> {
    let bytes = fs::metadata(&world.binary)?.len();
    Ok(vec![absolute("binary", float(bytes) / MB, "MB", Target::AtMost(45.0))])
}
