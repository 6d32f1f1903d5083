//! Orders a second: beside PostgreSQL, and beside ourselves under other conditions.

use serde_json::Value;

use super::{MB, compared, float, violations_of};
use crate::{
    Failure,
    line::{Line, RATE, Target},
    pairs::{Medians, Turn, by_turns, median},
    run::World,
    server::{Loaded, Shop},
    store,
};

/// How many clients buy at a time; the count that is the fastest for the shop is measured, as for PostgreSQL.
const CLIENTS: [u32; 3] = [64, 128, 256];

/// So many clients of a shop with little to do, the name of their rate, and that of their slowest hundredth.
const FEW: [(u32, &str, Option<&str>); 2] = [(8, "http_8", Some("p99_8")), (32, "http_32", None)];

pub fn one_tx(world: &mut World) -> Result<Vec<Line>, Failure> {
    let mut rates = Vec::new();
    for _ in 0..world.scale.pairs {
        rates.extend(world.one_tx()?);
    }
    let clients = f64::from(world.postgres_clients());
    Ok(vec![Line {
        name: "one_tx",
        ours: median(rates),
        baseline: None,
        ratio: None,
        unit: RATE,
        target: None,
        beside: vec![("clients", clients)],
        violations: 0,
    }])
}

pub fn embedded_in_process(world: &mut World) -> Result<Vec<Line>, Failure> {
    let mut all_told = Vec::new();
    let medians = by_turns(world.scale.pairs, |turn| {
        if turn == Turn::Baseline {
            return world.one_tx();
        }
        let told = world.in_process(&[])?;
        let rate = number(&told, "settled_per_second");
        all_told.push(told);
        Ok(Some(rate))
    })?;
    let of_all = |name| median(all_told.iter().map(|told| number(told, name)));
    let beside = vec![
        ("with jobs", of_all("settled_per_second_with_jobs")),
        ("cpu µs/order", of_all("cpu_micros_an_order")),
        ("rows/order", of_all("rows_an_order")),
        ("events/order", of_all("events_an_order")),
        ("bytes/order", of_all("bytes_an_order")),
        ("messages/batch", of_all("messages_a_batch")),
    ];
    let violations = all_told.iter().map(violations).sum();
    Ok(vec![Line { beside, violations, ..compared("embedded_in_process", medians, Target::AtLeast(3.0)) }])
}

pub fn embedded_http(world: &mut World) -> Result<Vec<Line>, Failure> {
    let (shop, life) = world.shop()?;
    let mut warm_up = Vec::new();
    for clients in CLIENTS {
        warm_up.push((clients, load(world, &shop, world.scale.http, clients)?));
    }
    let by_rate =
        |one: &&(u32, Loaded), other: &&(u32, Loaded)| one.1.ended_per_second().total_cmp(&other.1.ended_per_second());
    let clients = warm_up.iter().max_by(by_rate).map_or(CLIENTS[0], |fastest| fastest.0);
    let mut loads = Vec::new();
    let medians = by_turns(world.scale.pairs, |turn| {
        if turn == Turn::Baseline {
            return world.one_tx();
        }
        let loaded = load(world, &shop, world.scale.http, clients)?;
        loads.push(loaded);
        Ok(Some(loaded.ended_per_second()))
    })?;
    let memory = life.resident_bytes()?;
    life.stop()?;
    let placed = warm_up.iter().map(|(_, loaded)| loaded).chain(&loads).map(|loaded| loaded.confirmed).sum();
    let violations = violations_of(&shop, placed)?;
    let of_all = |figure: fn(&Loaded) -> f64| median(loads.iter().map(figure));
    let beside = vec![
        ("clients", f64::from(clients)),
        ("p50 ms", of_all(|loaded| loaded.p50_micros) / 1e3),
        ("p99 ms", of_all(|loaded| loaded.p99_micros) / 1e3),
        ("events/order", float(store::events(&shop.store)?) / float(placed)),
        ("bytes/order", float(store::bytes(&shop.store)) / float(placed)),
        ("MB in memory", float(memory) / MB),
    ];
    Ok(vec![Line { beside, violations, ..compared("embedded_http", medians, Target::AtLeast(1.5)) }])
}

