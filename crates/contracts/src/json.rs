//! The front door for JSON: bounded, strict, and exact about numbers.
//!
//! A reader that is used elsewhere takes the last of two equal keys, rounds numbers without a word and stops at a
//! byte-order mark. This one refuses the first, records the second and skips the third.

use serde_json::{Map, Number, Value};

use crate::{
    limits::{DEPTH_MAX, ENTRIES_MAX},
    refusal::{Reason, Refusal},
};

/// A JSON text that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub value: Value,
    /// Where numbers stand whose text is not exactly the value in [`Self::value`], as paths of member names and indexes.
    /// They are harmless where no mapping reads them.
    pub inexact: Vec<Vec<String>>,
}

/// Reads a JSON text of at most [`crate::limits::BODY_BYTES_MAX`] bytes, which the caller has checked.
pub fn read(bytes: &[u8]) -> Result<Document, Refusal> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = str::from_utf8(bytes)
        .map_err(|error| Refusal::new(Reason::Utf8Invalid, "", format!("byte {} is not UTF-8", error.valid_up_to())))?;
    let mut reader = Reader { text, at: 0, path: Vec::new(), inexact: Vec::new() };
    reader.blanks();
    let value = reader.value()?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(reader.wrong("something follows the value"));
    }
    Ok(Document { value, inexact: reader.inexact })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    path: Vec<String>,
    inexact: Vec<Vec<String>>,
}

