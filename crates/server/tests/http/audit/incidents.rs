//! What staff does about money, jobs and messages that need a person stands in the audit trail, too.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tradewind_engine::ports::{BrokerMessage, Gap};
use tradewind_workers::provider::Forced;

use super::{Auditor, INCIDENTS};
use crate::{
    client::Client,
    town::{Placed, TWO_STORES, Town, named, order_of},
    world::{PASSWORD, Person},
};

async fn auditor(client: &Client) -> Auditor<'_> {
    let actor = client.get("/v1/me").await.expect(200).field("user_id");
    Auditor { client, actor, done: BTreeSet::new() }
}

fn because(action: &str) -> String {
    format!("because of {action}, für alle")
}

async fn by_card<'t>(town: &'t Town, ada: &Person, order_id: &str, forced: Forced) -> Placed<'t> {
    town.force(order_id, forced);
    town.staff.post("/v1/orders", named(order_id, ada, order_of("tea", 1, "card"))).await.expect(201);
    town.settles().await;
    Placed { town, order_id: order_id.to_owned(), buyer: ada.client.clone() }
}

async fn money_from_outside(town: &Town, ada: &Person, auditor: &mut Auditor<'_>) {
    let paid = town.settles_order(ada, order_of("tea", 1, "external")).await;
    let held = json!({"reference": "bank-1", "amount_minor": 1_000, "currency": "EUR"});
    auditor.does("payments.authorize", "POST", &format!("{}/payment/authorization", paid.path()), held).await;
    let failed = town.settles_order(ada, order_of("tea", 1, "external")).await;
    let reason = json!({"reason": "no cover"});
    auditor.does("payments.fail", "POST", &format!("{}/payment/failure", failed.path()), reason).await;
    town.settles().await;
}

async fn a_refused_capture(town: &Town, ada: &Person, auditor: &mut Auditor<'_>) {
    let order = by_card(town, ada, "o-1", Forced::Unavailable).await;
    town.advance(Duration::from_secs(1)).await;
    order.is("confirmed").await;
    town.pauses("orders").await;
    town.force("o-1", Forced::CaptureRefused);
    town.advance(Duration::from_secs(1)).await;
    town.force("o-1", Forced::Approved);
    auditor.does("payments.capture", "POST", &format!("{}/payment/capture", order.path()), json!({})).await;
    town.settles().await;
    town.resumes("orders").await;
}

async fn refunds_that_are_refused(town: &Town, ada: &Person, auditor: &mut Auditor<'_>) {
    for (order_id, action) in [("o-2", "owed.retry"), ("o-3", "owed.settle")] {
        let order = by_card(town, ada, order_id, Forced::RefundRefused).await;
        order.dispatches().await.expect(200);
        order.delivers().await.expect(200);
        town.settles().await;
        let refund = json!({"refund_id": format!("r-{order_id}"), "reason": "broken"});
        order.refunds(refund).await.expect(202);
        town.settles().await;
        town.force(order_id, Forced::Approved);
        let path = if action == "owed.retry" { "retry" } else { "settlement" };
        let debt = json!({"refund_id": format!("r-{order_id}")});
        auditor.does(action, "POST", &format!("/v1/operations/owed/{order_id}/{path}"), debt).await;
        town.settles().await;
    }
}

async fn a_customer_who_left(town: &Town, auditor: &mut Auditor<'_>) {
    let bob = town.buyer("bob", 5_000).await;
    let path = format!("/v1/users/{}/deletion", bob.user_id);
    bob.client.post(&path, json!({"password": PASSWORD})).await.expect(204);
    town.settles().await;
    let path = format!("/v1/operations/owed/payables/{}/settlement", bob.user_id);
    auditor.does("owed.settle_payable", "POST", &path, json!({"currency": "EUR", "amount_minor": 5_000})).await;
}

async fn jobs_that_are_used_up(auditor: &mut Auditor<'_>) {
    let town = Town::with(&[("job_attempts_max", "1")]).await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    let mut there = self::auditor(&town.staff).await;
    for (order_id, action, path) in [("o-1", "jobs.retry", "retry"), ("o-2", "jobs.settle", "settlement")] {
        by_card(&town, &ada, order_id, Forced::Unavailable).await;
        let jobs = town.staff.get("/v1/operations/jobs").await.expect(200).json();
        let job = jobs["items"][0]["id"].as_str().unwrap().to_owned();
        let reply = json!({"state": "declined", "amount_minor": 0, "reason": "nobody knows"});
        let body = if action == "jobs.retry" { json!({}) } else { json!({"reply": reply, "reason": because(action)}) };
        there.does(action, "POST", &format!("/v1/operations/jobs/{job}/{path}"), body).await;
        town.settles().await;
    }
    auditor.done.extend(there.done);
}

