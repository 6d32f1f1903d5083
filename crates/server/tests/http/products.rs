//! Products, their variants and prices: what staff does with them, and what everybody sees.

use std::time::Duration;

use serde_json::{Value, json};

use crate::shelf::{Shelf, column, new_product, pages, patch, variant};

#[tokio::test]
async fn a_product_is_seen_by_customers_while_it_is_published() {
    let shelf = Shelf::new().await;
    let made = shelf.draft("tea", &["TEA-1"], json!({"brand": "Ahoy", "attributes": {"organic": true}})).await;
    assert_eq!((made.header("location"), made.field("status")), (Some("/v1/products/tea"), "draft".into()));
    let ada = shelf.world.person("ada").await.client;
    let everybody = [shelf.world.anonymous(), ada];
    let seen = async |expected: bool| {
        for client in &everybody {
            let (read, sku) = (client.get("/v1/products/tea").await, client.get("/v1/variants/TEA-1").await);
            let listed = client.get("/v1/products").await.expect(200).json()["items"].as_array().unwrap().len();
            assert_eq!(listed, usize::from(expected));
            if expected {
                assert_eq!(read.expect(200).field("brand"), "Ahoy");
                assert_eq!(sku.expect(200).field("product_id"), "tea");
            } else {
                read.refused(404, "product_not_found");
                sku.refused(404, "variant_not_found");
            }
        }
        let kept = shelf.staff.get("/v1/products/tea").await.expect(200).json();
        assert_eq!((&kept["variants"][0]["sku"], &kept["attributes"]["organic"]), (&json!("TEA-1"), &json!(true)));
        shelf.staff.get("/v1/variants/TEA-1").await.expect(200);
        assert_eq!(shelf.staff.get("/v1/products").await.expect(200).json()["items"].as_array().unwrap().len(), 1);
    };
    let publication = "/v1/products/tea/publication";
    seen(false).await;
    shelf.staff.delete(publication).await.refused(409, "product_not_published");
    assert_eq!(shelf.staff.post(publication, json!({})).await.expect(200).field("status"), "published");
    seen(true).await;
    assert_eq!(shelf.staff.delete(publication).await.expect(200).field("status"), "unpublished");
    seen(false).await;
    shelf.publish("tea").await;
    let archived = shelf.staff.post("/v1/products/tea/archival", json!({"reason": "drunk up"})).await.expect(200);
    assert_eq!(archived.field("status"), "archived");
    seen(false).await;
    for refused in [
        shelf.staff.post(publication, json!({})).await,
        patch(&shelf.staff, "/v1/products/tea", json!({"name": "Coffee"})).await,
        shelf.staff.post("/v1/products/tea/variants", variant("TEA-2", 1)).await,
    ] {
        refused.refused(409, "product_archived");
    }
}

#[tokio::test]
async fn a_product_shows_what_it_costs_and_whether_it_can_be_had() {
    let shelf = Shelf::new().await;
    let media = json!([
        {"url": "https://shop.example/back.jpg", "sort_order": 2},
        {"url": "https://shop.example/front.jpg", "sort_order": 1, "alt_text": "A tin"},
    ]);
    let variants = json!([variant("TEA-1", 500), variant("TEA-2", 900)]);
    shelf.sells("tea", &[], json!({"media": media, "variants": variants})).await;
    let anonymous = shelf.world.anonymous();
    let card = async || anonymous.get("/v1/products").await.expect(200).json()["items"][0].clone();
    let before = card().await;
    assert_eq!((&before["price_min_minor"], &before["price_max_minor"]), (&json!(500), &json!(900)));
    assert_eq!((&before["currency"], &before["availability"]), (&json!("EUR"), &json!("out_of_stock")));
    assert_eq!(before["picture"]["url"], "https://shop.example/front.jpg");
    shelf.receive("TEA-2", 1).await;
    assert_eq!(card().await["availability"], "in_stock");
    let read = anonymous.get("/v1/products/tea").await.expect(200);
    assert_eq!(read.field("availability"), "in_stock");
    assert_eq!(read.json(), shelf.staff.get("/v1/products/tea").await.expect(200).json());
}

