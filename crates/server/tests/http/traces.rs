//! Traces, as a collector gets them: one order is one trace, through every handler of the saga and across brokers.

mod collector;
mod sending;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use tradewind::services;

pub use collector::Collector;
use collector::Span;

use crate::{
    client::Reply,
    town::{Layout, ONE_STORE, Placed, THREE_STORES, Town, order_of},
    world::{Directory, Person, config},
};

/// The trace of a client that traces too.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN: &str = "00f067aa0ba902b7";

/// The spans of one trace.
struct Trace(BTreeMap<String, Span>);

/// Settings live as long as the test's process.
fn settings(collector: &Collector, more: &[(&'static str, &'static str)]) -> &'static [(&'static str, &'static str)] {
    let url: &'static str = collector.url().leak();
    [&[("traces_endpoint", url)], more].concat().leak()
}

fn sampled(flags: &str) -> String {
    format!("00-{TRACE}-{CLIENT_SPAN}-{flags}")
}

/// Everything that was to be sent is sent when a shop has stopped.
async fn stopped(town: Town) {
    for door in town.doors {
        assert_eq!(door.app.stop().await, None);
    }
}

fn placed<'a>(town: &'a Town, buyer: &Person, reply: &Reply) -> Placed<'a> {
    Placed { town, order_id: reply.field("order_id"), buyer: buyer.client.clone() }
}

/// An order in a shop of this layout; its trace, and the names of its events.
async fn traced_order(layout: Layout) -> (Trace, Vec<String>) {
    let collector = Collector::new();
    let town = Town::laid_out(layout, settings(&collector, &[])).await;
    town.stocks("TEA", 5).await;
    let buyer = town.buyer("anna", 10_000).await;
    let order = order_of("TEA", 1, "balance");
    let request = buyer.client.request("POST", "/v1/orders").header("traceparent", &sampled("01"));
    let reply = request.json(&order).header("X-Request-Id", "request-of-anna").send().await.expect(201);
    let placed = placed(&town, &buyer, &reply);
    town.settles().await;
    placed.is("confirmed").await;
    let story = placed.story().await;
    town.is_clean().await;
    stopped(town).await;
    let spans = collector.spans().into_iter().filter(|span| span.trace_id == TRACE);
    (Trace(spans.map(|span| (span.id.clone(), span)).collect()), story)
}

impl Trace {
    fn named(&self, name: &str) -> &Span {
        let mut named = self.0.values().filter(|span| span.name == name);
        let span = named.next().unwrap_or_else(|| panic!("{name} is not in\n{self}"));
        assert!(named.next().is_none(), "{name} is twice in\n{self}");
        span
    }

    /// The lines of a step and of what follows from it, with the microseconds since the first began.
    fn draw(&self, f: &mut fmt::Formatter<'_>, span: &Span, first: u64, depth: usize) -> fmt::Result {
        let (began, took) = (span.began.saturating_sub(first) / 1_000, (span.ended - span.began) / 1_000);
        writeln!(f, "{began:>8} {took:>7}  {:indent$}{}", "", span.name, indent = 2 * depth)?;
        let mut children: Vec<&Span> = self.0.values().filter(|child| child.parent == span.id).collect();
        children.sort_by_key(|child| (child.began, child.ended));
        children.into_iter().try_for_each(|child| self.draw(f, child, first, depth + 1))
    }

    fn parent(&self, span: &Span) -> &Span {
        self.0.get(&span.parent).unwrap_or_else(|| panic!("{} has no parent", span.name))
    }

    /// Handlers of events.
    fn reactions(&self) -> impl Iterator<Item = &Span> {
        self.0.values().filter(|span| span.attribute("tradewind.message_kind") == "event")
    }

    /// What a step follows from, past brokers.
    fn cause(&self, name: &str) -> &str {
        let mut cause = self.parent(self.named(name));
        while cause.name.starts_with("wait") || cause.name.starts_with("publish") {
            cause = self.parent(cause);
        }
        &cause.name
    }

