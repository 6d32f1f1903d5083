//! A split shop under load whose processes are restarted in turn, as for a new version.

use std::sync::atomic::Ordering;

use super::{
    BACK, FRONT, Shop,
    load::{AT_ONCE, Load},
};
use crate::process::terminate;

/// How often each process is restarted.
const ROUNDS: usize = 2;

/// Orders that are accepted before the next process ends.
const ORDERS: u64 = 10;

/// Every order that was answered 2xx stands, and every other answer was a 503 that the buyer repeated. Only requests at
/// a gateway that ended have no answer.
async fn a_rolling_restart_loses_nothing(script: &str) {
    let mut load = Load::open(Shop::new(script, &[FRONT, BACK]), 2).await;
    load.buy(AT_ONCE);
    for _ in 0..ROUNDS {
        for number in [0, 1] {
            load.accept(ORDERS).await;
            assert_eq!(terminate(&mut load.processes[number]), Some(0));
            load.restart(number).await;
        }
        load.accept(ORDERS).await;
        assert_eq!(load.counts.unanswered.load(Ordering::Acquire), 0, "the gateway answers every request");
        assert_eq!(terminate(&mut load.gateway), Some(0));
        load.restart_gateway().await;
        load.accept(ORDERS).await;
        load.counts.unanswered.store(0, Ordering::Release);
    }
    load.settle().await;
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn a_rolling_restart_loses_nothing_over_rabbitmq() {
    a_rolling_restart_loses_nothing("rabbitmq").await;
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn a_rolling_restart_loses_nothing_over_kafka() {
    a_rolling_restart_loses_nothing("kafka").await;
}
