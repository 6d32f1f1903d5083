//! Every error is a problem: a code, the request's id, the field at fault.

use serde_json::json;

use crate::world::{PASSWORD, World, nobody};

#[tokio::test]
async fn a_problem_has_all_its_parts() {
    let world = World::new().await;
    let request = world.anonymous().request("GET", "/v1/nothing").header("X-Request-Id", "mine-17");
    let reply = request.send().await.refused(404, "route_unknown");
    let problem = reply.json();
    assert_eq!(problem["type"], "/docs/problems/route_unknown");
    assert_eq!((&problem["status"], &problem["request_id"]), (&json!(404), &json!("mine-17")));
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    assert_eq!(reply.header("x-request-id"), Some("mine-17"));
    let page = world.anonymous().get("/docs/problems/route_unknown").await.expect(200);
    assert!(page.text().starts_with("# route_unknown"));
    world.anonymous().get("/docs/problems/nonsense").await.refused(404, "route_unknown");
}

#[tokio::test]
async fn a_request_id_is_minted_where_none_can_be_used() {
    let world = World::new().await;
    for given in ["", "with a space", &"x".repeat(65)] {
        let reply = world.anonymous().request("GET", "/healthz").header("X-Request-Id", given).send().await.expect(200);
        let minted = reply.header("x-request-id").unwrap();
        assert!(minted.len() == 36 && minted != given, "{minted}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_told_apart() {
    let world = World::new().await;
    let anonymous = world.anonymous();
    let other_method = anonymous.delete("/v1/me").await.refused(405, "method_not_allowed");
    assert!(other_method.header("allow").unwrap().contains("GET"));
    let register = || anonymous.request("POST", "/v1/users").header("Content-Type", "application/json");
    register().body(b"{".to_vec()).send().await.refused(400, "json_invalid");
    register().body(Vec::new()).send().await.refused(400, "json_invalid");
    register().body("[".repeat(50).into_bytes()).send().await.refused(400, "json_too_deep");
    let wrong = json!({"email": 7, "password": PASSWORD});
    assert_eq!(register().json(&wrong).send().await.refused(400, "body_invalid").field("field"), "email");
    let surplus = json!({"email": "a@b", "password": PASSWORD, "role": "admin"});
    register().json(&surplus).send().await.refused(400, "body_invalid");
    let form = register().header("Content-Type", "application/x-www-form-urlencoded").body(b"a=b".to_vec());
    form.send().await.refused(415, "media_type_unsupported");
    let huge = register().body(vec![b' '; 1024 * 1024 + 1]);
    huge.send().await.refused(413, "body_too_large");
    let root = world.admin().await;
    root.client.get(&format!("/v1/users/{}", nobody())).await.refused(404, "user_unknown");
    root.client.get(&format!("/v1/users/{}", "x".repeat(65))).await.refused(400, "path_invalid");
    root.client.get("/v1/users?limit=many").await.refused(400, "query_invalid");
}

#[tokio::test]
async fn another_scheme_of_authorization_is_refused() {
    let world = World::new().await;
    let basic = world.anonymous().request("GET", "/v1/me").header("Authorization", "Basic YTpi").send().await;
    basic.refused(401, "access_token_invalid");
}
