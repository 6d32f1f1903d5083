//! What there is one of: the active key, and how many admins there are.

use tradewind_engine::{Entity, Problem, Refusal};
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
    name: Id,
    /// The key that signs; none before the first one, and after it was retired by hand.
    active_kid: Option<Id>,
    /// Users whose role is admin.
    admins: u32,
}

impl Realm {
    pub fn new() -> Self {
        Self { name: tradewind_events::id(REALM), active_kid: None, admins: 0 }
    }

    /// This key signs from now on.
    pub fn activate(&mut self, kid: Id) {
        self.active_kid = Some(kid);
    }

    /// The key that signed is retired, and none signs.
    pub fn deactivate(&mut self) {
        self.active_kid = None;
    }

    /// A user became an admin.
    pub fn add_admin(&mut self) {
        self.admins += 1;
    }

    /// An admin is none any more. There is at least one once there was one.
    pub fn remove_admin(&mut self) -> Result<(), Problem> {
        if self.admins <= 1 {
            return Err(LAST_ADMIN.problem());
        }
        self.admins -= 1;
        Ok(())
    }
}

impl Default for Realm {
    fn default() -> Self {
        Self::new()
    }
}
