//! Orders a second by the number of clients, on a store that is fresh and on one that is not.

use super::{compared, float, rates, violations_of};
use crate::{
    Failure,
    line::Line,
    pairs::{Medians, Turn, by_turns},
    run::World,
    server::Shop,
};

/// Pairs of one line: there are many lines.
const PAIRS_MAX: usize = 3;

/// So many clients, and the names of their rates on a fresh store and on an old one.
const CLIENTS: [(u32, &str, &str); 4] =
    [(1, "fresh_1", "old_1"), (8, "fresh_8", "old_8"), (32, "fresh_32", "old_32"), (256, "fresh_256", "old_256")];

pub fn clients(world: &mut World) -> Result<Vec<Line>, Failure> {
    let (old, old_life) = world.shop()?;
    let before = vec![("orders before", float(world.scale.old))];
    let mut done_by_old = world.load(&old, world.scale.old, &[])?.confirmed;
    let (mut fresh_lines, mut old_lines) = (Vec::new(), Vec::new());
    for (clients, fresh_name, old_name) in CLIENTS {
        let (fresh, fresh_life) = world.shop()?;
        let mut done_by_fresh = 0;
        let medians = rates_of(world, &fresh, clients, &mut done_by_fresh)?;
        fresh_life.stop()?;
        let violations = violations_of(&fresh, done_by_fresh)?;
        fresh_lines.push(Line { violations, ..compared(fresh_name, medians, None) });
        old_lines.push(compared(old_name, rates_of(world, &old, clients, &mut done_by_old)?, None));
    }
    old_life.stop()?;
    let violations = violations_of(&old, done_by_old)?;
    let old_lines = old_lines.into_iter().map(|line| Line { beside: before.clone(), violations, ..line });
    Ok(fresh_lines.into_iter().chain(old_lines).collect())
}

/// Of the shop, beside PostgreSQL with as many clients. One client alone buys less: it takes longer.
fn rates_of(world: &mut World, shop: &Shop, clients: u32, done: &mut u64) -> Result<Medians, Failure> {
    let orders = if clients == 1 { world.scale.http / 4 } else { world.scale.http };
    by_turns(world.scale.pairs.min(PAIRS_MAX), |turn| {
        if turn == Turn::Baseline {
            return Ok(world.one_tx_timed(clients)?.map(|(rate, _)| rate));
        }
        let loaded = rates::load(world, shop, orders, clients)?;
        *done += loaded.confirmed;
        Ok(Some(loaded.ended_per_second()))
    })
}
