//! Keys of rows: one part, or several in the order of the table's key columns. Every part was checked when its type was
//! made, so no text from outside can look like two parts.

use std::{borrow::Borrow, cell::RefCell, cmp::Ordering, fmt, hash, ops::Deref, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Column, ColumnError, ColumnKind, Currency, Id, Personal, TextEnum, Timestamp, Value};

const SEPARATOR: char = '\u{1f}';

/// The longest part of a key, in bytes: an e-mail address has 254, a principal with its route some less.
pub const KEY_TEXT_BYTES_MAX: usize = 256;

/// The most parts of a key.
pub const KEY_PARTS_MAX: usize = 4;

/// The primary key of a row: its parts joined by a character that no part can hold.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// What names a row: an [`Id`] or a [`KeyText`], a tuple of [`KeyPart`]s, or a [`Key`] itself.
///
/// Text is none of them. It has to become an [`Id`] or a [`KeyText`] first, and both refuse what would make another key:
///
/// ```compile_fail,E0277
/// # use tradewind_events::AsKey;
/// "a\u{1f}b".as_key();
/// ```
///
/// ```compile_fail,E0277
/// # use tradewind_events::{AsKey, id};
/// (id("sku"), String::from("a\u{1f}b")).as_key();
/// ```
pub trait AsKey {
    fn as_key(&self) -> Key;
}

/// A type whose text can be a part of a key, because it was checked when its value was made.
pub trait KeyPart {
    fn part(&self) -> Part<'_>;

    /// The key of this part alone.
    fn to_key(&self) -> Key {
        Key(Arc::from(self.part().0))
    }
}

/// The checked text of one part of a key. Only the types of this crate and [`TextEnum`]s make one.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a>(&'a str);

impl Part<'static> {
    /// The name of a variant. The derive of [`TextEnum`] has checked all of them.
    pub fn of(name: impl TextEnum) -> Self {
        Self(name.as_str())
    }
}

/// Text that may be a part of a key without being an [`Id`]: 1 to [`KEY_TEXT_BYTES_MAX`] bytes of UTF-8 without control
/// characters. A clone shares it.
#[derive(Clone)]
pub struct KeyText(Text);

#[derive(Clone)]
enum Text {
    Literal(&'static str),
    Shared(Arc<str>),
}

/// Why a text is no [`KeyText`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of a key has 1 to 256 bytes and no control characters")]
pub struct InvalidKeyText;

/// Why texts are no [`Key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key has 1 to 4 parts, each of 1 to 256 bytes and without control characters")]
pub struct InvalidKey;

/// Whether a text may be a part of a key.
pub const fn is_key_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut nth = 0;
    while nth < bytes.len() {
        // Beyond ASCII the control characters are U+0080 to U+009F.
        let control = match bytes[nth] {
            0..0x20 | 0x7f => true,
            0xc2 => bytes[nth + 1] < 0xa0,
            _ => false,
        };
        if control {
            return false;
        }
        nth += 1;
    }
    !bytes.is_empty() && bytes.len() <= KEY_TEXT_BYTES_MAX
}

impl KeyText {
    /// Checks and takes a text over.
    pub fn new(text: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, InvalidKeyText> {
        if is_key_text(text.as_ref()) { Ok(Self(Text::Shared(text.into()))) } else { Err(InvalidKeyText) }
    }

    /// A name that stands in the source.
    ///
    /// # Panics
    /// When it is no [`KeyText`]: where this is a constant, that does not compile.
    pub const fn literal(text: &'static str) -> Self {
        assert!(is_key_text(text), "a part of a key has 1 to 256 bytes and no control characters");
        Self(Text::Literal(text))
    }

    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Literal(text) => text,
            Text::Shared(text) => text,
        }
    }

    /// The text, shared where it was not written in the source.
    pub fn shared(&self) -> Arc<str> {
        match &self.0 {
            Text::Literal(text) => Arc::from(*text),
            Text::Shared(text) => Arc::clone(text),
        }
    }
}