/// Injects a message that dies at the second store; the id of its dead letter.
async fn dies(town: &Town, door: &Client, body: Value) -> String {
    let dead = async || {
        let letters = door.get("/v1/operations/dead-letters").await.expect(200).json();
        letters["items"].as_array().unwrap().clone()
    };
    let before = dead().await.len();
    town.broker().inject(BrokerMessage::new("town.identity", body.to_string()).with_key("k"));
    loop {
        let letters = dead().await;
        if letters.len() > before {
            return letters[0]["id"].as_str().unwrap().to_owned();
        }
        tokio::task::yield_now().await;
    }
}

async fn messages_that_die_or_wait(auditor: &mut Auditor<'_>) {
    let town = Town::laid_out(TWO_STORES, &[]).await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    town.settles().await;
    let door = Client { address: town.doors[1].app.address(), doors: None, ..town.staff.clone() };
    let actor = town.staff.get("/v1/me").await.expect(200).field("user_id");
    let mut there = Auditor { client: &door, actor, done: BTreeSet::new() };
    // An event under the name of a service that lives in the store where it arrives.
    let published = town.broker().published("town.identity");
    let registered =
        published.iter().find(|message| String::from_utf8_lossy(message.body()).contains("user.registered"));
    let mut envelope: Value = serde_json::from_slice(registered.unwrap().body()).unwrap();
    envelope["source"] = json!(envelope["source"].as_str().unwrap().replace("identity", "shipping"));
    for (action, path) in [
        ("dead_letters.disclose", "disclosure"),
        ("dead_letters.redrive", "redrive"),
        ("dead_letters.edit_and_redrive", "edit"),
        ("dead_letters.discard", "discard"),
    ] {
        envelope["id"] = json!(format!("forged-{path}"));
        let letter = dies(&town, &door, envelope.clone()).await;
        let body = match path {
            "redrive" => json!({}),
            "edit" => json!({"message": envelope}),
            _ => json!({"reason": because(action)}),
        };
        there.does(action, "POST", &format!("/v1/operations/dead-letters/{letter}/{path}"), body).await;
    }
    door.post("/v1/operations/consumers/shipping/pause", json!({"reason": "a test"})).await.expect(200);
    town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    let parked = door.get("/v1/operations/parked").await.expect(200).json();
    let id = parked["items"][0]["id"].as_str().unwrap();
    there.does("parked.retry", "POST", &format!("/v1/operations/parked/{id}/retry"), json!({})).await;
    auditor.done.extend(there.done);
}

async fn an_event_that_the_broker_refuses(auditor: &mut Auditor<'_>) {
    let town = Town::laid_out(TWO_STORES, &[]).await;
    let ada = town.buyer("ada", 0).await;
    town.settles().await;
    let door = Client { address: town.doors[0].app.address(), doors: None, ..town.staff.clone() };
    let actor = town.staff.get("/v1/me").await.expect(200).field("user_id");
    let mut there = Auditor { client: &door, actor, done: BTreeSet::new() };
    let of_eve = |message: &BrokerMessage| String::from_utf8_lossy(message.body()).contains("eve@example.org");
    town.broker().refuse(Some(Arc::new(of_eve)));
    town.buyer("eve", 0).await;
    let refused = loop {
        let status = door.get("/v1/operations").await.expect(200).json();
        if let Some(event) = status.get("refused_event") {
            break event.clone();
        }
        tokio::task::yield_now().await;
    };
    let bytes = refused["bytes"].as_u64().unwrap();
    assert_eq!((refused["topic"].as_str(), bytes > 100), (Some("town.identity"), true), "{refused}");
    let ready = door.get("/readyz").await.expect(200).json();
    assert!(ready["refused_event"].as_str().unwrap().starts_with(refused["event_id"].as_str().unwrap()), "{ready}");
    let figures = door.get("/metrics").await.expect(200);
    assert!(figures.text().contains(&format!("tradewind_refused_event_bytes {bytes}\n")));
    let of_broker = format!("tradewind_broker_refused_event_bytes{{broker=\"broker\"}} {bytes}\n");
    assert!(figures.text().contains(&of_broker));
    let brokers = door.get("/v1/operations").await.expect(200).json()["brokers"].clone();
    assert_eq!((&brokers[0]["name"], &brokers[0]["refused_event"]), (&json!("broker"), &refused), "{brokers}");
    assert_eq!((&brokers[0]["receives"], &brokers[0]["paused"]), (&json!(true), &json!(false)), "{brokers}");
    let path = |event: &str| format!("/v1/operations/refused-events/{event}/set-aside");
    let why = json!({"reason": because("status.set_aside")});
    door.post(&path("town0-1-0"), why.clone()).await.refused(409, "event_not_refused");
    // More happens behind it.
    let rename = json!({"first_name": "Ada"});
    ada.client.request("PATCH", &format!("/v1/users/{}", ada.user_id)).json(&rename).send().await.expect(200);
    there.does("status.set_aside", "POST", &path(refused["event_id"].as_str().unwrap()), why).await;
    town.settles().await;
    assert_eq!(door.get("/v1/operations").await.expect(200).json().get("refused_event"), None);
    let letters = door.get("/v1/operations/dead-letters?consumer=relay").await.expect(200).json();
    assert_eq!(letters["items"][0]["event_id"], refused["event_id"]);
    assert_eq!(letters["items"][0]["broker"], "broker");
    town.broker().refuse(None);
    let redrive = format!("/v1/operations/dead-letters/{}/redrive", letters["items"][0]["id"].as_str().unwrap());
    door.post(&redrive, json!({})).await.expect(200);
    loop {
        let there = town.broker().published("town.identity");
        if there.iter().any(of_eve) {
            break;
        }
        tokio::task::yield_now().await;
    }
    town.settles().await;
    auditor.done.extend(there.done);
}

