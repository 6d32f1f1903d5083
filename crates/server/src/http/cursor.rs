//! Cursors: where a page of a list begins, as a client carries it. Signed, so that it says what we have said, and good
//! for its list alone.

use ring::hmac;
use serde::{Deserialize, Serialize};
use tradewind_events::{Key, Value};

use crate::secret::{decoded, encoded};

/// Of the form of cursors: one of another version is refused.
const VERSION: u8 = 1;

/// The signature of a cursor: HMAC-SHA-256.
const SIGNATURE_BYTES: usize = 32;

/// The last row that a client has seen: its value of what the list is ordered by, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Null where the list has no order of its own, an integer, or a text.
    pub value: Value,
    pub key: Key,
}

/// As it is signed.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    int: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    key: String,
}

impl Mark {
    /// The cursor, in characters that stand in URLs as they are. `list` names the list with its filters.
    pub fn seal(&self, signs: &hmac::Key, list: &str) -> String {
        let (int, text) = match &self.value {
            Value::Int(int) => (Some(*int), None),
            Value::Text(text) => (None, Some(text.to_string())),
            Value::Null | Value::Bytes(_) => (None, None),
        };
        let written = Written { int, text, key: self.key.as_str().to_owned() };
        // Integers and texts: there is nothing that JSON cannot hold.
        let written = serde_json::to_vec(&written).unwrap_or_default();
        let signature = hmac::sign(signs, &signed(list, &written));
        encoded(&[&[VERSION], signature.as_ref(), &written].concat())
    }

    /// What a cursor says; `None` when this list has not given it.
    pub fn open(signs: &hmac::Key, list: &str, cursor: &str) -> Option<Self> {
        let bytes = decoded(cursor)?;
        let (version, rest) = bytes.split_first()?;
        let (signature, written) = rest.split_at_checked(SIGNATURE_BYTES)?;
        if *version != VERSION {
            return None;
        }
        hmac::verify(signs, &signed(list, written), signature).ok()?;
        let written: Written = serde_json::from_slice(written).ok()?;
        let value = match (written.int, written.text) {
            (Some(int), _) => Value::Int(int),
            (None, Some(text)) => Value::Text(text.into()),
            (None, None) => Value::Null,
        };
        Some(Self { value, key: Key::from_joined(&written.key).ok()? })
    }
}

/// What the signature is over: the list too, of which no name holds a zero.
fn signed(list: &str, written: &[u8]) -> Vec<u8> {
    [list.as_bytes(), &[0, VERSION], written].concat()
}
