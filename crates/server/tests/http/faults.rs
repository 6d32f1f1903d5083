//! What goes wrong in other people's shops, each by its name in the design, and does not here. Services live in two
//! stores unless a test says otherwise, and every test ends with the audit of all stores.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};
use tradewind_inventory::{Reservation, ReservationState, Stock};
use tradewind_payments::Payment;
use tradewind_workers::provider::Forced;

use crate::{
    town::{ONE_STORE, Placed, THREE_STORES, Town, checked_out, named, order_of},
    world::Person,
};

/// Each of these runs in two stores.
macro_rules! in_two_stores {
    ($($name:ident $settings:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            super::$name(Town::laid_out(TWO_STORES, $settings).await).await;
        }
    )*};
}

mod in_two_stores {
    use super::{DISCOUNTED, LOST_CALLBACKS};
    use crate::town::{TWO_STORES, Town};

    in_two_stores! {
        c1_two_buyers_do_not_both_get_one_unit &[];
        c2_two_lines_of_one_sku_are_not_checked_each_alone &[];
        c3_reservations_and_the_reserved_quantity_do_not_drift_apart &[];
        c4_a_webhook_and_an_answer_that_race_are_one_capture_and_one_order &[];
        c5_there_is_no_second_capture_through_another_door &[];
        c6_a_callback_that_fails_costs_neither_the_order_nor_the_money_twice LOST_CALLBACKS;
        c7_a_payment_after_the_expiry_sells_nothing_that_is_not_there &[];
        c8_a_balance_is_not_spent_twice_by_requests_at_once &[];
        c9_a_cart_that_changes_after_its_checkout_does_not_change_the_order &[];
        c10_nobody_is_charged_a_price_that_he_has_not_seen &[];
        c11_no_order_stays_pending_for_ever &[];
        c12_a_failed_payment_stays_failed_and_a_status_does_not_go_back &[];
        c13_a_total_is_exact_and_each_part_of_it_is_computed_from_what_it_is_a_part_of DISCOUNTED;
        c14_of_two_wishes_at_once_one_comes_true &[];
    }
}

/// The provider's callbacks go nowhere.
pub const LOST_CALLBACKS: &[(&str, &str)] = &[("provider_callback_url", "http://127.0.0.1:9/nowhere")];

/// 5 % off, 4.90 for the parcel, 19 % tax.
pub const DISCOUNTED: &[(&str, &str)] = &[("discount_bp", "500"), ("shipping_minor", "490"), ("tax_bp", "1900")];

/// How many orders stand in the store of orders in this state.
fn in_state(town: &Town, state: &str) -> usize {
    let orders: Vec<tradewind_orders::Order> = town.rows("orders");
    orders.iter().filter(|order| order.state().to_string() == state).count()
}

fn stock(town: &Town, sku: &str) -> Stock {
    town.rows::<Stock>("inventory").into_iter().find(|stock| stock.sku().as_str() == sku).unwrap()
}

fn placed(cart: &Value, payment_method: &str) -> Value {
    json!({"cart": cart, "payment_method": payment_method})
}

/// Carts that one shopper fills: fewer than may be open.
const CARTS_A_SHOPPER: usize = 10;

/// Requests that are under way at once, of which each has a connection.
const AT_ONCE: usize = 200;

/// More hashes are not computed at once.
const PASSWORDS_AT_ONCE: usize = 10;

/// So many carts for each of these SKUs, of which there is one unit each, are checked out and then placed at once.
async fn the_last_units(town: Town, skus: usize, carts_a_sku: usize) {
    for nth in 0..skus {
        town.stocks(&format!("sku-{nth}"), 1).await;
    }
    let count = skus * carts_a_sku;
    let shoppers = async |nth| town.buyer(&format!("buyer-{nth}"), 100_000).await;
    let buyers: Vec<Person> =
        stream::iter(0..count.div_ceil(CARTS_A_SHOPPER)).map(shoppers).buffered(PASSWORDS_AT_ONCE).collect().await;
    let check_out =
        async |nth: usize| checked_out(&buyers[nth / CARTS_A_SHOPPER], &format!("sku-{}", nth % skus), 1).await.1;
    let carts: Vec<Value> = stream::iter(0..count).map(check_out).buffered(AT_ONCE).collect().await;
    let place = async |nth: usize| {
        let client = &buyers[nth / CARTS_A_SHOPPER].client;
        client.post("/v1/orders", placed(&carts[nth], "balance")).await.status
    };
    let statuses: Vec<u16> = stream::iter(0..count).map(place).buffered(AT_ONCE).collect().await;
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    town.settles().await;
    assert_eq!((in_state(&town, "confirmed"), in_state(&town, "rejected")), (skus, count - skus));
    let mut sold = BTreeMap::new();
    for claim in town.rows::<Reservation>("inventory") {
        for line in claim.lines().iter().filter(|_| claim.state() == ReservationState::Committed) {
            *sold.entry(line.sku.to_string()).or_insert(0) += line.quantity;
        }
    }
    assert_eq!(sold.len(), skus);
    assert!(sold.values().all(|units| *units == 1), "exactly one order each: {sold:?}");
    for stock in town.rows::<Stock>("inventory") {
        assert_eq!((stock.on_hand(), stock.reserved()), (0, 0), "{}", stock.sku());
    }
    town.is_clean().await;
}

