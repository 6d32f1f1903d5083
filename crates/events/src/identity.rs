//! Events of identity: people, their sessions, and the keys that sign tokens.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Change, Event, FreeJson, Id, Personal};

/// The public half of a signing key (RFC 7517).
pub type Jwk = FreeJson;

/// Somebody signed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.registered", version = 1, about = user(user_id), key = user_id)]
pub struct UserRegistered {
    pub user_id: Id,
    pub email: Personal<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Personal<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Personal<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Personal<String>>,
    pub email_verified: bool,
}

/// A session began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.signed_in", version = 1, about = user(user_id), key = user_id)]
pub struct UserSignedIn {
    pub user_id: Id,
    pub session_id: Id,
}

/// A session was ended before its time: by its user, by a new password, or because a used token came again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.signed_out", version = 1, about = user(user_id), key = user_id)]
pub struct UserSignedOut {
    pub user_id: Id,
    pub session_id: Id,
}

/// The user has shown to own the address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.email_verified", version = 1, about = user(user_id), key = user_id)]
pub struct UserEmailVerified {
    pub user_id: Id,
    pub email: Personal<String>,
}

/// The profile as it is now, and what changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.profile_updated", version = 1, about = user(user_id), key = user_id)]
pub struct UserProfileUpdated {
    pub user_id: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Personal<String>>,
    pub email: Personal<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Personal<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Personal<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<Personal<String>>,
    pub changes: Personal<Arc<[Change]>>,
}

/// The user has another address from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.email_changed", version = 1, about = user(user_id), key = user_id)]
pub struct UserEmailChanged {
    pub user_id: Id,
    pub email: Personal<String>,
    pub previous_email: Personal<String>,
}

/// The user is gone; whoever keeps something personal of theirs erases it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.deleted", version = 1, about = user(user_id), key = user_id)]
pub struct UserDeleted {
    pub user_id: Id,
    pub email: Personal<String>,
}

/// A key signs tokens from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("signing_key.published", version = 1, about = signing_key(kid), key = kid)]
pub struct SigningKeyPublished {
    pub kid: Id,
    pub public_jwk: Jwk,
}

/// A key signs nothing any more, and nothing that it signed is good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("signing_key.retired", version = 1, about = signing_key(kid), key = kid)]
pub struct SigningKeyRetired {
    pub kid: Id,
    pub public_jwk: Jwk,
}
