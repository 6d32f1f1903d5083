//! Money: whole minor units of a currency. No float, ever; an overflow is an error, not a wrap.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ISO 4217 code: three upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Why a text is no [`Currency`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a currency is three upper-case letters (ISO 4217), such as EUR")]
pub struct InvalidCurrency;

/// A sum left the range of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount is too large")]
pub struct AmountOverflow;

/// An amount of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    pub amount_minor: i64,
    pub currency: Currency,
}

impl Currency {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many decimal digits its minor unit has (ISO 4217): 2 for EUR, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
            | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            "CLF" | "UYW" => 4,
            _ => 2,
        }
    }
}

/// For people: `24.99 EUR`, `-0.05 EUR`, `1200 JPY`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let minor = self.amount_minor.unsigned_abs();
        let digits = self.currency.exponent();
        if digits == 0 {
            return write!(f, "{sign}{minor} {}", self.currency);
        }
        let unit = 10_u64.pow(digits);
        write!(f, "{sign}{}.{:0width$} {}", minor / unit, minor % unit, self.currency, width = digits as usize)
    }
}

/// `unit × quantity`, checked.
pub fn times(unit_minor: i64, quantity: u32) -> Result<i64, AmountOverflow> {
    unit_minor.checked_mul(i64::from(quantity)).ok_or(AmountOverflow)
}

/// `left + right`, checked.
pub fn plus(left_minor: i64, right_minor: i64) -> Result<i64, AmountOverflow> {
    left_minor.checked_add(right_minor).ok_or(AmountOverflow)
}

/// `left - right`, checked.
pub fn minus(left_minor: i64, right_minor: i64) -> Result<i64, AmountOverflow> {
    left_minor.checked_sub(right_minor).ok_or(AmountOverflow)
}

/// `amount × rate / 10,000`, rounded half up, so that a rate of 1,900 basis points is 19 %.
/// The amount is not negative.
pub fn basis_points(amount_minor: i64, rate_bp: u32) -> Result<i64, AmountOverflow> {
    let exact = i128::from(amount_minor) * i128::from(rate_bp);
    i64::try_from((exact + 5_000) / 10_000).map_err(|_| AmountOverflow)
}

impl AsRef<str> for Currency {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;
    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| InvalidCurrency)?;
        if code.iter().all(u8::is_ascii_uppercase) { Ok(Self(code)) } else { Err(InvalidCurrency) }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        assert_eq!("EUR".parse::<Currency>().unwrap().as_str(), "EUR");
        for bad in ["", "eur", "EU", "EURO", "E1R", "É€"] {
            assert_eq!(bad.parse::<Currency>(), Err(InvalidCurrency), "{bad}");
        }
    }

    #[test]
    fn money_is_shown_with_the_decimals_of_its_currency() {
        let shown = |amount_minor, code: &str| Money { amount_minor, currency: code.parse().unwrap() }.to_string();
        assert_eq!(shown(2_499, "EUR"), "24.99 EUR");
        assert_eq!(shown(5, "EUR"), "0.05 EUR");
        assert_eq!(shown(-5, "EUR"), "-0.05 EUR");
        assert_eq!(shown(1_200, "JPY"), "1200 JPY");
        assert_eq!(shown(1_200, "KWD"), "1.200 KWD");
        assert_eq!(shown(12_345, "CLF"), "1.2345 CLF");
        assert_eq!(shown(i64::MIN, "EUR"), "-92233720368547758.08 EUR");
    }

    #[test]
    fn an_overflow_is_an_error_not_a_wrap() {
        assert_eq!(plus(i64::MAX, 1), Err(AmountOverflow));
        assert_eq!(minus(i64::MIN, 1), Err(AmountOverflow));
        assert_eq!(times(i64::MAX, 2), Err(AmountOverflow));
        assert_eq!(basis_points(i64::MAX, 20_000), Err(AmountOverflow));
    }

    #[test]
    fn a_rate_rounds_half_up() {
        assert_eq!(basis_points(1_050, 1_000), Ok(105));
        assert_eq!(basis_points(1_005, 1_000), Ok(101));
        assert_eq!(basis_points(1_004, 1_000), Ok(100));
        assert_eq!(basis_points(0, 1_900), Ok(0));
    }
}
