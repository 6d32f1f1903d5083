//! The public keys of access tokens where identity lives in another process: asked for there at the start, from time to
//! time, and when a token names a key that is not known yet.

use std::{
    sync::{PoisonError, RwLock},
    time::Duration,
};

use serde::Deserialize;
use tradewind_events::{Id, Timestamp, identity::Jwk};

use crate::{client::Client, shop::Shop};

/// A key that is retired there is trusted here no longer than this, should its event not arrive.
const FETCH_EVERY: Duration = Duration::from_mins(5);

/// It is asked no more often than this, whatever keys tokens name.
const FETCH_INTERVAL_MIN: Duration = Duration::from_secs(5);

/// A request that names an unknown key waits no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

const PATH: &str = "/.well-known/jwks.json";

pub(super) struct Elsewhere {
    keys: RwLock<Vec<Jwk>>,
    /// None where identity lives here. One asks at a time, and whoever waited for it knows what it has found.
    door: Option<tokio::sync::Mutex<Door>>,
}

/// The door of the process where identity lives.
pub(super) struct Door {
    client: Client,
    asked_at: Option<Timestamp>,
}

/// RFC 7517.
#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

impl Elsewhere {
    pub fn new(keys: Vec<Jwk>) -> Self {
        Self { keys: RwLock::new(keys), door: None }
    }

    pub fn ask_at(&mut self, identity: Option<Client>) {
        self.door = identity.map(|client| tokio::sync::Mutex::new(Door { client, asked_at: None }));
    }

    pub fn door(&self) -> Option<&tokio::sync::Mutex<Door>> {
        self.door.as_ref()
    }

    /// The keys as they were last time.
    pub fn keys(&self) -> Vec<Jwk> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key was published there.
    pub fn learn(&self, jwk: &Jwk) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if self.door.is_some() && !keys.contains(jwk) {
            keys.push(jwk.clone());
        }
    }

    /// The key was retired there.
    pub fn forget(&self, kid: &Id) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|jwk| jwk.member_text("kid").as_deref() != Some(kid.as_str()));
    }

    pub fn replace(&self, keys: Vec<Jwk>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }
}

impl Door {
    /// The keys as they are now; `None` when identity was asked a moment ago, does not answer, or has no key yet. In the
    /// last case the next request asks again: a shop that starts has its first key in a moment.
    pub async fn ask(&mut self, now: Timestamp) -> Option<Vec<Jwk>> {
        if self.asked_at.is_some_and(|at| now.since(at) < FETCH_INTERVAL_MIN) {
            return None;
        }
        self.asked_at = Some(now);
        match tokio::time::timeout(PATIENCE, self.client.get::<Jwks>(PATH)).await {
            Ok(Ok(jwks)) if jwks.keys.is_empty() => self.asked_at = None,
            Ok(Ok(jwks)) => return Some(jwks.keys),
            Ok(Err(error)) => tracing::warn!(%error, "the keys of access tokens could not be asked for"),
            Err(_) => tracing::warn!("the keys of access tokens were not told in time"),
        }
        None
    }
}

/// Asks for the keys from time to time. Runs until the shop stops.
pub async fn keep_fetched(shop: Shop) {
    loop {
        shop.key_ring.fetch(&shop).await;
        shop.alarm.until(shop.clock().now().plus(FETCH_EVERY), std::future::pending()).await;
    }
}