impl Reader<'_> {
    fn refuse(&self, reason: Reason, detail: impl Into<String>) -> Refusal {
        Refusal::new(reason, self.path.join("."), detail)
    }

    fn wrong(&self, what: &str) -> Refusal {
        self.refuse(Reason::NotJson, format!("{what} at byte {}", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self) -> Result<Value, Refusal> {
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Value, Refusal> {
        let rest = &self.text[self.at..];
        for (word, value) in [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        if ["NaN", "Infinity", "nan", "inf"].iter().any(|word| rest.starts_with(word)) {
            return Err(self.refuse(Reason::NumberNotFinite, ""));
        }
        Err(self.wrong("no value"))
    }

    /// Enters an object or a list, which adds a step to the path.
    fn enter(&mut self) -> Result<(), Refusal> {
        self.at += 1;
        if self.path.len() >= DEPTH_MAX {
            return Err(Refusal::new(Reason::TooDeep, "", format!("more than {DEPTH_MAX} levels")));
        }
        self.path.push(String::new());
        self.blanks();
        Ok(())
    }

    fn object(&mut self) -> Result<Value, Refusal> {
        self.enter()?;
        let mut members = Map::new();
        if !self.takes(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(self.wrong("no name of a member"));
                }
                let name = self.string()?;
                self.blanks();
                if !self.takes(b':') {
                    return Err(self.wrong("no colon"));
                }
                self.blanks();
                if let Some(last) = self.path.last_mut() {
                    last.clone_from(&name);
                }
                let value = self.value()?;
                if members.insert(name, value).is_some() {
                    return Err(self.refuse(Reason::DuplicateKey, ""));
                }
                if members.len() > ENTRIES_MAX {
                    return Err(self.too_many());
                }
                if self.ends(b'}')? {
                    break;
                }
            }
        }
        self.path.pop();
        Ok(Value::Object(members))
    }

    fn list(&mut self) -> Result<Value, Refusal> {
        self.enter()?;
        let mut elements = Vec::new();
        if !self.takes(b']') {
            loop {
                if let Some(last) = self.path.last_mut() {
                    *last = elements.len().to_string();
                }
                elements.push(self.value()?);
                if elements.len() > ENTRIES_MAX {
                    return Err(self.too_many());
                }
                if self.ends(b']')? {
                    break;
                }
            }
        }
        self.path.pop();
        Ok(Value::Array(elements))
    }

    fn too_many(&mut self) -> Refusal {
        self.path.pop();
        self.refuse(Reason::TooManyEntries, format!("more than {ENTRIES_MAX} entries"))
    }

    /// Reads what follows a member or an element: a comma, or the end.
    fn ends(&mut self, end: u8) -> Result<bool, Refusal> {
        self.blanks();
        if self.takes(end) {
            return Ok(true);
        }
        if !self.takes(b',') {
            return Err(self.wrong("neither a comma nor an end"));
        }
        self.blanks();
        Ok(false)
    }

    fn string(&mut self) -> Result<String, Refusal> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let stop = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            let Some(stop) = stop else { return Err(self.wrong("a string without an end")) };
            out.push_str(&rest[..stop]);
            self.at += stop;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.wrong("a control character in a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Refusal> {
        let escape = self.text.as_bytes().get(self.at + 1).copied();
        self.at += 2;
        Ok(match escape {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => {
                self.at -= 1;
                return Err(self.wrong("no escape"));
            }
        })
    }

    fn unicode(&mut self) -> Result<char, Refusal> {
        let first = self.hex()?;
        let code = if (0xD800..0xDC00).contains(&first) {
            if !self.text[self.at..].starts_with("\\u") {
                return Err(self.refuse(Reason::Utf8Invalid, "half a surrogate pair"));
            }
            self.at += 2;
            let second = self.hex()?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err(self.refuse(Reason::Utf8Invalid, "half a surrogate pair"));
            }
            0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.refuse(Reason::Utf8Invalid, "half a surrogate pair"))
    }

    fn hex(&mut self) -> Result<u32, Refusal> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|d| d.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += if code.is_some() { 4 } else { 0 };
        code.ok_or_else(|| self.wrong("no four hexadecimal digits"))
    }

    fn number(&mut self) -> Result<Value, Refusal> {
        let rest = &self.text[self.at..];
        let length = rest
            .bytes()
            .position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let text = &rest[..length];
        if rest.starts_with("-Infinity") {
            return Err(self.refuse(Reason::NumberNotFinite, ""));
        }
        if !is_number(text) {
            return Err(self.wrong("no number"));
        }
        self.at += length;
        if let Ok(whole) = text.parse::<i64>() {
            return Ok(whole.into());
        }
        if let Ok(whole) = text.parse::<u64>() {
            return Ok(whole.into());
        }
        let float = text.parse::<f64>().ok().and_then(Number::from_f64);
        let Some(float) = float else { return Err(self.refuse(Reason::NumberNotExact, "larger than 64 bits hold")) };
        if Decimal::of(&float.to_string()) != Decimal::of(text) {
            self.inexact.push(self.path.clone());
        }
        Ok(Value::Number(float))
    }
}

/// The grammar of a JSON number.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

/// The value of a decimal text: `digits × 10^exponent`, digits without zeros at either end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decimal<'a> {
    pub negative: bool,
    pub digits: std::borrow::Cow<'a, str>,
    pub exponent: i64,
}

impl<'a> Decimal<'a> {
    /// `None` for a text that is no decimal number, or whose exponent has more than six digits.
    pub fn of(text: &'a str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((_, exponent)) if exponent.trim_start_matches(['+', '-']).len() > 6 => return None,
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let kept = digits.trim_end_matches('0');
        let zeros = i64::try_from(digits.len() - kept.len()).ok()?;
        let exponent = exponent - i64::try_from(fraction.len()).ok()? + zeros;
        let kept = kept.trim_start_matches('0');
        let exponent = if kept.is_empty() { 0 } else { exponent };
        Some(Self { negative: negative && !kept.is_empty(), digits: kept.to_owned().into(), exponent })
    }

