//! Text search over the shelves: words, beginnings, accents, and whatever else a person types.

use serde_json::json;

use crate::{
    client::Client,
    shelf::{Shelf, column, pages, patch, variant},
};

async fn stocked() -> Shelf {
    let shelf = Shelf::new().await;
    for (product_id, name, brand, description) in [
        ("kettle", "Red kettle", "Ahoy", "Whistles. Not a cup."),
        ("cup", "Café cup", "Ahoy", "Red inside; 100% porcelain"),
        ("tea", "Green tea", "Dock", "From Dar-es-Salaam (O'Brien's best)"),
    ] {
        let sku = format!("SKU-{}", product_id.to_uppercase());
        shelf.sells(product_id, &[&sku], json!({"name": name, "brand": brand, "description": description})).await;
    }
    shelf.draft("secret", &["SECRET"], json!({"name": "Red herring", "brand": "Ahoy"})).await;
    shelf
}

/// What is found, in any order.
async fn found(client: &Client, query: &str) -> Vec<String> {
    let mut found = column(&pages(client, &format!("/v1/products?{query}"), 1).await, "product_id");
    found.sort();
    found
}

#[tokio::test]
async fn everybody_finds_what_is_published_by_its_words() {
    let shelf = stocked().await;
    let anonymous = shelf.world.anonymous();
    for (query, expected) in [
        ("q=red", vec!["cup", "kettle"]),
        ("q=RED%20kett", vec!["kettle"]),
        ("q=cafe", vec!["cup"]),
        ("q=caf%C3%A9", vec!["cup"]),
        ("q=SKU-TEA", vec!["tea"]),
        ("q=ahoy&price_to_minor=999", vec![]),
        ("q=red&brand=Ahoy&availability=out_of_stock", vec!["cup", "kettle"]),
        ("q=herring", vec![]),
        ("q=purple", vec![]),
    ] {
        assert_eq!(found(&anonymous, query).await, expected, "{query}");
    }
    assert_eq!(found(&shelf.staff, "q=red").await, ["cup", "kettle", "secret"]);
    assert_eq!(found(&shelf.staff, "q=red&status=draft").await, ["secret"]);
    let best = anonymous.get("/v1/products?q=cup").await.expect(200).json();
    assert_eq!(best["items"][0]["product_id"], "cup", "what it is comes before what it is not");
    shelf.staff.delete("/v1/products/cup/publication").await.expect(200);
    assert_eq!(found(&anonymous, "q=red").await, ["kettle"], "at once");
}

#[tokio::test]
async fn whatever_a_person_types_is_words_and_no_query() {
    let shelf = stocked().await;
    let anonymous = shelf.world.anonymous();
    for nothing in ["q=%22", "q=*", "q=--", "q=()", "q=%F0%9F%98%80", "q=%00", "q=%5E%3A"] {
        assert_eq!(found(&anonymous, nothing).await, [""; 0], "{nothing}");
    }
    for (odd, expected) in [
        ("q=red%20OR%20green", vec![]),
        ("q=name%3Ared", vec![]),
        ("q=%22red", vec!["cup", "kettle"]),
        ("q=red%20AND", vec![]),
        ("q=NEAR(red%20cup)", vec![]),
        ("q='%3B%20DROP%20TABLE%20product_view%3B%20--", vec![]),
        ("q=100%25", vec!["cup"]),
        ("q=O'Brien", vec!["tea"]),
        ("q=dar-es-sal", vec!["tea"]),
        ("q=red%00kettle", vec!["kettle"]),
        ("q=+%20+red+", vec!["cup", "kettle"]),
    ] {
        assert_eq!(found(&anonymous, odd).await, expected, "{odd}");
    }
    let long = format!("q={}", "red+".repeat(1_000));
    assert_eq!(found(&anonymous, &long).await, ["cup", "kettle"]);
    anonymous.get("/v1/products?q=%FF").await.expect(200);
}

#[tokio::test]
async fn a_cursor_of_a_search_is_good_for_its_words_alone() {
    let shelf = stocked().await;
    let anonymous = shelf.world.anonymous();
    let cursor = anonymous.get("/v1/products?q=red&limit=1").await.expect(200).field("next_cursor");
    let goes_on = anonymous.get(&format!("/v1/products?q=red&limit=1&cursor={cursor}")).await.expect(200).json();
    assert_eq!((goes_on["items"].as_array().unwrap().len(), goes_on.get("next_cursor")), (1, None));
    for other in ["q=kettle", "q=red&brand=Ahoy", "brand=Ahoy"] {
        let refused = anonymous.get(&format!("/v1/products?{other}&limit=1&cursor={cursor}")).await;
        refused.refused(400, "cursor_invalid");
    }
    let refused = shelf.staff.get(&format!("/v1/products?q=red&limit=1&cursor={cursor}")).await;
    refused.refused(400, "cursor_invalid");
}

