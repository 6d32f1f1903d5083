//! The relay to Kafka beside Debezium's outbox event router, on the same broker: a million events that wait, and single
//! orders.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rdkafka::Offset;

use super::{compared, float, violations_of};
use crate::{
    Failure,
    debezium::Debezium,
    host,
    line::{Line, Target},
    pairs::{Medians, median},
    run::World,
    server::{Meanwhile, Shop},
    servers::Server,
    split::Kind,
    store,
    topics::Topics,
};

/// Pairs at most: a million events are many.
const PAIRS_MAX: usize = 3;

/// What the virtual machine of Kafka Connect is warmed up with, as a part of all events.
const WARM_UP_PART: u64 = 10;

/// The longest that all events may take.
const PUBLISH_MAX: Duration = Duration::from_mins(10);

/// How often it is looked how many there are: seldom, as a look asks for each partition.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The longest pause between two messages that are there.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// An order has so many events, or a few more.
const EVENTS_AN_ORDER: u64 = 17;

/// Orders a second, one by one.
const ORDERS_A_SECOND: u32 = 300;

/// A million events, from our log in SQLite and from an outbox in PostgreSQL.
pub fn relay_kafka(world: &mut World) -> Result<Vec<Line>, Failure> {
    let (shop, life) = world.shop()?;
    let loaded = world.load(&shop, world.scale.relay.div_ceil(EVENTS_AN_ORDER), &[])?;
    life.stop()?;
    let mut violations = violations_of(&shop, loaded.confirmed)?;
    let (events, pairs) = (store::events(&shop.store)?, world.scale.pairs.min(PAIRS_MAX));
    let kafka = Kind::Kafka.start(world)?;
    let (mut a_second, mut a_cpu_second, mut debezium) = (Vec::new(), Vec::new(), None);
    let mut walsender = Vec::new();
    for pair in 0..pairs {
        let prefix = format!("relay{pair}");
        let (took, spent) = relay_all(world, &shop, &kafka, (&prefix, events))?;
        let ours = (float(events) / took.as_secs_f64(), float(events) / spent.as_secs_f64());
        let topics = Topics::find(&kafka.told, &format!("{prefix}."))?;
        violations += topics.messages()?.abs_diff(events);
        if debezium.is_none() {
            // The same bytes under the same keys as ours.
            let started = Debezium::start(world, &kafka)?;
            topics.read(Offset::Beginning)?;
            let staged = started.stage(|| topics.next(PAUSE_MAX))?;
            violations += staged.abs_diff(events);
            debezium = Some(started);
        }
        let debezium = debezium.as_mut().ok_or("Debezium was not started")?;
        if pair == 0 {
            debezium.fill(events / WARM_UP_PART)?;
            Debezium::published(&kafka, debezium.written, PUBLISH_MAX)?;
        }
        let (took, connect, sender) = route_all(debezium, &kafka, events)?;
        a_second.push((Some(float(events) / took.as_secs_f64()), Some(ours.0)));
        a_cpu_second.push((Some(float(events) / (connect + sender).as_secs_f64()), Some(ours.1)));
        walsender.push(sender.as_secs_f64() / (connect + sender).as_secs_f64());
    }
    let beside = vec![("events", float(events)), ("of Debezium's the session of PostgreSQL", median(walsender))];
    let per_cpu = compared("relay_kafka", Medians::of(&a_cpu_second), Target::AtLeast(5.0));
    let per_second = compared("relay_rate", Medians::of(&a_second), Target::AtLeast(2.0));
    Ok(vec![
        Line { unit: "events/cpu s", beside, violations, ..per_cpu },
        Line { unit: "events/s", violations, ..per_second },
    ])
}

/// Publishes the whole log of a shop from a copy of its store. Gives the time from the start of the process until Kafka
/// has everything, and the processor time of the process.
fn relay_all(
    world: &mut World,
    shop: &Shop,
    kafka: &Server,
    (prefix, events): (&str, u64),
) -> Result<(Duration, Duration), Failure> {
    let folder = world.folder()?;
    let copy = Shop::new(&world.binary, &folder)?;
    fs::copy(&shop.store, &copy.store)?;
    fs::copy(secrets_of(&shop.store), secrets_of(&copy.store))?;
    let copy = on_kafka(copy, kafka, prefix);
    let start = host::now();
    let life = copy.start()?;
    let all = || {
        let topics = Topics::find(&kafka.told, &format!("{prefix}."));
        topics.and_then(|topics| topics.messages()).is_ok_and(|has| has >= events)
    };
    let done = host::until_every(LOOK_EVERY, PUBLISH_MAX, all);
    let (took, spent) = (start.elapsed(), host::spent_by(life.pid())?);
    life.stop()?;
    fs::remove_dir_all(&folder)?;
    if done { Ok((took, spent)) } else { Err("the relay does not publish everything".into()) }
}

