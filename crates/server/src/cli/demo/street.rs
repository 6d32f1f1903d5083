//! The street in front of the shop: its staff, its goods, its customers, each with an access token of their own.

use std::{collections::BTreeMap, sync::Arc};

use hyper::Method;
use serde_json::{Value, json};

use super::kinds::GOODS;
use crate::{
    cli::{
        market::{Good, NewGood, credit_once_known, stock, uuid_like},
        shop::{Registered, sign_in},
    },
    client::{Client, ClientError},
};

/// Customers with money.
const RICH: usize = 16;

/// What each of them has, in minor units.
const MONEY_MINOR: i64 = 100_000_000_000;

const PASSWORD: &str = "a demo needs no secret";

/// Everybody and everything that the demo needs.
pub struct Street {
    pub staff: Client,
    pub goods: Arc<BTreeMap<&'static str, Good>>,
    pub rich: Vec<Client>,
    pub poor: Client,
}

impl Street {
    /// `visitor` is a client of the shop who is not signed in; with the token it becomes the first admin.
    pub async fn open(mut visitor: Client, first_admin_token: &str) -> Result<Self, ClientError> {
        let admin = json!({ "token": first_admin_token, "email": "staff@demo.example", "password": PASSWORD });
        let _admin: Value = visitor.write(Method::POST, "/v1/first-admin", &admin, "first-admin").await?;
        let mut staff = sign_in(visitor.another(), "staff@demo.example", PASSWORD).await?;
        let category = json!({ "category_id": "tea-and-ware", "name": "Tea and ware" });
        let _category: Value = staff.write(Method::POST, "/v1/categories", &category, "category").await?;
        let mut goods = BTreeMap::new();
        for (sku, name, price_minor, units) in GOODS {
            let new = NewGood { sku, name, category_id: Some("tea-and-ware"), price_minor, units };
            goods.insert(sku, stock(&mut staff, &new).await?);
        }
        let mut rich = Vec::new();
        for number in 0..RICH {
            let (client, id) = register(visitor.another(), &format!("customer{number}")).await?;
            credit_once_known(&mut staff, &id, MONEY_MINOR).await?;
            rich.push(client);
        }
        let (poor, _) = register(visitor, "poor").await?;
        Ok(Self { staff, goods: Arc::new(goods), rich, poor })
    }
}

/// Signs a customer up and in.
async fn register(mut visitor: Client, name: &str) -> Result<(Client, String), ClientError> {
    let email = format!("{name}@demo.example");
    let user = json!({ "email": email, "password": PASSWORD });
    let Registered { user_id } =
        visitor.write(Method::POST, "/v1/users", &user, &format!("user-{}", uuid_like())).await?;
    Ok((sign_in(visitor, &email, PASSWORD).await?, user_id))
}
