//! `Prefer: wait` on placing and cancelling: each outcome, and a time that is over first. On a read: what is still on its
//! way here from another store.

use std::time::Duration;

use serde_json::{Value, json};
use tradewind_testkit::BrokerFaults;

use crate::{
    client::{Client, Reply},
    town::{THREE_STORES, TWO_STORES, Town, order_of},
};

async fn place(client: &Client, order: Value, seconds: u32) -> Reply {
    let request = client.request("POST", "/v1/orders").json(&order);
    request.header("Prefer", &format!("respond-async, wait={seconds}")).send().await
}

async fn cancel(client: &Client, path: &str, seconds: u32) -> Reply {
    let request = client.request("POST", &format!("{path}/cancellation")).json(&json!({}));
    request.header("Prefer", &format!("wait={seconds}")).send().await
}

/// The id of the one order of somebody, as soon as it is there.
async fn the_order_of(client: &Client) -> String {
    loop {
        let orders = client.get("/v1/orders").await.expect(200).json();
        if let Some(order_id) = orders["items"][0]["order_id"].as_str() {
            return order_id.to_owned();
        }
    }
}

#[tokio::test]
async fn whoever_waits_hears_that_the_order_stands_or_why_it_was_rejected() {
    let town = Town::new().await;
    town.stocks("tea", 3).await;
    let (ada, bob) = (town.buyer("ada", 50_000).await, town.buyer("bob", 0).await);
    let outcome = async |reply: Reply| reply.expect(201).json()["outcome"].clone();
    let confirmed = outcome(place(&ada.client, order_of("tea", 1, "balance"), 5).await).await;
    assert_eq!(confirmed, json!({"status": "confirmed", "decided": true}));
    let greedy = outcome(place(&ada.client, order_of("tea", 3, "balance"), 5).await).await;
    let expected = json!({"status": "rejected", "decided": true, "reason": "insufficient", "step": "reservation"});
    assert_eq!(greedy, expected);
    let poor = outcome(place(&bob.client, order_of("tea", 1, "balance"), 5).await).await;
    let expected = json!({"status": "rejected", "decided": true, "reason": "insufficient_funds", "step": "payment"});
    assert_eq!(poor, expected);
    let unknown = outcome(place(&ada.client, order_of("coffee", 1, "balance"), 5).await).await;
    assert_eq!((&unknown["status"], &unknown["step"]), (&json!("rejected"), &json!("quote")));
    town.is_clean().await;
}

#[tokio::test]
async fn whoever_waits_hears_that_the_order_was_cancelled_meanwhile() {
    let town = Town::new().await;
    town.stocks("tea", 3).await;
    let ada = town.buyer("ada", 0).await;
    let cancelled = async {
        let path = format!("/v1/orders/{}", the_order_of(&ada.client).await);
        town.staff.post(&format!("{path}/cancellation"), json!({"reason": "no tea"})).await.expect(200)
    };
    let (placed, done) = tokio::join!(place(&ada.client, order_of("tea", 1, "external"), 20), cancelled);
    let expected = json!({"status": "cancelled", "decided": true, "reason": "no tea", "cancelled_by": "operator"});
    assert_eq!(placed.expect(201).json()["outcome"], expected);
    assert_eq!(done.field("status"), "cancelled");
    town.is_clean().await;
}

#[tokio::test]
async fn whoever_waits_in_vain_hears_how_far_it_is() {
    let town = Town::new().await;
    town.stocks("tea", 3).await;
    let ada = town.buyer("ada", 0).await;
    let mut placing = Box::pin(place(&ada.client, order_of("tea", 1, "external"), 3_600));
    let placed = loop {
        // The time counts from when the request has come, which the test does not see.
        tokio::select! {
            placed = &mut placing => break placed,
            order = the_order_of(&ada.client) => drop(order),
        }
        town.clock.advance(Duration::from_secs(1));
    };
    let placed = placed.expect(201);
    assert_eq!(placed.json()["outcome"], json!({"status": "validated", "decided": false}));
    let waited = town.clock_since_start();
    assert!(waited >= Duration::from_secs(20) && waited < Duration::from_mins(14), "bounded: {waited:?}");
}

#[tokio::test]
async fn a_wait_of_no_time_tells_how_it_stands_and_a_wait_that_is_none_is_passed_over() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    let placed = place(&ada.client, order_of("tea", 1, "external"), 0).await.expect(201);
    assert_eq!(placed.json()["outcome"], json!({"status": "validated", "decided": false}));
    for preference in ["wait=soon", "respond-async", "wait"] {
        let request = ada.client.request("POST", "/v1/orders").json(&order_of("tea", 1, "external"));
        let placed = request.header("Prefer", preference).send().await.expect(201);
        assert_eq!(placed.json()["outcome"], json!(null), "{preference}");
    }
}

#[tokio::test]
async fn a_wait_ends_with_the_shop() {
    let mut town = Town::new().await;
    town.stocks("tea", 3).await;
    let ada = town.buyer("ada", 0).await;
    let door = town.doors.remove(0);
    let stopping = async {
        the_order_of(&ada.client).await;
        assert_eq!(door.app.stop().await, None);
    };
    let (placed, ()) = tokio::join!(place(&ada.client, order_of("tea", 1, "external"), 20), stopping);
    assert_eq!(placed.expect(201).json()["outcome"], json!({"status": "validated", "decided": false}));
}

