//! What the converters do with single values: exact or refused, never rounded in silence.

use std::borrow::Cow;

use serde_json::{Number, Value};
use sha2::{Digest, Sha256};
use tradewind_events::{Currency, ID_BYTES_MAX, Timestamp};

use crate::{
    json::Decimal,
    refusal::{Reason, Refusal},
    rule::{MoneyForm, TimeForm},
};

/// Something that was accepted and deserves a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Note {
    /// A time without a zone, taken as UTC.
    TimeWithoutZone,
    /// A time with more than three digits of the second, of which three are kept.
    TimeCut,
    /// An amount that is only told, as the nearest one that the contract can write.
    AmountNearest,
}

impl Note {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TimeWithoutZone => "time_without_zone",
            Self::TimeCut => "time_cut",
            Self::AmountNearest => "amount_nearest",
        }
    }
}

/// Minor units of what stands on the wire.
pub fn money_in(value: &Value, currency: &str, at: &str) -> Result<i64, Refusal> {
    let not_exact = |detail: &str| Refusal::new(Reason::AmountNotExact, at, detail);
    let text: Cow<'_, str> = match value {
        Value::String(text) => text.as_str().into(),
        Value::Number(number) => number.to_string().into(),
        _ => return Err(not_exact("no amount")),
    };
    let currency: Currency = currency.parse().map_err(|_| not_exact("no currency says how many digits it has"))?;
    let decimal = Decimal::of(&text).ok_or_else(|| not_exact("no decimal number"))?;
    if decimal.negative {
        return Err(not_exact("negative"));
    }
    decimal.units(currency.exponent()).ok_or_else(|| not_exact("more digits than the currency has"))
}

/// An amount that stands in minor units already.
pub fn minor_in(value: &Value, at: &str) -> Result<i64, Refusal> {
    let text = value.as_number().map(ToString::to_string);
    let minor = text.as_deref().and_then(Decimal::of).and_then(|decimal| decimal.units(0)).filter(|minor| *minor >= 0);
    minor.ok_or_else(|| Refusal::new(Reason::AmountNotExact, at, "no whole number of minor units"))
}

/// How minor units stand on the wire. The answer says whether it is exact.
pub fn money_out(minor: i64, currency: &str, form: MoneyForm, at: &str) -> Result<(Value, bool), Refusal> {
    let cannot = |detail: &str| Refusal::new(Reason::ContractCannotCarry, at, detail);
    let currency: Currency = currency.parse().map_err(|_| cannot("no currency says how many digits it has"))?;
    let text = decimal_text(minor, currency.exponent());
    let back = |shown: &str| Decimal::of(shown).and_then(|decimal| decimal.units(currency.exponent()));
    match form {
        MoneyForm::Text => Ok((text.into(), true)),
        MoneyForm::Number | MoneyForm::Unit => {
            let number = text.parse().ok().and_then(Number::from_f64).ok_or_else(|| cannot("no number"))?;
            let is_exact = back(&number.to_string()) == Some(minor);
            Ok((whole(number), is_exact))
        }
        MoneyForm::Float => {
            let single: f32 = text.parse().map_err(|_| cannot("no float"))?;
            let shown = single.to_string();
            let number = shown.parse().ok().and_then(Number::from_f64).ok_or_else(|| cannot("no float"))?;
            Ok((whole(number), back(&shown) == Some(minor) && is_apart(single, currency.exponent())))
        }
    }
}

/// A whole number is written without a fraction, as most writers of JSON do.
fn whole(number: Number) -> Value {
    let float = number.as_f64().unwrap_or_default();
    let text = format!("{float}");
    text.parse::<i64>().map_or(Value::Number(number), Value::from)
}

/// Neighbours of this float are at most a minor unit away, so that no two amounts share one.
fn is_apart(single: f32, digits: u32) -> bool {
    let unit = 10_f64.powi(-i32::try_from(digits).unwrap_or_default());
    f64::from(single.abs().next_up()) - f64::from(single.abs()) <= unit
}

/// `2499` with two digits is `24.99`.
pub fn decimal_text(minor: i64, digits: u32) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    match 10_u64.checked_pow(digits) {
        Some(unit) if digits > 0 => {
            format!("{sign}{}.{:0width$}", minor / unit, minor % unit, width = digits as usize)
        }
        _ => format!("{sign}{minor}"),
    }
}

/// Years that RFC 3339 can print.
const TIME_MAX_MS: i64 = 253_402_300_799_999;

