//! What nobody learns by asking: who is registered, whether a locked account's password was right, what belongs to others.

use serde_json::{Value, json};
use tradewind_events::TextEnum;

use crate::{
    client::{Client, Reply},
    shelf::{Shelf, order_of},
    world::{PASSWORD, Person, World},
};

const UNLIMITED: [(&str, &str); 2] = [("rate_per_second", "0"), ("secret_rate_per_second", "0")];

/// Everything that can be seen of an answer, with what the caller has given itself replaced.
fn seen(reply: &Reply, given: &[&str]) -> String {
    let headers = reply.headers.iter().filter(|(name, _)| name != "date");
    let mut text = format!("{} {:?} {}", reply.status, headers.collect::<Vec<_>>(), reply.text());
    for given in given {
        text = text.replace(given, "GIVEN");
    }
    text
}

async fn ask(client: &Client, method: &str, path: &str, body: &Value) -> Reply {
    client.request(method, path).header("X-Request-Id", "same").json(body).send().await
}

#[tokio::test]
async fn a_taken_address_is_signed_up_for_like_a_free_one_and_its_owner_is_told() {
    let world = World::with(&UNLIMITED).await;
    let ada = world.person("ada").await;
    let mut seen = Vec::new();
    for email in ["ADA@example.org", "EVE@example.org"] {
        let new = json!({"email": email, "password": "some other password", "first_name": "Eve"});
        world.clock.advance(std::time::Duration::from_mins(1));
        let asked_at = world.clock.now().to_string();
        let once = || world.anonymous().request("POST", "/v1/users").header("X-Request-Id", "same").json(&new);
        let made = once().header("Idempotency-Key", email).send().await.expect(201);
        let (user_id, location) = (made.field("user_id"), made.header("location").unwrap().to_owned());
        assert_eq!(location, format!("/v1/users/{user_id}"));
        let again = once().header("Idempotency-Key", email).send().await.expect(201);
        assert_eq!((&again.bytes, again.header("idempotency-replayed")), (&made.bytes, Some("true")));
        let registered_at = made.field("registered_at");
        assert!((asked_at..=world.clock.now().to_string()).contains(&registered_at), "{registered_at}");
        seen.push(self::seen(&made, &[&user_id, email, &registered_at]));
    }
    assert_eq!(seen[0], seen[1]);
    // The owner reads of it, keeps the password, and may choose another one.
    world.sign_in(&ada.email, PASSWORD).await.expect(201);
    world.sign_in(&ada.email, "some other password").await.refused(401, "sign_in_refused");
    let token = world.mails.token_to(&ada.email, 2).await;
    assert_eq!(world.mails.to(&ada.email)[1].kind.as_str(), "address_taken");
    let reset = json!({"token": token, "password": "a brand new one"});
    world.anonymous().post("/v1/password-resets/confirmation", reset).await.expect(204);
    world.sign_in(&ada.email, "a brand new one").await.expect(201);
    world.sign_in("eve@example.org", "some other password").await.expect(201);
}

#[tokio::test]
async fn a_change_to_a_taken_address_looks_like_one_to_a_free_one() {
    let world = World::with(&UNLIMITED).await;
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let mut all = Vec::new();
    for (person, email) in [(&ada, "BOB@example.org"), (&bob, "FREE@example.org")] {
        let path = format!("/v1/users/{}/email", person.user_id);
        let body = json!({"email": email, "password": PASSWORD});
        let changed = ask(&person.client, "PUT", &path, &body).await.expect(200);
        let me = ask(&person.client, "GET", "/v1/me", &Value::Null).await;
        assert_eq!(me.json(), changed.json(), "nothing is changed yet");
        let again = ask(&person.client, "PUT", &path, &body).await.refused(429, "mail_too_soon");
        let verify = format!("/v1/users/{}/verification", person.user_id);
        world.clock.advance(std::time::Duration::from_mins(1));
        let verify = ask(&person.client, "POST", &verify, &json!({})).await;
        let name = person.email.split('@').next().unwrap();
        all.push(
            [changed, me, again, verify].map(|reply| seen(&reply, &[&person.user_id, &person.email, name, email])),
        );
    }
    let free_of_time = |seen: &String| {
        let registered = seen.find("registered_at").map_or(seen.len(), |at| at);
        seen[..registered].to_owned()
    };
    assert_eq!(all[0].each_ref().map(free_of_time), all[1].each_ref().map(free_of_time));
    let kinds = |email: &str| world.mails.to(email).iter().map(|mail| mail.kind.as_str()).collect::<Vec<_>>();
    while kinds("FREE@example.org").is_empty() || kinds("bob@example.org").len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(kinds("FREE@example.org"), ["change_email"]);
    assert!(kinds("bob@example.org").contains(&"address_taken"));
}

