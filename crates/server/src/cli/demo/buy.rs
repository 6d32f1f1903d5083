//! Sends the orders, and sees each through to its end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    kinds::{Buyer, KINDS, Kind, RARE, RIVALS, Then, UNPAID_SECONDS},
    street::Street,
};
use crate::{
    cli::{
        CliError,
        market::{Good, line, uuid_like},
        screen,
    },
    client::{Client, ClientError, Extra},
    metrics::Stopwatch,
};

/// Customers who are at the counter at the same time.
const AT_ONCE: usize = 48;

/// How long an order may take to come to its end, in looks of [`LOOK_EVERY`].
const LOOKS_MAX: u32 = 6_000;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Seconds for which a buyer waits at the counter.
const WAIT_SECONDS: u32 = 10;

/// What became of all orders.
pub struct Told {
    /// By kind, in the order of [`KINDS`].
    pub ends: Vec<BTreeMap<String, u32>>,
    /// Of those who wanted the one cake.
    pub rivals: BTreeMap<String, u32>,
    /// How many orders were placed, and in which time.
    pub orders: u32,
    pub took: Duration,
    /// One that went all the way.
    pub delivered: Option<String>,
    /// One that was compensated.
    pub compensated: Option<String>,
    /// Requests that went wrong in a way that no order may.
    pub wrong: Vec<String>,
}

/// One buyer with one order.
struct Purchase {
    kind: &'static Kind,
    buyer: Client,
    staff: Client,
    good: Good,
    key: String,
}

/// Sends about so many orders, of every kind.
pub async fn all(street: &Street, orders: u32) -> Result<Told, CliError> {
    let purchases = purchases(street, orders);
    let length = u64::try_from(purchases.len()).unwrap_or(0);
    let bar = screen::bar(length, "  {bar:40} {pos:>6}/{len} {msg}  {per_sec:.0}  {elapsed}");
    bar.set_message("orders");
    let mut told = Told {
        ends: vec![BTreeMap::new(); KINDS.len()],
        rivals: BTreeMap::new(),
        orders: 0,
        took: Duration::ZERO,
        delivered: None,
        compensated: None,
        wrong: Vec::new(),
    };
    let (watch, counter, mut under_way) = (Stopwatch::start(), Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for mut purchase in purchases {
        let counter = Arc::clone(&counter);
        under_way.spawn(async move {
            let _place = counter.acquire_owned().await;
            let ended = purchase.make().await;
            (purchase.kind, purchase.good.sku, ended)
        });
    }
    while let Some(joined) = under_way.join_next().await {
        bar.inc(1);
        match joined {
            Ok((kind, sku, ended)) => told.note(kind, &sku, ended),
            Err(error) => told.wrong.push(error.to_string()),
        }
    }
    told.took = watch.read();
    bar.finish_and_clear();
    Ok(told)
}

/// All kinds by their shares, mixed, and the rivals for the one cake among them.
fn purchases(street: &Street, orders: u32) -> Vec<Purchase> {
    let run = uuid_like();
    let purchase = |kind: &'static Kind, sku: &str, number: u32| Purchase {
        kind,
        buyer: match kind.buyer {
            Buyer::Poor => street.poor.another(),
            Buyer::Rich => street.rich[usize::try_from(number).unwrap_or(0) % street.rich.len()].another(),
        },
        staff: street.staff.another(),
        good: street.goods[sku].clone(),
        key: format!("demo-{run}-{sku}-{number}"),
    };
    let mut all = Vec::new();
    for (nth, kind) in (0_u32..).zip(KINDS) {
        let count = (orders * kind.share).div_ceil(1_000);
        all.extend(
            (0..count).map(|number| (number * 1_000 / kind.share, purchase(kind, kind.sku, nth * 1_000_000 + number))),
        );
    }
    let wants_rare = &KINDS[1];
    all.extend((0..RIVALS).map(|number| (number, purchase(wants_rare, RARE, number))));
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, purchase)| purchase).collect()
}

impl Told {
    fn note(&mut self, kind: &'static Kind, sku: &str, ended: Result<(String, String), ClientError>) {
        let (order_id, status) = match ended {
            Ok(ended) => ended,
            Err(error) => return self.wrong.push(format!("{}: {error}", kind.name)),
        };
        self.orders += 1;
        if sku == RARE {
            *self.rivals.entry(status).or_default() += 1;
            return;
        }
        if kind.then == Then::Deliver && status == kind.ends {
            self.delivered.get_or_insert_with(|| order_id.clone());
        }
        if kind.then == Then::CancelConfirmed && status == kind.ends {
            self.compensated.get_or_insert(order_id);
        }
        if let Some(nth) = KINDS.iter().position(|known| std::ptr::eq(known, kind)) {
            *self.ends[nth].entry(status).or_default() += 1;
        }
    }
}

