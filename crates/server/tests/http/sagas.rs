//! The place-order saga, with all services in one store and with them split over two and three, and behind a gateway:
//! what is asked comes in by the door, what is told goes over the broker. Every test ends with the audit of all stores.

use std::time::Duration;

use serde_json::{Value, json};
use tradewind_inventory::Stock;
use tradewind_workers::provider::Forced;

use crate::{
    client::Client,
    town::{Placed, Town, named, order_of},
    world::Person,
};

/// Each of these runs in every layout.
macro_rules! in_every_layout {
    ($($name:ident)*) => {
        in_every_layout!(@layout one_store ONE_STORE $($name)*);
        in_every_layout!(@layout two_stores TWO_STORES $($name)*);
        in_every_layout!(@layout three_stores THREE_STORES $($name)*);
        in_every_layout!(@behind behind_a_gateway THREE_STORES $($name)*);
    };
    (@behind $module:ident $layout:ident $($name:ident)*) => {
        mod $module {
            use crate::town::{$layout, Town};
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(Town::behind_a_gateway($layout, super::SETTINGS).await).await;
                }
            )*
        }
    };
    (@layout $module:ident $layout:ident $($name:ident)*) => {
        mod $module {
            use crate::town::{$layout, Town};
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(Town::laid_out($layout, super::SETTINGS).await).await;
                }
            )*
        }
    };
}

in_every_layout! {
    an_order_that_is_paid_from_a_balance_goes_through
    an_order_that_is_paid_by_card_goes_through
    an_order_that_is_paid_outside_goes_through
    goods_that_are_not_for_sale_are_refused
    a_price_that_has_changed_is_refused
    stock_that_is_not_there_is_refused
    an_address_that_is_not_shipped_to_is_refused
    money_that_is_not_there_is_refused
    an_order_is_cancelled_in_every_state_before_its_goods_leave
    an_order_that_has_left_or_ended_is_not_cancelled
    an_order_ends_by_its_deadline_in_every_state
    a_payment_after_the_expiry_goes_back
    a_provider_that_is_silent_holds_nothing_back_for_ever
    a_capture_that_is_refused_lets_everything_go
    a_capture_that_comes_after_the_wish_to_cancel_is_given_back
    the_last_unit_goes_to_one_of_many_buyers
    what_a_broker_says_twice_or_late_happens_once
}

pub const SETTINGS: &[(&str, &str)] = &[("ship_to", "DE,AT")];

/// A town with ten units of tea, and somebody with 500.00 EUR.
async fn opened(town: &Town) -> Person {
    town.stocks("tea", 10).await;
    town.buyer("ada", 50_000).await
}

/// What can be bought, and what is held for orders.
fn shelf(town: &Town, sku: &str) -> (i64, i64) {
    let stock: Vec<Stock> = town.rows("inventory");
    let stock = stock.iter().find(|stock| stock.sku().as_str() == sku).unwrap();
    (stock.on_hand(), stock.reserved())
}

async fn balance(person: &Person) -> i64 {
    let accounts = person.client.get(&format!("/v1/users/{}/accounts", person.user_id)).await.expect(200).json();
    accounts["items"][0]["balance_minor"].as_i64().unwrap()
}

/// An order by card that the provider treats like this.
async fn by_card<'a>(town: &'a Town, buyer: &Person, order_id: &str, forced: Forced) -> Placed<'a> {
    town.force(order_id, forced);
    town.staff.post("/v1/orders", named(order_id, buyer, order_of("tea", 1, "card"))).await.expect(201);
    town.settles().await;
    Placed { town, order_id: order_id.to_owned(), buyer: buyer.client.clone() }
}

async fn delivered(order: &Placed<'_>) {
    order.dispatches().await.expect(200);
    order.town.settles().await;
    order.is("dispatched").await;
    order.delivers().await.expect(200);
    order.town.settles().await;
    order.is("completed").await;
}

pub async fn an_order_that_is_paid_from_a_balance_goes_through(town: Town) {
    let ada = opened(&town).await;
    let order = town.settles_order(&ada, order_of("tea", 2, "balance")).await;
    order.is("confirmed").await;
    delivered(&order).await;
    assert_eq!((shelf(&town, "tea"), balance(&ada).await), ((8, 0), 48_000));
    town.is_clean().await;
}

pub async fn an_order_that_is_paid_by_card_goes_through(town: Town) {
    let ada = opened(&town).await;
    let order = by_card(&town, &ada, "o-1", Forced::Approved).await;
    order.is("confirmed").await;
    assert_eq!(order.payment().await["state"], "captured");
    delivered(&order).await;
    town.is_clean().await;
}

