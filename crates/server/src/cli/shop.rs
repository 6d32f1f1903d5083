//! Which running shop a command talks to, and in whose name.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use super::CliError;
use crate::client::{Client, ClientError, Extra, ShopUrl, Trust};

const URL_DEFAULT: &str = "http://127.0.0.1:8080";
const URL: &str = "TRADEWIND_URL";
const CA_FILE: &str = "TRADEWIND_CA_FILE";
pub const TOKEN: &str = "TRADEWIND_TOKEN";
const EMAIL: &str = "TRADEWIND_EMAIL";
pub const PASSWORD: &str = "TRADEWIND_PASSWORD";
pub const FIRST_ADMIN_TOKEN: &str = "TRADEWIND_FIRST_ADMIN_TOKEN";

/// Names in the environment that say which shop is meant and who asks. They are no settings of a shop.
pub const VARIABLES: [&str; 6] = [URL, CA_FILE, TOKEN, EMAIL, PASSWORD, FIRST_ADMIN_TOKEN];

/// Arguments of every command that talks to a running shop.
#[derive(Debug, Clone, clap::Args)]
pub struct ShopArgs {
    #[arg(long, help = "Where the shop listens. Default: TRADEWIND_URL, or http://127.0.0.1:8080")]
    url: Option<ShopUrl>,
    #[command(flatten)]
    trusted: Trusted,
}

/// Which certificates are trusted, beside those of the system.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Trusted {
    #[arg(
        long,
        value_name = "FILE",
        help = "Certificates (PEM) that an https shop may show, beside those that the system trusts. Default: \
                TRADEWIND_CA_FILE"
    )]
    ca_file: Option<PathBuf>,
}

impl Trusted {
    /// A client of this shop.
    pub fn client(&self, url: ShopUrl) -> Result<Client, ClientError> {
        let file = self.ca_file.clone().or_else(|| variable(CA_FILE).map(PathBuf::from));
        let client = Client::new(url);
        // A file that cannot be used is an error, also where it is not needed.
        Ok(match file {
            Some(file) => client.trusting(Trust::new(Some(&file))?),
            None => client,
        })
    }
}

/// How many rows of a list are shown.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct AtMost {
    /// How many at most
    #[arg(short = 'n', long, default_value_t = 50, value_parser = at_least_one)]
    pub limit: usize,
}

/// Which store of a split shop.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OfStore {
    /// Only this store of a shop behind a gateway: the name of its process in the peers file
    #[arg(long, value_name = "NAME")]
    pub store: Option<String>,
}

/// A user, of an answer of the shop.
#[derive(Deserialize)]
pub struct Registered {
    pub user_id: String,
}

/// A session that has been opened.
#[derive(Deserialize)]
struct Opened {
    session_id: String,
    access_token: String,
    user: Registered,
}

/// Reads a number of rows.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|rows| *rows > 0).ok_or_else(|| String::from("expected a whole number from 1 on"))
}

impl ShopArgs {
    /// The shop at this address.
    pub fn at(url: &ShopUrl, trusted: &Trusted) -> Self {
        Self { url: Some(url.clone()), trusted: trusted.clone() }
    }

    pub fn url(&self) -> Result<ShopUrl, CliError> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        let text = variable(URL);
        let url = text.as_deref().unwrap_or(URL_DEFAULT).parse();
        url.map_err(|error: ClientError| CliError::Usage(format!("{URL}: {error}")))
    }

    /// A client that is not signed in.
    pub fn visitor(&self) -> Result<Client, CliError> {
        Ok(self.trusted.client(self.url()?)?)
    }

    /// A client in the name of whoever the environment says.
    pub async fn sign_in(&self) -> Result<Client, CliError> {
        Ok(self.enter().await?.0)
    }

    /// The same, with the path of the session, if this has opened one.
    pub async fn enter(&self) -> Result<(Client, Option<String>), CliError> {
        let client = self.visitor()?;
        if let Some(token) = variable(TOKEN) {
            let client = client.with_token(&token).map_err(|error| CliError::Usage(format!("{TOKEN}: {error}")))?;
            return Ok((client, None));
        }
        let (Some(email), Some(password)) = (variable(EMAIL), variable(PASSWORD)) else {
            return Err(CliError::Usage(format!(
                "who are you? Set {TOKEN}, or {EMAIL} and {PASSWORD}, in the environment"
            )));
        };
        let (client, session) = enter(client, &email, &password).await?;
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
    let session: Opened = answer.read(&hyper::Method::POST, path)?;
    let own = format!("/v1/users/{}/sessions/{}", session.user.user_id, session.session_id);
    Ok((client.with_token(&session.access_token)?, own))
}

#[expect(clippy::disallowed_methods, reason = "who the client is, and no setting of a shop")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
