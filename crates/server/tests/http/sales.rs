//! What was sold on each day.

use std::time::Duration;

use serde_json::json;

use crate::shelf::{Shelf, column, order_of, pages};

#[tokio::test]
async fn sales_are_summed_by_day_and_read_in_pages() {
    let mut shelf = Shelf::with(&[("clock_jump_max", "7days")]).await;
    shelf.sells("tea", &["TEA-1"], json!({})).await;
    shelf.receive("TEA-1", 100).await;
    let mut ada = shelf.rich("ada").await;
    for day in 1..=3 {
        for _ in 0..day {
            let order = ada.client.request("POST", "/v1/orders").header("Prefer", "wait=10");
            order.json(&order_of("TEA-1", 2, "balance")).send().await.expect(201);
        }
        shelf.world.clock.advance(Duration::from_hours(24));
        ada = shelf.world.signed_in(&ada.email).await;
        shelf.staff = shelf.world.signed_in("staff@example.org").await.client;
    }
    let days = pages(&shelf.staff, "/v1/sales?from=2026-01-31&to=2026-02-28", 2).await;
    assert_eq!(column(&days, "day"), ["2026-01-31", "2026-02-01", "2026-02-02"]);
    let second = json!({"day": "2026-02-01", "currency": "EUR", "confirmed": 2, "completed": 0, "cancelled": 0,
        "gross_minor": 4_000, "refunded_minor": 0, "uncollected_minor": 0, "net_minor": 4_000});
    assert_eq!(days[1], second);
    assert_eq!(pages(&shelf.staff, "/v1/sales?from=2026-02-01&to=2026-02-01", 2).await, [second]);
}

#[tokio::test]
async fn a_range_of_days_has_an_order_and_a_bound() {
    let shelf = Shelf::new().await;
    let get = async |query: &str| shelf.staff.get(&format!("/v1/sales{query}")).await;
    get("?from=2025-01-31&to=2026-01-31").await.expect(200);
    for (query, field) in [
        ("?from=2025-01-31&to=2026-02-01", "to"),
        ("?from=2026-02-01&to=2026-01-31", "to"),
        ("?from=2026-02-30&to=2026-03-01", "from"),
        ("?from=2026-01-01&to=tomorrow", "to"),
        ("?from=2026-1-1&to=2026-01-31", "from"),
    ] {
        assert_eq!(get(query).await.refused(400, "query_invalid").field("field"), field, "{query}");
    }
    get("?from=2026-01-01").await.refused(400, "query_invalid");
    let ada = shelf.world.person("ada").await;
    ada.client.get("/v1/sales?from=2026-01-01&to=2026-01-31").await.refused(403, "not_allowed");
}
