//! The audit trail: whatever somebody who is no customer changes stands there, with who it was and why.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tradewind::http::{Route, table};

use crate::{
    client::{Client, Reply},
    shelf::{Shelf, order_of},
    world::PASSWORD,
};

mod incidents;

/// Writes that need a shop in which something went wrong, or several stores: `incidents.rs` makes each of them.
const INCIDENTS: [&str; 15] = [
    "payments.authorize",
    "payments.fail",
    "payments.capture",
    "owed.retry",
    "owed.settle",
    "owed.settle_payable",
    "jobs.retry",
    "jobs.settle",
    "dead_letters.disclose",
    "dead_letters.redrive",
    "dead_letters.edit_and_redrive",
    "dead_letters.discard",
    "parked.retry",
    "status.set_aside",
    "consumers.skip_gaps",
];

/// Only users themselves change their password, and what they do to their own account is theirs.
const OF_USERS_ALONE: [&str; 1] = ["users.change_password"];

/// Somebody who makes changes, and looks what the trail says of each.
struct Auditor<'a> {
    client: &'a Client,
    actor: String,
    done: BTreeSet<String>,
}

impl Auditor<'_> {
    async fn trail(&self) -> Vec<Value> {
        let trail = self.client.get("/v1/operations/audit?limit=100").await.expect(200).json();
        trail["items"].as_array().unwrap().clone()
    }

    /// A change that is carried out, and one more row in the trail.
    async fn does(&mut self, action: &str, method: &str, path: &str, body: Value) -> Reply {
        let before = self.trail().await.first().map(|row| row["id"].clone());
        let reason = format!("because of {action}, für alle");
        let request = self.client.request(method, path).header("X-Audit-Reason", &reason).json(&body);
        let reply = request.send().await;
        assert!((200..300).contains(&reply.status), "{action}: {}", reply.text());
        let trail = self.trail().await;
        let row = &trail[0];
        assert_eq!(trail.get(1).map(|row| row["id"].clone()), before, "{action}: one row");
        let expected_target = reply.header("location").unwrap_or(path.split('?').next().unwrap());
        let (actor, target, told) = (&row["actor"], row["target"].as_str().unwrap(), row["action"].as_str().unwrap());
        assert_eq!((actor, &row["detail"]["reason"]), (&json!(self.actor), &json!(reason)), "{action}");
        // An operator's action on the engine has a name of its own, and its target is what the path names.
        if !path.starts_with("/v1/operations/") || target == expected_target {
            assert_eq!((told, target), (action, expected_target));
        } else {
            assert!(path.split('/').any(|part| part == target), "{action}: {told} of {target}");
        }
        self.done.insert(action.to_owned());
        reply
    }
}