#[tokio::test]
async fn a_locked_account_answers_right_and_wrong_passwords_alike_on_every_route() {
    for route in ["session", "email", "password", "deletion"] {
        let world = World::with(&UNLIMITED).await;
        let ada = world.person("ada").await;
        let of = |what: &str| format!("/v1/users/{}/{what}", ada.user_id);
        let attempt = async |password: &str| {
            let (client, method, path, body) = match route {
                "session" => {
                    let body = json!({"email": ada.email, "password": password});
                    (&world.anonymous(), "POST", "/v1/sessions".to_owned(), body)
                }
                "email" => (&ada.client, "PUT", of(route), json!({"email": "new@example.org", "password": password})),
                "password" => {
                    (&ada.client, "PUT", of(route), json!({"password": password, "new_password": "a brand new one"}))
                }
                _ => (&ada.client, "POST", of(route), json!({"password": password})),
            };
            ask(client, method, &path, &body).await
        };
        // Each of them is counted, so the fifth locks the account.
        let mut replies = Vec::new();
        for _ in 0..5 {
            replies.push(attempt("a wrong password").await);
        }
        replies.push(attempt(PASSWORD).await);
        replies.push(attempt("a wrong password").await);
        let expected = if route == "session" { (401, "sign_in_refused") } else { (403, "password_wrong") };
        for reply in &replies {
            assert_eq!((reply.status, &*reply.code()), expected, "{route}");
            assert_eq!(seen(reply, &[]), seen(&replies[0], &[]), "{route}");
        }
        world.sign_in(&ada.email, PASSWORD).await.refused(401, "sign_in_refused");
        world.clock.advance(std::time::Duration::from_mins(15));
        world.sign_in(&ada.email, PASSWORD).await.expect(201);
    }
}

#[tokio::test]
async fn tries_of_a_password_have_a_rate_of_their_own_on_every_route() {
    let world = World::with(&[("rate_per_second", "0"), ("secret_rate_burst", "4")]).await;
    let ada = world.person("ada").await;
    let body = json!({"email": "new@example.org", "password": "?", "new_password": "a brand new one"});
    let path = format!("/v1/users/{}/password", ada.user_id);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let body = json!({"password": body["password"], "new_password": body["new_password"]});
        statuses.push(ada.client.put(&path, body).await.status);
    }
    assert_eq!(statuses, [403, 403, 429, 429], "two of four were spent on signing up and in");
}

/// A thing of somebody else, and one that is not there.
async fn look_alike(client: &Client, foreign: &str, requests: &[(&str, String, Value)]) {
    for (method, path, body) in requests {
        let absent = path.replace(foreign, "01900000-0000-7000-8000-000000000000");
        let (theirs, none) = (ask(client, method, path, body).await, ask(client, method, &absent, body).await);
        assert!(theirs.status >= 400, "{method} {path}: {}", theirs.text());
        let given = [foreign, "01900000-0000-7000-8000-000000000000"];
        assert_eq!(seen(&theirs, &given), seen(&none, &given), "{method} {path}");
    }
}