/// A time of the wire.
pub fn time_in(value: &Value, form: TimeForm, at: &str, notes: &mut Vec<Note>) -> Result<Timestamp, Refusal> {
    let invalid = |detail: &str| Refusal::new(Reason::TimeInvalid, at, detail);
    let millis = match (form, value) {
        (TimeForm::UnixMillis, Value::Number(number)) => number.as_i64().ok_or_else(|| invalid("no milliseconds"))?,
        (TimeForm::UnixSeconds, Value::Number(number)) => {
            let text = number.to_string();
            Decimal::of(&text).and_then(|decimal| decimal.units(3)).ok_or_else(|| invalid("no seconds"))?
        }
        (TimeForm::Millis | TimeForm::Seconds, Value::String(text)) => {
            let mut whole = Cow::from(text.as_str());
            let date = text.split_once(['T', 't', ' ']);
            let (_, clock) = date.ok_or_else(|| invalid("no RFC 3339"))?;
            if !clock.contains(['Z', 'z', '+', '-']) {
                notes.push(Note::TimeWithoutZone);
                whole = format!("{text}Z").into();
            }
            let digits =
                clock.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
            if digits > 9 {
                return Err(invalid("more than nine digits of the second"));
            }
            if digits > 3 {
                notes.push(Note::TimeCut);
            }
            let time: Timestamp = whole.parse().map_err(|_| invalid("no RFC 3339"))?;
            time.as_millis()
        }
        _ => return Err(invalid("neither a text nor a number, as the contract has it")),
    };
    check_time(Timestamp::from_millis(millis)).ok_or_else(|| invalid("outside the years 1970 to 9999"))
}

/// A time within the years that can be printed.
pub fn check_time(time: Timestamp) -> Option<Timestamp> {
    (0..=TIME_MAX_MS).contains(&time.as_millis()).then_some(time)
}

/// A time as the contract writes it.
pub fn time_out(time: Timestamp, form: TimeForm) -> Value {
    match form {
        TimeForm::UnixMillis => time.as_millis().into(),
        TimeForm::UnixSeconds => (time.as_millis() / 1_000).into(),
        TimeForm::Millis => time.to_string().into(),
        TimeForm::Seconds => {
            let text = time.to_string();
            text.strip_suffix(".000Z").map_or(text.clone(), |seconds| format!("{seconds}Z")).into()
        }
    }
}

/// An id of the wire as one of ours: what is no visible ASCII, and `%`, is percent-escaped.
pub fn id_in(text: &str, at: &str) -> Result<String, Refusal> {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
        if escaped.len() > ID_BYTES_MAX {
            let detail = format!("over {ID_BYTES_MAX} characters, escaped");
            return Err(Refusal::new(Reason::IdTooLong, at, detail));
        }
    }
    Ok(escaped)
}

/// One of our ids as it stands on the wire, so that it comes back as itself.
pub fn id_out(text: &str, at: &str) -> Result<String, Refusal> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|code| str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    let cannot = || Refusal::new(Reason::ContractCannotCarry, at, "the id would come back as another one");
    let raw = String::from_utf8(bytes).map_err(|_| cannot())?;
    if id_in(&raw, at).is_ok_and(|back| back == text) { Ok(raw) } else { Err(cannot()) }
}

