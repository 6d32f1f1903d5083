//! Callbacks of the payment provider: a line with the signature, then the body. Only who knows the secret is believed,
//! and what is believed says the same after it was written and read again.

use tradewind::http;
use tradewind_events::{Timestamp, id, jobs::ProviderState};
use tradewind_workers::provider::{Callback, SIGNATURE_TOLERANCE, SignatureError, sign, verify};

use crate::line;

const SECRET: &[u8] = b"a secret of the provider";
const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);

pub fn check(input: &[u8]) {
    let (header, body) = line(input);
    let Ok(header) = std::str::from_utf8(header) else { return };
    let ours = sign(SECRET, body, NOW);
    assert_eq!(verify(SECRET, &ours, body, NOW, SIGNATURE_TOLERANCE), Ok(()));
    assert_eq!(verify(b"another", &ours, body, NOW, SIGNATURE_TOLERANCE), Err(SignatureError::Wrong));
    if verify(SECRET, header, body, NOW, SIGNATURE_TOLERANCE).is_ok() {
        assert!(is_signed(header, body), "{header} was believed");
    }
    match http::read::<Callback>(body) {
        Ok(callback) => {
            let written = serde_json::to_vec(&callback).expect("a callback can be written");
            assert_eq!(http::read::<Callback>(&written).expect("what was written can be read"), callback);
        }
        Err(failure) => crate::request::assert_body_refusal(&failure),
    }
}

/// Whether a tag in the header is the one that the secret gives at the header's time.
fn is_signed(header: &str, body: &[u8]) -> bool {
    let time = header.split(',').find_map(|part| part.trim().strip_prefix("t=")?.parse::<i64>().ok());
    let at = Timestamp::from_millis(time.unwrap_or_default().saturating_mul(1_000));
    let ours = sign(SECRET, body, at);
    let tag = ours.split_once("v1=").map(|(_, tag)| tag).unwrap_or_default();
    at.since(NOW).max(NOW.since(at)) <= SIGNATURE_TOLERANCE && header.to_ascii_lowercase().contains(tag)
}

pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |state, refund_id| {
        let callback = Callback {
            order_id: id("order-1"),
            reference: id("charge-1"),
            state,
            amount_minor: 4_998,
            currency: "EUR".parse().expect("EUR is a currency"),
            refund_id,
            reason: Some("insufficient funds".into()),
        };
        let body = serde_json::to_vec(&callback).expect("a callback can be written");
        [sign(SECRET, &body, NOW).as_bytes(), b"\n", &body].concat()
    };
    vec![
        seed(ProviderState::Authorized, None),
        seed(ProviderState::Declined, None),
        seed(ProviderState::Refunded, Some(id("refund-1"))),
        b"t=1769860800,v1=00,v1=ff,v2=unheard-of\n{}".to_vec(),
    ]
}