impl Key {
    /// Joins parts.
    pub fn of(parts: &[Part<'_>]) -> Self {
        thread_local! {
            static JOINED: RefCell<String> = const { RefCell::new(String::new()) };
        }
        if let [one] = parts {
            return Self(Arc::from(one.0));
        }
        JOINED.with_borrow_mut(|joined| {
            joined.clear();
            for (nth, part) in parts.iter().enumerate() {
                if nth > 0 {
                    joined.push(SEPARATOR);
                }
                joined.push_str(part.0);
            }
            Self(Arc::from(joined.as_str()))
        })
    }

    /// Checks texts that come from a store or from outside, and joins them.
    pub fn checked<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidKey> {
        let mut checked = [Part(""); KEY_PARTS_MAX];
        let mut count = 0;
        for part in parts {
            if count == KEY_PARTS_MAX || !is_key_text(part) {
                return Err(InvalidKey);
            }
            checked[count] = Part(part);
            count += 1;
        }
        if count == 0 { Err(InvalidKey) } else { Ok(Self::of(&checked[..count])) }
    }

    /// Reads and checks a key as [`Key::as_str`] prints it.
    pub fn from_joined(joined: &str) -> Result<Self, InvalidKey> {
        Self::checked(joined.split(SEPARATOR))
    }

    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split(SEPARATOR)
    }

    /// The parts joined by `U+001F`; a key of one part is that part.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A literal key, for constants and tests.
///
/// # Panics
/// When the parts are no key.
pub fn row_key(parts: &[&str]) -> Key {
    Key::checked(parts.iter().copied()).unwrap_or_else(|invalid| panic!("{parts:?}: {invalid}"))
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

impl KeyPart for Id {
    fn part(&self) -> Part<'_> {
        Part(self.as_str())
    }
    fn to_key(&self) -> Key {
        self.into()
    }
}

impl KeyPart for KeyText {
    fn part(&self) -> Part<'_> {
        Part(self.as_str())
    }
    fn to_key(&self) -> Key {
        Key(self.shared())
    }
}

impl KeyPart for Currency {
    fn part(&self) -> Part<'_> {
        Part(self.as_str())
    }
}

impl<P: KeyPart> KeyPart for Personal<P> {
    fn part(&self) -> Part<'_> {
        self.expose().part()
    }
    fn to_key(&self) -> Key {
        self.expose().to_key()
    }
}

impl<P: KeyPart + ?Sized> KeyPart for &P {
    fn part(&self) -> Part<'_> {
        (**self).part()
    }
    fn to_key(&self) -> Key {
        (**self).to_key()
    }
}

impl AsKey for Key {
    fn as_key(&self) -> Key {
        self.clone()
    }
}

impl AsKey for Id {
    fn as_key(&self) -> Key {
        self.to_key()
    }
}

impl AsKey for KeyText {
    fn as_key(&self) -> Key {
        self.to_key()
    }
}

impl<P: KeyPart> AsKey for Personal<P> {
    fn as_key(&self) -> Key {
        self.to_key()
    }
}

impl<K: AsKey + ?Sized> AsKey for &K {
    fn as_key(&self) -> Key {
        (**self).as_key()
    }
}

impl<A: KeyPart, B: KeyPart> AsKey for (A, B) {
    fn as_key(&self) -> Key {
        Key::of(&[self.0.part(), self.1.part()])
    }
}

impl<A: KeyPart, B: KeyPart, C: KeyPart> AsKey for (A, B, C) {
    fn as_key(&self) -> Key {
        Key::of(&[self.0.part(), self.1.part(), self.2.part()])
    }
}

