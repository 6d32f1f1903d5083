//! Personal fields: on the wire as they are, masked wherever they are shown or logged.

use std::{cell::Cell, fmt};

use serde::{Deserialize, Serialize, Serializer};

/// What is shown in place of a personal field.
const MASK: &str = "***";

thread_local! {
    static MASKED: Cell<bool> = const { Cell::new(false) };
}

/// A field about a person (e-mail, name, address, phone).
///
/// `Debug` and `Display` print `***`, so that no log shows it by accident; who needs the value
/// says so with [`Personal::expose`]. The wire carries the value itself, unless it is written within [`mask`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(T);

/// Whatever is serialized within `write` shows `***` for every personal field: for those whom the fields do not concern.
/// What comes of it is to be looked at, and not to be read back.
pub fn mask<T>(write: impl FnOnce() -> T) -> T {
    /// Sets it back, also when `write` unwinds.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            MASKED.set(self.0);
        }
    }
    let _before = Before(MASKED.replace(true));
    write()
}

impl<T: Serialize> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if MASKED.get() { serializer.serialize_str(MASK) } else { self.0.serialize(serializer) }
    }
}

impl<T> Personal<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    pub const fn expose(&self) -> &T {
        &self.0
    }

    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T> fmt::Display for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// What is wrong with some JSON, without the texts that stood in it: the error of a parser quotes what it has read,
/// and that may be about a person. Field names (in backquotes) and the position stay.
pub(crate) fn masked(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let mut shown = String::with_capacity(message.len());
    let (mut quoted, mut escaped) = (false, false);
    for char in message.chars() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => {
                shown.push_str(if quoted { "…\"" } else { "\"" });
                quoted = !quoted;
            }
            _ if quoted => {}
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personal_field_is_masked_when_shown_and_plain_on_the_wire() {
        let mail = Personal::new("ada@example.org".to_owned());
        assert_eq!(format!("{mail} {mail:?}"), "*** ***");
        assert_eq!(serde_json::to_string(&mail).unwrap(), r#""ada@example.org""#);
    }

    #[test]
    fn within_a_mask_nothing_personal_is_written() {
        let mail = Personal::new("ada@example.org".to_owned());
        let write = || serde_json::to_string(&(&mail, "plain")).unwrap();
        assert_eq!(mask(write), r#"["***","plain"]"#);
        assert_eq!(mask(|| mask(write)), mask(write));
        let unwound = std::panic::catch_unwind(|| mask(|| panic!("while writing")));
        assert!(unwound.is_err());
        assert_eq!(write(), r#"["ada@example.org","plain"]"#);
    }

    #[test]
    fn an_error_does_not_quote_what_was_read() {
        for text in [r#""ada@example.org""#, r#""a\"da@example.org\"""#, r#""ada\\""#, r#""äda\n""#] {
            let error = serde_json::from_str::<bool>(text).unwrap_err();
            let at = format!("at line 1 column {}", error.column());
            assert_eq!(masked(&error), format!(r#"invalid type: string "…", expected a boolean {at}"#), "{text}");
        }
    }
}
