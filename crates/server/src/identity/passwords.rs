//! Passwords are hashed with argon2id, a few at a time and off the batch loop; what would wait too long is refused.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{self, phc},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tradewind_events::Personal;
use tradewind_identity::model::PasswordHash;
use unicode_normalization::UnicodeNormalization;

use crate::{
    config::Config,
    http::{
        Failure, Place, Places,
        refusals::{OVERLOADED, PASSWORD_INVALID},
    },
    secret::drawn,
};

/// The longest password that is hashed, in bytes.
const PASSWORD_BYTES_MAX: usize = 1_024;

/// What comes out of NFC in [`PASSWORD_BYTES_MAX`] is never longer than this before.
const UNPREPARED_BYTES_MAX: usize = 4 * PASSWORD_BYTES_MAX;

const SALT_BYTES: usize = 16;

/// What argon2 makes unless it is asked for more.
const HASH_BYTES: usize = Params::DEFAULT_OUTPUT_LEN;

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Passwords {
    argon2: Arc<Argon2<'static>>,
    /// Of no password: verifying against it takes as long as against a real one.
    dummy: PasswordHash,
    chars_min: usize,
    running: Arc<Semaphore>,
    /// Of those that run and those that wait: no caller takes all of them.
    places: Places,
}

/// What came of verifying a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    Right,
    Wrong,
}

impl Passwords {
    /// # Panics
    /// When the parameters are none of argon2: the configuration has checked them.
    pub fn new(config: &Config) -> Self {
        let memory_kib = u32::try_from(config.password_memory.0 / 1_024).unwrap_or(u32::MAX);
        let params = Params::new(memory_kib, config.password_passes, 1, None).expect("the parameters were checked");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = dummy(&argon2);
        Self {
            argon2: Arc::new(argon2),
            dummy,
            chars_min: config.password_chars_min,
            running: Arc::new(Semaphore::new(config.password_threads)),
            places: Places::new(
                "password checks",
                config.password_threads + config.password_queue_max,
                config.caller_share,
            ),
        }
    }

    /// Where a caller takes a place before its password is hashed or verified.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Checks that a new password is good enough, and hashes it. The command line needs no place.
    pub async fn hash(
        &self,
        password: Personal<String>,
        field: &'static str,
        place: Option<Place>,
    ) -> Result<PasswordHash, Failure> {
        let prepared = prepared(password.expose());
        let fits = |password: &String| password.chars().count() >= self.chars_min;
        let Some(password) = prepared.filter(fits) else {
            let rule = format!(
                "A password has {} characters at least and {PASSWORD_BYTES_MAX} bytes at most.",
                self.chars_min
            );
            return Err(PASSWORD_INVALID.because(rule).at(field));
        };
        self.run(place, move |argon2| hash(argon2, &password)).await
    }

    /// Verifies a password. Without a hash to verify against it takes as long, and is wrong.
    pub async fn verify(
        &self,
        password: Personal<String>,
        hash: Option<PasswordHash>,
        place: Place,
    ) -> Result<Checked, Failure> {
        let prepared = prepared(password.expose());
        let possible = hash.is_some() && prepared.is_some();
        let against = hash.unwrap_or_else(|| self.dummy.clone());
        self.run(Some(place), move |argon2| {
            // What is too long is compared as if it were short, and is wrong.
            let tried = prepared.unwrap_or_default();
            let hash = phc::PasswordHash::new(against.phc()).map_err(|error| unverified(&error))?;
            match argon2.verify_password(tried.as_bytes(), &hash) {
                Ok(()) if possible => Ok(Checked::Right),
                Ok(()) | Err(password_hash::Error::PasswordInvalid) => Ok(Checked::Wrong),
                // The hash or the machine is at fault, and not who typed the password.
                Err(error) => Err(unverified(&error)),
            }
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        &self,
        place: Option<Place>,
        work: impl FnOnce(&Argon2<'_>) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let running = self.turn(place.as_ref()).await?;
        let argon2 = Arc::clone(&self.argon2);
        // The permits go with the work: a client that hangs up does not make room while its password is still hashed.
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, running);
            work(&argon2)
        });
        done.await.map_err(|panic| Failure::internal("hashing a password", &panic))
    }
}

