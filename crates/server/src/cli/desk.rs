//! A running shop, as the commands of operators work with it: it waits where it is told to, and signs in again when the
//! access token has run out. What operators do is done by the owner of the store, so it is asked over HTTP.

use std::{fmt::Write, time::Duration};

use hyper::{Method, header::RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{CliError, ShopArgs};
use crate::{
    client::{Answer, Client, ClientError, Extra},
    secret::drawn_text,
};

pub use crate::http::encoded_part as encoded;

/// Rows that are asked for at a time.
const PAGE_ROWS: usize = 100;

/// How often a request waits for a shop that says that it is busy.
const WAITS_MAX: u32 = 30;

/// The longest of these waits.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// An operator, signed in.
pub struct Desk {
    shop: ShopArgs,
    client: Client,
    /// The path of the session that was opened for the command.
    session: Option<String>,
}

/// The first rows of a list.
pub struct Rows {
    pub rows: Vec<Value>,
    /// There are more.
    pub more: bool,
}

/// Runs what a command asks of a shop: signs in, asks, signs out.
pub fn ask(shop: ShopArgs, asks: impl AsyncFnOnce(&mut Desk) -> Result<(), CliError>) -> Result<(), CliError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut desk = Desk::open(shop).await?;
        let asked = asks(&mut desk).await;
        desk.leave().await;
        asked
    })
}

impl Desk {
    pub async fn open(shop: ShopArgs) -> Result<Self, CliError> {
        let (client, session) = shop.enter().await?;
        Ok(Self { shop, client, session })
    }

    /// Ends the session, so that the many commands of an operator do not push out their other sessions.
    pub async fn leave(&mut self) {
        let Some(session) = self.session.take() else { return };
        if let Err(error) = self.send(&Method::DELETE, &session, None).await {
            tracing::debug!(%error, "a session was not ended");
        }
    }

    /// What stands under a path.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, CliError> {
        let answer = self.send(&Method::GET, path, None).await?;
        Ok(answer.read(&Method::GET, path)?)
    }

    /// Does something, once: however often it is sent, it has one key.
    pub async fn post<T: DeserializeOwned>(&mut self, path: &str, body: &Value) -> Result<T, CliError> {
        let answer = self.send(&Method::POST, path, Some(body)).await?;
        Ok(answer.read(&Method::POST, path)?)
    }

    /// Sets something.
    pub async fn put<T: DeserializeOwned>(&mut self, path: &str, body: &Value) -> Result<T, CliError> {
        let answer = self.send(&Method::PUT, path, Some(body)).await?;
        Ok(answer.read(&Method::PUT, path)?)
    }

    /// The same as `post`, with an empty object.
    pub async fn act<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, CliError> {
        self.post(path, &json!({})).await
    }

    /// The first rows of a list, page by page.
    pub async fn list(&mut self, path: &str, query: &[(&str, &str)], limit: usize) -> Result<Rows, CliError> {
        let mut found = Rows { rows: Vec::new(), more: false };
        let mut cursor: Option<String> = None;
        while found.rows.len() < limit {
            let size = (limit - found.rows.len()).min(PAGE_ROWS).to_string();
            let fixed = [("limit", Some(&*size)), ("cursor", cursor.as_deref())];
            let parts = query.iter().map(|(name, value)| (*name, Some(*value))).chain(fixed);
            let parts = parts.filter_map(|(name, value)| Some(format!("{name}={}", encoded(value?))));
            let query = parts.collect::<Vec<_>>().join("&");
            let mut page: Value = self.get(&format!("{path}?{query}")).await?;
            found.rows.extend(items(&mut page));
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            found.more = cursor.is_some();
            if cursor.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// A list that comes whole, without pages.
    pub async fn whole(&mut self, path: &str) -> Result<Rows, CliError> {
        let mut answer: Value = self.get(path).await?;
        Ok(Rows { rows: items(&mut answer), more: false })
    }

    async fn send(&mut self, method: &Method, path: &str, body: Option<&Value>) -> Result<Answer, CliError> {
        let key = drawn_text();
        let mut waits = 0;
        let mut signed_in_again = false;
        loop {
            let extra = Extra { idempotency_key: (*method != Method::GET).then_some(&*key), wait: None };
            let answer = self.client.send(method.clone(), path, body, extra).await?;
            if answer.status.as_u16() == 401
                && !signed_in_again
                && answer.problem_code().as_deref() == Some("access_token_expired")
            {
                signed_in_again = true;
                (self.client, self.session) = self.shop.enter().await?;
                continue;
            }
            let Some(wait) = wait_asked(&answer).filter(|_| waits < WAITS_MAX) else { return Ok(answer) };
            waits += 1;
            pause(wait).await;
        }
    }
}

impl Rows {
    /// One JSON object a line.
    pub fn as_json(&self) -> String {
        self.rows.iter().fold(String::new(), |mut lines, row| {
            // Writing to a string does not fail.
            let _written = writeln!(lines, "{row}");
            lines
        })
    }

    /// As what the rows are.
    pub fn typed<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, CliError> {
        let read = |row: &Value| {
            T::deserialize(row)
                .map_err(|error| ClientError::Unreadable { path: path.to_owned(), reason: error.to_string() })
        };
        Ok(self.rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Says that there are more, if there are.
    pub fn more(&self) -> &'static str {
        if self.more { "There are more: --limit shows them.\n" } else { "" }
    }
}

/// Takes the rows out of an answer.
fn items(answer: &mut Value) -> Vec<Value> {
    match answer.get_mut("items").map(Value::take) {
        Some(Value::Array(rows)) => rows,
        _ => Vec::new(),
    }
}

/// A path at one store of a split shop, if one is named.
pub fn at_store(path: &str, store: Option<&str>) -> String {
    match store {
        Some(store) => format!("{path}?store={}", encoded(store)),
        None => path.to_owned(),
    }
}

/// Until the shop can take more.
fn wait_asked(answer: &Answer) -> Option<Duration> {
    let busy = matches!(answer.status.as_u16(), 429 | 503);
    let seconds = answer.headers.get(RETRY_AFTER).filter(|_| busy)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

#[expect(clippy::disallowed_methods, reason = "the shop has asked to wait, or the operator has said how fast")]
pub async fn pause(wait: Duration) {
    tokio::time::sleep(wait).await;
}
