//! Programs that act in their own name.

use std::sync::Arc;

use tradewind_engine::{Entity, Refusal};
use tradewind_events::{Id, Timestamp, id, identity::ServiceClientRevoked};

use super::{Actor, Identity};

pub const CLIENT_NAME_CHARS_MAX: usize = 100;

pub const CLIENT_UNKNOWN: Refusal = Refusal::not_found("client_unknown", "There is no such service client.");
pub const CLIENT_NAME_INVALID: Refusal =
    Refusal::invalid("client_name_invalid", "The name of a service client cannot be kept.");

/// A service client: its bearer acts in the role `service`.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Identity, table = "client", key = client_id)]
pub struct Client {
    client_id: Id,
    /// For people.
    name: Arc<str>,
    /// SHA-256 of a secret that the edge has drawn; it has too many values to be guessed from its hash.
    secret_hash: Id,
    created_at: Timestamp,
    /// Who made it: a user id, or `cli`.
    created_by: Id,
    /// From then on its secret is good for nothing.
    revoked_at: Option<Timestamp>,
}

impl Client {
    pub fn create(client_id: Id, name: Arc<str>, secret_hash: Id, creator: &Actor, now: Timestamp) -> Self {
        let created_by = match creator {
            Actor::Shop => id("cli"),
            Actor::User { user_id: actor, .. } | Actor::Client { client_id: actor } => actor.clone(),
        };
        Self { client_id, name, secret_hash, created_at: now, created_by, revoked_at: None }
    }

    /// Its secret is good for nothing from now on. `None` when it was so before.
    pub fn revoke(&mut self, now: Timestamp) -> Option<ServiceClientRevoked> {
        if self.revoked_at.is_some() {
            return None;
        }
        self.revoked_at = Some(now);
        Some(ServiceClientRevoked { client_id: self.client_id.clone() })
    }
}