impl Passwords {
    /// Waits for a thread. When all places are taken, one that waits goes to a caller who holds fewer.
    async fn turn(&self, place: Option<&Place>) -> Result<OwnedSemaphorePermit, Failure> {
        let full = || OVERLOADED.because("Too many passwords are being checked.");
        let running = Arc::clone(&self.running);
        let Some(place) = place else { return running.acquire_owned().await.map_err(|_| full()) };
        let waiting = place.waits();
        tokio::select! {
            biased;
            permit = running.acquire_owned() => permit.map_err(|_| full()),
            () = waiting.taken() => Err(full()),
        }
    }
}

fn unverified(error: &dyn std::fmt::Display) -> Failure {
    Failure::internal("verifying a password", error)
}

/// The password as it is hashed: the same text whichever way a keyboard composes its letters and types its spaces. These
/// are the mappings of the profile `OpaqueString` (RFC 8265): other spaces become the ASCII one, and the rest is put into
/// NFC. What the profile forbids beyond that is not refused: it depends on the version of Unicode, and a password that is
/// good today must be good tomorrow. `None` when it is too long.
fn prepared(password: &str) -> Option<String> {
    if password.len() > UNPREPARED_BYTES_MAX {
        return None;
    }
    let spaced = password.chars().map(|char| if is_other_space(char) { ' ' } else { char });
    let prepared: String = spaced.nfc().collect();
    (prepared.len() <= PASSWORD_BYTES_MAX).then_some(prepared)
}

/// A space (Zs) that is not the ASCII one.
const fn is_other_space(char: char) -> bool {
    matches!(char, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// A hash by these parameters that is drawn and not made: making one takes its time and its memory, and a start waits for
/// nobody's password.
///
/// # Panics
/// Never: salt and hash have lengths that argon2 takes.
fn dummy(argon2: &Argon2<'_>) -> PasswordHash {
    let drawn = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: argon2.params().try_into().expect("parameters of argon2 can be written"),
        salt: Some(phc::Salt::new(&drawn::<SALT_BYTES>()).expect("a salt of this length")),
        hash: Some(phc::Output::new(&drawn::<HASH_BYTES>()).expect("a hash of this length")),
    };
    PasswordHash::new(drawn.to_string()).expect("argon2id makes such hashes")
}

/// # Panics
/// Never: the salt has the length that argon2 asks for, and the password is shorter than 4 GiB.
fn hash(argon2: &Argon2<'_>, password: &str) -> PasswordHash {
    let hashed: phc::PasswordHash = argon2
        .hash_password_with_salt(password.as_bytes(), &drawn::<SALT_BYTES>())
        .expect("salt and password have lengths that argon2 takes");
    PasswordHash::new(hashed.to_string()).expect("argon2id makes such hashes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_same_however_it_is_composed_and_as_long_as_it_is_hashed() {
        let nfc = "Gr\u{f6}\u{df}e sch\u{f6}n";
        for other in [nfc, "Gro\u{308}\u{df}e scho\u{308}n", "Gr\u{f6}\u{df}e\u{a0}sch\u{f6}n"] {
            assert_eq!(prepared(other).as_deref(), Some(nfc));
        }
        assert_eq!(prepared("\u{1112}\u{1161}\u{11ab}\u{3000}\u{212b}").as_deref(), Some("\u{d55c} \u{c5}"));
        assert_ne!(prepared("ﬁne"), prepared("fine"), "what only looks alike is another password");
        let longest = "\u{e9}".repeat(PASSWORD_BYTES_MAX / 2);
        assert_eq!(prepared(&"e\u{301}".repeat(PASSWORD_BYTES_MAX / 2)), Some(longest.clone()));
        assert_eq!(prepared(&(longest + "x")), None);
        assert_eq!(prepared(&"x".repeat(UNPREPARED_BYTES_MAX + 1)), None);
    }

    #[test]
    fn whoever_has_no_password_is_checked_by_the_parameters_of_those_who_have_one() {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 2, 1, None).unwrap());
        let (real, dummy) = (hash(&argon2, "correct horse"), dummy(&argon2));
        let parsed = |hash: &PasswordHash| phc::PasswordHash::new(hash.phc()).unwrap();
        let (real, dummy) = (parsed(&real), parsed(&dummy));
        assert_eq!((real.algorithm, real.version), (dummy.algorithm, dummy.version));
        assert_eq!(real.params, dummy.params);
        assert_eq!(real.hash.unwrap().len(), dummy.hash.unwrap().len());
        assert!(argon2.verify_password(b"correct horse", &real).is_ok());
        assert!(argon2.verify_password(b"correct horse", &dummy).is_err());
    }
}
