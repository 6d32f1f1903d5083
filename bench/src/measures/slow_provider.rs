//! Orders that need no payment provider, while a provider hangs and calls of it pile up.

use std::path::Path;

use tradewind_events::PaymentMethod;

use super::{MB, compared, float, violations_of};
use crate::{
    Failure, host,
    line::{Line, Target},
    pairs::{Turn, by_turns},
    run::World,
    server::{Life, Shop},
    shop::{self, Market},
    store,
};

/// Orders that are under way at a time while a shop is prepared.
const UNDER_WAY: usize = 4_096;

/// A call that was given up is due again only after a while. So many more than are wanted are made, of a hundred and besides.
const MORE_PERCENT: u64 = 1;
const MORE: u64 = 32;

pub fn slow_provider(world: &mut World) -> Result<Vec<Line>, Failure> {
    let wanted = world.scale.overdue;
    let orders = wanted + wanted * MORE_PERCENT / 100 + MORE;
    let start = host::now();
    // Of one age: what is left is the calls.
    let (quiet, quiet_life) = prepared(world, orders, PaymentMethod::Balance)?;
    let (slow, slow_life) = prepared(world, orders, PaymentMethod::Card)?;
    let prepared_in = start.elapsed().as_secs_f64();
    let (mut quiet_confirmed, mut slow_confirmed, mut least_overdue) = (orders, 0, u64::MAX);
    let medians = by_turns(world.scale.pairs, |turn| {
        let (shop, confirmed) = match turn {
            Turn::Baseline => (&quiet, &mut quiet_confirmed),
            Turn::Ours => (&slow, &mut slow_confirmed),
        };
        let loaded = world.load(shop, world.scale.http, &[])?;
        *confirmed += loaded.confirmed;
        if turn == Turn::Ours {
            least_overdue = least_overdue.min(store::overdue(&slow.store)?);
        }
        Ok(Some(loaded.ended_per_second()))
    })?;
    if least_overdue < wanted {
        return Err(format!("only {least_overdue} calls of the provider were overdue").into());
    }
    let (memory, memory_without) = (slow_life.resident_bytes()?, quiet_life.resident_bytes()?);
    slow_life.stop()?;
    quiet_life.stop()?;
    let violations = violations_of(&quiet, quiet_confirmed)? + violations_of(&slow, slow_confirmed)?;
    let beside = vec![
        ("overdue jobs", float(least_overdue)),
        ("MB in memory", float(memory) / MB),
        ("MB without", float(memory_without) / MB),
        ("prepared in s", prepared_in),
    ];
    Ok(vec![Line { beside, violations, ..compared("slow_provider", medians, Target::AtLeast(0.9)) }])
}

/// A shop with so many orders, whose provider hangs.
fn prepared(world: &mut World, orders: u64, paid_by: PaymentMethod) -> Result<(Shop, Life), Failure> {
    let shop = world.new_shop()?;
    place(&shop.store, u64::from(world.scale.market), orders, paid_by)?;
    shop.in_world(&["--hanging-provider"])?.open()
}

/// Inside this process, where it takes seconds.
fn place(store: &Path, market: u64, orders: u64, paid_by: PaymentMethod) -> Result<(), Failure> {
    let market = Market { skus: market, customers: market, lines: 2, paid_by };
    let shop = shop::Shop::open(store, market, UNDER_WAY)?;
    shop.place(0..orders, 1)?;
    shop.settle()?;
    shop.stop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_card_leave_a_call_each_and_others_none() {
        let folder = std::env::temp_dir().join(format!("tradewind-bench-slow-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (paid_by, overdue, settled) in [(PaymentMethod::Balance, 0, 50), (PaymentMethod::Card, 50, 0)] {
            let store = folder.join(format!("{paid_by}.db"));
            place(&store, 5, 50, paid_by).unwrap();
            assert_eq!(
                (store::overdue(&store).unwrap(), store::settled(&store).unwrap()),
                (overdue, settled),
                "{paid_by}"
            );
            assert_eq!(store::audit(&store).unwrap().violations, 0, "{paid_by}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
