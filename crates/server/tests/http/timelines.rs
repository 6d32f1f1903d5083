//! The timeline of an order: pages and streams show the same events, each once, whenever one begins to look.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tradewind_events::Id;
use tradewind_query::{ADDRESSES_MAX, OrderView, TimelineRest};

use crate::{
    client::{Client, Told},
    town::{Placed, THREE_STORES, Town, order_of},
};

async fn listed(client: &Client, order: &Placed<'_>) -> Vec<Value> {
    let page = client.get(&format!("{}/events?limit=100", order.path())).await.expect(200).json();
    assert_eq!(page["next_cursor"], json!(null));
    page["items"].as_array().unwrap().clone()
}

fn told(events: &[Told]) -> Vec<Value> {
    events.iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect()
}

#[tokio::test]
async fn a_timeline_tells_what_happened_why_and_who_said_it() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    let names = order.story().await;
    let saga = [
        "order.placed",
        "quote.issued",
        "order.priced",
        "reservation.made",
        "shipment.allocated",
        "order.validated",
        "payment.authorized",
        "reservation.committed",
        "order.confirmed",
        "payment.captured",
        "shipment.ready",
    ];
    let position = |name: &str| names.iter().position(|known| known == name).unwrap_or_else(|| panic!("no {name}"));
    assert!(saga.map(position).is_sorted(), "{names:?}");
    assert!(names.contains(&"account.debited".to_owned()) && !names.contains(&"stock.changed".to_owned()), "{names:?}");

    let events = listed(&ada.client, &order).await;
    let of = |name: &str| events.iter().find(|event| event["name"] == name).unwrap();
    let (placed, quoted) = (of("order.placed"), of("quote.issued"));
    assert_eq!((&placed["source"], &placed["sequence"]), (&json!("orders"), &json!(1)));
    assert_eq!(placed["subject"], format!("order/{}", order.order_id));
    assert_eq!(quoted["causation_id"], placed["event_id"]);
    assert!(events.iter().all(|event| event["correlation_id"] == placed["correlation_id"]));
    assert_eq!(quoted["data"]["order"]["total_minor"], 1_000);
}

#[tokio::test]
async fn a_timeline_comes_in_pages() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    let path = format!("{}/events", order.path());
    let all = listed(&ada.client, &order).await;
    assert_eq!(crate::shelf::pages(&ada.client, &path, 4).await, all);
    // A cursor is good for its order alone.
    let other = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    let cursor = ada.client.get(&format!("{path}?limit=2")).await.field("next_cursor");
    let wrong = format!("{}/events?limit=2&cursor={cursor}", other.path());
    ada.client.get(&wrong).await.refused(400, "cursor_invalid");
}

/// More than the row of an order keeps.
#[tokio::test]
async fn every_event_of_a_long_timeline_is_in_its_pages_and_in_its_stream() {
    let town = Town::new().await;
    town.sells("tea", 100_000, 9).await;
    let ada = town.buyer("ada", 500_000).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    order.dispatches().await.expect(200);
    order.delivers().await.expect(200);
    let seen: OrderView = town.row("query", order.order_id.as_str().parse::<Id>().unwrap()).unwrap();
    let mut refunds = 0;
    while town.rows::<TimelineRest>("query").len() < 120 {
        order.refunds(json!({"amount_minor": 1, "reason": "worn"})).await.expect(200);
        refunds += 1;
    }
    town.settles().await;
    let path = format!("{}/events", order.path());
    let all = crate::shelf::pages(&ada.client, &path, 100).await;
    let of = |name: &str| all.iter().filter(|event| event["name"] == name).count();
    assert_eq!((of("order.placed"), of("order.refunded"), of("payment.refunded")), (1, refunds, refunds));
    assert!(all.len() > ADDRESSES_MAX + 100 && seen.timeline.len() < 100, "{}", all.len());
    let stream = |last: &str| {
        let request = ada.client.request("GET", &path);
        if last.is_empty() { request } else { request.header("Last-Event-ID", last) }
    };
    let events = stream("").stream().await.rest().await;
    assert_eq!(told(&events), all);
    for last in [10, ADDRESSES_MAX - 1, ADDRESSES_MAX, ADDRESSES_MAX + 50] {
        assert_eq!(stream(&events[last].id).stream().await.rest().await, events[last + 1..]);
    }
    let end = stream(&events.last().unwrap().id).header("Accept", "text/event-stream");
    assert_eq!(end.send().await.expect(204).bytes, b"");
    town.is_clean().await;
}

#[tokio::test]
async fn what_is_personal_is_shown_to_the_buyer_and_to_staff_alone() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    order.dispatches().await.expect(200);
    order.delivers().await.expect(200);
    // The mail about the parcel is an event, too.
    town.settles().await;
    let street = |events: &[Value]| events[0]["data"]["shipping_address"]["street"].clone();
    for client in [&ada.client, &town.staff] {
        assert_eq!(street(&listed(client, &order).await), "Dock 1");
    }
    let masked = listed(&town.service, &order).await;
    assert_eq!(street(&masked), "***");
    let stream = town.service.request("GET", &format!("{}/events", order.path())).stream().await;
    assert_eq!(told(&stream.rest().await), masked);
    let texts = masked.iter().map(Value::to_string).collect::<String>();
    assert!(!texts.contains("Dock") && !texts.contains("Hamburg"), "{texts}");
}