/// As many events from the outbox. Gives the time from the moment at which Connect may go on until Kafka has everything,
/// and the processor time of Connect and of the session of PostgreSQL.
fn route_all(debezium: &mut Debezium, kafka: &Server, events: u64) -> Result<(Duration, Duration, Duration), Failure> {
    debezium.pause()?;
    let filled = debezium.fill(events);
    let (connect, sender) = debezium.spent()?;
    let start = host::now();
    debezium.resume()?;
    filled?;
    Debezium::published(kafka, debezium.written, PUBLISH_MAX)?;
    let took = start.elapsed();
    let (connect_after, sender_after) = debezium.spent()?;
    Ok((took, connect_after.saturating_sub(connect), sender_after.saturating_sub(sender)))
}

/// Orders one by one, until a consumer has their events.
pub fn relay_live(world: &mut World) -> Result<Vec<Line>, Failure> {
    let (kafka, pairs, seconds) = (Kind::Kafka.start(world)?, world.scale.pairs.min(PAIRS_MAX), world.scale.seconds);
    let debezium = Debezium::start(world, &kafka)?;
    let shop = on_kafka(world.new_shop()?, &kafka, "live");
    let (shop, life) = shop.open()?;
    // Both are warmed up, and have their topics.
    let mut warm_up = debezium.orders(ORDERS_A_SECOND, seconds)?;
    let (orders, rate) = (u64::from(ORDERS_A_SECOND * seconds), ORDERS_A_SECOND.to_string());
    let mut confirmed = world.load(&shop, orders, &[])?.confirmed;
    host::until(PUBLISH_MAX, || !matches!(warm_up.has_ended(), Ok(false)));
    let mut events = 0;
    let (mut p50s, mut p99s) = (Vec::new(), Vec::new());
    for _ in 0..pairs {
        let (theirs, _) = latencies(&kafka, crate::debezium::TOPIC, debezium.orders(ORDERS_A_SECOND, seconds)?)?;
        // The goods and customers of the load are made at once: only the events of orders count.
        let (ours, count) = latencies(&kafka, "live.orders", shop.load_meanwhile(orders, &["--rate", &rate])?)?;
        (confirmed, events) = (confirmed + orders, events + count);
        p50s.push((Some(theirs.0), Some(ours.0)));
        p99s.push((Some(theirs.1), Some(ours.1)));
    }
    life.stop()?;
    let violations = violations_of(&shop, confirmed)?;
    let p50 = compared("relay_live", Medians::of(&p50s), Target::AtMost(0.2));
    let p99 = compared("relay_live_p99", Medians::of(&p99s), Target::AtMost(0.2));
    let beside = vec![("events", float(events))];
    Ok(vec![Line { unit: "ms", beside, violations, ..p50 }, Line { unit: "ms", violations, ..p99 }])
}

/// The median and the 99th percentile of the milliseconds between the time of an event and its arrival, while a process
/// makes events, and how many there were.
fn latencies(kafka: &Server, prefix: &str, mut source: Meanwhile) -> Result<((f64, f64), u64), Failure> {
    let topics = Topics::find(&kafka.told, prefix)?;
    topics.read(Offset::End)?;
    let mut millis = Vec::new();
    loop {
        let Some(received) = topics.next(Duration::from_millis(500))? else {
            if source.has_ended()? {
                break;
            }
            continue;
        };
        let now = host::wall_micros();
        #[expect(clippy::cast_precision_loss, reason = "a figure is rounded anyway")]
        millis.push((now - received.time_millis()? * 1_000) as f64 / 1e3);
    }
    millis.sort_by(f64::total_cmp);
    let nth = |hundredths: usize| millis.get(millis.len() * hundredths / 100).copied().unwrap_or_default();
    Ok(((nth(50), nth(99)), u64::try_from(millis.len())?))
}

/// The whole shop, which publishes all that it emits.
fn on_kafka(shop: Shop, kafka: &Server, prefix: &str) -> Shop {
    let shop = shop.with(&["--broker", &format!("kafka://{}", kafka.told), "--broker-prefix", prefix]);
    shop.with(&["--kafka-replicas", "1", "--kafka-replicas-in-sync", "1"])
}

/// The file of secrets that a shop has made beside its store.
fn secrets_of(store: &Path) -> PathBuf {
    PathBuf::from(format!("{}.secrets", store.display()))
}
