//! The keys that sign and check tokens, kept in memory: read at the start, and again when an event says that they have
//! changed. A private key is in clear here only.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use ring::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::json;
use tradewind_engine::{
    Entity, Moment, Problem,
    ports::{List, Reader, StoreError},
};
use tradewind_events::{
    Envelope, Id, TextEnum, Timestamp, Value,
    identity::{Jwk, SigningKeyPublished, SigningKeyRetired},
};
use tradewind_identity::{
    commands::PublishSigningKey,
    model::{Actor, KeyState, SIGNING_KEY_CHANGED, SigningKey},
};

use super::{
    elsewhere::Elsewhere,
    tokens::{Bearer, InvalidToken, Tokens},
};
use crate::{
    client::Client,
    config::Config,
    http::{Failure, refusals::NO_SIGNING_KEY},
    secret::{Keys, decoded, encoded},
    shop::Shop,
};

/// Keys that are good at the same time: the active one, and those whose last tokens have not expired.
const KEYS_MAX: u32 = 100;

/// How soon a rotation that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Signs and checks access tokens.
pub struct KeyRing {
    tokens: Tokens,
    keys: Arc<Keys>,
    reader: Arc<dyn Reader>,
    /// The public keys of the process where identity lives, if it lives elsewhere.
    elsewhere: Elsewhere,
    ring: RwLock<Ring>,
    changed: tokio::sync::Notify,
}

#[derive(Default)]
struct Ring {
    signer: Option<Signer>,
    /// The active key, whether or not it could be decrypted.
    active: Option<Id>,
    good: BTreeMap<Id, Good>,
}

struct Signer {
    kid: Id,
    pair: EcdsaKeyPair,
    since: Timestamp,
}

struct Good {
    jwk: Jwk,
    /// The point of the curve, uncompressed.
    point: Arc<[u8]>,
}

impl KeyRing {
    /// `given` are public keys of a process where identity lives, if it lives elsewhere.
    pub fn new(config: &Config, keys: Arc<Keys>, reader: Arc<dyn Reader>, given: Vec<Jwk>) -> Result<Self, StoreError> {
        let ring = Self {
            tokens: Tokens::new(&config.token_issuer, config.access_token_ttl, config.clock_skew),
            keys,
            reader,
            elsewhere: Elsewhere::new(given),
            ring: RwLock::default(),
            changed: tokio::sync::Notify::new(),
        };
        ring.reload()?;
        Ok(ring)
    }

    /// The public keys of identity are fetched from this process.
    #[must_use]
    pub fn asking(mut self, identity: Option<Client>) -> Self {
        self.elsewhere.ask_at(identity);
        self
    }

    /// An access token, which is good for `life` at most. Its times are for everybody, so `now` is the wall clock's.
    pub fn sign(&self, bearer: &Bearer, now: Timestamp, life: Duration) -> Result<String, Failure> {
        let ring = self.read();
        let signer = ring.signer.as_ref();
        let token = signer.and_then(|signer| self.tokens.sign((&signer.kid, &signer.pair), bearer, (now, life)));
        token.ok_or_else(|| NO_SIGNING_KEY.problem())
    }

    /// Whom a token speaks for, as it says.
    pub(super) fn check(&self, token: &str, now: Moment) -> Result<Bearer, InvalidToken> {
        let point = |kid: &Id| self.read().good.get(kid).map(|key| Arc::clone(&key.point));
        self.tokens.check(token, point, now)
    }

    /// A token may be good although nobody here knows its key: identity, which lives elsewhere, has a new one.
    pub(super) fn may_lack_key_of(&self, token: &str) -> bool {
        self.elsewhere.door().is_some() && Tokens::kid_of(token).is_some_and(|kid| !self.read().good.contains_key(&kid))
    }

    /// Asks for the keys of identity where it lives elsewhere, unless that was done a moment ago. Those that are known
    /// stay when nobody answers.
    pub async fn fetch(&self, shop: &Shop) {
        let Some(door) = self.elsewhere.door() else { return };
        let mut door = door.lock().await;
        if let Some(keys) = door.ask(shop.clock().now()).await {
            self.elsewhere.replace(keys);
            self.read_again(shop).await;
        }
    }

    /// The public keys that are good (RFC 7517).
    pub fn jwks(&self) -> Vec<Jwk> {
        self.read().good.values().map(|key| key.jwk.clone()).collect()
    }

    /// To be called with every event of a commit, before the answers of the commit go out: a key that is retired is good
    /// for nothing once that is answered, and one that is published signs from then on.
    pub fn hear(&self, envelope: &Envelope) {
        let event = envelope.event.as_any();
        if let Some(retired) = event.downcast_ref::<SigningKeyRetired>() {
            self.elsewhere.forget(&retired.kid);
            // Even if the others cannot be read now.
            self.ring.write().unwrap_or_else(PoisonError::into_inner).good.remove(&retired.kid);
        } else if let Some(published) = event.downcast_ref::<SigningKeyPublished>() {
            self.elsewhere.learn(&published.public_jwk);
        } else {
            return;
        }
        if let Err(error) = self.reload() {
            tracing::error!(%error, "the signing keys could not be read");
        }
    }

