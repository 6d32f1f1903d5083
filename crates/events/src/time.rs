//! Points in time: UTC, whole milliseconds, RFC 3339 on the wire.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in UTC, in milliseconds since 1970-01-01T00:00:00Z.
///
/// On the wire it is RFC 3339 with `Z`, in a typed column an integer of milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// Why a text is no [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time is RFC 3339, such as 2026-01-31T12:00:00Z")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// What lies outside the years that RFC 3339 can print is clamped when shown.
    pub const fn from_millis(since_epoch_ms: i64) -> Self {
        Self(since_epoch_ms)
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The moment `later` after this one; the last representable one when that is too late.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this moment; zero when `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The day in UTC, as `2026-01-31`.
    pub fn day(self) -> String {
        self.to_string()[..10].to_owned()
    }

    fn shown(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.shown())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        Ok(Self(parsed.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_printed_in_utc_with_milliseconds_and_read_with_any_offset() {
        let noon = Timestamp::from_millis(1_769_860_800_000);
        assert_eq!(noon.to_string(), "2026-01-31T12:00:00.000Z");
        assert_eq!("2026-01-31T13:00:00+01:00".parse(), Ok(noon));
        assert_eq!(noon.day(), "2026-01-31");
        assert_eq!("yesterday".parse::<Timestamp>(), Err(InvalidTimestamp));
    }

    #[test]
    fn durations_saturate_instead_of_wrapping() {
        let start = Timestamp::from_millis(1_000);
        assert_eq!(start.plus(Duration::from_millis(5)).since(start), Duration::from_millis(5));
        assert_eq!(start.since(start.plus(Duration::from_secs(1))), Duration::ZERO);
        assert_eq!(start.plus(Duration::MAX), Timestamp::from_millis(i64::MAX));
    }
}
