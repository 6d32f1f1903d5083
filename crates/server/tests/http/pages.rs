//! Lists come in pages, whatever else they are asked for.

use serde_json::Value;
use tradewind::http::openapi_text;

use crate::world::World;

#[tokio::test]
async fn every_list_takes_its_filters_and_its_page_together() {
    let world = World::new().await;
    let root = world.admin().await;
    let document: Value = serde_json::from_str(openapi_text()).unwrap();
    let mut lists = 0;
    for (path, routes) in document["paths"].as_object().unwrap() {
        let parameters = routes["get"]["parameters"].as_array().into_iter().flatten();
        let query: Vec<_> = parameters.filter(|one| one["in"] == "query").collect();
        if !query.iter().any(|one| one["name"] == "limit") {
            continue;
        }
        lists += 1;
        let path = path.replace("{currency}", "EUR").replace(['{', '}'], "");
        let reply = root.client.get(&format!("{path}?limit=1")).await;
        // What it must be told beside the page is missing, and nothing else is wrong.
        let lacks = query.iter().any(|one| one["required"] == true) && reply.text().contains("missing field");
        assert!(lacks || [200, 404].contains(&reply.status), "{path}: {}", reply.text());
    }
    assert!(lists > 10, "{lists} lists");
}
