//! Orders of a shop that is split over two processes and a broker, and what the gateway costs.

use std::time::Duration;

use super::{MB, absolute, compared, float, violations_of};
use crate::{
    Failure, commit_alone,
    line::{Line, RATE, Target},
    pairs::{Turn, by_turns, median},
    run::World,
    server::{Life, Loaded, Shop, free_port},
    split::{Kind, READS, Settled, SplitShop, WRITES},
};

/// How many clients buy at a time; the fastest count is measured. An order takes longer than in one process.
const CLIENTS: [&str; 2] = ["256", "768"];

/// Clients of the shop that is measured with and without a gateway.
const GATEWAY_CLIENTS: &str = "128";

/// The names of the lines of one broker, and the target of the first.
struct Names {
    rate: &'static str,
    memory: &'static str,
    least: f64,
}

pub fn split_kafka(world: &mut World) -> Result<Vec<Line>, Failure> {
    split(world, Kind::Kafka, &Names { rate: "split_kafka", memory: "memory_kafka", least: 0.3 })
}

pub fn split_rabbitmq(world: &mut World) -> Result<Vec<Line>, Failure> {
    split(world, Kind::RabbitMq, &Names { rate: "split_rabbitmq", memory: "memory_rabbitmq", least: 0.15 })
}

fn split(world: &mut World, kind: Kind, names: &Names) -> Result<Vec<Line>, Failure> {
    let broker = kind.start(world)?;
    let shop = SplitShop::open(world, (kind, &broker), [READS, WRITES])?;
    let (mut confirmed, mut fastest) = (0, (0.0, CLIENTS[0]));
    for clients in CLIENTS {
        let warm_up = shop.load(world.scale.http / 2, &["--concurrency", clients])?;
        confirmed += warm_up.loaded.confirmed;
        if warm_up.per_second > fastest.0 {
            fastest = (warm_up.per_second, clients);
        }
    }
    let mut loads = Vec::new();
    let medians = by_turns(world.scale.pairs, |turn| {
        if turn == Turn::Baseline {
            return world.one_tx();
        }
        let settled = shop.load(world.scale.http, &["--concurrency", fastest.1])?;
        confirmed += settled.loaded.confirmed;
        loads.push(settled);
        Ok(Some(settled.per_second))
    })?;
    let (memory, gateway_memory) = shop.resident_bytes_max()?;
    let violations = shop.close(confirmed)?;
    let of_all = |figure: fn(&Loaded) -> f64| median(loads.iter().map(|settled| figure(&settled.loaded)));
    let spent = |process: usize| median(loads.iter().map(|settled| micros_an_order(settled, process)));
    let beside = vec![
        ("clients", fastest.1.parse()?),
        ("confirmed p50 ms", of_all(|loaded| loaded.p50_micros) / 1e3),
        ("confirmed p99 ms", of_all(|loaded| loaded.p99_micros) / 1e3),
        ("cpu µs/order of the gateway", spent(0)),
        ("of front", spent(1)),
        ("of back", spent(2)),
        ("of the broker", spent(3)),
    ];
    let memory = absolute(names.memory, float(memory) / MB, "MB", Target::AtMost(250.0));
    Ok(vec![
        Line { beside, violations, ..compared(names.rate, medians, Target::AtLeast(names.least)) },
        Line { beside: vec![("MB of the gateway", float(gateway_memory) / MB)], ..memory },
    ])
}

/// The processor time of a process, in microseconds an order. The goods and customers of the load are in it.
fn micros_an_order(settled: &Settled, process: usize) -> f64 {
    settled.spent[process].as_secs_f64() * 1e6 / float(settled.loaded.confirmed.max(1))
}

/// One order at a time, through the gateway: two stores and the broker have it before it is confirmed.
pub fn split_latency(world: &mut World) -> Result<Vec<Line>, Failure> {
    let broker = Kind::Kafka.start(world)?;
    let shop = SplitShop::open(world, (Kind::Kafka, &broker), [READS, WRITES])?;
    let (file, alone) = (world.folder()?.join("alone.db"), world.scale.alone);
    let (mut confirmed, mut slow) = (0, Vec::new());
    let medians = by_turns(world.scale.pairs, |turn| match turn {
        Turn::Baseline => Ok(Some(commit_alone::median_seconds(&file, alone)? * 1e3)),
        Turn::Ours => {
            let settled = shop.load(u64::from(alone), &["--concurrency", "1"])?;
            confirmed += settled.loaded.confirmed;
            slow.push(settled.loaded.p99_micros / 1e3);
            Ok(Some(settled.loaded.p50_micros / 1e3))
        }
    })?;
    let violations = shop.close(confirmed)?;
    let (beside, compared) =
        (vec![("p99 ms", median(slow))], compared("split_latency", medians, Target::AtMost(100.0)));
    Ok(vec![Line { unit: "ms", beside, violations, ..compared }])
}

/// One shop in one process, with a gateway in front of it by turns.
pub fn gateway(world: &mut World) -> Result<Vec<Line>, Failure> {
    let (shop, life) = world.shop()?;
    let (peers, port) = (world.folder()?.join("peers.toml"), free_port()?);
    let services = tradewind::services::NAMES;
    let url = format!("http://127.0.0.1:{}", shop.port());
    std::fs::write(&peers, format!("[[peer]]\nname = \"whole\"\nurl = {url:?}\nservices = {services:?}\n"))?;
    let gateway = Life::gateway(&world.binary, &peers, port)?;
    let mut shop = shop;
    let (mut confirmed, mut through, mut spent) = (load(world, &shop)?.confirmed, 0, Duration::ZERO);
    let medians = by_turns(world.scale.pairs, |turn| {
        shop.enter_at((turn == Turn::Ours).then_some(port));
        let before = crate::host::spent_by(gateway.pid())?;
        let loaded = load(world, &shop)?;
        confirmed += loaded.confirmed;
        if turn == Turn::Ours {
            spent += crate::host::spent_by(gateway.pid())?.saturating_sub(before);
            through += loaded.confirmed;
        }
        Ok(Some(loaded.ended_per_second()))
    })?;
    gateway.stop()?;
    life.stop()?;
    let violations = violations_of(&shop, confirmed)?;
    let beside = vec![("cpu µs/request of the gateway", spent.as_secs_f64() * 1e6 / float(through.max(1)))];
    let compared = compared("gateway", medians, Target::AtLeast(0.7));
    Ok(vec![Line { unit: RATE, beside, violations, ..compared }])
}

fn load(world: &World, shop: &Shop) -> Result<Loaded, Failure> {
    world.load(shop, world.scale.http, &["--concurrency", GATEWAY_CLIENTS])
}
