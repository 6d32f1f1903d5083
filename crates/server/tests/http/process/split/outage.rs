//! A split shop under load whose broker is down for long: events wait in the stores, not in memory.

use std::{fs, sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;

use super::{
    BACK, FRONT, Shop,
    load::{AT_ONCE, Load},
    number_of,
};

/// Orders before memory is measured first: each path was taken, and each cache has its size.
const ORDERS_BEFORE: u64 = 200;

/// Orders during the outage, and its length; `TRADEWIND_OUTAGE_MINUTES` says how long.
const ORDERS: u64 = 1_000;

/// By how much the memory of a process may grow.
const GROWTH_KIB_MAX: u64 = 32 * 1_024;

async fn memory_is_bounded(script: &str) {
    let mut shop = Shop::new(script, &[FRONT, BACK]);
    // What is not confirmed waits for the broker. The cache of rows has a bound of its own, which is reached early.
    shop.flags = vec!["--cache-size", "4MiB", "--reservation-ttl", "1day", "--order-deadline", "1day"];
    let mut load = Load::open(shop, 2).await;
    load.buy(AT_ONCE);
    load.accept(ORDERS_BEFORE).await;
    load.confirm().await;

    let proxy = &load.shop.broker.as_ref().expect("it runs").proxy;
    proxy.set_reachable(false);
    load.accept(ORDERS_BEFORE).await;
    let before = memory(&load);
    let begun = Instant::now();
    let lasts = Duration::from_mins(number_of("TRADEWIND_OUTAGE_MINUTES", 0));
    load.accept(ORDERS).await;
    while begun.elapsed() < lasts {
        load.accept(1).await;
    }
    let after = memory(&load);
    eprintln!("{} orders, memory in KiB {before:?} -> {after:?}, {:?} lines", load.accepted(), load.logged());
    for (before, after) in before.iter().zip(&after) {
        assert!(after.saturating_sub(*before) <= GROWTH_KIB_MAX, "{before} KiB became {after} KiB");
    }
    assert_eq!(load.counts.refused.load(Ordering::Acquire), 0, "orders do not wait for a broker");
    proxy.set_reachable(true);
    load.settle().await;
}

/// Resident memory of each process, in KiB.
fn memory(load: &Load) -> Vec<u64> {
    let resident = |id: u32| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    load.processes.iter().map(|process| resident(process.id())).collect()
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn memory_is_bounded_while_the_broker_is_down_over_rabbitmq() {
    memory_is_bounded("rabbitmq").await;
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn memory_is_bounded_while_the_broker_is_down_over_kafka() {
    memory_is_bounded("kafka").await;
}