pub async fn c1_two_buyers_do_not_both_get_one_unit(town: Town) {
    the_last_units(town, 5, 5).await;
}

/// A hundred for each unit.
#[tokio::test]
async fn c1_a_hundred_buyers_do_not_both_get_one_unit_in_one_store() {
    the_last_units(Town::laid_out(ONE_STORE, &[]).await, 20, 100).await;
}

#[tokio::test]
async fn c1_two_buyers_do_not_both_get_one_unit_in_three_stores() {
    the_last_units(Town::laid_out(THREE_STORES, &[]).await, 20, 5).await;
}

pub async fn c2_two_lines_of_one_sku_are_not_checked_each_alone(town: Town) {
    town.stocks("tea", 3).await;
    let ada = town.buyer("ada", 50_000).await;
    let twice = |quantity: u32| {
        let mut order = order_of("tea", quantity, "balance");
        let line = order["lines"][0].clone();
        order["lines"].as_array_mut().unwrap().push(line);
        order
    };
    town.settles_order(&ada, twice(2)).await.is("rejected: insufficient").await;
    let one_each = town.settles_order(&ada, twice(1)).await;
    one_each.is("confirmed").await;
    assert_eq!(one_each.seen().await["lines"].as_array().unwrap().len(), 1);
    assert_eq!(stock(&town, "tea").on_hand(), 1);
    town.is_clean().await;
}

pub async fn c3_reservations_and_the_reserved_quantity_do_not_drift_apart(town: Town) {
    town.stocks("tea", 30).await;
    let ada = town.buyer("ada", 4_000).await;
    let adds_up = || {
        let claims: Vec<Reservation> = town.rows("inventory");
        let active = claims.iter().filter(|claim| claim.state() == ReservationState::Active);
        let claimed: u32 =
            active.flat_map(|claim| claim.lines().iter().map(|line| line.quantity).collect::<Vec<_>>()).sum();
        assert_eq!(stock(&town, "tea").reserved(), i64::from(claimed));
    };
    for quantity in 1..=4 {
        let waiting = town.settles_order(&ada, order_of("tea", quantity, "external")).await;
        adds_up();
        town.settles_order(&ada, order_of("tea", quantity, "balance")).await;
        town.settles_order(&ada, order_of("tea", 31, "balance")).await.is("rejected: insufficient").await;
        adds_up();
        match quantity {
            1 => drop(waiting.cancels().await.expect(200)),
            2 => drop(waiting.authorizes("bank-1", 2_000).await.expect(200)),
            _ => town.clock.advance(Duration::from_mins(16)),
        }
        town.settles().await;
        adds_up();
    }
    assert_eq!(stock(&town, "tea").reserved(), 0);
    town.is_clean().await;
}

pub async fn c4_a_webhook_and_an_answer_that_race_are_one_capture_and_one_order(town: Town) {
    town.stocks("tea", 30).await;
    let ada = town.buyer("ada", 0).await;
    let place = async |order_id: String, forced: Forced| {
        town.force(&order_id, forced);
        town.staff.post("/v1/orders", named(&order_id, &ada, order_of("tea", 1, "card"))).await.expect(201)
    };
    let orders = (0..12).map(|nth| {
        let forced = [Forced::CallbackFirst, Forced::CallbackTwice, Forced::SecondCharge][nth % 3];
        place(format!("o-{nth}"), forced)
    });
    join_all(orders).await;
    town.settles_with_callbacks().await;
    let payments: Vec<Payment> = town.rows("payments");
    assert!(payments.iter().all(|payment| payment.captured_minor() == 1_000), "{payments:?}");
    for nth in 0..12 {
        let order = Placed { town: &town, order_id: format!("o-{nth}"), buyer: ada.client.clone() };
        order.is("confirmed").await;
        let story = order.story().await;
        assert_eq!(story.iter().filter(|name| *name == "payment.captured").count(), 1, "{story:?}");
    }
    town.is_clean().await;
}

