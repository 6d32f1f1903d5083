//! How a callback is signed: HMAC-SHA256 over the time and the body, in one header with the time. Who listens checks
//! both, so that nobody else can call, and what was called once cannot be called again later.

use std::time::Duration;

use ring::hmac;
use tradewind_events::Timestamp;

/// The header: `t=1769860800,v1=` and 64 hexadecimal digits. There may be several `v1`, while a secret is changed.
pub const SIGNATURE_HEADER: &str = "Tradewind-Signature";

/// How far the time of a signature may be from now, before or after, unless configured otherwise.
pub const SIGNATURE_TOLERANCE: Duration = Duration::from_mins(5);

/// The longest header that is looked at, in bytes.
const HEADER_BYTES_MAX: usize = 1_024;

/// Why a callback is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the signature is not of the form t=SECONDS,v1=HEX")]
    Malformed,
    #[error("the signature is not of this body and secret")]
    Wrong,
    #[error("the signature is too old")]
    TooOld,
    #[error("the signature is of a time to come")]
    TooEarly,
}

/// The value of the header for a body that is sent at `now`.
pub fn sign(secret: &[u8], body: &[u8], now: Timestamp) -> String {
    let seconds = seconds(now).to_string();
    let tag = hmac::sign(&key(secret), &signed(&seconds, body));
    format!("t={seconds},v1={}", hex(tag.as_ref()))
}

/// Checks the header of a callback that came at `now`. The comparison takes the same time wherever it differs.
pub fn verify(
    secret: &[u8],
    header: &str,
    body: &[u8],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), SignatureError> {
    if header.len() > HEADER_BYTES_MAX {
        return Err(SignatureError::Malformed);
    }
    let (mut time, mut tags) = (None, Vec::new());
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) if time.is_none() => time = Some(value),
            Some(("t", _)) | None => return Err(SignatureError::Malformed),
            Some(("v1", value)) => tags.push(unhex(value).ok_or(SignatureError::Malformed)?),
            // A scheme that is not known yet.
            Some(_) => {}
        }
    }
    let time = time.ok_or(SignatureError::Malformed)?;
    let at: i64 = time.parse().map_err(|_| SignatureError::Malformed)?;
    if tags.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let (key, signed) = (key(secret), signed(time, body));
    if !tags.iter().any(|tag| hmac::verify(&key, &signed, tag).is_ok()) {
        return Err(SignatureError::Wrong);
    }
    let (now, tolerance) = (seconds(now), i64::try_from(tolerance.as_secs()).unwrap_or(i64::MAX));
    if at < now.saturating_sub(tolerance) {
        return Err(SignatureError::TooOld);
    }
    if at > now.saturating_add(tolerance) {
        return Err(SignatureError::TooEarly);
    }
    Ok(())
}

fn seconds(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(1_000)
}

fn key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

/// The time as it stands in the header, a dot, and the body.
fn signed(seconds: &str, body: &[u8]) -> Vec<u8> {
    [seconds.as_bytes(), b".", body].concat()
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> = text.chars().map(|char| char.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of the provider";
    const BODY: &[u8] = br#"{"order_id":"order-1"}"#;
    const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_999);

    fn check(header: &str, body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
        verify(SECRET, header, body, now, SIGNATURE_TOLERANCE)
    }

    #[test]
    fn a_signature_is_known_by_what_others_compute() {
        // printf '1769860800.{"order_id":"order-1"}' | openssl dgst -sha256 -hmac 'a secret of the provider'
        let expected = "6ee9a27534475b8e6ffe3ad3918dd5a64a8d788522afef3264c0e94fbe76077f";
        assert_eq!(sign(SECRET, BODY, NOW), format!("t=1769860800,v1={expected}"));
    }

    #[test]
    fn a_signature_is_good_for_its_body_its_secret_and_its_time() {
        let header = sign(SECRET, BODY, NOW);
        assert_eq!(check(&header, BODY, NOW), Ok(()));
        assert_eq!(check(&header, b"{}", NOW), Err(SignatureError::Wrong));
        assert_eq!(check(&header.replace("t=1", "t=2"), BODY, NOW), Err(SignatureError::Wrong));
        assert_eq!(check(&sign(b"another", BODY, NOW), BODY, NOW), Err(SignatureError::Wrong));
        let at = |seconds: i64| Timestamp::from_millis(NOW.as_millis() + seconds * 1_000);
        assert_eq!(check(&header, BODY, at(300)), Ok(()));
        assert_eq!(check(&header, BODY, at(301)), Err(SignatureError::TooOld));
        assert_eq!(check(&header, BODY, at(-300)), Ok(()));
        assert_eq!(check(&header, BODY, at(-301)), Err(SignatureError::TooEarly));
    }

    #[test]
    fn while_a_secret_is_changed_one_of_two_signatures_is_enough() {
        let old = sign(b"the secret before", BODY, NOW);
        let new = sign(SECRET, BODY, NOW);
        let (_, tag) = new.split_once(',').unwrap();
        assert_eq!(check(&format!("{old},{tag}"), BODY, NOW), Ok(()));
        assert_eq!(check(&format!("{new},v2=unheard-of"), BODY, NOW), Ok(()));
    }

    #[test]
    fn what_is_no_signature_is_malformed() {
        let good = sign(SECRET, BODY, NOW);
        let long = format!("{good},v2={}", "a".repeat(HEADER_BYTES_MAX));
        let twice = format!("{good},t=1769860800");
        let uneven = format!("{good}0");
        for header in
            ["", "t=1769860800", "v1=00", "t=,v1=00", "t=x,v1=00", "t=1,v1=0g", "t=1,v1", &long, &twice, &uneven]
        {
            assert_eq!(check(header, BODY, NOW), Err(SignatureError::Malformed), "{header}");
        }
        assert_eq!(check("t=1769860800,v1=", BODY, NOW), Err(SignatureError::Wrong));
    }
}