impl Deref for KeyText {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for KeyText {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for KeyText {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for KeyText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for KeyText {}

impl PartialOrd for KeyText {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyText {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl hash::Hash for KeyText {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for KeyText {
    type Err = InvalidKeyText;
    fn from_str(text: &str) -> Result<Self, InvalidKeyText> {
        Self::new(text)
    }
}

/// A number, in decimal.
impl From<u32> for KeyText {
    fn from(number: u32) -> Self {
        Self(Text::Shared(number.to_string().into()))
    }
}

/// The day (UTC), as `2026-01-31`.
impl From<Timestamp> for KeyText {
    fn from(at: Timestamp) -> Self {
        Self(Text::Shared(at.day().into()))
    }
}

impl From<&Id> for KeyText {
    fn from(id: &Id) -> Self {
        Self(Text::Shared(id.shared()))
    }
}

impl Serialize for KeyText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Column for KeyText {
    const KIND: ColumnKind = ColumnKind::Text;
    fn weight(&self) -> usize {
        match &self.0 {
            Text::Literal(_) => 0,
            Text::Shared(text) => text.len(),
        }
    }
    fn to_value(&self) -> Value {
        Value::Text(self.shared())
    }
    fn from_value(value: &Value) -> Result<Self, ColumnError> {
        let text = <Arc<str>>::from_value(value)?;
        Self::new(text).map_err(|error| ColumnError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id;

    #[test]
    fn a_part_of_a_key_has_no_control_characters_and_a_bounded_length() {
        for good in
            ["a", "é", "a/b|c:d", "e\u{301}", "\u{202e}x", "\u{ffff}", "\u{a0}", &"x".repeat(KEY_TEXT_BYTES_MAX)]
        {
            assert_eq!(KeyText::new(good).unwrap().as_str(), good);
            assert_eq!(Key::from_joined(good).unwrap().parts().collect::<Vec<_>>(), [good]);
        }
        let too_long = "x".repeat(KEY_TEXT_BYTES_MAX + 1);
        for bad in ["", "\0", "a\u{1f}b", "\n", "\u{7f}", "\u{80}", "\u{9f}", &too_long] {
            assert_eq!(KeyText::new(bad), Err(InvalidKeyText), "{bad:?}");
            assert_eq!(Key::checked([bad]), Err(InvalidKey), "{bad:?}");
            assert!(serde_json::from_value::<KeyText>(bad.into()).is_err(), "{bad:?}");
            assert!(KeyText::from_value(&Value::Text(bad.into())).is_err(), "{bad:?}");
        }
        assert!((char::MIN..=char::MAX).all(|char| char.is_control() != is_key_text(char.encode_utf8(&mut [0; 4]))));
    }

    #[test]
    fn a_key_has_a_bounded_number_of_parts() {
        assert_eq!(row_key(&["a", "b", "c", "d"]).parts().count(), KEY_PARTS_MAX);
        assert_eq!(Key::checked(["a", "b", "c", "d", "e"]), Err(InvalidKey));
        assert_eq!(Key::checked([]), Err(InvalidKey));
        assert_eq!(Key::from_joined("a\u{1f}"), Err(InvalidKey));
    }

    #[test]
    fn parts_of_every_type_join_alike() {
        let literal = const { KeyText::literal("house") };
        assert_eq!((&literal, "EUR".parse::<Currency>().unwrap()).as_key(), row_key(&["house", "EUR"]));
        assert_eq!(
            (Personal::new(id("a")), KeyText::new("b").unwrap()).as_key(),
            Key::from_joined("a\u{1f}b").unwrap()
        );
        assert_eq!(literal.as_key(), KeyText::new("house").unwrap().as_key());
        assert_eq!(KeyText::from(17).as_str(), "17");
        assert!([i64::MIN, 0, i64::MAX].map(Timestamp::from_millis).iter().all(|at| is_key_text(&KeyText::from(*at))));
        let shared = id("a");
        assert!(Arc::ptr_eq(&shared.shared(), &shared.as_key().0), "the key of an id shares its text");
    }
}
