//! How long a shop is away that was killed in the middle of its work.

use super::{absolute, float};
use crate::{
    Failure, host,
    line::{Line, Target},
    pairs::median,
    run::World,
    store,
};

/// So much of a load is done before the shop is killed.
const BEFORE: u64 = 4;

/// The longest that a load may take to come so far.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(2);

pub fn restart(world: &mut World) -> Result<Vec<Line>, Failure> {
    let (shop, life) = world.shop()?;
    let order = shop.first_good()?;
    let mut life = Some(life);
    let mut took = Vec::new();
    for round in 0..world.scale.pairs {
        let settled = store::settled(&shop.store)?;
        let load = shop.load_meanwhile(world.scale.http, &[])?;
        let enough = settled + world.scale.http / BEFORE;
        let at_peak = host::until(PATIENCE, || store::settled(&shop.store).is_ok_and(|now| now >= enough));
        if let Some(life) = life.take() {
            life.kill()?;
        }
        drop(load);
        if !at_peak {
            return Err("the load does not come to its peak".into());
        }
        let start = host::now();
        life = Some(shop.start()?);
        shop.first_answer("/v1/orders", &order, &format!("first-{round}"))?;
        took.push(start.elapsed().as_secs_f64() * 1e3);
    }
    if let Some(life) = life {
        life.stop()?;
    }
    let audited = shop.audit()?;
    let violations = audited.violations + u64::try_from(audited.owed)?;
    let beside = vec![("settled before", float(store::settled(&shop.store)?))];
    Ok(vec![Line { beside, violations, ..absolute("restart", median(took), "ms", Target::AtMost(500.0)) }])
}
