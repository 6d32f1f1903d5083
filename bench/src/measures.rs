//! Everything that is measured, on one page: its name, what it is, what it is to be.

mod aged;
mod alone;
mod backlog;
mod clients;
mod drain;
mod rates;
mod rebuild;
mod relay;
mod restart;
mod slow_provider;
mod split;

use crate::{
    Failure, complain,
    line::{Line, RATE, Target},
    pairs::Medians,
    run::World,
    server::Shop,
    store::{self, Audited},
};

/// One or more figures that are taken together.
#[derive(Debug)]
pub struct Measure {
    pub name: &'static str,
    pub says: &'static str,
    pub run: fn(&mut World) -> Result<Vec<Line>, Failure>,
}

pub const MEASURES: [Measure; 22] = [
    Measure { name: "one_tx", says: "a whole order as one transaction in PostgreSQL", run: rates::one_tx },
    Measure {
        name: "embedded_in_process",
        says: "settled orders inside one process, by one_tx",
        run: rates::embedded_in_process,
    },
    Measure {
        name: "embedded_http",
        says: "settled orders over HTTP with the load on the same cores, by one_tx",
        run: rates::embedded_http,
    },
    Measure {
        name: "few_clients",
        says: "settled orders over HTTP with 8 and with 32 clients, by one_tx with as many, and the slowest hundredth",
        run: rates::few_clients,
    },
    Measure {
        name: "clients",
        says: "settled orders over HTTP with 1, 8, 32 and 256 clients, on a fresh store and on one of 300,000 orders, by one_tx",
        run: clients::clients,
    },
    Measure { name: "hot_sku", says: "all orders on one SKU, by orders spread evenly", run: rates::hot_sku },
    Measure {
        name: "failing",
        says: "orders of which 10 % are declined and 5 % out of stock, by orders that go well",
        run: rates::failing,
    },
    Measure {
        name: "slow_provider",
        says: "orders paid by balance while 100,000 calls of a payment provider that hangs are overdue, by the same without",
        run: slow_provider::slow_provider,
    },
    Measure {
        name: "backlog",
        says: "orders over HTTP while a million events of another store arrive, by the same without",
        run: backlog::backlog,
    },
    Measure {
        name: "idle_latency",
        says: "a lone order over HTTP, by one durable commit of one row in SQLite",
        run: alone::idle_latency,
    },
    Measure { name: "memory_idle", says: "memory of a shop that nobody uses", run: alone::memory_idle },
    Measure {
        name: "aged",
        says: "a shop after a million orders by a fresh one, its memory, and the disk that an order takes",
        run: aged::aged,
    },
    Measure {
        name: "rebuild",
        says: "events a second while the read models are made again, by those of embedded_http",
        run: rebuild::rebuild,
    },
    Measure {
        name: "restart",
        says: "from the start after kill -9 under load to the first accepted order",
        run: restart::restart,
    },
    Measure { name: "binary", says: "the size of the stripped binary with all features", run: alone::binary },
    Measure { name: "gateway", says: "orders over HTTP through a gateway, by the same without", run: split::gateway },
    Measure {
        name: "split_kafka",
        says: "settled orders of a shop in two processes on Kafka, by one_tx, and the memory of a process",
        run: split::split_kafka,
    },
    Measure { name: "split_rabbitmq", says: "the same on RabbitMQ", run: split::split_rabbitmq },
    Measure {
        name: "split_latency",
        says: "a lone order of a shop in two processes on Kafka, by one durable commit of one row in SQLite",
        run: split::split_latency,
    },
    Measure {
        name: "drain",
        says: "events a second into a fresh process with the read models, by those of orders in one process",
        run: drain::drain,
    },
    Measure {
        name: "relay_kafka",
        says: "a million events from the log to Kafka, by Debezium's outbox router: by processor time, and by time",
        run: relay::relay_kafka,
    },
    Measure {
        name: "relay_live",
        says: "from an event to its consumer at 300 orders a second, by Debezium's outbox router",
        run: relay::relay_live,
    },
];

const MB: f64 = 1_000_000.0;

/// A rate beside another.
fn compared(name: &'static str, medians: Medians, target: impl Into<Option<Target>>) -> Line {
    let Medians { ours, baseline, ratio } = medians;
    Line { name, ours, baseline, ratio, unit: RATE, target: target.into(), beside: Vec::new(), violations: 0 }
}

/// A figure that stands alone.
fn absolute(name: &'static str, ours: f64, unit: &'static str, target: Target) -> Line {
    let (baseline, ratio, beside) = (None, None, Vec::new());
    Line { name, ours, baseline, ratio, unit, target: Some(target), beside, violations: 0 }
}

/// What the audit of a shop finds. An order that was answered as confirmed and is not settled counts too.
fn violations_of(shop: &Shop, confirmed: u64) -> Result<u64, Failure> {
    violations_in(&shop.audit()?, shop, confirmed)
}

/// The same of an audit that was made.
fn violations_in(audited: &Audited, shop: &Shop, confirmed: u64) -> Result<u64, Failure> {
    if let Some(first) = &audited.first {
        complain(first);
    }
    Ok(audited.violations + u64::try_from(audited.owed)? + confirmed.abs_diff(store::settled(&shop.store)?))
}

#[expect(clippy::cast_precision_loss, reason = "a figure is rounded anyway")]
fn float(count: u64) -> f64 {
    count as f64
}