#[tokio::test]
async fn what_is_absent_in_a_change_stays_and_null_clears() {
    let shelf = Shelf::new().await;
    shelf.draft("tea", &["TEA-1"], json!({"brand": "Ahoy", "description": "Black", "attributes": {"a": 1}})).await;
    let renamed = patch(&shelf.staff, "/v1/products/tea", json!({"name": "Tea"})).await.expect(200);
    assert_eq!((renamed.field("name"), renamed.field("brand")), ("Tea".into(), "Ahoy".into()));
    let change = json!({"brand": null, "attributes": {"b": "two"}});
    let changed = patch(&shelf.staff, "/v1/products/tea", change).await.expect(200).json();
    assert_eq!((changed.get("brand"), &changed["attributes"]), (None, &json!({"b": "two"})));
    assert_eq!(changed["description"], "Black");
    patch(&shelf.staff, "/v1/products/tea", json!({"status": "published"})).await.refused(400, "body_invalid");
}

#[tokio::test]
async fn a_product_that_cannot_be_is_refused_with_the_field_at_fault() {
    let shelf = Shelf::new().await;
    let create = async |body: Value| shelf.staff.post("/v1/products", body).await;
    shelf.draft("tea", &["TEA-1"], json!({})).await;
    let many: Vec<Value> = (0..101).map(|nth| variant(&format!("M-{nth}"), 1)).collect();
    let dear = json!({"sku": "D", "amount_minor": -1, "currency": "EUR"});
    let foreign = json!({"sku": "F", "amount_minor": 1, "currency": "USD"});
    for (fields, status, code, field) in [
        (json!({"product_id": "tea"}), 409, "product_exists", "product_id"),
        (json!({"name": " "}), 422, "invalid_product", "name"),
        (json!({"media": [{"url": "javascript:x"}]}), 422, "invalid_product", "media[0].url"),
        (json!({"attributes": {"deep": {}}}), 422, "invalid_product", "attributes.deep"),
        (json!({"category_ids": ["nowhere"]}), 422, "unknown_category", "category_ids[0]"),
        (json!({"variants": many}), 409, "too_many_variants", "variants"),
        (json!({"variants": [variant("X", 1), variant("TEA-1", 1)]}), 409, "sku_taken", "variants[1].sku"),
        (json!({"variants": [dear]}), 422, "invalid_price", "variants[0].amount_minor"),
        (json!({"variants": [foreign]}), 422, "invalid_price", "variants[0].currency"),
        (json!({"variants": [{"sku": ""}]}), 400, "body_invalid", "variants[0].sku"),
    ] {
        let reply = create(new_product("other", &[], fields)).await.refused(status, code);
        assert_eq!(reply.field("field"), field);
    }
    shelf.staff.get("/v1/products/other").await.refused(404, "product_not_found");
    shelf.draft("empty", &[], json!({})).await;
    let publish = shelf.staff.post("/v1/products/empty/publication", json!({})).await;
    publish.refused(409, "product_without_variant");
    for path in ["/v1/products/none/publication", "/v1/products/none/variants"] {
        shelf.staff.post(path, variant("N", 1)).await.refused(404, "product_not_found");
    }
}

#[tokio::test]
async fn variants_are_added_changed_and_ended() {
    let shelf = Shelf::new().await;
    shelf.sells("tea", &["TEA-1"], json!({})).await;
    let added = shelf.staff.post("/v1/products/tea/variants", variant("A/B?c#1", 700)).await.expect(201);
    let location = added.header("location").unwrap().to_owned();
    assert_eq!(location, "/v1/variants/A%2FB%3Fc%231");
    let anonymous = shelf.world.anonymous();
    assert_eq!(anonymous.get(&location).await.expect(200).field("sku"), "A/B?c#1");
    let changed = patch(&shelf.staff, &location, json!({"attributes": {"tin": "blue"}})).await.expect(200);
    assert_eq!(changed.json()["attributes"]["tin"], "blue");
    shelf.staff.post("/v1/products/tea/variants", variant("TEA-1", 1)).await.refused(409, "sku_taken");
    let ended = shelf.staff.post(&format!("{location}/discontinuation"), json!({})).await.expect(200);
    assert_eq!(ended.field("status"), "discontinued");
    patch(&shelf.staff, &location, json!({"attributes": {}})).await.refused(409, "variant_discontinued");
    let price = json!({"amount_minor": 1, "currency": "EUR"});
    shelf.staff.post(&format!("{location}/prices"), price).await.refused(409, "variant_discontinued");
    assert_eq!(anonymous.get(&location).await.expect(200).field("status"), "discontinued");
    shelf.staff.post("/v1/variants/NONE/discontinuation", json!({})).await.refused(404, "variant_not_found");
    anonymous.get("/v1/variants/NONE").await.refused(404, "variant_not_found");
    shelf.staff.get("/v1/variants/NONE/prices").await.refused(404, "variant_not_found");
}

