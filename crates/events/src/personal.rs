//! Personal fields: on the wire as they are, masked wherever they are shown or logged.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A field about a person (e-mail, name, address, phone).
///
/// `Debug` and `Display` print `***`, so that no log shows it by accident; who needs the value
/// says so with [`Personal::expose`]. The wire carries the value itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(T);

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
        f.write_str("***")
    }
}

impl<T> fmt::Display for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
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
    fn an_error_does_not_quote_what_was_read() {
        for text in [r#""ada@example.org""#, r#""a\"da@example.org\"""#, r#""ada\\""#, r#""äda\n""#] {
            let error = serde_json::from_str::<bool>(text).unwrap_err();
            let at = format!("at line 1 column {}", error.column());
            assert_eq!(masked(&error), format!(r#"invalid type: string "…", expected a boolean {at}"#), "{text}");
        }
    }
}
