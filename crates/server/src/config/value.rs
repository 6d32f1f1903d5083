//! What a setting can be: each kind is read from text and shown as text, in one way.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum::http::{HeaderName, HeaderValue};
use tracing_subscriber::filter::Targets;
use tradewind_events::{Currency, Id, TextEnum};
use tradewind_notifications::model::Delivery;
use tradewind_workers::provider::AmountRules;

/// A kind of setting.
pub trait Value: Sized {
    /// For messages: "expected a duration, such as 15m".
    const EXPECTED: &'static str;
    /// For `--help`: `--reservation-ttl <DURATION>`.
    const KIND: &'static str;
    /// It has no flag, and is shown to nobody.
    const SECRET: bool = false;

    fn parse(text: &str) -> Option<Self>;
    fn show(&self) -> String;

    /// A text that cannot be parsed, as an error quotes it: without what must not be shown.
    fn quote(text: &str) -> String {
        text.to_owned()
    }
}

/// A size in bytes: `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// What nobody is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// The password that somebody else has set for us. It may be short.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Arc<str>);

/// A secret that people or machines made up has at least so many bytes.
const SECRET_BYTES_MIN: usize = 16;

/// A share of many, in millionths: `0.01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio(u32);

/// Names and values that go with requests to somebody else, among them what proves who we are.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers(Arc<[(Arc<str>, Arc<str>)]>);

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    #[text("auto")]
    Auto,
    #[text("human")]
    Human,
    #[text("json")]
    Json,
}

/// How the connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TextEnum)]
pub enum SmtpTls {
    #[text("none")]
    None,
    /// Once it is connected.
    #[text("starttls")]
    StartTls,
    /// From its first byte.
    #[text("tls")]
    Tls,
}

