//! The money of orders through the door: whoever pays outside, captures, refunds, accounts.

use std::time::Duration;

use serde_json::{Value, json};
use tradewind_workers::provider::Forced;

use crate::town::{Placed, Town, named, order_of};

/// An order that waits for somebody outside to pay 10.00 EUR.
async fn waiting(town: &Town) -> Placed<'_> {
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    order.is("validated").await;
    order
}

#[tokio::test]
async fn somebody_outside_pays_once() {
    let town = Town::new().await;
    let order = waiting(&town).await;
    let path = format!("{}/payment/authorization", order.path());
    let held = json!({"reference": "bank-1", "amount_minor": 1_000, "currency": "EUR"});
    order.buyer.post(&path, held.clone()).await.refused(403, "not_allowed");
    let wrong = order.authorizes("bank-1", 999).await.refused(422, "payment_amount_differs");
    assert_eq!(wrong.field("field"), "amount_minor");
    let dollars = json!({"reference": "bank-1", "amount_minor": 1_000, "currency": "USD"});
    town.service.post(&path, dollars).await.refused(422, "payment_amount_differs");
    let euros = json!({"reference": "bank-1", "amount_minor": 1_000, "currency": "euros"});
    town.service.post(&path, euros).await.refused(400, "body_invalid");
    order.is("validated").await;

    let paid = town.service.post(&path, held.clone()).await.expect(200).json();
    assert_eq!((&paid["payment"]["state"], &paid["surplus"]), (&json!("authorized"), &json!(null)));
    town.settles().await;
    order.is("confirmed").await;
    // The same again changes nothing; another one is not ours, and asked back.
    let again = town.staff.post(&path, held).await.expect(200).json();
    assert_eq!((&again["payment"]["state"], &again["surplus"]), (&json!("captured"), &json!(null)));
    let second = order.authorizes("bank-2", 1_000).await.expect(200).json();
    assert_eq!((&second["payment"]["state"], &second["surplus"]["reference"]), (&json!("captured"), &json!("bank-2")));
    town.settles().await;
    let payment = order.payment().await;
    assert_eq!((&payment["captured_minor"], &payment["surpluses"][0]["state"]), (&json!(1_000), &json!("returned")));
    assert!(order.story().await.contains(&"payment.surplus_returned".to_owned()));
    let refused = town.service.post(&format!("{}/payment/failure", order.path()), json!({"reason": "no"})).await;
    refused.refused(409, "payment_not_pending");
    town.is_clean().await;
}

#[tokio::test]
async fn somebody_outside_does_not_pay() {
    let town = Town::new().await;
    let order = waiting(&town).await;
    let path = format!("{}/payment/failure", order.path());
    town.service.post(&path, json!({"reason": ""})).await.refused(422, "text_length");
    let failed = town.service.post(&path, json!({"reason": "no cover"})).await.expect(200);
    assert_eq!((failed.field("state"), failed.field("reason")), ("failed".to_owned(), "no cover".to_owned()));
    town.settles().await;
    order.is("rejected: no cover").await;
    town.service.post(&path, json!({"reason": "no cover"})).await.expect(200);
    town.is_clean().await;
}

#[tokio::test]
async fn what_is_not_paid_outside_is_not_authorized_from_there() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    order.is("rejected: insufficient_funds").await;
    order.authorizes("bank-1", 1_000).await.refused(409, "payment_not_external");
    let nobodys = Placed { order_id: "nobodys".to_owned(), ..order };
    nobodys.authorizes("bank-1", 1_000).await.refused(404, "payment_not_found");
}

#[tokio::test]
async fn money_that_comes_too_late_goes_back() {
    let town = Town::new().await;
    let order = waiting(&town).await;
    town.advance(Duration::from_mins(16)).await;
    order.is("rejected: reservation_expired").await;
    let late = order.authorizes("bank-1", 1_000).await.expect(200).json();
    assert_eq!(late["surplus"]["reference"], "bank-1");
    town.settles().await;
    let payment = order.payment().await;
    assert_eq!((&payment["authorized_minor"], &payment["surpluses"][0]["state"]), (&json!(0), &json!("returned")));
    order.is("rejected: reservation_expired").await;
    town.is_clean().await;
}

