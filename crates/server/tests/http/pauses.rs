//! The automatic pause of a service: one customer cannot cause it, many can.

use rusqlite::Connection;
use serde_json::json;

use crate::{
    shelf::{Shelf, order_of},
    world::World,
};

const SETTINGS: [(&str, &str); 3] =
    [("rate_per_second", "0"), ("secret_rate_per_second", "0"), ("dead_letters_a_minute_max", "2")];

/// Orders that wait for their payment and hold stock, of each of these customers so many.
async fn orders_of(shelf: &Shelf, names: &[&str], count: usize) -> Vec<(String, Vec<String>)> {
    let mut placed = Vec::new();
    for name in names {
        let person = shelf.world.person(name).await;
        let mut orders = Vec::new();
        for _ in 0..count {
            let order = person.client.post("/v1/orders", order_of("TEA-1", 1, "external")).await.expect(201);
            orders.push(order.field("order_id"));
        }
        placed.push((person.email, orders));
    }
    placed
}

/// The same shop on a store in which the stock is gone: whoever gives some back fails.
async fn without_stock(world: World) -> World {
    let store = world.file("shop.db");
    let damage = move || {
        let store = Connection::open(store).unwrap();
        assert_eq!(store.execute("DELETE FROM stock", []).unwrap(), 1);
    };
    world.damaged(damage, &SETTINGS).await
}

async fn cancel(world: &World, (email, orders): &(String, Vec<String>)) {
    let person = world.signed_in(email).await;
    for order in orders {
        let reply = person.client.post(&format!("/v1/orders/{order}/cancellation"), json!({})).await;
        assert!(reply.status < 300, "{}", reply.text());
    }
}

async fn dead_letters(world: &World) -> usize {
    let root = world.signed_in("root@example.org").await;
    root.client.get("/v1/operations/dead-letters").await.expect(200).json()["items"].as_array().unwrap().len()
}

async fn paused(world: &World) -> serde_json::Value {
    world.anonymous().get("/readyz").await.expect(200).json()["paused"].clone()
}

#[tokio::test]
async fn orders_of_one_customer_that_fail_do_not_stop_a_service_for_the_others() {
    let shelf = Shelf::with(&SETTINGS).await;
    shelf.sells("tea", &["TEA-1"], json!({})).await;
    shelf.receive("TEA-1", 100).await;
    let orders = orders_of(&shelf, &["ada", "bob", "cyd"], 4).await;
    let world = without_stock(shelf.world).await;
    cancel(&world, &orders[0]).await;
    assert_eq!(dead_letters(&world).await, 4);
    assert_eq!(paused(&world).await, json!(null));
    cancel(&world, &orders[1]).await;
    assert_eq!(paused(&world).await, json!(null));
    // The third customer whose order fails shows that it is the service. What comes after that is parked.
    cancel(&world, &orders[2]).await;
    assert_eq!(paused(&world).await, json!(["inventory"]));
    assert_eq!(dead_letters(&world).await, 9);
}