async fn events_that_the_broker_no_longer_has(auditor: &mut Auditor<'_>) {
    const PATH: &str = "/v1/operations/consumers/broker/skip-gaps";
    let town = Town::laid_out(TWO_STORES, &[]).await;
    let ada = town.buyer("ada", 0).await;
    town.settles().await;
    let door = Client { address: town.doors[1].app.address(), doors: None, ..town.staff.clone() };
    let actor = town.staff.get("/v1/me").await.expect(200).field("user_id");
    let mut there = Auditor { client: &door, actor, done: BTreeSet::new() };
    let why = json!({"reason": because("consumers.skip_gaps")});
    door.post(PATH, why.clone()).await.refused(409, "no_gaps");
    door.post(&PATH.replace("broker", "payments"), why.clone()).await.refused(409, "no_gaps");
    door.post(&PATH.replace("broker", "nothing"), why.clone()).await.refused(404, "consumer_unknown");
    let reason = "4 messages of town.identity/0 are gone";
    let gap = Gap { place: "town.identity/0".to_owned(), messages: Some(4), reason: reason.to_owned() };
    town.broker().lose("group-1", gap);
    let consumer = async || {
        let consumers = door.get("/v1/operations/consumers").await.expect(200).json();
        let items = consumers["items"].as_array().unwrap().clone();
        items.into_iter().find(|consumer| consumer["name"] == "broker").unwrap()
    };
    let shown = json!([{"place": "town.identity/0", "messages": 4, "reason": reason}]);
    assert_eq!(consumer().await["gaps"], shown);
    let ready = door.get("/readyz").await;
    assert!(ready.text().contains(reason), "{}", ready.text());
    let figures = door.get("/metrics").await.expect(200);
    assert!(figures.text().contains("tradewind_broker_gaps{broker=\"broker\"} 1\n"));
    // What it does not receive stands meanwhile.
    let rename = json!({"first_name": "Ada"});
    ada.client.request("PATCH", &format!("/v1/users/{}", ada.user_id)).json(&rename).send().await.expect(200);
    there.does("consumers.skip_gaps", "POST", PATH, why.clone()).await;
    let row = there.trail().await[0].clone();
    assert_eq!((&row["action"], &row["detail"]["gaps"]), (&json!("consumer.skip_gaps"), &json!(reason)), "{row}");
    town.settles().await;
    assert_eq!(consumer().await.get("gaps"), None);
    door.post(PATH, why).await.refused(409, "no_gaps");
    auditor.done.extend(there.done);
}

#[tokio::test]
async fn what_staff_does_about_incidents_stands_in_the_trail_with_who_and_why() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    let mut auditor = auditor(&town.staff).await;
    money_from_outside(&town, &ada, &mut auditor).await;
    a_refused_capture(&town, &ada, &mut auditor).await;
    refunds_that_are_refused(&town, &ada, &mut auditor).await;
    a_customer_who_left(&town, &mut auditor).await;
    jobs_that_are_used_up(&mut auditor).await;
    messages_that_die_or_wait(&mut auditor).await;
    an_event_that_the_broker_refuses(&mut auditor).await;
    events_that_the_broker_no_longer_has(&mut auditor).await;
    assert_eq!(auditor.done, INCIDENTS.map(str::to_owned).into());
}
