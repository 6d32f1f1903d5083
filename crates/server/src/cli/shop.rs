//! Which running shop a command talks to, and in whose name.

use serde_json::{Value, json};

use super::CliError;
use crate::client::{Client, ClientError, Extra, ShopUrl};

const URL_DEFAULT: &str = "http://127.0.0.1:8080";
const URL: &str = "TRADEWIND_URL";
const TOKEN: &str = "TRADEWIND_TOKEN";
const EMAIL: &str = "TRADEWIND_EMAIL";
const PASSWORD: &str = "TRADEWIND_PASSWORD";

/// Arguments of every command that talks to a running shop.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "It signs in with the access token in TRADEWIND_TOKEN, or with TRADEWIND_EMAIL and \
                        TRADEWIND_PASSWORD: secrets have no flag.")]
pub struct ShopArgs {
    #[arg(long, help = "Where the shop listens. Default: TRADEWIND_URL, or http://127.0.0.1:8080")]
    url: Option<String>,
}

impl ShopArgs {
    /// The shop at this address.
    pub fn at(url: &ShopUrl) -> Self {
        Self { url: Some(url.to_string()) }
    }

    pub fn url(&self) -> Result<ShopUrl, ClientError> {
        self.url.clone().or_else(|| variable(URL)).as_deref().unwrap_or(URL_DEFAULT).parse()
    }

    /// A client in the name of whoever the environment says.
    pub async fn sign_in(&self) -> Result<Client, CliError> {
        Ok(self.enter().await?.0)
    }

    /// The same, with the path of the session, if this has opened one.
    pub async fn enter(&self) -> Result<(Client, Option<String>), CliError> {
        let url = self.url()?;
        if let Some(token) = variable(TOKEN) {
            return Ok((Client::new(url).with_token(&token), None));
        }
        let (Some(email), Some(password)) = (variable(EMAIL), variable(PASSWORD)) else {
            return Err(CliError::Other(format!(
                "who are you? Set {TOKEN}, or {EMAIL} and {PASSWORD}, in the environment"
            )));
        };
        let (client, session) = enter(Client::new(url), &email, &password).await?;
        Ok((client, Some(session)))
    }
}

/// Signs in with an address and a password.
pub async fn sign_in(client: Client, email: &str, password: &str) -> Result<Client, ClientError> {
    Ok(enter(client, email, password).await?.0)
}

async fn enter(mut client: Client, email: &str, password: &str) -> Result<(Client, String), ClientError> {
    let body = json!({ "email": email, "password": password });
    let path = "/v1/sessions";
    let answer = client.send(hyper::Method::POST, path, Some(&body), Extra::default()).await?;
    let session: Value = answer.read(&hyper::Method::POST, path)?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let (user_id, session_id) = (text(session.pointer("/user/user_id")), text(session.get("session_id")));
    let client = client.with_token(&text(session.get("access_token")));
    Ok((client, format!("/v1/users/{user_id}/sessions/{session_id}")))
}

#[expect(clippy::disallowed_methods, reason = "who the client is, and no setting of a shop")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
