//! A fresh process with `query` alone, which takes everything that the others have published, beside orders that make
//! events in one process.

use std::{fs, time::Duration};

use super::{MB, compared, float, violations_of};
use crate::{
    Failure, host, http,
    line::{Line, Target},
    pairs::{Turn, by_turns},
    run::World,
    server::{Shop, free_port},
    split::{Kind, Shared},
    store,
};

const QUERY: &str = "query";
const REST: &str = "identity,catalog,inventory,carts,orders,payments,shipping,notifications";

/// The longest that all events may take.
const DRAIN_MAX: Duration = Duration::from_mins(10);

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The figure of a process that counts what it has received.
const RECEIVED: &str = "tradewind_received_events_total{";

pub fn drain(world: &mut World) -> Result<Vec<Line>, Failure> {
    let kafka = Kind::Kafka.start(world)?;
    let (folder, port) = (world.folder()?, free_port()?);
    let rest = Shop::new(&world.binary, &folder)?;
    let peers = [("rest", rest.port(), REST), ("query", port, QUERY)];
    let shared = Shared::new(&folder, &peers, (Kind::Kafka, &kafka))?;
    let (rest, life) = shared.part(rest, REST).open()?;
    let orders = rest.load(world.scale.drain, &[])?.confirmed;
    let (whole, whole_life) = world.shop()?;
    let (mut confirmed, mut memory, mut received, mut violations) = (0, 0, 0, 0);
    let medians = by_turns(world.scale.pairs, |turn| {
        if turn == Turn::Baseline {
            let before = store::events(&whole.store)?;
            let loaded = world.load(&whole, world.scale.http, &["--concurrency", "128"])?;
            confirmed += loaded.confirmed;
            let an_order = float(store::events(&whole.store)? - before) / float(loaded.confirmed);
            return Ok(Some(loaded.ended_per_second() * an_order));
        }
        let drained = drained(world, &shared, port, orders)?;
        violations += drained.violations;
        memory = memory.max(drained.resident_bytes);
        received = drained.received;
        Ok(Some(float(drained.received) / drained.took.as_secs_f64()))
    })?;
    whole_life.stop()?;
    life.stop()?;
    violations += violations_of(&whole, confirmed)?;
    let beside = vec![("events", float(received)), ("orders", float(orders)), ("MB in memory", float(memory) / MB)];
    Ok(vec![Line { unit: "events/s", beside, violations, ..compared("drain", medians, Target::AtLeast(0.5)) }])
}

/// What came of one fresh process.
struct Drained {
    took: Duration,
    received: u64,
    resident_bytes: u64,
    /// Orders that its read model does not show as settled, and messages that it dropped or took twice.
    violations: u64,
}

/// From the start of a process on a new store until its read model shows every order as settled.
fn drained(world: &mut World, shared: &Shared, port: u16, orders: u64) -> Result<Drained, Failure> {
    let folder = world.folder()?;
    let query = shared.part(Shop::new(&world.binary, &folder)?.at(port), QUERY);
    let start = host::now();
    let life = query.start()?;
    let shown = || store::shown(&query.store).unwrap_or_default();
    host::until_every(LOOK_EVERY, DRAIN_MAX, || shown() == orders);
    let took = start.elapsed();
    let (violations, resident_bytes) = (orders.abs_diff(shown()), host::resident_bytes_max(life.pid())?);
    let figures = http::text(port, "/metrics")?;
    let counts = figures.lines().filter(|line| line.starts_with(RECEIVED));
    let received = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    life.stop()?;
    fs::remove_dir_all(&folder)?;
    Ok(Drained { took, received, resident_bytes, violations })
}
