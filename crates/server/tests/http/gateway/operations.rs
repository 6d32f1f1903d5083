//! Operations of several stores through one address: lists are merged, and what is done goes to the store that has it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tradewind_workers::provider::Forced;

use super::{
    Alone, items,
    peer::{Act, FakePeer},
};
use crate::{
    client::Reply,
    town::{Placed, TWO_STORES, Town, named, order_of},
};

/// Two stores with parked messages in each.
async fn parked() -> Town {
    let town = Town::behind_a_gateway(TWO_STORES, &[]).await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 0).await;
    town.pauses("notifications").await;
    town.pauses("shipping").await;
    for _ in 0..3 {
        town.settles_order(&ada, order_of("tea", 1, "external")).await;
    }
    let request = town.anonymous();
    request.person("bob").await;
    town.settles().await;
    town
}

fn stores(items: &[Value]) -> BTreeSet<&str> {
    items.iter().map(|item| item["store"].as_str().unwrap()).collect()
}

/// All rows of a list, in pages of so many.
async fn all(town: &Town, path: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = town.staff.get(&format!("{path}limit={limit}{cursor}")).await.expect(200);
        let here = items(&page);
        assert!(here.len() <= limit);
        rows.extend(here);
        match page.json()["next_cursor"].as_str() {
            None => return rows,
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
}

#[tokio::test]
async fn lists_of_all_stores_come_as_one_in_pages_of_any_size() {
    let town = parked().await;
    for (path, moment, descending) in [
        ("/v1/operations/parked?", "parked_at", false),
        ("/v1/operations/timers?", "due_at", false),
        ("/v1/operations/audit?", "at", true),
        ("/v1/operations/jobs?state=waiting&", "due_at", false),
        ("/v1/operations/dead-letters?", "died_at", true),
    ] {
        let whole = all(&town, path, 100).await;
        for limit in [1, 2, 3, 7] {
            assert_eq!(all(&town, path, limit).await, whole, "{path} {limit}");
        }
        let moments: Vec<&str> = whole.iter().map(|row| row[moment].as_str().unwrap()).collect();
        let in_order = |pair: &[&str]| if descending { pair[0] >= pair[1] } else { pair[0] <= pair[1] };
        assert!(moments.windows(2).all(in_order), "{path}: {moments:?}");
        let mut own = Vec::new();
        for (number, name) in ["part-0", "part-1"].into_iter().enumerate() {
            let of_store = all(&town, &format!("{path}store={name}&"), 2).await;
            let separator = path.trim_end_matches(['?', '&']);
            let real = town
                .at_door(number, &town.staff)
                .get(&format!("{separator}{}limit=100", if path.ends_with('&') { "&" } else { "?" }))
                .await;
            let mut shown = items(&real.expect(200));
            for row in &mut shown {
                row["store"] = json!(name);
            }
            assert_eq!(of_store, shown, "{path} {name}");
            own.extend(of_store);
        }
        let key = |row: &Value| row.to_string();
        let (left, right): (BTreeSet<_>, BTreeSet<_>) =
            (whole.iter().map(key).collect(), own.iter().map(key).collect());
        assert_eq!((left, whole.len()), (right, own.len()), "{path}");
    }
    let whole = all(&town, "/v1/operations/parked?", 100).await;
    assert_eq!(stores(&whole), BTreeSet::from(["part-0", "part-1"]));
}

#[tokio::test]
async fn what_is_done_with_an_item_goes_to_the_store_that_has_it() {
    let town = parked().await;
    let rows = all(&town, "/v1/operations/parked?", 100).await;
    for store in ["part-0", "part-1"] {
        let row = rows.iter().find(|row| row["store"] == store).unwrap();
        let path = format!("/v1/operations/parked/{}/retry", row["id"].as_str().unwrap());
        town.staff.post(&path, json!({})).await.expect(200);
        town.staff.post(&format!("{path}?store={store}"), json!({})).await.expect(200);
        let other = if store == "part-0" { "part-1" } else { "part-0" };
        town.staff.post(&format!("{path}?store={other}"), json!({})).await.refused(404, "parked_not_found");
    }
    for (path, code) in [
        ("/v1/operations/parked/none/retry", "parked_not_found"),
        ("/v1/operations/jobs/none/retry", "job_not_found"),
        ("/v1/operations/dead-letters/none/redrive", "dead_letter_not_found"),
    ] {
        town.staff.post(path, json!({})).await.refused(404, code);
    }
    town.staff.get("/v1/operations/dead-letters/none").await.refused(404, "dead_letter_not_found");
    let set_aside = "/v1/operations/refused-events/none/set-aside";
    town.staff.post(set_aside, json!({"reason": "it does not fit"})).await.refused(409, "event_not_refused");
}

#[tokio::test]
async fn consumers_states_and_one_store_by_its_name() {
    let town = parked().await;
    let consumers = items(&town.staff.get("/v1/operations/consumers").await.expect(200));
    // The nine services, and the subscription of each store.
    assert_eq!(consumers.len(), 11, "{consumers:?}");
    let of = |name: &str| consumers.iter().find(|consumer| consumer["name"] == name).unwrap();
    assert_eq!((&of("shipping")["store"], &of("shipping")["paused"]), (&json!("part-1"), &json!(true)));
    assert_eq!((&of("orders")["store"], &of("orders")["paused"]), (&json!("part-0"), &json!(false)));
    let second = items(&town.staff.get("/v1/operations/consumers?store=part-1").await.expect(200));
    assert_eq!((second.len(), stores(&second)), (4, BTreeSet::from(["part-1"])));

    let states = items(&town.staff.get("/v1/operations").await.expect(200));
    assert_eq!((states.len(), stores(&states)), (2, BTreeSet::from(["part-0", "part-1"])));
    let one = town.staff.get("/v1/operations?store=part-1").await.expect(200).json();
    assert_eq!(one["parked"], states[1]["parked"]);

    let pause = "/v1/operations/consumers/broker/pause";
    let unnamed = town.staff.post(pause, json!({"reason": "for the test"})).await.refused(400, "query_invalid");
    assert_eq!(unnamed.field("field"), "store");
    town.staff.post(&format!("{pause}?store=part-1"), json!({"reason": "for the test"})).await.expect(200);
    let paused = items(&town.staff.get("/v1/operations/consumers").await.expect(200));
    let subscriptions = paused.iter().filter(|consumer| consumer["kind"] == "subscription");
    let states: Vec<_> = subscriptions.map(|found| (&found["name"], &found["store"], &found["paused"])).collect();
    let state = |store: &str, paused: bool| (json!("broker"), json!(store), json!(paused));
    let expected = [state("part-0", false), state("part-1", true)];
    assert_eq!(states, expected.iter().map(|(name, store, paused)| (name, store, paused)).collect::<Vec<_>>());

    let confirm = "/v1/operations/clock/confirmation";
    town.staff.post(confirm, json!({})).await.refused(400, "query_invalid");
    town.staff.post(&format!("{confirm}?store=part-0"), json!({})).await.expect(200);
}

#[tokio::test]
async fn lists_of_one_service_name_its_store_and_keep_their_pages() {
    let town = parked().await;
    let sagas = all(&town, "/v1/operations/sagas?", 100).await;
    assert_eq!((sagas.len(), stores(&sagas)), (3, BTreeSet::from(["part-0"])));
    assert_eq!(all(&town, "/v1/operations/sagas?", 1).await, sagas);
    assert_eq!(all(&town, "/v1/operations/sagas?store=part-0&", 2).await, sagas);
    assert!(all(&town, "/v1/operations/sagas?waiting_seconds=3600&", 100).await.is_empty());
    let elsewhere = town.staff.get("/v1/operations/sagas?store=part-1").await;
    assert_eq!(elsewhere.code(), "service_elsewhere", "{}", elsewhere.text());
    town.staff.get("/v1/operations/sagas?colour=red").await.refused(400, "query_invalid");
    let ada = town.anonymous().person("eve").await;
    ada.client.get("/v1/operations/sagas").await.refused(403, "not_allowed");
    for list in ["holds", "refunds", "surplus", "payables"] {
        assert!(all(&town, &format!("/v1/operations/owed/{list}?"), 2).await.is_empty(), "{list}");
    }
}

/// A provider that does not send money back leaves a refund that is owed.
#[tokio::test]
async fn what_is_owed_names_the_store_of_payments() {
    let town = Town::behind_a_gateway(TWO_STORES, &[]).await;
    town.stocks("tea", 10).await;
    let ada = town.buyer("ada", 0).await;
    town.force("o-1", Forced::RefundRefused);
    town.staff.post("/v1/orders", named("o-1", &ada, order_of("tea", 1, "card"))).await.expect(201);
    town.settles().await;
    let order = Placed { town: &town, order_id: "o-1".to_owned(), buyer: ada.client.clone() };
    order.dispatches().await.expect(200);
    town.settles().await;
    order.delivers().await.expect(200);
    town.settles().await;
    order.refunds(json!({"refund_id": "r-1", "reason": "broken"})).await.expect(202);
    town.settles().await;
    let owed = items(&town.staff.get("/v1/operations/owed/refunds").await.expect(200));
    assert_eq!((owed.len(), &owed[0]["store"], &owed[0]["order_id"]), (1, &json!("part-1"), &json!("o-1")));
}

#[tokio::test]
async fn the_head_of_a_list_of_stores_has_the_length_of_the_list() {
    let town = parked().await;
    for path in ["/v1/operations", "/v1/operations/parked", "/v1/operations/consumers", "/v1/operations/sagas"] {
        let head = town.staff.request("HEAD", path).send().await.expect(200);
        assert!(head.bytes.is_empty() && head.header("content-length").is_some_and(|length| length != "0"), "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_who_may_not_is_told_by_the_stores() {
    let town = Town::behind_a_gateway(TWO_STORES, &[]).await;
    let parked = "/v1/operations/parked";
    for (query, code, field) in [
        ("store=nowhere", "query_invalid", "store"),
        ("store=part-0&store=part-1", "query_invalid", "store"),
        ("limit=0", "query_invalid", "limit"),
        ("limit=101", "query_invalid", "limit"),
        ("cursor=nonsense", "cursor_invalid", "cursor"),
        ("colour=red", "query_invalid", "colour"),
    ] {
        let refused = town.staff.get(&format!("{parked}?{query}")).await.refused(400, code);
        assert_eq!(refused.field("field"), field, "{query}");
    }
    // The cursor of one list is none of another, and none of other stores.
    town.pauses("notifications").await;
    town.pauses("shipping").await;
    let page = town.staff.get("/v1/operations/audit?limit=1").await.expect(200).json();
    let cursor = page["next_cursor"].as_str().unwrap();
    town.staff.get(&format!("{parked}?cursor={cursor}")).await.refused(400, "cursor_invalid");
    let one = town.staff.get(&format!("/v1/operations/audit?store=part-1&cursor={cursor}")).await;
    one.refused(400, "cursor_invalid");
    town.anonymous().get(parked).await.refused(401, "not_signed_in");
    let ada = town.buyer("ada", 0).await;
    ada.client.get(parked).await.refused(403, "not_allowed");
    ada.client.get("/v1/operations").await.refused(403, "not_allowed");
    let huge = town.staff.request("POST", "/v1/operations/parked/none/retry").body(vec![b' '; 2 * 1024 * 1024]);
    huge.send().await.refused(413, "body_too_large");
}

#[tokio::test]
async fn a_store_that_is_away_makes_a_merged_list_fail_and_the_others_can_be_named() {
    let mut town = parked().await;
    let second = town.doors.remove(1);
    assert_eq!(second.app.stop().await, None);
    let refused = town.staff.get("/v1/operations/parked").await.refused(503, "peer_unreachable");
    assert!(refused.field("detail").starts_with("part-1 cannot be reached"), "{}", refused.text());
    let rows = items(&town.staff.get("/v1/operations/parked?store=part-0").await.expect(200));
    let id = rows[0]["id"].as_str().unwrap();
    // It is here, so it does not matter that the other store is away.
    town.staff.post(&format!("/v1/operations/parked/{id}/retry"), json!({})).await.expect(200);
    town.staff.post("/v1/operations/parked/none/retry", json!({})).await.refused(503, "peer_unreachable");
}

#[tokio::test]
async fn a_store_that_answers_nonsense_or_too_much_is_not_believed() {
    for body in ["", "[]", "{}", r#"{"items": [1]}"#, r#"{"items": [{"id": "1"}]}"#] {
        let peer = FakePeer::answering(move |_| Reply::ok(body)).await;
        let alone = Alone::before(&peer.url(), &[]);
        alone.client().get("/v1/operations/parked").await.refused(500, "internal");
    }
    let much = FakePeer::answering(|_| Reply::ok(&" ".repeat(5 * 1024 * 1024))).await;
    Alone::before(&much.url(), &[]).client().get("/v1/operations/parked").await.refused(503, "overloaded");
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    let cut = FakePeer::doing(move |_| Act::Cut(cut.clone())).await;
    Alone::before(&cut.url(), &[]).client().get("/v1/operations/parked").await.refused(503, "peer_unreachable");
}
