//! A market to buy on, made over the API like anybody would: products with stock, customers with money.

use std::{sync::Arc, time::Duration};

use hyper::Method;
use serde_json::{Value, json};

use tradewind_payments::model::CUSTOMER_NOT_FOUND;

use crate::{
    cli::shop::Registered,
    client::{Client, ClientError},
    http::refusals::RATE_LIMITED,
};

/// What every product of the market costs, in minor units. It ends in no digits to which the provider's simulator
/// gives a meaning.
pub const PRICE_MINOR: i64 = 1_250;

/// SKUs that are sold out, where orders of such are wanted.
const SOLD_OUT: u32 = 10;

/// Goods and buyers. Clones share them.
#[derive(Clone)]
pub struct Market {
    mix: Mix,
    goods: Arc<[Good]>,
    /// Up for sale, and never stocked.
    sold_out: Arc<[Good]>,
    customers: Arc<[String]>,
    without_money: Arc<[String]>,
}

/// How many of each, and which orders fail.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    pub skus: u32,
    pub customers: u32,
    /// Of an order, each of another SKU; no more than there are SKUs.
    pub lines: u32,
    /// Of 100 orders, those of customers without money.
    pub declined_percent: u32,
    /// Of 100 orders, those of something that is sold out.
    pub out_of_stock_percent: u32,
}

/// A SKU that can be bought.
#[derive(Debug, Clone)]
pub struct Good {
    pub product_id: String,
    pub sku: String,
}

/// A SKU to be.
#[derive(Debug, Clone)]
pub struct NewGood<'a> {
    pub sku: &'a str,
    pub name: &'a str,
    pub category_id: Option<&'a str>,
    pub price_minor: i64,
    pub units: i64,
}

impl Market {
    /// Makes SKUs with so many units each, and customers with the money to buy them all.
    pub async fn prepare(staff: &mut Client, mix: Mix, units: i64) -> Result<Self, ClientError> {
        let run = uuid_like();
        let (mut goods, mut sold_out, mut customers) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..mix.skus {
            goods.push(stock(staff, &NewGood { units, ..new_good(&format!("load-{run}-{number}")) }).await?);
        }
        let wanted = if mix.out_of_stock_percent > 0 { SOLD_OUT } else { 0 };
        for number in 0..wanted {
            sold_out.push(stock(staff, &new_good(&format!("load-{run}-e{number}"))).await?);
        }
        let mut without_money = Vec::new();
        for number in 0..mix.customers {
            customers.push(customer(staff, &format!("load-{run}-c{number}"), CREDIT_MINOR).await?);
            // Nobody has less than one minor unit, which buys nothing.
            if mix.declined_percent > 0 {
                without_money.push(customer(staff, &format!("load-{run}-p{number}"), 1).await?);
            }
        }
        Ok(Self {
            mix,
            goods: goods.into(),
            sold_out: sold_out.into(),
            customers: customers.into(),
            without_money: without_money.into(),
        })
    }

    /// The order of this number, spread evenly over goods and customers; those that fail are spread among the others.
    pub fn order(&self, number: u64) -> Value {
        let Mix { declined_percent, out_of_stock_percent, .. } = self.mix;
        // 37 has no divisor in common with 100: each of 100 orders in a row has another place.
        let place = number * 37 % 100;
        let (declined, sold_out) = (u64::from(declined_percent), u64::from(out_of_stock_percent));
        let customers = if place < declined { &self.without_money } else { &self.customers };
        let mut lines: Vec<_> = self.goods_of(number).map(|good| line(good, 1)).collect();
        if (declined..declined + sold_out).contains(&place) {
            lines.pop();
            lines.push(line(at(&self.sold_out, number), 1));
        }
        json!({ "customer_id": at(customers, number), "lines": lines, "payment_method": "balance" })
    }

    /// As many as an order has lines, each another one; which of them stand together varies.
    fn goods_of(&self, number: u64) -> impl Iterator<Item = &Good> {
        let count = u64::try_from(self.goods.len()).unwrap_or(1);
        let lines = u64::from(self.mix.lines).min(count);
        // Apart by so much, the last one does not come round to the first.
        let apart = 1 + (number / 7) % (count.saturating_sub(1) / lines.saturating_sub(1).max(1)).max(1);
        (0..lines).map(move |nth| at(&self.goods, number + nth * apart))
    }
}

fn at<T>(all: &[T], number: u64) -> &T {
    let count = u64::try_from(all.len()).unwrap_or(1).max(1);
    &all[usize::try_from(number % count).unwrap_or(0)]
}

fn new_good(sku: &str) -> NewGood<'_> {
    NewGood { sku, name: "Something to measure with", category_id: None, price_minor: PRICE_MINOR, units: 0 }
}

/// A line of an order.
pub fn line(good: &Good, quantity: u32) -> Value {
    json!({ "product_id": good.product_id, "sku": good.sku, "quantity": quantity })
}

/// Makes a product with one SKU, puts it up for sale, and stocks it.
pub async fn stock(staff: &mut Client, new: &NewGood<'_>) -> Result<Good, ClientError> {
    let NewGood { sku, name, category_id, price_minor, units } = new;
    let product_id = format!("p-{sku}");
    let categories: Vec<&str> = category_id.iter().copied().collect();
    let product = json!({
        "product_id": product_id, "name": name, "category_ids": categories,
        "variants": [{ "sku": sku, "amount_minor": price_minor, "currency": "EUR" }],
    });
    let _created: Value = staff.write(Method::POST, "/v1/products", &product, &format!("product-{sku}")).await?;
    let publish = format!("/v1/products/{product_id}/publication");
    let _published: Value = staff.write(Method::POST, &publish, &json!({}), &format!("publish-{sku}")).await?;
    if *units > 0 {
        let adjust = json!({ "delta": units, "adjustment_type": "restock" });
        let path = format!("/v1/stock/{sku}/adjustments");
        write_once_known(staff, &path, &adjust, &format!("stock-{sku}")).await?;
    }
    Ok(Good { product_id, sku: (*sku).to_owned() })
}

