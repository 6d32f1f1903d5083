//! The document of the API, the reference page, the pages of problems, health and figures.

mod commands;
mod figures;
mod monitoring;

use std::{collections::BTreeSet, fs, path::Path};

use tradewind::{
    http::{openapi_text, table},
    problems,
};

use crate::world::World;

#[tokio::test]
async fn the_shop_serves_its_document_and_its_reference_page() {
    let world = World::new().await;
    let served = world.anonymous().get("/openapi.json").await.expect(200);
    assert_eq!(served.text(), openapi_text());
    let page = world.anonymous().get("/docs").await.expect(200);
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(!page.text().contains("http://") && !page.text().contains("https://"), "it works offline");
}

#[test]
fn the_committed_document_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    #[expect(clippy::disallowed_methods, reason = "a test asks whether to write its document anew")]
    if std::env::var("TRADEWIND_REFRESH").is_ok() {
        fs::write(&path, openapi_text()).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == openapi_text(), "docs/openapi.json is not fresh: cargo xtask docs");
}

#[test]
fn every_operation_says_what_it_is_for_and_has_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for route in table().into_iter().flat_map(|section| section.routes) {
        assert!(route.summary.ends_with('.'), "{}: {:?}", route.name, route.summary);
        assert!(names.insert(route.name.clone()), "two routes are named {}", route.name);
    }
    let document: serde_json::Value = serde_json::from_str(openapi_text()).unwrap();
    let names = document["components"]["schemas"].as_object().unwrap().keys();
    let numbered: Vec<_> = names.filter(|name| name.ends_with(|last: char| last.is_ascii_digit())).collect();
    assert!(numbered.is_empty(), "two types share a name: {numbered:?}");
}

#[test]
fn every_problem_has_one_code_and_a_page() {
    let mut codes = BTreeSet::new();
    for (status, refusal) in problems::all() {
        assert!(codes.insert(refusal.code), "two problems have the code {}", refusal.code);
        let page =
            problems::page(refusal.code).unwrap_or_else(|| panic!("docs/problems/{}.md is missing", refusal.code));
        assert!(page.starts_with(&format!("# {}\n", refusal.code)), "{}", refusal.code);
        assert!(page.contains(&format!("HTTP {}", status.as_u16())), "{} is {status}", refusal.code);
    }
}

#[tokio::test]
async fn health_readiness_and_figures() {
    let world = World::new().await;
    world.person("ada").await;
    world.anonymous().get("/healthz").await.expect(200);
    assert_eq!(world.anonymous().get("/readyz").await.expect(200).field("status"), "ready");
    let figures = world.anonymous().get("/metrics").await.expect(200);
    for line in [
        r#"tradewind_http_requests_total{method="POST",route="/v1/users",status="2xx"} 1"#,
        r#"tradewind_handled_total{service="identity",message="register",how="done"} 1"#,
        "tradewind_deadlines_held 0",
    ] {
        assert!(figures.text().contains(line), "{line} in {}", figures.text());
    }
    assert!(!figures.text().contains("ada"));
}

#[tokio::test]
async fn what_is_answered_has_the_media_type_of_the_document() {
    let world = World::new().await;
    let document: serde_json::Value = serde_json::from_str(openapi_text()).unwrap();
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    for (path, asked) in [
        ("/healthz", "/healthz"),
        ("/readyz", "/readyz"),
        ("/metrics", "/metrics"),
        ("/.well-known/jwks.json", "/.well-known/jwks.json"),
        ("/openapi.json", "/openapi.json"),
        ("/docs/problems/{code}", "/docs/problems/internal"),
    ] {
        let described = document["paths"][path]["get"]["responses"]["200"]["content"].as_object().unwrap();
        for accept in ["*/*", "text/plain", prometheus] {
            let reply = world.anonymous().request("GET", asked).header("Accept", accept).send().await.expect(200);
            let sent = reply.header("content-type").unwrap();
            assert!(described.contains_key(sent), "{path} sends {sent}");
        }
    }
    assert!(world.anonymous().get("/metrics").await.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_paused_service_is_told_and_takes_no_requests_away_from_the_others() {
    let world = World::new().await;
    let admin = world.admin().await;
    assert_eq!(world.anonymous().get("/readyz").await.expect(200).json().get("paused"), None);
    let why = serde_json::json!({"reason": "a test"});
    admin.client.post("/v1/operations/consumers/shipping/pause", why).await.expect(200);
    let ready = world.anonymous().get("/readyz").await.expect(200).json();
    assert_eq!(ready, serde_json::json!({"status": "ready", "paused": ["shipping"]}));
    let figures = world.anonymous().get("/metrics").await.expect(200);
    assert!(figures.text().contains("tradewind_consumers_paused 1\n"));
}

#[tokio::test]
async fn the_subscriptions_of_a_shop_are_a_consumer_that_can_be_paused() {
    let world = World::new().await;
    let admin = world.admin().await.client;
    let broker = async || {
        let consumers = admin.get("/v1/operations/consumers").await.expect(200).json();
        consumers["items"].as_array().unwrap().iter().find(|consumer| consumer["name"] == "broker").cloned()
    };
    assert_eq!(broker().await, None);
    let why = serde_json::json!({"reason": "a test"});
    admin.post("/v1/operations/consumers/broker/pause", why).await.expect(200);
    assert_eq!(broker().await.unwrap()["paused"], true);
    // Only what a broker brings waits.
    world.person("ada").await;
    admin.post("/v1/operations/consumers/broker/resume", serde_json::json!({})).await.expect(200);
    assert_eq!(broker().await.unwrap()["paused"], false);
}

#[tokio::test]
async fn a_jump_of_the_clock_shows_in_readiness() {
    let world = World::new().await;
    world.person("ada").await;
    world.clock.jump(48 * 3_600_000);
    world.sign_in("ada@example.org", "whatever it is").await;
    loop {
        let reply = world.anonymous().get("/readyz").await;
        if reply.status == 503 {
            assert!(reply.refused(503, "not_ready").field("detail").contains("deadlines are held"));
            return;
        }
        tokio::task::yield_now().await;
    }
}
