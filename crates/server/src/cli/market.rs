//! A market to buy on, made over the API like anybody would: products with stock, customers with money.

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};

use crate::client::{Client, ClientError};

/// What every product of the market costs, in minor units. It ends in no digits to which the provider's simulator
/// gives a meaning.
pub const PRICE_MINOR: i64 = 1_250;

/// Goods and buyers. Clones share them.
#[derive(Clone)]
pub struct Market {
    goods: Arc<[Good]>,
    customers: Arc<[String]>,
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
    pub async fn prepare(staff: &mut Client, skus: u32, customers: u32, units: i64) -> Result<Self, ClientError> {
        let run = uuid_like();
        let mut goods = Vec::new();
        for number in 0..skus {
            let sku = format!("load-{run}-{number}");
            let name = format!("Load {number}");
            let new = NewGood { sku: &sku, name: &name, category_id: None, price_minor: PRICE_MINOR, units };
            goods.push(stock(staff, &new).await?);
        }
        let mut ids = Vec::new();
        for number in 0..customers {
            let customer = format!("load-{run}-c{number}");
            credit(staff, &customer, CREDIT_MINOR).await?;
            ids.push(customer);
        }
        Ok(Self { goods: goods.into(), customers: ids.into() })
    }

    /// The order of this number: two lines, spread evenly over goods and customers. One line where there is one SKU.
    pub fn order(&self, number: u64) -> Value {
        let good = |number: u64| {
            let place = usize::try_from(number % u64::try_from(self.goods.len()).unwrap_or(1)).unwrap_or(0);
            line(&self.goods[place], 1)
        };
        let lines = if self.goods.len() == 1 {
            vec![good(0)]
        } else {
            // The second good is another one, and pairs vary.
            let others = u64::try_from(self.goods.len() - 1).unwrap_or(1);
            vec![good(number), good(number + 1 + (number / 7) % others)]
        };
        let place = usize::try_from(number % u64::try_from(self.customers.len()).unwrap_or(1)).unwrap_or(0);
        json!({ "customer_id": self.customers[place], "lines": lines, "payment_method": "balance" })
    }
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
        let _level: Value = staff.write(Method::POST, &path, &adjust, &format!("stock-{sku}")).await?;
    }
    Ok(Good { product_id, sku: (*sku).to_owned() })
}

/// Puts money into a customer's account.
pub async fn credit(staff: &mut Client, customer: &str, amount_minor: i64) -> Result<(), ClientError> {
    let path = format!("/v1/users/{customer}/accounts/EUR/credits");
    let body = json!({ "amount_minor": amount_minor, "cause": "top_up" });
    let _account: Value = staff.write(Method::POST, &path, &body, &format!("credit-{customer}")).await?;
    Ok(())
}

/// Money of one customer, in minor units: enough for any load.
const CREDIT_MINOR: i64 = 100_000_000_000;

/// Names of one run must not be those of another.
pub fn uuid_like() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:08x}", RandomState::new().hash_one(std::process::id()) >> 32)
}