/// A text that is a UUID stays; of any other one is made (version 8: a hash of it).
pub fn uuid(text: &str) -> String {
    if is_uuid(text) {
        return text.to_owned();
    }
    let hash = Sha256::digest(text.as_bytes());
    let mut bytes: [u8; 16] = std::array::from_fn(|nth| hash[nth]);
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn is_uuid(text: &str) -> bool {
    let dash = |nth| matches!(nth, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(nth, b)| if dash(nth) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// The event id of an imported message: `BRIDGE-` and 32 hexadecimal digits of a hash of all parts.
pub fn event_id(bridge: &str, parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let room = ID_BYTES_MAX - 33;
    let name: String = bridge.chars().filter(char::is_ascii_graphic).take(room).collect();
    format!("{name}-{}", hex(&hash.finalize()[..16]))
}

/// Two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xF)]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reason<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Reason {
        result.unwrap_err().reason
    }

    #[test]
    fn an_amount_is_exact_or_refused() {
        for (value, minor) in [
            (json!("24.99"), 2_499),
            (json!(24.99), 2_499),
            (json!("24.990"), 2_499),
            (json!(1e2), 10_000),
            (json!(0), 0),
            (json!(9_007_199_254_740_993_i64), 900_719_925_474_099_300),
        ] {
            assert_eq!(money_in(&value, "EUR", "a"), Ok(minor), "{value}");
        }
        for value in [json!("24.999"), json!(24.999), json!(-1), json!("-0.01"), json!("NaN"), json!(""), json!(null)] {
            assert_eq!(reason(money_in(&value, "EUR", "a")), Reason::AmountNotExact, "{value}");
        }
        assert_eq!(money_in(&json!("1200"), "JPY", "a"), Ok(1_200));
        assert_eq!(reason(money_in(&json!("1.5"), "JPY", "a")), Reason::AmountNotExact);
        assert_eq!(reason(money_in(&json!("1"), "EURO", "a")), Reason::AmountNotExact);
    }

    #[test]
    fn a_float_holds_amounts_to_the_bound_that_was_measured() {
        let exact = |minor, currency| money_out(minor, currency, MoneyForm::Float, "a").unwrap().1;
        for (bound, currency) in [(13_107_200, "EUR"), (16_384_000, "KWD"), (16_777_216, "JPY")] {
            assert!((bound - 20_000..bound).all(|minor| exact(minor, currency)), "{currency}");
            assert!((bound..bound + 20_000).any(|minor| !exact(minor, currency)), "{currency}");
        }
        assert_eq!(money_out(2_499, "EUR", MoneyForm::Text, "a").unwrap(), (json!("24.99"), true));
        assert_eq!(money_out(2_499, "EUR", MoneyForm::Number, "a").unwrap(), (json!(24.99), true));
        assert_eq!(money_out(2_500, "EUR", MoneyForm::Number, "a").unwrap(), (json!(25), true));
        assert_eq!(money_out(-5, "EUR", MoneyForm::Text, "a").unwrap(), (json!("-0.05"), true));
        assert!(!money_out(i64::MAX, "EUR", MoneyForm::Number, "a").unwrap().1);
    }

    #[test]
    fn a_time_is_read_by_the_rule_of_the_document() {
        let read = |text: &str| {
            let mut notes = Vec::new();
            (time_in(&json!(text), TimeForm::Seconds, "t", &mut notes).map(|time| time.to_string()), notes)
        };
        let ten_thirty = Ok("2024-01-15T10:30:00.000Z".to_owned());
        assert_eq!(read("2024-01-15T10:30:00Z"), (ten_thirty.clone(), vec![]));
        assert_eq!(read("2024-01-15T10:30:00"), (ten_thirty.clone(), vec![Note::TimeWithoutZone]));
        assert_eq!(read("2024-01-15T10:30:00.0000001Z"), (ten_thirty, vec![Note::TimeCut]));
        for bad in [
            "",
            "yesterday",
            "2024-01-15",
            "2024-01-15T25:00:00Z",
            "2024-01-15T10:30:00.0000000001Z",
            "1705314600000",
            "1969-01-01T00:00:00Z",
        ] {
            assert_eq!(reason(read(bad).0), Reason::TimeInvalid, "{bad}");
        }
        let unix = |number: i64, form| time_in(&json!(number), form, "t", &mut Vec::new());
        assert_eq!(unix(1_769_860_800_000, TimeForm::UnixMillis).unwrap().to_string(), "2026-01-31T12:00:00.000Z");
        // Microseconds taken for milliseconds: the year 58054.
        assert_eq!(reason(unix(1_769_860_800_000_000, TimeForm::UnixMillis)), Reason::TimeInvalid);
        assert_eq!(reason(unix(i64::MAX, TimeForm::UnixSeconds)), Reason::TimeInvalid);
        let time = Timestamp::from_millis(1_769_860_800_000);
        assert_eq!(time_out(time, TimeForm::Seconds), json!("2026-01-31T12:00:00Z"));
        assert_eq!(
            time_out(Timestamp::from_millis(1_769_860_800_001), TimeForm::Seconds),
            json!("2026-01-31T12:00:00.001Z")
        );
        assert_eq!(time_out(time, TimeForm::Millis), json!("2026-01-31T12:00:00.000Z"));
    }

    #[test]
    fn an_id_comes_back_as_it_was_or_is_refused() {
        for raw in ["order-1", "a b", "é", "50%", "a%20b", "%", "", "%zz"] {
            let ours = id_in(raw, "a").unwrap();
            assert!(ours.bytes().all(|byte| byte.is_ascii_graphic()), "{ours}");
            assert_eq!(id_out(&ours, "a").as_deref(), Ok(raw));
        }
        assert_eq!(id_in(&"x".repeat(64), "a").unwrap().len(), 64);
        assert_eq!(reason(id_in(&"x".repeat(65), "a")), Reason::IdTooLong);
        assert_eq!(reason(id_in(&"é".repeat(11), "a")), Reason::IdTooLong);
        // Ours, and no escape of anything: what came back would be another id.
        assert_eq!(reason(id_out("100%", "a")), Reason::ContractCannotCarry);
        assert_eq!(reason(id_out("%61", "a")), Reason::ContractCannotCarry);
    }

    #[test]
    fn an_event_id_and_a_uuid_are_made_of_what_was_there() {
        let id = event_id("stocklet", &[b"warehouse", b"17", b"payload"]);
        assert_eq!(id.len(), "stocklet-".len() + 32);
        assert_ne!(id, event_id("stocklet", &[b"warehouse1", b"7", b"payload"]));
        assert!(event_id(&"b".repeat(300), &[]).len() <= ID_BYTES_MAX);
        let known = "550e8400-e29b-41d4-a716-446655440000";
        assert_eq!(uuid(known), known);
        assert!(is_uuid(&uuid("main-482-7")));
        assert_ne!(uuid("main-482-7"), uuid("main-482-8"));
    }
}