#[tokio::test]
async fn a_refund_is_of_a_completed_order_in_parts_and_never_more_than_was_paid() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 5_000).await;
    let order = town.settles_order(&ada, order_of("tea", 3, "balance")).await;
    let part = json!({"refund_id": "r-1", "amount_minor": 1_000, "reason": "one was broken"});
    order.refunds(part.clone()).await.refused(409, "not_completed");
    order.dispatches().await.expect(200);
    order.delivers().await.expect(200);
    town.settles().await;
    let refunded = order.refunds(part.clone()).await.expect(200);
    assert_eq!((refunded.field("state"), refunded.json()["amount_minor"].as_i64()), ("refunded".into(), Some(1_000)));
    order.refunds(part).await.expect(200);
    let other = json!({"refund_id": "r-1", "amount_minor": 1, "reason": "one was broken"});
    assert_eq!(order.refunds(other).await.refused(409, "refund_id_taken").field("field"), "refund_id");
    for (amount, code) in [(2_001, "refund_too_large"), (0, "amount_not_positive"), (-5, "amount_not_positive")] {
        let wish = json!({"amount_minor": amount, "reason": "why not"});
        assert_eq!(order.refunds(wish).await.refused(422, code).field("field"), "amount_minor");
    }
    order.refunds(json!({"reason": " "})).await.refused(422, "text_length");
    let rest = order.refunds(json!({"reason": "the others too"})).await.expect(200);
    assert_eq!(rest.json()["amount_minor"], 2_000);
    order.refunds(json!({"reason": "again"})).await.refused(422, "refund_too_large");
    let path = format!("{}/payment/refunds", order.path());
    order.buyer.post(&path, json!({"reason": "please"})).await.refused(403, "not_allowed");
    town.settles().await;
    let seen = order.seen().await;
    assert_eq!((&seen["payment"]["state"], &seen["payment"]["refunded_minor"]), (&json!("refunded"), &json!(3_000)));
    assert_eq!(seen["refunds"].as_array().unwrap().len(), 2);
    let accounts = ada.client.get(&format!("/v1/users/{}/accounts", ada.user_id)).await.expect(200).json();
    assert_eq!(accounts["items"][0]["balance_minor"], 5_000);
    town.is_clean().await;
}

#[tokio::test]
async fn a_refund_to_a_card_goes_through_the_provider_and_what_it_refuses_is_owed() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    town.force("o-1", Forced::RefundRefused);
    town.staff.post("/v1/orders", named("o-1", &ada, order_of("tea", 1, "card"))).await.expect(201);
    town.settles().await;
    let order = Placed { town: &town, order_id: "o-1".to_owned(), buyer: ada.client.clone() };
    order.is("confirmed").await;
    order.dispatches().await.expect(200);
    order.delivers().await.expect(200);
    town.settles().await;
    let refund = order.refunds(json!({"refund_id": "r-1", "reason": "broken"})).await.expect(202);
    assert_eq!(refund.field("state"), "refunding");
    town.settles().await;
    let owed = order.payment().await;
    assert_eq!((&owed["refunds"][0]["state"], &owed["state"]), (&json!("refused"), &json!("captured")));
    assert_eq!(town.audited().owed.len(), 1);
    town.force("o-1", Forced::Approved);
    let retry = json!({"refund_id": "r-1"});
    town.staff.post("/v1/operations/owed/o-1/retry", retry).await.expect(200);
    town.settles().await;
    assert_eq!(order.payment().await["refunds"][0]["state"], "refunded");
    town.is_clean().await;
}

#[tokio::test]
async fn an_order_that_ended_is_neither_captured_nor_refunded() {
    let town = Town::new().await;
    let order = waiting(&town).await;
    let capture = format!("{}/payment/capture", order.path());
    town.staff.post(&capture, json!({})).await.refused(409, "capture_not_due");
    order.buyer.post(&capture, json!({})).await.refused(403, "not_allowed");
    order.cancels().await.expect(200);
    town.settles().await;
    town.staff.post(&capture, json!({})).await.refused(409, "order_ended");
    order.refunds(json!({"reason": "please"})).await.refused(409, "order_ended");
    town.staff.post("/v1/orders/nobodys/payment/capture", json!({})).await.refused(404, "payment_not_found");
}

/// Orders has not heard of the refusal yet, so nothing has ended the order.
#[tokio::test]
async fn a_refused_capture_is_started_once_more_by_staff() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    // Every call fails the first time: the authorization and the capture each wait for their second try.
    town.force("o-1", Forced::Unavailable);
    town.staff.post("/v1/orders", named("o-1", &ada, order_of("tea", 1, "card"))).await.expect(201);
    town.settles().await;
    town.advance(Duration::from_secs(1)).await;
    let order = Placed { town: &town, order_id: "o-1".to_owned(), buyer: ada.client.clone() };
    order.is("confirmed").await;
    town.pauses("orders").await;
    town.force("o-1", Forced::CaptureRefused);
    town.advance(Duration::from_secs(1)).await;
    assert_eq!(order.payment().await["state"], "authorized");
    town.force("o-1", Forced::Approved);
    let capture = town.staff.post(&format!("{}/payment/capture", order.path()), json!({})).await.expect(202);
    assert_eq!(capture.field("state"), "capturing");
    town.settles().await;
    assert_eq!(order.payment().await["state"], "captured");
    // Then it hears that the first one was refused: shipping lets the goods stay, and the money goes back.
    town.resumes("orders").await;
    order.is("cancelled: capture_refused").await;
    assert_eq!(order.payment().await["state"], "refunded");
    town.is_clean().await;
}

