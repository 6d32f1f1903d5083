//! The password of a user, as a hash, and the count of wrong ones.

use std::{fmt, sync::Arc};

use tradewind_engine::{Entity, Refusal, RefusalKind};
use tradewind_events::{Column, ColumnError, ColumnKind, Id, Timestamp, Value};

use super::Identity;

/// One refusal for an unknown address, a wrong password and a locked credential: it tells nobody which it was.
pub const SIGN_IN_REFUSED: Refusal = Refusal::new(
    "sign_in_refused",
    RefusalKind::Unauthenticated,
    "The e-mail address or the password is wrong, or there were too many attempts.",
);
/// One refusal for a wrong password and a locked credential: it tells nobody which it was.
pub const PASSWORD_WRONG: Refusal =
    Refusal::new("password_wrong", RefusalKind::Forbidden, "The present password is not this one.");
pub const CREDENTIAL_CHANGED: Refusal =
    Refusal::conflict("credential_changed", "Another request changed the password while this one was on its way.");

const PASSWORD_HASH_BYTES_MAX: usize = 256;

/// An argon2id hash in the PHC string format, never a password. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Arc<str>);

/// A text is no argon2id hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAPasswordHash;

/// How a user proves who they are.
///
/// Wrong passwords are counted in windows: enough of them within one lock the credential for a while, and the count
/// starts again. While it is locked nothing is counted, so nobody can be locked out for longer by trying on.
#[derive(Debug, Clone, PartialEq, Eq, Entity)]
#[entity(owner = Identity, table = "credential", key = user_id)]
pub struct Credential {
    user_id: Id,
    password_hash: PasswordHash,
    /// Counts the passwords from 1: tells whether the one that the edge has verified is still the present one.
    generation: u64,
    /// Wrong passwords in the present window.
    failures: u32,
    /// When the present window began.
    failing_since: Option<Timestamp>,
    locked_until: Option<Timestamp>,
}

impl Credential {
    pub fn new(user_id: Id, password_hash: PasswordHash) -> Self {
        Self { user_id, password_hash, generation: 1, failures: 0, failing_since: None, locked_until: None }
    }

    pub fn is_locked(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// Whether a password of this generation, which the edge has found right, opens anything now.
    pub fn admits(&self, generation: u64, now: Timestamp) -> bool {
        self.generation == generation && !self.is_locked(now)
    }

    /// A password of this generation was wrong.
    pub fn failed(&mut self, generation: u64, now: Timestamp, settings: &Identity) {
        if !self.admits(generation, now) {
            return;
        }
        let since = self.failing_since.filter(|since| now.since(*since) < settings.failure_window);
        self.failures = if since.is_some() { self.failures.saturating_add(1) } else { 1 };
        self.failing_since = since.or(Some(now));
        self.locked_until = None;
        if self.failures >= settings.failures_max {
            self.forgive();
            self.locked_until = Some(now.plus(settings.lockout));
        }
    }

    /// Forgets wrong passwords and a lock.
    pub fn forgive(&mut self) {
        self.failures = 0;
        self.failing_since = None;
        self.locked_until = None;
    }

    /// Another password from now on.
    pub fn replace(&mut self, password_hash: PasswordHash) {
        self.password_hash = password_hash;
        self.generation += 1;
        self.forgive();
    }
}

impl PasswordHash {
    pub fn new(phc: impl Into<Arc<str>>) -> Result<Self, NotAPasswordHash> {
        let phc = phc.into();
        let fits = phc.len() <= PASSWORD_HASH_BYTES_MAX
            && phc.starts_with("$argon2id$")
            && phc.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(phc)) } else { Err(NotAPasswordHash) }
    }

    /// For the edge, which verifies.
    pub fn phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for NotAPasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password is kept as an argon2id hash in the PHC string format, and this is none")
    }
}

impl std::error::Error for NotAPasswordHash {}

impl Column for PasswordHash {
    const KIND: ColumnKind = ColumnKind::Text;
    fn weight(&self) -> usize {
        self.0.len()
    }
    fn to_value(&self) -> Value {
        self.0.to_value()
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        Self::new(Arc::<str>::from_value(value)?).map_err(|error| ColumnError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tradewind_events::id;

    use super::*;

    const PHC: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g";

    fn credential() -> Credential {
        Credential::new(id("user-1"), PasswordHash::new(PHC).unwrap())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_password_is_never_kept_as_it_is_and_its_hash_is_not_shown() {
        for bad in ["", "secret", "$2b$12$abc", "$argon2i$v=19$", &format!("$argon2id${}", "a".repeat(256))] {
            assert_eq!(PasswordHash::new(bad), Err(NotAPasswordHash), "{bad}");
        }
        assert!(!format!("{:?}", credential()).contains("argon2id"));
    }

    #[test]
    fn enough_wrong_passwords_within_a_window_lock_for_a_while() {
        let settings = Identity { failures_max: 3, ..Identity::default() };
        let mut credential = credential();
        for second in 0..3 {
            assert!(!credential.is_locked(at(second)));
            credential.failed(1, at(second), &settings);
        }
        let until = at(2).plus(settings.lockout);
        assert_eq!((credential.locked_until, credential.failures), (Some(until), 0));
        assert!(!credential.admits(1, at(3)));
        credential.failed(1, at(3), &settings);
        assert_eq!(credential.locked_until, Some(until), "what is tried meanwhile does not lock for longer");
        assert!(credential.admits(1, until));
    }

    #[test]
    fn wrong_passwords_far_apart_do_not_add_up() {
        let settings = Identity { failures_max: 2, failure_window: Duration::from_mins(1), ..Identity::default() };
        let mut credential = credential();
        credential.failed(1, at(0), &settings);
        credential.failed(1, at(60), &settings);
        assert_eq!((credential.failures, credential.locked_until), (1, None));
        credential.failed(1, at(61), &settings);
        assert!(credential.is_locked(at(61)));
    }

    #[test]
    fn a_password_that_was_replaced_neither_opens_nor_counts() {
        let mut credential = credential();
        credential.replace(PasswordHash::new(PHC).unwrap());
        assert!(!credential.admits(1, at(0)) && credential.admits(2, at(0)));
        credential.failed(1, at(0), &Identity::default());
        assert_eq!(credential.failures, 0);
    }
}
