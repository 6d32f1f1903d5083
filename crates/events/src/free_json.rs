//! Free-form JSON: content whose shape its sender decides (attributes, the values of a change, an edited message).
//!
//! One rule for all of it: what is accepted is stored, logged, read and compared as the same text. [`FreeJson::parse`]
//! writes the canonical form once (no blanks, members sorted, one spelling for every string), keeps the text of numbers,
//! and refuses whatever a JSON reader could silently change: a number that 64 bits do not hold exactly, and a member that
//! stands twice in an object.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{column::json_columns, personal::masked};

/// How deep objects and lists may lie in each other.
pub const FREE_JSON_DEPTH_MAX: usize = 32;

/// JSON in its canonical form. A clone costs a counter.
#[derive(Clone)]
pub struct FreeJson(Arc<RawValue>);

/// Why a text is not accepted as free-form JSON. None of them quotes the content: it may be about a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJson {
    #[error("{0}")]
    Syntax(String),
    /// Worded as serde words it, so that the edge finds the name of the field.
    #[error("duplicate field `{0}`")]
    Duplicate(String),
    #[error("a number that 64 bits cannot hold exactly; write it as a string")]
    Number,
    #[error("objects and lists lie in each other more than {FREE_JSON_DEPTH_MAX} deep")]
    Depth,
}

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

impl FreeJson {
    /// Reads any JSON text, and brings it into its canonical form.
    pub fn parse(text: &str) -> Result<Self, InvalidJson> {
        Self::canonical(read(text)?)
    }

    /// The canonical form of anything that can be written as JSON.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, InvalidJson> {
        Self::parse(&serde_json::to_string(value).map_err(|error| syntax(&error))?)
    }

    /// The canonical text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    pub fn kind(&self) -> JsonKind {
        kind(self.get())
    }

    /// The content of a string.
    pub fn as_text(&self) -> Option<String> {
        serde_json::from_str(self.get()).ok()
    }

    /// The content of a member of an object, where it is a string.
    pub fn member_text(&self, name: &str) -> Option<String> {
        let members: Members<'_> = serde_json::from_str(self.get()).ok()?;
        serde_json::from_str(members.0.get(name)?.get()).ok()
    }

    fn canonical(raw: &RawValue) -> Result<Self, InvalidJson> {
        let mut text = String::with_capacity(raw.get().len());
        write(raw.get().trim(), 0, &mut text)?;
        Ok(Self(Arc::from(RawValue::from_string(text).map_err(|error| syntax(&error))?)))
    }
}

