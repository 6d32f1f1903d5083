//! Input that cannot be read: every refusal names the field at fault, and nothing is taken for something else.

use serde_json::json;

use crate::world::{PASSWORD, World};

#[tokio::test]
async fn a_name_in_the_query_that_means_nothing_is_refused_and_not_passed_over() {
    let world = World::new().await;
    let anonymous = world.anonymous();
    for (path, field) in [
        ("/v1/products?colour=red", "colour"),
        ("/v1/products?limit=1&limit=2", "limit"),
        ("/v1/products?limit=-1", "limit"),
        ("/v1/products?limit=0", "limit"),
        ("/v1/products?limit=101", "limit"),
        ("/v1/products?status=gold", "status"),
        ("/v1/categories?limit=1&Cursor=x", "Cursor"),
    ] {
        let refused = anonymous.get(path).await.refused(400, "query_invalid");
        assert_eq!(refused.field("field"), field, "{path}");
    }
    anonymous.get("/v1/products?limit=1&cursor=abc").await.refused(400, "cursor_invalid");
    // A link in a mail leads here, with a token for the page.
    anonymous.get("/docs?token=abc").await.expect(200);
}

#[tokio::test]
async fn a_part_of_the_path_that_is_no_id_is_named() {
    let world = World::new().await;
    for path in ["/v1/products/%00".to_owned(), format!("/v1/products/{}", "k".repeat(65)), "/v1/products/a%20b".into()]
    {
        assert_eq!(world.anonymous().get(&path).await.refused(400, "path_invalid").field("field"), "product_id");
    }
    world.anonymous().get("/v1/products/%ff").await.refused(400, "path_invalid");
    let admin = world.admin().await;
    let path = "/v1/users/somebody/accounts/euro/entries";
    let detail = admin.client.get(path).await.refused(400, "path_invalid").field("detail");
    assert!(!detail.contains("URL"), "{detail}");
}

#[tokio::test]
async fn a_field_that_is_missing_twice_there_or_of_another_kind_is_named() {
    let world = World::new().await;
    let ada = world.person("ada").await;
    for (body, field) in [
        (json!({"lines": []}), "payment_method"),
        (json!({"lines": [{"sku": "A", "product_id": "a"}], "payment_method": "balance"}), "lines[0].quantity"),
        (json!({"lines": {}, "payment_method": "balance"}), "lines"),
        (json!({"lines": [], "payment_method": "gold"}), "payment_method"),
        (json!({"lines": [], "payment_method": "balance", "colour": 1}), "colour"),
    ] {
        let refused = ada.client.post("/v1/orders", body.clone()).await.refused(400, "body_invalid");
        assert_eq!(refused.field("field"), field, "{body}");
        assert!(!refused.field("detail").contains("column"), "{}", refused.field("detail"));
    }
    // A list of its fields is no object, at whatever depth.
    let placed = json!({"lines": [["a", "A", 1, null]], "payment_method": "balance"});
    ada.client.post("/v1/orders", placed).await.refused(400, "body_invalid").field("field");
    let profile = format!("/v1/users/{}", ada.user_id);
    ada.client.request("PATCH", &profile).json(&json!([null, null])).send().await.refused(400, "body_invalid");
    let list = ada.client.post("/v1/orders", json!([])).await.refused(400, "body_invalid");
    assert_eq!(list.field("detail"), "invalid type: a list, expected an object");
}

#[tokio::test]
async fn a_request_has_one_idempotency_key() {
    let world = World::new().await;
    let new = json!({"email": "ada@example.org", "password": PASSWORD});
    let request = || world.anonymous().request("POST", "/v1/users").json(&new);
    let none = request().without("Idempotency-Key").send().await.refused(400, "idempotency_key_missing");
    assert_eq!(none.field("field"), "Idempotency-Key");
    let two = request().header("Idempotency-Key", "one").header("idempotency-key", "two").send().await;
    assert_eq!(two.refused(400, "header_invalid").field("field"), "Idempotency-Key");
}

#[tokio::test]
async fn whoever_opens_the_address_of_a_shop_in_a_browser_is_led_to_the_reference() {
    let world = World::new().await;
    assert_eq!(world.anonymous().get("/").await.expect(307).header("location"), Some("/docs"));
}
