//! The configuration of identity.

use std::time::Duration;

use tradewind_engine::Settings;

/// Owns users, credentials, sessions, tokens, signing keys and service clients.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Wrong passwords within [`Self::failure_window`] that lock a credential.
    pub failures_max: u32,
    /// Wrong passwords are counted together this long after the first of them.
    pub failure_window: Duration,
    /// How long a locked credential admits nobody.
    pub lockout: Duration,
    /// How long a session lasts from its sign-in, however often it is refreshed.
    pub session_ttl: Duration,
    /// Open sessions of a user; one more ends the oldest.
    pub sessions_max: usize,
    /// A token that was used no longer ago than this may be used again: the answer to its first use may be lost.
    pub refresh_grace: Duration,
    /// How long an access token is good. A key that was replaced is retired after this, so that nobody is cut off.
    pub access_token_ttl: Duration,
    /// How long the link in a verification mail works.
    pub verification_ttl: Duration,
    /// How long the link in a reset mail works.
    pub reset_ttl: Duration,
    /// How long the token for the first admin works.
    pub first_admin_ttl: Duration,
    /// A user is sent at most one mail of a kind in this time.
    pub mail_interval: Duration,
}

impl Settings for Identity {
    const SERVICE: &'static str = "identity";
}

impl Default for Identity {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_mins(1);
        const HOUR: Duration = Duration::from_hours(1);
        Self {
            failures_max: 5,
            failure_window: 15 * MINUTE,
            lockout: 15 * MINUTE,
            session_ttl: 30 * 24 * HOUR,
            sessions_max: 20,
            refresh_grace: Duration::from_secs(10),
            access_token_ttl: 10 * MINUTE,
            verification_ttl: 24 * HOUR,
            reset_ttl: HOUR,
            first_admin_ttl: 24 * HOUR,
            mail_interval: MINUTE,
        }
    }
}
