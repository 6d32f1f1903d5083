//! Figures: what a scrape shows after orders that went through and orders that did not, and the page that lists them.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::json;
use tradewind::{
    gateway::GatewayFigures,
    metrics::{Figure, Metrics},
};

use crate::shelf::{Shelf, order_of};

/// Scrapes until the figures hold all of these lines.
async fn scraped(shelf: &Shelf, lines: &[&str]) -> String {
    for _ in 0..1_000 {
        let reply = shelf.world.anonymous().get("/metrics").await.expect(200);
        if lines.iter().all(|line| reply.text().lines().any(|shown| shown == *line)) {
            return reply.text().to_owned();
        }
    }
    let reply = shelf.world.anonymous().get("/metrics").await;
    let missing: Vec<_> = lines.iter().filter(|line| !reply.text().lines().any(|shown| shown == **line)).collect();
    panic!("{missing:#?} are not in {}", reply.text())
}

async fn shop_after_a_day() -> Shelf {
    let shelf = Shelf::new().await;
    shelf.sells("tea", &["TEA-1"], json!({})).await;
    shelf.receive("TEA-1", 5).await;
    let ada = shelf.rich("ada").await;
    let order = async |quantity| ada.client.post("/v1/orders", order_of("TEA-1", quantity, "balance")).await;
    order(2).await.expect(201);
    order(1).await.expect(201);
    order(50).await.expect(201);
    order(0).await.refused(422, "invalid_order_lines");
    shelf.world.anonymous().get("/v1/orders").await.refused(401, "not_signed_in");
    shelf
}

#[tokio::test]
async fn orders_that_go_through_and_that_fail_show_in_the_figures() {
    let shelf = shop_after_a_day().await;
    let text = scraped(
        &shelf,
        &[
            r#"tradewind_orders_total{outcome="placed"} 3"#,
            r#"tradewind_orders_total{outcome="confirmed"} 2"#,
            r#"tradewind_orders_total{outcome="rejected"} 1"#,
            r#"tradewind_order_seconds_count{outcome="confirmed"} 2"#,
            r#"tradewind_order_seconds_count{outcome="rejected"} 1"#,
            r#"tradewind_http_requests_total{method="POST",route="/v1/orders",status="2xx"} 3"#,
            r#"tradewind_http_requests_total{method="POST",route="/v1/orders",status="4xx"} 1"#,
            r#"tradewind_http_problems_total{code="invalid_order_lines"} 1"#,
            r#"tradewind_http_problems_total{code="not_signed_in"} 1"#,
            r#"tradewind_handled_total{service="orders",message="reservation.made",how="done"} 2"#,
            r#"tradewind_handler_seconds_count{service="orders",message="reservation.refused"} 1"#,
            "tradewind_parked 0",
            "tradewind_dead_letters 0",
            "tradewind_jobs_owed 0",
            "tradewind_jobs_waiting 0",
            "tradewind_consumers_paused 0",
            "tradewind_unpublished_segments 0",
            r#"tradewind_lag_seconds{of="publishing"} 0.0"#,
            r#"tradewind_lag_seconds{of="dead_letters"} 0.0"#,
        ],
    )
    .await;
    let figure = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    };
    assert!(figure("tradewind_log_segment") >= 3.0);
    assert!(figure("tradewind_batch_messages_count") >= 3.0);
    assert!(figure("tradewind_batch_events_sum") > figure("tradewind_log_segment"));
    assert!(figure("tradewind_batch_writing_seconds_sum") > 0.0);
    assert!(!text.contains("ada") && !text.contains("TEA-1"), "figures name kinds and no ids");
}

