//! The load itself: many clients, each with a connection of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::Method;
use tokio::task::JoinSet;

use super::tally::Tally;
use crate::{
    cli::{CliError, market::Market},
    client::{Client, Extra},
};

/// What is to be done.
pub struct Plan {
    pub shape: Shape,
    pub orders: u64,
    pub clients: u32,
    /// How long to wait for outcomes; not at all when absent.
    pub wait_seconds: Option<u32>,
}

/// When orders are sent.
#[derive(Clone, Copy)]
pub enum Shape {
    /// One every so often, whatever the shop does.
    Open { every: Duration },
    /// As soon as a client has its answer.
    Closed,
}

/// Sends all orders and counts what came of them.
pub async fn run(staff: &Client, market: &Market, plan: &Plan) -> Result<Tally, CliError> {
    let next = Arc::new(AtomicU64::new(0));
    let run = format!("{:016x}", drawn());
    let start = now();
    let mut clients = JoinSet::new();
    for _ in 0..plan.clients {
        let mut sender = Sender {
            client: staff.another(),
            market: market.clone(),
            next: Arc::clone(&next),
            orders: plan.orders,
            shape: plan.shape,
            wait: plan.wait_seconds,
            run: run.clone(),
            start,
            tally: Tally::new(),
        };
        clients.spawn(async move {
            sender.send_all().await;
            sender.tally
        });
    }
    let mut total = Tally::new();
    while let Some(tally) = clients.join_next().await {
        // A client that panicked has counted nothing: its orders are missing from the sum, and that shows.
        match tally {
            Ok(tally) => total.add(&tally)?,
            Err(error) => total.lost(&error.to_string()),
        }
    }
    total.took = start.elapsed();
    Ok(total)
}

struct Sender {
    client: Client,
    market: Market,
    next: Arc<AtomicU64>,
    orders: u64,
    shape: Shape,
    wait: Option<u32>,
    run: String,
    start: Instant,
    tally: Tally,
}

impl Sender {
    async fn send_all(&mut self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.orders {
                return;
            }
            let due = match self.shape {
                Shape::Closed => now(),
                Shape::Open { every } => {
                    let due = self.start + every.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
                    tokio::time::sleep_until(due.into()).await;
                    due
                }
            };
            self.send(number, due).await;
        }
    }

    async fn send(&mut self, number: u64, due: Instant) {
        let (order, key) = (self.market.order(number), format!("load-{}-{number:09}", self.run));
        let extra = Extra { idempotency_key: Some(&key), wait: self.wait };
        match self.client.send(Method::POST, "/v1/orders", Some(&order), extra).await {
            Ok(answer) => self.tally.count(&answer, due.elapsed()),
            Err(error) => self.tally.lost(&error.to_string()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a load generator measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Keys of one run must not be those of another.
fn drawn() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
