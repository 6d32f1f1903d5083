//! Programs that act in their own name.

use tradewind_engine::{Entity, Refusal};
use tradewind_events::{Id, Timestamp};

use super::Identity;

pub const CLIENT_NAME_CHARS_MAX: usize = 100;

pub const CLIENT_UNKNOWN: Refusal = Refusal::not_found("client_unknown", "There is no such service client.");
pub const CLIENT_NAME_INVALID: Refusal =
    Refusal::invalid("client_name_invalid", "The name of a service client cannot be kept.");

/// A service client: its bearer acts in the role `service`.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Identity, table = "client", key = client_id)]
pub struct Client {
    pub client_id: Id,
    /// For people.
    pub name: std::sync::Arc<str>,
    /// SHA-256 of a secret that the edge has drawn; it has too many values to be guessed from its hash.
    pub secret_hash: Id,
    pub created_at: Timestamp,
    /// Who made it: a user id, or `cli`.
    pub created_by: Id,
    /// From then on its secret is good for nothing.
    pub revoked_at: Option<Timestamp>,
}