#[tokio::test]
async fn a_stream_tells_what_has_been_and_then_what_happens_until_the_order_is_settled() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    let before = listed(&ada.client, &order).await;
    let mut stream = ada.client.request("GET", &format!("{}/events", order.path())).stream().await;
    let mut events = stream.take(before.len()).await;
    assert_eq!(told(&events), before);
    assert!(events.iter().zip(&before).all(|(event, listed)| listed["name"] == event.name));
    order.authorizes("bank-1", 1_000).await.expect(200);
    let next = stream.next().await.unwrap();
    assert_eq!(next.name, "payment.authorized");
    events.push(next);
    order.dispatches().await.expect(200);
    order.delivers().await.expect(200);
    events.extend(stream.rest().await);
    assert!(events.iter().any(|event| event.name == "order.completed"));
    let all = listed(&ada.client, &order).await;
    assert_eq!(told(&events), all[..events.len()]);
    assert!(all[events.len()..].iter().all(|event| event["source"] == "notifications"), "only mail comes after");
}

#[tokio::test]
async fn a_stream_goes_on_after_the_event_that_was_seen_last() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    let path = format!("{}/events", order.path());
    let after = |id: &str| ada.client.request("GET", &path).header("Last-Event-ID", id);
    let seen = ada.client.request("GET", &path).stream().await.take(3).await;
    order.authorizes("bank-1", 1_000).await.expect(200);
    order.dispatches().await.expect(200);
    order.delivers().await.expect(200);
    town.settles().await;
    let rest = after(&seen[2].id).stream().await.rest().await;
    let all = ada.client.request("GET", &path).stream().await.rest().await;
    assert_eq!([&seen[..], &rest[..]].concat(), all);
    assert_eq!(told(&all), listed(&ada.client, &order).await);
    // Nothing is left to tell, and a browser need not come again.
    let accepts = |id: &str| after(id).header("Accept", "text/event-stream");
    assert_eq!(accepts(&all.last().unwrap().id).send().await.expect(204).bytes, b"");
    for bad in ["yesterday", "12", "-1-2"] {
        assert_eq!(accepts(bad).send().await.refused(400, "header_invalid").field("field"), "Last-Event-ID");
    }
}

/// Streams that begin at any moment of a saga between stores, and are broken off and resumed, tell the same.
#[tokio::test]
async fn no_event_is_missed_or_told_twice_whenever_one_begins_to_look() {
    let town = Town::laid_out(THREE_STORES, &[]).await;
    town.stocks("tea", 99).await;
    let ada = town.buyer("ada", 50_000).await;
    for _ in 0..5 {
        let order = town.places(&ada, order_of("tea", 1, "external")).await;
        let path = format!("{}/events", order.path());
        // Orders has answered; the read model hears of it in a while.
        while ada.client.get(&path).await.status == 404 {}
        let looking = async {
            let mut events: Vec<Told> = Vec::new();
            loop {
                let mut request = ada.client.request("GET", &path);
                if let Some(last) = events.last() {
                    request = request.header("Last-Event-ID", &last.id);
                }
                let mut stream = request.stream().await;
                let mut count = 0;
                while let Some(event) = stream.next().await {
                    let is_last = event.name == "order.completed";
                    events.push(event);
                    if is_last {
                        return events;
                    }
                    count += 1;
                    if count == 3 {
                        break;
                    }
                }
            }
        };
        let going = async {
            town.settles().await;
            order.authorizes("bank-1", 1_000).await.expect(200);
            town.settles().await;
            order.dispatches().await.expect(200);
            order.delivers().await.expect(200);
        };
        let (events, ()) = tokio::join!(looking, going);
        town.settles().await;
        let ids: BTreeSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids.len(), events.len(), "none twice");
        let all = listed(&ada.client, &order).await;
        assert_eq!(told(&events), all[..events.len()], "none missed");
    }
    town.is_clean().await;
}

#[tokio::test]
async fn there_are_only_so_many_streams() {
    let town = Town::with(&[("streams_max", "1"), ("caller_share", "1")]).await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    let request = || ada.client.request("GET", &format!("{}/events", order.path()));
    let mut first = request().stream().await;
    first.take(1).await;
    let others = town.buyer("bob", 0).await;
    let bobs = town.settles_order(&others, order_of("tea", 1, "external")).await;
    let second = others.client.from(9).request("GET", &format!("{}/events", bobs.path()));
    second.header("Accept", "text/event-stream").send().await.refused(503, "overloaded");
    request().send().await.expect(200);
    drop(first);
    let places = town.doors[0].shop().streams.clone();
    // The server notices with the next event that nobody listens.
    order.cancels().await.expect(200);
    while places.held() > 0 {
        tokio::task::yield_now().await;
    }
    let all = request().stream().await.rest().await;
    assert_eq!(told(&all), listed(&ada.client, &order).await[..all.len()]);
}

#[test]
fn the_document_of_the_api_tells_of_both_forms() {
    let document: Value = serde_json::from_str(tradewind::http::openapi_text()).unwrap();
    let answer = &document["paths"]["/v1/orders/{order_id}/events"]["get"]["responses"]["200"]["content"];
    let forms: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(forms, ["application/json", "text/event-stream"]);
}