/// The members of an object, each once.
struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Members<'de>, A::Error> {
                once_each(map).map(Members)
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// The members of an object; one that stands twice is an error.
pub(crate) fn once_each<'de, A: MapAccess<'de>, V: Deserialize<'de>>(
    mut map: A,
) -> Result<BTreeMap<String, V>, A::Error> {
    let mut members = BTreeMap::new();
    while let Some(name) = map.next_key::<String>()? {
        if members.contains_key(&name) {
            return Err(A::Error::custom(InvalidJson::Duplicate(name)));
        }
        let value = map.next_value()?;
        members.insert(name, value);
    }
    Ok(members)
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, InvalidJson> {
    serde_json::from_str(text).map_err(|error| syntax(&error))
}

/// The error of a parser without its position: that is one in a part of the text.
fn syntax(error: &serde_json::Error) -> InvalidJson {
    let shown = masked(error);
    let shown = shown.split_once(" at line ").map_or(&*shown, |(shown, _)| shown);
    match shown.strip_prefix("duplicate field `").and_then(|rest| rest.strip_suffix('`')) {
        Some(name) => InvalidJson::Duplicate(name.to_owned()),
        None => InvalidJson::Syntax(shown.to_owned()),
    }
}

fn kind(text: &str) -> JsonKind {
    match text.as_bytes().first() {
        Some(b'{') => JsonKind::Object,
        Some(b'[') => JsonKind::List,
        Some(b'"') => JsonKind::Text,
        Some(b't' | b'f') => JsonKind::Boolean,
        Some(b'n') | None => JsonKind::Null,
        Some(_) => JsonKind::Number,
    }
}

/// Appends the canonical form of one value, of which a parser has said that it is JSON.
fn write(text: &str, depth: usize, out: &mut String) -> Result<(), InvalidJson> {
    if depth > FREE_JSON_DEPTH_MAX {
        return Err(InvalidJson::Depth);
    }
    match kind(text) {
        JsonKind::Null | JsonKind::Boolean => out.push_str(text),
        JsonKind::Number if is_exact(text) => out.push_str(text),
        JsonKind::Number => return Err(InvalidJson::Number),
        JsonKind::Text => string(&read::<Cow<'_, str>>(text)?, out)?,
        JsonKind::List => {
            let elements: Vec<&RawValue> = read(text)?;
            out.push('[');
            for (nth, element) in elements.into_iter().enumerate() {
                out.push_str(if nth > 0 { "," } else { "" });
                write(element.get(), depth + 1, out)?;
            }
            out.push(']');
        }
        JsonKind::Object => {
            let members: Members<'_> = read(text)?;
            out.push('{');
            for (nth, (name, value)) in members.0.into_iter().enumerate() {
                out.push_str(if nth > 0 { "," } else { "" });
                string(&name, out)?;
                out.push(':');
                write(value.get(), depth + 1, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn string(content: &str, out: &mut String) -> Result<(), InvalidJson> {
    out.push_str(&serde_json::to_string(content).map_err(|error| syntax(&error))?);
    Ok(())
}

/// Whether whoever reads the number has the number that was written: an integer of 64 bits, or what the nearest float of
/// 64 bits prints as.
fn is_exact(text: &str) -> bool {
    if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
        return true;
    }
    let Some(float) = text.parse::<f64>().ok().filter(|float| float.is_finite()) else { return false };
    let written = Decimal::of(text);
    written.is_some() && written == Decimal::of(&format!("{float:e}"))
}

/// A number as it is compared: its sign, its digits without zeros at either end, and the power of ten of the last one.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let negative = whole.starts_with('-');
        let digits = format!("{}{fraction}", whole.trim_start_matches('-'));
        let digits = digits.trim_start_matches('0');
        let trimmed = digits.trim_end_matches('0');
        if trimmed.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let zeros = i64::try_from(digits.len() - trimmed.len()).ok()?;
        let places = i64::try_from(fraction.len()).ok()?;
        let exponent = exponent.parse::<i64>().ok()?.checked_sub(places)?.checked_add(zeros)?;
        Some(Self { negative, digits: trimmed.to_owned(), exponent })
    }
}

/// A string.
impl From<&str> for FreeJson {
    fn from(content: &str) -> Self {
        Self::of(content).expect("a text is JSON")
    }
}

/// `null`.
impl Default for FreeJson {
    fn default() -> Self {
        Self(Arc::from(RawValue::NULL.to_owned()))
    }
}

impl PartialEq for FreeJson {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for FreeJson {}

/// Names its kind only: the content may be about a person.
impl fmt::Debug for FreeJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FreeJson({:?})", self.kind())
    }
}

impl Serialize for FreeJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FreeJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::canonical(&raw).map_err(D::Error::custom)
    }
}

impl JsonSchema for FreeJson {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "FreeJson".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        Schema::from(true)
    }
}