    /// The value as a whole number of units of `10^-places`; `None` if it is none or leaves 64 bits.
    pub fn units(&self, places: u32) -> Option<i64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let zeros = usize::try_from(self.exponent + i64::from(places)).ok()?;
        if self.digits.len() + zeros > 19 {
            return None;
        }
        let digits = format!("{}{}", self.digits, "0".repeat(zeros));
        let units: i64 = digits.parse().ok()?;
        Some(if self.negative { -units } else { units })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reason(text: &str) -> Reason {
        read(text.as_bytes()).unwrap_err().reason
    }

    #[test]
    fn what_serde_json_reads_is_read_the_same() {
        for text in [
            r#"{"a":[1,-2,3.5,true,null,"x\n\u00e9\ud83d\ude00"],"b":{}}"#,
            " [ ] ",
            "18446744073709551615",
            "9007199254740993",
            "1e2",
            "-0.05",
            "\"\"",
        ] {
            let expected: Value = serde_json::from_str(text).unwrap();
            let document = read(text.as_bytes()).unwrap();
            assert_eq!((document.value, document.inexact.len()), (expected, 0), "{text}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(read(b"\xEF\xBB\xBF{\"a\":1}").unwrap().value, json!({"a": 1}));
    }

    #[test]
    fn what_two_readers_may_take_differently_is_refused_by_name() {
        assert_eq!(reason(r#"{"a":1,"a":1}"#), Reason::DuplicateKey);
        assert_eq!(reason(r#"{"a":{"b":NaN}}"#), Reason::NumberNotFinite);
        assert_eq!(reason("-Infinity"), Reason::NumberNotFinite);
        assert_eq!(reason("1e400"), Reason::NumberNotExact);
        assert_eq!(reason(r#""\ud800""#), Reason::Utf8Invalid);
        assert_eq!(read(b"\"\xFF\"").unwrap_err().reason, Reason::Utf8Invalid);
        for text in ["", "{", "[1,]", "{\"a\"}", "01", "1.", "+1", "nul", "{} {}", "\"\u{1}\"", "\"\\x\"", "'a'", ".5"]
        {
            assert_eq!(reason(text), Reason::NotJson, "{text}");
        }
    }

    #[test]
    fn limits_are_reached_and_not_passed() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(reason(&nested(DEPTH_MAX + 1)), Reason::TooDeep);
        assert_eq!(reason(&"[".repeat(1 << 20)), Reason::TooDeep);
        let list = |count: usize| format!("[{}]", vec!["0"; count].join(","));
        assert!(read(list(ENTRIES_MAX).as_bytes()).is_ok());
        assert_eq!(reason(&list(ENTRIES_MAX + 1)), Reason::TooManyEntries);
        let object = |count: usize| {
            let members: Vec<_> = (0..count).map(|nth| format!("\"{nth}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(read(object(ENTRIES_MAX).as_bytes()).is_ok());
        assert_eq!(reason(&object(ENTRIES_MAX + 1)), Reason::TooManyEntries);
    }

    #[test]
    fn a_number_that_64_bits_do_not_hold_is_noted_where_it_stands() {
        let document = read(br#"{"a":[{"b":90071992547409.93}],"c":0.1,"d":123456789012345678901}"#).unwrap();
        assert_eq!(document.inexact, [vec!["a", "0", "b"], vec!["d"]]);
    }

    #[test]
    fn a_decimal_is_a_whole_number_of_units_or_none() {
        let units = |text: &str, places| Decimal::of(text).and_then(|decimal| decimal.units(places));
        assert_eq!(units("24.99", 2), Some(2_499));
        assert_eq!(units("24.990", 2), Some(2_499));
        assert_eq!(units("1e2", 0), Some(100));
        assert_eq!(units("1e2", 2), Some(10_000));
        assert_eq!(units("-0.05", 2), Some(-5));
        assert_eq!(units("0.000", 0), Some(0));
        assert_eq!(units("24.999", 2), None);
        assert_eq!(units("99999999999999999999", 2), None);
        assert_eq!(units("1e999999", 2), None);
        assert_eq!(units("", 2), None);
        assert_eq!(units("1 ", 2), None);
    }
}