pub async fn an_order_that_is_paid_outside_goes_through(town: Town) {
    let ada = opened(&town).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    order.is("validated").await;
    order.authorizes("bank-1", 1_000).await.expect(200);
    town.settles().await;
    order.is("confirmed").await;
    delivered(&order).await;
    town.is_clean().await;
}

pub async fn goods_that_are_not_for_sale_are_refused(town: Town) {
    let ada = opened(&town).await;
    town.staff.delete("/v1/products/p-tea/publication").await.expect(200);
    town.settles().await;
    for sku in ["coffee", "tea"] {
        let order = town.settles_order(&ada, order_of(sku, 1, "balance")).await;
        let seen = order.seen().await;
        assert_eq!((&seen["status"], &seen["step"]), (&json!("rejected"), &json!("quote")), "{seen}");
    }
    assert_eq!((shelf(&town, "tea"), balance(&ada).await), ((10, 0), 50_000));
    town.is_clean().await;
}

pub async fn a_price_that_has_changed_is_refused(town: Town) {
    let ada = opened(&town).await;
    let mut order = order_of("tea", 1, "balance");
    order["lines"][0]["unit_price_minor"] = json!(999);
    let seen = town.settles_order(&ada, order.clone()).await.seen().await;
    assert_eq!((&seen["status"], &seen["step"]), (&json!("rejected"), &json!("quote")), "{seen}");
    order["lines"][0]["unit_price_minor"] = json!(1_000);
    town.settles_order(&ada, order).await.is("confirmed").await;
    town.is_clean().await;
}

pub async fn stock_that_is_not_there_is_refused(town: Town) {
    let ada = opened(&town).await;
    town.stocks("coffee", 0).await;
    for order in [order_of("tea", 11, "balance"), order_of("coffee", 1, "balance"), both("tea", "coffee")] {
        town.settles_order(&ada, order).await.is("rejected: insufficient").await;
    }
    assert_eq!((shelf(&town, "tea"), balance(&ada).await), ((10, 0), 50_000));
    town.is_clean().await;
}

/// One of each.
fn both(one: &str, other: &str) -> Value {
    let mut order = order_of(one, 1, "balance");
    let line = order_of(other, 1, "balance")["lines"][0].clone();
    order["lines"].as_array_mut().unwrap().push(line);
    order
}

pub async fn an_address_that_is_not_shipped_to_is_refused(town: Town) {
    let ada = opened(&town).await;
    let mut order = order_of("tea", 1, "balance");
    order["shipping_address"]["country"] = json!("FR");
    let order = town.settles_order(&ada, order).await;
    let seen = order.seen().await;
    assert_eq!((&seen["status"], &seen["step"]), (&json!("rejected"), &json!("shipment")), "{seen}");
    assert_eq!((shelf(&town, "tea"), balance(&ada).await), ((10, 0), 50_000));
    town.is_clean().await;
}

pub async fn money_that_is_not_there_is_refused(town: Town) {
    let ada = opened(&town).await;
    let bob = town.buyer("bob", 999).await;
    let poor = town.settles_order(&bob, order_of("tea", 1, "balance")).await;
    let declined = by_card(&town, &ada, "o-1", Forced::Declined).await;
    let outside = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    let failure = format!("{}/payment/failure", outside.path());
    town.service.post(&failure, json!({"reason": "no cover"})).await.expect(200);
    town.settles().await;
    // Orders hears it from payments, or first from inventory or shipping, who have let the order go because of it.
    for (order, reason) in [(poor, "insufficient_funds"), (declined, "card_declined"), (outside, "no cover")] {
        let seen = order.seen().await;
        let told = seen["reason"].as_str().unwrap();
        assert!(seen["status"] == "rejected" && [reason, "payment_failed"].contains(&told), "{seen}");
        let payment = order.payment().await;
        assert_eq!((&payment["state"], &payment["reason"]), (&json!("failed"), &json!(reason)));
    }
    assert_eq!((shelf(&town, "tea"), balance(&bob).await), ((10, 0), 999));
    town.is_clean().await;
}

/// A state, the service that is deaf so that an order stays in it, and how it is paid.
const STATES: [(&str, &str, &str); 7] = [
    ("placed", "catalog", "balance"),
    ("priced", "inventory", "balance"),
    ("priced", "shipping", "balance"),
    ("validated", "payments", "balance"),
    ("validated", "notifications", "external"),
    ("paid", "inventory", "external"),
    ("confirmed", "payments", "external"),
];

