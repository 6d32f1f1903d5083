//! The workers that a shop hires by its configuration: mail that can be read, and the provider with its books beside the
//! shop's.

use std::{path::Path, sync::Arc};

use serde_json::json;
use tradewind::app::{App, AppError, Options};
use tradewind_testkit::manual_clock;
use tradewind_workers::provider::ProviderRecords;

use crate::{
    client::Client,
    shelf::{new_product, order_of},
    world::{Directory, config},
};

async fn opened(directory: &Directory, settings: &[(&'static str, &str)]) -> Result<App, AppError> {
    let options = Options { clock: Arc::new(manual_clock()), ..Options::default() };
    App::start_with(config(directory, settings), options).await
}

/// The mail to somebody, as soon as it is there.
async fn mail_to(folder: &Path, address: &str) -> String {
    loop {
        let mails = std::fs::read_dir(folder).into_iter().flatten();
        let mut texts = mails.filter_map(|mail| std::fs::read_to_string(mail.unwrap().path()).ok());
        if let Some(mail) = texts.find(|text| text.contains(&format!("To: {address}")) && text.contains("?token=")) {
            return mail;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_link_in_a_mail_opens_what_it_is_for() {
    let directory = Directory::new();
    let folder = directory.0.join("mail");
    let app = opened(&directory, &[("mail_folder", &folder.display().to_string())]).await.unwrap();
    let anonymous = Client::new(app.address());
    let ada = anonymous.person("ada").await;
    let mail = mail_to(&folder, "ada@example.org").await;
    let token = mail.split_once("?token=").unwrap().1.split_whitespace().next().unwrap();
    anonymous.post("/v1/email-verifications", json!({"token": token})).await.expect(204);
    assert_eq!(ada.client.get("/v1/me").await.expect(200).json()["email_verified"], true);
    assert_eq!(app.stop().await, None);
}

#[tokio::test]
async fn the_provider_has_books_of_its_own_beside_the_store() {
    let directory = Directory::new();
    let app = opened(&directory, &[("provider_rules", "61=declined")]).await.unwrap();
    let anonymous = Client::new(app.address());
    let admin = anonymous.first_admin(&app).await;
    let post = async |path: &str, body| admin.client.post(path, body).await;
    let product = new_product(
        "tea",
        &["TEA-1"],
        json!({"variants": [{"sku": "TEA-1", "amount_minor": 1_061, "currency": "EUR"}]}),
    );
    post("/v1/products", product).await.expect(201);
    post("/v1/products/tea/publication", json!({})).await.expect(200);
    post("/v1/stock/TEA-1/adjustments", json!({"delta": 9, "adjustment_type": "restock"})).await.expect(200);
    let waits = async |quantity: u32| {
        let request = admin.client.request("POST", "/v1/orders").json(&order_of("TEA-1", quantity, "card"));
        request.header("Prefer", "wait=20").send().await.expect(201).json()["outcome"].clone()
    };
    let declined = waits(1).await;
    assert_eq!((&declined["status"], &declined["reason"]), (&json!("rejected"), &json!("card_declined")));
    assert_eq!(waits(2).await["status"], "confirmed");
    assert_eq!(app.stop().await, None);
    let records = ProviderRecords::open(&directory.0.join("shop.db.provider")).unwrap();
    let charges = records.charges(None, 10).unwrap();
    assert_eq!(charges.iter().map(|charge| charge.amount_minor).collect::<Vec<_>>(), [2_122]);
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn a_process_without_payments_has_no_records_of_the_provider() {
    use tradewind::split::Part;

    for (services, has_records) in [(["identity", "orders"], false), (["identity", "payments"], true)] {
        let directory = Directory::new();
        let names = services.join(",");
        let settings = [("services", &*names), ("broker", "amqp://localhost"), ("peers", "peers.toml")];
        let part = Some(Part { services: services.to_vec(), ..Part::default() });
        let options = Options { clock: Arc::new(manual_clock()), part, ..Options::default() };
        let app = App::start_with(config(&directory, &settings), options).await.unwrap();
        assert_eq!(app.stop().await, None);
        assert_eq!(directory.0.join("shop.db.provider").exists(), has_records, "{names}");
    }
}

#[tokio::test]
async fn a_setting_that_nobody_can_work_with_names_itself() {
    for (setting, text) in [
        ("mail_from", "nobody at all"),
        ("mail_folder", "/dev/null/mail"),
        ("provider_store", "/dev/null/provider"),
        ("provider_callback_url", "https://shop.example.org/v1/provider-callbacks"),
    ] {
        let directory = Directory::new();
        let Err(error) = opened(&directory, &[(setting, text)]).await else { panic!("{setting} was taken") };
        let told = error.to_string();
        assert!(told.starts_with(&format!("{setting}: ")), "{told}");
        // Nothing is left behind that holds the store.
        assert_eq!(opened(&directory, &[]).await.unwrap().stop().await, None);
    }
}