#[tokio::test]
async fn a_price_holds_now_or_from_its_moment_on() {
    let shelf = Shelf::new().await;
    shelf.sells("tea", &["TEA-1"], json!({})).await;
    let (staff, prices) = (&shelf.staff, "/v1/variants/TEA-1/prices");
    let price = |amount_minor: i64| json!({"amount_minor": amount_minor, "currency": "EUR", "reason": "season"});
    assert_eq!(staff.post(prices, price(1_200)).await.expect(200).json()["amount_minor"], 1_200);
    let mut later = price(800);
    later["effective_at"] = json!("2026-01-31T12:05:00Z");
    staff.post(prices, later.clone()).await.expect(200);
    later["effective_at"] = json!("2026-01-31T12:06:00Z");
    let withdrawn = staff.post(prices, later).await.expect(200).field("price_id");
    let told = staff.get(prices).await.expect(200).json();
    assert_eq!((&told["price"]["amount_minor"], told["scheduled"].as_array().unwrap().len()), (&json!(1_200), 2));
    assert_eq!(told["scheduled"][0]["price"]["effective_at"], "2026-01-31T12:05:00.000Z");
    staff.delete(&format!("{prices}/{withdrawn}")).await.expect(204);
    staff.delete(&format!("{prices}/{withdrawn}")).await.refused(404, "scheduled_price_not_found");
    let shown = async || {
        let sku = shelf.world.anonymous().get("/v1/variants/TEA-1").await.expect(200).json();
        sku["price"]["amount_minor"].as_i64().unwrap()
    };
    assert_eq!(shown().await, 1_200);
    shelf.world.clock.advance(Duration::from_mins(5));
    let told = staff.get(prices).await.expect(200).json();
    assert_eq!((&told["price"]["amount_minor"], &told["scheduled"]), (&json!(800), &json!([])));
    while shown().await != 800 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_price_that_cannot_be_is_refused() {
    let shelf = Shelf::new().await;
    shelf.sells("tea", &["TEA-1"], json!({})).await;
    let set = async |price: Value| shelf.staff.post("/v1/variants/TEA-1/prices", price).await;
    let usd = set(json!({"amount_minor": 1, "currency": "USD"})).await.refused(422, "invalid_price");
    assert_eq!(usd.field("field"), "currency");
    set(json!({"amount_minor": 1, "currency": "euro"})).await.refused(400, "body_invalid");
    let blank = set(json!({"amount_minor": 1, "currency": "EUR", "reason": ""})).await.refused(422, "invalid_product");
    assert_eq!(blank.field("field"), "reason");
    let at = |minute: u32| json!({"amount_minor": minute, "currency": "EUR", "effective_at": format!("2026-02-01T12:{minute:02}:00Z")});
    for minute in 0..20 {
        set(at(minute)).await.expect(200);
    }
    set(at(20)).await.refused(409, "too_many_scheduled_prices");
}

#[tokio::test]
async fn the_list_is_filtered_and_read_page_by_page() {
    let shelf = Shelf::new().await;
    for nth in 0..5_i64 {
        let brand = if nth % 2 == 0 { "Even" } else { "Odd" };
        let variants = json!([variant(&format!("P{nth}"), 100 * (nth + 1))]);
        shelf.sells(&format!("product-{nth}"), &[], json!({"brand": brand, "variants": variants})).await;
        shelf.world.clock.advance(Duration::from_secs(1));
    }
    shelf.draft("draft", &["D"], json!({"brand": "Even"})).await;
    shelf.receive("P3", 1).await;
    let anonymous = shelf.world.anonymous();
    let newest_first = ["product-4", "product-3", "product-2", "product-1", "product-0"];
    assert_eq!(column(&pages(&anonymous, "/v1/products", 2).await, "product_id"), newest_first);
    assert_eq!(column(&pages(&anonymous, "/v1/products?q=&status=published", 2).await, "product_id"), newest_first);
    for (filter, expected) in [
        ("brand=Even", vec!["product-4", "product-2", "product-0"]),
        ("brand=Odd&availability=in_stock", vec!["product-3"]),
        ("price_from_minor=200&price_to_minor=300", vec!["product-2", "product-1"]),
        ("brand=Nobody", vec![]),
    ] {
        let rows = pages(&anonymous, &format!("/v1/products?{filter}"), 1).await;
        assert_eq!(column(&rows, "product_id"), expected, "{filter}");
    }
    let drafts = pages(&shelf.staff, "/v1/products?status=draft", 2).await;
    assert_eq!(column(&drafts, "product_id"), ["draft"]);
    let dear = pages(&shelf.staff, "/v1/products?price_from_minor=500", 1).await;
    assert_eq!(column(&dear, "product_id"), ["draft", "product-4"]);
    assert_eq!(pages(&shelf.staff, "/v1/products", 4).await.len(), 6);
    let refused = anonymous.get("/v1/products?status=draft").await.refused(403, "not_allowed");
    assert_eq!(refused.field("field"), "status");
    for bad in ["status=new", "availability=yes", "price_from_minor=cheap", "limit=0"] {
        anonymous.get(&format!("/v1/products?{bad}")).await.refused(400, "query_invalid");
    }
    let cursor = anonymous.get("/v1/products?limit=1").await.field("next_cursor");
    let elsewhere = anonymous.get(&format!("/v1/products?limit=1&brand=Even&cursor={cursor}")).await;
    elsewhere.refused(400, "cursor_invalid");
}

#[tokio::test]
async fn the_largest_product_goes_through_its_whole_life() {
    let shelf = Shelf::new().await;
    // Quotation marks, which are longest in JSON, up to the bound of all attributes together.
    let attributes: serde_json::Map<String, Value> =
        (0..19).map(|nth| (format!("name-{nth:02}"), "\"".repeat(100).into())).collect();
    let variants: Vec<Value> = (0..100)
        .map(|nth| {
            let sku = format!("{nth:03}{}", "\"".repeat(61));
            json!({"sku": sku, "attributes": attributes, "amount_minor": 1_000, "currency": "EUR"})
        })
        .collect();
    let media: Vec<Value> = (0..20)
        .map(|nth| json!({"url": format!("https://media.example.org/{}", "x".repeat(990)), "sort_order": nth}))
        .collect();
    let product = json!({"product_id": "large", "name": "Large", "description": "\"".repeat(16 * 1024),
        "attributes": attributes, "media": media, "variants": variants});
    shelf.staff.post("/v1/products", product).await.expect(201);
    shelf.publish("large").await;
    let change = json!({"description": "\\".repeat(16 * 1024), "media": [], "attributes": {}});
    patch(&shelf.staff, "/v1/products/large", change).await.expect(200);
    shelf.staff.delete("/v1/products/large/publication").await.expect(200);
    let dead = shelf.admin.client.get("/v1/operations/dead-letters").await.expect(200).json();
    assert_eq!(dead["items"], json!([]));
    let more = json!({"attributes": {"much": "x".repeat(100)}, "name": "Larger"});
    patch(&shelf.staff, "/v1/products/large", more).await.expect(200);
    let many: serde_json::Map<String, Value> =
        (0..20).map(|nth| (format!("name-{nth:02}"), "\"".repeat(100).into())).collect();
    let refused = patch(&shelf.staff, "/v1/products/large", json!({"attributes": many})).await;
    refused.refused(422, "invalid_product");
}