impl Purchase {
    /// Places the order and does what its kind is about. Gives its id, and how it stands at the end.
    async fn make(&mut self) -> Result<(String, String), ClientError> {
        let mut wanted = line(&self.good, 1);
        if self.kind.then == Then::StalePrice {
            wanted["unit_price_minor"] = json!(1);
        }
        let mut order = json!({ "lines": [wanted], "payment_method": self.kind.method });
        if matches!(self.kind.then, Then::NotPaid | Then::PaidTooLate) {
            order["reservation_ttl_seconds"] = json!(UNPAID_SECONDS);
        }
        let outside = self.kind.method == "external";
        let order_id = self.place(&order, !outside).await?;
        let path = format!("/v1/orders/{order_id}");
        match self.kind.then {
            Then::Nothing | Then::StalePrice | Then::NotPaid => {}
            Then::Repeat => {
                for _ in 0..2 {
                    let again = self.place(&order, true).await?;
                    assert_eq!(again, order_id, "one key is one order");
                }
            }
            Then::PaidOutside => self.pay_outside(&path).await?,
            Then::FailedOutside => {
                let body = json!({ "reason": "no_cover" });
                self.by_staff(&format!("{path}/payment/failure"), &body, "fail").await?;
            }
            Then::PaidTooLate => {
                self.until(&path, "rejected").await?;
                self.pay_outside(&path).await?;
            }
            Then::CancelUnpaid | Then::CancelConfirmed => self.cancel(&path).await?,
            Then::Deliver => {
                self.until(&path, "confirmed").await?;
                self.by_staff(&format!("{path}/shipment/dispatch"), &json!({ "carrier": "Post" }), "dispatch").await?;
                self.by_staff(&format!("{path}/shipment/delivery"), &json!({}), "deliver").await?;
            }
            Then::CancelTooLate => {
                self.by_staff(&format!("{path}/shipment/dispatch"), &json!({ "carrier": "Post" }), "dispatch").await?;
                self.cancel(&path).await?;
            }
        }
        let ends = if self.good.sku == RARE { "" } else { self.kind.ends };
        let status = self.until(&path, ends).await?;
        Ok((order_id, status))
    }

    async fn place(&mut self, order: &Value, wait: bool) -> Result<String, ClientError> {
        let extra = Extra { idempotency_key: Some(&self.key), wait: wait.then_some(WAIT_SECONDS) };
        let answer = self.buyer.send(Method::POST, "/v1/orders", Some(order), extra).await?;
        Ok(answer.read::<Placed>(&Method::POST, "/v1/orders")?.order_id)
    }

    async fn pay_outside(&mut self, path: &str) -> Result<(), ClientError> {
        let order = self.look(path).await?;
        let amount = order.get("total_minor").cloned().unwrap_or_default();
        let body = json!({ "reference": format!("bank-{}", self.key), "amount_minor": amount, "currency": "EUR" });
        self.by_staff(&format!("{path}/payment/authorization"), &body, "pay").await
    }

    /// A cancellation that comes too late is refused, and that is right.
    async fn cancel(&mut self, path: &str) -> Result<(), ClientError> {
        let (path, key) = (format!("{path}/cancellation"), format!("{}-cancel", self.key));
        let extra = Extra { idempotency_key: Some(&key), wait: Some(WAIT_SECONDS) };
        let answer = self.buyer.send(Method::POST, &path, Some(&json!({ "reason": "changed my mind" })), extra).await?;
        if self.kind.then == Then::CancelTooLate && answer.status == StatusCode::CONFLICT {
            return Ok(());
        }
        answer.read::<Value>(&Method::POST, &path).map(drop)
    }

    /// What staff does; a step that is not due yet is tried again, as a person would.
    async fn by_staff(&mut self, path: &str, body: &Value, what: &str) -> Result<(), ClientError> {
        let mut looks = 0;
        loop {
            let key = format!("{}-{what}-{looks}", self.key);
            match self.staff.write::<Value>(Method::POST, path, body, &key).await {
                Err(ClientError::Refused { status: 404 | 409, .. }) if looks < LOOKS_MAX => looks += 1,
                done => return done.map(drop),
            }
            pause().await;
        }
    }

    /// The order, as the read model shows it. In a split shop it takes a moment until it is there.
    async fn look(&mut self, path: &str) -> Result<Value, ClientError> {
        let extra = Extra { idempotency_key: None, wait: Some(WAIT_SECONDS) };
        self.buyer.send(Method::GET, path, None, extra).await?.read(&Method::GET, path)
    }

    /// Looks at the order until it stands like this, or has an outcome that is final.
    async fn until(&mut self, path: &str, status: &str) -> Result<String, ClientError> {
        let mut seen = String::new();
        for _ in 0..LOOKS_MAX {
            let order = self.look(path).await?;
            seen = order.get("status").and_then(Value::as_str).unwrap_or_default().to_owned();
            let is_final = matches!(seen.as_str(), "completed" | "rejected" | "cancelled");
            if seen == status || is_final || (status.is_empty() && seen == "confirmed") {
                return Ok(seen);
            }
            pause().await;
        }
        Ok(seen)
    }
}

#[expect(clippy::disallowed_methods, reason = "a customer looks again after a moment")]
async fn pause() {
    tokio::time::sleep(LOOK_EVERY).await;
}

/// An order that the shop has taken.
#[derive(Deserialize)]
struct Placed {
    order_id: String,
}
