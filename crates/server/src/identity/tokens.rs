//! Access tokens: JWT (RFC 9068), signed with ES256 and nothing else. They are checked without asking the store.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ring::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED, EcdsaKeyPair, UnparsedPublicKey},
};
use serde::{Deserialize, Serialize};
use tradewind_engine::Moment;
use tradewind_events::{Id, TextEnum, Timestamp};
use tradewind_identity::model::Role;

use crate::secret::{decoded, encoded};

/// A longer text is no token of ours.
const TOKEN_BYTES_MAX: usize = 2_048;

/// Tokens whose signature need not be checked again.
const CHECKED_MAX: usize = 16_384;

/// Who a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// A user, or a service client.
    pub id: Id,
    pub role: Role,
    pub session_id: Option<Id>,
    /// In whole seconds.
    pub issued_at: Timestamp,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidToken {
    Expired,
    /// Not ours, not whole, or of a key that is retired.
    Refused,
}

/// Makes and checks tokens, given the keys.
pub struct Tokens {
    issuer: Arc<str>,
    ttl: Duration,
    skew: Duration,
    /// By SHA-256 of the token.
    checked: Mutex<HashMap<Vec<u8>, Signed>>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: Id,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Id,
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<Id>,
    jti: String,
    /// Seconds.
    iat: i64,
    exp: i64,
}

/// A token whose signature was good, and of which key it is.
#[derive(Clone)]
struct Signed {
    kid: Id,
    claims: Claims,
    /// In seconds of engine time.
    good_until: i64,
}

impl Tokens {
    pub fn new(issuer: &Arc<str>, ttl: Duration, skew: Duration) -> Self {
        Self { issuer: Arc::clone(issuer), ttl, skew, checked: Mutex::default() }
    }

    /// A token that is good from now on, for `life` at most; `None` when the key does not sign.
    pub fn sign(
        &self,
        (kid, key): (&Id, &EcdsaKeyPair),
        bearer: &Bearer,
        (now, life): (Timestamp, Duration),
    ) -> Option<String> {
        let header = Header { alg: "ES256".into(), typ: "at+jwt".into(), kid: kid.clone() };
        let claims = Claims {
            iss: self.issuer.to_string(),
            aud: self.issuer.to_string(),
            sub: bearer.id.clone(),
            role: bearer.role.as_str().to_owned(),
            sid: bearer.session_id.clone(),
            jti: encoded(&crate::secret::drawn::<12>()),
            iat: seconds(now),
            exp: seconds(now.plus(self.ttl.min(life))),
        };
        let part = |json: serde_json::Result<Vec<u8>>| json.ok().map(|json| encoded(&json));
        let signed = format!("{}.{}", part(serde_json::to_vec(&header))?, part(serde_json::to_vec(&claims))?);
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", encoded(signature.as_ref())))
    }

    /// Whom a token speaks for. `key` gives the public point of a key that is good.
    pub fn check(
        &self,
        token: &str,
        key: impl Fn(&Id) -> Option<Arc<[u8]>>,
        now: Moment,
    ) -> Result<Bearer, InvalidToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(InvalidToken::Refused);
        }
        let digest = digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec();
        let known = self.lock().get(&digest).cloned();
        let signed = if let Some(signed) = known {
            // Its key may have been retired since.
            key(&signed.kid).ok_or(InvalidToken::Refused)?;
            signed
        } else {
            let (kid, claims) = verified(token, key).ok_or(InvalidToken::Refused)?;
            let signed = Signed { kid, good_until: self.good_until(&claims, now), claims };
            let mut checked = self.lock();
            if checked.len() >= CHECKED_MAX {
                checked.clear();
            }
            checked.insert(digest, signed.clone());
            signed
        };
        self.bearer(signed, now)
    }

    /// The key that a token says it is signed with, whether that is so or not.
    pub fn kid_of(token: &str) -> Option<Id> {
        let header = token.split_once('.').filter(|_| token.len() <= TOKEN_BYTES_MAX)?.0;
        let header: Header = serde_json::from_slice(&decoded(header)?).ok()?;
        Some(header.kid)
    }

    fn bearer(&self, signed: Signed, now: Moment) -> Result<Bearer, InvalidToken> {
        let Signed { claims, good_until, .. } = signed;
        let role: Role = claims.role.parse().map_err(|_| InvalidToken::Refused)?;
        let (skew, now) = (self.skew_seconds(), seconds(now.engine));
        let ours = *claims.iss == *self.issuer && *claims.aud == *self.issuer;
        if !ours || claims.iat > now.saturating_add(skew) {
            return Err(InvalidToken::Refused);
        }
        if now >= good_until.saturating_add(skew) {
            return Err(InvalidToken::Expired);
        }
        let issued_at = Timestamp::from_millis(claims.iat.saturating_mul(1_000));
        Ok(Bearer { id: claims.sub, role, session_id: claims.sid, issued_at })
    }

    /// When a token that is seen for the first time expires, by engine time. Its claims are by the wall clock, which
    /// may be behind engine time since it went back: a token from before has its times from when both were the same,
    /// a later one is as far behind as the wall clock. Either way it lives as long as it was given.
    fn good_until(&self, claims: &Claims, now: Moment) -> i64 {
        let (engine, wall) = (seconds(now.engine), seconds(now.wall));
        let from_before = claims.iat > wall.saturating_add(self.skew_seconds());
        let behind = if from_before { 0 } else { engine.saturating_sub(wall) };
        claims.exp.saturating_add(behind)
    }

    fn skew_seconds(&self) -> i64 {
        i64::try_from(self.skew.as_secs()).unwrap_or(i64::MAX)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Signed>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a token claims, if its signature is good. The algorithm is ours to say, never the token's.
fn verified(token: &str, key: impl Fn(&Id) -> Option<Arc<[u8]>>) -> Option<(Id, Claims)> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Header = serde_json::from_slice(&decoded(header)?).ok()?;
    if header.alg != "ES256" || header.typ != "at+jwt" {
        return None;
    }
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key(&header.kid)?);
    key.verify(signed.as_bytes(), &decoded(signature)?).ok()?;
    let claims = serde_json::from_slice(&decoded(claims)?).ok()?;
    Some((header.kid, claims))
}

fn seconds(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(1_000)
}
