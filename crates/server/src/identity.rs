//! Identity at the edge: what is slow, random or secret happens here, beside the batch loop. What it means is
//! decided in `services/identity`.

mod access;
mod elsewhere;
mod key_ring;
mod passwords;
mod revocations;
mod secrets;
mod tokens;

use tradewind_events::{
    Event,
    identity::{ServiceClientRevoked, SigningKeyPublished, SigningKeyRetired, UserSignedOut},
};

/// The events of identity that every process needs, whatever its services: access tokens are checked everywhere.
pub const CONSUMED_EVENTS: [&str; 4] =
    [ServiceClientRevoked::NAME, SigningKeyPublished::NAME, SigningKeyRetired::NAME, UserSignedOut::NAME];

pub use access::{check, ended};
pub use elsewhere::keep_fetched;
pub use key_ring::{KeyRing, keep_rotated};
pub use passwords::{Checked, Passwords};
pub use revocations::Revocations;
pub use secrets::{RefreshToken, Token};
pub use tokens::{Bearer, InvalidToken, Tokens};
