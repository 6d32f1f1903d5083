//! Categories: the tree, and what is in it.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::shelf::{Shelf, column, pages, patch};

impl Shelf {
    async fn category(&self, category_id: &str, parent_id: Option<&str>) {
        let new = json!({"category_id": category_id, "name": category_id.to_uppercase(), "parent_id": parent_id});
        self.staff.post("/v1/categories", new).await.expect(201);
    }
}

#[tokio::test]
async fn the_tree_follows_every_change() {
    let shelf = Shelf::new().await;
    let (staff, anonymous) = (&shelf.staff, shelf.world.anonymous());
    let made = staff.post("/v1/categories", json!({"category_id": "drinks", "name": "Drinks"})).await.expect(201);
    assert_eq!(made.header("location"), Some("/v1/categories/drinks"));
    shelf.category("tea", Some("drinks")).await;
    shelf.category("coffee", Some("drinks")).await;
    shelf.category("green", Some("tea")).await;
    let tree = anonymous.get("/v1/category-tree").await.expect(200).json();
    let leaf = |id: &str| json!({"category_id": id, "name": id.to_uppercase(), "children": []});
    let mut tea = leaf("tea");
    tea["children"] = json!([leaf("green")]);
    let drinks = |children: Value| json!({"category_id": "drinks", "name": "Drinks", "children": children});
    assert_eq!(tree, json!({"items": [drinks(json!([leaf("coffee"), tea]))]}));
    let moved = patch(staff, "/v1/categories/green", json!({"parent_id": null, "name": "Leaves"})).await.expect(200);
    assert_eq!((moved.field("name"), moved.json().get("parent_id")), ("Leaves".into(), None));
    assert_eq!(anonymous.get("/v1/categories/green").await.expect(200).json(), moved.json());
    staff.delete("/v1/categories/tea").await.expect(204);
    anonymous.get("/v1/categories/tea").await.refused(404, "category_not_found");
    let leaves = json!({"category_id": "green", "name": "Leaves", "children": []});
    let tree = anonymous.get("/v1/category-tree").await.expect(200).json();
    assert_eq!(tree, json!({"items": [drinks(json!([leaf("coffee")])), leaves]}));
    assert_eq!(column(&pages(&anonymous, "/v1/categories", 2).await, "category_id"), ["coffee", "drinks", "green"]);
}

#[tokio::test]
async fn a_tree_that_cannot_be_is_refused() {
    let shelf = Shelf::new().await;
    let staff = &shelf.staff;
    shelf.category("1", None).await;
    for level in 2..=8 {
        shelf.category(&level.to_string(), Some(&(level - 1).to_string())).await;
    }
    let create = async |new: Value| staff.post("/v1/categories", new).await;
    let deep = create(json!({"name": "nine", "parent_id": "8"})).await.refused(409, "category_too_deep");
    assert_eq!(deep.field("field"), "parent_id");
    create(json!({"name": "again", "category_id": "1"})).await.refused(409, "category_exists");
    create(json!({"name": ""})).await.refused(422, "invalid_category");
    let orphan = create(json!({"name": "lost", "parent_id": "none"})).await.refused(422, "unknown_category");
    assert_eq!(orphan.field("field"), "parent_id");
    patch(staff, "/v1/categories/1", json!({"parent_id": "8"})).await.refused(409, "category_cycle");
    patch(staff, "/v1/categories/none", json!({"name": "x"})).await.refused(404, "category_not_found");
    staff.delete("/v1/categories/none").await.refused(404, "category_not_found");
    staff.delete("/v1/categories/7").await.refused(409, "category_not_empty");
    shelf.draft("tea", &["TEA-1"], json!({"category_ids": ["8"]})).await;
    staff.delete("/v1/categories/8").await.refused(409, "category_not_empty");
    patch(staff, "/v1/products/tea", json!({"category_ids": []})).await.expect(200);
    staff.delete("/v1/categories/8").await.expect(204);
    create(json!({"name": "eight", "category_id": "8"})).await.refused(409, "category_exists");
}

