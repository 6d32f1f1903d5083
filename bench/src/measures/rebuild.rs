//! The read models made again from nothing, beside the orders that made them first.

use super::{compared, float, violations_of};
use crate::{
    Failure,
    line::{Line, Target},
    pairs::{Turn, by_turns},
    run::World,
    store,
};

pub fn rebuild(world: &mut World) -> Result<Vec<Line>, Failure> {
    let (shop, life) = world.shop()?;
    life.stop()?;
    let mut confirmed = 0;
    let medians = by_turns(world.scale.pairs, |turn| match turn {
        Turn::Baseline => {
            let (life, before) = (shop.start()?, store::events(&shop.store)?);
            let loaded = world.load(&shop, world.scale.http, &[])?;
            life.stop()?;
            confirmed += loaded.confirmed;
            let an_order = float(store::events(&shop.store)? - before) / float(loaded.confirmed);
            Ok(Some(loaded.ended_per_second() * an_order))
        }
        Turn::Ours => {
            store::forget_read_models(&shop.store)?;
            Ok(Some(float(store::events(&shop.store)?) / shop.rebuild()?.as_secs_f64()))
        }
    })?;
    let violations = violations_of(&shop, confirmed)?;
    Ok(vec![Line { unit: "events/s", violations, ..compared("rebuild", medians, Target::AtLeast(3.0)) }])
}
