//! An event stream ends with what opened it: the session, the user, the role, the service client.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::{
    client::{Client, EventStream},
    town::{Placed, Town, order_of},
    world::{PASSWORD, Person},
};

const PATIENCE: Duration = Duration::from_secs(30);

async fn watches(client: &Client, order: &Placed<'_>) -> EventStream {
    let mut stream = client.request("GET", &format!("{}/events", order.path())).stream().await;
    stream.take(1).await;
    stream
}

async fn ends(stream: EventStream) {
    assert!(timeout(PATIENCE, stream.rest()).await.is_ok(), "the stream goes on");
}

async fn goes_on(mut stream: EventStream, order: &Placed<'_>) {
    order.cancels().await.expect(200);
    loop {
        let told = stream.next().await.expect("the stream goes on");
        if told.name == "order.cancelled" {
            return;
        }
    }
}

#[tokio::test]
async fn signing_out_ends_the_streams_of_that_session_alone() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    let elsewhere = town.anonymous().signed_in(&ada.email).await;
    let (here, there) = (watches(&ada.client, &order).await, watches(&elsewhere.client, &order).await);
    let session = session_in(&elsewhere);
    ada.client.delete(&format!("/v1/users/{}/sessions/{session}", ada.user_id)).await.expect(204);
    ends(there).await;
    goes_on(here, &order).await;
}

/// The session that an access token names.
fn session_in(person: &Person) -> String {
    let claims = person.client.token.as_deref().unwrap().split('.').nth(1).unwrap();
    let claims = tradewind::secret::decoded(claims).unwrap();
    serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["sid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn deleting_a_user_ends_their_streams() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let (ada, bob) = (town.buyer("ada", 0).await, town.buyer("bob", 0).await);
    let order = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    let bobs = town.settles_order(&bob, order_of("tea", 1, "external")).await;
    let (stream, other) = (watches(&ada.client, &order).await, watches(&bob.client, &bobs).await);
    let leaving = json!({"password": PASSWORD});
    ada.client.post(&format!("/v1/users/{}/deletion", ada.user_id), leaving).await.expect(204);
    ends(stream).await;
    goes_on(other, &bobs).await;
}

#[tokio::test]
async fn a_new_role_and_a_revoked_client_end_streams() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    let admin = town.anonymous().signed_in("root@example.org").await;
    let eve = town.anonymous().person_as(&admin, "eve", "staff").await;
    let (of_staff, of_service) = (watches(&eve.client, &order).await, watches(&town.service, &order).await);
    admin.client.put(&format!("/v1/users/{}/role", eve.user_id), json!({"role": "customer"})).await.expect(200);
    ends(of_staff).await;
    let clients = admin.client.get("/v1/clients").await.expect(200).json();
    let client = clients["items"][0]["client_id"].as_str().unwrap().to_owned();
    admin.client.delete(&format!("/v1/clients/{client}")).await.expect(200);
    ends(of_service).await;
}
