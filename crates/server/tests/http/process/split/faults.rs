//! A split shop under load whose broker fails, or the network between them.

use std::time::Duration;

use tokio::time::Instant;
use tradewind_testkit::Direction;

use super::{
    BACK, FRONT, Shop,
    broker::RealBroker,
    load::{Load, SLOWLY},
    number_of,
};
use crate::process::buyers::Chance;

const SEED: u64 = 0x6661_756c_7473_3133;

/// Orders that are accepted while the broker fails, at least.
const ORDERS: u64 = 20;

/// Longer than the waits of both adapters and than their heartbeats.
const SILENT_FOR: Duration = Duration::from_secs(31);

const STOPPED_FOR: Duration = Duration::from_secs(45);

const CUTS: usize = 10;

/// What a process may log while its broker fails: its publisher and its subscription try again once a second.
const LINES_A_SECOND_MAX: u64 = 4;

/// Connections a second that the processes may try together.
const ATTEMPTS_A_SECOND_MAX: u64 = 20;

/// Lines and connections that any fault may cost: everything stops and begins again.
const AT_ONCE_MAX: u64 = 100;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The broker dies, and starts again with its files.
    Killed,
    /// The broker is stopped by a signal, and goes on.
    Stopped,
    /// All connections break, again and again.
    Cut,
    /// Connections stand and new ones are accepted, but nothing comes.
    BlackHoled,
    /// Nothing reaches the broker, and at the end the connections break with all that was on its way.
    Deaf,
    /// Nothing comes from the broker, and at the end the connections break with all that was on its way.
    Mute,
}

const FAULTS: [Fault; 6] = [Fault::Killed, Fault::Stopped, Fault::Cut, Fault::BlackHoled, Fault::Deaf, Fault::Mute];

impl Fault {
    async fn happen(self, load: &Load, chance: &mut Chance) {
        let broker = load.shop.broker.as_ref().expect("it runs");
        match self {
            Self::Killed => {
                broker.run("kill", &[]);
                load.accept(ORDERS).await;
                broker.run("restart", &[]);
            }
            Self::Stopped => {
                broker.run("signal", &["STOP"]);
                accept_for(load, STOPPED_FOR).await;
                broker.run("signal", &["CONT"]);
            }
            Self::Cut => {
                for _ in 0..CUTS {
                    load.accept(chance.up_to(ORDERS)).await;
                    broker.proxy.cut();
                }
            }
            Self::BlackHoled => {
                broker.proxy.freeze(true);
                accept_for(load, SILENT_FOR).await;
                broker.proxy.freeze(false);
            }
            Self::Deaf => half_open(load, broker, Direction::ToTarget).await,
            Self::Mute => half_open(load, broker, Direction::FromTarget).await,
        }
    }
}

/// That no process loops without a pause while its broker fails.
struct Watch {
    begun: Instant,
    logged: Vec<u64>,
    attempts: u64,
}

impl Watch {
    fn begin(load: &Load) -> Self {
        Self { begun: Instant::now(), logged: load.logged(), attempts: attempts(load) }
    }

    fn end(self, load: &Load, fault: Fault) {
        let (seconds, attempts) = (self.begun.elapsed().as_secs(), attempts(load) - self.attempts);
        let lines: Vec<u64> = load.logged().iter().zip(self.logged).map(|(after, before)| after - before).collect();
        eprintln!("{fault:?}: {seconds} s, {} orders, {attempts} connections, {lines:?} lines", load.accepted());
        let is_bounded = |count: u64, a_second: u64| count <= AT_ONCE_MAX + a_second * seconds;
        assert!(is_bounded(attempts, ATTEMPTS_A_SECOND_MAX), "{fault:?}: {attempts} connections in {seconds} s");
        let most = lines.into_iter().max().unwrap_or(0);
        assert!(is_bounded(most, LINES_A_SECOND_MAX), "{fault:?}: {most} lines in {seconds} s");
    }
}

fn attempts(load: &Load) -> u64 {
    load.shop.broker.as_ref().expect("it runs").proxy.attempts()
}

async fn half_open(load: &Load, broker: &RealBroker, silent: Direction) {
    broker.proxy.freeze_direction(silent, true);
    accept_for(load, SILENT_FOR).await;
    broker.proxy.cut();
    broker.proxy.freeze_direction(silent, false);
}

/// Takes orders for so long.
async fn accept_for(load: &Load, duration: Duration) {
    drop(tokio::time::timeout(duration, std::future::pending::<()>()).await);
    load.accept(ORDERS).await;
}

/// The faults come one after the other. After each of them an order goes through, and the audit of the running shop is
/// clean; at the end nothing is lost or doubled.
async fn faults_lose_nothing(script: &str, sample: [Fault; 3]) {
    let mut load = Load::open(Shop::new(script, &[FRONT, BACK]), 2).await;
    let mut chance = Chance(SEED);
    load.buy(SLOWLY);
    let rounds = number_of("TRADEWIND_FAULT_ROUNDS", 0);
    let faults = (0..rounds).flat_map(|_| FAULTS);
    let faults: Vec<Fault> = if rounds == 0 { sample.into() } else { faults.collect() };
    for fault in faults {
        load.accept(chance.up_to(ORDERS)).await;
        let watch = Watch::begin(&load);
        fault.happen(&load, &mut chance).await;
        watch.end(&load, fault);
        load.confirm().await;
        load.audit();
    }
    load.settle().await;
}

#[cfg(feature = "rabbitmq")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_fails_loses_nothing_over_rabbitmq() {
    faults_lose_nothing("rabbitmq", [Fault::Stopped, Fault::Cut, Fault::Deaf]).await;
}

#[cfg(feature = "kafka")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_fails_loses_nothing_over_kafka() {
    faults_lose_nothing("kafka", [Fault::Killed, Fault::BlackHoled, Fault::Mute]).await;
}