pub async fn c5_there_is_no_second_capture_through_another_door(town: Town) {
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    town.staff.post("/v1/orders", named("o-1", &ada, order_of("tea", 1, "card"))).await.expect(201);
    town.settles().await;
    let order = Placed { town: &town, order_id: "o-1".to_owned(), buyer: ada.client.clone() };
    let doors = [
        town.staff.post("/v1/orders/o-1/payment/capture", json!({})).await,
        town.staff.post("/v1/operations/owed/o-1/retry", json!({})).await,
        order.authorizes("bank-1", 1_000).await,
    ];
    assert_eq!(doors.map(|reply| reply.code()), ["capture_not_due", "nothing_owed", "payment_not_external"]);
    // Placed again, it is the same order.
    town.staff.post("/v1/orders", named("o-1", &ada, order_of("tea", 1, "card"))).await.expect(200);
    town.settles().await;
    delivered(&order).await;
    let charges = town.provider().charges(None, 10).unwrap();
    assert_eq!(charges.len(), 1);
    assert_eq!(order.payment().await["captured_minor"], 1_000);
    town.is_clean().await;
}

async fn delivered(order: &Placed<'_>) {
    order.dispatches().await.expect(200);
    order.town.settles().await;
    order.delivers().await.expect(200);
    order.town.settles().await;
    order.is("completed").await;
}

/// The callback goes nowhere, and whoever pays does not wait for it.
pub async fn c6_a_callback_that_fails_costs_neither_the_order_nor_the_money_twice(town: Town) {
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    town.force("o-1", Forced::CallbackTwice);
    let again = async || town.staff.post("/v1/orders", named("o-1", &ada, order_of("tea", 1, "card"))).await;
    again().await.expect(201);
    town.settles().await;
    assert!(town.provider().callbacks().unwrap().waiting > 0);
    assert_eq!(again().await.expect(200).field("status"), "confirmed");
    town.settles().await;
    let order = Placed { town: &town, order_id: "o-1".to_owned(), buyer: ada.client.clone() };
    order.is("confirmed").await;
    let charges = town.provider().charges(None, 10).unwrap();
    assert_eq!(charges.iter().map(|charge| charge.amount_minor).collect::<Vec<_>>(), [1_000]);
    town.is_clean().await;
}

pub async fn c7_a_payment_after_the_expiry_sells_nothing_that_is_not_there(town: Town) {
    town.stocks("tea", 1).await;
    let (ada, bob) = (town.buyer("ada", 0).await, town.buyer("bob", 5_000).await);
    let slow = town.settles_order(&ada, order_of("tea", 1, "external")).await;
    town.settles_order(&bob, order_of("tea", 1, "balance")).await.is("rejected: insufficient").await;
    town.advance(Duration::from_mins(16)).await;
    let quick = town.settles_order(&bob, order_of("tea", 1, "balance")).await;
    quick.is("confirmed").await;
    slow.authorizes("bank-1", 1_000).await.expect(200);
    town.settles().await;
    slow.is("rejected: reservation_expired").await;
    assert_eq!(slow.payment().await["surpluses"][0]["state"], "returned");
    assert_eq!((stock(&town, "tea").on_hand(), stock(&town, "tea").reserved()), (0, 0));
    town.is_clean().await;
}

pub async fn c8_a_balance_is_not_spent_twice_by_requests_at_once(town: Town) {
    town.stocks("tea", 99).await;
    let ada = town.buyer("ada", 3_500).await;
    join_all((0..20).map(|_| ada.client.post("/v1/orders", order_of("tea", 1, "balance")))).await;
    town.settles().await;
    assert_eq!((in_state(&town, "confirmed"), in_state(&town, "rejected")), (3, 17));
    let accounts = ada.client.get(&format!("/v1/users/{}/accounts", ada.user_id)).await.json();
    assert_eq!((&accounts["items"][0]["balance_minor"], &accounts["items"][0]["held_minor"]), (&json!(500), &json!(0)));
    assert_eq!((stock(&town, "tea").on_hand(), stock(&town, "tea").reserved()), (96, 0));
    town.is_clean().await;
}