impl Size {
    /// For what counts in memory.
    pub fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Secret {
    pub fn new(secret: impl Into<Arc<[u8]>>) -> Self {
        Self(secret.into())
    }

    pub fn expose(&self) -> &Arc<[u8]> {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Value for Secret {
    const EXPECTED: &'static str = "a secret of at least 16 bytes";
    const KIND: &'static str = "SECRET";
    const SECRET: bool = true;
    fn parse(text: &str) -> Option<Self> {
        (text.len() >= SECRET_BYTES_MIN).then(|| Self::new(text.as_bytes()))
    }
    fn show(&self) -> String {
        String::from("***")
    }
}

impl Password {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Ratio {
    const WHOLE: u32 = 1_000_000;

    /// Whether the trace of this id is among that share: the same everywhere, by the rule of OpenTelemetry.
    pub fn holds(self, trace_id: u128) -> bool {
        let bound = (u128::from(self.0) << 63) / u128::from(Self::WHOLE);
        (trace_id & u128::from(u64::MAX)) >> 1 < bound
    }

    /// This share of so many, rounded up.
    pub fn of(self, many: usize) -> usize {
        let share = (many as u128 * u128::from(self.0)).div_ceil(u128::from(Self::WHOLE));
        usize::try_from(share).unwrap_or(many)
    }
}

impl Value for Ratio {
    const EXPECTED: &'static str = "a number from 0 to 1 with at most six decimals, such as 0.01";
    const KIND: &'static str = "RATIO";
    fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(decimals) || decimals.len() > 6 {
            return None;
        }
        let millionths = whole.parse::<u32>().ok()?.checked_mul(Self::WHOLE)?;
        let millionths = millionths.checked_add(format!("{decimals:0<6}").parse().ok()?)?;
        (millionths <= Self::WHOLE).then_some(Self(millionths))
    }
    fn show(&self) -> String {
        let (whole, decimals) = (self.0 / Self::WHOLE, format!("{:06}", self.0 % Self::WHOLE));
        format!("{whole}.{decimals}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

impl Headers {
    pub fn expose(&self) -> impl Iterator<Item = &(Arc<str>, Arc<str>)> {
        self.0.iter()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A value may have commas and equals signs as `%2C` and `%3D`, a percent sign as `%25`, a blank as `%20`.
impl Value for Headers {
    const EXPECTED: &'static str = "names with values, such as api-key=…,x-tenant=shop";
    const KIND: &'static str = "NAME=VALUE";
    const SECRET: bool = true;
    fn parse(text: &str) -> Option<Self> {
        let header = |word: &str| {
            let (name, value) = word.split_once('=')?;
            let value = [("%2C", ","), ("%3D", "="), ("%20", " "), ("%25", "%")]
                .iter()
                .fold(value.trim().to_owned(), |value, (escape, plain)| value.replace(escape, plain));
            let name = HeaderName::try_from(name.trim()).ok()?;
            HeaderValue::try_from(&value).ok()?;
            Some((name.as_str().into(), value.into()))
        };
        words(text).map(header).collect::<Option<_>>().map(Self)
    }
    fn show(&self) -> String {
        String::from("***")
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Value for Password {
    const EXPECTED: &'static str = "a password";
    const KIND: &'static str = "PASSWORD";
    const SECRET: bool = true;
    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }
    fn show(&self) -> String {
        String::from("***")
    }
}

/// Nothing is written as an empty text.
impl<T: Value> Value for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const KIND: &'static str = T::KIND;
    const SECRET: bool = T::SECRET;
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::parse(text).map(Some) }
    }
    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
    fn quote(text: &str) -> String {
        T::quote(text)
    }
}

impl Value for Duration {
    const EXPECTED: &'static str = "a duration, such as 500ms, 15m or 1h 30m";
    const KIND: &'static str = "DURATION";
    fn parse(text: &str) -> Option<Self> {
        humantime::parse_duration(text).ok()
    }
    fn show(&self) -> String {
        humantime::format_duration(*self).to_string()
    }
}

impl Value for Size {
    const EXPECTED: &'static str = "a size, such as 512KiB or 64MiB";
    const KIND: &'static str = "SIZE";
    fn parse(text: &str) -> Option<Self> {
        let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
        let count: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        count.checked_mul(*factor).map(Self)
    }
    fn show(&self) -> String {
        let fits = |(_, factor): &&(&str, u64)| self.0.is_multiple_of(*factor) && (self.0 > 0 || *factor == 1);
        let (unit, factor) = UNITS.iter().find(fits).unwrap_or(&("B", 1));
        format!("{}{unit}", self.0 / factor)
    }
}

/// With commas between.
impl Value for Vec<IpAddr> {
    const EXPECTED: &'static str = "IP addresses with commas between them";
    const KIND: &'static str = "ADDRESSES";
    fn parse(text: &str) -> Option<Self> {
        words(text).map(|word| word.parse().ok()).collect()
    }
    fn show(&self) -> String {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

impl Value for Vec<Arc<str>> {
    const EXPECTED: &'static str = "words with commas between them";
    const KIND: &'static str = "WORDS";
    fn parse(text: &str) -> Option<Self> {
        Some(words(text).map(Arc::from).collect())
    }
    fn show(&self) -> String {
        self.join(",")
    }
}

impl Value for BTreeMap<Id, u32> {
    const EXPECTED: &'static str = "ids with whole numbers, such as books=700,food=700";
    const KIND: &'static str = "ID=NUMBER";
    fn parse(text: &str) -> Option<Self> {
        let entry = |word: &str| {
            let (id, number) = word.split_once('=')?;
            Some((Id::new(id).ok()?, number.parse().ok()?))
        };
        words(text).map(entry).collect()
    }
    fn show(&self) -> String {
        self.iter().map(|(id, number)| format!("{id}={number}")).collect::<Vec<_>>().join(",")
    }
}

pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Kinds that read and show themselves.
macro_rules! plain_values {
    ($($type:ty, $kind:literal, $expected:literal;)*) => {$(
        impl Value for $type {
            const EXPECTED: &'static str = $expected;
            const KIND: &'static str = $kind;
            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

plain_values! {
    bool, "BOOL", "true or false";
    u16, "NUMBER", "a whole number from 0 to 65535";
    u32, "NUMBER", "a whole number from 0 to 4294967295";
    usize, "NUMBER", "a whole number, not negative";
    i64, "NUMBER", "a whole number";
    Currency, "CURRENCY", "three upper-case letters (ISO 4217), such as EUR";
    AmountRules, "RULES", "two digits and an outcome each, such as 61=declined,68=late";
    Delivery, "WORD", "log or smtp";
    LogFormat, "WORD", "auto, human or json";
    SmtpTls, "WORD", "none, starttls or tls";
    SocketAddr, "ADDRESS", "an IP address and a port, such as 127.0.0.1:8080";
}

impl Value for Targets {
    const EXPECTED: &'static str = "a level, or levels by module, such as info or warn,tradewind_engine=debug";
    const KIND: &'static str = "LEVELS";
    fn parse(text: &str) -> Option<Self> {
        // To its own reader a space belongs to the name of a module, and then the level of that name is nobody's.
        let levels: Vec<&str> = words(text).collect();
        let is_plain = |level: &&str| !level.contains(char::is_whitespace);
        if levels.is_empty() || !levels.iter().all(is_plain) { None } else { levels.join(",").parse().ok() }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Arc<str> {
    const EXPECTED: &'static str = "a text";
    const KIND: &'static str = "TEXT";
    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    const EXPECTED: &'static str = "a path";
    const KIND: &'static str = "FILE";
    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round<T: Value>(text: &str) -> Option<String> {
        T::parse(text).map(|value| value.show())
    }

    #[test]
    fn what_is_read_is_shown_as_it_can_be_read_again() {
        assert_eq!(round::<Duration>("90m").as_deref(), Some("1h 30m"));
        assert_eq!(round::<Size>("1024KiB").as_deref(), Some("1MiB"));
        assert_eq!(round::<Size>("0B").as_deref(), Some("0B"));
        assert_eq!(round::<Option<Size>>("").as_deref(), Some(""));
        assert_eq!(round::<Vec<IpAddr>>("10.0.0.1, ::1").as_deref(), Some("10.0.0.1,::1"));
        assert_eq!(round::<BTreeMap<Id, u32>>("food=700,books=0").as_deref(), Some("books=0,food=700"));
        assert_eq!(round::<AmountRules>("61=declined, 05=late").as_deref(), Some("05=late,61=declined"));
        assert_eq!(round::<LogFormat>("json").as_deref(), Some("json"));
        assert_eq!(round::<Targets>("info").as_deref(), Some("info"));
        let levels = "tradewind_engine=debug,warn";
        assert_eq!(round::<Targets>(" warn, tradewind_engine=debug,"), round::<Targets>("warn,tradewind_engine=debug"));
        assert_eq!(round::<Targets>(levels).as_deref(), Some(levels));
        assert_eq!(round::<Ratio>("0.010").as_deref(), Some("0.01"));
        assert_eq!(round::<Ratio>("1").as_deref(), Some("1"));
        assert_eq!(round::<Ratio>("0.000001").as_deref(), Some("0.000001"));
    }

    #[test]
    fn what_cannot_be_is_not_read() {
        assert_eq!(round::<Duration>("15 parsecs"), None);
        assert_eq!(round::<Size>("64"), None);
        assert_eq!(round::<Size>("18446744073709551615GiB"), None);
        assert_eq!(round::<Secret>("short"), None);
        assert_eq!(round::<Delivery>("pigeon"), None);
        for ratio in ["", ".5", "-1", "1.000001", "2", "0.0000001", "5%", "+1"] {
            assert_eq!(round::<Ratio>(ratio), None, "{ratio}");
        }
        for levels in ["", ",", "tradewind_engine = debug", "warn tradewind_engine=debug", "engine=loud"] {
            assert_eq!(round::<Targets>(levels), None, "{levels}");
        }
        assert_eq!(round::<Headers>("api-key"), None);
        assert_eq!(round::<Headers>("api key=1"), None);
        assert_eq!(round::<BTreeMap<Id, u32>>("food"), None);
    }

    #[test]
    fn a_secret_is_shown_to_nobody() {
        let secret = Secret::parse("correct horse battery").unwrap();
        assert_eq!(format!("{secret:?} {}", secret.show()), "*** ***");
        let password = Password::parse("horse").unwrap();
        assert_eq!(format!("{password:?} {}", password.show()), "*** ***");
        let headers = Headers::parse("authorization=Basic%20aG9yc2U%3D, x-tenant=shop").unwrap();
        assert_eq!(format!("{headers:?} {}", headers.show()), "*** ***");
        let values: Vec<&str> = headers.expose().map(|(_, value)| &**value).collect();
        assert_eq!(values, ["Basic aG9yc2U=", "shop"]);
    }

    #[test]
    fn a_share_of_many_is_rounded_up() {
        let of = |ratio: &str, many: usize| Ratio::parse(ratio).unwrap().of(many);
        assert_eq!([of("0.25", 1024), of("0.25", 1), of("1", 7), of("0", 7)], [256, 1, 7, 0]);
        assert_eq!(of("1", usize::MAX), usize::MAX);
    }

    #[test]
    fn a_ratio_holds_about_its_share_of_traces() {
        let spread = (1..=1_000_u64).map(|nth| u128::from(nth.wrapping_mul(u64::MAX / 1_000)));
        let held = |ratio: &str| spread.clone().filter(|id| Ratio::parse(ratio).unwrap().holds(*id)).count();
        assert_eq!([held("0"), held("1")], [0, 1_000]);
        assert!((99..=101).contains(&held("0.1")), "{}", held("0.1"));
    }
}
