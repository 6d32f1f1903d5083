//! Identifiers: opaque strings that are shared, never parsed.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};

/// The longest identifier, in bytes.
pub const ID_BYTES_MAX: usize = 64;

/// An identifier of anything: 1 to [`ID_BYTES_MAX`] visible ASCII characters (`!` to `~`).
///
/// We mint `UUIDv7`; an id that comes from another system passes through unchanged.
/// A clone shares the text, so passing ids along costs a counter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<str>);

/// Why a text is no [`Id`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 64 visible ASCII characters")]
pub struct InvalidId;

impl Id {
    /// Checks and takes a text over.
    pub fn new(text: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, InvalidId> {
        let bytes = text.as_ref().as_bytes();
        let fits = (1..=ID_BYTES_MAX).contains(&bytes.len());
        if fits && bytes.iter().all(u8::is_ascii_graphic) { Ok(Self(text.into())) } else { Err(InvalidId) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shared text, for keys of rows.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// A literal id, for constants and tests.
///
/// # Panics
/// When the text is no id.
pub fn id(text: &str) -> Id {
    Id::new(text).unwrap_or_else(|invalid| panic!("{text:?}: {invalid}"))
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Id {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Id {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(IdVisitor)
    }
}

/// Makes an id of the text where it stands: a string of its own would be made for nothing.
struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = Id;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id, E> {
        Id::new(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_to_sixty_four_visible_ascii_characters() {
        for good in ["a", "~", "order/17", &"x".repeat(ID_BYTES_MAX)] {
            assert_eq!(Id::new(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "é", "a\n", "\u{1f}", &"x".repeat(ID_BYTES_MAX + 1)] {
            assert_eq!(Id::new(bad), Err(InvalidId), "{bad:?}");
            assert!(serde_json::from_value::<Id>(bad.into()).is_err(), "{bad:?}");
        }
    }
}