json_columns!(FreeJson: |json| json.get().len());

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::{Attributes, Column, Event, registry, samples};

    fn canonical(text: &str) -> Result<String, InvalidJson> {
        FreeJson::parse(text).map(|json| json.get().to_owned())
    }

    #[test]
    fn the_text_of_a_number_stays_or_the_number_is_refused() {
        for kept in [
            "0",
            "-0",
            "1",
            "1.50",
            "1e3",
            "1E+2",
            "0.1",
            "-12.25",
            "9007199254740993",
            "9223372036854775807",
            "18446744073709551615",
            "-9223372036854775808",
            "1e21",
            "1e308",
            "5e-324",
            "123456789.123456",
        ] {
            assert_eq!(canonical(kept).as_deref(), Ok(kept));
        }
        for refused in [
            "18446744073709551616",
            "-9223372036854775809",
            "123456789012345678901",
            "1e400",
            "-1e400",
            "1e-400",
            "0.1000000000000000055",
            "3.14159265358979323846",
            "9007199254740993.0",
            "1e99999999999999999999",
        ] {
            assert_eq!(canonical(refused), Err(InvalidJson::Number), "{refused}");
            let nested = format!(r#"{{"a": [{{"b": {refused}}}]}}"#);
            assert_eq!(canonical(&nested), Err(InvalidJson::Number), "{nested}");
        }
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_wherever_it_stands() {
        let twice = Err(InvalidJson::Duplicate("a".into()));
        for text in [r#"{"a": 1, "a": 1}"#, r#"{"a": 1, "\u0061": 2}"#, r#"[0, {"b": {"a": 1, "c": 2, "a": 3}}]"#] {
            assert_eq!(canonical(text), twice, "{text}");
        }
        for text in [r#"{"x": 1, "x": 2}"#, r#"{"x": {"y": 1, "y": 2}}"#] {
            let error = serde_json::from_str::<Attributes>(text).unwrap_err().to_string();
            assert!(error.starts_with("duplicate field `"), "{error}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(canonical(&deep(FREE_JSON_DEPTH_MAX)).is_ok());
        assert_eq!(canonical(&deep(FREE_JSON_DEPTH_MAX + 2)), Err(InvalidJson::Depth));
        assert_eq!(canonical(&deep(100_000)), Err(InvalidJson::Depth));
    }

    #[test]
    fn what_is_no_json_is_refused_and_not_quoted() {
        for text in ["", "{", "[1,]", "01", "+1", ".5", "1.", "NaN", "\"\\ud800\"", "'ada'", "1 2", "\u{feff}1"] {
            let error = canonical(text).unwrap_err();
            assert!(matches!(error, InvalidJson::Syntax(_)), "{text}: {error:?}");
            assert!(!error.to_string().contains("ada"), "{error}");
        }
    }

    /// Any JSON, written with blanks, odd spellings of strings and numbers of every kind.
    fn any_json() -> impl Strategy<Value = String> {
        let number = prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            any::<u64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(|float| format!("{float:e}")),
            "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
        ];
        let text = any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
        let escaped = "[a-c]".prop_map(|letter| format!("\"\\u00{:02x}\"", letter.as_bytes()[0]));
        let leaf = prop_oneof![Just("null".to_owned()), Just("true".to_owned()), number, text.clone(), escaped.clone()];
        let name = prop_oneof![text, escaped, "\"[a-c]\""];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            let lists = prop::collection::vec(inner.clone(), 0..5).prop_map(|all| format!("[ {} ]", all.join(" ,\n")));
            let member = (name.clone(), inner).prop_map(|(name, value)| format!("{name}\t: {value}"));
            let objects = prop::collection::vec(member, 0..5).prop_map(|all| format!("{{ {} }}", all.join(" , ")));
            prop_oneof![lists, objects]
        })
    }

    proptest! {
        #[test]
        fn what_is_accepted_comes_back_as_it_is_from_everywhere(text in any_json()) {
            let Ok(json) = FreeJson::parse(&text) else { return Ok(()) };
            let canonical = json.get();
            // The canonical form is its own.
            prop_assert_eq!(&FreeJson::parse(canonical).unwrap(), &json);
            // From a column.
            prop_assert_eq!(&FreeJson::from_value(&json.to_value()).unwrap(), &json);
            // From an event in the log.
            let free: BTreeMap<String, FreeJson> = [("x".to_owned(), json.clone())].into();
            let mut product = <crate::Product as samples::Sample>::sample();
            product.attributes = free.into();
            let changes = Attributes::default().changes(&product.attributes);
            let event = crate::catalog::ProductUpdated { product, changes: changes.into() };
            let data = serde_json::to_string(&event).unwrap();
            let read = registry().decode("product.updated", crate::catalog::ProductUpdated::VERSION, &data).unwrap();
            let read = read.as_any().downcast_ref::<crate::catalog::ProductUpdated>().unwrap();
            prop_assert_eq!(read, &event);
            prop_assert_eq!(read.product.attributes["x"].get(), canonical);
            prop_assert_eq!(read.changes[0].new_value.get(), canonical);
            // Whoever reads it without this rule has the same values.
            let ours: Value = serde_json::from_str(canonical).unwrap();
            let theirs: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&ours, &theirs);
            let again: Value = serde_json::from_str(&ours.to_string()).unwrap();
            prop_assert_eq!(ours, again);
        }
    }
}