/// A customer with so much money. Where customers of other systems are not taken, one who registers, which takes longer:
/// a password is hashed, and few may try that at once.
#[expect(clippy::disallowed_methods, reason = "the shop wants the next try to come later")]
async fn customer(staff: &mut Client, name: &str, amount_minor: i64) -> Result<String, ClientError> {
    match credit(staff, name, amount_minor).await {
        Err(ClientError::Refused { code, .. }) if code == CUSTOMER_NOT_FOUND.code => {}
        done => return done.map(|()| name.to_owned()),
    }
    let password = format!("{:016x}", drawn());
    let body = json!({ "email": format!("{name}@example.org"), "password": password });
    let Registered { user_id } = loop {
        match staff.write(Method::POST, "/v1/users", &body, &format!("user-{name}")).await {
            Err(ClientError::Refused { code, .. }) if code == RATE_LIMITED.refusal.code => {
                tokio::time::sleep(RATE_WAIT).await;
            }
            done => break done?,
        }
    };
    credit_once_known(staff, &user_id, amount_minor).await?;
    Ok(user_id)
}

/// How long to wait where too many have tried to register.
const RATE_WAIT: Duration = Duration::from_millis(250);

/// Credits a customer's account. Payments may not know a customer of another store yet, who has just registered.
pub async fn credit_once_known(staff: &mut Client, customer: &str, amount_minor: i64) -> Result<(), ClientError> {
    let (path, body) = credit_of(customer, amount_minor);
    write_once_known(staff, &path, &body, &format!("credit-{customer}")).await
}

async fn credit(staff: &mut Client, customer: &str, amount_minor: i64) -> Result<(), ClientError> {
    let (path, body) = credit_of(customer, amount_minor);
    let _account: Value = staff.write(Method::POST, &path, &body, &format!("credit-{customer}")).await?;
    Ok(())
}

fn credit_of(customer: &str, amount_minor: i64) -> (String, Value) {
    let body = json!({ "amount_minor": amount_minor, "cause": "top_up" });
    (format!("/v1/users/{customer}/accounts/EUR/credits"), body)
}

/// How often a write is tried whose service has not received an event yet, and the pause between two tries: 30 s.
const KNOWN_TRIES_MAX: u32 = 600;
const KNOWN_WAIT: Duration = Duration::from_millis(50);

/// Writes about something that another service has created. In a split shop its event may still be on its way: the write
/// is repeated while the answer is 404, at most [`KNOWN_TRIES_MAX`] times.
#[expect(clippy::disallowed_methods, reason = "the event takes a moment")]
async fn write_once_known(staff: &mut Client, path: &str, body: &Value, key: &str) -> Result<(), ClientError> {
    let mut tries = 1;
    loop {
        match staff.write::<Value>(Method::POST, path, body, key).await {
            Err(ClientError::Refused { status: 404, .. }) if tries < KNOWN_TRIES_MAX => tries += 1,
            done => return done.map(drop),
        }
        tokio::time::sleep(KNOWN_WAIT).await;
    }
}

/// Money of one customer, in minor units: enough for any load.
const CREDIT_MINOR: i64 = 100_000_000_000;

/// Names of one run must not be those of another.
pub fn uuid_like() -> String {
    format!("{:08x}", drawn() >> 32)
}

fn drawn() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn market(mix: Mix) -> Market {
        let goods = |kind: &'static str, count: u32| {
            (0..count).map(move |number| Good { product_id: format!("p{number}"), sku: format!("{kind}{number}") })
        };
        let customers = |kind: &'static str| (0..mix.customers).map(move |number| format!("{kind}{number}"));
        Market {
            mix,
            goods: goods("good", mix.skus).collect(),
            sold_out: goods("empty", SOLD_OUT).collect(),
            customers: customers("rich").collect(),
            without_money: customers("poor").collect(),
        }
    }

    fn mix(skus: u32, lines: u32) -> Mix {
        Mix { skus, customers: 7, lines, declined_percent: 0, out_of_stock_percent: 0 }
    }

    fn skus(order: &Value) -> Vec<String> {
        let lines = order["lines"].as_array().unwrap();
        lines.iter().map(|line| line["sku"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_line_of_an_order_is_of_another_sku_and_there_are_no_more_than_skus() {
        for (count, lines, most) in [(1, 2, 1), (2, 2, 2), (3, 2, 2), (1_000, 2, 2), (20, 20, 20), (7, 5, 5)] {
            let market = market(mix(count, lines));
            for number in 0..500 {
                let skus = skus(&market.order(number));
                assert_eq!(
                    (skus.len(), skus.iter().collect::<BTreeSet<_>>().len()),
                    (most, most),
                    "{number}: {skus:?}"
                );
            }
        }
    }

    #[test]
    fn of_a_hundred_orders_as_many_fail_as_was_asked_for() {
        let market = market(Mix { declined_percent: 10, out_of_stock_percent: 5, ..mix(100, 2) });
        let orders: Vec<_> = (0..1_000).map(|number| market.order(number)).collect();
        let poor = orders.iter().filter(|order| order["customer_id"].as_str().unwrap().starts_with("poor")).count();
        let empty = orders.iter().filter(|order| skus(order).iter().any(|sku| sku.starts_with("empty"))).count();
        assert_eq!((poor, empty), (100, 50));
    }
}