#[tokio::test]
async fn a_word_is_found_in_texts_without_blanks_and_however_it_is_spelt() {
    let shelf = Shelf::new().await;
    for (product_id, name) in [
        ("jp", "有機緑茶ティーバッグ"),
        ("zh", "高山烏龍茶葉禮盒"),
        ("th", "ชาเขียวญี่ปุ่น"),
        ("ko", "유기농녹차 티백"),
        ("de", "Straßenschuh"),
        ("dk", "Smørrebrød"),
        ("pl", "Łódka"),
    ] {
        shelf.sells(product_id, &[&product_id.to_uppercase()], json!({"name": name})).await;
    }
    let anonymous = shelf.world.anonymous();
    for (typed, expected) in [
        ("緑茶", vec!["jp"]),
        ("茶", vec!["jp", "zh"]),
        ("烏龍 禮盒", vec!["zh"]),
        ("เขียว", vec!["th"]),
        ("녹차", vec!["ko"]),
        ("티백", vec!["ko"]),
        ("straßen", vec!["de"]),
        ("STRASSEN", vec!["de"]),
        ("smorrebrod", vec!["dk"]),
        ("lodka", vec!["pl"]),
        ("茶緑", vec![]),
        ("schuh", vec![]),
    ] {
        let query = typed.bytes().fold(String::new(), |query, byte| query + &format!("%{byte:02X}"));
        assert_eq!(found(&anonymous, &format!("q={query}")).await, expected, "{typed}");
    }
    patch(&shelf.staff, "/v1/products/jp", json!({"name": "紅茶"})).await.expect(200);
    assert_eq!(found(&anonymous, "q=%E7%B7%91%E8%8C%B6").await, [""; 0], "at once");
}

#[tokio::test]
async fn a_price_filter_finds_what_costs_something_in_the_range_and_not_what_lies_around_it() {
    let shelf = Shelf::new().await;
    let variants = json!([variant("PEN-A", 1_000), variant("PEN-B", 10_000)]);
    shelf.sells("pen", &[], json!({"variants": variants, "brand": "Ahoy"})).await;
    shelf.sells("ink", &[], json!({"variants": [variant("INK", 2_500)], "brand": "Dock"})).await;
    let anonymous = shelf.world.anonymous();
    for (query, expected) in [
        ("price_from_minor=2000&price_to_minor=3000", vec!["ink"]),
        ("price_from_minor=9000&price_to_minor=11000", vec!["pen"]),
        ("price_from_minor=500&price_to_minor=3000", vec!["ink", "pen"]),
        ("price_from_minor=1001&price_to_minor=2499", vec![]),
        ("price_from_minor=3000", vec!["pen"]),
        ("price_to_minor=1000", vec!["pen"]),
        ("price_from_minor=3000&price_to_minor=2000", vec![]),
        ("price_from_minor=2000&price_to_minor=3000&brand=Ahoy", vec![]),
        ("price_from_minor=500&price_to_minor=3000&brand=Ahoy", vec!["pen"]),
        ("price_from_minor=2000&price_to_minor=3000&q=pen", vec![]),
        ("price_from_minor=500&price_to_minor=3000&q=pen", vec!["pen"]),
        ("currency=EUR", vec!["ink", "pen"]),
        ("currency=USD&price_to_minor=3000", vec![]),
    ] {
        assert_eq!(found(&anonymous, query).await, expected, "{query}");
    }
    shelf.staff.post("/v1/variants/PEN-A/discontinuation", json!({})).await.expect(200);
    assert_eq!(found(&anonymous, "price_to_minor=3000").await, ["ink"], "it is not sold any more");
    shelf.staff.post("/v1/variants/INK/prices", variant_price(9_000)).await.expect(200);
    assert_eq!(found(&anonymous, "price_from_minor=8000&price_to_minor=9500").await, ["ink"], "at once");

    // One is priced in the currency that the shop has now, the other is not yet.
    let world = shelf.world.restarted(&[("rate_per_second", "0"), ("currency", "USD")]).await;
    let staff = world.signed_in("staff@example.org").await.client;
    staff.post("/v1/variants/INK/prices", json!({"amount_minor": 9_900, "currency": "USD"})).await.expect(200);
    let anonymous = world.anonymous();
    assert_eq!(found(&anonymous, "price_from_minor=9000&price_to_minor=10000").await, ["ink"]);
    assert_eq!(found(&anonymous, "price_from_minor=9000&price_to_minor=10000&currency=EUR").await, ["pen"]);
}

fn variant_price(amount_minor: i64) -> serde_json::Value {
    json!({"amount_minor": amount_minor, "currency": "EUR"})
}
