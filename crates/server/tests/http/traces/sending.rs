//! What is sent, and what becomes of it when the collector does not take it.

use std::net::TcpListener;

use serde_json::json;

use super::{
    collector::{Answer, Collector},
    sampled, settings, stopped,
};
use crate::town::{Town, order_of};

/// The value of a figure of a shop.
async fn figure(town: &Town, name: &str) -> u64 {
    let reply = town.staff.get("/metrics").await.expect(200);
    let text = reply.text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("{name} is not in {text}"))
}

const SENT: &str = r#"tradewind_trace_spans_total{outcome="sent"}"#;
const REFUSED: &str = r#"tradewind_trace_spans_total{outcome="refused"}"#;
const DROPPED: &str = r#"tradewind_trace_spans_total{outcome="dropped"}"#;
const FAILURES: &str = "tradewind_trace_export_failures_total";

#[tokio::test]
async fn a_collector_that_is_down_costs_no_order_and_what_it_misses_is_counted() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url: &'static str = format!("http://{nobody}").leak();
    let settings = [("traces_endpoint", url), ("traces_queue_max", "20"), ("traces_interval", "1ms")];
    let town = Town::with(Vec::from(settings).leak()).await;
    town.stocks("TEA", 5).await;
    let buyer = town.buyer("anna", 10_000).await;
    for _ in 0..3 {
        town.settles_order(&buyer, order_of("TEA", 1, "balance")).await.is("confirmed").await;
    }
    while figure(&town, FAILURES).await == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(figure(&town, SENT).await, 0);
    assert!(figure(&town, DROPPED).await > 50, "what has no room is counted");
    town.is_clean().await;
    stopped(town).await;
}

#[tokio::test]
async fn what_a_collector_puts_off_is_sent_again_and_nothing_is_lost() {
    let collector = Collector::new();
    collector.answers([Answer::Status(503), Answer::Status(429)]);
    let town = Town::with(settings(&collector, &[("traces_interval", "1ms")])).await;
    collector.wait_for(3);
    let requests = collector.requests();
    assert!(requests[0].message == requests[1].message && requests[1].message == requests[2].message);
    assert_eq!(figure(&town, FAILURES).await, 2);
    assert_eq!((figure(&town, REFUSED).await, figure(&town, DROPPED).await), (0, 0));
    stopped(town).await;
}

#[tokio::test]
async fn spans_that_a_collector_refuses_are_counted_and_not_sent_again() {
    let collector = Collector::new();
    collector.answers([Answer::Status(400), Answer::Partly(1)]);
    let town = Town::with(settings(&collector, &[("traces_interval", "1ms")])).await;
    collector.wait_for(2);
    let requests = collector.requests();
    assert_ne!(requests[0].message, requests[1].message);
    let spans = |nth: usize| requests[nth].message.resource_spans[0].scope_spans[0].spans.len() as u64;
    let refused = spans(0) + 1;
    while figure(&town, REFUSED).await < refused {
        tokio::task::yield_now().await;
    }
    assert_eq!(figure(&town, REFUSED).await, refused);
    assert_eq!(figure(&town, FAILURES).await, 1);
    stopped(town).await;
}

#[tokio::test]
async fn a_collector_gets_our_headers_at_its_path() {
    let collector = Collector::new();
    let headers = ("traces_headers", "api-key=planted%20key,X-Tenant=shop");
    stopped(Town::with(settings(&collector, &[headers])).await).await;
    let requests = collector.requests();
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!(request.path, "/v1/traces");
        let header = |name: &str| request.headers[name].clone();
        assert_eq!(header("content-type"), "application/x-protobuf");
        assert_eq!([header("api-key"), header("x-tenant")], ["planted key", "shop"]);
    }
}

#[tokio::test]
async fn whether_a_trace_is_kept_is_decided_where_it_begins() {
    for (ratio, flags, kept) in [("1", "00", false), ("0", "01", true)] {
        let collector = Collector::new();
        let town = Town::with(settings(&collector, &[("traces_ratio", ratio)])).await;
        town.stocks("TEA", 5).await;
        let buyer = town.buyer("anna", 10_000).await;
        let request = buyer.client.request("POST", "/v1/orders").header("traceparent", &sampled(flags));
        request.json(&order_of("TEA", 1, "balance")).send().await.expect(201);
        town.settles().await;
        stopped(town).await;
        let spans = collector.spans();
        let ours = spans.iter().filter(|span| span.trace_id == super::TRACE).count();
        assert_eq!(ours > 10, kept, "{ours} spans with a ratio of {ratio} and flags {flags}");
        // Those that began in the shop go by its ratio, as a whole.
        assert_eq!(spans.len() > ours, ratio == "1", "{ours} of {}", spans.len());
    }
}

#[tokio::test]
async fn probes_are_not_traced() {
    let collector = Collector::new();
    let town = Town::with(settings(&collector, &[])).await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        town.staff.get(path).await.expect(200);
    }
    town.staff.post("/v1/categories", json!({"category_id": "tea", "name": "Tea"})).await.expect(201);
    stopped(town).await;
    let routes: Vec<String> = collector
        .spans()
        .iter()
        .map(|span| span.attribute("http.route").to_owned())
        .filter(|route| !route.is_empty())
        .collect();
    assert!(routes.contains(&"/v1/categories".to_owned()), "{routes:?}");
    assert!(!routes.iter().any(|route| ["/healthz", "/readyz", "/metrics"].contains(&&**route)), "{routes:?}");
}
