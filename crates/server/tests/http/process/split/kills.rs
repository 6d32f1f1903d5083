//! A split shop under load, of which one process after the other is killed.

use std::sync::atomic::Ordering;

use super::{
    BACK, FRONT, Shop,
    load::{AT_ONCE, Load},
    number_of,
};
use crate::process::buyers::Chance;

/// Kills of the processes of one shop, unless `TRADEWIND_SPLIT_KILLS` says how many.
const KILLS: u64 = 20;

const SEED: u64 = 0x6b69_6c6c_735f_3133;

/// A kill comes after at most so many orders that were accepted since the last one.
const ORDERS_MAX: u64 = 15;

/// Every order that was accepted is confirmed at the end, every other answer was a 503, and the audit of both stores is
/// clean. The processes take turns; the moment of a kill comes from the seed.
async fn kills_lose_nothing(script: &str) {
    let mut load = Load::open(Shop::new(script, &[FRONT, BACK]), 2).await;
    let mut chance = Chance(SEED);
    load.buy(AT_ONCE);
    for nth in 0..number_of("TRADEWIND_SPLIT_KILLS", KILLS) {
        load.accept(chance.up_to(ORDERS_MAX)).await;
        match usize::try_from(nth % 3).unwrap() {
            2 => {
                load.gateway.kill().unwrap();
                load.gateway.wait().unwrap();
                load.restart_gateway().await;
            }
            number => {
                load.processes[number].kill().unwrap();
                load.processes[number].wait().unwrap();
                load.restart(number).await;
            }
        }
    }
    let counts = &load.counts;
    let (refused, unanswered) = (counts.refused.load(Ordering::Acquire), counts.unanswered.load(Ordering::Acquire));
    eprintln!("{} orders, {refused} answers 503, {unanswered} requests without an answer", load.accepted());
    load.settle().await;
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn kills_of_a_process_lose_nothing_over_rabbitmq() {
    kills_lose_nothing("rabbitmq").await;
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn kills_of_a_process_lose_nothing_over_kafka() {
    kills_lose_nothing("kafka").await;
}
