//! The street in front of the shop: its staff, its goods, its customers, each with an access token of their own.

use std::{collections::BTreeMap, sync::Arc};

use hyper::Method;
use serde_json::{Value, json};

use super::kinds::GOODS;
use crate::{
    app::App,
    cli::{
        market::{Good, NewGood, credit, stock, uuid_like},
        shop::{Registered, sign_in},
    },
    client::{Client, ClientError, ShopUrl},
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
    pub async fn open(app: &App) -> Result<Self, ClientError> {
        let address = app.address();
        let url = ShopUrl::new(&address.ip().to_string(), address.port());
        let mut first = Client::new(url.clone());
        let token = app.first_admin_token().unwrap_or_default();
        let admin = json!({ "token": token, "email": "staff@demo.example", "password": PASSWORD });
        let _admin: Value = first.write(Method::POST, "/v1/first-admin", &admin, "first-admin").await?;
        let mut staff = sign_in(first, "staff@demo.example", PASSWORD).await?;
        let category = json!({ "category_id": "tea-and-ware", "name": "Tea and ware" });
        let _category: Value = staff.write(Method::POST, "/v1/categories", &category, "category").await?;
        let mut goods = BTreeMap::new();
        for (sku, name, price_minor, units) in GOODS {
            let new = NewGood { sku, name, category_id: Some("tea-and-ware"), price_minor, units };
            goods.insert(sku, stock(&mut staff, &new).await?);
        }
        let mut rich = Vec::new();
        for number in 0..RICH {
            let (client, id) = register(&url, &format!("customer{number}")).await?;
            credit(&mut staff, &id, MONEY_MINOR).await?;
            rich.push(client);
        }
        let (poor, _) = register(&url, "poor").await?;
        Ok(Self { staff, goods: Arc::new(goods), rich, poor })
    }
}

/// Signs a customer up and in.
async fn register(url: &ShopUrl, name: &str) -> Result<(Client, String), ClientError> {
    let mut client = Client::new(url.clone());
    let email = format!("{name}@demo.example");
    let user = json!({ "email": email, "password": PASSWORD });
    let Registered { user_id } =
        client.write(Method::POST, "/v1/users", &user, &format!("user-{}", uuid_like())).await?;
    Ok((sign_in(client, &email, PASSWORD).await?, user_id))
}
