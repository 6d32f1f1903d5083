//! The keys that sign tokens.

use std::sync::Arc;

use tradewind_engine::{Entity, Refusal};
use tradewind_events::{
    Id, TextEnum, Timestamp,
    identity::{Jwk, SigningKeyPublished, SigningKeyRetired},
};

use super::Identity;

pub const SIGNING_KEY_CHANGED: Refusal =
    Refusal::conflict("signing_key_changed", "Another key signs by now, or this one was published before.");
pub const SIGNING_KEY_UNKNOWN: Refusal = Refusal::not_found("signing_key_unknown", "There is no such signing key.");

/// An ES256 key pair. At most one signs.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Identity, table = "signing_key", key = kid)]
pub struct SigningKey {
    kid: Id,
    #[column(copy)]
    state: KeyState,
    #[column(json)]
    public_jwk: Jwk,
    /// Encrypted by the edge; gone as soon as the key signs nothing any more.
    private_key: Option<Arc<[u8]>>,
    created_at: Timestamp,
    /// When the last token that it signed has expired; of a key that was replaced or is retired.
    retires_at: Option<Timestamp>,
}

/// The life of a signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, TextEnum)]
pub enum KeyState {
    /// It signs.
    #[text("active")]
    Active,
    /// Another one signs; what this one signed is good until it expires.
    #[text("verifying")]
    Verifying,
    /// Nothing that it signed is good.
    #[text("retired")]
    Retired,
}

impl SigningKey {
    pub fn publish(kid: Id, public_jwk: Jwk, private_key: Arc<[u8]>, now: Timestamp) -> (Self, SigningKeyPublished) {
        let said = SigningKeyPublished { kid: kid.clone(), public_jwk: public_jwk.clone() };
        let key = Self {
            kid,
            state: KeyState::Active,
            public_jwk,
            private_key: Some(private_key),
            created_at: now,
            retires_at: None,
        };
        (key, said)
    }

    /// Another key signs from now on.
    pub fn replaced(&mut self, retires_at: Timestamp) {
        if self.state == KeyState::Active {
            self.state = KeyState::Verifying;
            self.private_key = None;
            self.retires_at = Some(retires_at);
        }
    }

    /// Nothing that it signed is good any more. `None` when it was so before.
    pub fn retire(&mut self, now: Timestamp) -> Option<SigningKeyRetired> {
        if self.state == KeyState::Retired {
            return None;
        }
        self.state = KeyState::Retired;
        self.private_key = None;
        self.retires_at = Some(now);
        Some(SigningKeyRetired { kid: self.kid.clone(), public_jwk: self.public_jwk.clone() })
    }
}