pub async fn c9_a_cart_that_changes_after_its_checkout_does_not_change_the_order(town: Town) {
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 50_000).await;
    let (cart, signed) = checked_out(&ada, "tea", 2).await;
    ada.client.put(&format!("/v1/carts/{cart}/lines/tea"), json!({"quantity": 5})).await.expect(200);
    let order = town.settles_order(&ada, placed(&signed, "balance")).await;
    order.is("confirmed").await;
    let seen = order.seen().await;
    assert_eq!((&seen["lines"][0]["quantity"], &seen["total_minor"]), (&json!(2), &json!(2_000)));
    assert_eq!(order.payment().await["captured_minor"], 2_000);
    // The cart is not signed once more for the same order.
    let stale = ada.client.post(&format!("/v1/carts/{cart}/checkout"), json!({})).await;
    assert!(stale.status == 409 || stale.json()["order_id"] != signed["order_id"], "{}", stale.text());
    town.is_clean().await;
}

pub async fn c10_nobody_is_charged_a_price_that_he_has_not_seen(town: Town) {
    town.stocks("tea", 9).await;
    town.stocks("cup", 9).await;
    let ada = town.buyer("ada", 50_000).await;
    let (_, signed) = checked_out(&ada, "tea", 2).await;
    // Both change, one after the other: an order has the prices of one moment, or it is refused.
    for sku in ["tea", "cup"] {
        let price = json!({"amount_minor": 1_500, "currency": "EUR", "reason": "harvest"});
        let reply = town.staff.post(&format!("/v1/variants/{sku}/prices"), price).await;
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
    }
    let stale = town.settles_order(&ada, placed(&signed, "balance")).await;
    let seen = stale.seen().await;
    assert_eq!((&seen["status"], &seen["step"]), (&json!("rejected"), &json!("quote")), "{seen}");
    town.settles().await;
    let mut both = order_of("tea", 1, "balance");
    both["lines"].as_array_mut().unwrap().push(order_of("cup", 1, "balance")["lines"][0].clone());
    let fresh = town.settles_order(&ada, both).await;
    assert_eq!(fresh.seen().await["total_minor"], 3_000);
    let (_, signed) = checked_out(&ada, "tea", 1).await;
    let again = town.settles_order(&ada, placed(&signed, "balance")).await;
    assert_eq!((again.status().await.as_str(), &again.seen().await["total_minor"]), ("confirmed", &json!(1_500)));
    town.is_clean().await;
}

pub async fn c11_no_order_stays_pending_for_ever(town: Town) {
    town.stocks("tea", 99).await;
    let ada = town.buyer("ada", 50_000).await;
    let deaf = ["catalog", "inventory", "shipping", "payments"];
    for service in deaf {
        town.pauses(service).await;
        for method in ["balance", "external"] {
            town.settles_order(&ada, order_of("tea", 1, method)).await;
        }
        town.resumes(service).await;
        town.pauses(service).await;
        town.resumes(service).await;
    }
    for _ in 0..2 {
        town.advance(Duration::from_mins(31)).await;
    }
    let orders: Vec<tradewind_orders::Order> = town.rows("orders");
    assert!(orders.len() == 8 && orders.iter().all(|order| !order.state().is_open()), "{orders:?}");
    town.is_clean().await;
}

pub async fn c12_a_failed_payment_stays_failed_and_a_status_does_not_go_back(town: Town) {
    town.stocks("tea", 9).await;
    let ada = town.buyer("ada", 0).await;
    town.force("o-1", Forced::ChargedAfterDecline);
    town.staff.post("/v1/orders", named("o-1", &ada, order_of("tea", 1, "card"))).await.expect(201);
    town.settles().await;
    let order = Placed { town: &town, order_id: "o-1".to_owned(), buyer: ada.client.clone() };
    let failed = order.payment().await;
    assert_eq!((&failed["state"], &failed["captured_minor"]), (&json!("failed"), &json!(0)));
    let before = order.seen().await;
    assert_eq!(before["status"], "rejected");
    town.advance(Duration::from_secs(10)).await;
    town.settles_with_callbacks().await;
    let after = order.payment().await;
    assert_eq!((&after["state"], &after["captured_minor"]), (&json!("failed"), &json!(0)));
    assert_eq!(after["surpluses"][0]["state"], "returned");
    let seen = order.seen().await;
    assert_eq!(
        (&seen["status"], &seen["reason"], &seen["ended_at"]),
        (&before["status"], &before["reason"], &before["ended_at"])
    );
    let charges = town.provider().charges(None, 10).unwrap();
    assert!(charges.iter().all(|charge| charge.state.to_string() == "returned"), "{charges:?}");
    town.is_clean().await;
}

