//! Stock and the locations where it is.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::shelf::{Shelf, column, order_of, pages, patch};

#[tokio::test]
async fn the_levels_of_a_sku_over_its_locations_follow_every_adjustment() {
    let shelf = Shelf::new().await;
    shelf.sells("tea", &["TEA-1"], json!({})).await;
    let made = shelf.staff.post("/v1/locations", json!({"location_id": "dock", "name": "Dock"})).await.expect(201);
    assert_eq!(made.header("location"), Some("/v1/locations/dock"));
    let received = shelf.receive("TEA-1", 10).await.json();
    assert_eq!((&received["on_hand"], &received["location_id"]), (&json!(10), &json!("main")));
    let found = json!({"location_id": "dock", "delta": 3, "adjustment_type": "correction", "reason": "count",
        "reference": "C-7", "source": "stocktaking"});
    assert_eq!(shelf.adjust("TEA-1", found).await.expect(200).json()["available_everywhere"], 13);
    let levels = shelf.staff.get("/v1/stock/TEA-1").await.expect(200).json();
    assert_eq!((&levels["available"], &levels["product_id"]), (&json!(13), &json!("tea")));
    let at = |nth: usize, field: &str| levels["items"][nth][field].clone();
    assert_eq!((at(0, "location_id"), at(0, "received"), at(0, "adjusted")), (json!("main"), json!(10), json!(0)));
    assert_eq!((at(1, "location_id"), at(1, "received"), at(1, "adjusted")), (json!("dock"), json!(0), json!(3)));
    shelf.staff.get("/v1/stock/NONE").await.refused(404, "stock_not_found");
    shelf.adjust("NONE", json!({"delta": 1, "adjustment_type": "restock"})).await.refused(404, "stock_not_found");
}

#[tokio::test]
async fn an_adjustment_that_cannot_be_changes_nothing() {
    let shelf = Shelf::new().await;
    shelf.sells("tea", &["TEA-1"], json!({})).await;
    shelf.receive("TEA-1", 5).await;
    let adjust = async |body: Value| shelf.adjust("TEA-1", body).await;
    let wrong = adjust(json!({"delta": 1, "adjustment_type": "theft"})).await.refused(422, "invalid_adjustment");
    assert_eq!(wrong.field("field"), "delta");
    adjust(json!({"delta": 1, "adjustment_type": "gift"})).await.refused(400, "body_invalid");
    adjust(json!({"delta": -6, "adjustment_type": "damage"})).await.refused(409, "stock_too_low");
    let nowhere = json!({"location_id": "nowhere", "delta": 1, "adjustment_type": "restock"});
    assert_eq!(adjust(nowhere).await.refused(404, "location_not_found").field("field"), "location_id");
    let ada = shelf.world.person("ada").await;
    ada.client.post("/v1/orders", order_of("TEA-1", 4, "external")).await.expect(201);
    adjust(json!({"delta": -2, "adjustment_type": "damage"})).await.refused(409, "stock_reserved");
    let left = shelf.staff.get("/v1/stock/TEA-1").await.expect(200).json();
    assert_eq!((&left["items"][0]["on_hand"], &left["items"][0]["reserved"]), (&json!(5), &json!(4)));
}

#[tokio::test]
async fn a_sku_is_stocked_at_a_hundred_locations_at_most() {
    let shelf = Shelf::new().await;
    shelf.sells("tea", &["TEA-1"], json!({})).await;
    let open = async |nth: usize| {
        let location_id = format!("shelf-{nth}");
        let new = json!({"location_id": location_id, "name": location_id});
        shelf.staff.post("/v1/locations", new).await.expect(201);
        shelf.adjust("TEA-1", json!({"location_id": location_id, "delta": 1, "adjustment_type": "restock"})).await
    };
    assert!(join_all((1..100).map(open)).await.iter().all(|reply| reply.status == 200));
    open(100).await.refused(409, "too_many_locations");
    let levels = shelf.staff.get("/v1/stock/TEA-1").await.expect(200).json();
    assert_eq!(levels["items"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn what_is_low_is_listed_the_critical_first() {
    let shelf = Shelf::new().await;
    let skus: Vec<String> = (0..5).map(|nth| format!("TEA-{nth}")).collect();
    shelf.sells("tea", &skus.iter().map(String::as_str).collect::<Vec<_>>(), json!({})).await;
    for (sku, units) in skus.iter().zip([1, 4, 8, 20, 2]) {
        shelf.receive(sku, units).await;
        let thresholds = json!({"warning": 10, "urgent": 5, "critical": 2});
        let set = shelf.staff.put(&format!("/v1/stock/{sku}/thresholds"), thresholds.clone()).await.expect(200);
        assert_eq!(set.json()["thresholds"], thresholds);
    }
    let low = pages(&shelf.staff, "/v1/low-stock", 2).await;
    assert_eq!(column(&low, "sku"), ["TEA-0", "TEA-4", "TEA-1", "TEA-2"]);
    assert_eq!(column(&low, "level"), ["critical", "critical", "urgent", "warning"]);
    let critical = pages(&shelf.staff, "/v1/low-stock?level=critical", 1).await;
    assert_eq!(column(&critical, "sku"), ["TEA-0", "TEA-4"]);
    shelf.receive("TEA-0", 50).await;
    assert_eq!(pages(&shelf.staff, "/v1/low-stock", 3).await.len(), 3);
    shelf.staff.get("/v1/low-stock?level=worst").await.refused(400, "query_invalid");
    let set = async |body: Value| shelf.staff.put("/v1/stock/TEA-3/thresholds", body).await;
    let crossed = set(json!({"warning": 1, "urgent": 2})).await.refused(422, "invalid_thresholds");
    assert_eq!(crossed.field("field"), "urgent");
    set(json!({"location_id": "nowhere", "warning": 1})).await.refused(404, "stock_not_found");
    assert_eq!(set(json!({"warning": 1})).await.expect(200).json()["thresholds"], json!({"warning": 1}));
}

#[tokio::test]
async fn locations_are_opened_changed_and_listed() {
    let shelf = Shelf::new().await;
    let staff = &shelf.staff;
    for (location_id, name) in [("a", "Attic"), ("b", "Barn"), ("c", "Cellar")] {
        staff.post("/v1/locations", json!({"location_id": location_id, "name": name})).await.expect(201);
    }
    assert_eq!(column(&pages(staff, "/v1/locations", 2).await, "name"), ["Attic", "Barn", "Cellar"]);
    let changed = patch(staff, "/v1/locations/b", json!({"priority": 1})).await.expect(200).json();
    assert_eq!(changed, json!({"location_id": "b", "name": "Barn", "priority": 1}));
    assert_eq!(staff.get("/v1/locations/b").await.expect(200).json(), changed);
    staff.post("/v1/locations", json!({"location_id": "a", "name": "x"})).await.refused(409, "location_exists");
    staff.post("/v1/locations", json!({"name": ""})).await.refused(422, "invalid_location");
    patch(staff, "/v1/locations/none", json!({"name": "x"})).await.refused(404, "location_not_found");
    staff.get("/v1/locations/none").await.refused(404, "location_not_found");
}
