//! Keys of rows: one id, or several in the order of the table's key columns.

use std::{fmt, sync::Arc};

use crate::{Id, Personal};

const SEPARATOR: char = '\u{1f}';

/// The primary key of a row: its parts joined by a character that no [`Id`] can hold.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// What names a row: an [`Id`], a tuple of them, or a [`Key`] itself.
pub trait AsKey {
    fn as_key(&self) -> Key;
}

impl Key {
    /// Joins the parts. A part that holds the separator is refused by the type of what goes in: ids cannot.
    pub fn of(parts: &[&str]) -> Self {
        match parts {
            [one] => Self(Arc::from(*one)),
            many => Self(Arc::from(many.join("\u{1f}"))),
        }
    }

    /// A key as it was printed by [`Key::as_str`].
    pub fn from_joined(joined: &str) -> Self {
        Self(Arc::from(joined))
    }

    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split(SEPARATOR)
    }

    /// The parts joined by `U+001F`; a key of one part is that part.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, part) in self.parts().enumerate() {
            if nth > 0 {
                f.write_str("/")?;
            }
            f.write_str(part)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<&Id> for Key {
    fn from(id: &Id) -> Self {
        Self(id.shared())
    }
}

impl AsKey for Key {
    fn as_key(&self) -> Key {
        self.clone()
    }
}

impl AsKey for Id {
    fn as_key(&self) -> Key {
        self.into()
    }
}

impl AsKey for Arc<str> {
    fn as_key(&self) -> Key {
        Key(Arc::clone(self))
    }
}

impl AsKey for str {
    fn as_key(&self) -> Key {
        Key::of(&[self])
    }
}

impl AsKey for String {
    fn as_key(&self) -> Key {
        Key::of(&[self])
    }
}

impl<K: AsKey> AsKey for Personal<K> {
    fn as_key(&self) -> Key {
        self.expose().as_key()
    }
}

impl<K: AsKey + ?Sized> AsKey for &K {
    fn as_key(&self) -> Key {
        (**self).as_key()
    }
}

impl<A: AsRef<str>, B: AsRef<str>> AsKey for (A, B) {
    fn as_key(&self) -> Key {
        Key::of(&[self.0.as_ref(), self.1.as_ref()])
    }
}

impl<A: AsRef<str>, B: AsRef<str>, C: AsRef<str>> AsKey for (A, B, C) {
    fn as_key(&self) -> Key {
        Key::of(&[self.0.as_ref(), self.1.as_ref(), self.2.as_ref()])
    }
}
