//! Service clients: programs with an id and a secret, and the tokens that they get for it.

use ring::hmac;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{Entity, ports::List};
use tradewind_events::{Id, Personal, Timestamp};
use tradewind_identity::{
    commands::{CreateClient, RevokeClient},
    model::{Client, Role},
};

use crate::{
    http::{Call, Created, Failure, Json, Okay, Page, PageOf, Path, Sent, refusals::CLIENT_REFUSED},
    identity::Bearer,
    secret::{digest_of, encoded, same},
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    /// For people.
    name: String,
}

/// A service client.
#[derive(Serialize, JsonSchema)]
pub struct ClientView {
    client_id: Id,
    name: String,
    created_at: Timestamp,
    created_by: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    /// In the answer that makes the client, and nowhere else.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    client_id: Id,
    client_secret: Personal<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct TokenView {
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
}

/// The secret follows from the idempotency key and a key of ours: whoever repeats the request is shown it again, though
/// it is kept nowhere.
pub async fn create(call: Call, Json(new): Json<NewClient>) -> Result<Sent<Created<ClientView>>, Failure> {
    let secret = secret_for(&call);
    let command = CreateClient { name: new.name.into(), secret_hash: digest_of(&secret), actor: call.actor()? };
    let answer = |client: &Client| Created {
        location: format!("/v1/clients/{}", client.client_id()),
        body: ClientView::from(client),
    };
    Ok(call.submit(command, answer).await?.map_body(|body| with_secret(&body, secret)))
}

pub async fn list(call: Call, page: Page) -> Result<Okay<PageOf<ClientView>>, Failure> {
    call.page(&page, List::of(Client::TABLE, page.limit), |client: Client| ClientView::from(&client)).await
}

pub async fn revoke(call: Call, Path(client_id): Path<Id>) -> Result<Sent<Okay<ClientView>>, Failure> {
    let actor = call.actor()?;
    call.submit(RevokeClient { client_id, actor }, |client| Okay(ClientView::from(client))).await
}

pub async fn issue_token(call: Call, Json(shown): Json<ClientCredentials>) -> Result<Okay<TokenView>, Failure> {
    let hash = digest_of(shown.client_secret.expose());
    let client = call.load::<Client>(&shown.client_id).await?;
    let client = client.filter(|client| client.revoked_at().is_none() && same(client.secret_hash(), &hash));
    let client = client.ok_or_else(|| CLIENT_REFUSED.problem())?;
    let now = call.clock().now();
    let bearer = Bearer { id: client.client_id().clone(), role: Role::Service, session_id: None, issued_at: now };
    Ok(Okay(TokenView {
        access_token: call.key_ring.sign(&bearer, call.clock().wall(), call.config.access_token_ttl)?,
        token_type: "Bearer",
        expires_in: call.config.access_token_ttl.as_secs(),
    }))
}

fn secret_for(call: &Call) -> String {
    let mut made = hmac::Context::with_key(&call.keys.clients);
    if let Some(idempotency) = call.idempotency() {
        for part in [&*idempotency.scope, "\n", idempotency.key.as_str(), "\n", &*idempotency.fingerprint] {
            made.update(part.as_bytes());
        }
    }
    encoded(made.sign().as_ref())
}

fn with_secret(body: &[u8], secret: String) -> Vec<u8> {
    // A body of ours can be read again.
    let view = serde_json::from_slice(body);
    let mut view: serde_json::Map<_, _> =
        view.unwrap_or_else(|error| panic!("an answer of ours is no object: {error}"));
    view.insert("client_secret".into(), secret.into());
    serde_json::Value::Object(view).to_string().into_bytes()
}

impl From<&Client> for ClientView {
    fn from(client: &Client) -> Self {
        Self {
            client_id: client.client_id().clone(),
            name: client.name().to_string(),
            created_at: client.created_at(),
            created_by: client.created_by().clone(),
            revoked_at: client.revoked_at(),
            client_secret: None,
        }
    }
}