/// Brings an order into one of the states.
async fn brought<'a>(town: &'a Town, buyer: &Person, (state, deaf, method): (&str, &str, &str)) -> Placed<'a> {
    let late = method == "external" && state != "validated";
    if !late {
        town.pauses(deaf).await;
    }
    let order = town.settles_order(buyer, order_of("tea", 1, method)).await;
    if late {
        if state == "paid" {
            town.pauses(deaf).await;
            order.authorizes("bank-1", 1_000).await.expect(200);
        } else {
            order.authorizes("bank-1", 1_000).await.expect(200);
            town.settles().await;
            town.pauses(deaf).await;
        }
        town.settles().await;
    }
    assert_eq!(town.status_of_order(&order.order_id), state, "without {deaf}");
    order
}

pub async fn an_order_is_cancelled_in_every_state_before_its_goods_leave(town: Town) {
    let ada = opened(&town).await;
    for state in STATES {
        let order = brought(&town, &ada, state).await;
        let cancelled = order.cancels().await;
        assert!(matches!(cancelled.status, 200 | 202), "{state:?}: {}", cancelled.text());
        town.settles().await;
        assert_eq!(town.status_of_order(&order.order_id), "cancelled", "{state:?}");
        order.cancels().await.refused(409, "order_final");
        town.resumes(state.1).await;
        order.is("cancelled: customer_request").await;
        assert_eq!((shelf(&town, "tea"), balance(&ada).await), ((10, 0), 50_000), "{state:?}");
        town.is_clean().await;
    }
    // Asked twice, shipping is asked twice at most; whoever asks hears the same.
    town.pauses("shipping").await;
    town.resumes("shipping").await;
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    town.pauses("shipping").await;
    assert_eq!(order.cancels().await.expect(202).field("status"), "cancelling");
    assert_eq!(order.cancels().await.expect(202).field("status"), "cancelling");
    let by_staff = town.staff.post(&format!("{}/cancellation", order.path()), json!({"reason": "again"})).await;
    assert_eq!(by_staff.expect(202).field("status"), "cancelling");
    town.resumes("shipping").await;
    order.is("cancelled: customer_request").await;
    assert_eq!((shelf(&town, "tea"), balance(&ada).await), ((10, 0), 50_000));
    town.is_clean().await;
}

pub async fn an_order_that_has_left_or_ended_is_not_cancelled(town: Town) {
    let ada = opened(&town).await;
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    order.dispatches().await.expect(200);
    town.settles().await;
    order.cancels().await.refused(409, "already_dispatched");
    order.delivers().await.expect(200);
    town.settles().await;
    order.cancels().await.refused(409, "order_final");
    let rejected = town.settles_order(&ada, order_of("tea", 100, "balance")).await;
    rejected.cancels().await.refused(409, "order_final");
    // Shipping knows it before orders does: its answer is no, and the order goes on.
    let leaving = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    town.pauses("orders").await;
    leaving.dispatches().await.expect(200);
    town.settles().await;
    assert_eq!(leaving.cancels().await.expect(202).field("status"), "cancelling");
    town.resumes("orders").await;
    leaving.is("dispatched").await;
    assert!(leaving.story().await.contains(&"shipment.release_refused".to_owned()));
    leaving.cancels().await.refused(409, "already_dispatched");
    leaving.delivers().await.expect(200);
    town.settles().await;
    leaving.is("completed").await;
    town.is_clean().await;
}

pub async fn an_order_ends_by_its_deadline_in_every_state(town: Town) {
    let ada = opened(&town).await;
    for state in STATES.into_iter().filter(|(state, ..)| *state != "confirmed") {
        let order = brought(&town, &ada, state).await;
        town.advance(Duration::from_mins(31)).await;
        let ended = town.status_of_order(&order.order_id);
        assert!(matches!(ended, "cancelled" | "rejected"), "{state:?}: {ended}");
        town.resumes(state.1).await;
        let seen = order.seen().await;
        assert_eq!(seen["status"], ended, "an end is not taken back: {seen}");
        // The deadline names what was owed; where stock was held unpaid, its time may have been over first.
        let step = seen["step"].as_str().unwrap_or_default();
        let owed = match state.1 {
            "catalog" => step == "quote",
            "inventory" => matches!(step, "reservation" | "commit"),
            _ => matches!(step, "shipment" | "payment" | "reservation"),
        };
        assert!(owed, "{state:?}: {seen}");
        assert_eq!((shelf(&town, "tea"), balance(&ada).await), ((10, 0), 50_000), "{state:?}");
        town.is_clean().await;
    }
}