#[tokio::test]
async fn the_products_of_a_category_come_in_pages_and_only_published_ones() {
    let shelf = Shelf::new().await;
    shelf.category("tea", None).await;
    shelf.category("empty", None).await;
    for nth in 0..3 {
        let (id, sku) = (format!("tea-{nth}"), format!("TEA-{nth}"));
        shelf.sells(&id, &[&sku], json!({"category_ids": ["tea"]})).await;
    }
    shelf.draft("tea-9", &["TEA-9"], json!({"category_ids": ["tea"]})).await;
    let (anonymous, path) = (shelf.world.anonymous(), "/v1/categories/tea/products");
    assert_eq!(column(&pages(&anonymous, path, 2).await, "product_id"), ["tea-0", "tea-1", "tea-2"]);
    assert_eq!(pages(&shelf.staff, path, 2).await.len(), 4);
    let drafts = pages(&shelf.staff, "/v1/categories/tea/products?status=draft", 2).await;
    assert_eq!(column(&drafts, "product_id"), ["tea-9"]);
    anonymous.get("/v1/categories/tea/products?status=draft").await.refused(403, "not_allowed");
    shelf.staff.delete("/v1/products/tea-1/publication").await.expect(200);
    assert_eq!(column(&pages(&anonymous, path, 1).await, "product_id"), ["tea-0", "tea-2"]);
    assert_eq!(pages(&anonymous, "/v1/categories/empty/products", 2).await, [json!(null); 0]);
    anonymous.get("/v1/categories/none/products").await.refused(404, "category_not_found");
}

#[tokio::test]
async fn a_tree_of_too_many_categories_is_read_in_pages() {
    let shelf = Shelf::new().await;
    let staff = &shelf.staff;
    for _ in 0..10 {
        let made = join_all((0..100).map(|nth| staff.post("/v1/categories", json!({"name": nth.to_string()})))).await;
        assert!(made.iter().all(|reply| reply.status == 201));
    }
    let anonymous = shelf.world.anonymous();
    let tree = anonymous.get("/v1/category-tree").await.expect(200).json();
    assert_eq!(tree["items"].as_array().unwrap().len(), 1_000);
    shelf.category("one-more", None).await;
    anonymous.get("/v1/category-tree").await.refused(409, "category_tree_too_large");
    anonymous.get("/v1/categories?limit=100").await.expect(200);
}

#[tokio::test]
async fn ids_of_every_sort_have_their_place_in_lists_and_in_the_tree() {
    const UUIDS: [&str; 2] = ["0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b3", "550e8400-e29b-41d4-a716-446655440000"];
    let shelf = Shelf::new().await;
    shelf.category(UUIDS[1], None).await;
    shelf.category("a", Some(UUIDS[1])).await;
    shelf.category("0", Some(UUIDS[1])).await;
    shelf.category(UUIDS[0], Some("a")).await;
    shelf.category("z", Some(UUIDS[0])).await;
    let anonymous = shelf.world.anonymous();
    let all = pages(&anonymous, "/v1/categories", 2).await;
    assert_eq!(column(&all, "category_id"), ["0", "a", "z", UUIDS[0], UUIDS[1]], "UUIDs after all others");
    let tree = anonymous.get("/v1/category-tree").await.expect(200).json();
    let leaf = |id: &str, children: Value| json!({"category_id": id, "name": id.to_uppercase(), "children": children});
    let under_a = leaf(UUIDS[0], json!([leaf("z", json!([]))]));
    let root = leaf(UUIDS[1], json!([leaf("0", json!([])), leaf("a", json!([under_a]))]));
    assert_eq!(tree, json!({"items": [root]}));
    for id in ["tea", "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b4", "Tea"] {
        shelf.sells(id, &[&format!("SKU-{id}")], json!({"category_ids": ["a"]})).await;
    }
    let products = pages(&anonymous, "/v1/categories/a/products", 1).await;
    assert_eq!(column(&products, "product_id"), ["Tea", "tea", "0199c2f4-7d3e-7a51-8c6b-2f90d1e4a7b4"]);
}
