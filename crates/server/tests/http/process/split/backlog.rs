//! A store of `query` that starts late: it takes in the backlog while orders continue.

use std::{cell::Cell, sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;

use super::{
    BACK, LOOK_EVERY, Part, Shop,
    load::{AT_ONCE, Load, place},
    looks, number_of,
};

const FRONT: Part = ("front", "identity,catalog,carts");
const READER: Part = ("reader", "query");

/// Events that wait, unless `TRADEWIND_BACKLOG_EVENTS` says how many.
const EVENTS: u64 = 20_000;

/// Orders between two looks at the figures.
const ORDERS: u64 = 100;

/// Lone orders that are placed while the backlog drains, at least.
const LONE_ORDERS: usize = 50;

/// No order is refused while the new store is far behind, and at the end it has all of them.
async fn a_backlog_drains_while_orders_continue(script: &str) {
    let mut load = Load::open(Shop::new(script, &[FRONT, BACK, READER]), 2).await;
    load.buy(AT_ONCE);
    while published(&load).await < number_of("TRADEWIND_BACKLOG_EVENTS", EVENTS) {
        load.accept(ORDERS).await;
    }
    load.leave().await;
    let (events, begun) = (published(&load).await, Instant::now());

    let process = load.shop.serve(2);
    load.processes.push(process);
    let drained_after = Cell::new(None);
    let drained = async {
        for order in &load.orders {
            load.confirmed(order).await;
        }
        drained_after.set(Some(begun.elapsed()));
    };
    let lone = async {
        let (mut orders, mut times) = (Vec::new(), Vec::new());
        let mut pauses = looks(LOOK_EVERY);
        while drained_after.get().is_none() || orders.len() < LONE_ORDERS {
            pauses.tick().await;
            let sent = Instant::now();
            orders.push(place(&load.staff, &format!("lone-{}", orders.len()), &load.counts).await);
            times.push(sent.elapsed());
        }
        (orders, times)
    };
    let ((), (lone_orders, mut times)) = tokio::join!(drained, lone);

    times.sort_unstable();
    let percentile = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    eprintln!(
        "{events} events drained in {:?} beside {} lone orders: p50 {:?}, p99 {:?}",
        drained_after.get().unwrap_or(Duration::ZERO),
        lone_orders.len(),
        percentile(50),
        percentile(99)
    );
    load.orders.extend(lone_orders);
    assert_eq!(load.counts.refused.load(Ordering::Acquire), 0, "no order is refused");
    assert_eq!(load.counts.unanswered.load(Ordering::Acquire), 0, "every order is answered");
    load.settle().await;
}

/// Events that the broker has acknowledged so far.
async fn published(load: &Load) -> u64 {
    let mut sum = 0;
    for number in 0..load.processes.len() {
        let figures = load.shop.client(number).get("/metrics").await;
        let lines = figures.text().lines().filter(|line| line.starts_with("tradewind_published_events_total{"));
        sum += lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum::<u64>();
    }
    sum
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn a_backlog_drains_while_orders_continue_over_rabbitmq() {
    a_backlog_drains_while_orders_continue("rabbitmq").await;
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn a_backlog_drains_while_orders_continue_over_kafka() {
    a_backlog_drains_while_orders_continue("kafka").await;
}