/// Three of 3.33, with [`DISCOUNTED`].
pub async fn c13_a_total_is_exact_and_each_part_of_it_is_computed_from_what_it_is_a_part_of(town: Town) {
    town.sells("tea", 333, 9).await;
    let ada = town.buyer("ada", 50_000).await;
    let order = town.settles_order(&ada, order_of("tea", 3, "balance")).await;
    order.is("confirmed").await;
    let seen = order.seen().await;
    let part = |name: &str| seen[name].as_i64().unwrap();
    assert_eq!((part("items_total_minor"), part("discount_minor"), part("shipping_minor")), (999, 50, 490));
    // 49.95 of 999 are rounded once, and the tax is of what is left: 19 % of 949.
    assert_eq!((part("tax_minor"), part("total_minor")), (180, 999 - 50 + 490 + 180));
    assert_eq!(order.payment().await["captured_minor"], part("total_minor"));
    // Every event of the order says the same amounts.
    let page = ada.client.get(&format!("{}/events?limit=100", order.path())).await.json();
    let told =
        page["items"].as_array().unwrap().iter().filter_map(|event| event["data"]["order"]["total_minor"].as_i64());
    assert!(told.clone().count() > 5 && told.into_iter().all(|total| total == part("total_minor")));
    let fractions = json!({"lines": [{"product_id": "p-tea", "sku": "tea", "quantity": 1, "unit_price_minor": 3.33}],
        "payment_method": "balance"});
    ada.client.post("/v1/orders", fractions).await.refused(400, "body_invalid");
    town.is_clean().await;
}

/// Whoever checks has acted when the check is durable: of two wishes that exclude each other one comes true.
pub async fn c14_of_two_wishes_at_once_one_comes_true(town: Town) {
    town.stocks("tea", 99).await;
    let ada = town.buyer("ada", 90_000).await;
    for _ in 0..10 {
        let order = town.settles_order(&ada, order_of("tea", 1, "balance")).await;
        let (cancelled, dispatched) = tokio::join!(order.cancels(), order.dispatches());
        town.settles().await;
        let status = order.status().await;
        let expected = if dispatched.status == 200 { "dispatched" } else { "cancelled" };
        assert_eq!(status, expected, "{} {}", cancelled.text(), dispatched.text());
        if dispatched.status == 200 {
            order.delivers().await.expect(200);
            town.settles().await;
            order.is("completed").await;
        }
    }
    town.is_clean().await;
}

/// A crash between any two steps: each store is stopped in the middle of the sagas, and goes on where it was.
pub async fn c14_a_crash_in_between_leaves_a_way_back(mut town: Town) {
    town.stocks("tea", 99).await;
    let stores = town.doors.len();
    for door in 0..stores {
        let buyer = town.buyer(&format!("buyer-{door}"), 10_000).await;
        for method in ["balance", "external", "card"] {
            let placed = join_all((0..3).map(|_| buyer.client.post("/v1/orders", order_of("tea", 1, method)))).await;
            assert!(placed.iter().all(|reply| reply.status == 201), "{}", placed[0].text());
        }
        town.restarts(door).await;
        town.settles().await;
    }
    for _ in 0..2 {
        town.advance(Duration::from_mins(31)).await;
    }
    let orders: Vec<tradewind_orders::Order> = town.rows("orders");
    assert_eq!(orders.len(), 9 * stores);
    assert!(orders.iter().all(|order| !order.state().is_open()));
    let confirmed = orders.iter().filter(|order| order.state().stands()).count();
    assert_eq!(confirmed, 6 * stores, "those that nobody outside had to pay");
    town.is_clean().await;
}

#[tokio::test]
async fn c14_a_crash_in_between_leaves_a_way_back_in_three_stores() {
    c14_a_crash_in_between_leaves_a_way_back(Town::laid_out(THREE_STORES, &[]).await).await;
}