/// So many clients buy so many orders.
pub(super) fn load(world: &World, shop: &Shop, orders: u64, clients: u32) -> Result<Loaded, Failure> {
    world.load(shop, orders, &["--concurrency", &clients.to_string()])
}

/// A few clients, as most shops have: each waits for its order before it sends the next. Beside as many of PostgreSQL.
pub fn few_clients(world: &mut World) -> Result<Vec<Line>, Failure> {
    let (shop, life) = world.shop()?;
    let mut confirmed = 0;
    let mut lines = Vec::new();
    for (clients, rate_name, p99_name) in FEW {
        let (mut baseline_p99, mut p99s) = (None, Vec::new());
        let medians = by_turns(world.scale.pairs, |turn| {
            if turn == Turn::Baseline {
                let timed = world.one_tx_timed(clients)?;
                baseline_p99 = timed.map(|(_, p99)| p99 / 1e3);
                return Ok(timed.map(|(rate, _)| rate));
            }
            let loaded = load(world, &shop, world.scale.http, clients)?;
            confirmed += loaded.confirmed;
            p99s.push((baseline_p99, Some(loaded.p99_micros / 1e3)));
            Ok(Some(loaded.ended_per_second()))
        })?;
        lines.push(compared(rate_name, medians, Target::AtLeast(1.0)));
        if let Some(name) = p99_name {
            lines.push(Line { unit: "ms", ..compared(name, Medians::of(&p99s), Target::AtMost(2.0)) });
        }
    }
    life.stop()?;
    let violations = violations_of(&shop, confirmed)?;
    Ok(lines.into_iter().map(|line| Line { violations, ..line }).collect())
}

/// Inside one process, where nothing hides what it costs. An order for one SKU has one line, so all have.
pub fn hot_sku(world: &mut World) -> Result<Vec<Line>, Failure> {
    let mut violated = 0;
    let medians = by_turns(world.scale.pairs, |turn| {
        let told = world.in_process(match turn {
            Turn::Baseline => &["--lines", "1"],
            Turn::Ours => &["--lines", "1", "--skus", "1"],
        })?;
        violated += violations(&told);
        Ok(Some(number(&told, "settled_per_second")))
    })?;
    Ok(vec![Line { violations: violated, ..compared("hot_sku", medians, Target::AtLeast(0.9)) }])
}

pub fn failing(world: &mut World) -> Result<Vec<Line>, Failure> {
    let (shop, life) = world.shop()?;
    let (mut confirmed, mut rejected) = (0, 0);
    let medians = by_turns(world.scale.pairs, |turn| {
        let fail: &[&str] = match turn {
            Turn::Baseline => &[],
            Turn::Ours => &["--declined", "10", "--out-of-stock", "5"],
        };
        let loaded = world.load(&shop, world.scale.http, fail)?;
        confirmed += loaded.confirmed;
        rejected += loaded.rejected;
        Ok(Some(loaded.ended_per_second()))
    })?;
    life.stop()?;
    let violations = violations_of(&shop, confirmed)?;
    let beside = vec![("confirmed", float(confirmed)), ("rejected", float(rejected))];
    Ok(vec![Line { beside, violations, ..compared("failing", medians, Target::AtLeast(0.85)) }])
}

fn number(told: &Value, name: &str) -> f64 {
    told[name].as_f64().unwrap_or_default()
}

/// What the audit of a run inside one process has found; an order that is not settled counts too.
fn violations(told: &Value) -> u64 {
    let count = |name: &str| told[name].as_u64().unwrap_or(1);
    count("violations") + count("owed") + count("orders").abs_diff(count("settled"))
}
