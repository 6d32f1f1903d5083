//! A shop with several doors: each answers for the services that live behind it, and all take the tokens of one identity.

use std::time::Duration;

use serde_json::json;

use crate::{
    client::Client,
    town::{TWO_STORES, Town, order_of},
};

/// Who does not know which door is the right one.
fn at_door(town: &Town, number: usize, client: &Client) -> Client {
    Client { address: town.doors[number].app.address(), doors: None, ..client.clone() }
}

#[tokio::test]
async fn a_door_says_what_lives_behind_another_one() {
    let town = Town::laid_out(TWO_STORES, &[]).await;
    let (first, second) = (at_door(&town, 0, &town.staff), at_door(&town, 1, &town.staff));
    let elsewhere = [
        (second.post("/v1/orders", order_of("tea", 1, "balance")).await, "orders"),
        (second.get("/v1/orders").await, "query"),
        (second.get("/v1/products/p-tea").await, "catalog"),
        (second.get("/v1/variants/tea").await, "catalog"),
        (second.post("/v1/sessions", json!({"email": "ada@example.org", "password": "?"})).await, "identity"),
        (second.get("/v1/operations/sagas").await, "orders"),
        (first.get("/v1/shipments").await, "shipping"),
        (first.get("/v1/operations/owed/holds").await, "payments"),
    ];
    for (reply, service) in elsewhere {
        let refused = reply.refused(421, "service_elsewhere");
        assert_eq!(refused.field("detail"), format!("Ask where {service} lives."));
    }
    for door in [first, second] {
        door.get("/v1/operations").await.expect(200);
        door.get("/readyz").await.expect(200);
    }
}

#[tokio::test]
async fn a_new_signing_key_is_known_at_every_door_and_a_retired_one_is_forgotten() {
    let town = Town::laid_out(TWO_STORES, &[]).await;
    let old = at_door(&town, 1, &town.staff);
    old.get("/v1/shipments").await.expect(200);
    let jwks = town.anonymous().get("/.well-known/jwks.json").await.expect(200).json();
    let retired = jwks["keys"][0]["kid"].as_str().unwrap().to_owned();

    let admin = town.anonymous().signed_in("root@example.org").await.client;
    admin.post("/v1/signing-keys", json!({})).await.expect(202);
    // The other door learns the key from its event: it does not ask identity again within a few seconds.
    town.settles().await;
    let new = at_door(&town, 1, &town.anonymous().signed_in("staff@example.org").await.client);
    new.get("/v1/shipments").await.expect(200);
    old.get("/v1/shipments").await.expect(200);

    admin.delete(&format!("/v1/signing-keys/{retired}")).await.expect(204);
    // A door that asked before identity itself has forgotten the key would hear of it once more.
    while town.anonymous().get("/.well-known/jwks.json").await.text().contains(&retired) {
        tokio::task::yield_now().await;
    }
    town.clock.advance(Duration::from_mins(5));
    while old.get("/v1/shipments").await.status == 200 {
        tokio::task::yield_now().await;
    }
    old.get("/v1/shipments").await.refused(401, "access_token_invalid");
    new.get("/v1/shipments").await.expect(200);
}

#[tokio::test]
async fn a_door_stays_open_while_identity_is_away() {
    let mut town = Town::laid_out(TWO_STORES, &[]).await;
    let staff = at_door(&town, 1, &town.staff);
    let identity = town.doors.remove(0);
    assert_eq!(identity.app.stop().await, None);
    town.clock.advance(Duration::from_mins(10));
    let staff = Client { address: town.doors[0].app.address(), ..staff };
    staff.get("/v1/shipments").await.expect(200);
    let mut parts: Vec<&str> = staff.token.as_deref().unwrap().split('.').collect();
    let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": "nobody-has-it"}).to_string();
    let header = tradewind::secret::encoded(header.as_bytes());
    parts[0] = &header;
    staff.with_token(&parts.join(".")).get("/v1/shipments").await.refused(401, "access_token_invalid");
}
