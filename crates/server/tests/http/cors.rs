//! Pages of other origins: what a browser asks before it lets them call, and what it lets them read.

use crate::{client::Reply, world::World};

async fn preflight(world: &World, origin: &str) -> Reply {
    let request = world.anonymous().request("OPTIONS", "/v1/orders").header("Origin", origin);
    request.header("Access-Control-Request-Method", "POST").send().await
}

fn has_nothing_for_browsers(reply: &Reply) {
    assert!(!reply.headers.iter().any(|(name, _)| name.starts_with("access-control")), "{:?}", reply.headers);
}

#[tokio::test]
async fn without_configuration_no_page_may_call() {
    let world = World::new().await;
    has_nothing_for_browsers(&preflight(&world, "https://shop.example").await.refused(405, "method_not_allowed"));
    let read = world.anonymous().request("GET", "/v1/products").header("Origin", "https://shop.example");
    has_nothing_for_browsers(&read.send().await.expect(200));
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_call_and_any_other_may_not() {
    let settings = [("cors_origins", "https://shop.example,http://localhost:3000"), ("requests_max", "1")];
    let world = World::with(&settings).await;
    for origin in ["https://shop.example", "http://localhost:3000"] {
        let reply = preflight(&world, origin).await.expect(204);
        assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
        assert_eq!(reply.header("vary"), Some("Origin"));
        assert!(reply.header("access-control-allow-methods").unwrap().contains("POST"));
        let headers = reply.header("access-control-allow-headers").unwrap();
        let document = world.anonymous().get("/openapi.json").await.expect(200).json();
        let operations =
            document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
        let parameters = operations.filter_map(|operation| operation["parameters"].as_array()).flatten();
        let named = parameters.filter(|one| one["in"] == "header").map(|one| one["name"].as_str().unwrap());
        // The provider signs its callbacks; no page does.
        for name in named.filter(|name| *name != "Tradewind-Signature") {
            assert!(headers.to_ascii_lowercase().contains(&name.to_ascii_lowercase()), "{name}: {headers}");
        }
        assert!(headers.contains("Authorization"), "{headers}");
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        let refused = world.anonymous().request("POST", "/v1/orders").header("Origin", origin).send().await;
        let refused = refused.refused(401, "not_signed_in");
        assert_eq!(refused.header("access-control-allow-origin"), Some(origin), "a page may read why");
        assert!(refused.header("access-control-expose-headers").unwrap().contains("Retry-After"));
    }
    for origin in ["https://shop.example.evil", "http://shop.example", "null"] {
        has_nothing_for_browsers(&preflight(&world, origin).await.expect(204));
    }
}

#[tokio::test]
async fn all_pages_may_call_where_that_is_configured_and_never_with_credentials() {
    let world = World::with(&[("cors_origins", "*")]).await;
    let reply = preflight(&world, "https://anything.example").await.expect(204);
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.header("access-control-allow-credentials"), None);
}