    /// Each step by whom it was caused, as the saga goes.
    fn follows_the_saga(&self) {
        let steps = [
            "POST /v1/orders",
            "orders place_order",
            "catalog order.placed",
            "orders quote.issued",
            "inventory order.priced",
            "shipping reservation.made",
            "orders shipment.allocated",
            "payments order.validated",
            "inventory payment.authorized",
        ];
        for pair in steps.windows(2) {
            assert_eq!(self.cause(pair[1]), pair[0], "what {} follows from", pair[1]);
        }
        // Orders wait for both; over a broker either may come last.
        let confirmed_by = self.cause("payments order.confirmed");
        assert!(
            ["orders reservation.committed", "orders payment.authorized"].contains(&confirmed_by),
            "{confirmed_by}"
        );
        assert_eq!(self.cause("shipping payment.captured"), "payments order.confirmed");
    }

    /// Every event of the order was handled by all who hear it, once, in its trace.
    fn is_complete(&self, story: &[String], layout: Layout) {
        let config = config(&Directory::new(), &[]);
        let shop = services::some(&config, &services::NAMES);
        for event in story {
            for service in &shop {
                let hears = service.consumed_events().any(|heard| heard.is_none_or(|heard| heard == event));
                if hears {
                    let span = self.named(&format!("{} {event}", service.name));
                    assert_eq!(span.kind, SpanKind::Consumer);
                    assert_eq!(span.attribute("tradewind.outcome"), "done");
                }
            }
        }
        let stores: BTreeSet<&str> = self.0.values().map(|span| &*span.resource["service.instance.id"]).collect();
        assert_eq!(stores.len(), layout.len(), "every store has told: {stores:?}");
    }

    fn hangs_together(&self) {
        let roots: Vec<&Span> = self.0.values().filter(|span| !self.0.contains_key(&span.parent)).collect();
        assert_eq!(roots.len(), 1, "{self}");
        let root = roots[0];
        assert_eq!((&*root.name, &*root.parent), ("POST /v1/orders", CLIENT_SPAN));
        assert_eq!(root.kind, SpanKind::Server);
        for span in self.0.values() {
            assert!(span.began > 0 && span.began <= span.ended && !span.failed, "{span:?}");
            assert_eq!(span.resource["service.name"], "tradewind");
            assert_eq!(span.resource["service.version"], env!("CARGO_PKG_VERSION"));
        }
    }
}

/// As a tree, for whoever reads why a test has failed.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut roots = self.0.values().filter(|span| !self.0.contains_key(&span.parent));
        roots.try_for_each(|root| self.draw(f, root, root.began, 0))
    }
}

#[tokio::test]
async fn an_order_is_one_trace_from_the_request_through_every_handler() {
    let (trace, story) = traced_order(ONE_STORE).await;
    trace.hangs_together();
    trace.follows_the_saga();
    trace.is_complete(&story, ONE_STORE);
    for reaction in trace.reactions() {
        let source = reaction.attribute("messaging.destination.name");
        let cause = trace.parent(reaction);
        assert_eq!(cause.attribute("tradewind.service"), source, "{} follows from {}", reaction.name, cause.name);
    }
    let request = trace.named("POST /v1/orders");
    for (name, value) in
        [("http.request.method", "POST"), ("http.route", "/v1/orders"), ("http.response.status_code", "201")]
    {
        assert_eq!(request.attribute(name), value);
    }
    for wait in ["wait queue", "wait batch", "wait writer", "commit"] {
        let of_request = trace.0.values().filter(|span| span.name == wait && span.parent == request.id);
        assert_eq!(of_request.count(), 1, "{wait}");
    }
    let handler = trace.named("orders place_order");
    assert_eq!(handler.attribute("messaging.message.conversation_id"), "request-of-anna");
}

