//! Every route of the table, asked for by everybody: who may is who the table says.

use std::time::Duration;

use serde_json::json;
use tradewind::http::{Route, Who, table};

use crate::{
    client::{Client, Reply},
    world::World,
};

/// What somebody is called, who it is, and whether they may.
type Asker = (&'static str, fn(&Cast) -> &Client, bool);

/// Everybody who may ask.
struct Cast {
    owner: Client,
    owner_id: String,
    owners: u32,
    other: Client,
    anonymous: Client,
    forged: Client,
    staff: Client,
    admin: Client,
    service: Client,
}

impl Cast {
    async fn of(world: &World) -> Self {
        let admin = world.admin().await;
        let owner = world.person("owner").await;
        Self {
            other: world.person("other").await.client,
            anonymous: world.anonymous(),
            forged: world.anonymous().with_token(&forged(owner.client.token.as_deref().unwrap())),
            staff: world.person_as(&admin, "staff", "staff").await.client,
            service: world.service(&admin).await,
            owner_id: owner.user_id,
            owners: 0,
            owner: owner.client,
            admin: admin.client,
        }
    }

    /// What one has done may end what the next is about to show: a session, or the user. So each has an owner anew.
    async fn renewed(mut self, world: &World) -> Self {
        let owner = world.person(&format!("owner-{}", self.owners)).await;
        self.owners += 1;
        (self.owner_id, self.owner) = (owner.user_id, owner.client);
        self
    }

    async fn ask(&self, client: &Client, route: &Route) -> Reply {
        let parts = route.path.split('/').map(|part| match part {
            "{user_id}" => self.owner_id.as_str(),
            variable if variable.starts_with('{') => "nothing",
            fixed => fixed,
        });
        let path = parts.collect::<Vec<_>>().join("/");
        client.request(route.method.as_str(), &path).json(&json!({})).send().await
    }
}

/// The same token with another role in it.
fn forged(token: &str) -> String {
    let mut parts: Vec<&str> = token.split('.').collect();
    let last = parts.pop().unwrap();
    let flipped = if last.starts_with('A') { "B" } else { "A" };
    format!("{}.{flipped}{}", parts.join("."), &last[1..])
}

fn assert_let_in(reply: &Reply, route: &Route, who: &str) {
    let shut = ["not_signed_in", "access_token_invalid", "access_token_expired", "not_allowed"];
    let code = reply.code();
    assert!(!shut.contains(&&*code) && reply.status != 500, "{who} was kept out of {}: {code}", route.name);
}

#[tokio::test]
async fn every_route_lets_in_whom_the_table_says_and_nobody_else() {
    let world = World::with(&[("rate_per_second", "0"), ("secret_rate_per_second", "0")]).await;
    let mut cast = Cast::of(&world).await;
    let routes: Vec<Route> = table().into_iter().flat_map(|section| section.routes).collect();
    for route in &routes {
        let public = matches!(route.who, Who::Public | Who::Anyone);
        let people: [Asker; 6] = [
            ("anonymous", |cast| &cast.anonymous, public),
            ("the other customer", |cast| &cast.other, public || may_other(route)),
            ("the service", |cast| &cast.service, public || matches!(route.who, Who::Service | Who::Owner)),
            ("staff", |cast| &cast.staff, public || !matches!(route.who, Who::Admin)),
            ("the admin", |cast| &cast.admin, true),
            ("the owner", |cast| &cast.owner, public || matches!(route.who, Who::User | Who::Owner)),
        ];
        for (who, client, may) in people {
            if route.method != "GET" {
                cast = cast.renewed(&world).await;
            }
            let reply = cast.ask(client(&cast), route).await;
            if may {
                assert_let_in(&reply, route, who);
            } else if who == "anonymous" {
                reply.refused(401, "not_signed_in");
            } else {
                assert_eq!((reply.status, &*reply.code()), (403, "not_allowed"), "{who} at {}", route.name);
            }
        }
        let reply = cast.ask(&cast.forged, route).await;
        if route.who == Who::Public {
            assert_let_in(&reply, route, "a forger of a token that is not looked at");
        } else {
            reply.refused(401, "access_token_invalid");
        }
    }
}

#[tokio::test]
async fn an_expired_token_opens_nothing_that_looks_at_tokens() {
    let world = World::with(&[("rate_per_second", "0"), ("secret_rate_per_second", "0")]).await;
    let cast = Cast::of(&world).await;
    world.clock.advance(Duration::from_mins(11));
    let routes: Vec<Route> = table().into_iter().flat_map(|section| section.routes).collect();
    for route in routes.iter().filter(|route| route.who != Who::Public) {
        cast.ask(&cast.owner, route).await.refused(401, "access_token_expired");
    }
}

/// A customer who is not the owner. Where the path does not name the owner, what is not there is nobody's.
fn may_other(route: &Route) -> bool {
    route.who == Who::User || (route.who == Who::Owner && !route.path.contains("{user_id}"))
}

#[tokio::test]
async fn every_write_asks_for_an_idempotency_key_but_those_that_show_a_secret_of_their_own() {
    let keyless: Vec<String> = table()
        .into_iter()
        .flat_map(|section| section.routes)
        .filter(|route| route.method != "GET" && !route.keyed)
        .map(|route| route.name)
        .collect();
    assert_eq!(keyless, ["sessions.sign_in", "sessions.refresh", "clients.issue_token", "provider_callbacks.take"]);
}
