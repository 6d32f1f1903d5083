//! What must not be guessed: drawn secrets, their digests, and the keys that are derived from the master key.

use base64ct::{Base64UrlUnpadded, Encoding};
use ring::{
    aead::{self, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, hkdf, hmac,
    rand::{SecureRandom, SystemRandom},
};
use tradewind_events::Id;

use crate::config::Secret;

const SECRET_BYTES: usize = 32;

/// Random bytes.
///
/// # Panics
/// When the operating system gives none: nothing safe can be done then.
pub fn drawn<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A secret as text: 43 characters that stand in URLs as they are.
pub fn drawn_text() -> String {
    encoded(&drawn::<SECRET_BYTES>())
}

/// Base64 for URLs, without padding.
pub fn encoded(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// The reverse of [`encoded`].
pub fn decoded(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

/// SHA-256, as an id: what is kept of a drawn secret.
///
/// # Panics
/// Never: a digest is 43 visible characters.
pub fn digest_of(secret: &str) -> Id {
    let digest = digest::digest(&digest::SHA256, secret.as_bytes());
    Id::new(encoded(digest.as_ref())).expect("a digest is an id")
}

/// Whether two digests are the same.
pub fn same(left: &Id, right: &Id) -> bool {
    // Both are SHA-256 of secrets with 256 bits: how long the comparison takes tells nothing about either secret.
    left == right
}

/// The keys that are derived from the master key, each for one purpose.
pub struct Keys {
    seal: LessSafeKey,
    /// Signs cursors.
    pub cursors: hmac::Key,
    /// Makes fingerprints of bodies: a plain hash of a body with a password in it could be tried offline.
    pub fingerprints: hmac::Key,
    /// Makes the secrets of service clients.
    pub clients: hmac::Key,
    /// Proves that a process belongs to a split shop.
    pub peers: hmac::Key,
}

impl Keys {
    /// # Panics
    /// Never: the lengths are those that the algorithms ask for.
    pub fn new(master: &Secret) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tradewind keys 1");
        let extracted = salt.extract(master.expose());
        let derived = |purpose: &'static str| {
            let mut key = [0; SECRET_BYTES];
            let info = [purpose.as_bytes()];
            let filled = extracted.expand(&info, hkdf::HKDF_SHA256).and_then(|derived| derived.fill(&mut key));
            filled.expect("a key has the length of the hash");
            key
        };
        let authenticates = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &derived(purpose));
        let seal = UnboundKey::new(&AES_256_GCM, &derived("seal")).expect("a key of AES-256 has 32 bytes");
        Self {
            seal: LessSafeKey::new(seal),
            cursors: authenticates("cursors"),
            fingerprints: authenticates("fingerprints"),
            clients: authenticates("clients"),
            peers: authenticates("peers"),
        }
    }

    /// Encrypts; `bound_to` must be the same to decrypt. A nonce is drawn: far fewer are sealed than may be.
    ///
    /// # Panics
    /// Never: what is sealed is short.
    pub fn seal(&self, plain: &[u8], bound_to: &str) -> Vec<u8> {
        let nonce = drawn::<NONCE_LEN>();
        let mut sealed = plain.to_vec();
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        let done = self.seal.seal_in_place_append_tag(nonce_used, Aad::from(bound_to), &mut sealed);
        done.expect("what is sealed is short");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts; `None` when it was sealed with another key, or changed.
    pub fn open(&self, sealed: &[u8], bound_to: &str) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = sealed.to_vec();
        let length = self.seal.open_in_place(nonce, Aad::from(bound_to), &mut opened).ok()?.len();
        debug_assert_eq!(length + aead::AES_256_GCM.tag_len(), opened.len());
        opened.truncate(length);
        Some(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_and_binding_alone() {
        let keys = Keys::new(&Secret::new(*b"one master key, one shop"));
        let sealed = keys.seal(b"private", "kid-1");
        assert_eq!(keys.open(&sealed, "kid-1").as_deref(), Some(b"private".as_slice()));
        assert_eq!(keys.open(&sealed, "kid-2"), None);
        let other = Keys::new(&Secret::new(*b"another master key, hers"));
        assert_eq!(other.open(&sealed, "kid-1"), None);
        assert_eq!(keys.open(&sealed[..10], "kid-1"), None);
    }
}
