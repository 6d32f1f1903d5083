//! The payment provider calls back: first, twice, early, late; and somebody else calls in its place.

use std::time::Duration;

use serde_json::{Value, json};
use tradewind_events::Timestamp;
use tradewind_workers::provider::{Forced, SIGNATURE_HEADER, sign};

use crate::{
    client::Reply,
    town::{Placed, Town, named, order_of},
    world::Person,
};

const PATH: &str = "/v1/provider-callbacks";

/// A town with somebody whose order of 10.00 EUR the provider treats like this.
async fn ordered<'a>(town: &'a Town, buyer: &Person, order_id: &str, forced: Forced) -> Placed<'a> {
    town.force(order_id, forced);
    town.staff.post("/v1/orders", named(order_id, buyer, order_of("tea", 1, "card"))).await.expect(201);
    town.settles().await;
    Placed { town, order_id: order_id.to_owned(), buyer: buyer.client.clone() }
}

async fn with_buyer() -> (Town, Person) {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    (town, ada)
}

/// Calls like the provider, with a body that is signed by `secret` at `at`; its own secret when none.
async fn calls(town: &Town, body: &Value, secret: Option<&[u8]>, at: Timestamp) -> Reply {
    let own = town.doors[0].shop().config.provider_secret.clone().unwrap();
    let bytes = body.to_string().into_bytes();
    let signature = sign(secret.unwrap_or(own.expose()), &bytes, at);
    let request = town.anonymous().request("POST", PATH).without("Idempotency-Key").body(bytes);
    request.header("Content-Type", "application/json").header(SIGNATURE_HEADER, &signature).send().await
}

fn count(story: &[String], name: &str) -> usize {
    story.iter().filter(|known| *known == name).count()
}

#[tokio::test]
async fn a_callback_before_the_answer_after_it_twice_or_in_its_place_is_one_payment() {
    let (town, ada) = with_buyer().await;
    for (nth, forced) in [Forced::CallbackFirst, Forced::CallbackTwice, Forced::CallbackOnly, Forced::TimeoutCharged]
        .into_iter()
        .enumerate()
    {
        let order = ordered(&town, &ada, &format!("o-{nth}"), forced).await;
        town.advance(Duration::from_secs(31)).await;
        town.settles_with_callbacks().await;
        order.is("confirmed").await;
        let story = order.story().await;
        assert_eq!(
            (count(&story, "payment.authorized"), count(&story, "payment.captured")),
            (1, 1),
            "{forced}: {story:?}"
        );
        let payment = order.payment().await;
        assert_eq!((&payment["captured_minor"], &payment["surpluses"]), (&json!(1_000), &json!([])), "{forced}");
    }
    town.is_clean().await;
}

#[tokio::test]
async fn money_that_the_provider_holds_after_all_goes_back() {
    let (town, ada) = with_buyer().await;
    let declined = ordered(&town, &ada, "o-1", Forced::ChargedAfterDecline).await;
    declined.is("rejected: card_declined").await;
    town.advance(Duration::from_secs(10)).await;
    town.settles_with_callbacks().await;
    declined.is("rejected: card_declined").await;
    assert_eq!(declined.payment().await["surpluses"][0]["state"], "returned");

    let twice = ordered(&town, &ada, "o-2", Forced::SecondCharge).await;
    town.settles_with_callbacks().await;
    twice.is("confirmed").await;
    let payment = twice.payment().await;
    assert_eq!((&payment["captured_minor"], &payment["surpluses"][0]["state"]), (&json!(1_000), &json!("returned")));
    town.is_clean().await;
}

#[tokio::test]
async fn a_callback_of_a_wrong_amount_changes_nothing() {
    let (town, ada) = with_buyer().await;
    let order = ordered(&town, &ada, "o-1", Forced::Approved).await;
    order.is("confirmed").await;
    let reference = order.payment().await["reference"].clone();
    let now = town.clock.now();
    let body = |change: Value| {
        let mut body = json!({
            "order_id": "o-1", "reference": reference, "state": "captured", "amount_minor": 1_000, "currency": "EUR",
        });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    calls(&town, &body(json!({})), None, now).await.expect(204);
    for change in [json!({"amount_minor": 999}), json!({"currency": "USD"})] {
        calls(&town, &body(change), None, now).await.refused(422, "payment_amount_differs");
    }
    calls(&town, &body(json!({"order_id": "nobodys"})), None, now).await.refused(404, "payment_not_found");
    calls(&town, &body(json!({"state": "lost"})), None, now).await.refused(400, "body_invalid");
    town.settles().await;
    assert_eq!(count(&order.story().await, "payment.captured"), 1);
    town.is_clean().await;
}

#[tokio::test]
async fn nobody_but_the_provider_is_believed() {
    let (town, ada) = with_buyer().await;
    let order = ordered(&town, &ada, "o-1", Forced::Silent).await;
    let body = json!({
        "order_id": "o-1", "reference": "ch_1", "state": "authorized", "amount_minor": 1_000, "currency": "EUR",
    });
    let now = town.clock.now();
    calls(&town, &body, Some(b"a secret of somebody else"), now).await.refused(401, "signature_invalid");
    calls(&town, &body, None, now.plus(Duration::from_secs(301))).await.refused(400, "signature_expired");
    let post = || town.anonymous().request("POST", PATH).json(&body);
    post().send().await.refused(400, "signature_malformed");
    post().header(SIGNATURE_HEADER, "t=1,v1=zz").send().await.refused(400, "signature_malformed");
    // The signature of one body does not sign another.
    let secret = town.doors[0].shop().config.provider_secret.clone().unwrap();
    let other = sign(secret.expose(), b"{}", now);
    post().header(SIGNATURE_HEADER, &other).send().await.refused(401, "signature_invalid");
    let large = json!({"filling": "x".repeat(20_000)});
    calls(&town, &large, None, now).await.refused(413, "body_too_large");
    town.settles().await;
    order.is("validated").await;

    // The real one is believed, and five minutes later it is not any more.
    calls(&town, &body, None, now).await.expect(204);
    town.settles().await;
    assert_ne!(order.status().await, "validated");
    town.clock.advance(Duration::from_secs(301));
    calls(&town, &body, None, now).await.refused(400, "signature_expired");

    // While the clock here is behind, either it or the time before may be right.
    let now = town.clock.now();
    town.clock.jump(-3_600_000);
    calls(&town, &body, None, now).await.expect(204);
    calls(&town, &body, None, town.clock.now()).await.expect(204);
    let between = town.clock.now().plus(Duration::from_mins(30));
    calls(&town, &body, None, between).await.refused(400, "signature_expired");
}