#[tokio::test]
async fn what_belongs_to_others_is_told_apart_from_nothing_by_no_byte() {
    let shelf = Shelf::new().await;
    shelf.sells("tea", &["TEA-1"], json!({})).await;
    shelf.receive("TEA-1", 9).await;
    let (ada, eve) = (shelf.rich("ada").await, shelf.world.person("eve").await);
    let request = ada.client.request("POST", "/v1/orders").header("Prefer", "wait=10");
    let order = request.json(&order_of("TEA-1", 1, "balance")).send().await.expect(201).field("order_id");
    let own = |what: &str| format!("/v1/orders/{order}{what}");
    let get = |path: String| ("GET", path, Value::Null);
    let of_orders = [
        get(own("")),
        get(own("/events")),
        get(own("/payment")),
        get(own("/shipment")),
        ("POST", own("/cancellation"), json!({})),
        ("POST", own("/payment/refunds"), json!({"reason": "mine"})),
        ("POST", own("/payment/capture"), json!({})),
    ];
    look_alike(&eve.client, &order, &of_orders).await;
    let cart = ada.client.post("/v1/carts", json!({})).await.expect(201).field("cart_id");
    let mine = eve.client.post("/v1/carts", json!({})).await.expect(201).field("cart_id");
    let own = |what: &str| format!("/v1/carts/{cart}{what}");
    let line = json!({"sku": "TEA-1", "quantity": 1});
    let of_carts = [
        get(own("")),
        ("POST", own("/lines"), line),
        ("PUT", own("/lines/TEA-1"), json!({"quantity": 1})),
        ("DELETE", own("/lines/TEA-1"), Value::Null),
        ("POST", own("/checkout"), json!({})),
        ("POST", own("/merging"), json!({"into_cart_id": mine})),
    ];
    look_alike(&eve.client, &cart, &of_carts).await;
    look_alike(&shelf.world.anonymous(), &cart, &of_carts).await;
    for (into, expected) in [(&*cart, "cart_not_found"), ("01900000-0000-7000-8000-000000000000", "cart_not_found")] {
        let path = format!("/v1/carts/{mine}/merging");
        eve.client.post(&path, json!({"into_cart_id": into})).await.refused(404, expected);
    }
    let own = |what: &str| format!("/v1/users/{}{what}", ada.user_id);
    let of_users = [
        get(own("")),
        get(own("/sessions")),
        get(own("/carts")),
        get(own("/accounts")),
        get(own("/accounts/EUR/entries")),
        ("PATCH", own(""), json!({"first_name": "Eve"})),
        ("PUT", own("/email"), json!({"email": "eve2@example.org", "password": PASSWORD})),
        ("PUT", own("/password"), json!({"password": PASSWORD, "new_password": PASSWORD})),
        ("POST", own("/deletion"), json!({"password": PASSWORD})),
        ("POST", own("/verification"), json!({})),
        ("DELETE", own("/sessions"), Value::Null),
        ("DELETE", own("/sessions/any"), Value::Null),
        get(format!("/v1/orders?customer_id={}", ada.user_id)),
    ];
    look_alike(&eve.client, &ada.user_id, &of_users).await;
}

#[tokio::test]
async fn staff_finds_a_user_by_address_and_nobody_else_does() {
    let world = World::with(&UNLIMITED).await;
    let root = world.admin().await;
    let (staff, ada) = (world.person_as(&root, "staff", "staff").await, world.person("ada").await);
    let found = staff.client.get("/v1/users?email=ADA%40example.org").await.expect(200).json();
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!((&found["items"][0]["user_id"], found.get("next_cursor")), (&json!(ada.user_id), None));
    let nobody = staff.client.get("/v1/users?email=nobody@example.org").await.expect(200).json();
    assert_eq!(nobody, json!({"items": []}));
    ada.client.get("/v1/users?email=staff@example.org").await.refused(403, "not_allowed");
}

/// What somebody who is no customer may do to a user without their password.
async fn done_to(client: &Client, target: &Person) -> Vec<u16> {
    let own = |what: &str| format!("/v1/users/{}{what}", target.user_id);
    let email = json!({"email": format!("new-{}@example.org", target.user_id)});
    let mut statuses = vec![client.get(&own("/sessions")).await.status];
    for (method, path, body) in [
        ("PATCH", own(""), json!({"first_name": "Mallory"})),
        ("POST", own("/verification"), json!({})),
        ("DELETE", own("/sessions/any"), json!({})),
        ("PUT", own("/email"), email),
        ("PUT", own("/password"), json!({"password": PASSWORD, "new_password": "a brand new one"})),
        ("DELETE", own("/sessions"), json!({})),
        ("POST", own("/deletion"), json!({})),
    ] {
        statuses.push(ask(client, method, &path, &body).await.status);
    }
    statuses
}

#[tokio::test]
async fn each_role_acts_for_users_below_it_alone() {
    let world = World::with(&UNLIMITED).await;
    let root = world.admin().await;
    let service = world.service(&root).await;
    let staff = world.person_as(&root, "staff", "staff").await.client;
    let admin = world.person_as(&root, "second", "admin").await.client;
    for target_role in ["customer", "staff", "admin"] {
        for (actor_role, client) in [("service", &service), ("staff", &staff), ("admin", &admin)] {
            let target = world.person_as(&root, &format!("{target_role}-of-{actor_role}"), target_role).await;
            let expected = match (actor_role, target_role) {
                ("admin", _) | ("staff", "customer") => [200, 200, 429, 204, 200, 403, 204, 204],
                ("service", "customer") => [200, 200, 429, 204, 403, 403, 204, 403],
                _ => [403; 8],
            };
            assert_eq!(done_to(client, &target).await, expected, "{actor_role} on {target_role}");
        }
    }
    // What others may not do to them they may do themselves.
    for role in ["customer", "staff", "admin"] {
        let person = world.person_as(&root, &format!("{role}-alone"), role).await;
        let expected = [200, 200, 429, 204, 403, 204, 204, 401];
        assert_eq!(done_to(&person.client, &person).await, expected, "{role}");
    }
}