#[tokio::test]
async fn an_account_shows_what_came_and_what_went() {
    let town = Town::new().await;
    town.stocks("tea", 9).await;
    let (ada, bob) = (town.buyer("ada", 5_000).await, town.buyer("bob", 0).await);
    let accounts = format!("/v1/users/{}/accounts", ada.user_id);
    let order = town.settles_order(&ada, order_of("tea", 2, "balance")).await;
    order.is("confirmed").await;
    let seen = ada.client.get(&accounts).await.expect(200).json();
    assert_eq!((&seen["items"][0]["balance_minor"], &seen["items"][0]["held_minor"]), (&json!(3_000), &json!(0)));
    let entries = crate::shelf::pages(&ada.client, &format!("{accounts}/EUR/entries"), 1).await;
    let shown = |entry: &Value| (entry["side"].clone(), entry["balance_minor"].clone());
    let shown: Vec<_> = entries.iter().map(shown).collect();
    assert_eq!(shown, [(json!("debit"), json!(3_000)), (json!("credit"), json!(5_000))]);
    assert_eq!(entries[0]["order_id"], order.order_id.as_str());
    bob.client.get(&accounts).await.refused(403, "not_allowed");
    bob.client.get(&format!("{accounts}/EUR/entries")).await.refused(403, "not_allowed");
    let credits = format!("{accounts}/EUR/credits");
    ada.client.post(&credits, json!({"amount_minor": 1, "cause": "gift"})).await.refused(403, "not_allowed");
    for (credit, code, field) in [
        (json!({"amount_minor": 0, "cause": "gift"}), "amount_not_positive", "amount_minor"),
        (json!({"amount_minor": 1_000_000_000_001_i64, "cause": "gift"}), "amount_too_large", "amount_minor"),
        (json!({"amount_minor": 1, "cause": ""}), "text_length", "cause"),
    ] {
        assert_eq!(town.staff.post(&credits, credit).await.refused(422, code).field("field"), field);
    }
    let euros = json!({"amount_minor": 1, "cause": "gift"});
    town.staff.post(&format!("{accounts}/euro/credits"), euros).await.refused(400, "path_invalid");
    let dollars = json!({"amount_minor": 700, "cause": "gift", "reference": "ticket 7"});
    town.staff.post(&format!("{accounts}/USD/credits"), dollars).await.expect(200);
    let seen = ada.client.get(&accounts).await.json();
    assert_eq!(crate::shelf::column(seen["items"].as_array().unwrap(), "currency"), ["EUR", "USD"]);
    let entries = ada.client.get(&format!("{accounts}/USD/entries")).await.json();
    assert_eq!(
        (entries["items"].as_array().unwrap().len(), &entries["items"][0]["reference"]),
        (1, &json!("ticket 7"))
    );
    town.is_clean().await;
}

#[tokio::test]
async fn parcels_leave_once_they_are_paid_and_arrive_once_they_have_left() {
    let town = Town::new().await;
    let order = waiting(&town).await;
    order.dispatches().await.refused(409, "shipment_not_ready");
    order.delivers().await.refused(409, "shipment_not_dispatched");
    assert_eq!(town.staff.get("/v1/shipments").await.expect(200).json()["items"], json!([]));
    order.authorizes("bank-1", 1_000).await.expect(200);
    town.settles().await;
    let ready = town.staff.get("/v1/shipments").await.expect(200).json();
    assert_eq!(ready["items"][0]["order_id"], order.order_id.as_str());
    assert_eq!(ready["items"][0]["lines"][0]["location_id"].as_str().map(str::is_empty), Some(false));
    let path = format!("{}/shipment/dispatch", order.path());
    let nameless = town.staff.post(&path, json!({"carrier": ""})).await.refused(422, "invalid_dispatch");
    assert_eq!(nameless.field("field"), "carrier");
    order.delivers().await.refused(409, "shipment_not_dispatched");
    assert_eq!(order.dispatches().await.expect(200).field("state"), "dispatched");
    order.dispatches().await.refused(409, "shipment_not_ready");
    let under_way = town.staff.get("/v1/shipments?state=dispatched").await.expect(200).json();
    assert_eq!(under_way["items"][0]["tracking"], "T-1");
    town.staff.get("/v1/shipments?state=lost").await.refused(400, "query_invalid");
    assert_eq!(order.delivers().await.expect(200).field("state"), "delivered");
    order.delivers().await.refused(409, "shipment_not_dispatched");
    let nobodys = Placed { order_id: "nobodys".to_owned(), ..order };
    nobodys.dispatches().await.refused(404, "shipment_not_found");
    town.is_clean().await;
}
