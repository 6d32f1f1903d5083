//! Who asks for something, as their rows are now.

use tradewind_engine::{Refusal, RefusalKind};
use tradewind_events::Id;

use super::Role;

pub const NOT_ALLOWED: Refusal = Refusal::new("not_allowed", RefusalKind::Forbidden, "Whoever asks may not do this.");

/// Who asks for a command. The role is not part of it: the command reads it from the rows of the actor, in its own unit
/// of work, so an access token that has outlived a role gives nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The shop itself, or its command line on the store.
    Shop,
    User {
        user_id: Id,
        session_id: Id,
    },
    Client {
        client_id: Id,
    },
}

impl Role {
    /// Whether this role may change what belongs to a user of the role `target`. Admins act for everybody, as there is
    /// no role above theirs; staff and service clients act for customers.
    pub fn acts_for(self, target: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Staff | Self::Service => target == Self::Customer,
            Self::Customer => false,
        }
    }
}
