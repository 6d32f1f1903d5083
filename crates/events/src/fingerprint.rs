//! A short digest of a request, to tell later whether another request is the same.

use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Of the digest, so many bytes are kept: two requests never have the same by chance.
const KEPT_BYTES: usize = 16;

/// Collects the fields of a request. A text has its length before it, and an optional field has one byte before it, so
/// no two requests are encoded alike.
///
/// The digest has no key: it is as personal as what went into it, and is erased with it.
#[derive(Debug, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    pub fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    pub fn option<T>(&mut self, field: Option<T>, encode: impl FnOnce(&mut Self, T)) {
        self.0.update([u8::from(field.is_some())]);
        if let Some(field) = field {
            encode(self, field);
        }
    }

    /// In hexadecimal digits.
    pub fn finish(self) -> Arc<str> {
        let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
        let digest = self.0.finalize();
        digest.iter().take(KEPT_BYTES).flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect::<String>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Arc<str> {
        let mut fingerprint = Fingerprint::default();
        for text in texts {
            fingerprint.text(text);
        }
        fingerprint.finish()
    }

    #[test]
    fn requests_differ_also_where_only_the_boundary_of_two_fields_moves() {
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&[]).len(), 2 * KEPT_BYTES);
        let optional = |field: Option<u64>| {
            let mut fingerprint = Fingerprint::default();
            fingerprint.option(field, Fingerprint::number);
            fingerprint.finish()
        };
        assert_ne!(optional(None), optional(Some(0)));
    }
}
