//! What there is one of: the active key, and how many admins there are.

use tradewind_engine::{Entity, Refusal};
use tradewind_events::Id;

use super::Identity;

/// The key of the one row.
pub const REALM: &str = "identity";

pub const ADMIN_EXISTS: Refusal =
    Refusal::conflict("admin_exists", "The shop has an admin, who can make others admins.");
pub const LAST_ADMIN: Refusal = Refusal::conflict("last_admin", "The shop would be left without an admin.");

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Identity, table = "realm", key = name)]
pub struct Realm {
    /// Always [`REALM`].
    pub name: Id,
    /// The key that signs; none before the first one, and after it was retired by hand.
    pub active_kid: Option<Id>,
    /// Users whose role is admin.
    pub admins: u32,
}

impl Realm {
    pub fn new() -> Self {
        Self { name: tradewind_events::id(REALM), active_kid: None, admins: 0 }
    }
}

impl Default for Realm {
    fn default() -> Self {
        Self::new()
    }
}