#[tokio::test]
async fn whoever_cancels_and_waits_hears_how_it_went() {
    let town = Town::laid_out(TWO_STORES, &[]).await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 50_000).await;
    let open = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    let done = cancel(&ada.client, &open.path(), 5).await.expect(200);
    let by_customer = json!({
        "status": "cancelled", "decided": true, "reason": "customer_request", "cancelled_by": "customer",
    });
    assert_eq!((done.field("status"), &done.json()["outcome"]), ("cancelled".to_owned(), &by_customer));

    // Shipping has to be asked.
    let ready = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    let asked = cancel(&ada.client, &ready.path(), 5).await.expect(202);
    assert_eq!((asked.field("status"), &asked.json()["outcome"]), ("cancelling".to_owned(), &by_customer));

    // The goods have left, and orders does not know it yet.
    let leaving = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    town.broker().set_faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    leaving.dispatches().await.expect(200);
    let (path, told) = (leaving.path(), async {
        while town.status_of_order(&leaving.order_id) != "cancelling" {
            tokio::task::yield_now().await;
        }
        town.broker().set_faults(BrokerFaults::default());
    });
    let (refused, ()) = tokio::join!(cancel(&ada.client, &path, 20), told);
    let refused = refused.expect(202);
    assert_eq!(refused.field("status"), "cancelling");
    let outcome = &refused.json()["outcome"];
    assert_eq!((&outcome["decided"], &outcome["cancel_refused"]), (&json!(true), &json!("already_dispatched")));
    town.settles().await;
    leaving.is("dispatched").await;
    town.is_clean().await;
}

/// A read that waits for so many seconds until there is something.
async fn patient(client: &Client, path: &str, seconds: u32) -> Reply {
    client.request("GET", path).header("Prefer", &format!("wait={seconds}")).send().await
}

/// A shop in which no store hears of another, and an order that is placed in it.
async fn placed_without_a_broker(town: &Town) -> (Client, String) {
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    town.broker().set_faults(BrokerFaults { down: true, ..BrokerFaults::default() });
    let order = town.places(&ada, order_of("tea", 1, "external")).await;
    (ada.client.clone(), order.path())
}

#[tokio::test]
async fn an_order_that_was_just_placed_is_found_by_who_waits_for_it() {
    let town = Town::behind_a_gateway(THREE_STORES, &[]).await;
    let (ada, path) = placed_without_a_broker(&town).await;
    let timeline = format!("{path}/events");
    for path in [&path, &format!("{path}/refunds"), &timeline] {
        ada.get(path).await.refused(404, "order_not_found");
        patient(&ada, path, 0).await.refused(404, "order_not_found");
    }
    let mut stream = ada.request("GET", &timeline).header("Prefer", "wait=20").stream().await;
    let waiting = |town: &Town| town.doors[0].shop().waits.held();
    let back = async {
        while waiting(&town) < 3 {
            tokio::task::yield_now().await;
        }
        town.broker().set_faults(BrokerFaults::default());
    };
    let (read, page, told, ()) =
        tokio::join!(patient(&ada, &path, 20), patient(&ada, &timeline, 20), stream.next(), back);
    assert_eq!(read.expect(200).field("order_id"), path.rsplit('/').next().unwrap());
    assert_eq!(page.expect(200).json()["items"][0]["name"], "order.placed");
    assert_eq!(told.unwrap().name, "order.placed");
    town.settles().await;
    assert_eq!(waiting(&town), 0);
}

#[tokio::test]
async fn what_does_not_come_or_is_of_somebody_else_is_not_found_when_the_time_is_over() {
    let town = Town::laid_out(THREE_STORES, &[]).await;
    town.stocks("tea", 9).await;
    let (ada, bob) = (town.buyer("ada", 0).await, town.buyer("bob", 0).await);
    let order = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    for path in ["/v1/orders/nobody", &order.path(), "/v1/categories/none", "/v1/categories/none/products"] {
        let mut reading = Box::pin(patient(&bob.client, path, 3_600));
        let began = town.clock_since_start();
        let reply = loop {
            tokio::select! {
                reply = &mut reading => break reply,
                other = bob.client.get("/v1/me") => drop(other),
            }
            town.clock.advance(Duration::from_secs(1));
        };
        assert_eq!(reply.status, 404, "{path}");
        assert!(town.clock_since_start() >= began + Duration::from_secs(20), "{path}: the longest wait");
    }
}

#[tokio::test]
async fn reads_that_wait_are_bounded_with_all_others_who_wait() {
    let town = Town::laid_out(THREE_STORES, &[("waits_max", "1"), ("caller_share", "1")]).await;
    let (ada, path) = placed_without_a_broker(&town).await;
    let waits = &town.doors[0].shop().waits;
    let second = async {
        while waits.held() < 1 {
            tokio::task::yield_now().await;
        }
        patient(&ada, &path, 20).await.refused(404, "order_not_found");
        town.broker().set_faults(BrokerFaults::default());
    };
    let (first, ()) = tokio::join!(patient(&ada, &path, 20), second);
    first.expect(200);
}