#[tokio::test]
async fn an_order_over_split_stores_is_one_trace_across_the_broker() {
    let (trace, story) = traced_order(THREE_STORES).await;
    trace.hangs_together();
    trace.follows_the_saga();
    trace.is_complete(&story, THREE_STORES);
    let together =
        |one: &str, other: &str| THREE_STORES.iter().any(|store| store.contains(&one) && store.contains(&other));
    let mut crossed = 0;
    for reaction in trace.reactions() {
        let source = reaction.attribute("messaging.destination.name");
        let mut cause = trace.parent(reaction);
        if !together(source, reaction.attribute("tradewind.service")) {
            assert_eq!((&*cause.name, cause.kind), ("wait broker", SpanKind::Consumer));
            let published = trace.parent(cause);
            assert_eq!((&published.name, published.kind), (&format!("publish town.{source}"), SpanKind::Producer));
            for name in ["messaging.message.id", "messaging.destination.name"] {
                assert_eq!(cause.attribute(name), published.attribute(name));
            }
            assert_ne!(cause.resource["service.instance.id"], published.resource["service.instance.id"]);
            cause = trace.parent(published);
            crossed += 1;
        }
        assert_eq!(cause.attribute("tradewind.service"), source, "{} follows from {}", reaction.name, cause.name);
    }
    assert!(crossed > 10, "events went over the broker: {crossed}");
}

#[tokio::test]
async fn a_card_payment_is_in_the_trace_with_the_call_of_the_provider() {
    let collector = Collector::new();
    let town = Town::with(settings(&collector, &[])).await;
    town.stocks("TEA", 5).await;
    let buyer = town.buyer("anna", 0).await;
    let request = buyer.client.request("POST", "/v1/orders").header("traceparent", &sampled("01"));
    let reply = request.json(&order_of("TEA", 1, "card")).send().await.expect(201);
    town.settles().await;
    placed(&town, &buyer, &reply).is("confirmed").await;
    stopped(town).await;
    let spans = collector.spans().into_iter().filter(|span| span.trace_id == TRACE);
    let trace = Trace(spans.map(|span| (span.id.clone(), span)).collect());
    trace.hangs_together();
    let calls: Vec<&Span> = trace.0.values().filter(|span| span.kind == SpanKind::Client).collect();
    let asked = |service: &str| calls.iter().any(|call| trace.parent(call).attribute("tradewind.service") == service);
    assert!(asked("payments") && asked("notifications"), "{calls:?}");
}

#[tokio::test]
async fn a_refused_order_says_why_in_its_trace() {
    let collector = Collector::new();
    let town = Town::with(settings(&collector, &[])).await;
    let buyer = town.buyer("anna", 0).await;
    let request = buyer.client.request("POST", "/v1/orders").header("traceparent", &sampled("01"));
    let refused: Reply = request.json(&json!({"lines": []})).send().await;
    assert!(refused.status >= 400 && refused.status < 500);
    stopped(town).await;
    let spans = collector.spans();
    let span = spans.iter().find(|span| span.trace_id == TRACE && span.kind == SpanKind::Server).expect("a span");
    assert_eq!(span.attribute("http.response.status_code"), refused.status.to_string());
    assert_eq!(span.attribute("tradewind.problem"), refused.field("code"));
    assert!(!span.failed, "a refusal is no fault of the server");
}

#[tokio::test]
async fn what_happens_at_a_deadline_is_a_trace_of_its_own() {
    let collector = Collector::new();
    let town = Town::with(settings(&collector, &[])).await;
    town.stocks("TEA", 5).await;
    let buyer = town.buyer("anna", 0).await;
    let placed = town.settles_order(&buyer, order_of("TEA", 1, "external")).await;
    town.advance(town.doors[0].shop().config.reservation_ttl).await;
    placed.is("rejected: reservation_expired").await;
    stopped(town).await;
    let spans = collector.spans();
    let timers: Vec<&Span> = spans.iter().filter(|span| span.attribute("tradewind.message_kind") == "timer").collect();
    assert!(!timers.is_empty());
    for timer in timers {
        assert!(timer.parent.is_empty(), "{timer:?}");
        assert!(spans.iter().any(|span| span.parent == timer.id && span.trace_id == timer.trace_id));
    }
}