    /// Reads the keys that are good.
    fn reload(&self) -> Result<(), StoreError> {
        let mut ring = Ring::default();
        for jwk in self.elsewhere.keys() {
            let kid = jwk.member_text("kid").and_then(|kid| Id::new(kid).ok());
            if let Some((kid, point)) = kid.zip(point(&jwk)) {
                ring.good.insert(kid, Good { jwk, point });
            } else {
                tracing::error!("a key of identity cannot be read: its tokens are refused");
            }
        }
        for state in [KeyState::Active, KeyState::Verifying] {
            let list = List::of(SigningKey::TABLE, KEYS_MAX).equal("state", Value::Text(state.as_str().into()));
            for row in self.reader.list(&list)? {
                let key = match SigningKey::from_row(&row.values) {
                    Ok(key) => key,
                    Err(error) => {
                        tracing::error!(%error, "a signing key cannot be read: its tokens are refused");
                        continue;
                    }
                };
                let Some(point) = point(key.public_jwk()) else {
                    tracing::error!(kid = %key.kid(), "a signing key has no public key: its tokens are refused");
                    continue;
                };
                if state == KeyState::Active {
                    ring.active = Some(key.kid().clone());
                    ring.signer = self.opened(&key);
                }
                ring.good.insert(key.kid().clone(), Good { jwk: key.public_jwk().clone(), point });
            }
        }
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        self.changed.notify_one();
        Ok(())
    }

    /// The same, off the threads that serve requests.
    pub async fn read_again(&self, shop: &Shop) {
        let ring = shop.clone();
        if let Err(failure) = shop.read(move |_| ring.key_ring.reload()).await {
            tracing::error!(code = failure.code(), "the signing keys could not be read");
        }
    }

    /// Publishes a key when none signs.
    pub async fn ensure(&self, shop: &Shop) -> Result<(), Problem> {
        if self.read().signer.is_some() {
            return Ok(());
        }
        match shop.run(self.next(Actor::Shop)).await {
            Err(problem) if problem.code() != SIGNING_KEY_CHANGED.code => return Err(problem),
            _ => self.read_again(shop).await,
        }
        Ok(())
    }

    fn opened(&self, key: &SigningKey) -> Option<Signer> {
        let pkcs8 = key.private_key().and_then(|sealed| self.keys.open(sealed, key.kid().as_str()));
        let Some(pkcs8) = pkcs8 else {
            tracing::warn!(
                kid = %key.kid(),
                "the signing key was encrypted with another master key: a new one will sign"
            );
            return None;
        };
        match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8, &SystemRandom::new()) {
            Ok(pair) => Some(Signer { kid: key.kid().clone(), pair, since: key.created_at() }),
            Err(error) => {
                tracing::error!(kid = %key.kid(), %error, "the signing key cannot be read: a new one will sign");
                None
            }
        }
    }

    /// A new key, which takes the place of the one that signs now.
    ///
    /// # Panics
    /// When the operating system gives no random bytes.
    pub fn next(&self, actor: Actor) -> PublishSigningKey {
        let chance = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &chance)
            .expect("the operating system gives random bytes");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &chance)
            .expect("a key that was just made can be read");
        let (kid, public_jwk) = public(pair.public_key().as_ref());
        let private_key = self.keys.seal(pkcs8.as_ref(), kid.as_str()).into();
        PublishSigningKey { kid, public_jwk, private_key, replaces: self.read().active.clone(), actor }
    }

    /// When the key that signs is to be replaced; at once when none does.
    fn rotate_at(&self, age_max: Duration) -> Timestamp {
        self.read().signer.as_ref().map_or(Timestamp::default(), |signer| signer.since.plus(age_max))
    }

    fn read(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Publishes a new key whenever none signs, and when the one that signs is old enough. Runs until the shop stops.
pub async fn keep_rotated(shop: Shop) {
    loop {
        let at = shop.key_ring.rotate_at(shop.config.signing_key_age_max);
        shop.alarm.until(at, shop.key_ring.changed.notified()).await;
        if shop.clock().now() < shop.key_ring.rotate_at(shop.config.signing_key_age_max) {
            continue;
        }
        match shop.run(shop.key_ring.next(Actor::Shop)).await {
            Ok(()) => {
                tracing::info!("a new key signs access tokens");
                shop.key_ring.read_again(&shop).await;
            }
            Err(problem) if problem.code() == SIGNING_KEY_CHANGED.code => {
                shop.key_ring.read_again(&shop).await;
            }
            Err(problem) => {
                tracing::warn!(code = problem.code(), "the signing key could not be replaced");
                shop.alarm.until(shop.clock().now().plus(RETRY), std::future::pending()).await;
            }
        }
    }
}

/// A public key with its name, which is its thumbprint (RFC 7638).
///
/// # Panics
/// Never: a thumbprint is 43 visible characters.
fn public(point: &[u8]) -> (Id, Jwk) {
    let (x, y) = point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
    let (x, y) = (encoded(x), encoded(y));
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let thumbprint = encoded(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": thumbprint, "alg": "ES256", "use": "sig"});
    let jwk = Jwk::of(&jwk).expect("a flat object of texts is free-form JSON");
    (Id::new(thumbprint).expect("a thumbprint is an id"), jwk)
}

/// The reverse: the point of a public key.
fn point(jwk: &Jwk) -> Option<Arc<[u8]>> {
    let part = |name: &str| jwk.member_text(name).as_deref().and_then(decoded);
    let point = [&[4], part("x")?.as_slice(), part("y")?.as_slice()].concat();
    (point.len() == 65).then(|| point.into())
}