async fn goods(auditor: &mut Auditor<'_>) {
    let variants = json!([{"sku": "TEA-1", "amount_minor": 1_000, "currency": "EUR"}]);
    let tea = json!({"product_id": "tea", "name": "tea", "variants": variants});
    auditor.does("products.create", "POST", "/v1/products", tea).await;
    auditor.does("products.update", "PATCH", "/v1/products/tea", json!({"name": "Tea"})).await;
    auditor.does("products.publish", "POST", "/v1/products/tea/publication", json!({})).await;
    let second = json!({"sku": "TEA-2", "amount_minor": 2_000, "currency": "EUR"});
    auditor.does("variants.add", "POST", "/v1/products/tea/variants", second).await;
    auditor.does("variants.update", "PATCH", "/v1/variants/TEA-2", json!({"attributes": {"size": "L"}})).await;
    let later = json!({"amount_minor": 3_000, "currency": "EUR", "effective_at": "2100-01-01T00:00:00Z"});
    let price = auditor.does("prices.set", "POST", "/v1/variants/TEA-2/prices", later).await;
    let prices = auditor.client.get("/v1/variants/TEA-2/prices").await.expect(200).json();
    let price_id = price.json()["price_id"].as_str().map_or_else(
        || prices.to_string().split("\"price_id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned(),
        str::to_owned,
    );
    auditor.does("prices.cancel", "DELETE", &format!("/v1/variants/TEA-2/prices/{price_id}"), json!({})).await;
    auditor.does("variants.discontinue", "POST", "/v1/variants/TEA-2/discontinuation", json!({})).await;
    let category = json!({"category_id": "hot", "name": "Hot"});
    auditor.does("categories.create", "POST", "/v1/categories", category).await;
    auditor.does("categories.update", "PATCH", "/v1/categories/hot", json!({"name": "Hotter"})).await;
    auditor.does("categories.delete", "DELETE", "/v1/categories/hot", json!({})).await;
    let restock = json!({"delta": 9, "adjustment_type": "restock"});
    auditor.does("stock.adjust", "POST", "/v1/stock/TEA-1/adjustments", restock).await;
    auditor.does("stock.set_thresholds", "PUT", "/v1/stock/TEA-1/thresholds", json!({"warning": 2})).await;
    let location = json!({"location_id": "attic", "name": "Attic"});
    auditor.does("locations.create", "POST", "/v1/locations", location).await;
    auditor.does("locations.update", "PATCH", "/v1/locations/attic", json!({"name": "Top"})).await;
}

async fn people(auditor: &mut Auditor<'_>, shelf: &Shelf) {
    let ada = shelf.world.person("ada").await;
    let of_ada = |what: &str| format!("/v1/users/{}{what}", ada.user_id);
    auditor.does("users.change_profile", "PATCH", &of_ada(""), json!({"first_name": "Ada"})).await;
    auditor.does("users.change_email", "PUT", &of_ada("/email"), json!({"email": "countess@example.org"})).await;
    shelf.world.clock.advance(std::time::Duration::from_mins(1));
    auditor.does("users.request_verification", "POST", &of_ada("/verification"), json!({})).await;
    auditor.does("sessions.sign_out", "DELETE", &of_ada("/sessions/any"), json!({})).await;
    auditor.does("sessions.sign_out_everywhere", "DELETE", &of_ada("/sessions"), json!({})).await;
    auditor.does("users.change_role", "PUT", &of_ada("/role"), json!({"role": "staff"})).await;
    auditor.does("users.remove", "POST", &of_ada("/deletion"), json!({})).await;
    let client = auditor.does("clients.create", "POST", "/v1/clients", json!({"name": "erp"})).await.field("client_id");
    auditor.does("clients.revoke", "DELETE", &format!("/v1/clients/{client}"), json!({})).await;
    let kid = auditor.client.get("/v1/signing-keys").await.expect(200).json()["items"][0]["kid"].clone();
    auditor.does("signing_keys.rotate", "POST", "/v1/signing-keys", json!({})).await;
    assert!(kid.is_string());
}

async fn sales(auditor: &mut Auditor<'_>, shelf: &Shelf) {
    let bob = shelf.world.person("bob").await;
    let credits = format!("/v1/users/{}/accounts/EUR/credits", bob.user_id);
    auditor.does("accounts.credit", "POST", &credits, json!({"amount_minor": 90_000, "cause": "top_up"})).await;
    let cart = auditor.does("carts.create", "POST", "/v1/carts", json!({})).await.field("cart_id");
    let of_cart = |what: &str| format!("/v1/carts/{cart}{what}");
    let line = json!({"sku": "TEA-1", "quantity": 1});
    auditor.does("carts.add_line", "POST", &of_cart("/lines"), line.clone()).await;
    auditor.does("carts.set_quantity", "PUT", &of_cart("/lines/TEA-1"), json!({"quantity": 2})).await;
    auditor.does("carts.checkout", "POST", &of_cart("/checkout"), json!({})).await;
    auditor.does("carts.remove_line", "DELETE", &of_cart("/lines/TEA-1"), json!({})).await;
    let anonymous = shelf.world.anonymous().post("/v1/carts", json!({})).await.expect(201).field("cart_id");
    shelf.world.anonymous().post(&format!("/v1/carts/{anonymous}/lines"), line).await.expect(200);
    let into = json!({"into_cart_id": cart});
    auditor.does("carts.merge", "POST", &format!("/v1/carts/{anonymous}/merging"), into).await;
    auditor.does("carts.remove", "DELETE", &of_cart(""), json!({})).await;
    let mut order = order_of("TEA-1", 1, "balance");
    order["customer_id"] = json!(bob.user_id);
    let order = auditor.does("orders.place", "POST", "/v1/orders", order).await.field("order_id");
    let of_order = |what: &str| format!("/v1/orders/{order}{what}");
    let parcel = json!({"carrier": "post", "tracking": "1"});
    auditor.does("shipments.dispatch", "POST", &of_order("/shipment/dispatch"), parcel).await;
    auditor.does("shipments.deliver", "POST", &of_order("/shipment/delivery"), json!({})).await;
    auditor.does("payments.refund", "POST", &of_order("/payment/refunds"), json!({"reason": "broken"})).await;
    let mut second = order_of("TEA-1", 1, "balance");
    second["customer_id"] = json!(bob.user_id);
    let second = auditor.client.post("/v1/orders", second).await.expect(201).field("order_id");
    auditor.does("orders.cancel", "POST", &format!("/v1/orders/{second}/cancellation"), json!({})).await;
}

#[tokio::test]
async fn every_write_of_staff_stands_in_the_trail_with_who_and_why() {
    let shelf = Shelf::new().await;
    let admin = &shelf.admin;
    let mut auditor = Auditor { client: &admin.client, actor: admin.user_id.clone(), done: BTreeSet::new() };
    goods(&mut auditor).await;
    people(&mut auditor, &shelf).await;
    sales(&mut auditor, &shelf).await;
    auditor.does("products.unpublish", "DELETE", "/v1/products/tea/publication", json!({})).await;
    auditor.does("products.archive", "POST", "/v1/products/tea/archival", json!({"reason": "sold out"})).await;
    auditor.does("status.confirm_clock", "POST", "/v1/operations/clock/confirmation", json!({})).await;
    let resume = "/v1/operations/consumers/query/resume";
    auditor.does("consumers.resume", "POST", resume, json!({})).await;
    let pause = json!({"reason": "because of consumers.pause, für alle"});
    auditor.does("consumers.pause", "POST", "/v1/operations/consumers/query/pause", pause).await;
    let keys = admin.client.get("/v1/signing-keys").await.expect(200).json();
    let old = keys["items"].as_array().unwrap().iter().find(|key| key["state"] == "verifying").unwrap();
    let admin = shelf.world.signed_in(&admin.email).await;
    let mut auditor = Auditor { client: &admin.client, ..auditor };
    let path = format!("/v1/signing-keys/{}", old["kid"].as_str().unwrap());
    auditor.does("signing_keys.retire", "DELETE", &path, json!({})).await;

    let elsewhere: BTreeSet<String> = INCIDENTS.iter().chain(&OF_USERS_ALONE).map(|name| (*name).to_owned()).collect();
    let made: BTreeSet<String> = auditor.done.union(&elsewhere).cloned().collect();
    let routes = table().into_iter().flat_map(|section| section.routes);
    let audited: BTreeSet<String> = routes.filter(Route::is_audited).map(|route| route.name).collect();
    assert_eq!(made, audited, "every write that somebody else than a customer may make is made here");
}

#[tokio::test]
async fn customers_and_what_people_do_to_their_own_account_leave_no_row() {
    let shelf = Shelf::new().await;
    let rows = async || shelf.admin.client.get("/v1/operations/audit?limit=100").await.json()["items"].clone();
    let before = rows().await;
    let ada = shelf.world.person("ada").await;
    ada.client.post("/v1/carts", json!({})).await.expect(201);
    for person in [&ada, &shelf.world.signed_in("staff@example.org").await] {
        let own = |what: &str| format!("/v1/users/{}{what}", person.user_id);
        let change = json!({"first_name": "Me"});
        person.client.request("PATCH", &own("")).json(&change).send().await.expect(200);
        let new = json!({"password": PASSWORD, "new_password": "another good one"});
        person.client.put(&own("/password"), new).await.expect(204);
        person.client.delete(&own("/sessions")).await.expect(204);
    }
    assert_eq!(rows().await, before);
    let root = &shelf.admin;
    let refused = root.client.put("/v1/users/nobody/role", json!({"role": "staff"})).await;
    refused.refused(404, "user_unknown");
    assert_eq!(rows().await, before, "what was refused has no effect to tell of");
}

#[tokio::test]
async fn a_reason_is_bounded_and_told_once() {
    let shelf = Shelf::new().await;
    let path = format!("/v1/users/{}/role", shelf.world.person("ada").await.user_id);
    let ask = async |key: &str, reason: &str| {
        let request = shelf.admin.client.request("PUT", &path).header("Idempotency-Key", key);
        request.header("X-Audit-Reason", reason).json(&json!({"role": "staff"})).send().await
    };
    for bad in ["", " ", &"ä".repeat(501), "a\tb"] {
        let refused = ask("bad", bad).await.refused(400, "header_invalid");
        assert_eq!(refused.field("field"), "X-Audit-Reason");
    }
    let twice = shelf.admin.client.request("PUT", &path).header("X-Audit-Reason", "one");
    let twice = twice.header("x-audit-reason", "two").json(&json!({"role": "staff"})).send().await;
    twice.refused(400, "header_invalid");
    let longest = "ä".repeat(500);
    ask("good", &longest).await.expect(200);
    ask("good", "another reason of the same request").await.expect(200);
    let trail = shelf.admin.client.get("/v1/operations/audit?limit=100").await.json();
    let about_ada = trail["items"].as_array().unwrap().iter().filter(|row| row["target"] == json!(path));
    let reasons: Vec<&Value> = about_ada.map(|row| &row["detail"]["reason"]).collect();
    assert_eq!(reasons, [&json!(longest)]);
}