#[tokio::test]
async fn what_is_exposed_is_what_is_listed() {
    let shelf = shop_after_a_day().await;
    let text = scraped(&shelf, &[r#"tradewind_orders_total{outcome="rejected"} 1"#]).await;
    let metrics = Metrics::default();
    let mut unseen: BTreeSet<&str> = metrics.figures().iter().map(|figure| figure.name.as_str()).collect();
    let mut described = BTreeSet::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            described.insert(help.split(' ').next().unwrap());
        }
        if line.starts_with('#') {
            continue;
        }
        let name = line.split(['{', ' ']).next().unwrap();
        let parts = ["_bucket", "_count", "_sum"];
        let histogram = parts.iter().find_map(|part| name.strip_suffix(part));
        let listed = metrics.figures().into_iter().find(|figure| match &*figure.kind {
            "histogram" => histogram == Some(figure.name.as_str()),
            _ => figure.name == name,
        });
        let figure = listed.unwrap_or_else(|| panic!("{name} is not listed"));
        let labels = line.split_once('{').map_or("", |(_, labels)| labels.rsplit_once('}').unwrap().0);
        let named = labels.split("\",").filter_map(|label| Some(label.split_once("=\"")?.0));
        let named: Vec<&str> = named.filter(|label| *label != "le").collect();
        assert_eq!(named, figure.labels, "{line}");
        assert!(described.contains(figure.name.trim_end_matches("_total")), "{name} has no help");
        unseen.remove(figure.name.as_str());
    }
    // There is no broker; what has labels shows when it has happened.
    assert_eq!(
        unseen,
        BTreeSet::from([
            "tradewind_broker_backlog_messages",
            "tradewind_broker_drain_seconds",
            "tradewind_broker_failures_total",
            "tradewind_broker_gaps",
            "tradewind_broker_lag_seconds",
            "tradewind_broker_paused",
            "tradewind_broker_reconnects_total",
            "tradewind_broker_refused_event_bytes",
            "tradewind_broker_uncommitted_messages",
            "tradewind_broker_unpublished_segments",
            "tradewind_duplicate_events_total",
            "tradewind_http_connections_ended_total",
            "tradewind_published_events_total",
            "tradewind_received_events_total",
            "tradewind_refused_events_total",
            "tradewind_relay_lag_seconds",
            "tradewind_relay_segment",
            "tradewind_returned_events_total",
            "tradewind_unusable_rows_total"
        ])
    );
}

#[test]
fn the_page_of_figures_is_fresh() {
    let mut page = String::from(
        "# Figures\n\n\
         `/metrics` shows these, in the OpenMetrics text format. Labels name kinds, routes and services, never ids or \
         people, so their\nnumber is bounded. What has labels shows once it has happened. Which are worth an alert: \
         [operate](operate.md#watch). Rules and a\ndashboard: [delivery](delivery.md#watch).\n\n\
         | name | kind | labels | what it says |\n|---|---|---|---|\n",
    );
    let line = |figure: &Figure| {
        let labels: Vec<String> = figure.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {} | {} | {} |\n", figure.name, figure.kind, labels.join(", "), figure.help)
    };
    let (metrics, gateway) = (Metrics::default(), GatewayFigures::default());
    page.extend(metrics.figures().into_iter().map(line));
    page.push_str(
        "\n## Of a gateway\n\n\
         `/metrics` of a [gateway](gateway.md) shows those of requests and connections above, and these. `peer` is a \
         name in the peers\nfile.\n\n\
         | name | kind | labels | what it says |\n|---|---|---|---|\n",
    );
    let own = gateway.figures().into_iter().filter(|figure| !metrics.figures().contains(figure));
    page.extend(own.map(line));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    #[expect(clippy::disallowed_methods, reason = "a test asks whether to write its document anew")]
    if std::env::var("TRADEWIND_REFRESH").is_ok() {
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == page, "docs/metrics.md is not fresh: cargo xtask docs");
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    let (metrics, gateway) = (Metrics::default(), GatewayFigures::default());
    for figure in metrics.figures().into_iter().chain(gateway.figures()) {
        let plain = |text: &str| text.chars().all(|char| char.is_ascii_lowercase() || "_.".contains(char));
        assert!(figure.name.starts_with("tradewind_") && plain(&figure.name), "{}", figure.name);
        assert_eq!(figure.name.ends_with("_total"), figure.kind == "counter", "{}", figure.name);
        assert!(figure.labels.len() <= 3 && figure.labels.iter().all(|label| plain(label)), "{:?}", figure.labels);
        assert!(
            !figure.help.is_empty() && !figure.help.ends_with('.'),
            "the format adds the full stop: {}",
            figure.help
        );
    }
}