pub async fn a_payment_after_the_expiry_goes_back(town: Town) {
    let ada = opened(&town).await;
    let order = town.settles_order(&ada, order_of("tea", 10, "external")).await;
    assert_eq!(shelf(&town, "tea"), (10, 10));
    town.advance(Duration::from_mins(16)).await;
    order.is("rejected: reservation_expired").await;
    let late = order.authorizes("bank-1", 10_000).await.expect(200).json();
    assert_eq!(late["surplus"]["amount_minor"], 10_000);
    town.settles().await;
    assert!(order.story().await.contains(&"payment.surplus_returned".to_owned()));
    order.is("rejected: reservation_expired").await;
    assert_eq!(shelf(&town, "tea"), (10, 0));
    town.is_clean().await;
}

pub async fn a_provider_that_is_silent_holds_nothing_back_for_ever(town: Town) {
    let ada = opened(&town).await;
    let charged = by_card(&town, &ada, "o-1", Forced::TimeoutCharged).await;
    let silent = by_card(&town, &ada, "o-2", Forced::Silent).await;
    charged.is("validated").await;
    town.advance(Duration::from_secs(2)).await;
    charged.is("confirmed").await;
    silent.is("validated").await;
    for _ in 0..20 {
        town.advance(Duration::from_mins(2)).await;
    }
    let seen = silent.seen().await;
    assert!(matches!(seen["status"].as_str(), Some("rejected" | "cancelled")), "{seen}");
    // What was asked and never answered is undone under its key.
    let payment = silent.payment().await;
    assert_eq!((&payment["state"], &payment["captured_minor"]), (&json!("voided"), &json!(0)));
    assert_eq!(shelf(&town, "tea"), (9, 0));
    town.is_clean().await;
}

pub async fn a_capture_that_is_refused_lets_everything_go(town: Town) {
    let ada = opened(&town).await;
    let order = by_card(&town, &ada, "o-1", Forced::CaptureRefused).await;
    order.is("cancelled: capture_refused").await;
    let payment = order.payment().await;
    assert_eq!((&payment["state"], &payment["captured_minor"]), (&json!("voided"), &json!(0)));
    assert_eq!(shelf(&town, "tea"), (10, 0));
    town.is_clean().await;
}

pub async fn a_capture_that_comes_after_the_wish_to_cancel_is_given_back(town: Town) {
    let ada = opened(&town).await;
    let order = by_card(&town, &ada, "o-1", Forced::CaptureLate).await;
    order.is("confirmed").await;
    assert_eq!(order.cancels().await.expect(202).field("status"), "cancelling");
    town.settles().await;
    order.is("cancelled: customer_request").await;
    assert_eq!(order.payment().await["state"], "capturing");
    town.advance(Duration::from_secs(10)).await;
    town.advance(Duration::from_secs(31)).await;
    let payment = order.payment().await;
    assert_eq!((&payment["state"], &payment["refunded_minor"]), (&json!("refunded"), &json!(1_000)));
    assert_eq!(shelf(&town, "tea"), (10, 0));
    town.is_clean().await;
}

/// Ten at a time for each of three SKUs with one unit.
pub async fn the_last_unit_goes_to_one_of_many_buyers(town: Town) {
    let ada = town.buyer("ada", 1_000_000).await;
    for sku in ["a", "b", "c"] {
        town.stocks(sku, 1).await;
    }
    let requests = (0..30).map(|nth| ada.client.post("/v1/orders", order_of(["a", "b", "c"][nth % 3], 1, "balance")));
    for placed in futures_util::future::join_all(requests).await {
        placed.expect(201);
    }
    town.settles().await;
    for sku in ["a", "b", "c"] {
        assert_eq!(shelf(&town, sku), (0, 0));
    }
    assert_eq!(count(&town.staff, "confirmed").await, 3);
    assert_eq!(count(&town.staff, "rejected").await, 27);
    town.is_clean().await;
}

async fn count(staff: &Client, status: &str) -> usize {
    let page = staff.get(&format!("/v1/orders?limit=100&status={status}")).await.expect(200).json();
    page["items"].as_array().unwrap().len()
}

pub async fn what_a_broker_says_twice_or_late_happens_once(town: Town) {
    let ada = opened(&town).await;
    town.repeats_messages();
    let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
    let rejected = town.settles_order(&ada, order_of("tea", 100, "balance")).await;
    town.loses_acknowledgements(true);
    let late = town.places(&ada, order_of("tea", 1, "balance")).await;
    town.loses_acknowledgements(false);
    town.settles().await;
    town.cuts_subscriptions();
    town.settles().await;
    order.is("confirmed").await;
    rejected.is("rejected: insufficient").await;
    late.is("confirmed").await;
    assert_eq!((shelf(&town, "tea"), balance(&ada).await), ((8, 0), 48_000));
    town.is_clean().await;
}
