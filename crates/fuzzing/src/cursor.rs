//! Cursors: a line each for the list, the value and the key of the last row, then a cursor as a client might send it. A
//! cursor says what was put into it, to its list alone, and none is taken that we have not made.

use ring::hmac;
use tradewind::{config::Secret, http::Mark, secret::Keys};
use tradewind_events::{Key, Value, row_key};

use crate::Check;

pub fn start() -> Check {
    let signs = key();
    Box::new(move |input| check(&signs, input))
}

fn check(signs: &hmac::Key, input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let mut lines = input.splitn(4, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (list, value) = (next(), value(next()));
    // Only what was a key of ours is sealed.
    let Ok(key) = Key::from_joined(next()) else { return };
    let (mark, sent) = (Mark { value, key }, next());
    // The name of a list holds no zero: filters stand in it as Rust writes them.
    if list.contains('\0') {
        return;
    }
    let sealed = mark.seal(signs, list);
    assert!(sealed.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{sealed}");
    assert_eq!(Mark::open(signs, list, &sealed).as_ref(), Some(&mark));
    assert_eq!(Mark::open(signs, &format!("{list} of another"), &sealed), None);
    assert_eq!(Mark::open(signs, list, &altered(&sealed)), None);
    if let Some(opened) = Mark::open(signs, list, sent) {
        assert_eq!(opened.seal(signs, list), sent, "a cursor was taken that we have not made");
    }
}

fn value(text: &str) -> Value {
    if let Some(text) = text.strip_prefix('"') {
        return Value::Text(text.into());
    }
    text.parse().map_or(Value::Null, Value::Int)
}

/// With another character in the middle.
fn altered(sealed: &str) -> String {
    let mut bytes = sealed.as_bytes().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    String::from_utf8_lossy(&bytes).into_owned()
}

fn key() -> hmac::Key {
    Keys::new(&Secret::new(*b"one master key, one shop")).cursors
}

pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |list: &str, value: &str, key_text: &str| {
        let parts: Vec<_> = key_text.split('\u{1f}').collect();
        let sealed = Mark { value: self::value(value), key: row_key(&parts) }.seal(&key(), list);
        format!("{list}\n{value}\n{key_text}\n{sealed}").into_bytes()
    };
    vec![
        seed("order_view None Ascending [] [] []", "", "order-1"),
        seed("low_stock Some(\"rank\") Descending", "-3", "SKU-1\u{1f}main"),
        seed("product", "\"Tea\u{e9}", "tea"),
    ]
}
